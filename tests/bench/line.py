"""Ten SDM630 on one RTU line at 9600 baud, as fast as they go: how much of the wire's time is used.

The line is a pseudo-terminal that takes real wire time (`tests/support/paced_slaves.c`: 11 bits a byte, 3.5 characters
of turnaround). The wire's own time of a transaction is its bytes, the slave's turnaround and the silence that has
to come before the next request: 3.5 characters, or what the map says (60 ms for an SDM630). Nothing but the
master's own delay can make it longer, so the quotient is a ratio against a limit of the same run.

    python -m tests.bench.line
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from wattgram_drivers import catalogue
from wattgram_drivers.device import Device
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.reader import Reader

from tests.support.paced_slaves import Tally, slaves

METERS = 10
BAUDRATE = 9600
CHARACTER = 11 / BAUDRATE
QUIET = 3.5 * CHARACTER


@dataclass(frozen=True, slots=True)
class _Clock:
    def time(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()


async def _rounds(path: str, device: Device, count: int) -> list[float]:
    """Seconds of each round through all meters."""
    bus = Bus(Endpoint("rtu", path=path, port=0, baudrate=BAUDRATE))
    readers = [Reader(device, unit) for unit in range(1, METERS + 1)]
    seconds = []
    for _ in range(count):
        begun = time.perf_counter()
        for reader in readers:
            await reader.read(bus, _Clock())
        seconds.append(time.perf_counter() - begun)
    await bus.close()
    return seconds


def measured(device: Device, rounds: int) -> tuple[float, float, Tally, float]:
    """Share of the wire's rate, worst round against its limit, figures of the slaves, predicted s of a round."""
    silence = max(QUIET, device.limits.request_delay)
    blocks = Reader(device, 1).plan.blocks
    limit = METERS * sum((13 + 2 * block.count) * CHARACTER + QUIET + silence for block in blocks)
    with tempfile.TemporaryDirectory() as directory, slaves(Path(directory), BAUDRATE, silence) as line:
        seconds = asyncio.run(_rounds(line.path, device, rounds))
    tally = line.tally
    needed = tally.bytes * CHARACTER + tally.requests * QUIET + (tally.requests - 1) * silence
    return needed / tally.seconds, max(seconds[1:]) / limit, tally, limit


def main() -> None:
    """Print the three figures, with the map's silence of 60 ms and with the standard's alone."""
    device = catalogue.load("eastron_sdm630")
    plain = replace(device, limits=replace(device.limits, request_delay=0.0))
    for name, meter in (("60 ms of silence, as the map says", device), ("3.5 characters of silence", plain)):
        share, slowest, tally, limit = measured(meter, 3)
        print(
            f"{METERS} SDM630 at {BAUDRATE} baud, {name}: {share:.1%} of the wire's rate (goal 96 %); "
            f"{tally.early} of {tally.requests} requests early (goal 0), least silence {tally.smallest * 1e3:.2f} ms; "
            f"slowest round {slowest:.3f} of its limit of {limit:.2f} s (goal 1.1)"
        )


if __name__ == "__main__":
    main()
