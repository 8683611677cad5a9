"""One card with the inputs, sources and arithmetic of its value."""

from __future__ import annotations

import json
from collections.abc import Iterator

from wattgram.accounts.figures import METHOD_PAGE
from wattgram.base.units import rfc3339
from wattgram.formats.language import Translate
from wattgram.formats.tables import printable, shown_width, table
from wattgram.goals.terms.finding import IndicatorValue, MissingValue
from wattgram.goals.terms.outcome import GoalOutcome

from .about import About
from .amounts import amount, exact, of_card, plain
from .text import TEXT_SIGNS, coverage_text, document, extras

EXTRA_DECIMALS = 2
"""Decimals in addition to those of a table."""

NO_DEFAULT = ("none", "无")
"""Begin of a claim's default target in words if it has none, in each language."""

EVALUATIONS_SHOWN = 14
"""Number of evaluations in the text: the latest ones. JSON contains all."""


def explain(card: GoalOutcome, about: About, say: Translate = str) -> str:
    """Return the explanation as text for a terminal. say: translation of the texts around the card."""
    facts = [(say(name), printable(text)) for name, text in _facts(card, about, say) if text]
    widest = max(shown_width(name) for name, _ in facts)
    parts = [
        f"{card.claim.id}  {printable(card.claim.says)}\n{say(card.claim.article)}",
        "\n".join(f"{name}{' ' * (widest - shown_width(name))}  {text}" for name, text in facts),
    ]
    if isinstance(card.finding, IndicatorValue) and card.finding.inputs:
        rows = [
            (printable(operand.name), plain(operand.value), operand.unit, printable(operand.source))
            for operand in card.finding.inputs
        ]
        parts.append(table(tuple(map(say, ("input", "value", "unit", "source"))), rows, right=(1,)))
    if card.evaluations:
        parts.append(_evaluations(card, about, say))
    return "\n\n".join(parts)


def as_json(card: GoalOutcome, about: About) -> str:
    """Return the JSON document of a card with its evaluations and the common data."""
    more = {
        "evaluations": [
            {
                "as_of": rfc3339(evaluation.as_of),
                "value": exact(evaluation.value),
                "path": exact(evaluation.path),
                "good": evaluation.good,
            }
            for evaluation in card.evaluations
        ],
        "site": about.site,
        "timezone": about.timezone.key,
        "grid_zone": about.grid_zone,
        "basis": about.basis,
        "method": about.method,
        "made": rfc3339(about.made),
        "versions": about.versions,
    }
    return json.dumps(document(card) | more, allow_nan=False)


def elapsed_share(card: GoalOutcome) -> float:
    """Return the elapsed share of a card's period."""
    whole = card.end - card.start
    return min(1.0, max(0.0, (card.as_of - card.start) / whole)) if whole > 0 else 0.0


def _facts(card: GoalOutcome, about: About, say: Translate) -> Iterator[tuple[str, str]]:
    claim, found = card.claim, card.finding
    digits = of_card(card) + EXTRA_DECIMALS
    yield "state", say(": ").join(filter(None, (say(card.state), card.why)))
    yield "corrected time", card.corrections
    yield "indicator", claim.indicator or say("none: nothing measurable")
    yield "formula", claim.formula
    if isinstance(found, IndicatorValue):
        yield "arithmetic", found.arithmetic
        yield "value", amount(card.value, claim.unit, digits)
        yield "also", say("; ").join(extras(card))
        yield "manual entry", found.entry
        yield "note", found.note
    if isinstance(found, MissingValue):
        yield "missing", found.what
        yield "what to do", found.add
    elif card.add:
        yield "what to do", card.add
    if card.uncertainty is not None:
        yield "uncertainty", say(f"± {amount(card.uncertainty, claim.unit, digits)} (k = 2), of meters and factors")
    if card.target is not None:
        yield "target", f"{TEXT_SIGNS[card.better]} {amount(card.target.value, claim.unit, digits)}"
        yield "source", card.target.source
    elif claim.target:
        yield (
            "target",
            claim.target if claim.target.startswith(NO_DEFAULT) else say(f"not set; default: {claim.target}"),
        )
        yield "source", claim.source
    if card.path is not None:
        yield "path", say(f"{amount(card.path, claim.unit, digits)} at the present time")
    if card.projection is not None:
        yield "projection", say(f"{amount(card.projection, claim.unit, digits)} at the end of the period")
    if card.needed is not None:
        yield "needed", say(f"{amount(card.needed, claim.unit, digits)} in the rest of the period, to reach the target")
    yield "period", say(f"{card.period}: {about.local(card.start)} to {about.local(card.end)}")
    yield "as of", say(f"{about.local(card.as_of)}; {elapsed_share(card):.1%} of the period has elapsed")
    if claim.indicator:
        yield "coverage", say(f"{coverage_text(card)} of the elapsed time")
    yield "grid", say(f"zone {about.grid_zone}, basis {about.basis}, method {about.method}, as configured")
    yield "sections", say(f"METHOD and METHOD-SITE refer to {METHOD_PAGE} in the source of this program")
    yield "versions", ", ".join(f"{name} {version}" for name, version in about.versions.items())


def _evaluations(card: GoalOutcome, about: About, say: Translate) -> str:
    digits, shown = of_card(card) + EXTRA_DECIMALS, card.evaluations[-EVALUATIONS_SHOWN:]
    rows = [
        (
            about.local(evaluation.as_of),
            amount(evaluation.value, card.claim.unit, digits),
            amount(evaluation.path, card.claim.unit, digits),
            say("yes" if evaluation.good else "no"),
        )
        for evaluation in shown
    ]
    text = table(tuple(map(say, ("as of", "value", "path", "on path"))), rows, right=(1, 2))
    left = len(card.evaluations) - len(shown)
    return f"{text}\n{say(f'{left} earlier evaluations: see --format json')}" if left else text
