"""Values of the quantities that a register map reads for a role, from power and counters of a simulated part."""

from __future__ import annotations

from collections.abc import Mapping

from wattgram_drivers.device import Device
from wattgram_drivers.map_roles import parts

POWER, FORWARD, BACKWARD = "active_power_total", "active_energy_import", "active_energy_export"
"""Values of every electrical part: power and counters in the direction of its role, and the counter against it."""


def with_role_values(device: Device, role: str, values: Mapping[str, float]) -> Mapping[str, float]:
    """Return the values with those that the map reads for a role, in the vocabulary's units and signs.

    A power in two registers, one each way, has one of them 0. Values that are there already stay.
    """
    reads = device.roles.get(role)
    if reads is None or POWER not in values or device.kind == "meter":
        return values
    found: dict[str, float] = {}
    for alternative in reads.power[:1]:
        power = values[POWER]
        each_way = any(factor < 0 for _, factor in parts(alternative))
        for index, (name, factor) in enumerate(parts(alternative)):
            found[name] = max(0.0, factor * power) if each_way else power if index == 0 else 0.0
    for forward, backward in reads.energy:
        found[forward] = values[FORWARD]
        if backward:
            found[backward] = values[BACKWARD]
    return {**found, **values}
