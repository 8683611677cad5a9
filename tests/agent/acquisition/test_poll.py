"""When a line reads whom, against real servers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isnan

import pytest
from wattgram.acquisition.bus_usage import Usage
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import LONGEST_BACK_OFF, BusPoller
from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.driver_errors import BusDown
from wattgram_drivers.endpoint import Endpoint, parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import leaping_loop
from tests.support.leaping_loop import LeapClock
from tests.support.misbehaving_device import (
    Behaviour,
    Request,
    Server,
    Slave,
    Step,
    by_unit,
    honest,
    late,
    silent,
    until,
)
from tests.support.servers import free_port


class Settable(LeapClock):
    """A clock whose wall time can be set."""

    offset = 0

    def time(self) -> int:
        return super().time() + self.offset


class Led(Clock):
    """Stands where the test sets it, in s since it was made; its wall time can be set."""

    now = 0.0
    offset = 0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> int:
        return super().time() + self.offset


class Taken:
    """Remembers who was read when, in wall s."""

    def __init__(self) -> None:
        self.readings: list[tuple[str, float]] = []
        self.records: list[Record] = []

    def take(self, source: Source, reading: Reading) -> None:
        self.readings.append((source.config.name, reading.time / NS))
        self.records.append(source.take(reading))

    def of(self, name: str) -> list[float]:
        return [time for who, time in self.readings if who == name]


def metered(url: str, name: str, unit: int, interval: float) -> DeviceConfig:
    """An SDM630 of which the power is read."""
    meter = load("eastron_sdm630")
    return DeviceConfig(
        name,
        "load",
        meter.name,
        meter,
        parse(url),
        unit,
        interval=interval,
        timeout=0.1,
        quantities=("active_power_total",),
    )


def line_of(configs: Sequence[DeviceConfig], clock: Clock, bus: Bus | None = None) -> tuple[BusPoller, Taken]:
    """A line with these devices."""
    sources = [Source(config, "works", clock.monotonic()) for config in configs]
    taken = Taken()
    return BusPoller(bus or Bus(configs[0].endpoint), sources, taken, clock, random.Random(1)), taken


async def lined(server: Server, clock: Clock, units: dict[str, int], *, interval: float) -> tuple[BusPoller, Taken]:
    """A line with SDM630 meters at these units."""
    return line_of([metered(server.url, name, unit, interval) for name, unit in units.items()], clock)


@contextlib.asynccontextmanager
async def running(*lines: BusPoller) -> AsyncIterator[None]:
    """The lines poll while the block lasts."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(line.run()) for line in lines]
        yield
        for task in tasks:
            task.cancel()


def test_readings_are_aligned_to_the_wall_clocks_intervals() -> None:
    async def run() -> list[float]:
        clock = Clock()
        async with Server(honest) as server:
            line, taken = await lined(server, clock, {"one": 1}, interval=0.5)
            task = asyncio.create_task(line.run())
            await until(lambda: len(taken.readings) >= 4)
            task.cancel()
        return taken.of("one")

    halves = [int(time / 0.5) for time in asyncio.run(run())]
    assert halves == list(range(halves[0], halves[0] + len(halves)))


def test_a_wall_clock_that_is_set_back_stops_nobody() -> None:
    async def run() -> None:
        clock = Settable()
        async with Server(honest) as server:
            line, taken = await lined(server, clock, {"one": 1, "two": 2}, interval=0.2)
            task = asyncio.create_task(line.run())
            await until(lambda: len(taken.readings) >= 4)
            clock.offset = -3600 * NS
            before = {name: len(taken.of(name)) for name in ("one", "two")}
            await asyncio.wait_for(until(lambda: all(len(taken.of(n)) >= before[n] + 3 for n in before)), 30)
            task.cancel()

    leaping_loop.run(run())


