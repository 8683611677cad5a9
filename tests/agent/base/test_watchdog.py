"""Stuck parts and waiting parts, with a clock that the test sets."""

from __future__ import annotations

import asyncio
import logging
import re
from math import inf

import pytest
from wattgram.base.clock import Clock
from wattgram.base.notify import Supervisor
from wattgram.base.watchdog import CHECK_PERIOD, RESUMED, STUCK, STUCK_MARGIN, Pulse, Watchdog

from tests.support.systemd import Listener


class SetClock(Clock):
    """A clock that the test sets, in real seconds."""

    def __init__(self, speed: float = 1.0) -> None:
        super().__init__(speed=speed)
        self.real = 0.0

    def monotonic(self) -> float:
        return self.real * self.speed

    async def sleep(self, seconds: float) -> None:
        self.real += seconds / self.speed


class Watched:
    """A watchdog that checks parts once in each period."""

    def __init__(self, *pulses: Pulse, supervisor: Supervisor | None = None, clock: SetClock | None = None) -> None:
        self.clock = clock or SetClock()
        self.watchdog = Watchdog(supervisor or Supervisor(), self.clock)
        self.watchdog.watch(pulses)
        self.events: list[tuple[str, str]] = []

    def after(self, seconds: float) -> list[str]:
        """Return the stuck parts after a number of real seconds, with a check in each period."""
        return asyncio.run(self._after(seconds))

    async def _after(self, seconds: float) -> list[str]:
        end = self.clock.real + seconds
        while self.clock.real < end:
            self.check(min(self.watchdog.period, end - self.clock.real))
        return self.watchdog.stuck

    def check(self, seconds: float) -> None:
        """Check the parts a number of real seconds after the last check."""
        self.clock.real += seconds
        self.watchdog.check(lambda event, detail: self.events.append((event, detail)))


def test_a_part_is_stuck_after_its_declared_time_and_the_margin_and_resumes_with_its_next_step() -> None:
    bus, site = Pulse("bus one"), Pulse("site")
    bus.within(20.0)
    site.within(inf)
    watched = Watched(bus, site)
    # The first check sees the step; from there on it is 20 s and the margin of 30 s.
    assert watched.after(CHECK_PERIOD + 20.0 + STUCK_MARGIN) == []
    assert watched.after(CHECK_PERIOD) == ["bus one"]
    assert watched.events == [(STUCK, "bus one: no progress for 55 s, expected within 20 s; its task has ended")]
    assert watched.after(10 * CHECK_PERIOD) == ["bus one"]
    bus.within(20.0)
    assert watched.after(CHECK_PERIOD) == []
    assert watched.events[1:] == [(RESUMED, "bus one")]


def test_an_interval_or_back_off_of_an_hour_is_a_wait() -> None:
    bus = Pulse("bus one")
    watched = Watched(bus)
    for _ in range(3):
        bus.within(3600.0)
        assert watched.after(3600.0) == []


def test_long_sequences_of_steps_are_not_stuck() -> None:
    sink = Pulse("deliver mqtt")
    watched = Watched(sink)
    for _ in range(50):  # 25 minutes of one write
        sink.within(10.0)
        assert watched.after(30.0) == []


def test_only_a_sink_without_records_may_wait_for_ever() -> None:
    sink, undelivered = Pulse("deliver mqtt"), 0
    watched = Watched(sink)
    sink.within(60.0, unless=lambda: undelivered == 0)
    assert watched.after(7 * 86400.0) == []
    undelivered = 1
    assert watched.after(60.0 + STUCK_MARGIN) == []
    assert watched.after(CHECK_PERIOD) == ["deliver mqtt"]
    undelivered = 0
    assert watched.after(CHECK_PERIOD) == []


