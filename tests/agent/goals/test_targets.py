"""The target of a claim: a target that is not finite is no target."""

from __future__ import annotations

from math import inf, nan

import pytest
from wattgram.config.goals_table.claims import claims
from wattgram.goals.calendar import Calendar
from wattgram.goals.targets import target
from wattgram.goals.terms.finding import MissingValue
from wattgram.goals.terms.indicator import Indicator, NoTarget, Target

from tests.support.goal_days import ZONE, plant, year


@pytest.mark.parametrize("value", [inf, -inf, nan])
def test_a_default_that_is_not_finite_is_no_target(value: float) -> None:
    claim = next(claim for claim in claims() if claim.id == "A04")
    damaged = Indicator(lambda *_: MissingValue(""), target=lambda *_: Target(value, "x"))
    found = target(claim, damaged, year(2026), plant(), Calendar([], ZONE, None))
    assert found == NoTarget("the target is not finite: x", "set [goals.target] A04 in gCO2/kWh")
