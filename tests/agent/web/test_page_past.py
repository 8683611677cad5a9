"""The section History: ranges, zoom, table."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser import Opened, browser, opened
from tests.support.page_view import SECOND

__all__ = ["browser", "opened"]


def test_a_range_fetches_its_history(opened: Opened) -> None:
    with opened.page.expect_response("**/api/history?minutes=60"):
        opened.go("history")
    with opened.page.expect_response("**/api/history?minutes=43200"):
        opened.page.get_by_role("button", name="30 d").click()
    assert opened.page.get_by_role("button", name="30 d").get_attribute("aria-pressed") == "true"
    assert opened.page.get_by_role("button", name="1 h").get_attribute("aria-pressed") == "false"
    expect(opened.page.locator("#past-period")).to_have_text(
        "Mon, 25 May 2026, 10:30:00 to Wed, 24 Jun 2026, 10:30:00, hourly values"
    )


def test_the_longest_range_is_a_year(opened: Opened) -> None:
    opened.go("history")
    with opened.page.expect_response("**/api/history?minutes=525600"):
        opened.page.get_by_role("button", name="1 y").click()


def test_a_drag_zooms_in_and_a_double_click_goes_back(opened: Opened) -> None:
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


def test_buttons_alone_move_through_the_history(opened: Opened) -> None:
    opened.go("history")
    expect(opened.page.locator("#past-period")).to_contain_text("09:30:00")
    opened.page.locator("#past-earlier").focus()
    with opened.page.expect_response(re.compile(r"/api/history\?from=")):
        opened.page.keyboard.press("Enter")
    assert opened.view.asked[-1] == (3600.0, SECOND - 1800.0)
    with opened.page.expect_response("**/api/history?minutes=60"):
        opened.page.locator("#past-back").press("Enter")


def test_the_plots_have_a_data_table(opened: Opened) -> None:
    opened.go("history")
    opened.page.locator("#past-table summary").press("Enter")
    rows = opened.page.locator("#past-rows tr")
    expect(rows).to_have_count(30)  # every second row of 60: the table has at most 48
    assert rows.first.inner_text().split("\t")[1:] == ["279", "558", "200.0 kW", "95.5 kW", "80.0 kW", "0 kW"]
    label = opened.page.locator("#past-intensity").get_attribute("aria-label")
    assert label == "Carbon intensity of this site: 279 to 279 g/kWh. The values are in the table below."


def test_windows_have_a_band_of_uncertainty_and_ticks_have_none(opened: Opened) -> None:
    opened.go("history")
    legend = opened.page.locator("#past-intensity .u-legend")
    expect(legend).to_contain_text("279")
    assert "±" not in legend.inner_text()
    assert opened.text("#past-band") == ""
    opened.page.get_by_role("button", name="30 d").click()
    expect(opened.page.locator("#past-band")).to_have_text(
        "Band: uncertainty (k = 2), partly from typical limits of error."
    )
    expect(legend).to_contain_text("279 ± 42")  # 41.9 g/kWh
    opened.page.locator("#past-table summary").press("Enter")
    assert opened.page.locator("#past-rows tr td").first.inner_text() == "279 ± 42"
    assert opened.complaints == []


def test_corrected_time_has_a_mark(opened: Opened) -> None:
    opened.view.correction = "incomer x 0.75"
    opened.go("history")
    expect(opened.page.locator("#past-corrected")).to_have_text("Corrected time: incomer x 0.75.")


def test_a_failed_fetch_of_history_is_reported(opened: Opened) -> None:
    opened.page.route("**/api/history?minutes=360", lambda route: route.fulfill(status=503, body="gone"))
    opened.go("history")
    opened.page.get_by_role("button", name="6 h").click()
    expect(opened.page.locator("#past-period")).to_have_text(
        "History unavailable: the gateway answered with HTTP status 503."
    )
