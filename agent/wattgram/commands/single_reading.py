"""A single reading of a device, for `wattgram read`."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from wattgram_drivers.catalogue import SUNSPEC
from wattgram_drivers.device import Device, Kind, Reading, RequestFailure
from wattgram_drivers.driver_errors import Refused
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.plan import Plan
from wattgram_drivers.reader import Reader

from wattgram.acquisition.device_source import power_quantities
from wattgram.acquisition.poll import discovered
from wattgram.acquisition.record_quality import worst_quality
from wattgram.acquisition.validity import Judge, Judged, Withheld
from wattgram.base.clock import Clock
from wattgram.base.power_roles import POWER_ROLES

READ_TIMEOUT = 3.0
"""Time limit of an answer in interactive commands, s. A device may need more."""

MAIN_ROLES: Mapping[Kind, str] = {
    "meter": "load",
    "inverter": "pv",
    "battery": "battery",
    "genset": "genset",
    "charger": "ev",
    "sensor": "",
}
"""Role whose power is the main power of a kind of device."""

POWER_WITHOUT_ROLE = "active_power_total"
"""Named as missing for a role whose power the map has no quantity for."""

SINGLE, DOUBLE = 7, 15
"""Significant decimal digits of an IEEE 754 single, and of all other types after conversion to a double."""


@dataclass(frozen=True, slots=True)
class Value:
    """A quantity in its SI unit (NaN: not available), its register, and its words in hex.

    `digits`: significant decimal digits of the register's type.
    """

    quantity: str
    value: float
    register: str
    words: tuple[str, ...]
    digits: int


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A reading of a device; `time` is UTC ns.

    withheld: values that cannot be true. findings: values that disagree. failures: requests that failed, and registers
    that the device lacks. lacking: quantities of the asked role's power, or of the map's main power, without a value.
    """

    time: int
    vendor: str
    model: str
    values: tuple[Value, ...]
    withheld: tuple[Withheld, ...]
    findings: tuple[str, ...]
    failures: tuple[RequestFailure, ...]
    lacking: tuple[str, ...]

    @property
    def quality(self) -> str:
        """Quality of the reading (SPEC 5): a request that failed, or a power without a value, makes it partial."""
        failed = self.lacking or any(not failure.refused for failure in self.failures)
        return worst_quality("implausible" if self.withheld else "good", "partial" if failed else "good")


async def read_once(
    endpoint: Endpoint,
    device: Device | None,
    unit: int | None,
    clock: Clock,
    driver: str = SUNSPEC,
    role: str = "",
    *,
    nominal_voltage: float | None = None,
) -> ReadResult:
    """Read a device once. `device` None: discover a SunSpec device; `driver` chooses its member. DriverError.

    role: whose power must be there; "" for the main power of the map. nominal_voltage: V, of a medium-voltage meter.
    """
    bus = Bus(endpoint, timeout=READ_TIMEOUT)
    try:
        await bus.connect(device.limits.connect_delay if device else 0.0)
        number = unit if unit is not None else device.unit if device else 1
        found = device or await discovered(bus, number, READ_TIMEOUT, driver)
        reader = Reader(found, number, max_refusals=len(found.registers) * 2)  # no other device waits for the bus
        try:
            reading = await reader.read(bus, clock)
        except Refused:  # registers that are refused twice are left out
            reading = await reader.read(bus, clock)
        judged = Judge(found, reader.plan, role=role, nominal_voltage=nominal_voltage, single=True).judge(reading)
        values = _values(reader.plan, reading, judged)
        return ReadResult(
            reading.time,
            found.vendor,
            found.model,
            values,
            judged.withheld,
            judged.findings,
            reading.failures,
            _lacking(found, role, values),
        )
    finally:
        await bus.close()


def _lacking(device: Device, role: str, values: Sequence[Value]) -> tuple[str, ...]:
    """Return the quantities of the role's power without a value; of a map without such a power, the usual one's name.

    Without a role, a map without any power (a sensor, a counter of pulses) lacks nothing.
    """
    known = {value.quantity for value in values if isfinite(value.value)}
    asked = role or MAIN_ROLES[device.kind]
    names = power_quantities(device, asked, device.quantities)
    if not names:
        return (POWER_WITHOUT_ROLE,) if role in POWER_ROLES else ()
    return tuple(name for name in names if name not in known)


def _values(plan: Plan, reading: Reading, judged: Judged) -> tuple[Value, ...]:
    numbers = struct.unpack(f"{len(plan.places)}d", judged.values)
    return tuple(
        Value(
            place.register.quantity,
            number,
            place.register.name,
            tuple(reading.image[2 * word : 2 * word + 2].hex() for word in place.positions if reading.valid[word]),
            SINGLE if place.register.type == "f32" else DOUBLE,
        )
        for place, number in zip(
            (place.in_force(reading.image, reading.valid) for place in plan.places), numbers, strict=True
        )
    )
