"""AC terminal and DC side of an inverter with a battery, from one reading (METHOD-SITE 8.2)."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram_drivers.device import Device, RoleReads, Terminal
from wattgram_drivers.map_roles import complete, parts
from wattgram_drivers.places import Place
from wattgram_drivers.plan import Plan

from wattgram.config.devices_table import DeviceConfig
from wattgram.counters.metering import MeteredStep, Metering, chosen_counters

INVERTER_ROLES = ("pv", "battery")
"""Roles of a hybrid inverter: both have the same terminal."""

TERMINAL_COUNTERS = " terminal"
"""Key of the terminal's counters beside those of the role."""

AC_SIDE = re.compile(r"-?active_power_(total|l\d)|energy_(export|import|total)")
"""Quantities of the AC side that a battery's power and counters can be."""

ESTIMATE_ERROR = 0.05
"""Limit of error of a terminal power that is the sum of the DC powers, as a share (METHOD-SITE 8.2)."""


class TerminalPower(NamedTuple):
    """Power over the converter's bridge, W, + from DC to AC; NaN if unknown. estimated: it is PV + battery."""

    power: float
    estimated: bool = False


class NodeReading(NamedTuple):
    """Powers of one reading, W, NaN if unknown; battery + discharging.

    backup: power of the backup port, NaN without a register. *_step: amounts of the counters since the previous
    reading; terminal + from DC to AC. measured: the map has registers of the PV power. sign: whether a value shows
    a battery; None if the map has no such values.
    """

    terminal: float = nan
    pv: float = nan
    battery: float = nan
    backup: float = nan
    estimated: bool = False
    measured: bool = False
    sign: bool | None = None
    terminal_step: MeteredStep = MeteredStep()
    pv_step: MeteredStep = MeteredStep()
    battery_step: MeteredStep = MeteredStep()

    @property
    def is_sum(self) -> bool:
        """Whether the terminal power is known as the sum of PV and battery alone."""
        return self.estimated and isfinite(self.terminal)


def terminal_power(
    terminal: Terminal, values: Mapping[str, float], pv: float, battery: float, *, backup: bool = False
) -> TerminalPower:
    """Return the terminal power from the best registers that are read.

    values: those that are read, NaN if absent. pv, battery: power of the DC side. backup: loads stand on the backup
    port.
    """
    if bridge := _first(terminal.bridge, values):
        return TerminalPower(values[bridge])
    if port := _first(terminal.grid_port, values):
        if beside := _first(terminal.backup_power, values):
            return TerminalPower(values[port] + values[beside])
        return TerminalPower(nan if backup else values[port])
    return TerminalPower(pv + battery, estimated=True)


def is_estimated(terminal: Terminal) -> bool:
    """Return whether a map has no register of the terminal power."""
    return not (terminal.bridge or terminal.grid_port)


def quantities_of(terminal: Terminal) -> tuple[str, ...]:
    """Return the quantities of a terminal's powers and of the signs of a battery.

    They are read whatever the key `quantities` says.
    """
    ports = (terminal.bridge, terminal.grid_port, terminal.backup_power)
    alternatives = (*terminal.pv_power, *terminal.battery_power)
    names = [*(name for port in ports for name in port)]
    names += [name for alternative in alternatives for name, _ in parts(alternative)]
    names += terminal.battery_signs
    return tuple(dict.fromkeys(names))


def with_terminal(config: DeviceConfig, device: Device) -> tuple[str, ...]:
    """Return the quantities to read, () for all: the configured ones with those of the terminal."""
    if not config.quantities or device.terminal is None or config.role not in INVERTER_ROLES:
        return config.quantities
    needed = [name for name in quantities_of(device.terminal) if name in device.quantities]
    return tuple(dict.fromkeys((*config.quantities, *needed)))


def as_wired(device: Device, config: DeviceConfig) -> Device:
    """Return a device with the quantities of its role at its place.

    The AC side of a battery in an inverter is that of the inverter, with its PV: neither its power nor its counters are
    the battery's (METHOD-SITE 8.2).
    """
    reads = device.roles.get(config.role)
    if not config.in_inverter or reads is None:
        return device
    power = tuple(names for names in reads.power if not any(map(AC_SIDE.fullmatch, names)))
    energy = tuple(pair for pair in reads.energy if not any(map(AC_SIDE.fullmatch, pair)))
    return replace(device, roles={**device.roles, config.role: RoleReads(power, energy)})


