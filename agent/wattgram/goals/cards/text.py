"""The cards of all claims as a table, as JSON and as CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from wattgram.base.units import rfc3339
from wattgram.formats.csv_cells import sheet
from wattgram.formats.language import Translate
from wattgram.formats.tables import printable, shown_width, table
from wattgram.goals.terms.finding import IndicatorValue, MissingValue
from wattgram.goals.terms.outcome import GoalOutcome, State

from .amounts import amount, decimals, exact, of_card

CLAIM_COUNT = 43
"""Number of claims in the two articles (METHOD 6)."""

TABLE_WIDTH = 150
"""Width of a table if the width of the terminal is unknown, characters."""

NARROWEST = 12
"""Narrowest column of claims and of indicators, characters."""

COLOURS: Mapping[State, str] = {
    "on track": "32",
    "off track": "31",
    "not enough data": "33",
    "context only": "90",
    "manual entry": "36",
}
"""Terminal colours: green, red, yellow, grey, cyan."""

TEXT_SIGNS = {"lower": "<=", "higher": ">="}
"""Sign of a target by its good side."""

CSV_COLUMNS = (
    "goal",
    "claim",
    "indicator",
    "value",
    "unit",
    "target",
    "state",
    "coverage",
    "period",
    "from",
    "to",
    "as_of",
    "better",
    "path",
    "projection",
    "needed",
    "uncertainty",
    "within_uncertainty",
    "why",
    "extras",
    "article",
    "formula",
    "arithmetic",
    "source",
    "entry",
    "note",
    "missing",
    "add",
    "corrections",
)
"""Columns of the CSV; all are keys of the JSON documents, too."""


def as_table(cards: Sequence[GoalOutcome], colour: bool = False, width: int = TABLE_WIDTH, say: Translate = str) -> str:
    """Return a table for a terminal of `width` characters, followed by the missing inputs of each claim.

    say: translation of the texts around the cards.
    """
    parts = [_table(cards, say, colour=colour, width=width)]
    measured = sum(card.measured for card in cards)
    parts.append(say(f"{len(cards)} of {CLAIM_COUNT} claims shown, {measured} measured"))
    corrected: dict[str, list[str]] = {}
    for card in cards:
        if card.corrections:
            corrected.setdefault(card.corrections, []).append(card.claim.id)
    parts += [say(f"corrected time, {printable(names)}: {', '.join(ids)}") for names, ids in corrected.items()]
    missing = [f"{card.claim.id}  {printable(missing_text(card, say))}" for card in cards if missing_text(card)]
    if missing:
        parts.append("\n".join((say("not enough data: what is missing, and what to do"), *missing)))
    return "\n\n".join(parts)


def as_json(cards: Sequence[GoalOutcome]) -> str:
    """Return a JSON list of one document per claim, in the order of the claims."""
    return json.dumps([document(card) for card in cards], allow_nan=False)


def as_csv(cards: Sequence[GoalOutcome]) -> str:
    """Return CSV after RFC 4180: a line of names and one line per claim. Missing values are empty cells."""
    rows = []
    for card in cards:
        facts = document(card) | {"extras": "; ".join(extras(card))}
        rows.append([facts[name] for name in CSV_COLUMNS])
    return sheet(CSV_COLUMNS, rows)


def document(card: GoalOutcome) -> dict[str, object]:
    """Return the JSON document of a card: UTC times, coverage 0 to 1, numbers in the indicator's unit or null."""
    claim, target = card.claim, card.target
    found = card.finding if isinstance(card.finding, IndicatorValue) else None
    missing = card.finding if isinstance(card.finding, MissingValue) else MissingValue("")
    return {
        "goal": claim.id,
        "claim": claim.says,
        "indicator": claim.indicator,
        "value": exact(card.value),
        "unit": claim.unit,
        "target": exact(target.value) if target else None,
        "state": card.state,
        "coverage": exact(card.coverage) if claim.indicator else None,
        "period": card.period,
        "from": rfc3339(card.start),
        "to": rfc3339(card.end),
        "as_of": rfc3339(card.as_of),
        "better": card.better,
        "path": exact(card.path),
        "projection": exact(card.projection),
        "needed": exact(card.needed),
        "uncertainty": exact(card.uncertainty),
        "within_uncertainty": card.within_uncertainty,
        "why": card.why,
        "extras": [
            {"name": extra.name, "value": exact(extra.value), "unit": extra.unit}
            for extra in (found.extras if found else ())
        ],
        "article": claim.article,
        "formula": claim.formula,
        "arithmetic": found.arithmetic if found else "",
        "inputs": [
            {"name": operand.name, "value": exact(operand.value), "unit": operand.unit, "source": operand.source}
            for operand in (found.inputs if found else ())
        ],
        "source": target.source if target else claim.source,
        "entry": found.entry if found else "",
        "note": found.note if found else "",
        "missing": missing.what,
        "add": missing.add or card.add,
        "corrections": card.corrections,
    }


