"""The bounds of every quantity, by METHOD-SITE 10, typed by hand."""

from __future__ import annotations

from typing import Any

import pytest
from wattgram.acquisition.bounds import CLASSES, DERIVED, FIXED, UNBOUNDED, Bounds, Ratings, class_of
from wattgram_drivers.device import Device, Kind, Register
from wattgram_drivers.quantity import QUANTITIES

CODES = ("1", "A", "V", "s", "ohm", "Hz", "var")
"""Units of the unbounded quantities: codes, counts and settings."""


def limits(quantity: str, kind: Kind, **ratings: Any) -> tuple[float, float]:
    """Return the bounds of a quantity of a device of this kind."""
    register = Register(quantity, 0, "holding", "f32")
    device = Device("made", "", "", kind, (register,))
    return Bounds(device, Ratings(**ratings)).of(register)[:2]


def test_every_quantity_has_a_class_of_bounds_or_is_a_code_a_count_or_a_setting() -> None:
    unbounded = {name for name in QUANTITIES if class_of(name) == UNBOUNDED}
    assert {QUANTITIES[name].unit for name in unbounded} <= set(CODES)
    assert {name for _, name in CLASSES} == {*FIXED, *DERIVED}
    assert all(unit not in ("W", "VA", "Wh", "degC") for unit in (QUANTITIES[name].unit for name in unbounded))


@pytest.mark.parametrize(
    ("quantity", "kind", "role", "high"),
    [
        ("active_power_total", "inverter", "pv", 15e3),
        ("active_power_total", "meter", "pv", 15e3),
        ("active_power_total", "meter", "ev", 15e3),
        ("active_power_l1", "battery", "battery", 15e3),
        ("active_power_total", "genset", "genset", 15e3),
        ("active_power_total", "meter", "grid", 30e3),
        ("active_power_total", "meter", "load", 30e3),
        ("dc_power", "inverter", "pv", 30e3),
        ("dc_power_3", "inverter", "pv", 30e3),
        ("battery_power", "inverter", "battery", 30e3),
        ("grid_power_total", "inverter", "pv", 30e3),
        ("meter_active_power_total", "inverter", "grid", 30e3),
    ],
)
def test_powers_are_bounded_by_the_rated_power(quantity: str, kind: Kind, role: str, high: float) -> None:
    # 10 kW rated: 1.5 x for the AC power of a machine, 3 x for DC, ports, connections and loads.
    assert limits(quantity, kind, role=role, rated_power=10e3) == (-high, high)
    assert limits(quantity, kind, role=role) == (-1e9, 1e9)


def test_the_incomer_that_an_inverter_measures_is_not_bounded_by_the_inverter() -> None:
    # A 10 kW inverter may measure a factory's incomer.
    assert limits("meter_active_power_total", "inverter", role="pv", rated_power=10e3) == (-1e9, 1e9)
    # The rated power of a battery, or of the incomer, is not the inverter's: its nameplate bounds its terminals.
    assert limits("active_power_total", "inverter", role="battery", rated_power=3e3) == (-1e9, 1e9)
    assert limits("active_power_total", "inverter", role="grid", rated_power=3e3, nameplate=8e3) == (-12e3, 12e3)


def test_a_nameplate_bounds_where_no_rated_power_is_configured() -> None:
    assert limits("active_power_total", "inverter", nameplate=8e3) == (-12e3, 12e3)
    assert limits("active_power_total", "inverter", rated_power=10e3, nameplate=8e3) == (-15e3, 15e3)


@pytest.mark.parametrize(
    ("quantity", "kind", "ratings", "bounds"),
    [
        ("voltage_l1n", "meter", {}, (0.0, 1500.0)),
        ("voltage_l1l2", "meter", {"nominal_voltage": 10e3}, (0.0, 500e3)),
        ("dc_voltage_1", "inverter", {}, (-50.0, 3000.0)),
        ("battery_voltage", "battery", {}, (-50.0, 3000.0)),
        ("frequency", "meter", {}, (40.0, 70.0)),
        ("frequency", "genset", {}, (0.0, 75.0)),
        ("frequency", "meter", {"nominal_frequency": 400.0}, (320.0, 480.0)),
        ("power_factor_total", "meter", {}, (-1.02, 1.02)),
        ("battery_soc", "battery", {}, (0.0, 1.01)),
        ("temperature_internal", "inverter", {}, (-60.0, 300.0)),
        ("temperature_1", "sensor", {}, (-60.0, 1800.0)),
        ("active_energy_import", "meter", {}, (0.0, 1e15)),
    ],
)
def test_other_bounds(quantity: str, kind: Kind, ratings: dict[str, float], bounds: tuple[float, float]) -> None:
    assert limits(quantity, kind, **ratings) == pytest.approx(bounds)


def test_a_voltage_with_a_transformer_ratio_may_be_of_medium_voltage() -> None:
    register = Register("voltage_l1n", 0, "holding", "u16", factors=("pt_ratio",))
    assert Bounds(Device("made", "", "", "meter", (register,)), Ratings()).of(register)[:2] == (0.0, 500e3)


def test_an_integer_counter_with_a_sign_may_count_through_its_sign_bit() -> None:
    register = Register("active_energy_import", 0, "holding", "i32")
    assert Bounds(Device("made", "", "", "meter", (register,)), Ratings()).of(register).low < -(2.0**31)