@pytest.mark.parametrize("interval", [0.1, 1.0, 60.0, 300.0])
@pytest.mark.parametrize("by", [-3600.0, -200.0, -60.0, -1.0, -0.25, 0.0, 0.25, 1.0, 200.0, 3600.0, 1e8, -1e8])
def test_a_device_is_read_within_one_and_a_half_intervals_whatever_the_wall_clock_does(
    interval: float, by: float
) -> None:
    clock = Led(1_790_000_000 * NS)
    line, _ = line_of([metered("tcp://127.0.0.1:502", "one", 1, interval)], clock)
    (station,) = line._stations
    for visit in range(12):
        line._schedule(station)
        assert 0.0 < station.due - clock.now <= 1.5 * interval
        clock.now = station.due
        # Whoever is not set in this moment is read at whole intervals of the wall clock.
        if visit not in (0, 5, 6, 7):
            assert clock.time() % round(interval * NS) < 1000
        if visit == 5:
            clock.offset += round(by * NS)


@pytest.mark.parametrize("by", [-3600.0, -1800.0, -5.0, 5.0, 3600.0])
def test_slow_quantities_do_not_wait_for_a_clock_that_was_set(by: float) -> None:
    clock = Led(1_790_000_000 * NS)
    config = replace(metered("tcp://127.0.0.1:502", "one", 1, 1.0), slow_interval=3600.0)
    line, _ = line_of([config], clock)
    (station,) = line._stations
    slow: list[float] = []
    for visit in range(9000):
        line._schedule(station)
        clock.now = station.due
        if (period := line._slow_period(station)) != station.slow_period:
            station.slow_period = period
            slow.append(clock.now)
        if visit == 4000:
            clock.offset += round(by * NS)
    # An hour, and the 5 s that it was made longer.
    assert all(later - earlier <= 3607.0 for earlier, later in pairwise([*slow, 9000.0]))


def test_a_dead_unit_is_asked_more_and_more_rarely_and_found_again() -> None:
    alive = False

    def waking(request: Request) -> Sequence[Step]:
        return honest(request) if alive else silent(request)

    async def run() -> tuple[int, int, Taken]:
        nonlocal alive
        behaviour: Behaviour = by_unit({2: waking})
        async with Server(behaviour) as server:
            line, taken = await lined(server, LeapClock(), {"good": 1, "dead": 2}, interval=0.2)
            task = asyncio.create_task(line.run())
            await until(lambda: len(taken.of("good")) >= 15)
            asked = sum(request.unit == 2 for request in server.requests)
            alive = True
            await until(lambda: bool(taken.of("dead")))
            task.cancel()
            return asked, len(taken.of("good")), taken

    asked, good, _ = leaping_loop.run(run())
    # 0.2 s doubling from the second failure on: asked at about 0, 0.2, 0.6, 1.4 s and so on.
    assert 2 <= asked <= 6 < good


@dataclass
class Heart:
    """Beats a hundred times a second, and knows by how much this machine was late at most."""

    latest: float = 0.0

    async def beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            expected = loop.time() + 0.01
            await asyncio.sleep(0.01)
            self.latest = max(self.latest, loop.time() - expected)


PERIOD, TIMEOUT, DEATH, DEAD = 1.0, 0.3, 8.0, 5


def mortal(died: float) -> Behaviour:
    """One of the units answers until that time of the loop."""
    return by_unit({DEAD: lambda request: (honest if request.time < died else silent)(request)})


def ten_meters(url: str, clock: Clock) -> BusPoller:
    configs = [replace(metered(url, f"m{unit}", unit, PERIOD), timeout=TIMEOUT) for unit in range(1, 11)]
    return line_of(configs, clock)[0]


def off_beat(requests: Sequence[Request], unit: int, tolerance: float) -> list[float]:
    """By how much the periods between a unit's requests differ from PERIOD, where it is more than `tolerance`.

    The first of all is left out: before it the line was opened, and swept of what was on it.
    """
    times = [one.time for one in requests if one.unit == unit][1:]
    assert len(times) >= 60 / PERIOD
    return [odd for a, b in pairwise(times) if abs(odd := b - a - PERIOD) > tolerance]


