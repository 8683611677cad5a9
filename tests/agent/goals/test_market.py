"""Allowances and money: lines and prices of METHOD 2.3, by hand."""

from __future__ import annotations

import pytest
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.goals.indicators.market import INDICATORS
from wattgram.goals.terms.day import Stretch

from tests.support.goal_days import DAY, day, entry, extras, found, lacking, period, plant, year

# 200 t of fuel, 1900 t of import and a fifth of 500 t of the process in a fifth of the year: 2200 t, 11 000 t a year
PROCESS = entry("process_emission", 500, "2026-01-01", "2026-12-31")
FIFTH = year(2026, day("2026-01-01", covered=73 * DAY, scope1=200_000, scope2_location=1_900_000), over="2026-03-15")


def goals_with(allowance: float, price: float | None = None) -> GoalsConfig:
    return GoalsConfig(price=price, entries=(PROCESS, entry("allowance", allowance, "2026-01-01", "2026-12-31")))


@pytest.mark.parametrize(("allowance", "remaining"), [(12_000, 1000.0), (10_000, -1000.0)])
def test_the_rest_of_the_allowance(allowance: float, remaining: float) -> None:
    finding = INDICATORS["B08"].find(FIFTH, plant(goals=goals_with(allowance)))
    assert found(finding).value == pytest.approx(remaining)
    assert extras(finding) == pytest.approx({"emitted so far": 2200.0, "projected": 11_000.0, "entry line": 13_000.0})
    target = INDICATORS["B08"].target(FIFTH, plant())
    assert target is not None
    assert (target.value, INDICATORS["B08"].better) == (0.0, "higher")


def test_a_month_has_its_part_of_the_allowance() -> None:
    # 365 t of the year are 31 t of January; 1 t of import in half of January gives 2 t, without a process
    no_process = entry("process_emission", 0, "2026-01-01", "2026-12-31")
    goals = GoalsConfig(entries=(no_process, entry("allowance", 365, "2026-01-01", "2026-12-31")))
    month = period(
        "2026-01-01",
        "2026-02-01",
        day("2026-01-01", scope1=0, scope2_location=1000),
        over="2026-01-16T12:00",
    )
    assert found(INDICATORS["B08"].find(month, plant(goals=goals))).value == pytest.approx(29.0)


@pytest.mark.parametrize("claim", ["B08", "B15"])
def test_a_missing_allowance_is_reported(claim: str) -> None:
    assert lacking(INDICATORS[claim].find(FIFTH, plant())).startswith('no entry "allowance" for 2026-03-14; add')
    stale = GoalsConfig(entries=(PROCESS, entry("allowance", 12_000, "2025-01-01", "2025-12-31")))
    assert "2026-03-14" in lacking(INDICATORS[claim].find(FIFTH, plant(goals=stale)))


def test_the_national_ledger_is_shown_beside_the_pilot_ledger() -> None:
    # national: 200 + 100; pilot: 300 + 1900
    finding = INDICATORS["B14"].find(FIFTH, plant(goals=goals_with(0)))
    assert found(finding).value == pytest.approx(300.0)
    assert extras(finding) == pytest.approx({"pilot ledger": 2200.0, "entry line of Chongqing": 13_000.0})
    target = INDICATORS["B14"].target(year(2026), plant())
    assert target is not None
    assert target.value == 26_000.0


def test_a_deficit_of_allowances_costs_its_price() -> None:
    # 1000 t x 40.36, beside it x 62.36; with the site's own price x 90
    finding = INDICATORS["B15"].find(FIFTH, plant(goals=goals_with(10_000)))
    assert found(finding).value == pytest.approx(40_360.0)
    assert extras(finding) == pytest.approx({"deficit": 1000.0, "at 62.36 CNY/t, national mean of 2025": 62_360.0})
    own = found(INDICATORS["B15"].find(FIFTH, plant(goals=goals_with(10_000, price=90.0))))
    assert own.value == pytest.approx(90_000.0)
    assert own.inputs[-1].source == "[goals] price"
    assert own.entry == "manual entry of Li Wei, 2026-01-05, form 7"


def test_a_surplus_of_allowances_costs_nothing() -> None:
    assert found(INDICATORS["B15"].find(FIFTH, plant(goals=goals_with(12_000)))).value == 0.0


@pytest.mark.parametrize(("price", "worth"), [(None, 3118.0), (100.0, 5000.0)])
def test_avoided_emissions_have_a_value(price: float | None, worth: float) -> None:
    # 50 t x 62.36 or x 100
    saved = year(2026, day("2026-01-01", avoided=50_000))
    finding = INDICATORS["A22"].find(saved, plant(goals=GoalsConfig(price=price)))
    assert found(finding).value == pytest.approx(worth)
    assert extras(finding)["at 40.36 CNY/t, pilots, mean of 2025"] == pytest.approx(2018.0)
    assert "not a forecast" in found(finding).note


def test_without_stored_avoided_emissions_there_is_no_value() -> None:
    assert lacking(INDICATORS["A22"].find(FIFTH, plant())) == "no day of 2026 has avoided"


def test_a_period_that_has_not_begun_projects_nothing() -> None:
    just_begun = Stretch("2026", FIFTH.start, FIFTH.end, FIFTH.start, FIFTH.days)
    for claim in ("B08", "B15"):
        assert lacking(INDICATORS[claim].find(just_begun, plant(goals=goals_with(10_000))))
