"""Outcome of a claim in a period: the card of all output formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wattgram.config.goals_table.claims import Claim

from .finding import Finding
from .indicator import Better, Target

State = Literal["on track", "off track", "not enough data", "context only", "manual entry"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Value and path as of an instant, UTC ns. good: within the tolerance of the path, or better."""

    as_of: int
    value: float
    path: float
    good: bool


@dataclass(frozen=True, slots=True)
class GoalOutcome:
    """The card of one claim.

    period: name of the period. start, end, as_of: UTC ns. value, target, path (expected value at the present time),
    projection (value at the end of the period) and needed (in the rest of the period, to reach the target): in the
    indicator's unit, None if undefined. why: reason of the state, in one sentence. add: what gives the goal a state.
    uncertainty: of the value, expanded, None if unknown. evaluations: at the ends of days and now, oldest first.
    corrections: of the past in the measured time, as records name them; "" for none.
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
    add: str = ""
    uncertainty: float | None = None
    evaluations: tuple[Evaluation, ...] = ()
    corrections: str = ""

    @property
    def measured(self) -> bool:
        """Whether the card has a metered or entered value."""
        return self.value is not None

    @property
    def within_uncertainty(self) -> bool:
        """Whether the value differs from its path by less than its uncertainty: the state may be the other one."""
        if self.uncertainty is None or self.value is None or self.path is None:
            return False
        return abs(self.value - self.path) <= self.uncertainty
