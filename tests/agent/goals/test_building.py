"""Energy per floor area: METHOD 6.3 B06, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wattgram.config.goals_table.goals_settings import BuildingSettings, GoalsConfig
from wattgram.goals.indicators.building import INDICATORS
from wattgram.goals.terms.indicator import NoTarget

from tests.support.goal_factory import FIRST, aimed, each, extra, found, missing, month, site, used

EUI = INDICATORS["B06"]
OFFICE = BuildingSettings("office", ("office-1", "office-2"), 2000.0, 100.0)
CANTEEN = BuildingSettings("canteen", ("canteen",), 500.0, 150.0)


def test_the_value_is_energy_over_area_so_far() -> None:
    # 30 days of 300 + 100 kWh over 2000 m2: 12 000 / 2000 = 6 kWh/m2
    days = each(FIRST, 30, {"office-1": used(300), "office-2": used(100)})
    finding = found(EUI.find(month(days), site(GoalsConfig(buildings=(OFFICE,)))))
    assert finding.value == 6.0
    assert finding.arithmetic == "12000 kWh / 2000 m2 = 6 kWh/m2 in 2026-11 so far"
    assert EUI.total  # half a year's value is half of the year's path
    assert EUI.better == "lower"


def test_the_value_of_several_buildings_is_the_sum_over_the_sum() -> None:
    # 12 000 kWh on 2000 m2 and 6000 kWh on 500 m2: 18 000 / 2500 = 7.2
    days = each(FIRST, 30, {"office-1": used(300), "office-2": used(100), "canteen": used(200, 64800.0)})
    finding = EUI.find(month(days), site(GoalsConfig(buildings=(OFFICE, CANTEEN))))
    assert found(finding).value == pytest.approx(7.2)
    assert (extra(finding, "office"), extra(finding, "canteen")) == (6.0, 12.0)
    assert found(finding).coverage == 0.75  # the canteen's meter was known for 18 h a day


def test_the_target_is_four_fifths_of_the_design() -> None:
    # office alone 0.8 x 100; both (2000 x 100 + 500 x 150) / 2500 = 110, x 0.8 = 88
    alone = aimed(EUI.target(month([]), site(GoalsConfig(buildings=(OFFICE,)))))
    both = aimed(EUI.target(month([]), site(GoalsConfig(buildings=(OFFICE, CANTEEN)))))
    assert (alone.value, both.value) == pytest.approx((80.0, 88.0))
    assert "GB 55015-2021" in both.source
    undesigned = BuildingSettings("hall", ("hall",), 10.0)
    for buildings in ((OFFICE, undesigned), ()):
        assert isinstance(EUI.target(month([]), site(GoalsConfig(buildings=buildings))), NoTarget)
    abroad = replace(site(GoalsConfig(buildings=(OFFICE,))), grid_zone="DE")
    assert EUI.target(month([]), abroad) == NoTarget("zone DE has no such rule", "set [goals.target] B06 in kWh/(m2 a)")


@pytest.mark.parametrize(
    ("buildings", "what"),
    [
        ((), "no building"),
        ((BuildingSettings("hall", (), 10.0),), "no meter of hall"),
        ((OFFICE,), "no energy data of office-2 in 2026-11"),
        ((BuildingSettings("hall", ("office-1",), 0.0),), "hall has no area"),
    ],
)
def test_the_missing_input_is_named(buildings: tuple[BuildingSettings, ...], what: str) -> None:
    days = each(FIRST, 30, {"office-1": used(300)})
    assert missing(EUI.find(month(days), site(GoalsConfig(buildings=buildings)))).what == what
