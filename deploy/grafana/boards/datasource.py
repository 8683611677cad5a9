"""The data source, with the uid of `provisioning/datasources/`."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="influxdb", uid="wattgram-influxdb")
