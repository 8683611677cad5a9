"""`wattgram simulate`: which devices stand where, with which faults, and serving them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite

from wattgram_drivers.device import Device
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.faults import Faults

from .clock import Clock
from .config import ROLES, Config
from .parse import nearest
from .serve import Stand, part, serving
from .simulate import Factory

ROLE_OF_KIND = {
    "meter": "grid",
    "inverter": "pv",
    "battery": "battery",
    "genset": "genset",
    "charger": "ev",
    "sensor": "production",
}
"""The role in which a single device is simulated when none is given."""


def of_config(config: Config, faults: Sequence[str]) -> list[Stand]:
    """The devices of a configuration, each where the configuration looks for it. ValueError: a wrong fault."""
    stands = [
        Stand(
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
) -> list[Stand]:
    """One device of the catalogue. ValueError: a wrong role or fault."""
    role = role or (ROLE_OF_KIND[device.kind] if device else "pv")
    if role not in ROLES:
        raise ValueError(f"found role {role!r}{nearest(role, ROLES)}; allowed: {', '.join(ROLES)}")
    number = unit if unit is not None else device.unit if device else 1
    stand = Stand(endpoint.key, part(name.replace("_", "-"), role, None, ""), name, device, endpoint, number)
    return _with_faults([stand], faults)


async def serve(
    stop: asyncio.Event, stands: Sequence[Stand], speed: float, seed: int, say: Callable[[str], None]
) -> None:
    """Serve until `stop`; `say` gets a line for each device with its address. OSError when an address is taken."""
    clock = Clock(time.time_ns(), speed)
    factory = Factory([one.part for one in stands], seed=seed, start=clock.time())
    async with serving(stands, factory, clock) as endpoints:
        for one in stands:
            say(f"{one.part.name}: {one.driver} as {one.part.role} at {endpoints[one.part.name]} unit {one.unit}")
        await stop.wait()


def _with_faults(stands: Sequence[Stand], faults: Sequence[str]) -> list[Stand]:
    """Each fault is FAULT for every device or DEVICE:FAULT for one."""
    by_name = {one.part.name: one for one in stands}
    for fault in faults:
        name, colon, what = fault.partition(":")
        if colon and name not in by_name:
            raise ValueError(f"found device {name!r} in a fault{nearest(name, by_name)}; allowed: {', '.join(by_name)}")
        for affected in [name] if colon else list(by_name):
            one = by_name[affected]
            by_name[affected] = replace(one, faults=_fault(one.faults, what if colon else fault))
    return list(by_name.values())


def _fault(faults: Faults, text: str) -> Faults:
    kind, _, value = text.partition("=")
    try:
        match kind:
            case "silent" if not value:
                return replace(faults, silent=True)
            case "late" if isfinite(float(value)) and float(value) > 0.0:
                return replace(faults, late=float(value))
            case "exception" if 1 <= int(value) <= 255:
                return replace(faults, exception=int(value))
            case "sleeping" if not value:
                return replace(faults, sleeping=True)
    except ValueError:
        pass
    near = nearest(kind, ("silent", "late", "exception", "sleeping"))
    raise ValueError(f"found fault {text!r}{near}; allowed: silent, late=SECONDS, exception=CODE (1 to 255), sleeping")
