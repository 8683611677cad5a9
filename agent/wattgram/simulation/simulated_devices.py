"""`wattgram simulate`: which devices stand where, with which faults, and serving them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from wattgram_drivers.device import Device
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.sunspec import walk

from wattgram.base.clock import Clock
from wattgram.base.toml_table import nearest
from wattgram.config.devices_table import ROLES
from wattgram.config.load import Config

from .factory import Factory
from .fault_options import possible, wish
from .serve_devices import ServedDevice, part, serving

ROLE_OF_KIND = {
    "meter": "grid",
    "inverter": "pv",
    "battery": "battery",
    "genset": "genset",
    "charger": "ev",
    "sensor": "production",
}
"""The role in which a single device is simulated when none is given."""


def of_config(config: Config, faults: Sequence[str]) -> list[ServedDevice]:
    """The devices of a configuration, each where the configuration looks for it. ValueError: a wrong fault."""
    stands = [
        ServedDevice(
            one.endpoint.key,
            part(one.name, one.role, one.rated_power, one.group),
            one.driver,
            one.device,
            one.endpoint,
            one.unit,
            backwards=one.invert,
        )
        for one in config.devices
    ]
    return _with_faults(stands, faults)


def of_driver(
    name: str, device: Device | None, endpoint: Endpoint, unit: int | None, role: str | None, faults: Sequence[str]
) -> list[ServedDevice]:
    """One device of the catalogue. ValueError: a wrong role or fault."""
    kind = device.kind if device else walk.place(name, "inverter")[0]
    role = role or ROLE_OF_KIND[kind]
    if role not in ROLES:
        raise ValueError(f"found role {role!r}{nearest(role, ROLES)}; allowed: {', '.join(ROLES)}")
    number = unit if unit is not None else device.unit if device else 1
    stand = ServedDevice(endpoint.key, part(re.sub("[_:]", "-", name), role, None, ""), name, device, endpoint, number)
    return _with_faults([stand], faults)


async def serve(
    stop: asyncio.Event, stands: Sequence[ServedDevice], speed: float, seed: int, say: Callable[[str], None]
) -> None:
    """Serve until `stop`; `say` gets a line for each device with its address. OSError when an address is taken."""
    clock = Clock(time.time_ns(), speed)
    factory = Factory([one.part for one in stands], seed=seed, start=clock.time())
    async with serving(stands, factory, clock, seed=seed) as endpoints:
        for one in stands:
            say(f"{one.part.name}: {one.driver} as {one.part.role} at {endpoints[one.part.name]} unit {one.unit}")
        await stop.wait()


def _with_faults(stands: Sequence[ServedDevice], faults: Sequence[str]) -> list[ServedDevice]:
    """Each fault strikes one device and, where it is the bus', all on it; or every device that can have it."""
    by_name = {one.part.name: one for one in stands}
    for text in faults:
        asked = wish(text, by_name)
        meant = [by_name[asked.device]] if asked.device else list(by_name.values())
        possible(asked, [one.endpoint.scheme for one in meant])
        buses = {one.bus for one in meant}
        for one in stands if asked.kind.of_bus else meant:
            now = by_name[one.part.name]
            if one.bus not in buses or one.endpoint.scheme not in asked.kind.schemes:
                continue
            if asked.kind.of_bus:
                by_name[one.part.name] = replace(now, trouble=asked.added(now.trouble))
            else:
                by_name[one.part.name] = replace(now, faults=asked.added(now.faults))
    return list(by_name.values())
