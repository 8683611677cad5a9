"""The page of a real daemon with a lost device and an unavailable database."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import browser, page_on
from tests.support.page_view import FixedView
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import free_port, listening, wait_for
from tests.support.topics import METER

pytestmark = pytest.mark.server

__all__ = ["browser"]

WAIT = 60_000  # ms; generous, because the machine may be busy


@pytest.mark.slow(6)
def test_a_lost_device_and_a_database_that_is_down_are_shown(browser: Browser, tmp_path: Path) -> None:
    port, closed_port = free_port(), free_port()
    influxdb = f'url = "http://127.0.0.1:{closed_port}"\norg = "plant"\nbucket = "energy"'
    with device(Registers(METER)) as meter:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port, interval="200ms", timeout="200ms")
        text = configuration(tmp_path, devices, influxdb=influxdb, http=f"127.0.0.1:{port}")
        with daemon(tmp_path, text):
            wait_for(lambda: listening(port), 30, "the page")
            with page_on(browser, ("127.0.0.1", port), FixedView()) as opened:
                expect(opened.page.locator("#glance-devices")).to_have_text("1 of 1 good", timeout=WAIT)
                expect(opened.page.locator("#glance-sinks")).to_have_text("unavailable: influxdb", timeout=WAIT)
                opened.go("delivery")
                expect(opened.page.locator("#sinks .state.bad")).to_have_text("unavailable")
                expect(opened.page.locator("#sinks")).to_contain_text("undelivered")
                opened.picture("daemon-database-down")
                opened.go("history")
                expect(opened.page.locator("#past-period")).to_contain_text("full resolution", timeout=WAIT)
                meter.behaviour = lambda request: []  # no response from here on
                opened.go("devices")
                expect(opened.page.locator("#devices .state.warn")).to_have_text("stale", timeout=WAIT)
                expect(opened.page.locator("#devices .detail")).not_to_be_empty(timeout=WAIT)
                opened.go("now")
                expect(opened.page.locator("#difference")).to_contain_text("the grid meter incomer is stale")
                opened.picture("daemon-device-lost")
                assert opened.complaints == []
