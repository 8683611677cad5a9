"""Take pictures of the live page of `wattgram demo`: python -m tests.support.page_pictures FOLDER."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.support.browser import FLAGS
from tests.support.command_runs import started
from tests.support.servers import wait_for

MORNING = 70_000
"""Milliseconds for an hour of the demonstration, at 60 times real time."""

PICTURES = [
    # name, section, width and height, scheme, locale
    ("page", "now", (1280, 1165), "light", "en-GB"),
    ("page-history", "history", (1280, 720), "light", "en-GB"),
    ("page-devices", "devices", (1280, 640), "dark", "en-GB"),
    ("page-goals", "goals", (1280, 720), "light", "en-GB"),
    ("page-phone", "now", (360, 780), "dark", "zh-CN"),
]


def main(folder: Path) -> None:
    """Run the demonstration for an hour of its time, then take the pictures."""
    arguments = ("demo", "--speed", "60", "--http", "127.0.0.1:0")
    with tempfile.TemporaryDirectory() as place, started(Path(place), *arguments) as demo:
        address = demo.says(r"live page: (http://\S+/);")[1]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            browser.new_page().wait_for_timeout(MORNING)
            wait_for(lambda: demo.has_said("is complete"), 300, "the history to be complete")
            for name, section, size, scheme, locale in PICTURES:
                picture(browser, address, section, size, scheme, locale, folder / f"{name}.png")
            browser.close()


def picture(
    browser: Browser, address: str, section: str, size: tuple[int, int], scheme: str, locale: str, path: Path
) -> None:
    """Take a picture of the visible part of the page."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale=locale,
    )
    page = context.new_page()
    page.goto(f"{address}#{section}")
    page.wait_for_selector("#connection.live")
    if section == "history":
        page.get_by_role("button", name="1 y").click()
    page.wait_for_timeout(3000)  # until the plots are drawn
    page.screenshot(path=path)
    context.close()
    print(path, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
