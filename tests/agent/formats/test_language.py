"""English and Chinese texts: each text has both, with the same placeholders, and each source text has a line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from itertools import product
from pathlib import Path

import pytest
import wattgram.goals
import wattgram.reports
from wattgram.accounts.figures import FIGURES, METHOD_PAGE
from wattgram.base.event_severity import SEVERITIES
from wattgram.config.goals_table.claims import ABROAD, ARTICLES, claims
from wattgram.config.goals_table.dated_rules import dated_rules
from wattgram.formats.language import PLACEHOLDER, chinese_texts, language_of, translate
from wattgram.formats.tables import table
from wattgram.goals.cards.words import CHINESE, ENGLISH
from wattgram.goals.quantities.limit_grade import PARK_NOTICE

SAY = translate("zh")
HAN = re.compile(r"[\u4e00-\u9fff]")
STATED = {
    "MissingInput": (0, 1),
    "MissingValue": (0, 1),
    "NoTarget": (0, 1),
    "Target": (1,),
    "IndicatorVariant": (0, 1),
    "Input": (0, 3),
    "SecondaryValue": (0,),
    "quotient": (2, 3),
    "say": (0,),
    "_th": range(1, 9),
    "_table": (0,),
}
"""Arguments of calls that people read, by their positions."""

SAMPLES = {
    "METHOD_PAGE": METHOD_PAGE,
    "PARK_NOTICE": PARK_NOTICE,
    "span": "day",
    "CORRECTED": "and the results are those of corrections of the past",
    "least": " 7 Wh",
    "name": "pilot",
    "needs": "energy and output",
    "further": "",
    "source": "counter of 7, 1 day",
    "days_text(len(days))": "7 days",
    "own": "[goals.target] A03 in %",
    "counted": "a kg of coal",
    "device": 'role = "ev"',
    "windows(len(days))": "windows, 7 days",
    "windows(len(stretch.days))": "windows, 7 days",
}
"""Values of expressions inside texts that are words; other values are numbers."""

NAMED = ("note", "why", "add", "elsewhere")
"""Keyword arguments that people read."""


def test_both_languages_have_the_same_placeholders() -> None:
    for english, chinese in chinese_texts().items():
        assert sorted(PLACEHOLDER.findall(english)) == sorted(PLACEHOLDER.findall(chinese)), english
        assert chinese, english


def test_no_two_templates_match_the_same_texts() -> None:
    shapes = [PLACEHOLDER.sub("{}", key) for key in chinese_texts()]
    assert sorted(shapes) == sorted(set(shapes))


def test_the_page_has_all_texts_in_both_languages() -> None:
    for field in fields(ENGLISH):
        english, chinese = getattr(ENGLISH, field.name), getattr(CHINESE, field.name)
        assert type(english) is type(chinese)
        if isinstance(english, str):
            assert sorted(PLACEHOLDER.findall(english)) == sorted(PLACEHOLDER.findall(chinese)), field.name
        else:
            assert len(english) == len(chinese), field.name


def test_claims_rules_figures_and_events_have_a_chinese_text() -> None:
    texts = [*ARTICLES.values(), *SEVERITIES]
    texts += [text for claim in claims() for text in (claim.says, claim.indicator, claim.formula, claim.target)]
    texts += [rule.source for rule in dated_rules()] + [claim.source for claim in claims()]
    texts += [text for pair in ABROAD.values() for text in pair]
    texts += [text for figure in FIGURES for text in (figure.head, figure.rule)]
    missing = sorted({text for text in texts if text and text not in chinese_texts()})
    assert missing == []


def test_every_text_of_the_goals_and_the_report_has_a_chinese_text() -> None:
    folders = [Path(str(package.__file__)).parent for package in (wattgram.goals, wattgram.reports)]
    found = {
        text for folder in folders for path in folder.rglob("*.py") if path.name != "words.py" for text in stated(path)
    }
    assert len(found) > 300
    assert sorted(text for text in found if not text.startswith("[") and not HAN.search(SAY(text))) == []


def test_every_text_of_a_derivation_has_a_chinese_text() -> None:
    folder = Path(str(wattgram.reports.__file__)).parent
    texts = {text for path in folder.glob("deriv*.py") for text in prose(path) if text not in NO_TEXTS}
    assert len(texts) > 70
    assert sorted(text for text in texts if not HAN.search(SAY(text))) == []


NO_TEXTS = {
    *("energy against", "pilot energy", "pilot energy against", "pilot carbon", "7 carbon", " unsplit", "pilot 7"),
    *("pilot 7 g x 7 / 7 Wh", "7 g / 7 Wh / 7 x 7 Wh", "pilot unknown", "7: pilot"),
    "the configuration record of 7 and 7 has another text: it was edited",
    *("and the results are those of corrections of the past", "   pilot = 7 = 77"),
    *("no 7 record of 7 is stored", "7: no 7 record of site 7 is stored", "7: pilot; nearest: 7"),
}
"""Names of columns, numbers alone, and errors."""


def prose(path: Path) -> Iterator[str]:
    """Texts with more than one word of a module that only makes texts."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        whole = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and id(node) not in parts)
        if isinstance(node, ast.expr) and whole and id(node) not in documents:
            yield from (text for text in literal(node) if " " in text)