def test_after_a_stop_of_the_whole_process_each_part_gets_one_more_period(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hung_part, good_part = Pulse("bus one"), Pulse("bus two")
    hung_part.within(10.0)
    watched = Watched(hung_part, good_part)
    for _ in range(3):
        good_part.within(10.0)
        watched.after(CHECK_PERIOD)
    caplog.set_level(logging.WARNING)
    watched.check(36_000.0)  # ten hours in which the process did not run
    assert watched.watchdog.stuck == []
    assert [record.getMessage() for record in caplog.records] == [
        "no part made progress for 35995 s: stopped, or blocked by one call"
    ]
    for _ in range(6):  # 10 s, the margin, and the period that was counted
        good_part.within(10.0)
        watched.after(CHECK_PERIOD)
    assert watched.watchdog.stuck == ["bus one"]


def test_a_process_that_is_stopped_repeatedly_still_finds_the_stuck_part() -> None:
    async def work() -> list[str]:
        hung_part = Pulse("bus one")
        hung_part.within(10.0)
        watched = Watched(hung_part)
        for _ in range(10):
            watched.check(600.0)
        return watched.watchdog.stuck

    assert asyncio.run(work()) == ["bus one"]


def test_declared_times_are_real_seconds_also_with_a_faster_clock() -> None:
    async def wait(pulse: Pulse, clock: Clock) -> None:
        await pulse.sleep(clock, 600.0)

    clock, bus = SetClock(speed=20.0), Pulse("bus one")
    asyncio.run(wait(bus, clock))
    assert (bus.seconds, clock.real) == (30.0, 30.0)
    watched = Watched(bus, clock=clock)
    assert watched.after(CHECK_PERIOD + 30.0 + STUCK_MARGIN) == []
    assert watched.after(CHECK_PERIOD) == ["bus one"]


def test_a_shorter_watchdog_is_fed_more_often_and_waits_for_half_its_time_at_most() -> None:
    watchdog = Watchdog(Supervisor(watchdog=8.0), SetClock())
    assert (watchdog.period, watchdog.margin) == (2.0, 4.0)
    watchdog = Watchdog(Supervisor(watchdog=600.0), SetClock())
    assert (watchdog.period, watchdog.margin) == (CHECK_PERIOD, STUCK_MARGIN)


def test_a_stuck_part_is_logged_once_with_its_place_and_once_when_it_resumes(caplog: pytest.LogCaptureFixture) -> None:
    class Hung(SetClock):
        """A clock whose first sleep hangs until the test releases it."""

        released = asyncio.Event()

        async def sleep(self, seconds: float) -> None:
            await self.released.wait()

    async def work() -> None:
        pulse, clock = Pulse("grid mix", vital=False), Hung()

        async def part() -> None:
            await pulse.sleep(clock, 0.0)
            pulse.within(600.0)
            await asyncio.sleep(600.0)

        watched = Watched(pulse, clock=clock)
        task = asyncio.create_task(part(), name=pulse.name)
        for number in range(30):
            if number == 20:
                clock.released.set()
            await asyncio.sleep(0)
            watched.check(CHECK_PERIOD)
        task.cancel()

    caplog.set_level(logging.INFO)
    asyncio.run(work())
    stuck, resumed = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert stuck[0] == "ERROR"
    assert re.fullmatch(r"grid mix: no progress for 35 s, expected within 0 s; it waits at watchdog\.py:\d+", stuck[1])
    assert resumed == ("INFO", "grid mix: goes on")


@pytest.mark.parametrize("vital", [True, False])
def test_a_stuck_vital_part_stops_the_feeding_and_another_part_is_only_named(vital: bool) -> None:
    async def work() -> list[dict[str, str]]:
        listener = Listener(f"@wattgram-test-{id(work)}")
        pulse = Pulse("bus one", vital=vital)
        watchdog = Watchdog(Supervisor(listener.address, watchdog=0.04), Clock())
        watchdog.watch([pulse])
        stuck = asyncio.Event()
        task = asyncio.create_task(
            watchdog.run(lambda: f"no progress: {', '.join(watchdog.stuck)}", lambda event, detail: stuck.set())
        )
        async with asyncio.timeout(30):
            await stuck.wait()
            listener.said()
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        notifications = listener.said()
        listener.close()
        return notifications

    notifications = asyncio.run(work())
    assert notifications[0] == {"READY": "1", "STATUS": "no progress:"}
    assert notifications[-1] == {"STOPPING": "1", "STATUS": "ending, records go to disk"}
    (stuck_index,) = [
        index for index, lines in enumerate(notifications) if lines.get("STATUS") == "no progress: bus one"
    ]
    assert any("WATCHDOG" in lines for lines in notifications[:stuck_index])
    assert any("WATCHDOG" in lines for lines in notifications[stuck_index:]) == (not vital)
