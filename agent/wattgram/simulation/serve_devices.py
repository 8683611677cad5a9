"""Modbus servers of simulated devices: values of the site model through the devices' register maps."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wattgram_drivers import catalogue
from wattgram_drivers.device import Device, Kind
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.quantity import QUANTITIES
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.faults import NO_BUS_FAULTS, NO_FAULTS, BusFaults, Faults
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served
from wattgram_drivers.sunspec import walk

from wattgram.base.clock import Clock
from wattgram.config.devices_table import KIND_OF_ROLE

from .factory import Factory
from .machines import SitePart
from .role_values import with_role_values, with_terminal_values

RATED = {
    "grid": 630e3,
    "pv": 110e3,
    "wind": 100e3,
    "hydro": 100e3,
    "genset": 200e3,
    "chp": 100e3,
    "battery": 100e3,
    "ev": 44e3,
    "production": 200.0,
    "capture": 20.0,
    "fuel": 4.0,
    "heat": 40e3,
}
"""Default rated power by role, W; of production, capture, fuel and heat units per hour. Other roles have 60 kW."""

POWERS = ("W", "VA", "var")
"""Units of powers."""

LARGEST_SHARE = 3.0
"""Largest power of a simulated device, as a multiple of its rated power."""

LARGEST_WORD = 32767
"""Largest value of a register of one word with a sign."""

SERVED_MODELS: Mapping[Kind, tuple[int, ...]] = {
    "inverter": (103,),
    "meter": (203,),
    "battery": (802,),
    "sensor": (307, 302),
}
"""SunSpec models of a simulated member, by kind."""


@dataclass(frozen=True, slots=True)
class ServedDevice:
    """One simulated device: its part of the site, and its address. All devices of one `bus` share an endpoint.

    inverted: the meter is wired in the opposite direction, as for `invert = true` in a configuration. bus_faults: equal
    in all devices of a bus.
    """

    bus: str
    part: SitePart
    driver: str
    device: Device | None
    endpoint: Endpoint
    unit: int
    faults: Faults = NO_FAULTS
    inverted: bool = False
    bus_faults: BusFaults = NO_BUS_FAULTS


def part(name: str, role: str, rated_power: float | None, group: str) -> SitePart:
    """Return the part of the site model for a device."""
    return SitePart(name, role, rated_power or RATED.get(role, 60e3), group)


@contextlib.asynccontextmanager
async def serving(
    served_devices: Sequence[ServedDevice], factory: Factory, clock: Clock, *, seed: int = 1
) -> AsyncIterator[Mapping[str, Endpoint]]:
    """Serve until the block ends. Yield the actual address of each device, by name.

    Registers change every second of the clock, at the same instant in all devices. seed: selects the requests that a
    fault with a share affects. Raises OSError if an address is in use.
    """
    actual: dict[str, Endpoint] = {}
    async with contextlib.AsyncExitStack() as stack:
        for group in _by_bus(served_devices):
            simulator = Simulator(
                group[0].endpoint,
                {unit: served_unit(members, factory, clock) for unit, members in _by_unit(group).items()},
                {served.unit: served.faults for served in sorted(group, key=lambda served: served.faults != NO_FAULTS)},
                group[0].bus_faults,
                seed=seed,
            )
            started = await simulator.start()
            stack.push_async_callback(simulator.stop)
            actual |= {served.part.name: started for served in group}
        yield actual


def served_unit(served_devices: Sequence[ServedDevice], factory: Factory, clock: Clock) -> Served:
    """Return the registers of a unit: the members of a SunSpec chain, or the devices with a map."""
    mapped = [(served, served.device) for served in served_devices if served.device is not None]
    if not mapped:
        return _chained(served_devices, factory, clock)
    # The inverter of a hybrid comes first: its values are those of the unit.
    mapped.sort(key=lambda entry: entry[0].part.role != "pv")
    scales: dict[int, int] = {}
    for served, device in reversed(mapped):
        scales |= _power_scales(device, served.part.rated_power)

    def values() -> Mapping[str, float]:
        found: dict[str, float] = {}
        for served, _ in reversed(mapped):
            found |= _values(served, factory, clock)
        return found

    return Served(_joined([device for _, device in mapped]), values, scales)


def _joined(devices: Sequence[Device]) -> Device:
    """Return one device with the registers of several maps of a unit, such as a hybrid and its battery."""
    first, registers = devices[0], dict.fromkeys(devices[0].registers)
    for device in devices[1:]:
        named = {(register.quantity, register.table, register.address) for register in registers}
        registers |= dict.fromkeys(
            register
            for register in device.registers
            if (register.quantity, register.table, register.address) not in named
        )
    conditions = dict.fromkeys(condition for device in devices for condition in device.conditions)
    return replace(first, registers=tuple(registers), conditions=tuple(conditions))


def _power_scales(device: Device, rated_power: float) -> dict[int, int]:
    """Return the exponent by scale register with which registers of one word hold every power of the device."""
    exponent = max(0, math.ceil(math.log10(LARGEST_SHARE * rated_power / LARGEST_WORD)))
    return {
        register.scale_address: exponent
        for register in device.registers
        if register.scale_address is not None and register.words == 1 and QUANTITIES[register.quantity].unit in POWERS
    }


def _chained(served_devices: Sequence[ServedDevice], factory: Factory, clock: Clock) -> Served:
    """Return the registers of a SunSpec chain. A member number without a device gets a member without values.

    The simulator has one device per unit, so the name of a register consists of its member and its quantity.
    """
    members = [served for served in served_devices if served.device is None]
    places = {walk.place(served.driver, KIND_OF_ROLE.get(served.part.role, "meter")): served for served in members}
    sections, owners = [], []
    for kind, models in SERVED_MODELS.items():
        for number in range(1, 1 + max((number for placed, number in places if placed == kind), default=0)):
            owner = places.get((kind, number))
            role, serial = (owner.part.role, owner.part.name) if owner else (kind, f"{kind}-{number}")
            sections.append(sunspec_serve.Section(models, "wattgram", f"simulated {role}", serial))
            owners.append(owner)
    devices, words = sunspec_serve.chains(sections)
    registers = [
        replace(register, quantity=f"{number} {register.quantity}")
        for number, member in enumerate(devices)
        for register in member.registers
    ]

    def values() -> Mapping[str, float]:
        return {
            f"{number} {quantity}": value
            for number, owner in enumerate(owners)
            if owner is not None
            for quantity, value in _values(owner, factory, clock).items()
        }

    return Served(replace(devices[0], registers=tuple(registers)), values, words)


def _values(served: ServedDevice, factory: Factory, clock: Clock) -> Mapping[str, float]:
    factory.advance(clock.time())
    made: Mapping[str, float] = factory.values(served.part.name)
    if served.device is not None:
        made = with_terminal_values(served.device, with_role_values(served.device, served.part.role, made))
    return _inverted(made) if served.inverted else made


def _inverted(values: Mapping[str, float]) -> dict[str, float]:
    """Return the values of a meter that is wired in the opposite direction."""
    return {_other_direction(name): -value if QUANTITIES[name].sign else value for name, value in values.items()}


def _other_direction(name: str) -> str:
    for found, opposite in (("import", "export"), ("export", "import")):
        if found in name:
            return name.replace(found, opposite)
    return name


def _by_bus(served_devices: Iterable[ServedDevice]) -> list[list[ServedDevice]]:
    buses: dict[str, list[ServedDevice]] = {}
    for served in served_devices:
        buses.setdefault(served.bus, []).append(served)
    return list(buses.values())


def _by_unit(served_devices: Iterable[ServedDevice]) -> dict[int, list[ServedDevice]]:
    units: dict[int, list[ServedDevice]] = {}
    for served in served_devices:
        units.setdefault(served.unit, []).append(served)
    return units


def driver(name: str) -> Device | None:
    """Return a device of the catalogue, None for SunSpec. MapError: no such driver."""
    return None if catalogue.is_sunspec(name) else catalogue.load(name)
