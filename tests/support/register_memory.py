"""A device made of words, a clock set by hand, and a decoder, shared by tests."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wattgram_drivers.device import Device, Reading, Table
from wattgram_drivers.driver_errors import Refused
from wattgram_drivers.reader import Reader
from wattgram_ext.decode import Decoder

from tests.support.one_loop import on_one_loop


@dataclass
class HandClock:
    """Time as the test sets it: UTC in ns, and seconds."""

    now: int = 1_700_000_000_123_456_789
    seconds: float = 0.0

    def time(self) -> int:
        """UTC in ns."""
        return self.now

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds


class MemoryBus:
    """A stand-in of a bus without a socket: `requests` has each request, and `answer` gives the words.

    A device of a test overrides `answer`; `read` only where the answer needs time or the options of the request.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[Table, int, int]] = []

    def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
        """Return the words of a request, the last in `requests`; may raise what a bus raises."""
        raise NotImplementedError

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float = 1.0,  # noqa: ASYNC109 - the bus interface has it
        delay: float = 0.0,
        deadline: float | None = None,
    ) -> bytes:
        """Answer a request as the bus does: the octets of its words."""
        self.requests.append((table, address, count))
        words = self.answer(table, address, count)
        return struct.pack(f">{len(words)}H", *words)


class Memory(MemoryBus):
    """Answers reads from `words` (0 elsewhere); refuses requests that touch `illegal` or exceed `longest`."""

    def __init__(
        self, words: Mapping[int, int], illegal: Collection[int] = (), longest: int = 125, code: int = 2
    ) -> None:
        super().__init__()
        self.words = words
        self.illegal = set(illegal)
        self.longest = longest
        self.code = code

    def refuses(self, addresses: range) -> bool:
        """Return whether the device lacks one of the registers."""
        return not self.illegal.isdisjoint(addresses)

    def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
        """Return the words; Refused with `code`."""
        addresses = range(address, address + count)
        if count > self.longest or self.refuses(addresses):
            raise Refused(f"{address}+{count}", self.code)
        return [self.words.get(each, 0) for each in addresses]


def decode(reader: Reader, reading: Reading) -> dict[str, float]:
    """The values of a reading by their quantities, NaN where absent."""
    plan = reader.plan
    doubles = Decoder(plan.fields(), plan.factors(), plan.words).decode(reading.image, reading.valid)
    return dict(zip(plan.quantities, struct.unpack(f"{len(plan.quantities)}d", doubles), strict=True))


def values(device: Device, words: Mapping[int, int], illegal: Collection[int] = ()) -> dict[str, float]:
    """Return the values of a device whose registers hold `words`."""
    reader = Reader(device, device.unit)
    return decode(reader, on_one_loop(reader.read(Memory(words, illegal), HandClock())))
