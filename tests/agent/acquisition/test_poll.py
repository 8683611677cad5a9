"""The times at which a line reads its devices, with real servers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise
from math import isnan

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import LONGEST_BACK_OFF, BusPoller
from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load
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
    refuses,
    silent,
    until,
)
from tests.support.polled_lines import (
    ReadingRecorder,
    Settable,
    SteppedClock,
    line_of,
    meter_config,
    meter_line,
    running,
)
from tests.support.servers import free_port


def test_readings_are_aligned_to_the_wall_clocks_intervals() -> None:
    async def run() -> list[float]:
        async with Server(honest) as server:
            line, recorder = await meter_line(server, LeapClock(), {"one": 1}, interval=0.5)
            task = asyncio.create_task(line.run())
            await until(lambda: len(recorder.readings) >= 4)
            task.cancel()
        return recorder.times_of("one")

    halves = [int(time / 0.5) for time in leaping_loop.run(run())]
    assert halves == list(range(halves[0], halves[0] + len(halves)))


def test_readings_continue_when_the_wall_clock_is_set_back() -> None:
    async def run() -> None:
        clock = Settable()
        async with Server(honest) as server:
            line, recorder = await meter_line(server, clock, {"one": 1, "two": 2}, interval=0.2)
            task = asyncio.create_task(line.run())
            await until(lambda: len(recorder.readings) >= 4)
            clock.offset = -3600 * NS
            before = {name: len(recorder.times_of(name)) for name in ("one", "two")}
            await asyncio.wait_for(until(lambda: all(len(recorder.times_of(n)) >= before[n] + 3 for n in before)), 30)
            task.cancel()

    leaping_loop.run(run())


@pytest.mark.parametrize("interval", [0.1, 1.0, 60.0, 300.0])
@pytest.mark.parametrize("by", [-3600.0, -200.0, -60.0, -1.0, -0.25, 0.0, 0.25, 1.0, 200.0, 3600.0, 1e8, -1e8])
def test_a_device_is_read_within_one_and_a_half_intervals_whatever_the_wall_clock_does(
    interval: float, by: float
) -> None:
    clock = SteppedClock(1_790_000_000 * NS)
    line, _ = line_of([meter_config("tcp://127.0.0.1:502", "one", 1, interval)], clock)
    (station,) = line._stations
    for visit in range(12):
        line._schedule(station)
        assert 0.0 < station.due - clock.now <= 1.5 * interval
        clock.now = station.due
        # While the clock is not set, the device is read at whole intervals of the wall clock.
        if visit not in (0, 5, 6, 7):
            assert clock.time() % round(interval * NS) < 1000
        if visit == 5:
            clock.offset += round(by * NS)


@pytest.mark.parametrize("by", [-3600.0, -1800.0, -5.0, 5.0, 3600.0])
def test_slow_quantities_do_not_wait_for_a_clock_that_was_set(by: float) -> None:
    clock = SteppedClock(1_790_000_000 * NS)
    config = replace(meter_config("tcp://127.0.0.1:502", "one", 1, 1.0), slow_interval=3600.0)
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
    # An hour, and the 5 s by which the clock was set back.
    assert all(later - earlier <= 3607.0 for earlier, later in pairwise([*slow, 9000.0]))


def test_a_silent_unit_is_polled_less_and_less_often_until_it_answers() -> None:
    alive = False

    def waking(request: Request) -> Sequence[Step]:
        return honest(request) if alive else silent(request)

    async def run() -> tuple[int, int, ReadingRecorder]:
        nonlocal alive
        behaviour: Behaviour = by_unit({2: waking})
        async with Server(behaviour) as server:
            line, recorder = await meter_line(server, LeapClock(), {"good": 1, "dead": 2}, interval=0.2)
            task = asyncio.create_task(line.run())
            await until(lambda: len(recorder.times_of("good")) >= 15)
            request_count = sum(request.unit == 2 for request in server.requests)
            alive = True
            await until(lambda: bool(recorder.times_of("dead")))
            task.cancel()
            return request_count, len(recorder.times_of("good")), recorder

    request_count, good, _ = leaping_loop.run(run())
    # 0.2 s, doubled from the second failure on: requests at about 0, 0.2, 0.6, 1.4 s and so on.
    assert 2 <= request_count <= 6 < good


@dataclass
class LagMeter:
    """Measures a hundred times a second by how much this machine is late; `latest` is the maximum, s."""

    latest: float = 0.0

    async def measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            expected = loop.time() + 0.01
            await asyncio.sleep(0.01)
            self.latest = max(self.latest, loop.time() - expected)


PERIOD, TIMEOUT, DEATH, DEAD = 1.0, 0.3, 8.0, 5


def dying_unit(death: float) -> Behaviour:
    """Return a behaviour in which the unit DEAD answers until a time of the loop."""
    return by_unit({DEAD: lambda request: (honest if request.time < death else silent)(request)})


def ten_meters(url: str, clock: Clock) -> BusPoller:
    configs = [replace(meter_config(url, f"m{unit}", unit, PERIOD), timeout=TIMEOUT) for unit in range(1, 11)]
    return line_of(configs, clock)[0]


def deviations(requests: Sequence[Request], unit: int, tolerance: float) -> list[float]:
    """Return the differences between PERIOD and the periods of a unit's requests that exceed `tolerance`, s.

    The first request is left out: before it the line is opened and cleared.
    """
    times = [request.time for request in requests if request.unit == unit][1:]
    assert len(times) >= 60 / PERIOD
    return [deviation for a, b in pairwise(times) if abs(deviation := b - a - PERIOD) > tolerance]


def assert_other_units_are_read_on_time(requests: Sequence[Request], death: float, lag: float) -> None:
    attempt_times = [request.time for request in requests if request.unit == DEAD and request.time > death]
    # At its second, at the next second, and then 1 to 2, 2 to 4, 4 to 8, 8 to 16 and 16 to 32 s later.
    assert 5 <= len(attempt_times) <= 8
    for unit in set(range(1, 11)) - {DEAD}:
        deviating = deviations(requests, unit, 0.1 * PERIOD + 2 * lag)
        # Late once, by the time-out of the dead unit, and on time at the next second.
        assert len(deviating) <= 2, deviating
        assert all(abs(deviation) <= TIMEOUT + 0.1 * PERIOD + 2 * lag for deviation in deviating)


@pytest.mark.parametrize("rtu", [False, True])
def test_a_dying_unit_delays_nine_others_by_one_time_out_on_a_leaping_clock(rtu: bool) -> None:
    async def run() -> Server:
        async with Server(dying_unit(DEATH), rtu=rtu) as server, running(ten_meters(server.url, LeapClock())):
            await asyncio.sleep(DEATH + 60.0)
            return server

    assert_other_units_are_read_on_time(leaping_loop.run(run()).requests, DEATH, 0.0)


@pytest.mark.slow(70)
@pytest.mark.nightly(part="days")
def test_a_dying_unit_delays_nine_others_by_one_time_out_and_not_again_for_a_minute() -> None:
    async def run() -> tuple[Server, Slave, float, float]:
        clock, lag_meter, loop = Clock(), LagMeter(), asyncio.get_running_loop()
        death = loop.time() + DEATH
        async with Server(dying_unit(death)) as server, Slave(dying_unit(death)) as slave:
            measuring = asyncio.create_task(lag_meter.measure())
            async with running(ten_meters(server.url, clock), ten_meters(slave.url, clock)):
                await asyncio.sleep(DEATH + 60.0)
            measuring.cancel()
            return server, slave, lag_meter.latest, death

    server, slave, lag, death = asyncio.run(run())
    for requests in (server.requests, slave.requests):
        assert_other_units_are_read_on_time(requests, death, lag)


def test_an_overloaded_bus_slows_all_its_devices_down_alike() -> None:
    # Four devices every 0.4 s and four every 0.8 s need 0.11 s each (60 ms of silence, 50 ms for the answer): 165 %.
    async def run() -> ReadingRecorder:
        async with Server(late(0.05)) as server:
            configs = [meter_config(server.url, f"quick-{unit}", unit, 0.4) for unit in range(1, 5)]
            configs += [meter_config(server.url, f"calm-{unit}", unit, 0.8) for unit in range(5, 9)]
            line, recorder = line_of(configs, LeapClock())
            async with running(line):
                await until(lambda: len(recorder.readings) >= 150)
            return recorder

    recorder = leaping_loop.run(run())
    counts = {name: len(recorder.times_of(name)) for name in {name for name, _ in recorder.readings}}
    quick = [count for name, count in counts.items() if name.startswith("quick")]
    calm = [count for name, count in counts.items() if name.startswith("calm")]
    assert (len(quick), len(calm)) == (4, 4)
    assert max(quick) - min(quick) <= 2
    assert max(calm) - min(calm) <= 2
    assert 1.5 < sum(quick) / sum(calm) < 2.5  # 2 when both are slowed down by the same factor


def test_a_failed_device_is_retried_even_on_a_bus_that_is_never_free() -> None:
    waking = False

    def mute(request: Request) -> Sequence[Step]:
        return honest(request) if waking else silent(request)

    async def run() -> ReadingRecorder:
        nonlocal waking
        async with Server(by_unit({9: mute}, late(0.04))) as server:
            configs = [meter_config(server.url, f"m{unit}", unit, 0.2) for unit in range(1, 5)]
            configs.append(meter_config(server.url, "back", 9, 0.2))
            line, recorder = line_of(configs, LeapClock())
            async with running(line):
                await until(lambda: line.failures >= 2)
                waking = True
                await asyncio.wait_for(until(lambda: bool(recorder.times_of("back"))), 30)
            return recorder

    assert leaping_loop.run(run()).times_of("back")


def test_slow_quantities_are_read_once_a_slow_interval_and_absent_in_between() -> None:
    async def run() -> list[Record]:
        async with Server(honest) as server:
            config = replace(
                meter_config(server.url, "one", 1, 0.25),
                quantities=("active_power_total", "active_energy_total"),
                slow_interval=1.0,
            )
            line, recorder = line_of([config], LeapClock())
            async with running(line):
                await until(lambda: len(recorder.records) >= 14)
            return recorder.records

    records = leaping_loop.run(run())
    assert not any(isnan(float(record["active_power_total"])) for record in records)
    read = [record.time // NS for record in records if not isnan(float(record["active_energy_total"]))]
    # The first reading is complete; after it there is a complete reading in each second.
    assert read[0] == records[0].time // NS
    assert read == sorted(set(read))
    assert set(read) >= {record.time // NS for record in records[1:-4]}


class ConnectionRecorder(Bus):
    """A bus that records the time and the success of each attempt to connect."""

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


def test_buses_of_one_dead_host_retry_at_different_times() -> None:
    async def run() -> list[list[float]]:
        port, clock, chance = free_port(), LeapClock(), random.Random(1)
        buses = [ConnectionRecorder(parse(f"tcp://127.0.0.1:{port}")) for _ in range(10)]
        lines = []
        for bus in buses:
            source = Source(meter_config(f"tcp://127.0.0.1:{port}", "one", 1, 0.1), "works", clock.monotonic())
            lines.append(BusPoller(bus, [source], ReadingRecorder(), clock, chance))
        async with running(*lines):
            await until(lambda: all(len(bus.attempts) >= 3 for bus in buses))
        return [[time for time, _ in bus.attempts] for bus in buses]

    attempts = leaping_loop.run(run())
    first, third = [times[0] for times in attempts], sorted(times[2] for times in attempts)
    assert max(first) - min(first) < 0.5 < third[-1] - third[0]
    # A second, doubled at each attempt, less up to half of it by chance: 0.5 to 1 s, then 1 to 2 s.
    assert all(0.5 <= b - a <= 1.5 and 1.0 <= c - b <= 2.5 for a, b, c, *_ in attempts)


def test_a_bus_outage_is_one_line_in_the_log_and_all_devices_are_read_after_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "wattgram.acquisition.poll")

    async def run() -> tuple[BusPoller, int]:
        server = Server(honest, port=free_port())
        line, recorder = line_of([meter_config(server.url, f"m{unit}", unit, 0.2) for unit in range(1, 4)], LeapClock())
        async with running(line):
            await until(lambda: line.failures >= 2)
            attempts = line.failures
            async with server:
                await asyncio.wait_for(until(lambda: {name for name, _ in recorder.readings} == {"m1", "m2", "m3"}), 30)
        return line, attempts

    line, attempts = leaping_loop.run(run())
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "connection refused; 3 devices wait" in messages[0]
    assert f"{line.name}: connected again after {attempts} attempts" in messages[1]


def test_a_sleeping_inverter_is_logged_as_normal(caplog: pytest.LogCaptureFixture) -> None:
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
    (log_record,) = caplog.records
    assert log_record.levelno == logging.INFO
    assert log_record.getMessage().startswith("roof: ")
    assert log_record.getMessage().endswith("; normal at night")


def test_a_fast_clock_shortens_intervals_but_not_time_outs() -> None:
    # At 20 times real time an interval of 10 s is half a second; a unit that answers after 0.05 s has 0.1 s for it.
    async def run() -> tuple[ReadingRecorder, BusPoller]:
        clock = LeapClock(speed=20.0)
        async with Server(late(0.05)) as server:
            line, recorder = line_of([meter_config(server.url, "one", 1, 10.0)], clock)
            async with running(line):
                await until(lambda: len(recorder.readings) >= 4)
            return recorder, line

    recorder, line = leaping_loop.run(run())
    tens = [int(time / 10.0) for time in recorder.times_of("one")]
    assert tens == list(range(tens[0], tens[0] + len(tens)))
    assert line.failures == 0


def test_the_back_off_grows_to_five_minutes_at_most() -> None:
    line, _ = line_of([meter_config("tcp://127.0.0.1:502", "one", 1, 1.0)], Clock())
    waits = [line._back_off(1.0, failures) for failures in range(1, 40)]
    assert all(0.5 * 2.0**n <= wait <= 2.0**n for n, wait in enumerate(waits[:8]))
    assert max(waits) <= LONGEST_BACK_OFF
    assert min(waits[10:]) >= LONGEST_BACK_OFF / 2


def test_a_unit_that_is_busy_at_every_second_request_is_read_whole_in_every_interval() -> None:
    requests = count()

    def every_second(request: Request) -> Sequence[Step]:
        return (refuses(6) if next(requests) % 2 else honest)(request)

    async def run() -> ReadingRecorder:
        clock = LeapClock()
        async with Server(every_second) as server:
            config = replace(meter_config(server.url, "one", 1, 5.0), quantities=(), timeout=1.0)
            line, recorder = line_of([config], clock)
            async with running(line):
                await clock.sleep(100.0)
        return recorder

    recorder = leaping_loop.run(run())
    assert len(recorder.records) in (19, 20)
    assert {record["quality"] for record in recorder.records} == {"good"}


def test_a_unit_that_is_busy_for_some_seconds_is_back_in_the_next_interval() -> None:
    async def run() -> list[float]:
        clock = LeapClock()

        def busy_at_times(request: Request) -> Sequence[Step]:
            return (refuses(6) if clock.monotonic() % 30.0 < 11.0 else honest)(request)

        async with Server(busy_at_times) as server:
            line, recorder = line_of([meter_config(server.url, "one", 1, 5.0)], clock)
            async with running(line):
                await clock.sleep(200.0)
        return recorder.times_of("one")

    times = leaping_loop.run(run())
    assert max(after - before for before, after in pairwise(times)) <= 21.0  # 11 s, and the rest of two intervals
