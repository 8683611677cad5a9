"""Grafana's dashboards and alert rules of wattgram, as code: `generate.py` writes what stands in `dashboards/`."""
