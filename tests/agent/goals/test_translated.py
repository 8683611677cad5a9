"""Cards in Chinese: texts change; numbers, states, ids and the site's names do not."""

from __future__ import annotations

from dataclasses import replace

from wattgram.formats.language import translate
from wattgram.goals.cards import html
from wattgram.goals.cards.text import as_table, document
from wattgram.goals.cards.translated import page_texts, translated
from wattgram.goals.cards.words import CHINESE
from wattgram.goals.terms.finding import MissingValue

from tests.support.goal_cards import ABOUT, LACKING, every, hostile

NUMBERS = ("goal", "value", "target", "state", "coverage", "period", "from", "to", "path", "projection", "needed")


def test_numbers_states_and_ids_are_the_same_in_chinese() -> None:
    for card in every():
        english, chinese = document(card), document(translated(card, "zh", units=False))
        assert [chinese[name] for name in (*NUMBERS, "unit")] == [english[name] for name in (*NUMBERS, "unit")]
        assert translated(card, "en") is card


def test_the_page_gets_the_reason_and_the_remedy_of_a_card() -> None:
    missing = MissingValue("no meter of load", "check the readings of load")
    card = replace(LACKING, finding=missing, why=missing.what, add=missing.add)
    assert page_texts(card)["zh"] | {"claim": "", "indicator": ""} == {
        "claim": "",
        "indicator": "",
        "unit": card.claim.unit,
        "extras": [],
        "article": "第七届西洽会论坛，重庆，2025 年 5 月 23 日",
        "why": "load 没有电表",
        "add": "检查 load 的读数",
    }


def test_the_chinese_page_names_its_language_and_escapes() -> None:
    page = html.page([translated(card, "zh") for card in (*every(), hostile("<script>"))], ABOUT, CHINESE)
    assert '<html lang="zh-CN">' in page
    assert "<script" not in page


def test_a_state_is_coloured_in_chinese() -> None:
    lines = as_table([translated(card, "zh") for card in every()], colour=True, say=translate("zh")).splitlines()
    assert any("\x1b[31m未达标\x1b[0m" in line for line in lines)
