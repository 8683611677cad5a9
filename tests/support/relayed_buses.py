"""A device served on every kind of wire, and our own master at its other end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping

import pytest
from wattgram_drivers.endpoint import Endpoint, parse
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served

from tests.support import leaping_loop
from tests.support.wire import Wire

PATIENT = 10.0  # seconds for an answer of a device that is well: a busy machine is no fault

WIRES = ("tcp", "rtutcp", "9600", "19200")
LINES = ("9600", "19200")
NETWORKS = ("tcp", "rtutcp")

every_wire = pytest.mark.parametrize("wire", WIRES)
every_network = pytest.mark.parametrize("wire", NETWORKS)


@contextlib.contextmanager
def ends(wire: str) -> Iterator[tuple[Endpoint, Endpoint | None]]:
    """Addresses to serve at and, if known before, to read at."""
    if wire in NETWORKS:
        yield parse(f"{wire}://127.0.0.1:0", listen=True), None
        return
    with Wire(int(wire)) as line:
        served, read = line.urls()
        yield parse(served), parse(read)


def on(wire: str, units: Mapping[int, Served], work: Callable[[Simulator, Bus], Awaitable[None]]) -> None:
    """Serve these units on a wire, and read them: on a network by a leaping clock, on a line in real time."""

    async def main(served: Endpoint, read: Endpoint | None) -> None:
        simulator = Simulator(served, units)
        started = await simulator.start()
        bus = Bus(read or started, timeout=PATIENT)
        try:
            await work(simulator, bus)
        finally:
            await bus.close()
            await simulator.stop()

    with ends(wire) as (served, read):
        (leaping_loop.run if wire in NETWORKS else asyncio.run)(main(served, read))
