"""The live page in a real Chromium, fed by a fixed View; its pictures are kept in build/screenshots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.agent.view import HOSTILE, SECOND, FixedView, served
from tests.servers import ROOT

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


SCREENS = {"desk": (1280, 900, "light"), "phone": (360, 780, "dark")}
PICTURES = ROOT / "build" / "screenshots"
SECTIONS = ("now", "history", "devices", "goals", "delivery")


@dataclass(slots=True)
class Opened:
    """The page, what feeds it, and what the browser complained about."""

    page: Page
    view: FixedView
    screen: str
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)  # requests to another host

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def go(self, section: str) -> None:
        """Open a section by its tab."""
        self.page.locator(f"#tab-{section}").click()
        expect(self.page.locator(f"#panel-{section}")).to_be_visible()

    def show(self, **changes: object) -> None:
        """Change the state and wait until the page has it."""
        self.view.count += 1
        time = f"2026-06-24T02:31:{self.view.count:02}.000Z"
        self.view.state.update(changes, time=time)
        expect(self.page.locator("#time")).to_have_attribute("datetime", time)

    def picture(self, name: str) -> None:
        """Keep what is to be seen."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}-{self.screen}.png", full_page=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def page_on(
    browser: Browser, address: tuple[str, int], view: FixedView, screen: str = "desk", locale: str = "en-GB"
) -> Iterator[Opened]:
    """The page of a server, as a browser in New York that speaks this language shows it."""
    width, height, scheme = SCREENS[screen]
    here = f"http://{address[0]}:{address[1]}/"
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        timezone_id="America/New_York",
        locale=locale,
    )
    result = Opened(context.new_page(), view, screen)
    result.page.on("console", lambda message: result.complaints.append(message.text))
    result.page.on("pageerror", lambda error: result.complaints.append(str(error)))
    result.page.on("request", lambda sent: sent.url.startswith(here) or result.elsewhere.append(sent.url))
    result.page.goto(here)
    result.page.wait_for_selector("#plot-power .uplot")
    yield result
    context.close()


@pytest.fixture(params=SCREENS)
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    view = FixedView()
    with served(view) as address, page_on(browser, address, view, request.param) as page:
        yield page


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
    assert opened.text("#simulated") == "simulated time, 60\u00d7"
    # The last point of the history stands at 10:29:50.
    assert "10:29:50" in opened.text("#plot-intensity .u-legend")
    opened.go("delivery")
    assert "10:30:00" in opened.text("#events")


def test_the_flow_picture_tells_each_power(opened: Opened) -> None:
    title = opened.page.locator("#flow title").text_content()
    # Used 200 kW, of which 30 kW go into vehicles: 170 kW for the factory.
    assert title == (
        "Grid: 80.0 kW, imported. Solar: 95.5 kW. Battery: 24.5 kW, discharging. "
        "Factory: 170.0 kW, without vehicles. Vehicles: 30.0 kW."
    )
    assert opened.page.locator("#flow g.still").count() == 1  # no generator on this site


def test_a_hostile_name_stays_text(opened: Opened) -> None:
    opened.view.cards = [card("A01", "context only", claim=HOSTILE, why="<b>why</b>")]
    opened.go("goals")
    expect(opened.page.locator(".claim")).to_have_text(HOSTILE)
    opened.go("delivery")
    assert HOSTILE in opened.text("#events")
    opened.go("devices")
    assert HOSTILE in opened.page.locator("#devices th").all_inner_texts()
    assert "no answer <b>from</b> unit 3" in opened.page.locator("#devices td.detail").all_inner_texts()
    assert opened.page.locator("main img, main b").count() == 0
    assert "owned" not in opened.page.title()


