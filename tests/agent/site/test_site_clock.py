"""Records of a site whose clock is set: unique keys, no lost readings, correct times afterwards; values by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from copy import deepcopy
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

from tests.support.clocked_sites import Life, Server, SteeredClock, seconds

pytestmark = pytest.mark.slow(1)

START = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS  # 12:00 in Shanghai
WATTS = 36e3  # 10 Wh a second


def run_life(life: Life, course: Callable[[Life], Awaitable[None]]) -> Life:
    async def work() -> None:
        await life.begin()
        await course(life)
        await life.end()

    asyncio.run(work())
    return life


def repeated_keys(life: Life) -> list[object]:
    """Return the keys that were published a second time without being a revision."""
    keys = Counter(
        (record.series.kind, record.series.tags, record.time)
        for record in life.told
        if record.series.kind in ("device", "event", "gateway")
        or (record.series.kind == "emission" and not record["revision"])
    )
    return [key for key, count in keys.items() if count > 1]


def ticks(life: Life) -> list[float]:
    return seconds(life.of("emission", "tick"), START)


def seconds_between(first: int, last: int) -> list[float]:
    return [float(second) for second in range(first, last + 1)]


def energy(records: list[Record]) -> float:
    return sum(amount for record in records if isfinite(amount := float(record["load_energy"])))


def counted_energy(life: Life) -> float:
    """Return the energy that the incomer has counted since the test began, Wh."""
    return 1000.0 * (life.plant.counters["incomer"][0] - 1.0)


def accounted_energy(life: Life) -> float:
    """Return the energy of the incomer in published months, in the running month, and not yet booked, Wh.

    The late energy of a gap is booked when the quarter of an hour ends that the gap touches.
    """
    instants = life.plant.site.instants
    point, late_energy = instants._points["incomer"], instants._late_energy
    running = dict(
        zip(OUTPUTS, unpack(f"{len(OUTPUTS)}d", life.plant.site.books._accounts.window(3, 1e9)), strict=True)
    )
    parts = [value["grid_import_energy"] for value in life.of("emission", "1mo")]
    parts += [
        running["grid_import_energy"],
        late_energy._totals[0],
        sum(row.energies[0] for row in deepcopy(late_energy).take(2**62)),
        point._corrected.channel.positive.outstanding,
    ]
    parts += [float(str(value or 0.0)) for value in point._track.dump()[:1]]
    return sum(float(value) for value in parts if isfinite(float(value)))


def test_instants_wait_after_a_step_back_of_half_a_minute(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(60.0)
        life.set(-30.0)
        await life.go(60.0)

    life = run_life(Life(tmp_path, START), course)
    assert repeated_keys(life) == []
    # After 60 s the clock shows 30 s. Instants wait until it has passed 60 s; readings do not wait.
    assert ticks(life) == seconds_between(1, 90)
    assert seconds(life.of("device"), START) == [*seconds_between(1, 60), *seconds_between(31, 90)]
    assert life.events() == ["clock stepped", "instants wait", "instants go on"]
    assert [str(event["detail"]) for event in life.of("event")][:2] == [
        "by -30.0 s",
        "until 2026-06-01T04:01:00.000Z: published already, before the clock was set back",
    ]
    published_energy = energy(life.of("emission", "tick"))
    # 59 + 29 intervals of 10 Wh; the energy while instants waited belongs to the day.
    assert published_energy == pytest.approx(880.0, abs=25.0)


def test_readings_of_the_same_millisecond_are_a_nanosecond_apart(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(10.0)
        life.set(-5.0)
        await life.go(4.0)
        life.set(-3.0)
        await life.go(10.0)

    life = run_life(Life(tmp_path, START), course)
    assert repeated_keys(life) == []
    times = [record.time - START for record in life.of("device")]
    assert [time % MS for time in times] == [0] * 10 + [1] * 4 + [2] * 4 + [0] * 6
    assert [time // NS for time in times] == [*range(1, 11), 6, 7, 8, 9, 7, 8, 9, 10, *range(11, 17)]


def test_a_step_back_over_the_end_of_an_hour_and_a_quarter(tmp_path: Path) -> None:
    """12:00 to 13:05, back to 12:05, on until 13:20: published quarters and hours stay, the day has all energy."""

    async def course(life: Life) -> None:
        await life.go(3900.0)
        life.set(-3600.0)
        await life.go(4500.0)

    life = run_life(Life(tmp_path, START, tick=20.0), course)
    assert repeated_keys(life) == []
    assert ticks(life) == [20.0 * number for number in range(1, 241)]
    quarters = life.of("emission", "15m")
    assert seconds(quarters, START) == [0.0, 900.0, 1800.0, 2700.0, 3600.0]
    assert [quarter["coverage"] for quarter in quarters] == pytest.approx([880 / 900, 1.0, 1.0, 1.0, 880 / 900])
    assert [quarter["load_energy"] for quarter in quarters] == pytest.approx([8.8e3, 9e3, 9e3, 9e3, 8.8e3], abs=20.0)
    assert seconds(life.of("emission", "1h"), START) == [0.0]
    assert life.events() == ["clock stepped", "instants wait", "instants go on"]
    (late, _) = life.plant.site.instants._late_energy._totals  # an hour of 36 kW, to be booked at 14:00
    assert late == pytest.approx(36e3, rel=0.01)


def test_the_day_includes_the_energy_of_waiting_instants(tmp_path: Path) -> None:
    """22:30 in Shanghai, back by 20 min at 22:50, on until after midnight: 5 measured quarters, a day of 110 min."""

    async def course(life: Life) -> None:
        await life.go(1200.0)
        life.set(-1200.0)
        await life.go(5400.0 + 20.0)

    start = int(datetime(2026, 6, 1, 14, 30, tzinfo=UTC).timestamp()) * NS
    life = run_life(Life(tmp_path, start, tick=10.0), course)
    assert repeated_keys(life) == []
    (day,) = life.of("emission", "1d")
    # 20 min before the step and 90 after it.
    assert float(day["load_energy"]) == pytest.approx(36e3 * 110 / 60, rel=0.01)
    hours = life.of("emission", "1h")
    assert seconds(hours, start) == [-1800.0, 1800.0]
    assert [float(hour["load_energy"]) for hour in hours] == pytest.approx(
        [17.8e3, 36e3], abs=150.0
    )  # an interval less at each begin


def test_after_a_clock_was_a_year_ahead_its_records_stay_and_instants_continue_at_once(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(1000.0)
        life.set(-365 * 86400.0)
        await life.go(1000.0)

    year = 365 * 86400
    life = run_life(Life(tmp_path, START + year * NS, tick=5.0), course)
    assert repeated_keys(life) == []
    assert ticks(life) == [float(year + 5 * n) for n in range(1, 201)] + [float(1000 + 5 * n) for n in range(2, 201)]
    assert life.events() == ["clock stepped"]
    # The open windows of the wrong year are not published. The first quarter of the right year has 800 s.
    quarters = life.of("emission", "15m")
    assert seconds(quarters, START) == [float(year), 900.0]
    assert [float(quarter["coverage"]) for quarter in quarters] == pytest.approx([895 / 900, 795 / 900], abs=0.01)
    day = life.plant.site.books.running_since("1d")
    assert day == int(datetime(2026, 5, 31, 16, 0, tzinfo=UTC).timestamp()) * NS


def test_instants_wait_while_a_wrong_clock_has_published_their_times(tmp_path: Path) -> None:
    """An hour ahead for ten minutes, from 13:00 to 13:10 by the wrong clock; corrected at 12:10."""

    async def course(life: Life) -> None:
        await life.go(600.0)
        life.set(-3600.0)
        await life.go(4000.0)

    life = run_life(Life(tmp_path, START + 3600 * NS, tick=10.0), course)
    assert repeated_keys(life) == []
    times = ticks(life)
    assert times == [*range(3610, 4201, 10), *range(620, 3601, 10), *range(4210, 4601, 10)]
    assert life.events() == ["clock stepped", "instants wait", "instants go on", "gap settled"]
    # The quarter of 13:00 did not end under the wrong clock, so it is published once, with its measured part.
    assert seconds(life.of("emission", "15m"), START) == [0.0 + 900 * n for n in (0, 1, 2, 3, 4)]


def test_a_published_window_stays_and_an_event_reports_the_withheld_window(tmp_path: Path) -> None:
    """An hour ahead from 13:05 to 13:30: the quarter of 13:00 is published, without its first five minutes."""

    async def course(life: Life) -> None:
        await life.go(1500.0)  # 13:05 to 13:30
        life.set(-3600.0)
        await life.go(2400.0)  # 12:30 to 13:10

    life = run_life(Life(tmp_path, START + 3900 * NS, tick=10.0), course)
    assert repeated_keys(life) == []
    assert seconds(life.of("emission", "15m"), START).count(3600.0) == 1

    async def second_course(life: Life) -> None:
        life.set(1200.0)  # 13:30
        await life.go(1000.0)

    assert "window not told" not in life.events()
    run_life(life, second_course)
    assert repeated_keys(life) == []
    assert life.events().count("window not told") == 1


def test_after_a_restart_with_a_clock_set_back_instants_wait(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(100.0)
        await life.end()
        life.clock.go(5.0)
        life.set(-40.0)
        await life.begin()
        await life.go(60.0)

    life = run_life(Life(tmp_path, START), course)
    assert repeated_keys(life) == []
    # 100 s, off for 5 s, then 65 s by a clock that is 40 s behind: the published 100 s are skipped.
    assert ticks(life) == seconds_between(1, 125)
    assert life.events() == ["instants wait", "instants go on"]


def test_kill_9_during_a_step_back_repeats_no_key(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(50.0)
        life.set(-20.0)
        for _ in range(6):
            await life.go(3.25)
            await life.kill()
            life.clock.go(0.5)
            await life.begin()
        await life.go(20.0)

    life = run_life(Life(tmp_path, START), course)
    assert repeated_keys(life) == []
    assert set(seconds_between(52, 70)) - set(ticks(life)) <= set(seconds_between(52, 57))
    assert life.events()[0] == "clock stepped"


def test_a_step_forward_is_a_gap_and_no_energy(tmp_path: Path) -> None:
    async def course(life: Life) -> None:
        await life.go(100.0)
        life.set(300.0)
        await life.go(100.0)
        life.set(3600.0)
        await life.go(100.0)

    life = run_life(Life(tmp_path, START), course)
    assert repeated_keys(life) == []
    assert ticks(life) == [*seconds_between(1, 100), *seconds_between(402, 500), *seconds_between(4102, 4200)]
    assert life.events() == ["clock stepped", "clock stepped"]
    # 99 + 98 + 98 intervals of 10 Wh: none includes the jump.
    assert energy(life.of("emission", "tick")) == pytest.approx(2950.0, abs=30.0)


@pytest.mark.parametrize("by", [-0.4, 0.4, -0.9])
def test_a_step_of_less_than_a_second_gives_no_event(tmp_path: Path, by: float) -> None:
    async def course(life: Life) -> None:
        for _ in range(5):
            await life.go(10.0)
            life.set(by)

    life = run_life(Life(tmp_path, START), course)
    assert repeated_keys(life) == []
    assert life.events() == []
    times = ticks(life)
    assert times == seconds_between(1, int(times[-1]))


def test_readings_wait_for_the_time_server_after_switch_on(tmp_path: Path) -> None:
    """Start a fortnight behind, as after a power cut; the server responds after 40 s. All times are true."""
    clock = SteeredClock(START - 14 * 86400 * NS)
    server = Server(clock, keeps=False, uptime=20.0)

    async def course(life: Life) -> None:
        await life.go(40.0)
        assert life.told == []
        assert life.plant.site.timekeeper.state == "unset"
        assert {source.state(clock.monotonic()) for source in life.plant.site.sources} == {"good"}
        life.set(14 * 86400.0)
        server.keeps = True
        await life.go(20.0)

    life = run_life(Life(tmp_path, START, clock=clock, server=server), course)
    assert repeated_keys(life) == []
    assert seconds(life.of("device"), START) == seconds_between(1, 60)
    assert ticks(life) == seconds_between(1, 60)
    assert life.events() == ["clock unset", "clock set"]
    assert [record.time - START for record in life.of("event")] == [0, 41 * NS]
    assert [record.time - START for record in life.plant.site.events.latest] == [0, 41 * NS]


def test_confirmation_of_a_correct_clock_is_no_step(tmp_path: Path) -> None:
    clock = SteeredClock(START)
    server = Server(clock, keeps=False, uptime=20.0)

    async def course(life: Life) -> None:
        await life.go(40.0)
        server.keeps = True
        await life.go(20.0)

    life = run_life(Life(tmp_path, START, clock=clock, server=server), course)
    assert seconds(life.of("device"), START) == seconds_between(1, 60)
    assert life.events() == ["clock unset", "clock set"]


def test_without_a_time_server_the_clock_is_accepted_after_nine_minutes(tmp_path: Path) -> None:
    clock = SteeredClock(START)
    server = Server(clock, keeps=False, uptime=20.0)

    async def course(life: Life) -> None:
        await life.go(515.0)
        assert life.told == []
        await life.go(30.0)
        assert life.plant.site.timekeeper.state == "not confirmed"

    life = run_life(Life(tmp_path, START, clock=clock, server=server), course)
    assert seconds(life.of("device"), START) == seconds_between(1, 545)
    assert ticks(life) == seconds_between(1, 545)
    assert life.events() == ["clock unset", "clock not confirmed"]


def test_the_clock_of_a_machine_with_a_long_uptime_is_accepted_at_once(tmp_path: Path) -> None:
    clock = SteeredClock(START)
    life = Life(tmp_path, START, clock=clock, server=Server(clock, keeps=False, uptime=600.0))
    run_life(life, lambda running: running.go(10.0))
    assert ticks(life) == seconds_between(1, 10)
    assert life.events() == []
    assert life.plant.site.timekeeper.state == "not confirmed"


def test_readings_that_wait_for_the_clock_survive_kill_9(tmp_path: Path) -> None:
    clock = SteeredClock(1000 * NS)
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

    life = run_life(Life(tmp_path, START, clock=clock, server=server), course)
    assert repeated_keys(life) == []
    times = seconds(life.of("device"), START)
    # The clock was set 125 s after the beginning; a sync was a second before the kill at most.
    assert times == [*seconds_between(-124, -26), *seconds_between(-19, 10)] or times == [
        *seconds_between(-124, -25),
        *seconds_between(-19, 10),
    ]
    powers = {record["active_power_total"] for record in life.of("device")}
    assert powers == {WATTS}
    assert {record["quality"] for record in life.of("device")} == {"good"}


def test_readings_that_wait_at_switch_off_are_counted_as_undated(tmp_path: Path) -> None:
    clock = SteeredClock(1000 * NS)
    server = Server(clock, keeps=False, uptime=20.0)

    async def course(life: Life) -> None:
        await life.go(50.0)
        await life.end()
        server.switched_on("second")
        await life.begin()
        await life.go(20.0)
        clock.now = START
        await life.go(10.0)

    life = run_life(Life(tmp_path, START, clock=clock, server=server), course)
    assert seconds(life.of("device"), START) == seconds_between(-19, 10)
    assert life.events() == ["clock unset", "readings undated", "clock set"]
    (event,) = [record for record in life.of("event") if record["event"] == "readings undated"]
    assert event["detail"] == "50 readings waited for the clock when the machine was switched off"


def test_energy_before_a_restart_under_a_clock_that_was_set_back_is_undated(tmp_path: Path) -> None:
    """The new process knows no time since the last instant: 12:01 is published, it begins at 12:00:30."""

    async def course(life: Life) -> None:
        await life.go(60.0)
        life.set(-30.0)
        await life.kill()
        await life.begin()
        await life.go(60.0)

    life = run_life(Life(tmp_path, START, tick=5.0), course)
    assert repeated_keys(life) == []
    assert ticks(life) == [float(second) for second in range(5, 91, 5)]
    late_energy = life.plant.site.instants._late_energy
    assert not late_energy.is_due(2**62)
    assert late_energy._totals == pytest.approx([300.0, 0.0], abs=60.0)  # 30 s of 10 Wh
    assert accounted_energy(life) == pytest.approx(counted_energy(life), abs=60.0)


def test_a_pause_of_years_by_the_clock_is_not_shared_among_its_quarters(tmp_path: Path) -> None:
    """The clock is ten years ahead at the restart: more likely wrong than right."""

    async def course(life: Life) -> None:
        await life.go(60.0)
        await life.end()
        life.set(10 * 366 * 86400.0)
        await life.begin()
        await life.go(60.0)

    life = run_life(Life(tmp_path, START, tick=5.0), course)
    assert repeated_keys(life) == []
    assert life.of("late") == []
    assert not life.plant.site.instants._late_energy.is_due(2**62)
    assert accounted_energy(life) == pytest.approx(counted_energy(life), abs=60.0)


STEPS = (-0.3, -0.9, -1.5, -5.0, -30.0, -100.0, -1000.0, -3600.0, -40_000.0, -1e8, 0.4, 1.5, 30.0, 100.0, 3600.0, 1e7)
TURN = st.one_of(
    st.tuples(st.just("go"), st.integers(4, 100)),  # quarters of a tick
    st.tuples(st.just("set"), st.sampled_from(STEPS)),
    st.tuples(st.sampled_from(("end", "kill", "reboot")), st.sampled_from((0, 2, 15))),
    st.tuples(st.sampled_from(("correct", "1970", "synchronised", "unsynchronised")), st.just(0)),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TURN, max_size=14), st.sampled_from([0.25, 1.0, 5.0]))
@pytest.mark.slow(15)
def test_no_clock_change_repeats_a_key_and_times_are_correct_afterwards(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, float]], tick: float
) -> None:
    life = Life(tmp_path_factory.mktemp("life"), START, tick=tick, roles={"incomer": "grid", "press": "load"})
    clock, server = life.clock, life.server

    def true_time() -> int:
        return START + round(clock.passed * NS)

    async def course(life: Life) -> None:
        await life.go(3.0 * tick)  # after the first reading, counted energy is known
        for action, amount in steps:
            if action == "go":
                await life.go(amount * life.stride)
            elif action == "set":
                life.set(amount)
            elif action == "correct":
                clock.now = true_time()
            elif action == "1970":
                clock.now = round(clock.passed * NS)
            elif action in ("synchronised", "unsynchronised"):
                server.keeps = action == "synchronised"
            else:
                await (life.kill() if action == "kill" else life.end())
                clock.go(amount * life.stride)
                if action == "reboot":
                    server.switched_on(f"boot at {clock.passed}")
                await life.begin()
        clock.now, server.keeps = true_time(), True
        await life.go(5.0 * tick)
        for _ in range(2000):  # waiting records are published
            await asyncio.sleep(0)
        await life.sync()
        before = len(life.told)
        begun = true_time()
        await life.go(30.0 * tick)
        ended = true_time()
        last = life.told[before:]
        for record in last:
            if record.series.kind == "device" and record["quality"] != "stale":
                assert begun - 5 * tick * NS <= record.time <= ended + MS
                # Meters are read at whole ticks of true time.
                assert (record.time - START) // MS * MS % round(tick * NS) == 0
            elif record.series.kind == "emission" and record.series.tag("window") == "tick":
                assert begun - 5 * tick * NS <= record.time <= ended + MS
        assert any(record.series.kind == "device" for record in last)
        await life.plant.settle()

    run_life(life, course)
    assert repeated_keys(life) == []
    assert accounted_energy(life) == pytest.approx(counted_energy(life), abs=100.0)
    assert (
        min((record.time for record in life.told if record.series.kind != "checkpoint"), default=START) > START - 10**17
    )
    assert energy(life.of("emission", "tick")) <= 10.0 * clock.passed + 30.0
