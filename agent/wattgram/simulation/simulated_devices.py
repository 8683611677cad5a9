"""`wattgram simulate`: choice of the devices, their addresses and faults, and serving."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from wattgram_drivers import catalogue
from wattgram_drivers.device import Device
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.sunspec import walk

from wattgram.base.clock import Clock
from wattgram.base.power_roles import ROLES
from wattgram.base.toml_table import nearest
from wattgram.config.load import Config

from .counter_nameplates import nameplate
from .factory import Factory
from .fault_options import check_schemes, parse_fault
from .machines import SitePart
from .plants import SimulatedPlant
from .serve_devices import ServedDevice, part, serving

LAST_PORT = 65535

ROLE_OF_KIND = {
    "meter": "grid",
    "inverter": "pv",
    "battery": "battery",
    "genset": "genset",
    "charger": "ev",
    "sensor": "production",
}
"""Default role of a single simulated device, by kind."""


def of_config(config: Config, faults: Sequence[str]) -> list[ServedDevice]:
    """Return the devices of a configuration at their configured addresses. ValueError: a wrong fault."""
    stands = _places_in_the_model(config)
    served_devices = [
        ServedDevice(
            device.endpoint.key,
            replace(
                part(device.name, device.role, nameplate(device, config), device.group),
                behind=stands.get(device.name, ""),
            ),
            device.driver,
            device.device,
            device.endpoint,
            device.unit,
            inverted=device.invert,
        )
        for device in config.devices
    ]
    return _with_faults(served_devices, faults)


def _places_in_the_model(config: Config) -> dict[str, str]:
    """Return the part that each device of a site stands behind: a sub-meter, or the inverter of its battery.

    The model has one battery for an inverter; a further one stands on the busbar.
    """
    roles = {device.name: device.role for device in config.devices}
    found: dict[str, str] = {}
    for device in config.devices:
        above = device.behind[0] if device.behind else ""
        of_inverter = device.role == "battery" and roles.get(above) == "pv" and above not in found.values()
        if of_inverter or roles.get(above) in ("load", "ev"):
            found[device.name] = above
    return found


def of_plant(plant: SimulatedPlant, first: Endpoint, faults: Sequence[str]) -> list[ServedDevice]:
    """Return the devices of a plant at addresses from `first` on. ValueError: no such addresses, or a wrong fault."""
    buses = len({bus for _, bus, _ in plant.drivers.values()})
    if first.serial or (first.port and first.port + buses - 1 > LAST_PORT):
        raise ValueError(f"found --listen {first}; allowed: a network address with {buses} ports from the port on")
    return _with_faults(plant.devices(first), faults)


def of_driver(
    name: str, device: Device | None, endpoint: Endpoint, unit: int | None, role: str | None, faults: Sequence[str]
) -> list[ServedDevice]:
    """Return one device of the catalogue. ValueError: a wrong role or fault."""
    kind = device.kind if device else walk.place(name, "inverter")[0]
    asked = role
    role = role or ("weather" if catalogue.is_sunspec(name) and kind == "sensor" else ROLE_OF_KIND[kind])
    if device and role not in device.roles and not asked:
        role = next((possible for possible in device.roles if possible in ROLES), role)
    if role not in ROLES:
        raise ValueError(f"found role {role!r}{nearest(role, ROLES)}; allowed: {', '.join(ROLES)}")
    if device and role not in device.roles:
        raise ValueError(f"found role {role!r}; allowed with {name}: {', '.join(device.roles)}")
    number = unit if unit is not None else device.unit if device else 1
    served = ServedDevice(endpoint.key, part(re.sub("[_:]", "-", name), role, None, ""), name, device, endpoint, number)
    return _with_faults([served], faults)


async def serve(
    stop: asyncio.Event,
    served_devices: Sequence[ServedDevice],
    speed: float,
    seed: int,
    started: Callable[[Mapping[str, Endpoint]], None],
    make_factory: Callable[[Sequence[SitePart], int], Factory] | None = None,
) -> None:
    """Serve until `stop`. OSError: an address is in use.

    started: receives the address of each device. make_factory: makes the model from its parts and its start, UTC ns;
    None for the place of `demo`.
    """
    clock = Clock(time.time_ns(), speed)
    parts = [served.part for served in served_devices]
    factory = make_factory(parts, clock.time()) if make_factory else Factory(parts, seed=seed, start=clock.time())
    async with serving(served_devices, factory, clock, seed=seed) as endpoints:
        started(endpoints)
        await stop.wait()


def places(served_devices: Sequence[ServedDevice], endpoints: Mapping[str, Endpoint]) -> Iterator[str]:
    """Yield one line for each device with its address."""
    for served in served_devices:
        name, role = served.part.name, served.part.role
        yield f"{name}: {served.driver} as {role} at {endpoints[name]} unit {served.unit}"


def _with_faults(served_devices: Sequence[ServedDevice], faults: Sequence[str]) -> list[ServedDevice]:
    """Add each fault to its device, or to all devices if it names none. A fault of the bus affects all its devices."""
    by_name = {served.part.name: served for served in served_devices}
    for text in faults:
        fault = parse_fault(text, by_name)
        affected = [by_name[fault.device]] if fault.device else list(by_name.values())
        check_schemes(fault, [served.endpoint.scheme for served in affected])
        buses = {served.bus for served in affected}
        for served in served_devices if fault.kind.of_bus else affected:
            present = by_name[served.part.name]
            if served.bus not in buses or served.endpoint.scheme not in fault.kind.schemes:
                continue
            if fault.kind.of_bus:
                by_name[served.part.name] = replace(present, bus_faults=fault.added(present.bus_faults))
            else:
                by_name[served.part.name] = replace(present, faults=fault.added(present.faults))
    return list(by_name.values())
