"""CO2 per energy: expected values of METHOD 4.11, examples 1 and 7, and by hand."""

from __future__ import annotations

from typing import Any

import pytest
from wattgram.config.fuel_properties import NATURAL_GAS_PER_M3
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.config.green_certificates import CertificateStream
from wattgram.goals.indicators.carbon_intensity import INDICATORS
from wattgram.goals.terms.day import Day, DeviceDay

from tests.support.goal_days import day, device, entry, extras, found, lacking, period, plant, untargeted, wanted, year

JANUARY = ("2026-01-01", "2026-02-01")
# METHOD 4.11, example 1, for an hour: import 100 kW at 558.1, PV 50 kW: load 150 kWh, 55.81 kg


def mixed_day(**more: Any) -> Day:
    """Return the day of example 1: a third of the load is PV, and the import has 558.1 g/kWh."""
    return day(
        "2026-01-01",
        covered=31 * 86400.0,
        load_energy=150,
        emission=55.81,
        self_sufficiency__part=50,
        grid_intensity__part=0.1 * 558_100,
        grid_intensity__whole=100,
        **more,
    )


ROOF = device("roof", "pv")


def test_the_part_of_the_site_in_the_gap_to_the_grid() -> None:
    # 558.1 - 372.07 = 186.03 g/kWh, all of it by the third that is PV
    finding = INDICATORS["A04"].find(period(*JANUARY, mixed_day()), plant(ROOF, average=600.0))
    assert found(finding).value == pytest.approx(186.03, abs=0.005)
    assert extras(finding) == pytest.approx(
        {
            "emission intensity": 372.07,
            "by own renewables": 186.03,
            "by storage, gensets and own plants' CO2": 0.0,
            "by certificates": 0.0,
            "zone's factor (table CN-CQ)": 600.0,
            "the grid's part of the gap": 41.9,
        },
        abs=0.005,
    )


def test_certificates_are_a_part_of_the_site() -> None:
    # 15 kWh certified at 20 g/kWh: 0.1 x (558.1 - 20) = 53.81 g/kWh more
    stream = CertificateStream("gec", factor=20.0, year=2026, energy=15.0 * 365 / 31)
    finding = INDICATORS["A04"].find(period(*JANUARY, mixed_day()), plant(certificates=[stream]))
    assert found(finding).value == pytest.approx(186.03 + 53.81, abs=0.005)
    assert extras(finding)["by certificates"] == pytest.approx(53.81)


def test_the_gap_has_a_light_beyond_its_uncertainty() -> None:
    # the load's meters: 3 kWh of 150 are 2 %, of 558.1 g/kWh 11.16
    known = mixed_day(load_energy_uncertainty=3)
    finding = found(INDICATORS["A04"].find(period(*JANUARY, known), plant(ROOF)))
    assert finding.uncertainty == pytest.approx(11.162)
    assert wanted(INDICATORS["A04"].target(period(*JANUARY, known), plant(ROOF))).value == 0.0
    vague = mixed_day(load_energy_uncertainty=60)
    assert "within its uncertainty" in untargeted(INDICATORS["A04"].target(period(*JANUARY, vague), plant(ROOF)))


def test_a_factory_without_supply_of_its_own_has_no_light_for_its_grid() -> None:
    for claim in ("A04", "B05"):
        charger, goals = device("charger", "ev"), GoalsConfig(ev_consumption=0.2)
        charged = mixed_day(transport_energy=30, transport_emission=16.743)
        target = INDICATORS[claim].target(period(*JANUARY, charged), plant(charger, goals=goals))
        assert "nothing of the site makes it differ from its grid" in untargeted(target)


def test_without_load_there_is_no_intensity() -> None:
    zero = day("2026-01-01", load_energy=0, emission=0)
    assert lacking(INDICATORS["A04"].find(period(*JANUARY, zero), plant())).startswith(
        "no load in 2026-01-01..2026-02-01"
    )


