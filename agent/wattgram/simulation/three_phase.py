"""Consistent three-phase quantities from a device's active and reactive power."""

from __future__ import annotations

from math import copysign, hypot, sqrt

PHASES = ("l1", "l2", "l3")


def three_phase(
    power: float, reactive: float, voltages: tuple[float, float, float], shares: tuple[float, float, float]
) -> dict[str, float]:
    """Return powers, currents, power factors and voltages of a device on a four-wire supply, SI units.

    power, reactive: W and var, split between the phases by `shares`, which sum to 1. voltages: phase to neutral, V,
    120 degrees apart. The power factor has the sign of the active power and is 1 at no load.
    """
    apparent = hypot(power, reactive)
    factor = copysign(abs(power) / apparent, power) if apparent else 1.0
    values = {
        "active_power_total": power,
        "reactive_power_total": reactive,
        "apparent_power_total": apparent,
        "power_factor_total": factor,
        "voltage_ln_average": sum(voltages) / 3,
    }
    currents = []
    for phase, voltage, share in zip(PHASES, voltages, shares, strict=True):
        current = apparent * share / voltage
        currents.append(current)
        values[f"voltage_{phase}n"] = voltage
        values[f"current_{phase}"] = current
        values[f"active_power_{phase}"] = power * share
        values[f"reactive_power_{phase}"] = reactive * share
        values[f"apparent_power_{phase}"] = apparent * share
        values[f"power_factor_{phase}"] = factor
    l1, l2, l3 = voltages
    lines = {"l1l2": _line(l1, l2), "l2l3": _line(l2, l3), "l3l1": _line(l3, l1)}
    values |= {f"voltage_{pair}": voltage for pair, voltage in lines.items()}
    values["voltage_ll_average"] = sum(lines.values()) / 3
    values["current_total"] = sum(currents)
    values["current_average"] = sum(currents) / 3
    values["current_n"] = _neutral(*currents)
    return values


def _line(first: float, second: float) -> float:
    """Return the voltage between two phases 120 degrees apart: sqrt(3) x phase voltage if both are equal."""
    return sqrt(first * first + second * second + first * second)


def _neutral(l1: float, l2: float, l3: float) -> float:
    """Return the neutral current of three currents 120 degrees apart."""
    return sqrt(max(0.0, l1 * l1 + l2 * l2 + l3 * l3 - l1 * l2 - l2 * l3 - l3 * l1))
