"""One look at one device: what `wattgram read` shows, and what to do when there is nothing to show."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from wattgram_drivers.catalogue import SUNSPEC
from wattgram_drivers.device import Device, Reading
from wattgram_drivers.driver_errors import BadAnswer, BusDown, DriverError, NoAnswer, Refused
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.plan import Plan
from wattgram_drivers.reader import Reader
from wattgram_ext.decode import Decoder

from wattgram.acquisition.poll import discovered
from wattgram.base.clock import Clock

READ_TIMEOUT = 3.0
"""Seconds for an answer while nobody is in a hurry, unless the device wants more."""

SINGLE, DOUBLE = 7, 15
"""Significant decimal digits of an IEEE 754 single and of everything else on its way to a double."""

REFUSALS = {
    1: "the device has no such table: is this the right driver?",
    2: "the device has none of these registers: is this the right driver?",
    3: "the device does not take this request: is this the right driver?",
    4: "the device is there and reports a failure of its own",
    5: "the device is busy: try again",
    6: "the device is busy: try again",
    10: "the gateway is there and has no way to this unit: check the unit and the gateway's settings",
    11: "the gateway is there and the unit behind it is silent: check the unit, wiring, baud rate and parity",
}
"""What an exception code means to someone who stands in front of the device."""


@dataclass(frozen=True, slots=True)
class Value:
    """A quantity in its SI unit (NaN: not available), where it stands, and its words in hex.

    `digits`: how many significant ones the register's type carries.
    """

    quantity: str
    value: float
    table: str
    address: int
    words: tuple[str, ...]
    digits: int


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What a device said; `time` is UTC ns."""

    time: int
    vendor: str
    model: str
    values: tuple[Value, ...]


async def look(
    endpoint: Endpoint, device: Device | None, unit: int | None, clock: Clock, driver: str = SUNSPEC
) -> ReadResult:
    """Read a device once; None asks a SunSpec device what it is, `driver` says which of its members. DriverError."""
    bus = Bus(endpoint, timeout=READ_TIMEOUT)
    try:
        await bus.connect(device.limits.connect_delay if device else 0.0)
        number = unit if unit is not None else device.unit if device else 1
        known = device or await discovered(bus, number, READ_TIMEOUT, driver)
        reader = Reader(known, number, max_refusals=len(known.registers) * 2)  # nobody waits behind a look
        reading = await reader.read(bus, clock)
        return ReadResult(reading.time, known.vendor, known.model, _values(reader.plan, reading))
    finally:
        await bus.close()


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
            SINGLE if place.register.type == "f32" else DOUBLE,
        )
        for place, number in zip(plan.places, numbers, strict=True)
    )


def advised(error: DriverError) -> str:
    """What went wrong, in one line that ends with what to look at first."""
    text, cause = str(error), error.__cause__
    if isinstance(cause, OSError):
        text = text.replace(str(cause), in_words(cause))
    advice = ""
    match error:
        case BusDown() if "lost" in text:
            advice = "the other side closed it: does it allow only one client, or Modbus at all?"
        case BusDown() if isinstance(cause, ConnectionRefusedError):
            advice = "the host is there and nothing listens: check the port, and that the device's Modbus is on"
        case BusDown() if text.startswith("rtu:"):
            advice = "check the line's path, its adapter, and that this user may open it"
        case BusDown():
            advice = "check address, cable and network"
        case NoAnswer():
            advice = "check the unit address, and on a serial line wiring, baud rate and parity"
        case BadAnswer():
            advice = "what answers is not this device: check port, unit and driver"
        case Refused(code=code):
            advice = REFUSALS.get(code, "")
    return f"{text}; {advice}" if advice else text


def in_words(error: OSError) -> str:
    """What the system says, without its numbers."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)