def test_driving_has_the_carbon_of_charging_per_km() -> None:
    # 30 kWh of example 1's mix are 11.162 kg; 150 km of 0.2 kWh/km, or 31 of the 365 x 10 km of the year
    charged = mixed_day(transport_energy=30, transport_emission=11.162)
    charger, find = device("charger", "ev"), INDICATORS["B05"].find
    finding = find(period(*JANUARY, charged), plant(charger, goals=GoalsConfig(ev_consumption=0.2)))
    assert found(finding).value == pytest.approx(74.41, abs=0.005)
    assert extras(finding) == pytest.approx(
        {"charged": 30.0, "CO2 of a charged kWh": 372.07, "petrol car, tank to wheel": 181.0}, abs=0.005
    )
    driven = GoalsConfig(entries=(entry("km_driven", 3650, "2026-01-01", "2026-12-31", "km"),))
    finding = find(period(*JANUARY, charged), plant(charger, goals=driven))
    assert found(finding).value == pytest.approx(11_162 / 310)
    assert found(finding).entry
    assert "charged 30 kWh at 372.1 gCO2/kWh; add [[goals.entry]]" in lacking(
        find(period(*JANUARY, charged), plant(charger))
    )


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (13.9525, 93.01),  # last year 465.083 g per kWh on the same grid: 74.41 x 1.25
        (8.9296, 59.53),  # last year less: 74.41 x 0.8
        (100.0, 181.0),  # far above: the petrol car
    ],
)
def test_driving_must_stay_below_petrol_and_fall_on_the_same_grid(before: float, expected: float) -> None:
    charged = mixed_day(transport_energy=30, transport_emission=11.162)
    last = day(
        "2025-01-01",
        transport_energy=30,
        transport_emission=before,
        grid_intensity__part=55.81,
        grid_intensity__whole=0.1,
    )
    site = plant(device("charger", "ev"), ROOF, goals=GoalsConfig(ev_consumption=0.2), years=[year(2025, last)])
    assert wanted(INDICATORS["B05"].target(period(*JANUARY, charged), site)).value == pytest.approx(expected, abs=0.01)


def test_charging_needs_a_charger_and_a_car() -> None:
    idle = day("2026-01-01", transport_energy=0, transport_emission=0)
    find = INDICATORS["B05"].find
    assert lacking(find(period(*JANUARY, idle), plant())) == (
        'no sub-meter of group transport; add a [[device]] with role = "ev"'
    )
    assert "no EV charging" in lacking(find(period(*JANUARY, idle), plant(device("charger", "ev"))))
    assert "without upstream" in lacking(
        find(period(*JANUARY, idle), plant(device("charger", "ev"), basis="lifecycle"))
    )


# year on year


def compared_day(when: str, load: float, carbon: float, grid: float, **more: Any) -> Day:
    """Return a day with as much import as load, at `grid` g/kWh."""
    return day(
        when,
        load_energy=load,
        emission=carbon,
        grid_intensity__part=load * grid,
        grid_intensity__whole=load,
        **more,
    )


def test_the_own_change_is_that_on_the_same_grid() -> None:
    # 40 kg of 100 kWh after 50 of 100: 400 / 500 - 1 = -20 %; the grid 540 after 600: -10 %; 0.8 / 0.9 - 1 = -11.1 %
    # 3 January has no year before, 4 January is not over.
    last = year(
        2025,
        compared_day("2025-01-01", 60, 20, 600),
        compared_day("2025-01-02", 40, 30, 600),
        compared_day("2025-01-04", 900, 900, 600),
    )
    this = year(
        2026,
        compared_day("2026-01-01", 50, 25, 540),
        compared_day("2026-01-02", 50, 15, 540),
        compared_day("2026-01-03", 900, 900, 540),
        compared_day("2026-01-04", 1, 9, 540, until="2026-01-04T12:00", covered=43200),
        over="2026-01-04T12:00",
    )
    finding = INDICATORS["A05"].find(this, plant(years=[last, this]))
    assert found(finding).value == pytest.approx(-100 / 9)
    assert extras(finding) == pytest.approx(
        {
            "change of the intensity": -20.0,
            "the grid's change": -10.0,
            "intensity": 400.0,
            "intensity a year before": 500.0,
            "the country's pace per GDP, context": -3.66,
        }
    )
    assert found(finding).coverage == pytest.approx(2 / 3.5)
    assert [operand.value for operand in found(finding).inputs] == pytest.approx(
        [40.0, 100.0, 540.0, 50.0, 100.0, 600.0]
    )
    assert INDICATORS["A05"].target(this, plant()) is None  # the country's pace per GDP is no target of a site


def test_the_leap_day_has_no_counterpart_a_year_before() -> None:
    this = year(2028, day("2028-02-29", load_energy=50, emission=25))
    last = year(2027, day("2027-02-28", load_energy=50, emission=25))
    finding = INDICATORS["A05"].find(this, plant(years=[last]))
    assert lacking(finding) == "no day of 2028 is also stored a year before; wait until a year of data is stored"


def test_a_year_without_co2_is_no_reference() -> None:
    last = year(2025, compared_day("2025-01-01", 60, 0, 600))
    this = year(2026, compared_day("2026-01-01", 60, 10, 600))
    assert lacking(INDICATORS["A05"].find(this, plant(years=[last]))).startswith("no CO2 a year before 2026")


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
