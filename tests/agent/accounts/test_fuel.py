"""Emission of own production: figures and formulas of METHOD 1.1, 1.2 and 4.7, calculated by hand."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from typing import Any

import pytest
from wattgram.accounts.fuel import combustion, efficiency, factor, rate, upstream, upstream_share
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.fuel_properties import FUEL_CARBON, NATURAL_GAS_PER_M3
from wattgram.config.grid_table import GridConfig
from wattgram.config.role_keys import ASSUMED, EfficiencyPoint, EmissionConfig, HeatConfig
from wattgram_drivers.endpoint import parse

DIRECT, WORLD, CHINA = GridConfig("DE"), GridConfig("DE", "lifecycle"), GridConfig("CN-SC", "lifecycle")
HERE = parse("tcp://127.0.0.1")
CURVE = (EfficiencyPoint(0.25, 0.28), EfficiencyPoint(0.5, 0.34), EfficiencyPoint(1.0, 0.38))
HALF = HeatConfig(0.46, 0.53, 0.92)
"""With 0.265 of the fuel in electricity, 0.265 / 0.53 = 0.46 / 0.92: half of the carbon belongs to the electricity."""


def device_of(role: str, rated_power: float | None = 100e3, **settings: Any) -> DeviceConfig:
    emission = EmissionConfig(**settings)
    return DeviceConfig("device", role, "driver", None, HERE, 1, rated_power=rated_power, emission=emission)


# figures


def test_the_factor_of_a_fuel_is_that_of_its_source() -> None:
    # IPCC 2006 volume 2 chapter 1 table 1.4, kg/GJ x 3.6; GB/T 32151.34-2024 and China's default values for power
    # plants: tC/GJ, oxidation, 44/12 (METHOD 1.2), to the last place given
    per_gj = {
        "diesel": 74.1,
        "natural_gas": 15.3 * 0.99 * 44 / 12,
        "coal": 94.6,
        "coke": 107.0,
        "lpg": 63.1,
        "heavy_oil": 77.4,
        "gasoline": 69.3,
        "blast_furnace_gas": 70.8 * 0.99 * 44 / 12,
        "coke_oven_gas": 12.1 * 0.99 * 44 / 12,
        "converter_gas": 49.6 * 0.99 * 44 / 12,
        "wood": 112.0,
    }
    assert {name: round(kg * 3.6, 1) for name, kg in per_gj.items()} == FUEL_CARBON
    assert round(389.31 / 10_000 * per_gj["natural_gas"] * 1000) == NATURAL_GAS_PER_M3


def test_the_assumed_factor_is_a_fuel_at_an_efficiency() -> None:
    # 266.8 / 0.35 = 762.3, which METHOD 1.2 gives as 762; 199.9 / 0.40 = 499.75
    for role, digits in (("genset", 0), ("chp", 1)):
        assumption = ASSUMED[role]
        assert assumption.factor == round(FUEL_CARBON[assumption.fuel] / assumption.efficiency, digits)


@pytest.mark.parametrize(
    ("role", "direct", "lifecycle", "china"),
    [
        # supply of the fuel by heat: 62.91 of 266.8 (diesel), 33.47 of 199.9 (natural gas); UK well-to-tank factors
        ("genset", 762.0, 762.0 * (266.8 + 62.91) / 266.8, 762.0 * (266.8 + 62.91) / 266.8),
        ("chp", 499.8, 499.8 * (199.9 + 33.47) / 199.9, 499.8 * (199.9 + 33.47) / 199.9),
        ("pv", 0.0, 41.0, 54.5),  # AR5 rooftop and the Chinese ministry's footprint (METHOD 1.1), as are the next two
        ("wind", 0.0, 11.0, 33.6),
        ("hydro", 0.0, 24.0, 14.1),
        ("grid", 0.0, 0.0, 0.0),
        ("battery", 0.0, 0.0, 0.0),
        ("load", 0.0, 0.0, 0.0),
    ],
)
def test_a_device_without_settings_has_the_factor_of_its_role(
    role: str, direct: float, lifecycle: float, china: float
) -> None:
    device = device_of(role, None)
    found = [factor(device, grid) for grid in (DIRECT, WORLD, CHINA)]
    assert found == pytest.approx([direct, lifecycle, china])
    assert isnan(rate(device, 50e3))


def test_the_supply_of_a_fuel_is_no_part_of_the_combustion() -> None:
    device = device_of("genset")
    assert upstream(device, DIRECT) == upstream_share(device, DIRECT) == 0.0
    assert upstream(device, WORLD) == pytest.approx(62.91 / 266.8)
    assert upstream_share(device, WORLD) == pytest.approx(62.91 / (266.8 + 62.91))
    assert combustion(device) == 762.0
    # no value for coke and the gases of a steelworks; a configured factor is complete
    assert upstream(device_of("chp", fuel="blast_furnace_gas"), WORLD) == 0.0
    assert upstream(device_of("genset", emission_factor=700.0), WORLD) == 0.0
    assert upstream(device_of("pv"), WORLD) == 0.0


# factors


@pytest.mark.parametrize("role", ["pv", "wind", "hydro", "genset", "chp"])
def test_a_configured_factor_holds_with_both_bases(role: str) -> None:
    device = device_of(role, emission_factor=54.5)
    assert (factor(device, DIRECT), factor(device, WORLD)) == (54.5, 54.5)


def test_a_factor_is_that_of_the_fuel_over_the_efficiency() -> None:
    assert factor(device_of("genset", efficiency=(EfficiencyPoint(1.0, 0.4),)), DIRECT) == pytest.approx(
        667.0
    )  # 266.8 / 0.4
    assert factor(device_of("genset", fuel="natural_gas"), DIRECT) == pytest.approx(571.142857)  # 199.9 / 0.35
    assert factor(device_of("chp", fuel="coal", efficiency=(EfficiencyPoint(1.0, 0.25),)), DIRECT) == pytest.approx(
        1362.4
    )


def test_naming_the_assumed_fuel_changes_nothing() -> None:
    assert factor(device_of("genset", fuel="diesel"), DIRECT) == 762.0


# efficiency over load


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (0.0, 0.28),
        (10e3, 0.28),  # flat below
        (25e3, 0.28),
        (37.5e3, 0.31),  # half way from 0.28 to 0.34
        (50e3, 0.34),
        (75e3, 0.36),  # half way from 0.34 to 0.38
        (100e3, 0.38),
        (110e3, 0.38),  # flat above
        (nan, 0.38),
    ],
)
def test_efficiency_is_linear_between_the_points_and_flat_outside(power: float, expected: float) -> None:
    assert efficiency(device_of("genset", efficiency=CURVE), power) == pytest.approx(expected)


def test_a_curve_gives_a_rate_and_at_rated_power_the_factor() -> None:
    device = device_of("genset", efficiency=CURVE)
    assert factor(device, DIRECT) == pytest.approx(702.10526)  # 266.8 / 0.38
    assert rate(device, 100e3) == pytest.approx(70210.526)  # x 100 kW
    assert rate(device, 75e3) == pytest.approx(55583.333)  # 75 / 0.36 = 208.33 kW of heat, x 266.8
    assert rate(device, 10e3) == pytest.approx(9528.5714)  # 10 / 0.28 = 35.714, x 266.8
    assert rate(device, 0.0) == 0.0
    assert rate(device, -500.0) == 0.0  # own consumption of a set is load
    assert isnan(rate(device, nan))


def test_a_single_efficiency_gives_no_rate() -> None:
    assert isnan(rate(device_of("genset", efficiency=(EfficiencyPoint(1.0, 0.4),)), 50e3))


# fuel meter


def test_a_fuel_meter_gives_the_rate_also_at_idle() -> None:
    device = device_of("chp", fuel_meter="gas", fuel_factor=2162.0)
    assert rate(device, 100e3, 25.0) == 54050.0  # 25 m3/h x 2162 g/m3
    assert rate(device, 0.0, 3.0) == 6486.0
    assert rate(device, nan, 3.0) == 6486.0
    assert rate(device, 100e3, 0.0) == 0.0


def test_a_fuel_meter_goes_before_the_curve_and_the_curve_replaces_a_missing_meter() -> None:
    device = device_of("genset", efficiency=CURVE, fuel_meter="oil", fuel_factor=3.2e3)
    assert rate(device, 75e3, 17.0) == 54400.0  # 17 kg/h x 3200 g/kg
    for unknown in (nan, -1.0):
        assert rate(device, 75e3, unknown) == pytest.approx(55583.333)
    assert isnan(rate(replace(device, emission=EmissionConfig(fuel_meter="oil", fuel_factor=3.2e3)), 75e3))


# heat and power


def test_heat_takes_its_share_of_factor_and_rate() -> None:
    device = device_of(
        "chp", efficiency=(EfficiencyPoint(1.0, 0.265),), heat=HALF, fuel_meter="gas", fuel_factor=2162.0
    )
    assert factor(device, DIRECT) == pytest.approx(377.1698)  # 199.9 / 0.265 / 2
    assert rate(device, 100e3, 10.0) == pytest.approx(10810.0)  # 10 x 2162 / 2
    assert rate(device, 0.0, 10.0) == pytest.approx(10810.0)
    assert isnan(rate(device, 100e3))


def test_heat_without_an_efficiency_uses_the_assumed_efficiency() -> None:
    # 0.40 / 0.50 = 0.8 and 0.36 / 0.90 = 0.4: two thirds of 499.8
    assert factor(device_of("chp", heat=HeatConfig(0.36, 0.5, 0.9)), DIRECT) == pytest.approx(333.2)


def test_with_a_curve_the_share_follows_the_load() -> None:
    device = device_of(
        "chp", efficiency=(EfficiencyPoint(0.5, 0.2), EfficiencyPoint(1.0, 0.3)), heat=HeatConfig(0.45, 0.5, 0.9)
    )
    # full: 0.3 / 0.5 = 0.6 against 0.45 / 0.9 = 0.5, so 6/11 of 199.9 / 0.3 = 666.33
    assert factor(device, DIRECT) == pytest.approx(363.4545)
    assert rate(device, 100e3) == pytest.approx(36345.45)
    # half: 0.2 / 0.5 = 0.4 against 0.5, so 4/9 of 50 / 0.2 x 199.9 = 49975
    assert rate(device, 50e3) == pytest.approx(22211.11)
