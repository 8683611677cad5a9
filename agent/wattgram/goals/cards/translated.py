"""A card in another language: its texts, without states, numbers, ids and names of the site."""

from __future__ import annotations

from dataclasses import replace

from wattgram.config.goals_table.claims import Claim
from wattgram.formats.language import LANGUAGES, Translate, translate
from wattgram.goals.terms.finding import IndicatorValue, MissingValue
from wattgram.goals.terms.outcome import GoalOutcome

from .text import document

CARD_TEXTS = ("article", "claim", "indicator", "unit", "why", "add", "extras")
"""Keys of a card's JSON document that the live page shows in its language."""


def translated(card: GoalOutcome, language: str, *, units: bool = True) -> GoalOutcome:
    """Return the card with its texts in a language. units: also the units in words, such as persons."""
    if language == LANGUAGES[0]:
        return card
    say = translate(language)
    in_words = say if units else str
    found = card.finding
    if isinstance(found, MissingValue):
        found = MissingValue(say(found.what), say(found.add))
    elif isinstance(found, IndicatorValue):
        found = _value(found, say, in_words)
    target = card.target and replace(card.target, source=say(card.target.source))
    claim = _claim(card.claim, say, in_words)
    return replace(card, claim=claim, finding=found, target=target, why=say(card.why), add=say(card.add))


def page_texts(card: GoalOutcome) -> dict[str, dict[str, object]]:
    """Return the texts of a card for the live page, by language, without those of the first language."""
    return {
        language: {key: said[key] for key in CARD_TEXTS}
        for language in LANGUAGES[1:]
        for said in [document(translated(card, language)) | {"article": translate(language)(card.claim.article)}]
    }


def _claim(claim: Claim, say: Translate, in_words: Translate) -> Claim:
    return replace(
        claim,
        says=say(claim.says),
        indicator=say(claim.indicator),
        formula=say(claim.formula),
        unit=in_words(claim.unit),
        target=say(claim.target),
        source=say(claim.source),
    )


def _value(found: IndicatorValue, say: Translate, in_words: Translate) -> IndicatorValue:
    return replace(
        found,
        inputs=tuple(
            replace(each, name=say(each.name), unit=in_words(each.unit), source=say(each.source))
            for each in found.inputs
        ),
        extras=tuple(replace(each, name=say(each.name), unit=in_words(each.unit)) for each in found.extras),
        arithmetic=say(found.arithmetic),
        entry=say(found.entry),
        note=say(found.note),
    )
