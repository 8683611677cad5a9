"""Details of events in Chinese: those of the program have a line; names and errors of other programs stay."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import wattgram
from wattgram.formats.language import translate

from tests.agent.formats.test_language import HAN, literal

SAY = translate("zh")
VALUES_ALONE = {"7; also "}
"""The part before a list of names; with names it has a line."""


@pytest.mark.parametrize(
    "detail",
    [
        # as the modules of the agent write them, with values
        "silent since the night, although the sun is up: no answer from unit 3",
        "power 1200 W and every other value unchanged since 2026-06-01T04:00:00.000Z, 40 readings; "
        "its counter stood still for 1200 Wh",
        "inflow 12.0 kW, outflow 30.0 kW, for 5 min with all meters present: run wattgram check --live, set invert "
        "= true for the reversed meter, or add the missing meter; results are published again after such a change, or "
        "after 24 h without a fault",
        "the sub-meters count 12.0 kW of a load of 9.0 kW: a source has no meter, or a sub-meter has a wrong ratio",
        "the carbon per stored kWh lies outside the range of the charge: check meters and efficiencies",
        "active_energy_import: 120000 Wh, then 300 Wh",
        "roof: 61000 W flowed for more than ten minutes, above 60000 W, 1.2 x rated power; check rated_power",
        "12.500 kWh from 2026-06-01T04:00:00.000Z to 2026-06-01T05:00:00.000Z by counter, shared by time",
        "no reading of hall; load, emission and intensity are absent, known flows are counted",
        "15m from 2026-06-01T04:00:00.000Z: published already, before the clock was set",
        "to 2026-06-01T04:00:00.000Z; earlier readings get their timestamps",
        "by -3600.0 s",
        "7 undelivered records deleted, the oldest",
        "mqtt: 12 records left to deliver",
        "2026-06-01T00:00:00.000Z to 2026-06-02T00:00:00.000Z: no device has measured this history",
        "device.hall added: load, eastron_sdm630",
    ],
)
def test_a_detail_is_in_chinese(detail: str) -> None:
    assert HAN.search(SAY(detail)), SAY(detail)
    for value in re.findall(r"\d[\d.:TZ-]*\d", detail):
        assert value in SAY(detail)


def test_every_detail_of_words_alone_has_a_line() -> None:
    folder = Path(str(wattgram.__file__)).parent
    found = {text for path in folder.rglob("*.py") for text in details(path)} - VALUES_ALONE
    assert len(found) >= 10
    assert sorted(text for text in found if " " in text and not HAN.search(SAY(text))) == []


def details(path: Path) -> Iterator[str]:
    """Details that a module writes where it makes an event; each value inside is a number."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Occurrence" and len(node.args) == 2:
            yield from literal(node.args[1])


def test_an_error_of_another_program_stays() -> None:
    assert SAY("mqtt: [Errno 111] Connection refused") == "mqtt: [Errno 111] Connection refused"
