"""The sections Now, Devices, Data and Goals, with the values of a fixed View."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.browser import CARDS, Opened, browser, card, opened
from tests.support.page_view import HOSTILE, flow

__all__ = ["browser", "opened"]


def test_the_page_shows_the_numbers_without_complaint(opened: Opened) -> None:
    assert opened.text("#site") == "liangjiang-foundry"
    assert opened.text("#intensity") == "279"  # 279.05 g/kWh
    assert opened.text("#grid-intensity") == "558"  # 558.1 g/kWh
    assert opened.text("#difference") == "50 % below the grid"  # 279.05 / 558.1 = 0.5
    assert opened.text("#rate") == "55.8 kg/h"
    assert opened.text("#clean") == "67 %"
    assert opened.text("#own") == "61 %"
    assert opened.text("#coverage") == "100 %"
    assert opened.text("#source") == "Grid data: CN-CQ · table · tier 5: official annual factor · direct · valid now"
    assert opened.complaints == []
    assert opened.elsewhere == []


def test_times_are_in_the_sites_zone_and_the_zone_is_named(opened: Opened) -> None:
    # 02:30 UTC is 10:30 in Chongqing; the browser itself is in New York.
    assert opened.text("#time") == "Wed, 24 Jun 2026, 10:30:00"
    assert opened.text("#zone-name") == "Asia/Shanghai"
    assert opened.text("#simulated") == "simulated time, 60\u00d7"
    # The last point of the history is at 10:29:50.
    assert "10:29:50" in opened.text("#plot-intensity .u-legend")
    opened.go("delivery")
    assert "10:30:00" in opened.text("#events")


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
    assert opened.text("#glance-sinks") == "unavailable: influxdb"
    opened.go("devices")
    assert opened.text("#devices-count") == "4 of 5 good"
    assert opened.page.locator("#devices .state.bad").inner_text() == "lost"
    good, bad = (
        opened.page.locator(f"#devices .state.{kind}").first.evaluate("element => getComputedStyle(element).color")
        for kind in ("good", "bad")
    )
    assert good != bad
    opened.picture("device-lost")
    opened.go("delivery")
    assert opened.page.locator("#sinks .state.bad").inner_text() == "unavailable"
    assert "18\u202f234 undelivered" in opened.text("#sinks")
    assert "refused" in opened.text("#sinks")
    opened.picture("database-down")


def test_devices_stand_below_those_that_contain_their_flow(opened: Opened) -> None:
    template = opened.view.state["devices"][0]
    behind = {"store": ["roof", "shed"], "roof": ["hall"], "hall": [], "shed": [], "lost": ["nothing"]}
    opened.show(devices=[{**template, "name": name, "behind": above} for name, above in behind.items()])
    opened.go("devices")
    rows = opened.page.locator("#devices th")
    assert rows.all_inner_texts() == ["hall", "roof", "store", "shed", "lost"]
    indents = rows.evaluate_all("rows => rows.map(row => parseFloat(getComputedStyle(row).paddingLeft))")
    assert indents == [4, 12, 24, 4, 4]
    assert opened.complaints == []


def test_a_bus_has_its_headroom_beside_its_requests(opened: Opened) -> None:
    opened.go("devices")
    assert opened.page.locator("#buses tr").all_inner_texts() == ["tcp://10.1.1.20:502\t75 %\t100\t10"]


def test_the_store_and_the_clock_have_their_state(opened: Opened) -> None:
    opened.go("delivery")
    assert opened.text("#spool-state") == "No disk errors."
    facts = dict(
        zip(*[opened.page.locator(f"#spool-facts {tag}").all_inner_texts() for tag in ("dt", "dd")], strict=True)
    )
    assert facts["Capacity"] == "1 GiB"
    assert facts["Retention"] == "30 days"
    assert facts["Rejected by a sink"] == "2"
    opened.show(spool={"state": "No space left on device"}, clock="unset")
    assert opened.text("#spool-state") == "No space left on device"
    assert "not set; readings wait for a valid time" in opened.text("#clock-facts")


def test_the_last_seal_is_shown(opened: Opened) -> None:
    opened.go("delivery")
    names, values = (opened.page.locator(f"#spool-facts {tag}").all_inner_texts() for tag in ("dt", "dd"))
    facts = dict(zip(names, values, strict=True))
    assert (facts["Entries of the sealed log"], facts["Key of the log"]) == ("2\u202f991", "530d903a")
    opened.show(seal=None)  # before the first seal
    values = opened.page.locator("#spool-facts dd").all_inner_texts()
    assert values[-2:] == ["—", "—"]


def test_results_have_their_uncertainty(opened: Opened) -> None:
    rows = opened.page.locator("#results li")
    expect(rows).to_have_count(3)
    assert rows.locator("h3").all_inner_texts() == [
        "Last quarter of an hour10:15 to 10:30",
        "Today00:00 to 10:30",
        "YesterdayTue 23 Jun",
    ]
    # Two digits of the uncertainty, and as many decimals of the value (JCGM 100:2008, 7.2.6): 1.7 % of 50 kWh is
    # 0.85 kWh, 15 % of 50 kWh x 279.05 g/kWh is 2.09 kg.
    assert rows.first.locator("dd").all_inner_texts() == ["50.00 ± 0.85 kWh", "14.0 ± 2.1 kg", "279 ± 42 g/kWh"]
    assert rows.last.locator("dd").first.inner_text() == "4\u202f800 ± 82 kWh"
    assert "Typical limits of error" in str(rows.first.locator("dl > div").first.get_attribute("title"))
    assert "are stated" in str(rows.last.locator("dl > div").first.get_attribute("title"))
    assert "Typical limits of error" in opened.text("#results-note")


def test_unknown_results_are_dashes(opened: Opened) -> None:
    unknown = {name: None for name in opened.view.last_results[0] if "load" in name or "emission" in name}
    opened.view.last_results = [opened.view.last_results[0] | unknown | {"coverage": 0.5, "uncertainty_basis": None}]
    opened.go("history")
    opened.go("now")
    rows = opened.page.locator("#results li")
    expect(rows).to_have_count(1)
    assert rows.locator("dd").all_inner_texts() == ["—", "—", "—", "50 %"]
    assert opened.text("#results-note") == ""
    opened.view.last_results = []
    opened.go("history")
    opened.go("now")
    expect(rows).to_have_text("No results yet. The first quarter of an hour is not over.")


def test_no_number_is_a_dash_with_the_reason(opened: Opened) -> None:
    devices = [
        dict(device, state="lost", power=None) if device["role"] == "grid" else device
        for device in opened.view.state["devices"]
    ]
    wiring = [flow("incomer", "grid", None, reason="no reading"), *opened.view.state["wiring"][1:]]
    opened.show(emission={"grid_intensity": 558.1, "coverage": 0.0}, devices=devices, wiring=wiring)
    expect(opened.page.locator("#difference")).to_have_text("No data — the grid meter incomer is lost.")
    assert opened.text("#intensity") == "—"
    assert opened.text("#rate") == "—"
    assert opened.text("#flow li.grid .watts") == "—"
    assert opened.complaints == []


def test_a_site_above_the_grid_is_told(opened: Opened) -> None:
    opened.show(emission=dict(opened.view.state["emission"], emission_intensity=600.0), simulated_speed=1.0)
    expect(opened.page.locator("#difference")).to_have_text("8 % above the grid")  # 600 / 558.1 = 1.075
    assert opened.page.locator("#simulated").is_hidden()


def test_goals_are_cards_by_article(opened: Opened) -> None:
    opened.go("goals")
    expect(opened.page.locator("#goals-counts")).to_have_text("No claims evaluated yet.")
    opened.view.cards = CARDS
    opened.go("now")
    opened.go("goals")
    expect(opened.page.locator("#goals-counts")).to_have_text(
        "5 claims: 1 on track · 1 off track · 1 not enough data · 1 manual entry · 1 context only"
    )
    assert opened.page.locator("#goals h3").all_inner_texts() == ["Forum in Chongqing", "Summit on carbon neutrality"]
    shapes = opened.page.locator(".goal .state").evaluate_all("badges => badges.map((badge) => badge.className)")
    assert shapes == ["state good", "state bad", "state hollow", "state dash", "state hand"]
    first = opened.page.locator(".goal").first
    assert first.locator("dd").all_inner_texts() == ["279.1 g/kWh", "558.1 g/kWh"]
    assert "2026-06 · coverage 97 % · as of Wed, 24 Jun 2026, 10:00:00" in first.inner_text()
    assert "self-sufficiency\n61 %" in opened.page.locator(".goal").nth(1).inner_text()
    assert "Action: a device with role production" in opened.page.locator(".goal").nth(2).inner_text()
