"""The one data source; its uid is the one that is provisioned in `provisioning/datasources/`."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="influxdb", uid="wattgram-influxdb")