class TerminalReads:
    """Terminal of one device, in the order of its readings. names: of the record's fields."""

    def __init__(self, device: Device, plan: Plan, names: Sequence[str], config: DeviceConfig) -> None:
        assert device.terminal is not None  # checked by the caller
        self.terminal = device.terminal
        self.estimated = is_estimated(device.terminal)
        self._names = tuple(names)
        self._backup = config.backup
        read = replace(device, registers=tuple(place.register for place in plan.places))
        fields = {place.register.quantity: name for place, name in zip(plan.places, names, strict=True)}
        self._places = plan.places
        self.meterings = {"terminal": Metering(), "pv": Metering(), "battery": Metering()}
        self._counted: dict[str, tuple[str, ...]] = {}
        ways = (device.terminal.energy, device.terminal.pv_energy, device.terminal.battery_energy)
        for (part, metering), alternatives in zip(self.meterings.items(), ways, strict=True):
            counters = chosen_counters(
                read,
                alternatives,
                invert=config.invert,
                rated_power=config.rated_power if part == "terminal" else None,
                interval=max(config.interval, config.slow_interval or 0.0),
            )
            used = {counter.register.quantity for counter in counters}
            metering.set_counters(counters, {name: fields[name] for name in used})
            self._counted[part] = tuple(used)

    def dump(self) -> dict[str, object]:
        """Return the state of the counters for a restart, JSON-compatible."""
        return {part: metering.dump() for part, metering in self.meterings.items()}

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        if not isinstance(dumped, dict):
            raise ValueError(f"found {dumped!r}, expected the counters of a terminal")
        for part, metering in self.meterings.items():
            metering.restore(dumped.get(part, {}))

    def take(
        self, values: bytes, delivered: Collection[str], scale: Callable[[Place], float], time: int
    ) -> NodeReading:
        """Return the powers of a reading and count its energies.

        delivered: quantities that the device has had a value of at some time. scale: factor on a register's scale.
        """
        reading = self.powers(values, delivered)
        numbers = struct.unpack(f"{len(self._names)}d", values)
        by_register = {place.register.quantity: number for place, number in zip(self._places, numbers, strict=True)}
        steps = []
        for part, metering in self.meterings.items():
            places = [place for place in self._places if place.register.quantity in self._counted[part]]
            scales = {place.register.quantity: scale(place) for place in places}
            steps.append(metering.take({name: by_register[name] for name in scales}, scales, time))
        return reading._replace(terminal_step=steps[0], pv_step=steps[1], battery_step=steps[2])

    def powers(self, values: bytes, delivered: Collection[str]) -> NodeReading:
        """Return the powers of a reading, without its energies."""
        numbers = dict(zip(self._names, struct.unpack(f"{len(self._names)}d", values), strict=True))
        battery = _power(_chosen(self.terminal.battery_power, numbers, delivered), numbers)
        strings = _chosen(self.terminal.pv_power, numbers, delivered)
        pv = _power(strings, numbers)
        if self.terminal.dc == "net":
            pv -= battery
        known = TerminalPower(*terminal_power(self.terminal, numbers, pv, battery, backup=self._backup))
        beside = _first(self.terminal.backup_power, numbers)
        return NodeReading(
            known.power,
            pv,
            battery,
            numbers[beside] if beside else nan,
            known.estimated,
            measured=bool(strings),
            sign=self._sign(numbers),
        )

    def _sign(self, numbers: Mapping[str, float]) -> bool | None:
        """Return whether a value shows a battery; None if the map has no such values."""
        found = [numbers.get(name, nan) for name in self.terminal.battery_signs]
        return any(isfinite(number) and number != 0.0 for number in found) if found else None


def residual(reading: NodeReading) -> float:
    """Return the conversion's loss as the registers show it, W; NaN if one is unknown or the terminal is estimated."""
    loss = reading.pv + reading.battery - reading.terminal
    return loss if isfinite(loss) and not reading.estimated else nan


def _chosen(
    alternatives: Sequence[tuple[str, ...]], numbers: Mapping[str, float], delivered: Collection[str]
) -> tuple[str, ...]:
    """Return the first alternative that the device has delivered, else the first that is read; () without registers."""
    return complete(alternatives, delivered) or complete(alternatives, numbers)


def _power(chosen: Sequence[str], numbers: Mapping[str, float]) -> float:
    """Return the sum of the chosen quantities, W; NaN without any."""
    return sum(factor * numbers[name] for name, factor in parts(chosen)) if chosen else nan


def _first(quantities: Sequence[str], values: Mapping[str, float]) -> str:
    return next((name for name in quantities if name in values), "")
