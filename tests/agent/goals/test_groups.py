"""Groups of sub-meters: shares of emissions, fall of emissions, charging from PV; by hand."""

from __future__ import annotations

import pytest
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig, ProductSettings
from wattgram.goals.indicators.groups import INDICATORS
from wattgram.goals.terms.day import DeviceDay, Quarters

from tests.support.goal_days import (
    DAY,
    GAS,
    day,
    device,
    entry,
    extras,
    found,
    lacking,
    period,
    plant,
    untargeted,
    wanted,
    whole_year,
    year,
)

JANUARY = ("2026-01-01", "2026-02-01")
PRESS = device("press", "load", "industry")
PUMPS = device("pumps", "load", "power")
CHARGER = device("charger", "ev")


def test_charging_from_the_roof_is_compared_with_an_even_charging() -> None:
    # 12 of 30 kWh: 40 %; the own share of the mix over 96 quarter-hours: 24 / 96 = 25 %
    quarters = Quarters(count=96, own_share=24.0, own_count=96)
    charged = day("2026-01-01", quarters=quarters, transport_own_energy=12, transport_energy=30)
    site = plant(CHARGER, device("roof", "pv"))
    finding = INDICATORS["A10"].find(period(*JANUARY, charged), site)
    assert found(finding).value == pytest.approx(40.0)
    assert extras(finding)["share of a charging spread evenly"] == pytest.approx(25.0)
    assert wanted(INDICATORS["A10"].target(period(*JANUARY, charged), site)).value == pytest.approx(25.0)
    older = day("2026-01-01", quarters=Quarters(count=96), transport_own_energy=12, transport_energy=30)
    assert "not stored" in untargeted(INDICATORS["A10"].target(period(*JANUARY, older), site))
    assert "no own renewable" in untargeted(INDICATORS["A10"].target(period(*JANUARY, charged), plant(CHARGER)))


def test_charging_from_the_roof_needs_a_charger_and_a_car() -> None:
    idle = day("2026-01-01", transport_own_energy=0, transport_energy=0)
    assert 'role = "ev"' in lacking(INDICATORS["A10"].find(period(*JANUARY, idle), plant(PRESS)))
    assert "no EV charging" in lacking(INDICATORS["A10"].find(period(*JANUARY, idle), plant(CHARGER)))


def test_a_charger_without_readings_has_no_coverage() -> None:
    # 31 days of balance, 20 of the charger: 20 / 31
    charged = day(
        "2026-01-01",
        covered=31 * DAY,
        devices={"charger": DeviceDay(seconds=20 * DAY)},
        transport_own_energy=12,
        transport_energy=30,
    )
    assert found(INDICATORS["A10"].find(period(*JANUARY, charged), plant(CHARGER))).coverage == pytest.approx(20 / 31)


# the split


def test_the_split_is_shown_beside_the_national_split() -> None:
    # 50 + 10 + 40 = 100 kg: 50 %, 10 %, and 40 % without a group
    carbon = day(
        "2026-01-01",
        industry_emission=50,
        power_emission=0,
        building_emission=0,
        transport_emission=10,
        rest_emission=40,
    )
    finding = INDICATORS["B03"].find(period(*JANUARY, carbon), plant(PRESS, CHARGER))
    assert found(finding).value == pytest.approx(50.0)
    assert extras(finding) == pytest.approx(
        {
            "transport": 10.0,
            "unassigned": 40.0,
            "the country: power": 40.0,
            "the country: industry": 40.0,
            "the country: building": 10.0,
            "the country: transport": 10.0,
        }
    )
    assert INDICATORS["B03"].target(period(*JANUARY), plant()) is None


def test_process_emission_belongs_to_industry() -> None:
    # 50 + 100 of 50 + 100 + 50 kg: 75 %
    carbon = day("2026-01-01", industry_emission=50, rest_emission=50)
    goals = GoalsConfig(entries=(entry("process_emission", 0.1, "2026-01-01", "2026-01-31"),))
    finding = found(INDICATORS["B03"].find(period(*JANUARY, carbon), plant(PRESS, goals=goals)))
    assert finding.value == pytest.approx(75.0)
    assert "Li Wei" in finding.inputs[-1].source


