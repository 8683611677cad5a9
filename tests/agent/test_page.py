"""The live page in a real Chromium, fed by a fixed View."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.agent.view import HOSTILE, FixedView, served

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(slots=True)
class Opened:
    """The page, what feeds it, and what the browser complained about."""

    page: Page
    view: FixedView
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)  # requests to another host

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def show(self, **changes: object) -> None:
        """Change the state and wait until the page has asked for it again."""
        self.view.state.update(changes)
        for _ in range(2):  # the first answer may have been made before the change
            with self.page.expect_response("**/api/now"):
                pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, 900, "light"), (390, 844, "dark")], ids=["desk", "phone"])
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    width, height, scheme = request.param
    view = FixedView()
    with served(view) as (host, port):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="America/New_York"
        )
        result = Opened(context.new_page(), view)
        result.page.on("console", lambda message: result.complaints.append(message.text))
        result.page.on("pageerror", lambda error: result.complaints.append(str(error)))
        result.page.on("request", lambda sent: result.elsewhere.append(sent.url))
        result.page.goto(f"http://{host}:{port}/")
        result.page.wait_for_selector("#plot-power .uplot")
        result.elsewhere = [url for url in result.elsewhere if not url.startswith(f"http://{host}:{port}/")]
        yield result
        context.close()


def test_the_page_shows_the_numbers_without_complaint(opened: Opened) -> None:
    assert opened.text("#site") == "liangjiang-foundry"
    assert opened.text("#intensity") == "279"  # 279.05 g/kWh
    assert opened.text("#grid-intensity") == "558"  # 558.1 g/kWh
    assert opened.text("#difference") == "50 % cleaner than the grid"  # 279.05 / 558.1 = 0.5
    assert opened.text("#rate") == "55.8 kg/h"
    assert opened.text("#clean") == "67 %"
    assert opened.text("#own") == "61 %"
    assert opened.text("#coverage") == "100 %"
    assert opened.text("#source") == "Grid data: CN-CQ · table · tier 5: official yearly factor · direct · valid now"
    assert opened.complaints == []
    assert opened.elsewhere == []


def test_times_are_in_the_sites_zone_and_say_so(opened: Opened) -> None:
    # 02:30 UTC is 10:30 in Chongqing; the browser itself is in New York.
    assert opened.text("#time") == "Wed, 24 Jun 2026, 10:30:00"
    assert opened.text("#zone-name") == "Asia/Shanghai"
    assert "10:30:00" in opened.text("#events")
    assert opened.text("#simulated") == "simulated time, 60\u00d7"
    # The last point of the history stands at 10:29:50.
    assert "10:" in opened.text("#plot-intensity .u-legend")


def test_the_flow_picture_tells_each_power(opened: Opened) -> None:
    title = opened.page.locator("#flow title").text_content()
    # Used 200 kW, of which 30 kW go into vehicles: 170 kW for the factory.
    assert title == (
        "Grid: 80.0 kW, imported. Solar: 95.5 kW. Battery: 24.5 kW, discharging. "
        "Factory: 170.0 kW, without vehicles. Vehicles: 30.0 kW."
    )
    assert opened.page.locator("#flow g.still").count() == 1  # no generator on this site


def test_a_hostile_name_stays_text(opened: Opened) -> None:
    names = opened.page.locator("#devices tr td:first-child").all_inner_texts()
    assert HOSTILE in names
    assert "no answer <b>from</b> unit 3" in names
    assert HOSTILE in opened.text("#events")
    assert opened.page.locator("#devices img, #devices b, #events img").count() == 0
    assert "owned" not in opened.page.title()


def test_states_are_words_and_colours(opened: Opened) -> None:
    assert opened.text("#devices-count") == "4 of 5 good"
    lost = opened.page.locator("#devices .state.bad")
    assert lost.inner_text() == "lost"
    assert opened.page.locator("#sinks .state.bad").inner_text() == "away"
    assert "18\u202f234 waiting on disk" in opened.text("#sinks")
    assert "refused" in opened.text("#sinks")
    good, bad = (
        opened.page.locator(f"#devices .state.{kind}").first.evaluate("one => getComputedStyle(one).color")
        for kind in ("good", "bad")
    )
    assert good != bad


def test_no_number_is_a_dash_with_the_reason(opened: Opened) -> None:
    devices = [
        dict(one, state="lost", power=None) if one["role"] == "grid" else one for one in opened.view.state["devices"]
    ]
    opened.show(emission={"grid_intensity": 558.1, "coverage": 0.0}, devices=devices)
    expect(opened.page.locator("#difference")).to_have_text("No data — the grid meter incomer is lost.")
    assert opened.text("#intensity") == "—"
    assert opened.text("#rate") == "—"
    assert "Grid: no data." in (opened.page.locator("#flow title").text_content() or "")
    assert opened.complaints == []


def test_export_and_charging_run_outwards(opened: Opened) -> None:
    emission = dict(
        opened.view.state["emission"],
        grid_import_power=0.0,
        grid_export_power=12e3,
        battery_discharge_power=0.0,
        battery_charge_power=8.25e3,
        emission_intensity=600.0,
    )
    opened.show(emission=emission, simulated_speed=1.0)
    expect(opened.page.locator("#difference")).to_have_text("8 % more than the grid")  # 600 / 558.1 = 1.075
    title = opened.page.locator("#flow title").text_content() or ""
    assert "Grid: 12.0 kW, exported." in title
    assert "Battery: 8.25 kW, charging." in title
    assert opened.page.locator("#flow .stream.grid.back").count() == 1
    assert opened.page.locator("#simulated").is_hidden()


def test_another_range_asks_for_its_history(opened: Opened) -> None:
    with opened.page.expect_response("**/api/history?minutes=360"):
        opened.page.get_by_role("button", name="6 h").click()
    assert opened.page.get_by_role("button", name="6 h").get_attribute("aria-pressed") == "true"
    assert opened.page.get_by_role("button", name="1 h").get_attribute("aria-pressed") == "false"


def test_nothing_is_wider_than_the_screen(opened: Opened) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_lost_connection_is_said_and_passes(opened: Opened) -> None:
    opened.page.route("**/api/now", lambda route: route.abort())
    banner = opened.page.locator("#banner")
    expect(banner).to_contain_text("Connection lost: the gateway cannot be reached.")
    expect(banner).to_contain_text("old.")
    opened.page.unroute("**/api/now")
    expect(banner).to_be_hidden()