def test_states_are_words_and_colours(opened: Opened) -> None:
    assert opened.text("#glance-devices") == "4 of 5 good"
    assert opened.text("#glance-sinks") == "away: influxdb"
    opened.go("devices")
    assert opened.text("#devices-count") == "4 of 5 good"
    assert opened.page.locator("#devices .state.bad").inner_text() == "lost"
    good, bad = (
        opened.page.locator(f"#devices .state.{kind}").first.evaluate("one => getComputedStyle(one).color")
        for kind in ("good", "bad")
    )
    assert good != bad
    opened.picture("device-lost")
    opened.go("delivery")
    assert opened.page.locator("#sinks .state.bad").inner_text() == "away"
    assert "18\u202f234 waiting on disk" in opened.text("#sinks")
    assert "refused" in opened.text("#sinks")
    opened.picture("database-down")


def test_a_bus_tells_its_headroom(opened: Opened) -> None:
    opened.go("devices")
    assert opened.page.locator("#buses tr").all_inner_texts() == ["tcp://10.1.1.20:502\t75 %\t100\t10"]


def test_the_store_and_the_clock_say_how_they_are(opened: Opened) -> None:
    opened.go("delivery")
    assert opened.text("#spool-state") == "The disk takes everything."
    facts = dict(
        zip(*[opened.page.locator(f"#spool-facts {one}").all_inner_texts() for one in ("dt", "dd")], strict=True)
    )
    assert facts["Room"] == "1 GiB"
    assert facts["Kept for"] == "30 days"
    assert facts["Refused by a sink"] == "2"
    opened.show(spool={"state": "No space left on device"}, clock="unset")
    assert opened.text("#spool-state") == "No space left on device"
    assert "not set: readings wait for their time" in opened.text("#clock-facts")


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


def test_a_range_asks_for_its_history(opened: Opened) -> None:
    with opened.page.expect_response("**/api/history?minutes=60"):
        opened.go("history")
    with opened.page.expect_response("**/api/history?minutes=43200"):
        opened.page.get_by_role("button", name="30 d").click()
    assert opened.page.get_by_role("button", name="30 d").get_attribute("aria-pressed") == "true"
    assert opened.page.get_by_role("button", name="1 h").get_attribute("aria-pressed") == "false"
    expect(opened.page.locator("#past-said")).to_have_text(
        "Mon, 25 May 2026, 10:30:00 to Wed, 24 Jun 2026, 10:30:00, by hour"
    )


def test_dragging_looks_closer_and_a_double_click_goes_back(opened: Opened) -> None:
    opened.go("history")
    plot = opened.page.locator("#past-power .u-over")
    expect(opened.page.locator("#past-back")).to_be_disabled()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    with opened.page.expect_response(re.compile(r"/api/history\?from=")):
        opened.page.mouse.move(box["x"] + box["width"] / 4, middle)
        opened.page.mouse.down()
        opened.page.mouse.move(box["x"] + box["width"] / 2, middle, steps=4)
        opened.page.mouse.up()
    seconds, until = opened.view.asked[-1]
    assert until is not None
    # A quarter of the hour, from its first quarter to its middle; a pixel is about 4 s on the desk, 15 s on the phone.
    assert seconds == pytest.approx(900, abs=40)
    assert until == pytest.approx(SECOND - 1800, abs=40)
    with opened.page.expect_response("**/api/history?minutes=60"):
        plot.dblclick()
    expect(opened.page.locator("#past-back")).to_be_disabled()


def test_the_past_can_be_walked_by_buttons_alone(opened: Opened) -> None:
    opened.go("history")
    expect(opened.page.locator("#past-said")).to_contain_text("09:30:00")
    opened.page.locator("#past-earlier").focus()
    with opened.page.expect_response(re.compile(r"/api/history\?from=")):
        opened.page.keyboard.press("Enter")
    assert opened.view.asked[-1] == (3600.0, SECOND - 1800.0)
    with opened.page.expect_response("**/api/history?minutes=60"):
        opened.page.locator("#past-back").press("Enter")


def test_the_plots_have_a_table_beside_them(opened: Opened) -> None:
    opened.go("history")
    opened.page.locator("#past-table summary").press("Enter")
    rows = opened.page.locator("#past-rows tr")
    expect(rows).to_have_count(30)  # every second of 60, because 48 are enough
    assert rows.first.inner_text().split("\t")[1:] == ["279", "558", "200.0 kW", "95.5 kW", "80.0 kW", "0 kW"]
    label = opened.page.locator("#past-intensity").get_attribute("aria-label")
    assert label == "Carbon intensity of this site, from 279 to 279 g/kWh; the table below has the numbers."


