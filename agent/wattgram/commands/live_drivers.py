"""The driver that fits a unit, by the probe of `wattgram scan`, for a device whose values do not fit its own."""

from __future__ import annotations

from wattgram_drivers import catalogue, probe
from wattgram_drivers.device import Device, Excerpt
from wattgram_drivers.driver_errors import BadAnswer, DriverError, NoAnswer, Refused
from wattgram_drivers.modbus.bus import Bus

from wattgram.base.clock import Clock
from wattgram.config.devices_table import DeviceConfig

from .identify import UnitIdentification, catalogued, identify

PROBE_LIMIT = 3.0
"""Time limit of an answer during the probe, s."""

PROBE_SILENCE = 0.06
"""Silence before each request, s, as in a scan: the longest that maps ask for."""

MOST_NAMED = 3
"""Fitting drivers that a finding names."""


async def fitting_drivers(bus: Bus, config: DeviceConfig, clock: Clock) -> tuple[str, ...]:
    """Return the drivers that fit a unit, the best first; () if none fits, or the configured one does."""
    unit = UnitIdentification(bus, config.unit, first_limit=PROBE_LIMIT, limit=PROBE_LIMIT, silence=PROBE_SILENCE)
    own = {config.driver: config.device} if config.device else {}
    try:
        found = await identify(unit, catalogued() | own, clock)
    except DriverError:
        return ()
    names = [name for device in found if device.driver for name in (device.driver, *device.also)]
    fits = any(catalogue.is_sunspec(name) if config.device is None else name == config.driver for name in names)
    return () if fits else tuple(dict.fromkeys(names))


async def has_other_marks(bus: Bus, config: DeviceConfig, device: Device) -> bool:
    """Return whether a mark of the configured driver's identity is not that of the unit."""
    for mark in device.identity.marks:
        answer = await _excerpt(bus, config, device, mark.excerpt)
        if answer is not None and probe.judge(mark, answer) == "differs":
            return True
    return False


async def serial_number(bus: Bus, config: DeviceConfig, device: Device) -> str:
    """Return the serial number that a device states, "" for none."""
    place = device.identity.serial
    if device.serial or place is None:
        return device.serial
    answer = await _excerpt(bus, config, device, place.excerpt)
    return "" if answer is None else probe.label(place, answer)


async def _excerpt(bus: Bus, config: DeviceConfig, device: Device, excerpt: Excerpt) -> bytes | None:
    """Return the registers of an excerpt; None if the unit does not give them. BusDown as the bus."""
    try:
        return await bus.read(
            config.unit,
            excerpt.table,
            excerpt.address,
            excerpt.registers,
            timeout=device.limits.timeout,
            delay=device.limits.request_delay,
        )
    except (Refused, NoAnswer, BadAnswer):
        return None


def advice_for(config: DeviceConfig, drivers: tuple[str, ...]) -> str:
    """Return the next step for a device whose driver does not fit."""
    if not drivers:
        return f"`wattgram scan {config.endpoint} --units {config.unit}` shows what answers at this unit"
    others = f" (or {', '.join(drivers[1:MOST_NAMED])})" if len(drivers) > 1 else ""
    return f'the values at this unit fit driver = "{drivers[0]}"{others}'
