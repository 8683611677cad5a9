"""The devices of a configuration, or one device, served from the site model through their own register maps."""

from __future__ import annotations

import contextlib
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
from wattgram.config.load import KIND_OF_ROLE

from .factory import Factory
from .machines import SitePart

RATED = {
    "grid": 630e3,
    "pv": 110e3,
    "wind": 100e3,
    "hydro": 100e3,
    "genset": 200e3,
    "chp": 100e3,
    "battery": 100e3,
    "ev": 44e3,
}
"""W of a part whose rated power nobody gave; loads take 60 kW."""

SERVED_MODELS: Mapping[Kind, tuple[int, ...]] = {"inverter": (103,), "meter": (203,), "battery": (802,)}
"""SunSpec models that a member of each kind is served with."""


@dataclass(frozen=True, slots=True)
class ServedDevice:
    """One simulated device: what it is on the site and where it answers; those of one `bus` share an endpoint.

    `backwards`: a meter that is wired the other way, as `invert = true` in a configuration expects it. `trouble`
    is the bus', the same in all its stands.
    """

    bus: str
    part: SitePart
    driver: str
    device: Device | None
    endpoint: Endpoint
    unit: int
    faults: Faults = NO_FAULTS
    backwards: bool = False
    trouble: BusFaults = NO_BUS_FAULTS


def part(name: str, role: str, rated_power: float | None, group: str) -> SitePart:
    """The part of the site model that stands behind a device."""
    return SitePart(name, role, rated_power or RATED.get(role, 60e3), group)


@contextlib.asynccontextmanager
async def serving(
    stands: Sequence[ServedDevice], factory: Factory, clock: Clock, *, seed: int = 1
) -> AsyncIterator[Mapping[str, Endpoint]]:
    """Serve until the block ends; yields the address at which each stand really answers, by name.

    Registers change every second of the clock, at the same instant in all devices. `seed` is for faults that strike a
    share of the requests. OSError when an address is taken.
    """
    actual: dict[str, Endpoint] = {}
    async with contextlib.AsyncExitStack() as stack:
        for group in _by_bus(stands):
            simulator = Simulator(
                group[0].endpoint,
                {unit: _served(behind, factory, clock) for unit, behind in _by_unit(group).items()},
                {one.unit: one.faults for one in sorted(group, key=lambda one: one.faults != NO_FAULTS)},
                group[0].trouble,
                seed=seed,
            )
            started = await simulator.start()
            stack.push_async_callback(simulator.stop)
            actual |= {one.part.name: started for one in group}
        yield actual


def _served(stands: Sequence[ServedDevice], factory: Factory, clock: Clock) -> Served:
    """What a unit serves: the members of a SunSpec chain, or one device with its map."""
    device = stands[-1].device
    if device is None:
        return _chained(stands, factory, clock)
    return Served(device, lambda: _values(stands[-1], factory, clock))


def _chained(stands: Sequence[ServedDevice], factory: Factory, clock: Clock) -> Served:
    """The members of one chain; where a number is not taken stands one that measures nothing.

    The simulator knows one device a unit, so each register is called by its member and its quantity.
    """
    asked = [one for one in stands if one.device is None]
    places = {walk.place(one.driver, KIND_OF_ROLE.get(one.part.role, "meter")): one for one in asked}
    sections, owners = [], []
    for kind, models in SERVED_MODELS.items():
        for number in range(1, 1 + max((each for other, each in places if other == kind), default=0)):
            stand = places.get((kind, number))
            role, serial = (stand.part.role, stand.part.name) if stand else (kind, f"{kind}-{number}")
            sections.append(sunspec_serve.Section(models, "wattgram", f"simulated {role}", serial))
            owners.append(stand)
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


def _values(stand: ServedDevice, factory: Factory, clock: Clock) -> Mapping[str, float]:
    factory.advance(clock.time())
    made = factory.values(stand.part.name)
    return _backwards(made) if stand.backwards else made


def _backwards(values: Mapping[str, float]) -> dict[str, float]:
    """What a meter shows through which the current flows the other way."""
    return {_other_direction(name): -value if QUANTITIES[name].sign else value for name, value in values.items()}


def _other_direction(name: str) -> str:
    for one, other in (("import", "export"), ("export", "import")):
        if one in name:
            return name.replace(one, other)
    return name


def _by_bus(stands: Iterable[ServedDevice]) -> list[list[ServedDevice]]:
    buses: dict[str, list[ServedDevice]] = {}
    for one in stands:
        buses.setdefault(one.bus, []).append(one)
    return list(buses.values())


def _by_unit(stands: Iterable[ServedDevice]) -> dict[int, list[ServedDevice]]:
    units: dict[int, list[ServedDevice]] = {}
    for one in stands:
        units.setdefault(one.unit, []).append(one)
    return units


def driver(name: str) -> Device | None:
    """A device of the catalogue, None for SunSpec; MapError when there is no such driver."""
    return None if catalogue.is_sunspec(name) else catalogue.load(name)