def missing_text(card: GoalOutcome, say: Translate = str) -> str:
    """Return the missing input of a claim and the remedy; "" if nothing is missing."""
    if isinstance(card.finding, MissingValue):
        return say("; ").join(part for part in (card.finding.what, card.finding.add) if part)
    return say("; ").join(part for part in (card.why, card.add) if part) if card.state == "not enough data" else ""


def extras(card: GoalOutcome) -> list[str]:
    """Return the secondary values of an indicator as texts."""
    if not isinstance(card.finding, IndicatorValue):
        return []
    return [
        f"{extra.name} {amount(extra.value, extra.unit, decimals(extra.unit, [extra.value]))}"
        for extra in card.finding.extras
    ]


def target_text(card: GoalOutcome) -> str:
    """Return the target with the sign of its good side; "-" for none."""
    if card.target is None:
        return "-"
    return f"{TEXT_SIGNS[card.better]} {amount(card.target.value, '', of_card(card))}"


def coverage_text(card: GoalOutcome) -> str:
    """Return the coverage in percent; "-" for a claim without an indicator."""
    return f"{card.coverage:.1%}" if card.claim.indicator else "-"


def _table(cards: Sequence[GoalOutcome], say: Translate, *, colour: bool, width: int) -> str:
    rows = [
        (
            card.claim.id,
            printable(card.claim.says),
            printable(card.claim.indicator) or "-",
            amount(card.value, card.claim.unit, of_card(card)),
            target_text(card),
            say(card.state),
            coverage_text(card),
            card.period,
        )
        for card in cards
    ]
    head = tuple(map(say, ("id", "claim", "indicator", "value", "target", "state", "coverage", "period")))
    fixed = sum(max(shown_width(row[column]) for row in (head, *rows)) for column in (0, *range(3, len(head))))
    left = max(2 * NARROWEST, width - fixed - 2 * (len(head) - 1))
    narrower = (2 * left // 5, left - 2 * left // 5)
    cut = [(row[0], _short(row[1], narrower[1]), _short(row[2], narrower[0]), *row[3:]) for row in rows]
    lines = table(head, cut, right=(3, 4, 6)).splitlines()
    if colour:
        lines[2:] = [
            _coloured(line, say(card.state), COLOURS[card.state]) for line, card in zip(lines[2:], cards, strict=True)
        ]
    return "\n".join(lines)


def _coloured(line: str, state: str, colour: str) -> str:
    before, _, after = line.rpartition(state)  # only coverage and period follow the state
    return f"{before}\x1b[{colour}m{state}\x1b[0m{after}"


def _short(text: str, most: int) -> str:
    """Return a text, shortened if it is wider than `most` characters, and an ASCII text to whole words."""
    if shown_width(text) <= most:
        return text
    while shown_width(text) > most - 3:
        text = text[:-1]
    whole_words = text.rsplit(" ", 1)[0] if text.isascii() else text
    return whole_words.rstrip(" ,;:") + "..."
