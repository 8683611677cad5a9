"""All cards as one HTML file for printing and sending, without scripts and external resources. Texts are escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from itertools import groupby

from wattgram.formats.html_page import NARROW, document
from wattgram.goals.terms.finding import IndicatorValue
from wattgram.goals.terms.outcome import GoalOutcome

from .about import About
from .amounts import PURE, plain
from .card import SHAPES, badge, card_of, target_of, value_of
from .text import CLAIM_COUNT
from .words import ENGLISH, CardTexts


def page(cards: Sequence[GoalOutcome], about: About, words: CardTexts = ENGLISH) -> str:
    """Return the HTML file."""
    style = files("wattgram.goals.cards").joinpath("goals.css").read_text(encoding="utf-8")
    period = ", ".join(sorted({card.period for card in cards}))
    articles = groupby(cards, key=lambda card: card.claim.id[0])
    body = "".join(
        (
            _head(cards, about, words, period),
            _summary(cards, words),
            *(_article(letter, list(group), about, words) for letter, group in articles),
            _workings(cards, words),
            _rules(words),
            _provenance(about, words),
        )
    )
    return document(words.title.format(site=about.site, period=period), style, body, words.language)


def _head(cards: Sequence[GoalOutcome], about: About, words: CardTexts, period: str) -> str:
    latest = max((card.as_of for card in cards), default=about.made)
    as_of = words.as_of.format(period=period, time=about.local(latest), zone=about.timezone.key)
    return (
        f"<header><h1>{escape(about.site)}</h1><p>{escape(words.subtitle)}</p>"
        f"<p class=quiet>{escape(as_of)}</p></header><p class=lead>{escape(words.lead)}</p>"
    )


def _summary(cards: Sequence[GoalOutcome], words: CardTexts) -> str:
    counts = Counter(card.state for card in cards)
    tally = "".join(
        f'<div class="{kind}"><dt>{badge(state, words)}</dt><dd>{counts[state]}</dd></div>'
        for state, (kind, _) in SHAPES.items()
    )
    shown = words.shown.format(shown=len(cards), all=CLAIM_COUNT, measured=sum(card.measured for card in cards))
    return (
        f"<section><h2>{escape(words.summary)}</h2><dl class=tally>{tally}</dl><p>{escape(shown)}</p>"
        f"{_attention(cards, words)}</section>"
    )


def _attention(cards: Sequence[GoalOutcome], words: CardTexts) -> str:
    lines = "".join(
        f"<tr><th>{card.claim.id}</th><td>{escape(card.claim.indicator)}</td><td class=number>{value_of(card)}</td>"
        f"<td class=number>{target_of(card)}</td><td>{escape(card.why)}</td></tr>"
        for card in cards
        if card.state == "off track"
    )
    if not lines:
        return f"<p>{escape(words.attention_none)}</p>"
    heads = (words.id, words.indicator, words.value, words.target, words.why)
    table = f'<table class="words attention">{_heads(heads)}<tbody>{lines}</tbody></table>'
    return f"<h3>{escape(words.attention)}</h3>{table}"


def _article(letter: str, cards: Sequence[GoalOutcome], about: About, words: CardTexts) -> str:
    named = f"{escape(words.article.format(letter=letter))} <small>{escape(words.articles[letter])}</small>"
    return f"<section><h2>{named}</h2>{''.join(card_of(card, about, words) for card in cards)}</section>"


def _workings(cards: Sequence[GoalOutcome], words: CardTexts) -> str:
    computed = "".join(
        f'<article class="working"><h3>{card.claim.id} {escape(card.claim.indicator)}: {value_of(card)}</h3>'
        f"<p>{escape(card.finding.arithmetic)}</p>{_inputs(card.finding, words)}</article>"
        for card in cards
        if isinstance(card.finding, IndicatorValue)
    )
    if not computed:
        return ""
    return f"<section><h2>{escape(words.workings)}</h2><p>{escape(words.workings_lead)}</p>{computed}</section>"


def _inputs(found: IndicatorValue, words: CardTexts) -> str:
    if not found.inputs:
        return ""
    lines = "".join(
        f"<tr><th>{escape(operand.name)}</th><td class=number>{plain(operand.value).replace(',', NARROW)}</td>"
        f"<td>{escape('' if operand.unit in PURE else operand.unit)}</td><td>{escape(operand.source)}</td></tr>"
        for operand in found.inputs
    )
    heads = (words.input, words.value, words.unit, words.origin)
    return f'<table class="words inputs">{_heads(heads)}<tbody>{lines}</tbody></table>'


def _heads(names: Sequence[str]) -> str:
    return f"<thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in names)}</tr></thead>"


def _rules(words: CardTexts) -> str:
    listed = "".join(f"<li>{escape(rule)}</li>" for rule in words.rule)
    return f"<section><h2>{escape(words.rules)}</h2><ul>{listed}</ul></section>"


def _provenance(about: About, words: CardTexts) -> str:
    facts = (
        (words.made, about.local(about.made)),
        (words.zone, about.grid_zone),
        (words.basis, about.basis),
        (words.method, about.method),
        *((words.version.format(name=name), version) for name, version in about.versions.items()),
    )
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return f"<section><h2>{escape(words.provenance)}</h2><dl class=facts>{listed}</dl></section>"
