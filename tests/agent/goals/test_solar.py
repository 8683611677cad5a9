"""Own renewable power: PV's KPIs (METHOD 5), with the numbers of METHOD 4.11 and by hand."""

from __future__ import annotations

import pytest
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig
from wattgram.goals.indicators.solar import INDICATORS
from wattgram.goals.terms.day import Day, Quarters

from tests.support.goal_days import day, device, extras, found, lacking, period, plant, untargeted, wanted, year

PV = device("roof-east", "pv", rated_power=110e3)
WEST = device("roof-west", "pv", rated_power=90e3)
JANUARY = ("2026-01-01", "2026-02-01")

# METHOD 4.11, example 5, for an hour: PV 200, load 80, no battery: export 120, SCR 40 %, SSR 100 %
FIFTH = day(
    "2026-01-01",
    self_consumption__part=80,
    self_consumption__whole=200,
    self_sufficiency__part=80,
    self_sufficiency__whole=80,
    grid_export_energy=120,
)


def test_self_consumption_and_self_sufficiency() -> None:
    finding = INDICATORS["A12"].find(period(*JANUARY, FIFTH), plant(PV))
    assert found(finding).value == pytest.approx(40.0)
    assert extras(finding) == pytest.approx({"self-sufficiency": 100.0, "above the zone's rule by": 20.0})
    assert [operand.value for operand in found(finding).inputs] == [80.0, 200.0]


def test_self_consumption_of_days_is_a_ratio_of_sums() -> None:
    # (80 + 90) / (200 + 100) = 56.667 %, not the mean of 40 % and 90 %
    second = day("2026-01-02", self_consumption__part=90, self_consumption__whole=100)
    assert found(INDICATORS["A12"].find(period(*JANUARY, FIFTH, second), plant(PV))).value == pytest.approx(170 / 3)


@pytest.mark.parametrize(("district", "expected"), [("main", 20.0), ("other", 40.0)])
def test_the_share_required_by_chongqing_depends_on_the_district(district: str, expected: float) -> None:
    target = INDICATORS["A12"].target(period(*JANUARY), plant(PV, goals=GoalsConfig(district=district)))
    assert wanted(target).value == expected
    assert "valid from 2025-08-01" in wanted(target).source


def test_the_rule_of_chongqing_holds_nowhere_else_and_not_before() -> None:
    target = INDICATORS["A12"].target
    for zone in ("CN-SC", "DE"):
        assert untargeted(target(period(*JANUARY), plant(PV, zone=zone))) == (
            f"zone {zone} has no such rule; set [goals.target] A12"
        )
    assert "no rule is valid on 2024-12-31" in untargeted(target(year(2024), plant(PV)))


def test_the_exported_own_power() -> None:
    finding = INDICATORS["A21"].find(period(*JANUARY, FIFTH), plant(PV))
    assert found(finding).value == pytest.approx(120.0)
    assert extras(finding) == {"export": 120.0}


@pytest.mark.parametrize("claim", ["A12", "A21"])
def test_without_production_there_is_no_number(claim: str) -> None:
    find = INDICATORS[claim].find
    assert lacking(find(period(*JANUARY, FIFTH), plant())) == (
        'no own renewable production; add a [[device]] with role = "pv"'
    )
    assert lacking(find(period(*JANUARY), plant(PV))) == "no stored data of 2026-01-01..2026-02-01"


def test_a_period_without_production_has_no_self_consumption() -> None:
    night = day("2026-01-01", self_consumption__part=0, self_consumption__whole=0)
    assert "no own production" in lacking(INDICATORS["A12"].find(period(*JANUARY, night), plant(PV)))


# alignment


def day_with_sun(when: str, load: float, pv: float, overlap: float) -> Day:
    return day(when, quarters=Quarters(count=96, overlap=1000 * overlap), load_energy=load, pv_energy=pv)


def test_alignment_is_the_overlap_of_load_and_pv_over_the_possible_overlap() -> None:
    # quarters: 30 + 15 = 45; days: min(100, 40) + min(20, 50) = 60; 45 / 60 = 75 %
    days = [day_with_sun("2026-01-01", 100, 40, 30), day_with_sun("2026-01-02", 20, 50, 15)]
    finding = found(INDICATORS["A09"].find(period("2026-01-01", "2026-01-03", *days), plant(PV)))
    assert finding.value == pytest.approx(75.0)
    assert finding.coverage == 1.0


def test_days_without_quarters_do_not_count_in_the_alignment() -> None:
    days = [day_with_sun("2026-01-01", 100, 40, 30), day("2026-01-02", load_energy=100, pv_energy=100)]
    finding = found(INDICATORS["A09"].find(period("2026-01-01", "2026-01-03", *days), plant(PV)))
    assert finding.value == pytest.approx(75.0)
    assert finding.coverage == pytest.approx(0.5)


def test_a_day_without_sun_has_no_alignment() -> None:
    finding = INDICATORS["A09"].find(period(*JANUARY, day_with_sun("2026-01-01", 100, 0, 0)), plant(PV))
    assert lacking(finding).startswith("no day of 2026-01-01..2026-02-01 has both load and PV")


def test_the_target_of_the_alignment_grows_by_points() -> None:
    # 60 % in 2024, + 2 points a year: 64 % in 2026; with yearly = 0.03, 66 %
    for yearly, expected in ((None, 64.0), (0.03, 66.0)):
        goals = GoalsConfig(baselines={"A09": Baseline(60.0, 2024, yearly)})
        target = INDICATORS["A09"].target(year(2026), plant(PV, goals=goals))
        assert wanted(target).value == pytest.approx(expected)
    assert INDICATORS["A09"].target(year(2026), plant(PV)) is None


# penetration, yield


BRIGHT = day("2026-01-01", quarters=Quarters(count=96, peak=400e3), pv_energy=800)


def test_pv_per_peak_load_and_yield() -> None:
    # (110 + 90) / 400 = 0.5 kW/kW; 800 / 200 = 4 kWh/kW
    calm = day("2026-01-02", quarters=Quarters(count=96, peak=100e3))
    finding = INDICATORS["A11"].find(period(*JANUARY, BRIGHT, calm), plant(PV, WEST))
    assert found(finding).value == pytest.approx(0.5)
    assert extras(finding) == pytest.approx({"yield so far": 4.0, "PV that China built in 2024 (CPIA)": 277.57})


def test_pv_without_rated_power_is_named() -> None:
    silent = device("roof-north", "pv")
    finding = INDICATORS["A11"].find(period(*JANUARY, BRIGHT), plant(PV, silent))
    assert lacking(finding) == "no rated power of roof-north; add rated_power to each [[device]] of role pv"


def test_without_load_there_is_no_pv_share_of_the_peak() -> None:
    finding = INDICATORS["A11"].find(period(*JANUARY, day("2026-01-01", pv_energy=800)), plant(PV))
    assert lacking(finding).startswith("no load in the quarter-hours of 2026-01-01..2026-02-01")
