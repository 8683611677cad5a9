"""Goals whose value is not sure enough to tell it from the target: hand calculations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from wattgram.goals.indicator_uncertainty import uncertainty
from wattgram.goals.terms.day import Day, Stretch
from wattgram.goals.terms.finding import Finding, IndicatorValue
from wattgram.goals.terms.indicator import Indicator
from wattgram.goals.terms.outcome import GoalOutcome

from tests.agent.goals.test_evaluate import NOVEMBER, card
from tests.support.goal_days import at, day


def intensity(stretch: Stretch, _: object) -> Finding:
    return IndicatorValue(stretch.ratio("emission_intensity") or 0.0, (), "")


def emission(stretch: Stretch, _: object) -> Finding:
    return IndicatorValue((stretch.sum("emission") or 0.0) / 1000.0, (), "")


def days(*, unsure: bool = True) -> list[Day]:
    """Return two days of 1 and 3 kWh at 500 g/kWh; U of the intensity 20 and 40 g/kWh, of the emission 50 and 60 g."""
    found = []
    for date, load, of_intensity, of_emission in (
        ("2026-11-01", 1000.0, 20.0, 50.0),
        ("2026-11-02", 3000.0, 40.0, 60.0),
    ):
        sums = {
            "load_energy": load,
            "emission": 0.5 * load,
            "emission_intensity.part": 500.0 * load,
            "emission_intensity.whole": load,
        }
        if unsure:
            sums |= {"emission_intensity_uncertainty": of_intensity, "emission_uncertainty": of_emission}
        begin = at(date)
        found.append(Day(day(date).date, begin, begin + 86_400_000_000_000, 86400.0, sums))
    return found


def stretch(found: Sequence[Day]) -> Stretch:
    return Stretch("two days", found[0].start, found[-1].end, found[-1].end, found)


def unsure(find: Any, found: Sequence[Day], value: float) -> float | None:
    facility: Any = None  # these indicators read the stretch alone
    return uncertainty(Indicator(find), stretch(found), facility, value)


def test_the_uncertainty_of_days_is_weighted_and_added() -> None:
    # (1 x 20 + 3 x 40) / 4 = 35 g/kWh; 50 + 60 g = 0.11 kg
    assert unsure(intensity, days(), 500.0) == pytest.approx(35.0)
    assert unsure(emission, days(), 2.0) == pytest.approx(0.11)


def test_a_day_without_an_uncertainty_leaves_the_value_without_one() -> None:
    assert unsure(intensity, days(unsure=False), 500.0) is None
    assert unsure(intensity, [days()[0], days(unsure=False)[1]], 500.0) is None


@pytest.mark.parametrize(("value", "within"), [(100.0, True), (96.0, True), (94.0, False), (106.0, False)])
def test_a_value_within_its_uncertainty_of_the_path_is_told(value: float, within: bool) -> None:
    outcome = card("A12", [], "2026-11-03", NOVEMBER)
    found = GoalOutcome(outcome.claim, None, "on track", "", 0, 0, 0, 1.0, value=value, path=100.0, uncertainty=5.0)
    assert found.within_uncertainty is within
