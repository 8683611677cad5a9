"""The power flow of the section Now: the site as it is wired (METHOD-SITE 8.1 to 8.4, 9.1, 9.2)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Opened, browser, opened, page_on
from tests.support.page_view import HOSTILE, FixedView, flow, served
from tests.support.wired_pages import (
    SITES,
    connections_site,
    hybrid_site,
    incomers_site,
    large_site,
    silent_site,
    state,
)

__all__ = ["browser", "opened"]

DESK = pytest.mark.parametrize("opened", ["desk"], indirect=True)
ROWS = """nodes => nodes.map(node => {
    let above = 0;
    for (let at = node.closest('li').parentElement.closest('li'); at; at = at.parentElement.closest('li')) above++;
    const words = part => node.querySelector(part).innerText;
    return [above, words('.name'), words('.watts'), node.querySelector('.link').dataset.flow, words('.note')];
})"""


def rows(opened: Opened) -> list[list[Any]]:
    """Return depth, name, power, direction of the stream, and note of each row of the flow."""
    found: list[list[Any]] = opened.page.locator("#flow .node").evaluate_all(ROWS)
    return found


def fits(opened: Opened) -> list[str]:
    """Return the texts of the flow that leave the card or lie on another text of their row."""
    found: list[str] = opened.page.evaluate(
        """() => {
            const card = document.getElementById('flow-card').getBoundingClientRect();
            const wrong = [];
            for (const node of document.querySelectorAll('#flow .node')) {
                const [name, watts, note] = ['.name', '.watts', '.note'].map(part => node.querySelector(part));
                const box = element => element.getBoundingClientRect();
                if (box(watts).right > card.right || box(name).left < card.left) wrong.push(name.textContent);
                const right = Math.max(box(name).right, box(note).right);
                if (right > box(watts).left + 1) wrong.push(name.textContent);
                if (box(name).width < 40 || watts.scrollWidth > watts.clientWidth + 1) wrong.push(name.textContent);
            }
            return wrong;
        }"""
    )
    return found


@DESK
def test_a_site_without_wiring_has_sources_and_consumers_on_the_busbar(opened: Opened) -> None:
    assert rows(opened) == [
        [0, "incomer", "80.0 kW", "in", "imported"],
        [0, "roof-east", "95.5 kW", "in", ""],
        [0, "battery", "24.5 kW", "in", "discharging"],
        [0, HOSTILE, "—", "unknown", "no reading for 75 s"],
        [0, "ev-charger", "30.0 kW", "out", ""],
        [0, "Not sub-metered", "—", "unknown", "a sub-meter is unknown"],
    ]
    assert opened.text("#flow-totals") == "Site load\n200.0 kW"
    assert opened.page.locator("#flow-remark").is_hidden()


@DESK
def test_a_hybrid_stands_between_its_strings_its_battery_and_the_busbar(opened: Opened) -> None:
    opened.show(**hybrid_site())
    # METHOD-SITE 8.2 and 8.3: T 4.8 = P 8.0 + B -3.0 less the loss; hall 30 kW with a roof of 20 kW behind it.
    assert rows(opened) == [
        [0, "incomer", "32.0 kW", "in", "imported"],
        [0, "roof-east", "4.80 kW", "in", "hybrid inverter · grid port 2.80 kW · backup port 2.00 kW"],
        [1, "PV strings", "8.00 kW", "in", "DC"],
        [1, "store-east", "3.00 kW", "out", "charging · SoC\u00a062\u00a0% · DC"],
        [0, "hall", "30.0 kW", "out", ""],
        [1, "roof-hall", "20.0 kW", "in", ""],
        [1, "furnace", "12.0 kW", "out", ""],
        [1, "office", "5.00 kW", "out", ""],
        [0, "Not sub-metered", "6.80 kW", "out", ""],
    ]
    # 27.8 kW is the AC share of the strings and the roof of the hall, as the balance counts them.
    assert opened.text("#flow-totals").split("\n") == [
        "Site load", "56.8 kW", "Solar", "27.8 kW", "Battery", "3.00 kW", "charging",
    ]  # fmt: skip
    taking = flow("roof-east", "hybrid", -4.25e3)
    opened.show(wiring=[taking if node["name"] == "roof-east" else node for node in opened.view.state["wiring"]])
    assert rows(opened)[1] == [0, "roof-east", "4.25 kW", "out", "hybrid inverter, taking power"]


@DESK
def test_unknown_has_a_dash_and_its_reason_and_asleep_is_no_zero(opened: Opened) -> None:
    opened.show(**silent_site())
    assert rows(opened) == [
        [0, "incomer", "32.0 kW", "in", "imported"],
        [0, "roof-west", "—", "unknown", "no reading for 75 s"],
        [0, "roof-north", "asleep", "still", ""],
        [0, "roof-east", "4.80 kW", "in", "hybrid inverter"],
        [1, "PV strings", "8.00 kW", "in", "DC"],
        [1, "store-east", "—", "unknown", "no power value"],
        [0, "shed", "3.00 kW", "out", "registers contradict each other · hybrid inverter, taking power"],
        [1, "PV strings", "—", "unknown", "registers contradict each other"],
        [1, "store-shed", "—", "unknown", "registers contradict each other"],
        [0, "hall", "30.0 kW", "out", "from the energy counter"],
        [0, "Not sub-metered", "—", "unknown", "the load is unknown"],
    ]
    assert opened.text("#flow-totals").split("\n") == ["Site load", "—", "Solar", "—", "Battery", "—"]
    assert opened.text("#flow-remark") == "Load unknown because of: roof-west."
    assert opened.text("#difference") == "No data — unknown: roof-west."
    assert "0 kW" not in opened.text("#flow-totals")


@DESK
def test_each_incomer_is_a_source_of_its_own(opened: Opened) -> None:
    opened.show(**incomers_site())
    assert rows(opened) == [
        [0, "incomer-1", "100.0 kW", "in", "imported"],
        [0, "incomer-2", "40.0 kW", "out", "exported"],
        [0, "incomer-3", "25.0 kW", "in", "imported"],
        [0, "genset", "0 kW", "still", ""],
        [0, "Factory", "85.0 kW", "out", ""],
    ]
    assert opened.text("#flow-totals").split("\n") == ["Site load", "85.0 kW", "Grid", "85.0 kW", "imported"]


@DESK
def test_incomers_with_busbars_of_their_own_are_not_joined(opened: Opened) -> None:
    opened.show(**connections_site())
    assert rows(opened) == [
        [0, "west", "100.0 kW", "in", "imported"],
        [1, "press", "90.0 kW", "out", ""],
        [0, "east", "40.0 kW", "out", "exported"],
        [1, "roof", "50.0 kW", "in", ""],
        [1, "office", "8.00 kW", "out", ""],
        [0, "Not sub-metered", "12.0 kW", "out", ""],
    ]
    busbar = "element => getComputedStyle(element).borderTopColor"
    assert opened.page.locator("#flow").evaluate(busbar) == "rgba(0, 0, 0, 0)"
    # METHOD-SITE 8.4: import and export of the site are sums, and are not netted.
    assert opened.text("#flow-totals").split("\n") == [
        "Site load", "110.0 kW", "Grid", "100.0 kW", "imported, 40.0 kW exported", "Solar", "50.0 kW",
    ]  # fmt: skip


@DESK
def test_sub_meters_above_the_load_are_told(opened: Opened) -> None:
    wiring = [flow("incomer", "grid", 10e3), flow("hall", "load", 12e3)]
    opened.show(**state(*wiring, load_power=10e3, grid_import_power=10e3, residual_power=2e3))
    assert rows(opened)[-1] == [0, "Not sub-metered", "—", "unknown", "sub-meters exceed the load by 2.00 kW"]


@DESK
def test_a_sub_meter_that_exports_feeds_back(opened: Opened) -> None:
    wiring = [flow("incomer", "grid", 0.0), flow("hall", "load", -8e3), flow("roof", "pv", 20e3, behind="hall")]
    opened.show(**state(*wiring, load_power=12e3, pv_power=20e3, residual_power=0.0, grid_export_power=8e3))
    assert rows(opened)[1:3] == [[0, "hall", "8.00 kW", "in", "feeding back"], [1, "roof", "20.0 kW", "in", ""]]


@DESK
def test_new_values_keep_the_rows_and_new_wiring_replaces_them(opened: Opened) -> None:
    opened.show(**hybrid_site())
    opened.page.evaluate("document.querySelector('#flow .node').dataset.mark = 'kept'")
    opened.show(wiring=[{**node, "power": 1e3} for node in opened.view.state["wiring"]])
    assert opened.page.locator("#flow .node[data-mark]").count() == 1
    assert rows(opened)[0][2] == "1.00 kW"
    opened.show(**incomers_site())
    assert opened.page.locator("#flow .node[data-mark]").count() == 0
    opened.show(wiring=[], emission={})
    assert opened.text("#flow-remark") == "Waiting for data."
    assert opened.complaints == []


@DESK
def test_wiring_without_an_end_stays_a_list(opened: Opened) -> None:
    # The configuration refuses a circle and unknown names; the page must not hang or lose a device all the same.
    wiring = [
        flow("a", "load", 1e3, behind="b"),
        flow("b", "load", 2e3, behind="a"),
        flow("c", "load", 3e3, behind="x"),
    ]
    opened.show(**state(*wiring, load_power=3e3))
    assert sorted(row[1] for row in rows(opened)) == ["Not sub-metered", "a", "b", "c"]


@pytest.mark.slow(3)
@pytest.mark.parametrize("width", [360, 900, 1920])
def test_every_text_has_its_place_from_phone_to_wall_screen(browser: Browser, width: int) -> None:
    view = FixedView()
    language = "zh-CN" if width == 360 else "en-GB"
    with served(view) as address, page_on(browser, address, view, "phone", language) as opened:
        opened.page.set_viewport_size({"width": width, "height": 900})
        for name, site in SITES.items():
            opened.show(**site())
            assert fits(opened) == [], name
            assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
            opened.picture(f"flow-{name}-{width}")
        nodes = large_site()["wiring"]
        expect(opened.page.locator("#flow .node")).to_have_count(len(nodes) + 1)
        assert HOSTILE in opened.page.locator("#flow .name").all_inner_texts()
        assert opened.page.locator("main img, main b").count() == 0
        assert opened.complaints == []