def nine_others_notice_little(requests: Sequence[Request], died: float, lag: float) -> None:
    tried = [one.time for one in requests if one.unit == DEAD and one.time > died]
    # At its second, at the next one, and then 1 to 2, 2 to 4, 4 to 8, 8 to 16 and 16 to 32 s later.
    assert 5 <= len(tried) <= 8
    for unit in set(range(1, 11)) - {DEAD}:
        odd = off_beat(requests, unit, 0.1 * PERIOD + 2 * lag)
        # Once late by its time-out, when it died, and in time again at the next second.
        assert len(odd) <= 2, odd
        assert all(abs(each) <= TIMEOUT + 0.1 * PERIOD + 2 * lag for each in odd)


@pytest.mark.parametrize("rtu", [False, True])
def test_a_unit_that_dies_costs_nine_others_one_time_out_on_a_leaping_clock(rtu: bool) -> None:
    async def run() -> Server:
        async with Server(mortal(DEATH), rtu=rtu) as server, running(ten_meters(server.url, LeapClock())):
            await asyncio.sleep(DEATH + 60.0)
            return server

    nine_others_notice_little(leaping_loop.run(run()).requests, DEATH, 0.0)


@pytest.mark.slow(70)
@pytest.mark.nightly(part="days")
def test_a_unit_that_dies_costs_nine_others_one_time_out_and_then_nothing_for_a_minute() -> None:
    async def run() -> tuple[Server, Slave, float, float]:
        clock, heart, loop = Clock(), Heart(), asyncio.get_running_loop()
        died = loop.time() + DEATH
        async with Server(mortal(died)) as server, Slave(mortal(died)) as slave:
            beating = asyncio.create_task(heart.beat())
            async with running(ten_meters(server.url, clock), ten_meters(slave.url, clock)):
                await asyncio.sleep(DEATH + 60.0)
            beating.cancel()
            return server, slave, heart.latest, died

    server, slave, lag, died = asyncio.run(run())
    for requests in (server.requests, slave.requests):
        nine_others_notice_little(requests, died, lag)


def test_a_bus_with_too_much_to_do_slows_all_its_devices_down_alike() -> None:
    # Four devices every 0.4 s and four every 0.8 s need 0.11 s each (60 ms of silence, 50 ms for the answer): 165 %.
    async def run() -> Taken:
        async with Server(late(0.05)) as server:
            configs = [metered(server.url, f"quick-{unit}", unit, 0.4) for unit in range(1, 5)]
            configs += [metered(server.url, f"calm-{unit}", unit, 0.8) for unit in range(5, 9)]
            line, taken = line_of(configs, LeapClock())
            async with running(line):
                await until(lambda: len(taken.readings) >= 150)
            return taken

    taken = leaping_loop.run(run())
    counts = {name: len(taken.of(name)) for name in {name for name, _ in taken.readings}}
    quick = [count for name, count in counts.items() if name.startswith("quick")]
    calm = [count for name, count in counts.items() if name.startswith("calm")]
    assert (len(quick), len(calm)) == (4, 4)
    assert max(quick) - min(quick) <= 2
    assert max(calm) - min(calm) <= 2
    assert 1.5 < sum(quick) / sum(calm) < 2.5  # 2 when both are slowed down by the same factor


def test_a_device_that_failed_is_tried_even_where_the_bus_is_never_free() -> None:
    waking = False

    def mute(request: Request) -> Sequence[Step]:
        return honest(request) if waking else silent(request)

    async def run() -> Taken:
        nonlocal waking
        async with Server(by_unit({9: mute}, late(0.04))) as server:
            configs = [metered(server.url, f"m{unit}", unit, 0.2) for unit in range(1, 5)]
            configs.append(metered(server.url, "back", 9, 0.2))
            line, taken = line_of(configs, LeapClock())
            async with running(line):
                await until(lambda: line.failures >= 2)
                waking = True
                await asyncio.wait_for(until(lambda: bool(taken.of("back"))), 30)
            return taken

    assert leaping_loop.run(run()).of("back")


