"""What became of a claim in a period: the card that every output shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wattgram.config.goals_table.claims import Claim

from .finding import Finding
from .indicator import Better, Target

State = Literal["on track", "off track", "not enough data", "context only", "manual entry"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The value and the path as of an instant, UTC ns; `good`: within 2 % of the path or better."""

    as_of: int
    value: float
    path: float
    good: bool


@dataclass(frozen=True, slots=True)
class GoalOutcome:
    """One claim's card.

    period: its name, `start` to `end` in UTC ns, as of `over`. value, target, path (the target as of now), projection
    (at the period's end) and needed (from now on, to reach the target) in the indicator's unit; None where there is
    none.
    why: what to know about the state, in one sentence. evaluations: the ends of days and now, oldest first.
    """

    claim: Claim
    finding: Finding | None
    state: State
    period: str
    start: int
    end: int
    as_of: int
    coverage: float
    value: float | None = None
    target: Target | None = None
    better: Better = "higher"
    path: float | None = None
    projection: float | None = None
    needed: float | None = None
    why: str = ""
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether it has a number that a meter or a person gave."""
        return self.value is not None
