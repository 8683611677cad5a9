"""Shares of the site's energy: renewable, carbon-free, clean; by hand, and METHOD 4.11, example 6."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.config.green_certificates import CertificateStream
from wattgram.goals.indicators.supply_mix import INDICATORS
from wattgram.goals.terms.day import Day, DeviceDay

from tests.support.approximate import near
from tests.support.goal_days import GAS, day, device, extras, found, lacking, period, plant, untargeted, wanted, year

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


def test_the_renewable_share_counts_own_power_and_shows_that_of_the_grid_beside_it() -> None:
    # 40 / 100; of the 60 kWh from the grid 34.2 % are 20.52 kWh
    finding = INDICATORS["A03"].find(period(*JANUARY, MIXED), plant(renewable=0.342))
    assert found(finding).value == pytest.approx(40.0)
    assert extras(finding) == pytest.approx(
        {
            "own renewables": 40.0,
            "certified": 0.0,
            "renewable by the grid, not counted (zone CN-CQ)": 20.52,
            "renewable share of the grid (zone CN-CQ)": 34.2,
        }
    )


def test_a_configured_share_of_the_grid_is_named_as_such() -> None:
    goals = GoalsConfig(zone_renewable=0.342)
    finding = INDICATORS["A03"].find(period(*JANUARY, MIXED), plant(renewable=0.342, goals=goals))
    assert "renewable share of the grid ([goals] zone_renewable)" in extras(finding)


def test_an_unknown_renewable_share_of_the_grid_is_not_shown() -> None:
    assert set(extras(INDICATORS["A03"].find(period(*JANUARY, MIXED), plant()))) == {"own renewables", "certified"}


def test_certificates_count_up_to_the_load_without_own_power() -> None:
    # 365 kWh of the year are 31 in January; nuclear power is not renewable, self-used power is the own part
    streams = [
        CertificateStream("gec", "CN GEC", "wind", year=2026, energy=365.0),
        CertificateStream("atom", technology="nuclear", year=2026, energy=365.0),
        CertificateStream("roof", technology="solar", year=2026, energy=365.0, self_used=True),
    ]
    finding = INDICATORS["A03"].find(period(*JANUARY, MIXED), plant(certificates=streams))
    assert found(finding).value == pytest.approx(71.0)  # 40 + 31 of 100
    assert "gec, CN GEC, wind" in found(finding).inputs[1].source
    many = [CertificateStream("gec", year=2026, energy=36_500.0)]
    assert found(INDICATORS["A03"].find(period(*JANUARY, MIXED), plant(certificates=many))).value == pytest.approx(100)
    # with the nuclear stream, too: 62 kWh certified, limited to the 60 kWh of the import
    clean = INDICATORS["B09"].find(period(*JANUARY, MIXED), plant(certificates=streams))
    assert found(clean).value == pytest.approx(100.0)


def test_the_weight_of_chongqing_holds_for_its_industries_and_its_years() -> None:
    # 35.2 % - 30 % of the grid in 2026
    steel = GoalsConfig(industry="steel")
    target = INDICATORS["A03"].target
    assert wanted(target(year(2026), plant(goals=steel, renewable=0.30))).value == pytest.approx(5.2)
    assert "valid from 2026-01-01 to 2026-12-31" in wanted(target(year(2026), plant(goals=steel, renewable=0.3))).source
    assert wanted(target(year(2025), plant(goals=steel, renewable=0.30))).value == pytest.approx(4.2)
    for facility, number, why in (
        (plant(renewable=0.3), 2026, "holds for steel, cement, aluminium, polysilicon alone; set [goals] industry"),
        (plant(goals=steel, renewable=0.3), 2027, "the rule expired on 2026-12-31; set [goals.target] A03 in %"),
        (plant(goals=steel, renewable=0.3, zone="CN-SC"), 2026, "zone CN-SC has no such rule; set [goals.target] A03"),
        (plant(goals=steel), 2026, "renewable share of zone CN-CQ has no statistic; set [goals] zone_renewable"),
        (plant(goals=steel, renewable=0.5), 2026, "the grid of zone CN-CQ reaches the weight of 35.2 %"),
    ):
        assert why in untargeted(target(year(number), facility))


def test_the_clean_share_has_a_rule_for_a_declared_zero_carbon_park_alone() -> None:
    park = GoalsConfig(zero_carbon_park=True)
    target = INDICATORS["B09"].target
    assert wanted(target(year(2026), plant(goals=park))).value == 90.0
    assert "NDRC [2025] 910" in wanted(target(year(2026), plant(goals=park))).source
    assert "zero_carbon_park = true" in untargeted(target(year(2026), plant()))
    assert "zone DE has no such rule" in untargeted(target(year(2026), plant(goals=park, zone="DE")))
    assert INDICATORS["A13"].target(year(2026), plant()) is None


def test_a_park_has_no_light_for_its_grid_alone() -> None:
    """95 of 100 kWh are carbon-free: by the grid of its zone, or by a roof as well."""
    park, target = GoalsConfig(zero_carbon_park=True), INDICATORS["B09"].target
    clean = day("2026-01-01", clean_share__part=95e3, self_sufficiency__part=0, load_energy=100e3)
    green = period(*JANUARY, clean)
    assert "differ from its grid" in untargeted(target(green, plant(goals=park)))
    assert wanted(target(green, plant(device("roof", "pv"), goals=park))).value == 90.0
    brown = day("2026-01-01", clean_share__part=32e3, self_sufficiency__part=0, load_energy=100e3)
    assert wanted(target(period(*JANUARY, brown), plant(goals=park))).value == 90.0


def test_the_carbon_free_share_is_matched_by_the_hour() -> None:
    # METHOD 4.11, example 6: 67.1 % of 30 kWh are 20.13
    hours = day("2026-01-01", carbon_free_share__part=20.13, carbon_free_share__whole=30)
    assert found(INDICATORS["A13"].find(period(*JANUARY, hours), plant())).value == pytest.approx(67.1)


def test_without_hourly_data_there_is_no_carbon_free_share() -> None:
    finding = INDICATORS["A13"].find(period(*JANUARY, MIXED), plant())
    assert lacking(finding) == (
        "no day of 2026-01-01..2026-02-01 has carbon free share; "
        "wait for a day with these values; `wattgram report` shows the stored ones"
    )


def test_the_clean_share_of_a_site_without_fuel() -> None:
    finding = INDICATORS["B09"].find(period(*JANUARY, MIXED), plant())
    assert found(finding).value == pytest.approx(59.5)
    assert extras(finding) == pytest.approx({"share of own renewables": 40.0})
    shown = INDICATORS["B09"].find(period(*JANUARY, MIXED), plant(clean=0.325))
    assert extras(shown)["carbon-free share of the grid (table CN-CQ)"] == pytest.approx(32.5)


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