def test_a_time_of_which_nothing_is_stored_says_so(opened: Opened) -> None:
    opened.page.route("**/api/history?minutes=360", lambda route: route.fulfill(status=503, body="gone"))
    opened.go("history")
    opened.page.get_by_role("button", name="6 h").click()
    expect(opened.page.locator("#past-said")).to_have_text("No history: the gateway answered 503.")


def test_tabs_are_moved_through_by_keys(opened: Opened) -> None:
    tab = opened.page.locator("#tab-now")
    tab.focus()
    for key, section in [
        ("ArrowRight", "history"),
        ("End", "delivery"),
        ("ArrowRight", "now"),
        ("ArrowLeft", "delivery"),
    ]:
        opened.page.keyboard.press(key)
        chosen = opened.page.locator(f"#tab-{section}")
        expect(chosen).to_be_focused()
        assert chosen.get_attribute("aria-selected") == "true"
        assert opened.page.locator("[role=tab][aria-selected=true]").count() == 1
        assert opened.page.locator("[role=tabpanel]:visible").get_attribute("aria-labelledby") == f"tab-{section}"
        assert opened.page.url.endswith(f"#{section}")
    outline = opened.page.locator("#tab-delivery").evaluate("one => getComputedStyle(one).outlineStyle")
    assert outline == "solid"
    opened.page.go_back()
    expect(opened.page.locator("#panel-now")).to_be_visible()


@pytest.mark.parametrize("section", SECTIONS)
def test_no_section_is_wider_than_the_screen(opened: Opened, section: str) -> None:
    opened.view.cards = CARDS
    opened.go(section)
    opened.page.wait_for_timeout(300)  # until plots and cards have come
    assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    opened.picture(section)
    assert opened.complaints == []


def card(goal: str, state: str, **more: object) -> dict[str, object]:
    """One card of /api/goals."""
    article = "Forum in Chongqing" if goal.startswith("A") else "Summit on carbon neutrality"
    common = {"goal": goal, "article": article, "claim": f"What {goal} claims", "indicator": "", "value": None}
    common |= {"unit": "", "target": None, "state": state, "coverage": 0.0, "period": "2026-06"}
    return common | {"as_of": "2026-06-24T02:00:00.000Z", "why": "", "add": "", "extras": []} | more


CARDS = [
    card("A04", "on track", indicator="Intensity", value=279.05, unit="g/kWh", target=558.1, coverage=0.97),
    card("A12", "off track", indicator="Self-consumption", value=17.5, unit="%", target=20, coverage=0.97,
         extras=[{"name": "self-sufficiency", "value": 61.0, "unit": "%"}]),
    card("A07", "not enough data", why="There is no product counter.", add="a device with role production"),
    card("A01", "context only"),
    card("B08", "manual entry", value=12000, unit="t"),
]  # fmt: skip


def test_goals_are_cards_by_article(opened: Opened) -> None:
    opened.go("goals")
    expect(opened.page.locator("#goals-said")).to_have_text("No claim has been looked at yet.")
    opened.view.cards = CARDS
    opened.go("now")
    opened.go("goals")
    expect(opened.page.locator("#goals-said")).to_have_text(
        "5 claims: 1 on track · 1 off track · 1 not enough data · 1 manual entry · 1 context only"
    )
    assert opened.page.locator("#goals h3").all_inner_texts() == ["Forum in Chongqing", "Summit on carbon neutrality"]
    shapes = opened.page.locator(".goal .state").evaluate_all("all => all.map((one) => one.className)")
    assert shapes == ["state good", "state bad", "state hollow", "state dash", "state hand"]
    first = opened.page.locator(".goal").first
    assert first.locator("dd").all_inner_texts() == ["279.1 g/kWh", "558.1 g/kWh"]
    assert "2026-06 · 97 % covered · as of Wed, 24 Jun 2026, 10:00:00" in first.inner_text()
    assert "self-sufficiency\n61 %" in opened.page.locator(".goal").nth(1).inner_text()
    assert "To add: a device with role production" in opened.page.locator(".goal").nth(2).inner_text()


