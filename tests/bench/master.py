"""CPU time of one Modbus TCP transaction: our bus against pymodbus' client, with the same libmodbus server.

Both read the same registers one request at a time; user and system time of this process, medians of shuffled
rounds. pymodbus hands over a list of numbers, we hand over bytes, which is what a decoder takes.

    python -m tests.bench.master
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable

from pymodbus.client import AsyncModbusTcpClient
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import libmodbus

ROUNDS = 20
TRANSACTIONS = 200

Read = Callable[[int], Awaitable[object]]


async def cost(read: Read, count: int) -> float:
    """Seconds of CPU of one transaction."""
    begun = time.process_time()
    for _ in range(TRANSACTIONS):
        await read(count)
    return (time.process_time() - begun) / TRANSACTIONS


async def compare(our_port: int, their_port: int) -> None:
    """Print one line a size."""
    bus = Bus(parse(f"tcp://127.0.0.1:{our_port}"))
    client = AsyncModbusTcpClient("127.0.0.1", port=their_port)
    await client.connect()

    async def ours(count: int) -> object:
        return await bus.read(1, "holding", 0, count)

    async def theirs(count: int) -> object:
        return await client.read_holding_registers(0, count=count, device_id=1)

    for count in (2, 20, 125):
        costs: dict[Read, list[float]] = {ours: [], theirs: []}
        for _ in range(ROUNDS):
            for read in random.sample([ours, theirs], 2):
                costs[read].append(await cost(read, count))
        mine, other = statistics.median(costs[ours]), statistics.median(costs[theirs])
        print(f"{count} registers: {mine * 1e6:.0f} us, pymodbus {other * 1e6:.0f} us: {other / mine:.1f}x")
    await bus.close()
    client.close()


def main() -> None:
    """One server for each client, since libmodbus' serves one."""
    random.seed(1)
    with libmodbus.server() as ours, libmodbus.server() as theirs:
        asyncio.run(compare(ours, theirs))


if __name__ == "__main__":
    main()
