"""Three-phase quantities that fit together, from a device's active and reactive power."""

from __future__ import annotations

from math import copysign, hypot, sqrt

PHASES = ("l1", "l2", "l3")


def three_phase(
    power: float, reactive: float, voltages: tuple[float, float, float], shares: tuple[float, float, float]
) -> dict[str, float]:
    """Powers, currents, power factors and voltages of a device on a four-wire supply; SI units.

    `power` and `reactive` are split by `shares`, which sum to 1; `voltages` are phase to neutral and
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
    one, two, three = voltages
    lines = {"l1l2": _line(one, two), "l2l3": _line(two, three), "l3l1": _line(three, one)}
    values |= {f"voltage_{pair}": voltage for pair, voltage in lines.items()}
    values["voltage_ll_average"] = sum(lines.values()) / 3
    values["current_total"] = sum(currents)
    values["current_average"] = sum(currents) / 3
    values["current_n"] = _neutral(*currents)
    return values


def _line(one: float, two: float) -> float:
    """Voltage between two phases 120 degrees apart; sqrt(3) times the phase voltage when both are equal."""
    return sqrt(one * one + two * two + one * two)


def _neutral(one: float, two: float, three: float) -> float:
    """Current in the neutral of three currents 120 degrees apart."""
    return sqrt(max(0.0, one * one + two * two + three * three - one * two - two * three - three * one))