def test_a_stream_that_is_refused_is_replaced_by_questions_and_that_is_shown(browser: Browser) -> None:
    view = FixedView()
    with served(view) as address, page_on(browser, address, view) as opened:
        opened.page.route("**/api/stream*", lambda route: route.fulfill(status=503))
        opened.page.reload()
        expect(opened.page.locator("#connection")).to_contain_text("no live stream since")
        expect(opened.page.locator("#intensity")).to_have_text("279")
        opened.show(emission=dict(view.state["emission"], emission_intensity=300.0))
        expect(opened.page.locator("#intensity")).to_have_text("300")
        opened.picture("polling")


def test_a_gateway_that_is_away_is_said_and_found_again(browser: Browser) -> None:
    view = FixedView()
    with served(view) as address:
        context = page_on(browser, address, view)
        opened = context.__enter__()
        expect(opened.page.locator("#connection")).to_have_text("live")
    try:
        expect(opened.page.locator("#connection")).to_contain_text("reconnecting since")
        expect(opened.page.locator("#banner")).to_contain_text("What is shown is from before.")
        opened.picture("gateway-away")
        with served(view, listen=f"127.0.0.1:{address[1]}"):
            expect(opened.page.locator("#connection")).to_have_text("live", timeout=20_000)
            expect(opened.page.locator("#banner")).to_be_hidden()
    finally:
        context.__exit__(None, None, None)


def test_chinese_is_spoken_to_those_who_speak_it(browser: Browser) -> None:
    view = FixedView()
    view.cards = CARDS
    with served(view) as address, page_on(browser, address, view, "phone", "zh-CN") as opened:
        assert opened.page.locator("html").get_attribute("lang") == "zh-Hans"
        assert opened.text("#difference") == "比电网低 50 %"
        assert opened.text("#tab-history") == "历史"
        assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        for section in SECTIONS:
            opened.go(section)
            opened.page.wait_for_timeout(300)
            opened.picture(f"{section}-zh")
            words = opened.text(f"#panel-{section}")
            assert not re.findall(r"\b(?:flow|hero|past|plot|goals|sinks|spool|clock|devices|buses|state)\.\w+", words)
        assert opened.complaints == []


def test_choices_are_remembered(opened: Opened) -> None:
    with opened.page.expect_navigation():
        opened.page.locator("#language").select_option("zh-Hans")
    other = "light" if opened.screen == "phone" else "dark"
    before = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.page.locator("#scheme").select_option(other)
    after = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    opened.page.reload()
    assert opened.page.locator("html").get_attribute("lang") == "zh-Hans"
    assert opened.page.locator("#scheme").input_value() == other
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_both_languages_have_the_same_words(opened: Opened) -> None:
    en, zh = (opened.page.evaluate(f"import('/{name}.js').then((one) => one.default)") for name in ("en", "zh"))
    assert list(en) == list(zh)
    holes = re.compile(r"\{\w+\}")
    assert [key for key in en if sorted(holes.findall(en[key])) != sorted(holes.findall(zh[key]))] == []
    assert not [key for key in zh if not zh[key].strip()]


def test_every_word_that_the_page_uses_is_there(opened: Opened) -> None:
    folder = Path(ROOT / "agent/wattgram/page")
    used: set[str] = set()
    for file in folder.glob("*.[jh][st]*"):
        text = file.read_text()
        used |= set(re.findall(r'\bt\("([\w. ]+)"', text))
        used |= set(re.findall(r'data-(?:text|label)="([\w. ]+)"', text))
    en = opened.page.evaluate("import('/en.js').then((one) => one.default)")
    assert used - set(en) == set()
    assert len(used) > 80
