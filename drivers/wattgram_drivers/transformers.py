"""Meters behind current and voltage transformers: from the values of the secondary side to the primary side."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from .device import Device
from .quantity import QUANTITIES

_MULTIPLIED = ("W", "var", "VA", "Wh", "varh", "VAh")
_UNKNOWN = ("V", "A")


def on_primary_side(device: Device, ratio: Fraction) -> Device:
    """Return a meter's map with powers and energies multiplied by `ratio`, the product of the CT and VT ratios.

    Currents and voltages are left out: how the product is divided between them is not known, and both would be those
    of the secondary side. Frequency, power factors and states stay. A ratio of 1 changes nothing.
    """
    if ratio == 1:
        return device
    units = {register.quantity: QUANTITIES[register.quantity].unit for register in device.registers}
    return replace(
        device,
        registers=tuple(
            replace(register, scale=register.scale * (ratio if units[register.quantity] in _MULTIPLIED else 1))
            for register in device.registers
            if units[register.quantity] not in _UNKNOWN
        ),
    )


def own_ratios(device: Device) -> tuple[str, ...]:
    """Return the quantities by which a map multiplies its values, such as ct_ratio."""
    return tuple(dict.fromkeys(factor for register in device.registers for factor in register.factors))