def stated(path: Path) -> Iterator[str]:
    """Texts of a module that people read; each value inside is a number."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for index in STATED.get(called, ()):
                if index < len(node.args):
                    yield from literal(node.args[index])
            for keyword in node.keywords:
                if keyword.arg in NAMED and "derivation" not in path.name:
                    yield from literal(keyword.value)


def literal(node: ast.expr) -> Iterator[str]:
    """Texts that an expression may give."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search("[a-z]{3}", node.value):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from literal(node.body)
        yield from literal(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        choices = [list(values(part)) for part in node.values]
        yield from (text for parts in product(*choices) if re.search("[a-z]{3}", text := "".join(parts)))


def values(part: ast.expr) -> Iterator[str]:
    """Values of a part of a text."""
    if isinstance(part, ast.FormattedValue):
        part = part.value
        if not isinstance(part, ast.IfExp):
            yield SAMPLES.get(ast.unparse(part), "7")
            return
    if isinstance(part, ast.IfExp):
        for branch in (part.body, part.orelse):
            yield from values(branch if isinstance(branch, ast.Constant) else ast.FormattedValue(branch, -1))
    elif isinstance(part, ast.Constant):
        yield str(part.value)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("coverage 71.2%, below 90%", "覆盖率 71.2%，低于 90%"),
        # a reason inside a reason
        (
            "a number without a light: consumption weight: zone DE has no such rule",
            "仅有数值，不判定状态：消纳责任权重：区域 DE 无此规定",
        ),
        # parts between semicolons
        (
            "on the path, within its tolerance, or better; within its uncertainty of the target",
            "优于路径，或偏差在容差以内；与目标值之差在其不确定度以内",
        ),
        # the name of a device stays, even one that is an English word of the table
        ("check the readings of load", "检查 load 的读数"),
        ("something that no table has", "something that no table has"),
        ("402250 ÷ 1000", "402250 ÷ 1000"),
        # the citation of a fuel's factor
        (
            "19678.7 m3 x 2162 g, natural gas, 389.31 GJ per 10 000 Nm3, GB/T 32151.34-2024 table C.1",
            "19678.7 m3 x 2162 g，天然气，389.31 GJ per 10 000 Nm3，GB/T 32151.34-2024 表 C.1",
        ),
        ("2026-01 to 2026-03", "2026-01 至 2026-03"),
        ("this belongs to nobody", "this belongs to nobody"),
    ],
)
def test_a_text_is_translated_with_its_values(english: str, chinese: str) -> None:
    assert SAY(english) == chinese
    assert translate("en")(english) == english


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C.UTF-8", "LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN", "LC_ALL": ""}, "zh"),
        ({}, "en"),
    ],
)
def test_the_environment_names_the_language(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


def test_chinese_characters_have_the_width_of_two() -> None:
    assert table(("目标值", "a"), [("x", "b")]).splitlines() == ["目标值  a", "------  -", "x       b"]
