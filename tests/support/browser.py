"""The live page in a real Chromium. The tests write their pictures to build/screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.support.page_view import FixedView, served
from tests.support.servers import ROOT

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


expect.set_options(timeout=60_000)  # ms; generous, because the machine may be busy

SCREENS = {"desk": (1280, 900, "light"), "phone": (360, 780, "dark")}
PICTURES = ROOT / "build" / "screenshots"
SECTIONS = ("now", "history", "devices", "goals", "delivery")


@dataclass(slots=True)
class Opened:
    """An open page, its View, and the browser's complaints."""

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
        """Change the state and wait until the page shows it."""
        self.view.count += 1
        time = f"2026-06-24T02:31:{self.view.count:02}.000Z"
        self.view.state.update(changes, time=time)
        expect(self.page.locator("#time")).to_have_attribute("datetime", time)

    def picture(self, name: str) -> None:
        """Write a picture of the whole page."""
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
    """The page of a server, in a browser of this locale in New York."""
    width, height, scheme = SCREENS[screen]
    here = f"http://{address[0]}:{address[1]}/"
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        timezone_id="America/New_York",
        locale=locale,
    )
    result = Opened(context.new_page(), view, screen)

    def asked(sent: Request) -> None:
        if not sent.url.startswith(here):
            result.elsewhere.append(sent.url)

    result.page.on("console", lambda message: result.complaints.append(message.text))
    result.page.on("pageerror", lambda error: result.complaints.append(str(error)))
    result.page.on("request", asked)
    result.page.goto(here)
    result.page.wait_for_selector("#plot-power .uplot")
    yield result
    context.close()


@pytest.fixture(params=SCREENS)
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    view = FixedView()
    with served(view) as address, page_on(browser, address, view, request.param) as page:
        yield page


def card(goal: str, state: str, **more: object) -> dict[str, object]:
    """One card of /api/goals."""
    article = "Forum in Chongqing" if goal.startswith("A") else "Summit on carbon neutrality"
    common: dict[str, object] = {
        "goal": goal,
        "article": article,
        "claim": f"What {goal} claims",
        "indicator": "",
        "value": None,
    }
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
