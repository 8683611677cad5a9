"""The same device configured twice: its power would be counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from wattgram_drivers.sunspec import walk

from wattgram.acquisition.bounds import class_of
from wattgram.acquisition.device_source import power_quantities
from wattgram.config.devices_table import KIND_OF_ROLE, DeviceConfig

if TYPE_CHECKING:
    from .live_device import LiveDevice

SHORTEST_SERIAL = 4
"""Characters of a serial number that can tell devices apart."""

SAME_COUNT = 1e-3
"""Largest difference of a counter that is read twice within a minute, as a share."""

LEAST_COUNTED = 1e3
"""Smallest count, in SI, that two devices do not share by chance."""

COUNTING = ("energy", "net energy", "amount")
"""Classes of quantities that count."""

REMEDY = "its power would count twice; remove one of them, or give it its own url and unit"


def double_entries(devices: Sequence[DeviceConfig]) -> list[str]:
    """Return the devices that are configured twice: same url, unit and driver, and the same values."""
    return [
        f"{second.name}: reads the same device as {first.name} ({first.endpoint} unit {first.unit}, {first.driver}); "
        + REMEDY
        for first, second in combinations(devices, 2)
        if _same_place(first, second) and _member(first) == _member(second) and _same_values(first, second)
    ]


def twin_findings(devices: Sequence[LiveDevice]) -> list[str]:
    """Return the devices that are one device at two units or addresses, by serial number or counters."""
    found = []
    for first, second in combinations(devices, 2):
        first_live, second_live = first.live, second.live
        if first_live is None or second_live is None or _same_place(first_live.config, second_live.config):
            continue
        if first_live.device.kind != second_live.device.kind or first.serial != second.serial:
            continue
        known = len(first.serial) >= SHORTEST_SERIAL and len(set(first.serial)) > 1
        same_host = first_live.config.endpoint.key == second_live.config.endpoint.key
        shared = _shared_counts(first, second)
        if known and shared is not False:
            reason = f"both have the serial number {first.serial}"
        elif same_host and first_live.config.driver == second_live.config.driver and shared and not known:
            reason = "both units have the same counts"
        else:
            continue
        found.append(f"{second.name}: is the same device as {first.name}: {reason}; {REMEDY}")
    return found


def _same_place(first: DeviceConfig, second: DeviceConfig) -> bool:
    return first.endpoint.key == second.endpoint.key and first.unit == second.unit


def _member(config: DeviceConfig) -> object:
    """Return what a driver reads at a unit: a map, or a member of a SunSpec chain, which has several names."""
    if config.device is not None:
        return config.driver
    return walk.place(config.driver, KIND_OF_ROLE.get(config.role, "meter"))


def _same_values(first: DeviceConfig, second: DeviceConfig) -> bool:
    """Return whether two entries of one device take the same values. A hybrid inverter may have several roles."""
    powers = [_power(config) for config in (first, second)]
    if any(powers):
        return powers[0] == powers[1]
    if first.quantities and second.quantities:
        return not set(first.quantities).isdisjoint(second.quantities)
    return first.role == second.role


def _power(config: DeviceConfig) -> tuple[str, ...]:
    """Return the quantities that give the power of an entry; of a SunSpec device, the usual ones."""
    device = config.device
    if device is None:
        return (*config.quantities, config.role)
    return power_quantities(device, config.role, config.quantities or device.quantities)


def _shared_counts(first: LiveDevice, second: LiveDevice) -> bool | None:
    """Return whether two devices have the same counts; None if they have none."""
    if first.live is None or second.live is None:
        return None
    values, others = first.live.values, second.live.values
    shared = [name for name in values if name in others and class_of(name) in COUNTING]
    pairs = [(values[name], others[name]) for name in shared if max(values[name], others[name]) >= LEAST_COUNTED]
    if not pairs:
        return None
    return all(abs(count - other) <= SAME_COUNT * max(count, other) for count, other in pairs)
