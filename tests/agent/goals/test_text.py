"""Cards as a table, as JSON, as CSV and with explanation; the cards are written by hand."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from wattgram.goals.cards import explain
from wattgram.goals.cards.amounts import amount, decimals, plain
from wattgram.goals.cards.text import COLOURS, CSV_COLUMNS, as_csv, as_json, as_table

from tests.support.goal_cards import (
    ABOUT,
    AWAY,
    CONTEXT,
    COVERED,
    ENTERED,
    IDS,
    LACKING,
    NUMBER,
    SOLAR,
    TOTAL,
    every,
    hostile,
    local,
)

CONTRACT = ["goal", "claim", "indicator", "value", "unit", "target", "state", "coverage", "period"]  # SPEC 3
ESCAPE = re.compile(r"\x1b\[\d+m")


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"{name} "))


@pytest.mark.parametrize(
    ("unit", "values", "expected"),
    [
        ("%", [1234.0, None], 1),
        ("%/a", [-3.9], 1),
        ("persons", [3.0], 0),
        ("t", [13000.0, 0.5], 0),
        ("gCO2/kWh", [558.1, 12.0], 1),
        ("1", [0.971], 4),
        ("kgce/t", [-28.0, 3.0], 2),
        ("t", [1e-9], 6),
        ("t", [0.0, None], 0),
        ("t", [], 0),
    ],
)
def test_a_card_has_four_digits_and_percentages_one_decimal(
    unit: str, values: list[float | None], expected: int
) -> None:
    assert decimals(unit, values) == expected


def test_numbers_carry_their_unit_and_zero_has_no_sign() -> None:
    assert amount(-0.0, "t", 1) == "0.0 t"
    assert amount(12345.6, "kWh", 0) == "12,346 kWh"
    assert amount(0.9, "1", 2) == amount(0.9, "-", 2) == amount(0.9, "", 2) == "0.90"
    assert amount(None, "t", 0) == "-"
    assert [plain(value) for value in (1.5e-7, 1e12, 15000.123456, -0.0)] == [
        "0.00000015",
        "1,000,000,000,000",
        "15,000.1235",
        "0",
    ]


def test_the_table_has_a_line_for_every_claim_and_their_number() -> None:
    text = as_table(every())
    lines = text.splitlines()
    assert lines[0].split() == ["id", "claim", "indicator", "value", "target", "state", "coverage", "period"]
    assert [line[:3] for line in lines[2:45]] == IDS
    assert "  87.5 %  " in row(text, "A12")
    assert "  >= 20.0  on track" in row(text, "A12")
    assert "  9,100 tCO2e/a  " in row(text, "A14")
    assert "  <= 13,000  on track" in row(text, "A14")
    assert "  0.8700  >= 0.9000  off track" in row(text, "B11")
    assert "  12 persons" in row(text, "A24")
    # By hand: A04, A11, A12, A14, A24 and B11 have a number.
    assert "43 of 43 claims shown, 6 measured" in lines


def test_a_claim_without_an_indicator_has_no_numbers_and_no_coverage() -> None:
    assert row(as_table([CONTEXT, SOLAR]), "A01").split()[4:] == ["-", "-", "-", "context", "only", "-", "2026"]


def test_missing_inputs_are_listed_below_the_table() -> None:
    below = as_table(every()).split("\n\n")[-1].splitlines()
    assert below == [
        "not enough data: what is missing, and what to do",
        "A04  coverage 61.0%, below 90%",
        'A10  no sub-meter of group transport; add a [[device]] with role = "ev"',
    ]
    assert "what to do" not in as_table([CONTEXT, SOLAR])


def test_colour_shows_the_state_and_changes_nothing_else() -> None:
    cards = [SOLAR, AWAY, COVERED, CONTEXT, ENTERED]
    coloured = as_table(cards, colour=True)
    assert ESCAPE.sub("", coloured) == as_table(cards)
    for card in cards:
        assert f"\x1b[{COLOURS[card.state]}m{card.state}\x1b[0m" in row(coloured, card.claim.id)
    # Select Graphic Rendition, ECMA-48: 32 green, 31 red, 33 yellow; 90 is the bright black of terminals.
    assert [COLOURS[card.state] for card in cards[:4]] == ["32", "31", "33", "90"]


def test_long_claims_are_cut_between_words_on_a_narrow_terminal() -> None:
    long = replace(SOLAR, claim=replace(SOLAR.claim, says="Sunlight on every roof of the works, and more of it"))
    wide, narrow = as_table([long], width=150), as_table([long], width=90)
    assert long.claim.says in wide
    assert max(len(line) for line in narrow.split("\n\n")[0].splitlines()) <= 90
    short = row(narrow, "A12").split("  ")[1]
    assert short.endswith("...")
    assert long.claim.says.startswith(short.removesuffix("..."))
    assert long.claim.says[len(short) - 3] in " ,"


def test_json_is_the_list_of_the_contract_with_more_fields() -> None:
    documents = json.loads(as_json(every()))
    assert [document["goal"] for document in documents] == IDS
    assert all(list(document)[: len(CONTRACT)] == CONTRACT for document in documents)
    assert {document["state"] for document in documents} == set(COLOURS)
    (total,) = (document for document in documents if document["goal"] == "A14")
    assert {name: total[name] for name in (*CONTRACT[3:], "path", "projection", "needed", "better")} == {
        "value": 9100.0,
        "unit": "tCO2e/a",
        "target": 13000.0,
        "state": "on track",
        "coverage": 0.98,
        "period": "2026",
        "path": 10400.0,
        "projection": 11375.0,
        "needed": 3900.0,
        "better": "lower",
    }
    # Midnight in Shanghai, 8 h ahead of UTC.
    assert (total["from"], total["to"], total["as_of"]) == (
        "2025-12-31T16:00:00.000Z",
        "2026-12-31T16:00:00.000Z",
        "2026-10-19T16:00:00.000Z",
    )
    assert (total["source"], total["article"][:3]) == ("source of A14's target", "7th")


def test_json_names_the_missing_input_and_has_no_number() -> None:
    (lacking,) = json.loads(as_json([LACKING]))
    assert [lacking[name] for name in ("value", "target", "path", "projection", "needed")] == [None] * 5
    assert (lacking["missing"], lacking["add"]) == (
        "no sub-meter of group transport",
        'add a [[device]] with role = "ev"',
    )
    (solar,) = json.loads(as_json([SOLAR]))
    assert solar["extras"] == [{"name": "self-sufficiency", "value": 25.0, "unit": "%"}]
    assert [operand["value"] for operand in solar["inputs"]] == [120000.0, 15000.123456]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_nan_and_infinity_are_refused_in_json(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json([replace(SOLAR, value=number)])


def test_a_number_has_twelve_digits_and_zero_has_no_sign() -> None:
    (document_of_sum,) = json.loads(as_json([replace(SOLAR, value=0.1 + 0.2, path=-0.0)]))
    assert document_of_sum["value"] == 0.3
    assert str(document_of_sum["path"]) == "0.0"


def test_csv_has_its_column_names() -> None:
    text = as_csv(every())
    assert text.count("\r\n") == text.count("\n") == 44  # RFC 4180: a header and 43 claims
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert CSV_COLUMNS[: len(CONTRACT)] == tuple(CONTRACT)
    assert [row["goal"] for row in rows] == IDS
    solar, lacking = rows[IDS.index("A12")], rows[IDS.index("A10")]
    assert (float(solar["value"]), float(solar["target"]), solar["extras"]) == (87.5, 20.0, "self-sufficiency 25.0 %")
    assert (lacking["value"], lacking["add"]) == ("", 'add a [[device]] with role = "ev"')


def test_csv_cells_are_escaped_against_formulas() -> None:
    text = '=cmd|"x",1\r\ny'
    (row,) = csv.DictReader(io.StringIO(as_csv([hostile(text)]), newline=""))
    cells = [row[name] for name in ("why", "arithmetic", "entry", "note", "source", "extras")]
    assert cells == [f"'{text} {name}" for name in ("why", "arithmetic", "entry", "note", "target", "extra 1.0 %")]
    (negative,) = csv.DictReader(io.StringIO(as_csv([SOLAR]), newline=""))
    assert float(negative["needed"]) == -250.0  # a number is not a formula


def test_text_output_has_no_control_characters() -> None:
    card = hostile("x\x1b[2J\nA13  on track")
    lacking = replace(LACKING, finding=replace(LACKING.finding, what="x\x1b[2J\n"))  # type: ignore[type-var]
    for text in (as_table([card, lacking]), explain.explain(card, ABOUT), explain.explain(lacking, ABOUT)):
        assert "\x1b" not in text
        assert "x?[2J?" in text


def test_an_explained_number_can_be_recalculated_from_its_text() -> None:
    text = explain.explain(SOLAR, ABOUT)
    inputs = {line.rsplit("  ", 3)[0]: line for line in text.splitlines() if "windows, 292 days" in line}
    produced, exported = (float(re.findall(r"[\d,.]+", line)[0].replace(",", "")) for line in inputs.values())
    assert (produced, exported) == (120000.0, 15000.1235)
    assert f"{100 * (produced - exported) / produced:.1f}" == "87.5"
    for words in (
        "A12  What A12 says\n7th Western China International Fair forum",
        "state       on track: on the path, within its tolerance, or better",
        "formula     formula of self-consumption",
        "arithmetic  (120000 - 15000) ÷ 120000",
        "value       87.500 %",
        "also        self-sufficiency 25.0 %",
        "target      >= 20.000 %",
        "source      source of A12's target",
        "period      2026: 2026-01-01 00:00 CST to 2027-01-01 00:00 CST",
        "as of       2026-10-20 00:00 CST; 80.0% of the period has elapsed",
        "coverage    98.0% of the elapsed time",
        "grid        zone CN-CQ, basis direct, method proportional, as configured",
        "sections    METHOD and METHOD-SITE refer to docs/method.md",
        "versions    wattgram 0.1.0, claims.csv sha256:0a1b",
        "2026-07-02 00:00 CST  80.000 %  20.000 %  yes",
    ):
        assert words in text


def test_an_explanation_names_the_missing_input_and_the_remedy() -> None:
    text = explain.explain(LACKING, ABOUT)
    assert 'what to do  add a [[device]] with role = "ev"' in text
    assert "target      not set; default: at least 34.2 %" in text
    assert "value" not in text
    assert "coverage" not in explain.explain(CONTEXT, ABOUT)
    assert "manual entry  Li Wei, 2026-03-01, register 7" in explain.explain(ENTERED, ABOUT)
    assert "arithmetic  420 ÷ 500" in explain.explain(NUMBER, ABOUT)


def test_an_explanation_has_all_evaluations_in_json_and_the_latest_in_text() -> None:
    evaluations = tuple(replace(TOTAL.evaluations[0], as_of=local(f"2026-03-{day:02}")) for day in range(1, 32))
    text = explain.explain(replace(TOTAL, evaluations=evaluations), ABOUT)
    # 31 evaluations, of which the latest 14 are shown.
    assert text.endswith("\n17 earlier evaluations: see --format json")
    assert "2026-03-18 00:00 CST" in text
    assert "2026-03-17 00:00 CST" not in text
    document = json.loads(explain.as_json(replace(TOTAL, evaluations=evaluations), ABOUT))
    assert len(document["evaluations"]) == 31
    # 13000 x 59 / 365 = 2101.369863013..., to twelve digits
    assert document["evaluations"][0] == {
        "as_of": "2026-02-28T16:00:00.000Z",
        "value": 2600.0,
        "path": 2101.36986301,
        "good": False,
    }
    assert (document["site"], document["grid_zone"], document["versions"]) == ("works", "CN-CQ", ABOUT.versions)
    assert list(document)[: len(CONTRACT)] == CONTRACT
