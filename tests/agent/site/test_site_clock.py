"""Records of a site whose clock is set: each key once, nothing lost, right times after; values by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from struct import unpack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wattgram.base.clock import MS, NS
from wattgram.base.record import Record
from wattgram_ext.intensity import OUTPUTS

from tests.support.clocked_sites import Led, Life, Server, seconds

pytestmark = pytest.mark.slow(1)

START = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS  # 12:00 in Shanghai
WATTS = 36e3  # 10 Wh a second


def lived(life: Life, course: Callable[[Life], Awaitable[None]]) -> Life:
    async def work() -> None:
        await life.begin()
        await course(life)
        await life.end()

    asyncio.run(work())
    return life


def twice(life: Life) -> list[object]:
    """Return the keys that were published a second time without being a revision."""
    keys = Counter(
        (one.series.kind, one.series.tags, one.time)
        for one in life.told
        if one.series.kind in ("device", "event", "gateway") or (one.series.kind == "emission" and not one["revision"])
    )
    return [key for key, count in keys.items() if count > 1]


def ticks(life: Life) -> list[float]:
    return seconds(life.of("emission", "tick"), START)


def whole(first: int, last: int) -> list[float]:
    return [float(one) for one in range(first, last + 1)]


def energy(records: list[Record]) -> float:
    return sum(told for one in records if isfinite(told := float(one["load_energy"])))


def counted(life: Life) -> float:
    """Wh that the incomer has counted since the test began."""
    return 1000.0 * (life.plant.counters["incomer"][0] - 1.0)


def accounted(life: Life) -> float:
    """Return the Wh of the incomer in published months, in the running month, and still to be booked."""
    instants = life.plant.site._instants
    point = instants._points["incomer"]
    running = dict(
        zip(OUTPUTS, unpack(f"{len(OUTPUTS)}d", life.plant.site.books._accounts.window(3, 1e9)), strict=True)
    )
    parts = [one["grid_import_energy"] for one in life.of("emission", "1mo")]
    parts += [
        running["grid_import_energy"],
        instants._late_energy._late[0],
        point._corrected.channel.positive.outstanding,
    ]
    parts += [float(str(one or 0.0)) for one in point._track.dump()[:1]]
    return sum(float(one) for one in parts if isfinite(float(one)))


def test_a_step_back_of_half_a_minute(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(60.0)
        life.set(-30.0)
        await life.go(60.0)

    life = lived(Life(tmp_path, START), course)
    assert twice(life) == []
    # After 60 s the clock shows 30 s; instants wait until it has passed 60, readings do not.
    assert ticks(life) == whole(1, 90)
    assert seconds(life.of("device"), START) == [*whole(1, 60), *whole(31, 90)]
    assert life.events() == ["clock stepped", "instants wait", "instants go on"]
    assert [str(one["detail"]) for one in life.of("event")][:2] == [
        "by -30.0 s",
        "until 2026-06-01T04:01:00.000Z: published already, before the clock was set back",
    ]
    told = energy(life.of("emission", "tick"))
    # 59 + 29 intervals of 10 Wh; what flowed while instants waited belongs to the day.
    assert told == pytest.approx(880.0, abs=25.0)


def test_two_readings_of_one_millisecond_are_a_nanosecond_apart(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(10.0)
        life.set(-5.0)
        await life.go(4.0)
        life.set(-3.0)
        await life.go(10.0)

    life = lived(Life(tmp_path, START), course)
    assert twice(life) == []
    times = [one.time - START for one in life.of("device")]
    assert [one % MS for one in times] == [0] * 10 + [1] * 4 + [2] * 4 + [0] * 6
    assert [one // NS for one in times] == [*range(1, 11), 6, 7, 8, 9, 7, 8, 9, 10, *range(11, 17)]


def test_a_step_back_over_the_end_of_an_hour_and_a_quarter(tmp_path: Path) -> None:
    """12:00 to 13:05, back to 12:05, on until 13:20: quarters and the hour of before stay, the day has all."""

    async def course(life: Life) -> None:
        await life.go(3900.0)
        life.set(-3600.0)
        await life.go(4500.0)

    life = lived(Life(tmp_path, START, tick=20.0), course)
    assert twice(life) == []
    assert ticks(life) == [20.0 * number for number in range(1, 241)]
    quarters = life.of("emission", "15m")
    assert seconds(quarters, START) == [0.0, 900.0, 1800.0, 2700.0, 3600.0]
    assert [one["coverage"] for one in quarters] == pytest.approx([880 / 900, 1.0, 1.0, 1.0, 880 / 900])
    assert [one["load_energy"] for one in quarters] == pytest.approx([8.8e3, 9e3, 9e3, 9e3, 8.8e3], abs=20.0)
    assert seconds(life.of("emission", "1h"), START) == [0.0]
    assert life.events() == ["clock stepped", "instants wait", "instants go on"]
    assert life.plant.site._instants._late_energy.due  # an hour of 36 kW, to be booked at 14:00
    (late, _) = life.plant.site._instants._late_energy._late
    assert late == pytest.approx(36e3, rel=0.01)


def test_the_day_has_the_energy_of_the_time_in_which_instants_waited(tmp_path: Path) -> None:
    """22:30 in Shanghai, back by 20 min at 22:50, on until after midnight: 5 measured quarters, a day of 110 min."""

    async def course(life: Life) -> None:
        await life.go(1200.0)
        life.set(-1200.0)
        await life.go(5400.0 + 20.0)

    start = int(datetime(2026, 6, 1, 14, 30, tzinfo=UTC).timestamp()) * NS
    life = lived(Life(tmp_path, start, tick=10.0), course)
    assert twice(life) == []
    (day,) = life.of("emission", "1d")
    # 20 min before the step and 90 after it.
    assert float(day["load_energy"]) == pytest.approx(36e3 * 110 / 60, rel=0.01)
    hours = life.of("emission", "1h")
    assert seconds(hours, start) == [-1800.0, 1800.0]
    assert [float(one["load_energy"]) for one in hours] == pytest.approx(
        [17.8e3, 36e3], abs=150.0
    )  # an interval less at each begin


def test_a_clock_that_was_a_year_ahead_leaves_what_it_told_and_goes_on_at_once(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(1000.0)
        life.set(-365 * 86400.0)
        await life.go(1000.0)

    year = 365 * 86400
    life = lived(Life(tmp_path, START + year * NS, tick=5.0), course)
    assert twice(life) == []
    assert ticks(life) == [float(year + 5 * n) for n in range(1, 201)] + [float(1000 + 5 * n) for n in range(2, 201)]
    assert life.events() == ["clock stepped"]
    # The windows of the wrong year are not published: of the first quarter of now there are 800 s.
    quarters = life.of("emission", "15m")
    assert seconds(quarters, START) == [float(year), 900.0]
    assert [float(one["coverage"]) for one in quarters] == pytest.approx([895 / 900, 795 / 900], abs=0.01)
    day = life.plant.site.books.running_since("1d")
    assert day == int(datetime(2026, 5, 31, 16, 0, tzinfo=UTC).timestamp()) * NS


def test_an_era_that_runs_into_what_a_wrong_clock_told_waits_until_it_is_over(tmp_path: Path) -> None:
    """An hour ahead for ten minutes, from 13:00 to 13:10 by its own time; set right at 12:10."""

    async def course(life: Life) -> None:
        await life.go(600.0)
        life.set(-3600.0)
        await life.go(4000.0)

    life = lived(Life(tmp_path, START + 3600 * NS, tick=10.0), course)
    assert twice(life) == []
    told = ticks(life)
    assert told == [*range(3610, 4201, 10), *range(620, 3601, 10), *range(4210, 4601, 10)]
    assert life.events() == ["clock stepped", "instants wait", "instants go on"]
    # The quarter of 13:00 did not end in the hour ahead, so it is published once, with its measured part.
    assert seconds(life.of("emission", "15m"), START) == [0.0 + 900 * n for n in (0, 1, 2, 3, 4)]


def test_a_window_that_was_told_stays_and_an_event_says_so(tmp_path: Path) -> None:
    """An hour ahead from 13:05 to 13:30: the quarter of 13:00 is published, without its first five minutes."""

    async def course(life: Life) -> None:
        await life.go(1500.0)  # 13:05 to 13:30
        life.set(-3600.0)
        await life.go(2400.0)  # 12:30 to 13:10

    life = lived(Life(tmp_path, START + 3900 * NS, tick=10.0), course)
    assert twice(life) == []
    assert seconds(life.of("emission", "15m"), START).count(3600.0) == 1

    async def more(life: Life) -> None:
        life.set(1200.0)  # 13:30
        await life.go(1000.0)

    assert "window not told" not in life.events()
    lived(life, more)
    assert twice(life) == []
    assert life.events().count("window not told") == 1


def test_a_restart_with_a_clock_behind_what_was_told(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(100.0)
        await life.end()
        life.clock.go(5.0)
        life.set(-40.0)
        await life.begin()
        await life.go(60.0)

    life = lived(Life(tmp_path, START), course)
    assert twice(life) == []
    # 100 s, off for 5, at 65 by a clock that is 40 s behind: the published 100 s are skipped.
    assert ticks(life) == whole(1, 125)
    assert life.events() == ["instants wait", "instants go on"]


def test_kill_9_in_the_middle_of_a_step_back(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(50.0)
        life.set(-20.0)
        for _ in range(6):
            await life.go(3.25)
            await life.kill()
            life.clock.go(0.5)
            await life.begin()
        await life.go(20.0)

    life = lived(Life(tmp_path, START), course)
    assert twice(life) == []
    assert set(whole(52, 70)) - set(ticks(life)) <= set(whole(52, 57))
    assert life.events()[0] == "clock stepped"


def test_a_step_forward_is_a_gap_and_no_energy(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(100.0)
        life.set(300.0)
        await life.go(100.0)
        life.set(3600.0)
        await life.go(100.0)

    life = lived(Life(tmp_path, START), course)
    assert twice(life) == []
    assert ticks(life) == [*whole(1, 100), *whole(402, 500), *whole(4102, 4200)]
    assert life.events() == ["clock stepped", "clock stepped"]
    # 99 + 98 + 98 intervals of 10 Wh: none has the jump in it.
    assert energy(life.of("emission", "tick")) == pytest.approx(2950.0, abs=30.0)


@pytest.mark.parametrize("by", [-0.4, 0.4, -0.9])
def test_a_step_of_less_than_a_second_is_nothing_but_a_time(tmp_path: Path, by: float) -> None:
    async def course(life: Life) -> None:
        for _ in range(5):
            await life.go(10.0)
            life.set(by)

    life = lived(Life(tmp_path, START), course)
    assert twice(life) == []
    assert life.events() == []
    told = ticks(life)
    assert told == whole(1, int(told[-1]))


def test_a_machine_that_was_just_switched_on_waits_for_its_time_server(tmp_path: Path) -> None:
    """A fortnight behind, as after a power cut; the server responds after 40 s. All records have their true times."""
    clock = Led(START - 14 * 86400 * NS)
    server = Server(clock, keeps=False, uptime=20.0)

    async def course(life: Life) -> None:
        await life.go(40.0)
        assert life.told == []
        assert life.plant.site.timekeeper.state == "unset"
        assert {one.state(clock.monotonic()) for one in life.plant.site.sources} == {"good"}
        life.set(14 * 86400.0)
        server.keeps = True
        await life.go(20.0)

    life = lived(Life(tmp_path, START, clock=clock, server=server), course)
    assert twice(life) == []
    assert seconds(life.of("device"), START) == whole(1, 60)
    assert ticks(life) == whole(1, 60)
    assert life.events() == ["clock unset", "clock set"]
    assert [one.time - START for one in life.of("event")] == [0, 41 * NS]
    assert [one.time - START for one in life.plant.site.events.latest] == [0, 41 * NS]


def test_a_clock_that_is_right_when_it_is_confirmed_makes_no_step(tmp_path: Path) -> None:
    clock = Led(START)
    server = Server(clock, keeps=False, uptime=20.0)

    async def course(life: Life) -> None:
        await life.go(40.0)
        server.keeps = True
        await life.go(20.0)

    life = lived(Life(tmp_path, START, clock=clock, server=server), course)
    assert seconds(life.of("device"), START) == whole(1, 60)
    assert life.events() == ["clock unset", "clock set"]


def test_without_a_time_server_the_clock_is_taken_as_it_is_after_nine_minutes(tmp_path: Path) -> None:
    clock = Led(START)
    server = Server(clock, keeps=False, uptime=20.0)

    async def course(life: Life) -> None:
        await life.go(515.0)
        assert life.told == []
        await life.go(30.0)
        assert life.plant.site.timekeeper.state == "not confirmed"

    life = lived(Life(tmp_path, START, clock=clock, server=server), course)
    assert seconds(life.of("device"), START) == whole(1, 545)
    assert ticks(life) == whole(1, 545)
    assert life.events() == ["clock unset", "clock not confirmed"]


def test_a_machine_that_runs_for_long_is_believed_at_once(tmp_path: Path) -> None:
    clock = Led(START)
    life = Life(tmp_path, START, clock=clock, server=Server(clock, keeps=False, uptime=600.0))
    lived(life, lambda one: one.go(10.0))
    assert ticks(life) == whole(1, 10)
    assert life.events() == []
    assert life.plant.site.timekeeper.state == "not confirmed"


def test_what_waits_for_the_clock_outlives_kill_9(tmp_path: Path) -> None:
    clock = Led(1000 * NS)
    server = Server(clock, keeps=False, uptime=20.0)

    async def course(life: Life) -> None:
        await life.go(100.0)
        await life.kill()
        clock.go(5.0)
        await life.begin()
        await life.go(20.0)
        clock.now = START
        server.keeps = True
        await life.go(10.0)

    life = lived(Life(tmp_path, START, clock=clock, server=server), course)
    assert twice(life) == []
    times = seconds(life.of("device"), START)
    # The clock was set 125 s after the beginning; a sync was a second before the kill at most.
    assert times == [*whole(-124, -26), *whole(-19, 10)] or times == [*whole(-124, -25), *whole(-19, 10)]
    powers = {one["active_power_total"] for one in life.of("device")}
    assert powers == {WATTS}
    assert {one["quality"] for one in life.of("device")} == {"good"}


def test_what_waited_when_the_machine_was_switched_off_cannot_be_dated(tmp_path: Path) -> None:
    clock = Led(1000 * NS)
    server = Server(clock, keeps=False, uptime=20.0)

    async def course(life: Life) -> None:
        await life.go(50.0)
        await life.end()
        server.switched_on("second")
        await life.begin()
        await life.go(20.0)
        clock.now = START
        await life.go(10.0)

    life = lived(Life(tmp_path, START, clock=clock, server=server), course)
    assert seconds(life.of("device"), START) == whole(-19, 10)
    assert life.events() == ["clock unset", "readings undated", "clock set"]
    (told,) = [one for one in life.of("event") if one["event"] == "readings undated"]
    assert told["detail"] == "50 readings waited for the clock when the machine was switched off"


STEPS = (-0.3, -0.9, -1.5, -5.0, -30.0, -100.0, -1000.0, -3600.0, -40_000.0, -1e8, 0.4, 1.5, 30.0, 100.0, 3600.0, 1e7)
TURN = st.one_of(
    st.tuples(st.just("go"), st.integers(4, 100)),  # quarters of a tick
    st.tuples(st.just("set"), st.sampled_from(STEPS)),
    st.tuples(st.sampled_from(("end", "kill", "reboot")), st.sampled_from((0, 2, 15))),
    st.tuples(st.sampled_from(("right", "1970", "heard", "unheard")), st.just(0)),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TURN, max_size=14), st.sampled_from([0.25, 1.0, 5.0]))
@pytest.mark.slow(15)
def test_whatever_the_clock_does_no_key_is_told_twice_and_times_are_right_after(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[str, float]], tick: float
) -> None:
    life = Life(tmp_path_factory.mktemp("life"), START, tick=tick, roles={"incomer": "grid", "press": "load"})
    clock, server = life.clock, life.server

    def right() -> int:
        return START + round(clock.passed * NS)

    async def course(life: Life) -> None:
        await life.go(3.0 * tick)  # the counter has been read, so that what it counts is known
        for what, much in turns:
            if what == "go":
                await life.go(much * life.stride)
            elif what == "set":
                life.set(much)
            elif what == "right":
                clock.now = right()
            elif what == "1970":
                clock.now = round(clock.passed * NS)
            elif what in ("heard", "unheard"):
                server.keeps = what == "heard"
            else:
                await (life.kill() if what == "kill" else life.end())
                clock.go(much * life.stride)
                if what == "reboot":
                    server.switched_on(f"boot at {clock.passed}")
                await life.begin()
        clock.now, server.keeps = right(), True
        await life.go(5.0 * tick)
        for _ in range(2000):  # waiting records are published
            await asyncio.sleep(0)
        await life.sync()
        before = len(life.told)
        begun = right()
        await life.go(30.0 * tick)
        ended = right()
        last = life.told[before:]
        for one in last:
            if one.series.kind == "device" and one["quality"] != "stale":
                assert begun - 5 * tick * NS <= one.time <= ended + MS
                # Meters are read at whole ticks of the time that has really passed.
                assert (one.time - START) // MS * MS % round(tick * NS) == 0
            elif one.series.kind == "emission" and one.series.tag("window") == "tick":
                assert begun - 5 * tick * NS <= one.time <= ended + MS
        assert any(one.series.kind == "device" for one in last)

    lived(life, course)
    assert twice(life) == []
    assert accounted(life) == pytest.approx(counted(life), abs=100.0)
    assert min((one.time for one in life.told if one.series.kind != "checkpoint"), default=START) > START - 10**17
    assert energy(life.of("emission", "tick")) <= 10.0 * clock.passed + 30.0
