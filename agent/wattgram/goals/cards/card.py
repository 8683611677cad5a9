"""One card as HTML: claim, state, numbers, plot, and missing inputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from wattgram.base.period import local_day
from wattgram.formats.html_page import NARROW, percent
from wattgram.goals.terms.finding import IndicatorValue, MissingValue
from wattgram.goals.terms.outcome import GoalOutcome, State

from .about import About
from .amounts import amount, of_card
from .explain import NO_DEFAULT, elapsed_share
from .plot import PlotSeries, Point, plot
from .text import extras
from .words import CardTexts

SHAPES: dict[State, tuple[str, str]] = {
    "on track": ("on", '<circle class="solid" cx="6" cy="6" r="5.5"/><path d="M3.2 6.3 5.2 8.3 8.9 4"/>'),
    "off track": ("away", '<path class="solid" d="M6 .6 11.7 11.2H.3Z"/><path d="M6 4.4v3.2M6 8.9v.9"/>'),
    "not enough data": ("short", '<circle class="open" cx="6" cy="6" r="4.8" stroke-dasharray="2.6 2"/>'),
    "manual entry": ("manual", '<path class="open" d="M1.4 1.4h9.2v9.2H1.4ZM3.6 4.6h4.8M3.6 7.4h4.8"/>'),
    "context only": ("context", '<path class="open" d="M1 6h10"/>'),
}
"""CSS class and sign of each state. The signs differ in shape, not only in colour."""

CARD_SIGNS = {"lower": "\N{LESS-THAN OR EQUAL TO}", "higher": "\N{GREATER-THAN OR EQUAL TO}"}


def card_of(card: GoalOutcome, about: About, words: CardTexts) -> str:
    """Return the card; a claim without an indicator has no numbers."""
    kind, _ = SHAPES[card.state]
    body = _body(card, about, words) if card.claim.indicator else ""
    return f'<article class="card {kind}" id="{card.claim.id}">{_top(card, words)}{body}{_notes(card, words)}</article>'


def badge(state: State, words: CardTexts) -> str:
    """Return the sign and the word of a state."""
    kind, shape = SHAPES[state]
    sign = f'<svg viewBox="0 0 12 12" aria-hidden="true">{shape}</svg>'
    return f'<span class="state {kind}">{sign}{escape(words.states[state])}</span>'


def value_of(card: GoalOutcome) -> str:
    """Return the value with its unit, escaped."""
    return _amount(card, card.value)


def target_of(card: GoalOutcome) -> str:
    """Return the target with the sign of its good side, escaped; "-" for none."""
    return _with_sign(card, card.target.value if card.target else None)


def _with_sign(card: GoalOutcome, value: float | None) -> str:
    return "-" if value is None else f"{CARD_SIGNS[card.better]}{NARROW}{_amount(card, value)}"


def _amount(card: GoalOutcome, value: float | None) -> str:
    return _escaped(amount(value, card.claim.unit, of_card(card)))


def _escaped(text: str) -> str:
    return re.sub(r"(?<=\d),(?=\d{3})", NARROW, escape(text))


def _top(card: GoalOutcome, words: CardTexts) -> str:
    reasons = [card.why, words.corrected.format(names=card.corrections) if card.corrections else ""]
    reason = "".join(f"<p class=why>{escape(text)}</p>" for text in reasons if text)
    title = f"<b>{card.claim.id}</b> {escape(card.claim.says)}"
    return f"<div class=top><h3>{title}</h3>{badge(card.state, words)}</div>{reason}"


def _body(card: GoalOutcome, about: About, words: CardTexts) -> str:
    indicator = f"<p class=indicator>{escape(card.claim.indicator)}</p>"
    if not card.measured:
        return indicator
    return (
        f"<div class=body><div>{indicator}<p class=value>{value_of(card)}</p>"
        f"{_numbers(card, words)}</div>{_plot(card, about, words)}</div>"
    )


def _numbers(card: GoalOutcome, words: CardTexts) -> str:
    target = card.target.value if card.target else None
    total = card.path != target
    facts = (
        (words.uncertainty, "" if card.uncertainty is None else f"±{NARROW}{_amount(card, card.uncertainty)}"),
        (words.target, target_of(card)),
        (words.path, _amount(card, card.path) if total else ""),
        (words.projection, _amount(card, card.projection) if card.projection != card.value else ""),
        (words.needed, _with_sign(card, card.needed) if total or card.state == "off track" else ""),
        (words.beside, "<br>".join(_escaped(text) for text in extras(card))),
        (words.period, escape(words.period_elapsed.format(period=card.period, elapsed=percent(elapsed_share(card))))),
        (words.coverage, percent(card.coverage)),
    )
    return _fact_list(facts)


def _notes(card: GoalOutcome, words: CardTexts) -> str:
    found, claim = card.finding, card.claim
    facts: list[tuple[str, str]] = []
    if isinstance(found, MissingValue):
        facts += [(words.missing, found.what), (words.add, found.add)]
    elif card.add:
        facts.append((words.add, card.add))
    if isinstance(found, IndicatorValue):
        facts += [(words.entry, found.entry), (words.note, found.note)]
    facts.append((words.formula, claim.formula))
    if card.target:
        facts.append((words.source, card.target.source))
    elif claim.target not in {"", *NO_DEFAULT}:
        facts += [(words.reference, claim.target), (words.reference_source, claim.source)]
    escaped = [(name, escape(text)) for name, text in facts if text != card.why]
    return f'<div class="notes">{listed}</div>' if (listed := _fact_list(escaped)) else ""


def _fact_list(facts: Sequence[tuple[str, str]]) -> str:
    """Return a list of names and escaped texts, without empty texts."""
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{text}</dd>" for name, text in facts if text not in {"", "-"})
    return f'<dl class="facts">{lines}</dl>' if lines else ""


def _plot(card: GoalOutcome, about: About, words: CardTexts) -> str:
    """Return the plot with its legend; "" with fewer than two evaluations."""
    evaluations = card.evaluations
    if len(evaluations) < 2 or card.end <= card.start:
        return ""

    def points(numbers: Sequence[tuple[int, float]]) -> list[Point]:
        return [((as_of - card.start) / (card.end - card.start), number) for as_of, number in numbers]

    last = evaluations[-1]
    running = last.as_of < card.end
    end = card.projection if running else None
    projection = [] if end is None else points([(last.as_of, last.value), (card.end, end)])
    lines = PlotSeries(
        value=points([(evaluation.as_of, evaluation.value) for evaluation in evaluations]),
        off=points([(evaluation.as_of, evaluation.value) for evaluation in evaluations if not evaluation.good]),
        path=points([(evaluation.as_of, evaluation.path) for evaluation in evaluations]),
        ahead=points([(last.as_of, last.path), (card.end, card.target.value)]) if running and card.target else [],
        projection=projection,
    )
    keys = [("value", words.key_value), ("path", words.key_path)]
    keys += [("projection", words.key_projection)] if projection else []
    keys += [("off", words.key_off)] if any(lines.off) else []
    legend = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for kind, name in keys)
    title = words.plot.format(id=card.claim.id, indicator=card.claim.indicator, unit=card.claim.unit)
    ends = [local_day(time, about.timezone).isoformat() for time in (card.start, card.end - 1)]
    return f"<figure>{plot(title, lines, *ends)}<figcaption>{legend}</figcaption></figure>"
