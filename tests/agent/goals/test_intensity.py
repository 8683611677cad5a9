"""CO2 per energy: expected values of METHOD 4.11, examples 1 and 7, and by hand."""

from __future__ import annotations

import pytest
from wattgram.config.fuel_properties import NATURAL_GAS_PER_M3
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.goals.indicators.carbon_intensity import INDICATORS
from wattgram.goals.terms.day import Day, DeviceDay

from tests.support.goal_days import day, device, entry, extras, found, lacking, period, plant, year

JANUARY = ("2026-01-01", "2026-02-01")
# METHOD 4.11, example 1, for an hour: import 100 kW at 558.1, PV 50 kW: load 150 kWh, 55.81 kg
FIRST = day("2026-01-01", load_energy=150, emission=55.81)


def test_intensity_and_its_gap_to_the_grid() -> None:
    # 372.07 g/kWh; 1 - 372.0667 / 558.1 = a third
    finding = INDICATORS["A04"].find(period(*JANUARY, FIRST), plant())
    assert found(finding).value == pytest.approx(372.07, abs=0.005)
    assert extras(finding) == pytest.approx({"below the grid's 558.1 g/kWh by": 100 / 3})


# Chongqing's CO2 factor of 2023, and the nation's footprint of 2024 (METHOD 2.2, 2.1)
@pytest.mark.parametrize(("basis", "factor"), [("direct", 558.1), ("lifecycle", 577.7)])
@pytest.mark.parametrize("claim", ["A04", "B05"])
def test_the_target_is_the_factor_of_the_grid_on_the_same_basis(claim: str, basis: str, factor: float) -> None:
    target = INDICATORS[claim].target(period(*JANUARY), plant(basis=basis))
    assert target is not None
    assert (target.value, INDICATORS[claim].better) == (factor, "lower")
    assert f"{factor / 1000:.4f}" in target.source


def test_the_gap_to_the_grid_is_of_one_basis() -> None:
    # 1 - 372.07 / 577.7 = 35.60 %
    finding = INDICATORS["A04"].find(period(*JANUARY, FIRST), plant(basis="lifecycle"))
    assert extras(finding) == pytest.approx({"below the grid's 577.7 g/kWh by": 35.60}, abs=0.01)


def test_without_load_there_is_no_intensity() -> None:
    zero = day("2026-01-01", load_energy=0, emission=0)
    assert lacking(INDICATORS["A04"].find(period(*JANUARY, zero), plant())) == "no load in 2026-01-01..2026-02-01"


def test_charging_has_the_intensity_of_the_site() -> None:
    # 30 kWh of example 1's mix are 11.162 kg
    charged = day("2026-01-01", transport_energy=30, transport_emission=11.162)
    finding = INDICATORS["B05"].find(period(*JANUARY, charged), plant(device("charger", "ev")))
    assert found(finding).value == pytest.approx(372.07, abs=0.005)
    assert extras(finding) == {"charged": 30.0}


def test_charging_needs_a_charger_and_a_car() -> None:
    idle = day("2026-01-01", transport_energy=0, transport_emission=0)
    find = INDICATORS["B05"].find
    assert lacking(find(period(*JANUARY, idle), plant())) == (
        'no sub-meter of group transport; add a [[device]] with role = "ev"'
    )
    assert "no EV charging" in lacking(find(period(*JANUARY, idle), plant(device("charger", "ev"))))


# year on year


def test_intensity_is_compared_with_the_same_days_of_last_year() -> None:
    # 40 kg of 100 kWh after 50 of 100: 400 / 500 - 1 = -20 %. 3 January has no year before, 4 January is not over.
    last = year(
        2025,
        day("2025-01-01", load_energy=60, emission=20),
        day("2025-01-02", load_energy=40, emission=30),
        day("2025-01-04", load_energy=900, emission=900),
    )
    this = year(
        2026,
        day("2026-01-01", load_energy=50, emission=25),
        day("2026-01-02", load_energy=50, emission=15),
        day("2026-01-03", load_energy=900, emission=900),
        day("2026-01-04", until="2026-01-04T12:00", covered=43200, load_energy=1, emission=9),
        over="2026-01-04T12:00",
    )
    finding = INDICATORS["A05"].find(this, plant(years=[last, this]))
    assert found(finding).value == pytest.approx(-20.0)
    assert extras(finding) == pytest.approx({"intensity": 400.0, "intensity a year before": 500.0})
    assert found(finding).coverage == pytest.approx(2 / 3.5)
    assert [operand.value for operand in found(finding).inputs] == pytest.approx(
        [40.0, 100.0, 50.0, 100.0]
    )  # kg and kWh
    target = INDICATORS["A05"].target(this, plant())
    assert target is not None
    assert target.value == pytest.approx(-3.9)