def test_fuel_for_heat_belongs_to_the_group_of_its_meter_or_to_none() -> None:
    # 100 m3 x 2162 g = 216.2 kg; of 50 + 50 + 216.2 kg: 50 / 316.2, with the boiler in industry 266.2 / 316.2
    carbon = day("2026-01-01", devices={"boiler": DeviceDay(amount=100.0)}, industry_emission=50, rest_emission=50)
    for group, expected in (("", 15.8128), ("industry", 84.1872)):
        boiler = device("boiler", "fuel", group, driver=GAS, fuel="natural_gas")
        finding = INDICATORS["B03"].find(period(*JANUARY, carbon), plant(PRESS, boiler))
        assert found(finding).value == pytest.approx(expected, abs=1e-4)


def test_without_industry_or_without_co2_there_is_no_split() -> None:
    zero = day("2026-01-01", industry_emission=0, rest_emission=0)
    assert lacking(INDICATORS["B03"].find(period(*JANUARY, zero), plant(CHARGER))) == (
        'no sub-meter of group industry; add a [[device]] with role = "load" and group = "industry"'
    )
    assert "no CO2" in lacking(INDICATORS["B03"].find(period(*JANUARY, zero), plant(PRESS)))


# the fall


def test_the_fall_of_groups_compares_the_same_days_of_last_year() -> None:
    # industry 60 after 80, power 30 after 20: 1 - 90 / 100 = 10 %; transport 5 after 10: 50 %
    complete = {"press": DeviceDay(seconds=DAY), "pumps": DeviceDay(seconds=DAY)}
    partly = {"press": DeviceDay(seconds=DAY), "pumps": DeviceDay(seconds=DAY / 4)}
    last = year(2025, day("2025-01-01", devices=partly, industry_emission=80, power_emission=20, transport_emission=10))
    this = year(
        2026,
        day("2026-01-01", devices=complete, industry_emission=60, power_emission=30, transport_emission=5),
        over="2026-01-02",
    )
    finding = INDICATORS["B04"].find(this, plant(PRESS, PUMPS, CHARGER, years=[last]))
    assert found(finding).value == pytest.approx(10.0)
    assert extras(finding) == pytest.approx({"industry": 25.0, "power": -50.0, "transport": 50.0})
    assert found(finding).coverage == pytest.approx(0.25)
    assert [operand.value for operand in found(finding).inputs] == pytest.approx([0.06, 0.03, 0.08, 0.02])  # t


def test_the_fall_of_groups_compares_the_elapsed_part_of_the_baseline() -> None:
    # 73 of 365 days are a fifth: 1 - 16 / (0.2 x 100) = 20 %; by the path of the site 1 - 0.961^2 = 7.6479 %
    goals = GoalsConfig(baselines={"B04": Baseline(100.0, 2024, -0.039)})
    this = year(2026, day("2026-01-01", industry_emission=16_000), over="2026-03-15")
    site = plant(PRESS, goals=goals)
    assert found(INDICATORS["B04"].find(this, site)).value == pytest.approx(20.0)
    assert wanted(INDICATORS["B04"].target(this, site)).value == pytest.approx(7.6479)


def test_the_fall_is_shown_per_output_of_a_metered_product() -> None:
    # 16 t of CO2, 8000 counted kg: 2000 kg/t
    line = ProductSettings("bars", "A07", energy=("press",), output="scale")
    goals = GoalsConfig(baselines={"B04": Baseline(100.0, 2024)}, products=(line,))
    counted = day("2026-01-01", devices={"scale": DeviceDay(amount=8000.0)}, industry_emission=16_000)
    finding = INDICATORS["B04"].find(year(2026, counted, over="2026-03-15"), plant(PRESS, goals=goals))
    assert extras(finding) == pytest.approx({"per t of bars": 2000.0})


def test_a_target_of_the_fall_needs_a_path_of_the_site() -> None:
    target = INDICATORS["B04"].target
    assert "[goals.baseline.B04]" in untargeted(target(year(2026), plant()))
    without_path = GoalsConfig(baselines={"B04": Baseline(100.0, 2024)})
    assert "add yearly" in untargeted(target(year(2026), plant(goals=without_path)))


def test_without_a_reference_there_is_no_fall() -> None:
    this = whole_year(2026, industry_emission=16_000)
    find = INDICATORS["B04"].find
    assert "is also stored a year before" in lacking(find(this, plant(PRESS)))
    zero_year = year(2025, day("2025-01-01", industry_emission=0))
    next_year = year(2026, day("2026-01-01", industry_emission=10))
    assert lacking(find(next_year, plant(PRESS, years=[zero_year]))).startswith("no CO2 of industry a year before")
    assert "industry" in lacking(find(this, plant(CHARGER)))
