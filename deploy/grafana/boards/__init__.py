"""wattgram's Grafana dashboards and alert rules as code. `generate.py` writes the files in `dashboards/`."""
