"""Self-metrics for Prometheus: checked by promtool, and scraped from a real daemon by Prometheus."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from wattgram.web.prometheus import HELP, HELP_OF_SINK, exposition

from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import Server, free_port, program, request, running, wait_for
from tests.support.topics import METER


def check(text: bytes) -> tuple[int, str]:
    """Return exit code and output of promtool for an exposition."""
    command = [program("promtool", "prometheus"), "check", "metrics"]
    completed = subprocess.run(command, input=text, capture_output=True, timeout=30, check=False)
    return completed.returncode, (completed.stdout + completed.stderr).decode()


def test_promtool_accepts_every_metric_and_rejects_an_invalid_metric() -> None:
    metrics = dict.fromkeys([*HELP, *(f"influxdb{end}" for end in HELP_OF_SINK)], 1.0)
    assert check(exposition(metrics)) == (0, "")
    code, output = check(exposition({"spool.unheard_of": 1.0}))
    assert (code, output.strip()) == (3, "wattgram_spool_unheard_of no help text")


def test_a_metric_without_a_number_is_left_out() -> None:
    assert exposition({"memory": float("nan")}) == b""


def test_an_escaped_label_is_valid(tmp_path: Path) -> None:
    assert check(exposition({'bus_busy_share{bus="a\\"b\\\\c\\n"}': 0.5})) == (0, "")


@pytest.mark.slow(6)
@pytest.mark.server
def test_prometheus_scrapes_the_daemon_with_its_token(tmp_path: Path) -> None:
    page, port = free_port(), free_port()
    (tmp_path / "token").write_text("plant-7-secret")
    with device(Registers(METER)) as meter:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port, interval="200ms")
        text = configuration(tmp_path, devices, http=f"127.0.0.1:{page}")
        text = text.replace("[http]\n", f'[http]\ntoken = {{ file = "{tmp_path}/token" }}\n')
        with daemon(tmp_path, text), running(_prometheus(tmp_path, port, page)):
            readings = wait_for(lambda: _value(port, "wattgram_readings > 3"), 60, "Prometheus to have some readings")
            busy = wait_for(lambda: _series(port, "wattgram_bus_busy_share"), 60, "Prometheus to have the bus")
            targets = request(f"http://127.0.0.1:{port}/api/v1/targets")[1]
            code, output = check(request(f"http://127.0.0.1:{page}/metrics", headers=BEARER)[1])
    assert readings > 3.0
    assert [series["metric"]["bus"] for series in busy] == [meter.url]
    (target,) = json.loads(targets)["data"]["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    assert (code, output) == (0, "")


BEARER = {"Authorization": "Bearer plant-7-secret"}


def _prometheus(folder: Path, port: int, page: int) -> Server:
    (folder / "prometheus.yml").write_text(
        f"""
global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: wattgram
    authorization: {{ credentials_file: {folder}/token }}
    static_configs: [{{ targets: ["127.0.0.1:{page}"] }}]
"""
    )
    command = [program("prometheus", "prometheus"), f"--config.file={folder}/prometheus.yml"]
    command += [f"--storage.tsdb.path={folder}/series", f"--web.listen-address=127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}/-/ready"
    return Server("prometheus", command, folder, port, ready=lambda: request(url)[0] == 200)


def _series(port: int, query: str) -> list[Any]:
    """Return the result of an instant query."""
    body = request(f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}")[1]
    result: list[Any] = json.loads(body)["data"]["result"]
    return result


def _value(port: int, query: str) -> float:
    """Return the value of the only series of a query, or 0 without a series."""
    return sum(float(series["value"][1]) for series in _series(port, query))
