"""A Modbus TCP device that gives every reading a serial number and records when it served the reading."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.support.misbehaving_device import Request, Server, Step

NS = 1_000_000_000

TIMEOUT = 10.0
"""The daemon waits this long for an answer, s. A stall of the machine is shorter, so that every served reading
was also read."""

SERIAL, CHECKS = "active_power_total", ("status", "status_vendor")
"""The quantities that carry a serial number, and two codes, which may have any value, made from it and the device."""

MAP = """
vendor = "wattgram"
model = "serial numbers"
kind = "{kind}"
source = "tests/faults/meter.py"
unit = 1
transports = ["tcp"]
defaults = {{ table = "holding", type = "u16", word_order = "big" }}
[registers]
active_power_total = {{ address = 0, type = "u32", unit = "W", sign = "{sign}" }}
status = {{ address = 2, unit = "1" }}
status_vendor = {{ address = 3, unit = "1" }}
"""
"""Its register map: one request a reading."""

SIGNS = {"meter": "import+", "inverter": "generation+"}


@dataclass(frozen=True, slots=True)
class Served:
    """A reading that left the device: its serial number, when (UTC ns), and the connection that its request came on."""

    serial: int
    time: int
    connection: int


@dataclass(frozen=True, slots=True)
class Had:
    """A served reading, and the time of the next request (UTC ns).

    The daemon asks again on a connection when it has the answer, or when its time-out is over. So where the next
    request came long before that, it had this reading by then; `until` is None where nothing is known.
    """

    serial: int
    time: int
    until: int | None


def checks(device: str, serial: int) -> tuple[int, int]:
    """The two words beside a serial number."""
    word = zlib.crc32(f"{device} {serial}".encode())
    return word & 0xFFFF, word >> 16


def never() -> float:
    """No delay of an answer."""
    return 0.0


@dataclass
class Meter:
    """A device of a role; `served` is the log, `delay` says how many seconds the next answer takes."""

    name: str
    role: str
    kind: str
    interval: str
    delay: Callable[[], float] = never
    served: list[Served] = field(default_factory=list)
    server: Server | None = None

    def __call__(self, request: Request) -> Sequence[Step]:
        assert (request.address, request.count) == (0, 4), f"one request a reading, not {request}"
        serial = len(self.served) + 1
        words = (serial >> 16, serial & 0xFFFF, *checks(self.name, serial))
        data = b"".join(word.to_bytes(2, "big") for word in words)
        self.served.append(Served(serial, time.time_ns(), request.connection))
        return [Step(self.delay(), request.frame(bytes([request.code, len(data)]) + data))]

    def had(self) -> list[Had]:
        """Return all served readings."""
        served = [*self.served]
        following: dict[int, Served] = {}
        had = []
        for reading in reversed(served):
            had.append(Had(reading.serial, reading.time, received_by(reading, following.get(reading.connection))))
            following[reading.connection] = reading
        return had[::-1]


def received_by(reading: Served, following: Served | None) -> int | None:
    """Return the time by which the daemon had received the answer, UTC ns; None if unknown.

    following: the next request of the same connection. The daemon sends it soon only if it has the answer.
    """
    if following is None or following.time - reading.time >= TIMEOUT / 2 * NS:
        return None
    return following.time
