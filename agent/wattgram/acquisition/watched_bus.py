"""A bus whose requests report a deadline to the watchdog."""

from __future__ import annotations

from typing import Protocol

from wattgram_drivers.device import Table
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.bus import Bus

from wattgram.base.watchdog import Pulse

CONNECT_SECONDS = 5.0
"""Longest time to open a connection or to give up, beside the bus' own time-out, real s."""

ROUNDS = 10
"""Longest duration of a request, in time-outs: the request may wait for silence on the line and for two requests that
must precede it, and all of this may be repeated on a new connection."""

LONGEST_EXCHANGE = 264
"""Longest request and response together, in characters."""


class DeviceBus(Protocol):
    """The part of a bus that reads devices."""

    @property
    def endpoint(self) -> Endpoint:
        """Address of the bus."""

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float,  # noqa: ASYNC109 - the device's own, as in `modbus.Bus`
        delay: float = 0.0,
        deadline: float | None = None,
    ) -> bytes:
        """Read registers, as `modbus.Bus.read` does."""
        ...


class WatchedBus:
    """A bus that announces the longest duration of each step to its watchdog pulse."""

    def __init__(self, bus: Bus, pulse: Pulse, delay: float) -> None:
        """`delay`: wait after a new connection, s."""
        self.endpoint = bus.endpoint
        self._bus = bus
        self._pulse = pulse
        self._delay = delay
        self._connect = CONNECT_SECONDS + bus.timeout + delay

    async def connect(self) -> None:
        """Open the connection if it is closed. Raise BusDown on failure."""
        self._pulse.within(self._connect)
        await self._bus.connect(self._delay)

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float,  # noqa: ASYNC109 - the device's own, as in `modbus.Bus`
        delay: float = 0.0,
        deadline: float | None = None,
    ) -> bytes:
        """Read registers, as `modbus.Bus.read` does."""
        self._pulse.within(self._connect + ROUNDS * (timeout + delay + LONGEST_EXCHANGE * self.endpoint.character))
        return await self._bus.read(unit, table, address, count, timeout=timeout, delay=delay, deadline=deadline)
