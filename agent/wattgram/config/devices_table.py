"""The tables `[[device]]`: the settings of the devices and their reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

from wattgram_drivers import catalogue, endpoint
from wattgram_drivers.device import Device, Kind
from wattgram_drivers.driver_errors import MapError
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.framing import Tolerance
from wattgram_drivers.pulse_meters import PULSE_ENERGY, PULSE_ROLES, as_energy_meter, pulse_inputs
from wattgram_drivers.quantity import is_slow
from wattgram_drivers.transformers import on_primary_side, own_ratios

from wattgram.base import toml_table, units
from wattgram.base.power_roles import ROLES
from wattgram.base.toml_table import Table
from wattgram.counters import frozen_device
from wattgram.counters.metering import counter_unit

from . import accuracy_keys, role_keys, topology_keys
from .accuracy_keys import AccuracyConfig
from .role_keys import BatteryConfig, EmissionConfig

KIND_OF_ROLE: Mapping[str, Kind] = {
    **dict.fromkeys(("grid", "load", "ev"), "meter"),
    **dict.fromkeys(("pv", "wind", "hydro", "genset", "chp"), "inverter"),
    "battery": "battery",
    "weather": "sensor",
    "heat": "sensor",
}
"""Member of a SunSpec unit that a role selects when its driver names none."""

AMOUNTS = ("production", "capture", "fuel", "heat")
"""Roles of devices that count an amount that is no electricity."""

NIGHTS = ("answers", "silent")
"""Values of the key `night`."""

GROUPS = ("industry", "power", "building", "transport")


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """Settings of a device. `device`: its map; None for a SunSpec device, which describes itself.

    `slow_interval`: s between two reads of the slow quantities, None to read all at each interval. `slow`: the slow
    quantities; empty for the default ones of the vocabulary. `frozen_after`: time in s after which wattgram stops
    trusting values that do not change while power flows. `ratio`: CT x VT of a meter that shows the values of the
    secondary side; `device` has it already, `driver_map` is the map without it, None without a ratio.
    `nominal_frequency`: Hz, None for 50 or 60. `nominal_voltage`: V, above 1.5 kV for a meter behind voltage
    transformers. `battery`: settings of role battery. `emission`: settings of the roles that produce. `tolerate`:
    header fields that the device's gateway sets wrongly for good. `behind`: the devices whose readings contain this
    device's flow, () for the busbar. `backup`: loads stand on the backup port of an inverter whose map has no power of
    it. `in_inverter`: a battery with the url and unit of a PV inverter that it is behind. `night`: whether a PV
    inverter answers at night, "silent" or "answers"; "" as its map says.
    `unsuitable`: why the device cannot have its role, "" if it can; its power stays out of the balance.
    `accuracy`: limits of error of its readings.
    """

    name: str
    role: str
    driver: str
    device: Device | None
    endpoint: Endpoint
    unit: int
    interval: float = 1.0
    invert: bool = False
    rated_power: float | None = None
    group: str = ""
    quantities: tuple[str, ...] = ()
    timeout: float | None = None
    slow_interval: float | None = None
    slow: tuple[str, ...] = ()
    frozen_after: float = frozen_device.FROZEN
    ratio: float = 1.0
    nominal_frequency: float | None = None
    nominal_voltage: float | None = None
    battery: BatteryConfig = field(default_factory=BatteryConfig)
    emission: EmissionConfig = field(default_factory=EmissionConfig)
    tolerate: tuple[Tolerance, ...] = ()
    night: str = ""
    behind: tuple[str, ...] = ()
    backup: bool = False
    in_inverter: bool = False
    unsuitable: str = ""
    accuracy: AccuracyConfig = field(default_factory=AccuracyConfig)
    driver_map: Device | None = None


def read(tables: Sequence[Table], maps: Path | None, netting: str = "busbar") -> tuple[DeviceConfig, ...]:
    """Read `[[device]]`; mistakes go to the tables.

    `maps`: directory of the site's register maps, None for none. `netting`: of `[grid]`.
    """
    devices: list[DeviceConfig] = []
    names: set[str] = set()
    endpoints: dict[str, Endpoint] = {}
    for table in tables:
        device = _device(table, maps)
        if device.name in names:
            table.mistake("name", f"found {device.name!r} a second time; allowed: one name a device")
        names.add(device.name)
        found = device.endpoint
        if found is not None and endpoints.setdefault(found.key, found) != found:
            table.mistake(
                "url",
                f"found {str(found)!r}; allowed: the settings of the other devices on this line, "
                f"{str(endpoints[found.key])!r}",
            )
        devices.append(device)
    above = topology_keys.resolved(tables, devices, netting)
    devices = [replace(device, behind=names) for device, names in zip(devices, above, strict=True)]
    inside = topology_keys.batteries_in_inverters(devices)
    devices = [replace(device, in_inverter=device.name in inside) for device in devices]
    _check_battery_pools(tables, devices, netting)
    return _with_fuel_meters(tables, devices)


def _check_battery_pools(tables: Sequence[Table], devices: Sequence[DeviceConfig], netting: str) -> None:
    """Report the batteries without a capacity if another battery of the same pool has a capacity."""
    table_of = {device.name: table for table, device in zip(tables, devices, strict=True)}
    hybrids = {device.name for device in devices if device.device is not None and device.device.terminal is not None}
    for pool in topology_keys.battery_pools(devices, netting, hybrids):
        batteries = [table_of[name] for name in pool]
        if any("capacity" in table.data for table in batteries):
            for table in batteries:
                if "capacity" not in table.data:
                    names = ", ".join(pool)
                    table.mistake("capacity", f"missing; {names} are one pool, so each has a capacity or none has")


def _with_fuel_meters(tables: Sequence[Table], devices: Sequence[DeviceConfig]) -> tuple[DeviceConfig, ...]:
    """Resolve the fuel meters of all devices."""
    named = {device.name: device.role for device in devices}
    counted = {device.name: counted_unit(device) for device in devices if device.role == "fuel"}
    fuels = {device.name: device.emission for device in devices if device.role == "fuel"}
    owners: dict[str, str] = {}
    return tuple(
        replace(device, emission=role_keys.metered(table, device.emission, device.role, named, counted, fuels, owners))
        for table, device in zip(tables, devices, strict=True)
    )


def counted_unit(device: DeviceConfig) -> str | None:
    """Return the unit in which a device counts the amount of its role.

    "" for a device without a counter of it, None for a device whose driver is a mistake.
    """
    if device.device is None:
        return "" if catalogue.is_sunspec(device.driver) else None
    return counter_unit(device.device, device.role, device.quantities)


def _device(table: Table, maps: Path | None) -> DeviceConfig:
    spelling = toml_table.matching(r"[a-z0-9][a-z0-9_-]{0,63}", "1 to 64 of a-z, 0-9, - and _")
    name = table.take("name", spelling, toml_table.REQUIRED)
    if name:
        table.rename(f"{table.place} ({name})")
    role = table.take("role", toml_table.choice(ROLES), toml_table.REQUIRED)
    driver = table.take("driver", _driver(maps), toml_table.REQUIRED)
    device: Device | None = None
    if driver and not catalogue.is_sunspec(driver):
        try:
            device = catalogue.load(driver, maps)
        except MapError as error:
            for mistake in error.mistakes:
                table.mistake("driver", mistake)
    ratio = _ratio(table, driver or "", device)
    driver_map = device if ratio != 1.0 else None
    if device is not None:
        device = on_primary_side(device, Fraction(str(ratio)))
    place: Endpoint = table.take("url", _url, toml_table.REQUIRED)
    default_unit = device.unit if device else 1
    highest = 247 if place is not None and not place.addressed else 255
    unit = table.take("unit", toml_table.whole(0 if highest == 255 else 1, highest), default_unit)
    offered = "a quantity of the driver" + ("; with ratio, no currents and voltages" if ratio != 1.0 else "")
    known = toml_table.choice(device.quantities, offered) if device else toml_table.text
    config = DeviceConfig(
        name=name or "",
        role=role or "",
        driver=driver or "",
        device=device,
        endpoint=place,
        unit=unit if unit is not None else 1,
        interval=table.take("interval", toml_table.bounded(units.duration, 0.1, 86400.0, "100ms to 1d"), 1.0) or 1.0,
        invert=table.take("invert", toml_table.flag, False),
        rated_power=table.take("rated_power", toml_table.bounded(units.power, 1.0, 1e10, "1 W to 10000 MW"), None),
        group=table.take("group", toml_table.choice(GROUPS), ""),
        quantities=tuple(table.take("quantities", toml_table.listed(known), ()) or ()),
        timeout=table.take("timeout", toml_table.bounded(units.duration, 0.01, 60.0, "10ms to 1min"), None),
        slow_interval=table.take(
            "slow_interval", toml_table.bounded(units.duration, 0.1, 86400.0, "100ms to 1d"), None
        ),
        slow=tuple(table.take("slow", toml_table.listed(known), ()) or ()),
        frozen_after=table.take("frozen_after", toml_table.bounded(units.duration, 60.0, 604800.0, "1min to 7d"), None)
        or frozen_device.FROZEN,
        ratio=ratio,
        nominal_frequency=table.take("nominal_frequency", toml_table.number(1.0, 1000.0), None),
        nominal_voltage=table.take(
            "nominal_voltage", toml_table.bounded(units.voltage, 10.0, 500e3, "10 V to 500 kV"), None
        ),
        battery=role_keys.battery(table) if role == "battery" else BatteryConfig(),
        emission=role_keys.emission(table, role),
        night=table.take("night", toml_table.choice(NIGHTS), "") or "",
        tolerate=tuple(table.take("tolerate", toml_table.listed(toml_table.choice(get_args(Tolerance))), ()) or ()),
        behind=table.take("behind", topology_keys.behind, ()) or (),
        backup=table.take("backup", toml_table.flag, False) or False,
        accuracy=accuracy_keys.read(table, role),
        driver_map=driver_map,
    )
    config = _with_pulses(table, config)
    role_keys.refuse_others(table, role)
    _check_slow_interval(table, config)
    if config.night and role != "pv":
        table.mistake("night", f"found with role {role}; allowed: with role pv")
    if config.tolerate and place is not None and not place.addressed:
        table.mistake(
            "tolerate", f"found with {place.scheme}, whose frames have no header; allowed: with tcp, udp, tls"
        )
    _check_backup(table, config)
    table.done()
    return config


def _check_backup(table: Table, device: DeviceConfig) -> None:
    """Report the key `backup` with a device that has no backup port."""
    if not device.backup:
        return
    if device.role and device.role not in ("pv", "battery"):
        table.mistake("backup", f"found with role {device.role!r}; allowed: with role pv, battery")
    elif device.device is not None and device.device.terminal is None:
        table.mistake("backup", f"found with {device.driver}, which has no backup port; allowed: with a hybrid")


def _ratio(table: Table, driver: str, device: Device | None) -> float:
    """Return the key `ratio`, 1 without the key or if the key is a mistake."""
    found = table.take("ratio", toml_table.number(0.001, 1e6), 1.0)
    if found is None or "ratio" not in table.data or not driver:
        return 1.0
    if device is None:
        reason = f"no ratio: a {driver} device states the values of the primary side"
    elif device.kind != "meter":
        reason = f"a ratio for a meter; {driver} is of kind {device.kind}"
    elif own_ratios(device):
        reason = f"no ratio: {driver} multiplies its values by {' and '.join(own_ratios(device))} of the meter"
    else:
        return float(found)
    table.mistake("ratio", f"found {found:g}; allowed: {reason}")
    return 1.0


def _with_pulses(table: Table, config: DeviceConfig) -> DeviceConfig:
    """Return the settings of a meter that is read by its pulses: with the key `pulses_per_kwh`, the pulses are Wh."""
    device = config.device
    inputs = pulse_inputs(device) if device else ()
    if not inputs and "pulses_per_kwh" not in table.data:
        return config
    found = table.take("pulses_per_kwh", toml_table.number(0.001, 1e6), None)
    if "pulses_per_kwh" not in table.data or not config.driver:
        return config
    chosen = tuple(name for name in inputs if name in config.quantities)
    if not device or not inputs:
        reason = f"a driver that counts pulses; {config.driver} counts none"
    elif config.role not in PULSE_ROLES:
        reason = f"a role of {', '.join(PULSE_ROLES)}"
    else:
        quantities = tuple(PULSE_ENERGY if name in inputs else name for name in config.quantities)
        meter = as_energy_meter(device, (*chosen, *inputs)[0], Fraction(str(found or 1)))
        config = replace(config, device=meter, quantities=quantities, driver_map=None)
        reason = "" if len(chosen) == 1 else f"one of {', '.join(inputs)} in quantities"
    if found is not None and reason:
        table.mistake("pulses_per_kwh", f"found {found:g}; allowed: {reason}")
    return config


def _driver(maps: Path | None) -> toml_table.Parser:
    listed = toml_table.choice([*catalogue.names(maps), *catalogue.SUNSPEC_MEMBERS], "a driver of `wattgram drivers`")
    return lambda value: value if isinstance(value, str) and catalogue.is_sunspec(value) else listed(value)


def _check_slow_interval(table: Table, device: DeviceConfig) -> None:
    """Report contradictions among interval, slow_interval and slow."""
    found = table.data.get("slow_interval")
    if found is None:
        if "slow" in table.data:
            table.mistake("slow", 'found without slow_interval; allowed: with one, such as slow_interval = "1min"')
        return
    if device.slow_interval is not None:
        times = device.slow_interval / device.interval
        if times < 1.0 - 1e-9 or abs(times - round(times)) > 1e-9 * times:
            nearest = device.interval * max(1, round(times))
            table.mistake(
                "slow_interval",
                f"found {found!r}, nearest: '{nearest:g}s'; allowed: a whole multiple of the interval, "
                f"which is {device.interval:g}s",
            )
    if table.data.get("slow") == []:
        table.mistake("slow", "found []; allowed: at least one quantity, or no slow at all")
    if device.device is None:
        return
    offered = device.quantities or device.device.quantities
    slow = device.slow or tuple(name for name in offered if is_slow(name))
    if offered and set(offered) <= set(slow):
        table.mistake(
            "slow_interval", f"found with slow quantities only; allowed: interval = {found!r} without slow_interval"
        )


def _url(value: object) -> Endpoint:
    return endpoint.parse(toml_table.text(value))
