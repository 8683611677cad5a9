"""The goals of a running daemon: what its interface, the page and the unit file make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.agent.web.test_openapi import description, mistakes, schema_of
from tests.support.browser import browser, page_on
from tests.support.command_runs import started
from tests.support.page_view import FixedView
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import free_port, request, wait_for
from tests.support.topics import METER

__all__ = ["browser"]


def goals(port: int) -> list[dict[str, Any]]:
    """What /api/goals says."""
    found: list[dict[str, Any]] = json.loads(request(f"http://127.0.0.1:{port}/api/goals")[1])
    return found


@pytest.mark.slow(25)
@pytest.mark.server
def test_with_the_system_calls_of_the_unit_file_the_goals_are_evaluated(tmp_path: Path) -> None:
    port = free_port()
    with device(Registers(METER)) as meter:
        text = configuration(
            tmp_path, one_device("incomer", "grid", "eastron_sdm630", meter.port), http=f"127.0.0.1:{port}"
        )
        with daemon(tmp_path, text, module="tests.support.confined") as running:
            wait_for(lambda: "live page on" in running.log, 30, "the page")
            wait_for(lambda: "goals: not evaluated" in running.log or len(goals(port)) == 43, 60, "the first round")
            assert "goals:" not in running.log


@pytest.mark.slow(30)
def test_every_claim_is_at_the_interface_as_its_description_says_and_on_the_page(
    tmp_path: Path, browser: Browser
) -> None:
    # At 120 times real time a quarter of an hour is over before the first round, 10 s after the start.
    with started(tmp_path / "demo", "demo", "--http", "127.0.0.1:0", "--speed", "120") as demo:
        port = int(demo.says(r"live page: http://127\.0\.0\.1:(\d+)/").group(1))
        address = ("127.0.0.1", port)

        def measured() -> list[dict[str, Any]]:
            found = goals(port)
            return found if any(one["value"] is not None for one in found) else []

        cards = wait_for(measured, 90, "a number")
        assert [one["goal"] for one in cards] == [f"A{n:02}" for n in range(1, 26)] + [f"B{n:02}" for n in range(1, 19)]
        document = description(address)
        assert mistakes(document, schema_of(document, "/api/goals"), cards) == []
        # A context claim has nothing; the intensity has a number, but too little of the month is covered for a light.
        by_goal = {one["goal"]: one for one in cards}
        assert (by_goal["A01"]["value"], by_goal["A01"]["target"]) == (None, None)
        assert (by_goal["A01"]["state"], by_goal["A04"]["state"]) == ("context only", "not enough data")
        # METHOD 5, A04: all is carbon of the grid, of which the roof's part has none.
        assert 0.0 < by_goal["A04"]["value"] < 558.1
        with page_on(browser, address, FixedView()) as opened:
            opened.go("goals")
            expect(opened.page.locator("#goals .goal")).to_have_count(43)
            opened.picture("goals-daemon")
            shown = opened.page.locator("#goals .goal").filter(has=opened.page.get_by_text("A04", exact=True))
            expect(shown).to_contain_text("gCO2/kWh")
            assert opened.complaints == []
