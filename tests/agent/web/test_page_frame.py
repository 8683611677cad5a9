"""The page's frame: tabs, connection, languages, colours, width."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import CARDS, SECTIONS, Opened, browser, opened, page_on
from tests.support.page_view import FixedView, served
from tests.support.servers import ROOT

__all__ = ["browser", "opened"]


def test_keys_select_tabs(opened: Opened) -> None:
    tab = opened.page.locator("#tab-now")
    tab.focus()
    for key, section in [
        ("ArrowRight", "history"),
        ("End", "delivery"),
        ("ArrowRight", "now"),
        ("ArrowLeft", "delivery"),
    ]:
        opened.page.keyboard.press(key)
        selected_tab = opened.page.locator(f"#tab-{section}")
        expect(selected_tab).to_be_focused()
        expect(selected_tab).to_have_attribute("aria-selected", "true")  # the address changes first
        assert opened.page.locator("[role=tab][aria-selected=true]").count() == 1
        assert opened.page.locator("[role=tabpanel]:visible").get_attribute("aria-labelledby") == f"tab-{section}"
        assert opened.page.url.endswith(f"#{section}")
    outline = opened.page.locator("#tab-delivery").evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid"
    opened.page.go_back()
    expect(opened.page.locator("#panel-now")).to_be_visible()


@pytest.mark.parametrize("section", SECTIONS)
def test_no_section_is_wider_than_the_screen(opened: Opened, section: str) -> None:
    opened.view.cards = CARDS
    opened.go(section)
    opened.page.wait_for_timeout(300)  # until the plots and cards are drawn
    assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    opened.picture(section)
    assert opened.complaints == []


def test_the_page_polls_and_reports_it_while_the_stream_is_refused(browser: Browser) -> None:
    view = FixedView()
    with served(view) as address, page_on(browser, address, view) as opened:
        opened.page.route("**/api/stream*", lambda route: route.fulfill(status=503))
        opened.page.reload()
        expect(opened.page.locator("#connection")).to_contain_text("no live stream since")
        expect(opened.page.locator("#intensity")).to_have_text("279")
        opened.show(emission=dict(view.state["emission"], emission_intensity=300.0))
        expect(opened.page.locator("#intensity")).to_have_text("300")
        opened.picture("polling")


def test_the_page_reports_a_lost_connection_and_reconnects(browser: Browser) -> None:
    view = FixedView()
    with served(view) as address:
        context = page_on(browser, address, view)
        opened = context.__enter__()
        expect(opened.page.locator("#connection")).to_have_text("live")
    try:
        expect(opened.page.locator("#connection")).to_contain_text("reconnecting since")
        expect(opened.page.locator("#banner")).to_contain_text("The values shown are from before this time.")
        opened.picture("connection-lost")
        with served(view, listen=f"127.0.0.1:{address[1]}"):
            expect(opened.page.locator("#connection")).to_have_text("live")
            expect(opened.page.locator("#banner")).to_be_hidden()
    finally:
        context.__exit__(None, None, None)


def test_a_chinese_browser_gets_the_chinese_page(browser: Browser) -> None:
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


def test_choices_are_stored(opened: Opened) -> None:
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


def test_both_languages_have_the_same_keys(opened: Opened) -> None:
    en, zh = (opened.page.evaluate(f"import('/{name}.js').then((module) => module.default)") for name in ("en", "zh"))
    assert list(en) == list(zh)
    holes = re.compile(r"\{\w+\}")
    assert [key for key in en if sorted(holes.findall(en[key])) != sorted(holes.findall(zh[key]))] == []
    assert not [key for key in zh if not zh[key].strip()]


def test_every_used_key_has_a_text(opened: Opened) -> None:
    folder = Path(ROOT / "agent/wattgram/web/page")
    used: set[str] = set()
    for file in folder.glob("*.[jh][st]*"):
        text = file.read_text()
        used |= set(re.findall(r'\bt\("([\w. ]+)"', text))
        used |= set(re.findall(r'data-(?:text|label)="([\w. ]+)"', text))
    en = opened.page.evaluate("import('/en.js').then((module) => module.default)")
    assert used - set(en) == set()
    assert len(used) > 80
