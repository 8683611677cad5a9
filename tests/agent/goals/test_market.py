"""Allowances and money: lines and prices of METHOD 2.3, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from wattgram.config.goals_table.goals_settings import BaselineSettings, GoalsConfig, ProductSettings
from wattgram.goals.indicators.market import INDICATORS
from wattgram.goals.terms.day import Day, DeviceDay, Stretch

from tests.support.goal_days import (
    DAY,
    day,
    device,
    entry,
    extras,
    found,
    lacking,
    period,
    plant,
    wanted,
    whole_year,
    year,
)

# 200 t of fuel, 1900 t of import and a fifth of 500 t of the process in a fifth of the year: 2200 t, 11 000 t a year
PROCESS = entry("process_emission", 500, "2026-01-01", "2026-12-31")
FIFTH = year(2026, day("2026-01-01", covered=73 * DAY, scope1=200_000, scope2_location=1_900_000), over="2026-03-15")


def goals_with(allowance: float, price: float | None = 40.36, market: str = "") -> GoalsConfig:
    return GoalsConfig(
        price=price, carbon_market=market, entries=(PROCESS, entry("allowance", allowance, "2026-01-01", "2026-12-31"))
    )


@pytest.mark.parametrize(("allowance", "remaining"), [(12_000, 1000.0), (10_000, -1000.0)])
def test_the_rest_of_the_allowance(allowance: float, remaining: float) -> None:
    finding = INDICATORS["B08"].find(FIFTH, plant(goals=goals_with(allowance)))
    assert found(finding).value == pytest.approx(remaining)
    assert extras(finding) == pytest.approx({"emitted so far": 2200.0, "projected": 11_000.0})
    assert (wanted(INDICATORS["B08"].target(FIFTH, plant())).value, INDICATORS["B08"].better) == (0.0, "higher")


def test_the_national_market_counts_direct_emissions_alone() -> None:
    # 200 t of fuel + 100 t of the process in a fifth of the year: 1500 t; Sichuan has no pilot
    for facility in (plant(goals=goals_with(2000, market="national")), plant(goals=goals_with(2000), zone="CN-SC")):
        finding = found(INDICATORS["B08"].find(FIFTH, facility))
        assert finding.value == pytest.approx(500.0)
        assert finding.note == "ledger of the national scheme"


def test_these_claims_are_about_markets_of_china() -> None:
    assert {name for name, indicator in INDICATORS.items() if indicator.elsewhere} == {"A22", "B08", "B14", "B15"}


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


def test_both_ledgers_stand_side_by_side() -> None:
    # national: 200 + 100; pilot: 300 + 1900
    finding = INDICATORS["B14"].find(FIFTH, plant(goals=goals_with(0)))
    assert found(finding).value == pytest.approx(300.0)
    assert extras(finding) == pytest.approx(
        {
            "direct and indirect, the ledger of a pilot": 2200.0,
            "national entry line": 26_000.0,
            "pilot entry line": 13_000.0,
        }
    )
    assert "pilot entry line" not in extras(INDICATORS["B14"].find(FIFTH, plant(goals=goals_with(0), zone="CN-SC")))
    assert INDICATORS["B14"].target(year(2026), plant()) is None


def test_a_deficit_of_allowances_costs_its_price() -> None:
    # 1000 t x 90
    own = found(INDICATORS["B15"].find(FIFTH, plant(goals=goals_with(10_000, price=90.0))))
    assert own.value == pytest.approx(90_000.0)
    assert own.inputs[-1].source == "[goals] price"
    assert own.entry == "manual entry of Li Wei, 2026-01-05, form 7"


def test_the_mean_prices_of_2025_expire_with_their_year() -> None:
    # 1 t of import a day in the whole year, without an allowance: 365 t x 40.36 in a pilot, and beside it x 62.36
    entries = [entry(what, 0, "2025-01-01", "2025-12-31") for what in ("allowance", "process_emission")]
    past = whole_year(2025, scope1=0, scope2_location=365_000)
    finding = INDICATORS["B15"].find(past, plant(goals=GoalsConfig(entries=tuple(entries))))
    assert found(finding).value == pytest.approx(365 * 40.36)
    at_national = next(value for name, value in extras(finding).items() if name.startswith("at 62.36 CNY/t"))
    assert at_national == pytest.approx(365 * 62.36)
    assert lacking(INDICATORS["B15"].find(FIFTH, plant(goals=goals_with(10_000, price=None)))) == (
        "no price of CO2 for 2026: the shipped mean of 40.36 CNY/t was valid to 2025-12-31;"
        " set [goals] price, the price of a tonne in CNY"
    )


def test_a_surplus_of_allowances_costs_nothing() -> None:
    assert found(INDICATORS["B15"].find(FIFTH, plant(goals=goals_with(12_000)))).value == 0.0


def test_the_verified_saving_has_a_value() -> None:
    # reference: 100 kWh a day for each t; 30 days of 20 t and 1800 kWh: 60 000 - 54 000 kWh at 500 g/kWh are 3 t x 100
    def each_day(first: date, kwh: float, tonnes: float) -> list[Day]:
        return [
            day(
                (first + timedelta(number)).isoformat(),
                devices={"scale": DeviceDay(amount=1000.0 * tonnes)},
                load_energy=kwh,
                grid_intensity__part=500.0 * kwh,
                grid_intensity__whole=kwh,
            )
            for number in range(31)
        ]

    line = ProductSettings("bars", "B10", output="scale")
    model = BaselineSettings(date(2025, 1, 1), date(2025, 1, 31), ("bars",))
    goals = GoalsConfig(price=100.0, products=(line,), model=model)
    january, before = each_day(date(2026, 1, 1), 1800, 20), each_day(date(2025, 1, 1), 2000, 20)
    before[0] = day("2025-01-01", devices={"scale": DeviceDay(amount=10_000.0)}, load_energy=1000)
    months = period("2026-01-01", "2026-02-01", *january)
    scale, years = device("scale", "production"), [year(2025, *before)]
    finding = INDICATORS["A22"].find(months, plant(scale, goals=goals, years=years))
    assert found(finding).value == pytest.approx(31 * 200 * 500 / 1e6 * 100)
    assert "not a forecast" in found(finding).note
    unpriced = INDICATORS["A22"].find(months, plant(scale, goals=replace(goals, price=None), years=years))
    assert lacking(unpriced) == (
        "no price of CO2 for 2026-01-01..2026-02-01: the shipped mean of 40.36 CNY/t was valid to 2025-12-31;"
        " set [goals] price, the price of a tonne in CNY"
    )


def test_without_a_baseline_no_saving_has_a_value() -> None:
    assert "[goals.model]" in lacking(INDICATORS["A22"].find(FIFTH, plant()))


def test_a_period_that_has_not_begun_projects_nothing() -> None:
    just_begun = Stretch("2026", FIFTH.start, FIFTH.end, FIFTH.start, FIFTH.days)
    for claim in ("B08", "B15"):
        assert lacking(INDICATORS[claim].find(just_begun, plant(goals=goals_with(10_000))))
