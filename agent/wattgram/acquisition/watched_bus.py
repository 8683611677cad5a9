"""A bus on which each request is a step that the watchdog sees."""

from __future__ import annotations

from typing import Protocol

from wattgram_drivers.device import Table
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.bus import Bus

from wattgram.base.watchdog import Pulse

CONNECT_SECONDS = 5.0
"""Real seconds in which a connection stands or is given up, at most, beside the bus' own time-out."""

ROUNDS = 10
"""Time-outs in which a request has its answer or is given up, at most: it may have to wait for silence on the line, and
to ask two questions first."""

LONGEST_EXCHANGE = 264
"""Characters of a request and its answer, at most."""


class DeviceBus(Protocol):
    """A bus, as far as devices are asked on it."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""

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
        """What `modbus.Bus.read` does."""
        ...


class WatchedBus:
    """A bus; before it is asked its pulse is told how long that may take."""

    def __init__(self, bus: Bus, pulse: Pulse, delay: float) -> None:
        """`delay` in s after a connection is made."""
        self.endpoint = bus.endpoint
        self._bus = bus
        self._pulse = pulse
        self._delay = delay
        self._connect = CONNECT_SECONDS + bus.timeout + delay

    async def connect(self) -> None:
        """Open the connection, if it is not; BusDown."""
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
        """What `modbus.Bus.read` does."""
        self._pulse.within(self._connect + ROUNDS * (timeout + delay + LONGEST_EXCHANGE * self.endpoint.character))
        return await self._bus.read(unit, table, address, count, timeout=timeout, delay=delay, deadline=deadline)
