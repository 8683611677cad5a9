"""The inventory of a year and the indicators that use it (METHOD 2.3, 4.8); by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig, ManualEntry
from wattgram.config.green_certificates import CertificateStream
from wattgram.config.role_keys import EfficiencyPoint, HeatConfig
from wattgram.goals.indicators.carbon import INDICATORS
from wattgram.goals.terms.day import Day, DeviceDay, Stretch

from tests.support.approximate import near
from tests.support.goal_days import (
    DAY,
    GAS,
    at,
    day,
    device,
    entry,
    extras,
    found,
    lacking,
    plant,
    untargeted,
    wanted,
    whole_year,
    year,
)

FIFTH = "2026-03-15"  # 73 of 365 days are over


def goals_with_process(value: float, *more: ManualEntry) -> GoalsConfig:
    return GoalsConfig(entries=(entry("process_emission", value, "2026-01-01", "2026-12-31"), *more))


def emission_day(**more: float) -> Day:
    """Return a day with 10 t of fuel and 55.81 t of import (METHOD 4.11, example 7)."""
    return day("2026-01-01", covered=73 * DAY, sums={"scope1": 10_000, "scope2_location": 55_810, **more})


# the inventory


def test_the_inventory_is_the_sum_of_all_its_parts() -> None:
    # 10 + 55.81, a fifth of 20 of the process, a fifth of 500 GJ x 0.11: 10 + 55.81 + 4 + 11 = 80.81 t
    goals = goals_with_process(20, entry("heat", 500, "2026-01-01", "2026-12-31", "GJ"))
    finding = found(INDICATORS["A14"].find(year(2026, emission_day(), over=FIFTH), plant(goals=goals)))
    assert finding.value == pytest.approx(80.81)
    assert finding.entry == ""  # the value is metered; the entries are among the inputs
    assert finding.inputs[-1].source == "manual entry of Li Wei, 2026-01-05, form 7, 73 of 365 days"
    assert extras(finding)["projection at the end of the period"] == pytest.approx(5 * 80.81)
    assert [(operand.value, operand.unit) for operand in finding.inputs] == [
        (10.0, "t"),
        (55.81, "t"),
        (100.0, "GJ"),
        (0.11, "tCO2/GJ"),
        (4.0, "tCO2e"),
    ]


@pytest.mark.parametrize("claim", ["A02", "A14", "B12"])
def test_a_missing_process_emission_is_not_taken_as_0(claim: str) -> None:
    finding = INDICATORS[claim].find(year(2026, emission_day(), over=FIFTH), plant())
    assert lacking(finding) == (
        'no entry "process_emission" for 2026-01-01; metered so far: fuel 10 t, import 55.81 t; '
        'add [[goals.entry]] with what = "process_emission" for this time; 0 if the site has none'
    )


def test_the_inventory_includes_the_fuel_for_the_heat_of_a_chp() -> None:
    # 1000 kWh of electricity at 26.5 % are 1000 / 0.265 x 199.9 g = 754.34 kg of CO2. Half of it belongs to heat:
    # 0.265 / 0.53 = 0.46 / 0.92. scope1 contains the other half, 377.17 kg; together 0.75434 t
    heat = HeatConfig(0.46, electric_reference=0.53, heat_reference=0.92)
    engine = device("engine", "chp", rated_power=100e3, efficiency=(EfficiencyPoint(1.0, 0.265),), heat=heat)
    chp_day = day(
        "2026-01-01",
        devices={"engine": DeviceDay(energy=1e6, seconds=DAY)},
        scope1=377.17,
        scope2_location=0,
    )
    finding = found(INDICATORS["A14"].find(year(2026, chp_day, over=FIFTH), plant(engine, goals=goals_with_process(0))))
    assert finding.value == pytest.approx(0.75434, abs=1e-5)


def test_the_inventory_includes_the_fuel_of_a_boiler() -> None:
    # 1000 m3 x 2162 g (METHOD 1.2) = 2.162 t beside 65.81
    boiler = device("boiler", "fuel", driver=GAS, fuel="natural_gas")
    boiler_day = replace(emission_day(), devices={"boiler": DeviceDay(amount=1000.0)})
    finding = found(
        INDICATORS["A14"].find(year(2026, boiler_day, over=FIFTH), plant(boiler, goals=goals_with_process(0)))
    )
    assert finding.value == pytest.approx(67.972)


def test_an_unknown_fuel_of_a_boiler_leaves_the_inventory_without_a_value() -> None:
    boiler = device("boiler", "fuel", driver=GAS)
    heat = entry("fuel_heat:boiler", 9.9, "2026-01-01", "2026-12-31", "kWh/m3")
    finding = INDICATORS["A14"].find(
        year(2026, emission_day(), over=FIFTH), plant(boiler, goals=goals_with_process(0, heat))
    )
    assert lacking(finding).startswith("the fuel of boiler is unknown; add fuel")


# the entry line


def test_the_entry_lines_and_their_alerts() -> None:
    # 2200 t in a fifth of the year give 11 000 t, 85 % of 13 000; 2600 give 13 000, 100 %; 2000 give 10 000, 77 %.
    # Direct emissions of 5200 t give 26 000 t.
    for tonnes, direct, note, above in (
        (2000, 0, "projected: 77 % of the pilot entry line; projected: 0 % of the national entry line", []),
        (2200, 0, "85 % of the pilot entry line, alert from 80 %", []),
        (2600, 0, "100 % of the pilot entry line, above it", ["pilot entry line of 2026"]),
        (0, 5200, "100 % of the national", ["pilot entry line of 2026", "national entry line of 2026"]),
    ):
        days = emission_day(scope1=1000.0 * direct, scope2_location=1000.0 * tonnes)
        finding = found(INDICATORS["A14"].find(year(2026, days, over=FIFTH), plant(goals=goals_with_process(0))))
        assert note in finding.note
        assert [line.name for line in finding.lines if line.share >= 1.0] == above
    assert INDICATORS["A14"].target(year(2026), plant()) is None  # an entry line is no goal
    # Far above each line at any time, but 36 of 365 days are less than a tenth of the year.
    for over, begun in (("2026-01-02", False), ("2026-02-06", False), ("2026-02-07", True)):
        early = year(2026, emission_day(scope1=0.0, scope2_location=100_000.0 * 37), over=over)
        finding = found(INDICATORS["A14"].find(early, plant(goals=goals_with_process(0))))
        assert bool(finding.lines) == begun
    elsewhere = found(
        INDICATORS["A14"].find(year(2026, emission_day(), over=FIFTH), plant(goals=goals_with_process(0), zone="DE"))
    )
    assert elsewhere.note == ""


def test_sold_power_and_heat_are_subtracted_from_the_emissions_of_the_works() -> None:
    # 65.81 t - 10 MWh x 558.1 g/kWh - a fifth of 100 GJ x 0.11 = 65.81 - 5.581 - 2.2; A02 subtracts none
    sold = entry("heat_sold", 100, "2026-01-01", "2026-12-31", "GJ")
    days = year(2026, emission_day(grid_import_energy=100_000, grid_export_energy=10_000), over=FIFTH)
    site = plant(goals=goals_with_process(0, sold))
    assert found(INDICATORS["A14"].find(days, site)).value == pytest.approx(58.029)
    assert found(INDICATORS["A02"].find(days, site)).value == pytest.approx(65.81)


def test_yearly_certificates_replace_the_residual_mix() -> None:
    # market-based 60.96 t of 100 MWh; a fifth of 100 MWh of certificates at 0: 20 x 609.6 = 12.192 t less
    days = year(2026, emission_day(grid_import_energy=100_000, scope2_market=60_960), over=FIFTH)
    stream = CertificateStream("gec", year=2026, energy=100_000.0)
    finding = INDICATORS["A02"].find(days, plant(goals=goals_with_process(0), certificates=[stream], residual=609.6))
    assert extras(finding) == pytest.approx({"scope 2, market-based, with certificates by the year": 48.768})
    plain = INDICATORS["A02"].find(days, plant(goals=goals_with_process(0)))
    assert extras(plain) == pytest.approx({"scope 2, market-based": 60.96})


# net emission and its path


def test_stored_co2_is_subtracted_and_captured_co2_is_not() -> None:
    stored = entry("captured_stored", 10, "2026-01-01", "2026-12-31", "tCO2")
    net = INDICATORS["A02"].find
    captured = year(2026, emission_day(captured=1500), over=FIFTH)
    finding = found(net(captured, plant(goals=goals_with_process(0))))
    assert finding.value == pytest.approx(65.81)
    assert finding.note == "1.5 t captured is not subtracted: no entry captured_stored"
    # a fifth of 10 t
    assert found(net(captured, plant(goals=goals_with_process(0, stored)))).value == pytest.approx(63.81)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (Baseline(1000.0, 2024, -0.1), 810.0),
        (Baseline(1000.0, 2024, path="sbti-v1"), 916.0),  # two years of 4.2 % of the base year
        (Baseline(1000.0, 2000, path="sbti-v1"), 0.0),
    ],
)
def test_the_path_begins_at_the_baseline_of_the_site(base: Baseline, expected: float) -> None:
    target = wanted(INDICATORS["A02"].target(year(2026), plant(goals=GoalsConfig(baselines={"A02": base}))))
    assert target.value == pytest.approx(expected)
    assert target.own
    assert bool(base.path) == ("voluntary" in target.source and "superseded by V2.0 in June 2026" in target.source)


def test_without_a_path_of_the_site_there_is_no_target() -> None:
    last = whole_year(2025, scope1=10_000, scope2_location=0)
    for goals in (GoalsConfig(), GoalsConfig(baselines={"A02": Baseline(1000.0, 2024)})):
        target = INDICATORS["A02"].target(year(2026), plant(goals=goals, years=[last]))
        assert 'path = "sbti-v1" in [goals.baseline.A02], which is voluntary' in untargeted(target)


# capture


def test_the_captured_share_of_emissions() -> None:
    days = year(2026, emission_day(captured=6581), over=FIFTH)
    find = INDICATORS["B12"].find
    # the meter: 6.581 / 65.81 = 10 %; the certificate: a fifth of 16.4525 t = 3.2905, 5 %
    meter = found(find(days, plant(device("stack", "capture"), goals=goals_with_process(0))))
    assert meter.value == pytest.approx(10.0)
    assert "no entry captured_stored" in meter.note
    stored = entry("captured_stored", 16.4525, "2026-01-01", "2026-12-31", "tCO2")
    assert found(find(days, plant(goals=goals_with_process(0, stored)))).value == pytest.approx(5.0)
    assert "add a [[device]] with role" in lacking(find(days, plant(goals=goals_with_process(0))))
    no_emission = year(2026, emission_day(scope1=0, scope2_location=0, captured=0), over=FIFTH)
    assert "no emissions" in lacking(find(no_emission, plant(device("stack", "capture"), goals=goals_with_process(0))))


# the peak


def years(*tonnes: float, first: int = 2023) -> list[Stretch]:
    return [
        whole_year(number, scope1=0, scope2_location=1000.0 * emission) for number, emission in enumerate(tonnes, first)
    ]


EVER = GoalsConfig(entries=(entry("process_emission", 0, "2020-01-01", "2039-12-31"),))


def test_the_year_after_the_peak_stays_below_it() -> None:
    this = year(2026, day("2026-01-01", scope1=0, scope2_location=1), over="2026-01-02")
    site = plant(goals=EVER, years=[*years(100, 120, 110), this])
    finding = INDICATORS["B16"].find(this, site)
    assert found(finding).value == pytest.approx(110.0)
    assert extras(finding) == pytest.approx({"peak year": 2024, "net CO2 of the peak year": 120.0})
    assert wanted(INDICATORS["B16"].target(this, site)).value == pytest.approx(120.0)


@pytest.mark.parametrize(
    ("first", "note"), [(2023, "2025 is the highest year so far; allowed until 2030"), (2031, "of 2033")]
)
def test_a_new_peak_is_reported(first: int, note: str) -> None:
    this = year(first + 3, over=f"{first + 3}-01-02")
    site = plant(goals=EVER, years=[*years(100, 120, 130, first=first), this])
    finding = found(INDICATORS["B16"].find(this, site))
    assert (finding.value, finding.note) == (near(130.0), note)


def test_two_full_years_are_not_enough_for_a_peak() -> None:
    # 2024 has a coverage below nine tenths, so 2023 and 2025 are not consecutive full years
    half = year(2024, day("2024-01-01", covered=183 * DAY, scope1=0, scope2_location=120))
    first, _, last = years(100, 120, 110)
    this = year(2026, over="2026-01-02")
    site = plant(goals=EVER, years=[first, half, last, this])
    assert lacking(INDICATORS["B16"].find(this, site)) == (
        "consecutive full years: found 1, required 3; wait for more full years"
    )
    assert "fewer than three full years" in untargeted(INDICATORS["B16"].target(this, site))


def test_the_year_in_which_the_goals_began_is_not_a_full_year() -> None:
    # days before `since` do not count: 2023 counts from July, 2022 does not count
    cut = [
        replace(stretch, start=at("2023-07-01")) if stretch.name == "2023" else stretch
        for stretch in years(100, 120, 110)
    ]
    empty = Stretch("2022", at("2023-01-01"), at("2023-01-01"), at("2023-01-01"), [])
    this = year(2026, over="2026-01-02")
    finding = INDICATORS["B16"].find(this, plant(goals=EVER, years=[empty, *cut, this]))
    assert lacking(finding).startswith("consecutive full years: found 2, required 3")
