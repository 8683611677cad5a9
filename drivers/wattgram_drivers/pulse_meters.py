"""Counters of pulses behind an electricity meter: a count becomes an energy."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from .device import Device, RoleReads

PULSE_ENERGY = "active_energy_import"
"""Quantity of the counted energy, in the direction of the device's role."""

PULSE_ROLES = ("grid", "pv", "wind", "hydro", "genset", "chp", "load", "ev")
"""Roles of a meter of one direction."""

_INPUT = re.compile(r"pulse_count_\d+")


def pulse_inputs(device: Device) -> tuple[str, ...]:
    """Return the counters of pulses of a device."""
    return tuple(name for name in device.quantities if _INPUT.fullmatch(name))


def as_energy_meter(device: Device, name: str, per_kwh: Fraction) -> Device:
    """Return a map in which the pulses of one input are Wh: 1000 / `per_kwh` a pulse, with the roles of a meter.

    name: quantity of the input. per_kwh: pulses a kWh as stated on the meter (imp/kWh). The other inputs are left out.
    """
    registers = tuple(
        replace(register, quantity=PULSE_ENERGY, scale=register.scale * 1000 / per_kwh)
        if register.quantity == name
        else register
        for register in device.registers
        if register.quantity == name or not _INPUT.fullmatch(register.quantity)
    )
    reads = RoleReads(energy=((PULSE_ENERGY, ""),))
    return replace(device, registers=registers, roles=dict.fromkeys(PULSE_ROLES, reads))
