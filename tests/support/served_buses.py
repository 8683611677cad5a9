"""A bus at a misbehaving device: a server, or a slave on a pseudo-terminal, whose registers hold their own addresses.

async def work(bus: Bus) -> None:
    await right(bus, 100, 3)

with_peer(Server(late(0.1)), work)
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Awaitable, Callable
from typing import Literal

from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import leaping_loop
from tests.support.misbehaving_device import Server, Slave

LIMIT = 0.5
"""Time-out of one answer, s of a clock that leaps."""

Peer = Server | Slave
Tolerated = tuple[Literal["transaction-id", "length"], ...]


def words(data: bytes) -> list[int]:
    """Return the big-endian words of an answer."""
    return list(struct.unpack(f">{len(data) // 2}H", data))


def with_peer(
    peer: Peer,
    work: Callable[[Bus], Awaitable[None]],
    *,
    settings: str = "",
    tolerated: Tolerated = (),
    limit: float = LIMIT,
) -> None:
    """Run `work` with a bus at the peer. settings: of the bus, such as `?baudrate=9600`. tolerated: of unit 1."""

    async def main() -> None:
        async with peer:
            bus = Bus(parse(peer.url + settings), timeout=limit, chance=random.Random(1))
            bus.tolerate(1, tolerated)
            await work(bus)
            await bus.close()

    # What is written to a pseudo-terminal comes a moment later: too late for a clock that leaps over waiting.
    (asyncio.run if isinstance(peer, Slave) else leaping_loop.run)(main())


async def right(bus: Bus, address: int = 100, count: int = 3, unit: int = 1, deadline: float | None = None) -> None:
    """Read registers, and check that each holds its own address."""
    data = await bus.read(unit, "holding", address, count, deadline=deadline)
    assert words(data) == list(range(address, address + count))
