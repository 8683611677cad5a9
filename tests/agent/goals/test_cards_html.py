"""The HTML page of the goals: valid, escaped, drawn to scale, and laid out by Chromium on screen and on A4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from wattgram.goals.cards import html
from wattgram.goals.cards.plot import HEIGHT, LEFT, RIGHT, WIDTH, PlotSeries, plot
from wattgram.goals.terms.finding import MissingValue

from tests.support.browser import browser
from tests.support.goal_cards import ABOUT, AWAY, CONTEXT, ENTERED, LACKING, NUMBER, SOLAR, TOTAL, every, hostile
from tests.support.markup import Read

__all__ = ["browser"]

HOSTILE = "<script>alert('x')</script>\"'&"
A4 = (594.96, 841.92)
"""Points, as Chromium writes 210 mm by 297 mm."""


@pytest.fixture
def goals_page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """Open the page of all claims, with some long texts, as a local file."""
    long = replace(LACKING, finding=MissingValue("x" * 200, "add " + "y" * 200))
    cards = [long if card.claim.id == "A10" else card for card in every()]
    file = tmp_path / "goals.html"
    file.write_text(html.page(cards, ABOUT))
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda sent: complaints.append(sent.url) if sent.url != file.as_uri() else None)
    page.goto(file.as_uri())
    yield page
    page.close()
    assert complaints == []


def test_the_page_is_a_single_valid_file_without_scripts_and_external_resources() -> None:
    text = html.page(every(), ABOUT)
    page = Read(text)
    assert page.open == []
    assert text.isascii()
    assert page.count("script") == page.count("link") == page.count("img") == page.count("iframe") == 0
    attributes = [(name, value) for _, attrs in page.tags for name, value in attrs.items()]
    assert [name for name, _ in attributes if name in {"src", "href", "style"} or name.startswith("on")] == []
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert "http" not in text.replace("http-equiv", "")


def test_every_claim_is_a_card_with_its_state_in_words() -> None:
    page = Read(html.page(every(), ABOUT))
    cards = [attrs for tag, attrs in page.tags if tag == "article" and "card" in str(attrs["class"])]
    assert [element["id"] for element in cards] == [card.claim.id for card in every()]
    assert "43 of 43 claims shown, 6 measured." in page.text
    # By hand: A12 and A14; B11; A04 and A10; A24; the other 37.
    counts = {"on track": 2, "off track": 1, "not enough data": 2, "manual entry": 1, "context only": 37}
    assert sum(counts.values()) == 43
    tally = "".join(f"{state}{count}" for state, count in counts.items())
    assert f"{tally}43 of 43" in page.text
    assert "2026, as of 2026-10-20 00:00 CST, Asia/Shanghai" in page.text
    assert "Article A 7th Western China" in page.text
    assert "Article B Zeng Gang" in page.text


def test_goals_off_track_are_listed_first() -> None:
    page = Read(html.page(every(), ABOUT))
    _, row = page.table("indicator")
    assert row == [
        "B11",
        "power factor",
        "0.8700",
        "\u2265\u202f0.9000",
        "worse than the path by more than its tolerance",
    ]
    assert "No claim is off track." in Read(html.page([SOLAR, CONTEXT], ABOUT)).text


def test_a_card_shows_value_target_path_and_projection() -> None:
    page = Read(html.page([TOTAL], ABOUT)).text.replace("\u202f", " ")
    for words in (
        "9 100 tCO2e/a",
        "target\u2264 13 000 tCO2e/a",
        "path at the present time10 400 tCO2e/a",
        "projection at the end of the period11 375 tCO2e/a",
        "needed in the rest of the period\u2264 3 900 tCO2e/a",
        "2026 (80.0 % elapsed)",
        "coverage98.0 %",
        "source of the targetsource of A14's target",
        "formula of yearly emissions",
    ):
        assert words in page


def test_a_card_of_a_ratio_repeats_neither_target_nor_value() -> None:
    page = Read(html.page([SOLAR], ABOUT)).text
    assert "path at the present time" not in page
    assert "projection at the end of the period" not in page
    assert "needed in the rest of the period" not in page
    assert "alsoself-sufficiency 25.0 %" in page
    assert "needed in the rest of the period" in Read(html.page([AWAY], ABOUT)).text


def test_a_missing_input_or_an_entry_is_shown_once() -> None:
    lacking = Read(html.page([LACKING], ABOUT)).text
    assert 'what to doadd a [[device]] with role = "ev"' in lacking
    assert lacking.count("no sub-meter of group transport") == 1
    assert Read(html.page([ENTERED], ABOUT)).text.count("Li Wei, 2026-03-01, register 7") == 1
    assert "0.8400 kW/kW" in Read(html.page([NUMBER], ABOUT)).text


def test_the_calculation_lists_every_input_with_its_source() -> None:
    page = Read(html.page([SOLAR], ABOUT))
    assert page.table("input")[1:] == [
        ["PV energy", "120\u202f000", "kWh", "windows, 292 days"],
        ["exported PV", "15\u202f000.1235", "kWh", "windows, 292 days"],
    ]
    assert "(120000 - 15000) \u00f7 120000" in page.text
    assert "claims.csv, version" in page.text
    assert "Calculation of each number" not in Read(html.page([CONTEXT], ABOUT)).text


def test_external_text_is_escaped() -> None:
    card = hostile(HOSTILE)
    lacking = replace(LACKING, finding=MissingValue(f"{HOSTILE} what", f"{HOSTILE} add"), why=f"{HOSTILE} why")
    about = replace(ABOUT, site=HOSTILE, grid_zone=HOSTILE)
    page = Read(html.page([card, lacking], about))
    assert page.count("script") == 0
    # Eight of the first card; three of the card with a missing input; the site in title and heading, and the zone.
    assert page.text.count(HOSTILE) == 8 + 3 + 3


def points(svg: str, kind: str) -> list[tuple[float, float]]:
    """Return the corners of a line."""
    match = re.search(rf'<path class="{kind}" d="M([^"]*)"', svg)
    assert match is not None, svg
    return [(float(x), float(y)) for x, y in (corner.split() for corner in match[1].split("L"))]


def test_a_plot_is_drawn_to_scale() -> None:
    # Half of the period has elapsed; the axis is from 0 to 100, as the labels show.
    lines = PlotSeries(
        value=[(0.25, 30.0), (0.5, 40.0)],
        off=[(0.25, 30.0)],
        path=[(0.25, 25.0), (0.5, 50.0)],
        ahead=[(0.5, 50.0), (1.0, 100.0)],
        projection=[(0.5, 40.0), (1.0, 80.0)],
    )
    svg = plot("A14 & more", lines, "2026-01-01", "2026-12-31")
    assert "<title>A14 &amp; more</title>" in svg
    assert re.findall(r">(\d+)</text>", svg) == ["0", "50", "100"]
    (x1, y1), (x2, y2) = points(svg, "value")
    (_, middle), (end, top) = points(svg, "path ahead")
    width = WIDTH - LEFT - RIGHT
    assert (x1, x2, end) == pytest.approx((LEFT + width / 4, LEFT + width / 2, LEFT + width), abs=0.1)
    # 100 is at `top`, 50 at `middle`: a unit is a fiftieth of the distance between them.
    unit = (middle - top) / 50
    assert (y1, y2) == pytest.approx((middle + 20 * unit, middle + 10 * unit), abs=0.1)
    assert points(svg, "projection")[1][1] == pytest.approx(top + 20 * unit, abs=0.1)
    assert svg.count('class="off"') == 1
    assert 0 < top < middle < HEIGHT


@pytest.mark.parametrize(
    ("numbers", "labels"),
    [
        ([402.0, 558.1], ["400", "450", "500", "550", "600"]),
        ([-3.9, -1.2], ["-4", "-3", "-2", "-1", "0"]),
        ([-20.0, 30.0], ["-20", "0", "20", "40"]),
        ([0.97, 0.97], ["0.90", "0.95", "1.00", "1.05"]),
        ([0.0, 0.0], ["-0.5", "0.0", "0.5"]),
    ],
)
def test_the_axis_fits_the_numbers(numbers: list[float], labels: list[str]) -> None:
    line = [(0.1 * (1 + number), value) for number, value in enumerate(numbers)]
    svg = plot("", PlotSeries(line, [], line, [], []), "", "")
    assert re.findall(r'text-anchor="end">([-\d.]+)</text>', svg) == labels


def test_a_straight_line_is_drawn_by_its_ends() -> None:
    line = [(number / 100, 130.0 * number) for number in range(1, 101)]
    bent = [*line, (1.0, 0.0)]
    svg = plot("", PlotSeries(bent, [], line, [], []), "", "")
    assert (len(points(svg, "path")), len(points(svg, "value"))) == (2, 3)


def test_text_has_enough_contrast_with_its_background() -> None:
    """WCAG 2.1, 1.4.3: at least 4.5 to 1 for text, on white and on the pale background of its state."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    style = files("wattgram.goals.cards").joinpath("goals.css").read_text()
    tones = re.findall(r"--tone: (#\w{6}); --pale: (#\w{6})", style)
    assert len(tones) == 5
    for tone, pale in tones:
        for ground in ("#ffffff", pale):
            assert (luminance(ground) + 0.05) / (luminance(tone) + 0.05) >= 4.5, (tone, ground)


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_element_exceeds_the_page_at_any_width(goals_page: Page, width: int) -> None:
    goals_page.set_viewport_size({"width": width, "height": 900})
    assert goals_page.evaluate("document.documentElement.scrollWidth") == width
    overflowing = goals_page.evaluate(
        "[...document.querySelectorAll('body *')].filter(node => node.getBoundingClientRect().right > innerWidth + 1)"
        ".map(node => node.outerHTML.slice(0, 80))"
    )
    assert overflowing == []


def test_the_page_is_dark_on_white_in_any_colour_scheme(goals_page: Page) -> None:
    goals_page.emulate_media(color_scheme="dark")
    assert goals_page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert goals_page.locator("article#B11 .state").inner_text() == "off track"
    icons = goals_page.locator(".tally .state svg").evaluate_all("all => all.map(node => node.innerHTML)")
    assert len(set(icons)) == 5  # each state has its own icon


def test_the_page_prints_on_a4_without_dividing_a_card(goals_page: Page) -> None:
    pdf = goals_page.pdf(prefer_css_page_size=True, print_background=True)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert 5 <= len(boxes) <= 15
    for box in boxes:
        assert tuple(map(float, box)) == pytest.approx(A4, abs=0.1)
    goals_page.emulate_media(media="print")
    breaks = goals_page.locator("article").evaluate_all("all => all.map(node => getComputedStyle(node).breakInside)")
    assert set(breaks) == {"avoid"}
