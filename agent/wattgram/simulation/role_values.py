"""Values of the quantities that a register map reads for a role, from power and counters of a simulated part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wattgram_drivers.device import Device
from wattgram_drivers.map_roles import parts

from .three_phase import PHASES, three_phase

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


def with_terminal_values(device: Device, values: Mapping[str, float]) -> Mapping[str, float]:
    """Return the values of a hybrid inverter in the quantities of the map's terminal (METHOD-SITE 8.2).

    values: as of `Factory.values`; without `backup_power`, the device is no hybrid and nothing is added.
    """
    terminal = device.terminal
    if terminal is None or "backup_power" not in values:
        return values
    power, backup = values[POWER], values["backup_power"]
    found: dict[str, float] = {}
    if terminal.bridge and POWER not in terminal.bridge:  # the AC values are those of the grid port (GoodWe)
        found |= _port_values(power - backup, values)
    found |= dict.fromkeys(terminal.bridge, power) | dict.fromkeys(terminal.grid_port, power - backup)
    found |= dict.fromkeys(terminal.backup_power, backup)
    battery = values["battery_power"]
    strings = values["dc_power"] + (battery if terminal.dc == "net" else 0.0)
    for alternatives, whole in ((terminal.pv_power, strings), (terminal.battery_power, battery)):
        # The last alternative has the fewest quantities, and the first gives all of them a value.
        for alternative in reversed(alternatives):
            found |= _divided(alternative, whole)
    counters = (
        (terminal.energy, FORWARD, BACKWARD),
        (terminal.pv_energy, "energy_dc_total", ""),
        (terminal.battery_energy, "battery_energy_discharge", "battery_energy_charge"),
    )
    for pairs, forward, backward in counters:
        found |= dict(_counted(pairs, values[forward], values.get(backward, 0.0)))
    return {**values, **found}


def _port_values(port: float, values: Mapping[str, float]) -> dict[str, float]:
    """Return the AC values of a port with another active power, W, at the same voltages and reactive power."""
    l1, l2, l3 = (values[f"voltage_{phase}n"] for phase in PHASES)
    return three_phase(port, values["reactive_power_total"], (l1, l2, l3), (1 / 3, 1 / 3, 1 / 3))


def _divided(alternative: Sequence[str], whole: float) -> dict[str, float]:
    """Return a power as the quantities of an alternative: one each way, or equal parts of the first two of a sum."""
    named = list(parts(alternative))
    if any(factor < 0 for _, factor in named):
        return {name: max(0.0, factor * whole) for name, factor in named}
    used = min(2, len(named))
    return {name: whole / used if index < used else 0.0 for index, (name, _) in enumerate(named)}


def _counted(pairs: Sequence[tuple[str, str]], forward: float, backward: float) -> Iterator[tuple[str, float]]:
    for name, other in pairs:
        yield name, forward
        if other:
            yield other, backward
