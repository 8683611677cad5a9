"""The buses of the daemon over HTTP, while it reads a real device."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import free_port, request, wait_for
from tests.support.topics import METER

pytestmark = pytest.mark.server


def test_the_busy_share_of_a_bus_and_the_headroom_are_reported(tmp_path: Path) -> None:
    port = free_port()
    page = f"http://127.0.0.1:{port}/"
    with device(Registers(METER)) as meter:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port, interval="300ms")
        with daemon(tmp_path, configuration(tmp_path, devices, http=f"127.0.0.1:{port}")):
            wait_for(lambda: len(meter.requests) >= 20, 30, "the meter to be read")
            (bus,) = json.loads(request(f"{page}api/now")[1])["buses"]
            metrics = request(f"{page}metrics")[1].decode()
    assert set(bus) == {"url", "busy_share", "requests", "failures"}
    assert (bus["url"], bus["failures"]) == (meter.url, 0)
    assert 12 <= bus["requests"] <= len(meter.requests)  # the requests of the current reading are not counted yet
    assert "# TYPE wattgram_bus_busy_share gauge\n" in metrics
    share = re.search(rf'^wattgram_bus_busy_share{{bus="{re.escape(meter.url)}"}} (\S+)$', metrics, re.MULTILINE)
    headroom = re.search(r"^wattgram_bus_headroom (\S+)$", metrics, re.MULTILINE)
    assert share is not None
    assert headroom is not None
    # The meter needs 60 ms of silence between its four requests every 300 ms: 0.6, and the time of the requests.
    assert 0.5 < float(share[1]) <= 1.0
    assert abs(1.0 - float(share[1]) - float(headroom[1])) < 0.05
