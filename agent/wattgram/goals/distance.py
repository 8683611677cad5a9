"""Distance of the site from its paths: the goal about all other goals (A20)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .state import PATH_TOLERANCE
from .terms.finding import IndicatorValue, Input, MissingValue
from .terms.indicator import Target
from .terms.outcome import GoalOutcome

DISTANCE = "A20"


def worse(card: GoalOutcome) -> float | None:
    """Return (value - path) / |path|, positive if the value is worse; None without a path or for a path of 0."""
    if card.value is None or not card.path:
        return None
    delta = (card.value - card.path) / abs(card.path)
    return delta if card.better == "lower" else -delta


def distance(card: GoalOutcome, others: Iterable[GoalOutcome]) -> GoalOutcome:
    """Return the card of A20: the largest distance of the cards on or off the site's own target, % (METHOD 6.2).

    The state is off track if any of these cards is off track.
    """
    with_state = [
        card for card in others if card.state in ("on track", "off track") and card.target and card.target.own
    ]
    deltas = [(100.0 * delta, card) for card in with_state if (delta := worse(card)) is not None]
    if not deltas:
        missing = MissingValue(
            "no goal with a target of the site is on track or off track yet",
            "set [goals.target], [goals.baseline] or [[goals.milestone]] of a goal that has a value",
        )
        return replace(card, finding=missing, state="not enough data", why=missing.what, add=missing.add)
    worst, worst_card = max(deltas, key=lambda pair: pair[0])
    off = [card.claim.id for card in with_state if card.state == "off track"]
    inputs = tuple(
        Input(f"{card.claim.id}, deviation from its path", delta, "%", card.period) for delta, card in deltas
    )
    return replace(
        card,
        finding=IndicatorValue(worst, inputs, f"largest of {len(deltas)} = {worst:.2f} %, of {worst_card.claim.id}"),
        value=worst,
        coverage=min(card.coverage for card in with_state),
        target=Target(100.0 * PATH_TOLERANCE, "product choice (METHOD 6.1)"),
        path=100.0 * PATH_TOLERANCE,
        better="lower",
        state="off track" if off else "on track",
        why=f"off track: {', '.join(off)}"
        if off
        else f"none of {len(with_state)} goals with a target of the site is off track",
    )
