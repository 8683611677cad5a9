"""How far the site is from its paths: the claim about all other claims (A20)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .state import PATH_TOLERANCE
from .terms.finding import IndicatorValue, Input, MissingValue
from .terms.indicator import Target
from .terms.outcome import GoalOutcome

DISTANCE = "A20"


def worse(card: GoalOutcome) -> float | None:
    """Share of its path by which a card's value is worse, negative where it is better; None without a path or at 0."""
    if card.value is None or not card.path:
        return None
    delta = (card.value - card.path) / abs(card.path)
    return delta if card.better == "lower" else -delta


def distance(card: GoalOutcome, others: Iterable[GoalOutcome]) -> GoalOutcome:
    """The card of A20 from the cards that have a light: the largest distance, in % (METHOD 6.2).

    Off track as soon as one of them is.
    """
    with_state = [card for card in others if card.state in ("on track", "off track")]
    deltas = [(100.0 * delta, card) for card in with_state if (delta := worse(card)) is not None]
    if not deltas:
        missing = MissingValue("no goal has a light yet", "what each goal needs is said beside it")
        return replace(card, finding=missing, state="not enough data", why=missing.what)
    worst, of = max(deltas, key=lambda pair: pair[0])
    off = [card.claim.id for card in with_state if card.state == "off track"]
    inputs = tuple(
        Input(f"{card.claim.id}, how much worse than its path", delta, "%", card.period) for delta, card in deltas
    )
    return replace(
        card,
        finding=IndicatorValue(worst, inputs, f"largest of {len(deltas)} = {worst:.2f} %, of {of.claim.id}"),
        value=worst,
        coverage=min(card.coverage for card in with_state),
        target=Target(100.0 * PATH_TOLERANCE, "product choice (METHOD 6.1)"),
        path=100.0 * PATH_TOLERANCE,
        better="lower",
        state="off track" if off else "on track",
        why=f"it is {', '.join(off)}" if off else f"none of {len(with_state)} goals with a light is off track",
    )