def test_slow_quantities_are_read_once_a_slow_interval_and_absent_in_between() -> None:
    async def run() -> list[Record]:
        async with Server(honest) as server:
            config = replace(
                metered(server.url, "one", 1, 0.25),
                quantities=("active_power_total", "active_energy_total"),
                slow_interval=1.0,
            )
            line, taken = line_of([config], LeapClock())
            async with running(line):
                await until(lambda: len(taken.records) >= 14)
            return taken.records

    records = leaping_loop.run(run())
    assert not any(isnan(float(record["active_power_total"])) for record in records)
    read = [record.time // NS for record in records if not isnan(float(record["active_energy_total"]))]
    # The first reading is complete; after it there is one in each second.
    assert read[0] == records[0].time // NS
    assert read == sorted(set(read))
    assert set(read) >= {record.time // NS for record in records[1:-4]}


class Noting(Bus):
    """A bus that remembers when somebody wanted to connect, and whether it could."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.attempts: list[tuple[float, bool]] = []

    async def connect(self, delay: float = 0.0) -> None:
        now = asyncio.get_running_loop().time()
        try:
            await super().connect(delay)
        except BusDown:
            self.attempts.append((now, False))
            raise
        self.attempts.append((now, True))


def test_buses_of_one_dead_host_do_not_come_back_in_step() -> None:
    async def run() -> list[list[float]]:
        port, clock, chance = free_port(), LeapClock(), random.Random(1)
        buses = [Noting(parse(f"tcp://127.0.0.1:{port}")) for _ in range(10)]
        lines = []
        for bus in buses:
            source = Source(metered(f"tcp://127.0.0.1:{port}", "one", 1, 0.1), "works", clock.monotonic())
            lines.append(BusPoller(bus, [source], Taken(), clock, chance))
        async with running(*lines):
            await until(lambda: all(len(bus.attempts) >= 3 for bus in buses))
        return [[time for time, _ in bus.attempts] for bus in buses]

    found = leaping_loop.run(run())
    first, third = [times[0] for times in found], sorted(times[2] for times in found)
    assert max(first) - min(first) < 0.5 < third[-1] - third[0]
    # A second at least, doubled each time, by chance down to half: 0.5 to 1 s, then 1 to 2 s.
    assert all(0.5 <= b - a <= 1.5 and 1.0 <= c - b <= 2.5 for a, b, c, *_ in found)


def test_a_bus_that_is_down_is_one_line_in_the_log_and_all_are_read_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "wattgram.acquisition.poll")

    async def run() -> tuple[BusPoller, int]:
        server = Server(honest, port=free_port())
        line, taken = line_of([metered(server.url, f"m{unit}", unit, 0.2) for unit in range(1, 4)], LeapClock())
        async with running(line):
            await until(lambda: line.failures >= 2)
            tried = line.failures
            async with server:
                await asyncio.wait_for(until(lambda: {name for name, _ in taken.readings} == {"m1", "m2", "m3"}), 30)
        return line, tried

    line, tried = leaping_loop.run(run())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "connection refused; 3 devices wait" in said[0]
    assert f"{line.name}: connected again after {tried} attempts" in said[1]


def test_a_sleeping_inverter_is_no_alarm(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wattgram.acquisition.poll")

    async def run() -> None:
        async with Server(silent) as server:
            inverter = load("fronius_sunspec_float")
            assert inverter.night == "silent"
            config = DeviceConfig(
                "roof", "pv", inverter.name, inverter, parse(server.url), 1, interval=0.2, timeout=0.05
            )
            line, _ = line_of([config], LeapClock())
            async with running(line):
                await until(lambda: line.failures >= 2)

    leaping_loop.run(run())
    (said,) = caplog.records
    assert said.levelno == logging.INFO
    assert said.getMessage().startswith("roof: ")
    assert said.getMessage().endswith("; normal at night")


def test_a_fast_clock_makes_intervals_shorter_and_time_outs_not() -> None:
    # At 20 times real time an interval of 10 s is half a second; a unit that answers after 0.05 s has 0.1 s for it.
    async def run() -> tuple[Taken, BusPoller]:
        clock = Clock(1_790_000_000 * NS, 20.0)
        async with Server(late(0.05)) as server:
            line, taken = line_of([metered(server.url, "one", 1, 10.0)], clock)
            async with running(line):
                await until(lambda: len(taken.readings) >= 4)
            return taken, line

    taken, line = asyncio.run(run())
    tens = [int(time / 10.0) for time in taken.of("one")]
    assert tens == list(range(tens[0], tens[0] + len(tens)))
    assert line.failures == 0


@dataclass
class Used:
    """A bus that was used for so many seconds."""

    busy: float = 0.0


def test_the_busy_share_is_that_of_the_last_minute() -> None:
    clock, bus = Led(), Used()
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
    clock, bus = Led(speed=10.0), Used()
    usage = Usage(bus, clock)
    clock.now, bus.busy = 100.0, 3.0
    assert usage.share == pytest.approx(0.3)


def test_what_a_line_measures_of_its_bus_is_what_the_requests_took() -> None:
    # A request every 0.2 s that is answered after 0.1 s: at least half of the time, with its silence a little more.
    async def run() -> BusPoller:
        async with Server(late(0.1)) as server:
            config = replace(metered(server.url, "one", 1, 0.2), timeout=1.0)
            line, taken = line_of([config], LeapClock())
            async with running(line):
                await until(lambda: len(taken.readings) >= 15)
                assert line.requests == line.readings
                assert 0.4 < line.usage.share <= 1.0
            return line

    assert leaping_loop.run(run()).failures == 0


def test_waits_grow_to_five_minutes_and_never_beyond() -> None:
    line, _ = line_of([metered("tcp://127.0.0.1:502", "one", 1, 1.0)], Clock())
    waits = [line._back_off(1.0, failures) for failures in range(1, 40)]
    assert all(0.5 * 2.0**n <= wait <= 2.0**n for n, wait in enumerate(waits[:8]))
    assert max(waits) <= LONGEST_BACK_OFF
    assert min(waits[10:]) >= LONGEST_BACK_OFF / 2


def test_a_wait_for_the_next_hour_is_declared_in_real_seconds() -> None:
    async def run() -> float:
        # Ten past an hour on a clock at 20 times real time: 3000 s are left, 150 s for who looks at a watch.
        clock = Clock(start=1_790_000_400 * NS // (3600 * NS) * 3600 * NS + 600 * NS, speed=20.0)
        line, _ = line_of([metered("tcp://127.0.0.1:1", "one", 1, 3600.0)], clock)
        async with running(line):
            await until(lambda: line.pulse.steps > 0)
            return line.pulse.seconds

    assert asyncio.run(run()) == pytest.approx(150.0, abs=2.0)


def test_a_request_and_the_back_off_of_a_bus_are_declared() -> None:
    async def run() -> None:
        async with Server(silent) as server:
            line, _ = line_of([metered(server.url, "one", 1, 0.2)], LeapClock())
            async with running(line):
                await until(lambda: bool(server.requests))
                # 5 s and the bus' own second to connect, then 10 times a time-out of 0.1 s and the meter's 60 ms.
                assert line.pulse.seconds == pytest.approx(6.0 + 10 * 0.16)
        line, _ = line_of([metered(f"tcp://127.0.0.1:{free_port()}", "one", 1, 0.2)], LeapClock())
        async with running(line):
            await until(lambda: line.failures == 1)
            await until(lambda: 0.5 <= line.pulse.seconds <= 1.0)

    leaping_loop.run(run())
