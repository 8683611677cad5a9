"""Pictures of the dashboards: python -m tests.support.grafana_pictures PACKED FOLDER.

PACKED is where scripts/dashboards bundled `render/` and keeps Grafana's packages. Each dashboard, in both
languages, asks an InfluxDB that holds the week.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Route, sync_playwright
from wattgram.base.clock import NS

from tests.deploy.conftest import DATABASE, written
from tests.support import grafana_boards, week
from tests.support.browser import FLAGS
from tests.support.databases import influxdb_v2
from tests.support.servers import ROOT, request

PAGE = ROOT / "tests/deploy/render/index.html"
ADDRESS = "http://dashboards.test/"  # reserved by RFC 2606: whatever is not answered here fails
ICONS, KEPT = "/public/build/img/", "node_modules/@grafana/ui/dist/public/img/"  # where asked for, where they are
WIDTH = 1600
CELL = 38  # pixels from a row of Grafana's grid to the next: 30 and a gap of 8
ABOVE = 72  # the variables, and the margins
SETTLED = 1500  # ms from the last answer until the canvases are drawn

WEEK = (week.START, week.END)
TIMES = {
    "site-now": (week.at(0, 8), week.at(0, 13.25)),
    "solar": WEEK,
    "efficiency": WEEK,
    "goals": WEEK,
    "quality": (week.at(week.WEDNESDAY, 8), week.at(week.THURSDAY, 13)),
}
"""UTC ns from and to which a dashboard shows."""


def moment(time: int) -> datetime:
    """UTC of UTC ns, whole seconds."""
    return datetime.fromtimestamp(time // NS, UTC)


@dataclass(frozen=True, slots=True)
class Picture:
    """A dashboard in a language."""

    name: str
    language: str

    def asked(self) -> dict[str, object]:
        """Return the input of the page."""
        begin, end = (moment(time).isoformat() for time in TIMES[self.name])
        return {"board": grafana_boards.read(self.name, self.language), "from": begin, "to": end}

    def height(self) -> int:
        """Height at which the whole dashboard is visible, pixels."""
        places = [panel["gridPos"] for panel in grafana_boards.read(self.name, self.language)["panels"]]
        return CELL * max(int(place["y"] + place["h"]) for place in places) + ABOVE


@dataclass(frozen=True, slots=True)
class Site:
    """The server of the page: its own files, and an InfluxDB."""

    packed: Path
    influx: str

    def answer(self, route: Route) -> None:
        """One request."""
        parts = urlsplit(route.request.url)
        if parts.path == "/query":
            status, body = request(f"{self.influx}/query?{parts.query}")
            route.fulfill(status=status, body=body, content_type="application/json")
        elif parts.path == "/":
            route.fulfill(path=PAGE)
        elif parts.path in {"/main.js", "/main.css"}:
            route.fulfill(path=self.packed / parts.path[1:])
        elif parts.path.startswith(ICONS):
            icon = self.packed / parts.path.replace(ICONS, KEPT, 1)
            # The package lacks the icon of a panel that is still loading, which a slow machine asks for.
            found = icon.read_text() if icon.is_file() else '<svg xmlns="http://www.w3.org/2000/svg"/>'
            route.fulfill(body=found, content_type="image/svg+xml")
        elif parts.path.startswith("/public/fonts/"):
            route.fulfill(status=204)  # no package has them; the system's are taken
        else:
            route.fulfill(status=404)


def main(packed: Path, folder: Path) -> None:
    """Store the week, then draw all of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, influxdb_v2(Path(place), bucket=DATABASE) as (engine, write):
        asyncio.run(written(write.url, list(week.records(Path(place) / "spool"))))
        site = Site(packed, engine.url)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            for name in grafana_boards.NAMES:
                for language in grafana_boards.LANGUAGES:
                    draw(browser, site, Picture(name, language), folder / f"grafana-{name}-{language}.png")
            browser.close()


def draw(browser: Browser, site: Site, picture: Picture, path: Path) -> None:
    """Draw a picture; SystemExit with the page's errors."""
    complaints: list[str] = []
    context = browser.new_context(
        viewport={"width": WIDTH, "height": picture.height()},
        color_scheme="dark",
        locale={"en": "en-GB", "zh": "zh-CN"}[picture.language],
        timezone_id="Asia/Shanghai",
    )
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(f"{error.stack}"))
    page.route("**/*", lambda route: site.answer(route))  # noqa: PLW0108 playwright writes into bound methods
    page.clock.set_fixed_time(moment(TIMES[picture.name][1]))  # "ago" is counted from the end of the shown time
    page.add_init_script(f"window.asked = {json.dumps(picture.asked())}")
    page.goto(ADDRESS)
    page.wait_for_function("window.answered()")
    page.wait_for_load_state("networkidle")  # the icons
    page.wait_for_timeout(SETTLED)
    page.screenshot(path=path)
    page.unroute_all(behavior="ignoreErrors")
    context.close()
    if complaints:
        sys.exit(f"{path.name}: the page complained: " + "\n".join(complaints))
    print(path, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
