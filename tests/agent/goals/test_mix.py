"""Shares of the site's energy: renewable, carbon-free, clean; by hand, and METHOD 4.11, example 6."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.goals.indicators.supply_mix import INDICATORS
from wattgram.goals.terms.day import Day, DeviceDay

from tests.support.approximate import near
from tests.support.goal_days import GAS, day, device, extras, found, lacking, period, plant, year

JANUARY = ("2026-01-01", "2026-02-01")
MIXED = day(
    "2026-01-01",
    load_energy=100,
    grid_import_energy=60,
    self_sufficiency__part=40,
    self_sufficiency__whole=100,
    clean_share__part=59.5,  # 40 + 60 x 0.325, the share that is not fossil in Chongqing (METHOD 2.4)
    clean_share__whole=100,
)


def test_the_renewable_share_counts_own_power_and_the_share_of_the_grid() -> None:
    # (40 + 60 x 0.342) / 100 = 60.52 %
    finding = INDICATORS["A03"].find(period(*JANUARY, MIXED), plant(renewable=0.342))
    assert found(finding).value == pytest.approx(60.52)
    assert extras(finding) == pytest.approx(
        {"renewable share of the grid (shipped for CN-CQ)": 34.2, "self-sufficiency": 40.0}
    )


def test_a_configured_share_of_the_grid_is_named_as_such() -> None:
    goals = GoalsConfig(zone_renewable=0.342)
    finding = INDICATORS["A03"].find(period(*JANUARY, MIXED), plant(renewable=0.342, goals=goals))
    assert "[goals] zone_renewable" in [operand.source for operand in found(finding).inputs]


def test_an_unknown_renewable_share_of_the_grid_is_reported() -> None:
    finding = INDICATORS["A03"].find(period(*JANUARY, MIXED), plant())
    assert lacking(finding) == "the renewable share of zone CN-CQ is unknown; add zone_renewable to [goals]"


@pytest.mark.parametrize(("number", "expected"), [(2025, 34.2), (2026, 35.2), (2027, 35.2)])
@pytest.mark.parametrize("claim", ["A03", "A13", "B09"])
def test_the_weight_required_by_chongqing_depends_on_the_year(claim: str, number: int, expected: float) -> None:
    target = INDICATORS[claim].target(year(number), plant())
    assert target is not None
    assert target.value == expected


def test_the_carbon_free_share_is_matched_by_the_hour() -> None:
    # METHOD 4.11, example 6: 67.1 % of 30 kWh are 20.13
    hours = day("2026-01-01", carbon_free_share__part=20.13, carbon_free_share__whole=30)
    assert found(INDICATORS["A13"].find(period(*JANUARY, hours), plant())).value == pytest.approx(67.1)


def test_without_hourly_data_there_is_no_carbon_free_share() -> None:
    finding = INDICATORS["A13"].find(period(*JANUARY, MIXED), plant())
    assert lacking(finding) == (
        "no day of 2026-01-01..2026-02-01 has carbon_free_share.part and carbon_free_share.whole"
    )


def test_the_clean_share_of_a_site_without_fuel() -> None:
    finding = INDICATORS["B09"].find(period(*JANUARY, MIXED), plant())
    assert found(finding).value == pytest.approx(59.5)
    assert extras(finding) == pytest.approx(
        {"share of own renewables": 40.0, "clean energy of a zero-carbon park": 90.0}
    )


def test_a_certified_kwh_is_not_counted_twice() -> None:
    # of 60 kWh from the grid 40.5 are not clean; 30 certified kWh make half of them clean: 59.5 + 20.25 = 79.75 %
    certified = day("2026-01-01", matched_energy=30, sums={k: v / 1e3 for k, v in MIXED.sums.items()})
    assert found(INDICATORS["B09"].find(period(*JANUARY, certified), plant())).value == pytest.approx(79.75)


def test_certificates_beyond_the_import_do_not_count() -> None:
    certified = day("2026-01-01", matched_energy=90, sums={k: v / 1e3 for k, v in MIXED.sums.items()})
    assert found(INDICATORS["B09"].find(period(*JANUARY, certified), plant())).value == pytest.approx(100.0)


def test_the_losses_of_a_genset_are_energy() -> None:
    # 7 kWh by a diesel set of 35 %: 20 kWh of heat, 13 beyond its electricity; 59.5 / 113 = 52.655 %
    fuel_period = period(*JANUARY, with_genset(7.0))
    finding = INDICATORS["B09"].find(fuel_period, plant(device("set", "genset")))
    assert found(finding).value == pytest.approx(52.6549, rel=1e-5)
    heat = next(operand for operand in found(finding).inputs if operand.name == "heat of diesel, set")
    assert (heat.value, heat.unit) == (near(20.0), "kWh")


def test_the_fuel_of_a_boiler_is_final_energy() -> None:
    # 10 m3 of 38.931 MJ are 108.1417 kWh: 59.5 / 208.1417 = 28.5863 %
    boiler = device("boiler", "fuel", driver=GAS, fuel="natural_gas")
    fuel_period = period(*JANUARY, replace(MIXED, devices={"boiler": DeviceDay(amount=10.0)}))
    assert found(INDICATORS["B09"].find(fuel_period, plant(boiler))).value == pytest.approx(28.5863, rel=1e-5)


def test_an_unknown_fuel_of_a_genset_leaves_the_clean_share_without_a_value() -> None:
    finding = INDICATORS["B09"].find(period(*JANUARY, MIXED), plant(device("set", "genset", emission_factor=300.0)))
    assert lacking(finding) == "the fuel of set is unknown; set fuel and efficiency of set instead of emission_factor"


def test_a_period_without_load_has_no_shares() -> None:
    zero = day("2026-01-01", sums=dict.fromkeys(MIXED.sums, 0.0))
    for claim in ("A03", "B09"):
        assert lacking(INDICATORS[claim].find(period(*JANUARY, zero), plant(renewable=0.3))).startswith("no ")


def with_genset(kwh: float) -> Day:
    return replace(MIXED, devices={"set": DeviceDay(energy=1000 * kwh, seconds=86400.0)})
