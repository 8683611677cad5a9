"""One look at one device: what `wattgram read` shows."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from wattgram_drivers import sunspec
from wattgram_drivers.device import Device, Reading, Table
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus import Bus
from wattgram_drivers.plan import Plan
from wattgram_drivers.reader import Reader
from wattgram_ext.decode import Decoder

from .clock import Clock

TIMEOUT = 3.0
"""Seconds for an answer while nobody is in a hurry, unless the device wants more."""


@dataclass(frozen=True, slots=True)
class Value:
    """A quantity in its SI unit (NaN: not available), where it stands, and its words in hex."""

    quantity: str
    value: float
    table: str
    address: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """What a device said; `time` is UTC ns."""

    time: int
    vendor: str
    model: str
    values: tuple[Value, ...]


async def look(endpoint: Endpoint, device: Device | None, unit: int | None, clock: Clock) -> Looked:
    """Read a device once; None asks a SunSpec device what it is. DriverError when that fails."""
    bus = Bus(endpoint, timeout=TIMEOUT)
    try:
        await bus.connect(device.limits.connect_delay if device else 0.0)
        number = unit if unit is not None else device.unit if device else 1
        known = device or await _discovered(bus, number)
        reader = Reader(known, number)
        reading = await reader.read(bus, clock)
        return Looked(reading.time, known.vendor, known.model, _values(reader.plan, reading))
    finally:
        await bus.close()


async def _discovered(bus: Bus, unit: int) -> Device:
    async def read(table: Table, address: int, count: int) -> bytes:
        return await bus.read(unit, table, address, count)

    return await sunspec.discover(read)


def _values(plan: Plan, reading: Reading) -> tuple[Value, ...]:
    decoder = Decoder(plan.fields(), plan.factors(), plan.words)
    numbers = struct.unpack(f"{len(plan.places)}d", decoder.decode(reading.image, reading.valid))
    return tuple(
        Value(
            place.register.quantity,
            number,
            place.register.table,
            place.register.address,
            tuple(
                reading.image[2 * word : 2 * word + 2].hex()
                for word in range(place.position, place.position + place.register.words)
                if reading.valid[word]
            ),
        )
        for place, number in zip(plan.places, numbers, strict=True)
    )
