"""The share of time for which a bus is busy, and the waits that a line declares."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest
from wattgram.acquisition.bus_usage import Usage
from wattgram.acquisition.poll import BusPoller
from wattgram.base.clock import NS, Clock

from tests.support import leaping_loop
from tests.support.leaping_loop import LeapClock
from tests.support.misbehaving_device import Server, late, silent, until
from tests.support.polled_lines import SteppedClock, line_of, meter_config, running
from tests.support.servers import free_port


@dataclass
class Used:
    """A bus with the time of its use, s."""

    busy: float = 0.0


def test_the_busy_share_is_the_share_of_the_last_minute() -> None:
    clock, bus = SteppedClock(), Used()
    usage = Usage(bus, clock)
    assert usage.share == 0.0
    for second in range(1, 121):  # a quarter of the first minute, half of the second
        clock.now = float(second)
        bus.busy += 0.25 if second <= 60 else 0.5
        usage.update()
        if second == 60:
            assert usage.share == pytest.approx(0.25)
    assert usage.share == pytest.approx(0.5)


def test_the_busy_share_is_of_real_time() -> None:
    # At ten times real time 100 s of the clock are 10 s, of which 3 were used.
    clock, bus = SteppedClock(speed=10.0), Used()
    usage = Usage(bus, clock)
    clock.now, bus.busy = 100.0, 3.0
    assert usage.share == pytest.approx(0.3)


def test_the_busy_share_of_a_line_is_the_time_of_its_requests() -> None:
    # A request every 0.2 s that is answered after 0.1 s: at least half of the time, with its silence a little more.
    async def run() -> BusPoller:
        async with Server(late(0.1)) as server:
            config = replace(meter_config(server.url, "one", 1, 0.2), timeout=1.0)
            line, recorder = line_of([config], LeapClock())
            async with running(line):
                await until(lambda: len(recorder.readings) >= 15)
                assert line.requests == line.readings
                assert 0.4 < line.usage.share <= 1.0
            return line

    assert leaping_loop.run(run()).failures == 0


def test_a_wait_for_the_next_hour_is_declared_in_real_seconds() -> None:
    async def run() -> float:
        # Ten past an hour on a clock at 20 times real time: 3000 s are left, 150 s of real time.
        clock = Clock(start=1_790_000_400 * NS // (3600 * NS) * 3600 * NS + 600 * NS, speed=20.0)
        line, _ = line_of([meter_config("tcp://127.0.0.1:1", "one", 1, 3600.0)], clock)
        async with running(line):
            await until(lambda: line.pulse.steps > 0)
            return line.pulse.seconds

    assert asyncio.run(run()) == pytest.approx(150.0, abs=2.0)


def test_a_request_and_the_back_off_of_a_bus_are_declared() -> None:
    async def run() -> None:
        async with Server(silent) as server:
            line, _ = line_of([meter_config(server.url, "one", 1, 0.2)], LeapClock())
            async with running(line):
                await until(lambda: bool(server.requests))
                # 5 s and the bus' own second to connect, then 10 times a time-out of 0.1 s and the meter's 60 ms.
                assert line.pulse.seconds == pytest.approx(6.0 + 10 * 0.16)
        line, _ = line_of([meter_config(f"tcp://127.0.0.1:{free_port()}", "one", 1, 0.2)], LeapClock())
        async with running(line):
            await until(lambda: line.failures == 1)
            await until(lambda: 0.5 <= line.pulse.seconds <= 1.0)

    leaping_loop.run(run())
