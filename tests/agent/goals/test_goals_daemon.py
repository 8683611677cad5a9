"""The goals of a running daemon: its interface, its page, and the system calls of its unit file."""

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
    """Return the response of /api/goals."""
    cards: list[dict[str, Any]] = json.loads(request(f"http://127.0.0.1:{port}/api/goals")[1])
    return cards


@pytest.mark.slow(25)
@pytest.mark.server
def test_the_goals_are_evaluated_under_the_system_call_filter_of_the_unit_file(tmp_path: Path) -> None:
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
def test_every_claim_is_in_the_interface_as_described_and_on_the_page(tmp_path: Path, browser: Browser) -> None:
    # At 120 times real time a quarter of an hour is over before the first round, 10 s after the start.
    with started(tmp_path / "demo", "demo", "--http", "127.0.0.1:0", "--speed", "120", "--history", "0d") as demo:
        port = int(demo.says(r"live page: http://127\.0\.0\.1:(\d+)/").group(1))
        address = ("127.0.0.1", port)

        def measured() -> list[dict[str, Any]]:
            measured_cards = goals(port)
            return measured_cards if any(card["value"] is not None for card in measured_cards) else []

        cards = wait_for(measured, 90, "a number")
        assert [card["goal"] for card in cards] == [f"A{n:02}" for n in range(1, 26)] + [
            f"B{n:02}" for n in range(1, 19)
        ]
        document = description(address)
        assert mistakes(document, schema_of(document, "/api/goals"), cards) == []
        # A context claim has no value. The intensity has a value, but too little coverage of the month for a status.
        by_goal = {card["goal"]: card for card in cards}
        assert (by_goal["A01"]["value"], by_goal["A01"]["target"]) == (None, None)
        assert (by_goal["A01"]["state"], by_goal["A04"]["state"]) == ("context only", "not enough data")
        # METHOD 5, A04: all CO2 is that of the grid, and power of the roof has none.
        assert 0.0 < by_goal["A04"]["value"] < 558.1
        with page_on(browser, address, FixedView()) as opened:
            opened.go("goals")
            expect(opened.page.locator("#goals .goal")).to_have_count(43)
            opened.picture("goals-daemon")
            intensity_card = opened.page.locator("#goals .goal").filter(has=opened.page.get_by_text("A04", exact=True))
            expect(intensity_card).to_contain_text("gCO2/kWh")
            assert opened.complaints == []