def test_the_leap_day_has_no_counterpart_a_year_before() -> None:
    this = year(2028, day("2028-02-29", load_energy=50, emission=25))
    last = year(2027, day("2027-02-28", load_energy=50, emission=25))
    finding = INDICATORS["A05"].find(this, plant(years=[last]))
    assert lacking(finding) == "no day of 2028 is also stored a year before; wait until a year of data is stored"


def test_a_year_without_co2_is_no_reference() -> None:
    last = year(2025, day("2025-01-01", load_energy=60, emission=0))
    this = year(2026, day("2026-01-01", load_energy=60, emission=10))
    assert lacking(INDICATORS["A05"].find(this, plant(years=[last]))) == "no CO2 a year before 2026"


# per tce


def imported(**more: float) -> Day:
    """Return a day of METHOD 4.11, example 7: 100 MWh from the grid in Chongqing, 55.81 t."""
    return day(
        "2026-01-01",
        scope1=0,
        scope2_location=55810,
        grid_import_energy=100_000,
        self_sufficiency__part=more.get("own", 0.0),
    )


def test_a_factory_on_grid_power() -> None:
    # 12.29 tce, 4.541 tCO2/tce
    finding = INDICATORS["A15"].find(period(*JANUARY, imported()), plant())
    assert found(finding).value == pytest.approx(4.541, abs=0.0005)
    assert extras(finding)["energy"] == pytest.approx(12.29)
    assert INDICATORS["A15"].target(period(*JANUARY), plant()) is None
    assert "no entry process_emission" in found(finding).note


def test_own_power_is_energy_without_carbon() -> None:
    # With 95.6 % of own power the value is the limit of 0.2 (METHOD 0.9): 2172.7 MWh of 2272.7 MWh are 95.6 %
    finding = INDICATORS["A15"].find(period(*JANUARY, imported(own=2_172_727)), plant())
    assert found(finding).value == pytest.approx(0.2, abs=0.0005)


def test_process_emission_and_bought_heat_are_included_when_entered() -> None:
    # (55.81 + 310 + 29.3076 x 0.11) / (12.29 + 1) = 369.0338 / 13.29 = 27.7678
    goals = GoalsConfig(
        entries=(
            entry("process_emission", 310, "2026-01-01", "2026-01-31"),
            entry("heat", 29.3076, "2026-01-01", "2026-01-31", "GJ"),
        )
    )
    finding = found(INDICATORS["A15"].find(period(*JANUARY, imported()), plant(goals=goals)))
    assert finding.value == pytest.approx(27.7678, rel=1e-5)
    assert "process_emission" not in finding.note


def test_the_energy_of_metered_gas_is_included() -> None:
    # 1000 m3 are 2 162 000 g and so 10 815.4 kWh at 199.9 g/kWh: 2.162 t / (10 815.4 x 0.1229 / 1000 tce) = 1.62653,
    # which is 199.9 / 122.9 of any amount of gas
    gas = device("engine", "chp", fuel_meter="gas", fuel_factor=NATURAL_GAS_PER_M3)
    meters = {"gas": DeviceDay(amount=1000.0), "engine": DeviceDay(energy=4000e3)}
    burnt = day(
        "2026-01-01", devices=meters, scope1=2162, scope2_location=0, grid_import_energy=0, self_sufficiency__part=0
    )
    finding = INDICATORS["A15"].find(period(*JANUARY, burnt), plant(gas, device("gas", "fuel")))
    assert found(finding).value == pytest.approx(1.62653, rel=1e-5)
