"""Power from counters alone: the mean between two steps, and the energy of every interval (METHOD-SITE 9.4).

A meter here shows floor(energy / count) x count. Expected powers and energies are calculated beside each case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import floor, isfinite, isnan, nan
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.counters.counted_power import CountedInterval, CountedPower
from wattgram.counters.counter import Counter, State, Verdict, step, with_period
from wattgram.counters.metering import MeteredStep

T0 = 1_790_000_100 * NS
Load = Callable[[float], float]
GOOD: Verdict = "good"


class Row(NamedTuple):
    """An instant's second, and its interval in both directions."""

    second: float
    forward: CountedInterval
    backward: CountedInterval

    def way(self, direction: int) -> CountedInterval:
        return self.backward if direction else self.forward


@dataclass
class Meter:
    """A meter with a counter each way, its readings and its instants; `load`: W by the second, import positive.

    phase: part of a count on the register at the start. period: seconds between two copies of the register, 0 for none.
    """

    load: Load
    count: float = 10.0
    interval: float = 1.0
    tick: float = 1.0
    phase: float = 0.37
    rated: float | None = None
    one_way: bool = False
    period: float = 0.0
    second: float = 0.0
    truth: list[float] = field(default_factory=lambda: [0.0, 0.0])
    shown: list[float] = field(default_factory=lambda: [0.0, 0.0])
    states: list[State | None] = field(default_factory=lambda: [None, None])
    results: list[Row] = field(default_factory=list)
    previous: float = 0.0

    def __post_init__(self) -> None:
        self.power = CountedPower(self.interval, self.rated, one_way=self.one_way)
        self.counter = Counter("energy", self.count, 32, self.rated or 10e6, interval=self.interval)

    def register(self, direction: int) -> float:
        return floor(self.truth[direction] / self.count + self.phase + 1e-9) * self.count

    def read(self) -> None:
        """Read both registers."""
        time, amounts, refresh, verdict = T0 + round(self.second * NS), [nan, nan], 0.0, GOOD
        period = max(state.refresh.period for state in self.states if state) if self.states[0] else 0.0
        for direction in (0, 1) if not self.one_way else (0,):
            if not self.period:
                self.shown[direction] = self.register(direction)
            state = self.states[direction]
            state, result = step(self.counter, state and with_period(state, period), 1e6 + self.shown[direction], time)
            self.states[direction], refresh = state, max(refresh, state.refresh.period)
            if result.verdict in ("held", "glitch"):
                verdict = result.verdict
            elif result.amount or not state.refresh.period:
                amounts[direction] = result.amount
        resolution = (self.count, 0.0 if self.one_way else self.count)
        self.power.put(time, MeteredStep(amounts[0], amounts[1], verdict, resolution, (), refresh))

    def run(self, seconds: float, *, read: bool = True, publish: bool = True) -> None:
        """Let so many seconds pass: flow, reading, instant."""
        width = min(self.interval, self.tick)
        for _ in range(round(seconds / width)):
            if not self.second:
                self.read()
            self.second = round(self.second + width, 6)
            flow = self.load(self.second - width / 2.0) * width / 3600.0
            self.truth[flow < 0.0] += abs(flow)
            if self.period and self.second % self.period < 1e-6:
                self.shown = [self.register(0), self.register(1)]
            if read and self.second % self.interval < 1e-6:
                self.read()
            if publish and self.second % self.tick < 1e-6:
                begin = T0 + round(self.previous * NS) if self.second - self.previous < 2.5 * self.tick else 0
                forward, backward = self.power.take(T0 + round(self.second * NS), begin)
                self.results.append(Row(self.second, forward, backward))
                self.previous = self.second

    def restart(self) -> None:
        """Start the process again."""
        dumped = json.loads(json.dumps(self.power.dump()))
        self.power = CountedPower(self.interval, self.rated, one_way=self.one_way)
        self.power.restore(dumped)

    def energy(self, begin: float, end: float, direction: int = 0) -> float:
        """Return the energy published for the intervals of a span, Wh; late energy apart."""
        return sum(row.way(direction).energy for row in self.results if begin < row.second <= end)

    def published(self, direction: int = 0) -> float:
        """Return all published energy, Wh."""
        rows = [row.way(direction) for row in self.results]
        return sum(row.late for row in rows) + sum(row.energy for row in rows if isfinite(row.energy))

    def power_at(self, second: float) -> float:
        (row,) = [row for row in self.results if row.second == second]
        return row.forward.power - row.backward.power


def test_quarter_hours_of_an_incomer_come_from_its_counters() -> None:
    # 36 kW are 10 Wh a second and 9 kWh in a quarter of an hour; the export counter has never moved.
    meter = Meter(lambda _: 36e3)
    meter.run(3600.0)
    assert meter.power_at(600.0) == pytest.approx(36e3)
    assert [meter.energy(900.0 * n, 900.0 * (n + 1)) for n in (1, 2, 3)] == pytest.approx([9000.0] * 3)
    assert meter.energy(900.0, 3600.0, 1) == 0.0
    assert meter.published() == pytest.approx(36e3, abs=10.0)


def test_a_meter_of_whole_kilowatt_hours_has_the_mean_between_two_steps() -> None:
    # 5 kW: a step of 1 kWh each 720 s. 370 Wh are on the register at the start: steps after 453.6 s and 1173.6 s, seen
    # by the readings after 456 s and 1176 s.
    meter = Meter(lambda _: 5e3, count=1000.0, interval=6.0, tick=6.0)
    meter.run(4 * 3600.0)
    assert all(isnan(row.forward.power) for row in meter.results if row.second < 1176.0)
    # The stretch before the second step is settled when it is seen: 1170 s of 5 kW are 1625 Wh.
    assert sum(row.forward.late for row in meter.results) == pytest.approx(1625.0)
    assert [meter.energy(900.0 * n, 900.0 * (n + 1)) for n in range(2, 16)] == pytest.approx([1250.0] * 14)
    assert all(row.forward.power == pytest.approx(5e3) for row in meter.results if row.second >= 1176.0)


def test_ten_kilowatt_hours_at_5_kw_are_a_step_in_two_hours() -> None:
    meter = Meter(lambda _: 5e3, count=10e3, interval=10.0, tick=60.0)
    meter.run(12 * 3600.0)
    assert meter.power_at(8 * 3600.0) == pytest.approx(5e3)
    assert [meter.energy(3600.0 * n, 3600.0 * (n + 1)) for n in range(4, 12)] == pytest.approx([5000.0] * 8)


@pytest.mark.parametrize("count", [1.0, 10.0, 1000.0])
def test_after_a_stop_the_power_is_at_most_one_count_in_the_time_without_a_step(count: float) -> None:
    meter = Meter(lambda second: 5e3 if second < 3600.0 else 0.0, count=count, interval=10.0, tick=10.0)
    meter.run(6 * 3600.0)
    last = 3600.0 - (5e3 + count * meter.phase) % count / 5e3 * 3600.0
    for second, forward, _ in meter.results:
        if second >= 3600.0 + 720.0:
            assert 0.0 <= forward.power <= count / (second - last - 10.0) * 3600.0
    assert meter.results[-1][1].power < 1.0
    assert 5e3 - count <= meter.published() <= 5e3 + 1.5 * count


def test_a_slower_and_a_faster_load_are_followed_within_a_count() -> None:
    # 5 kW, 2.5 kW from the first hour, 50 kW from the fourth; 1 kWh a count.
    def load(second: float) -> float:
        return 5e3 if second < 3600.0 else 2.5e3 if second < 4 * 3600.0 else 50e3

    meter = Meter(load, count=1000.0, interval=10.0, tick=10.0)
    meter.run(5 * 3600.0)
    assert meter.power_at(3 * 3600.0) == pytest.approx(2.5e3)
    assert meter.energy(2.5 * 3600.0, 4 * 3600.0) == pytest.approx(2.5e3 * 1.5, abs=200.0)
    assert meter.energy(4 * 3600.0, 5 * 3600.0) == pytest.approx(50e3, abs=1000.0)
    # No interval is a peak: the step that came early is spread.
    assert max(row.forward.energy for row in meter.results if isfinite(row.forward.energy)) < 2.0 * 50e3 * 10.0 / 3600.0


def test_pulses_of_a_watt_hour_give_a_steady_power() -> None:
    # 5 kW are 1.39 counts a second: the readings show 1 or 2.
    meter = Meter(lambda _: 5e3, count=1.0)
    meter.run(1800.0)
    powers = [row.forward.energy * 3600.0 for row in meter.results if row.second > 60.0]
    assert min(powers) > 0.88 * 5e3
    assert max(powers) < 1.12 * 5e3
    assert meter.energy(900.0, 1800.0) == pytest.approx(1250.0, abs=1.0)


def test_a_counter_that_is_read_more_slowly_than_the_tick_has_a_power_at_each_tick() -> None:
    # Read each minute, an instant each second: the rate of the last minute holds until the next reading.
    meter = Meter(lambda second: 5e3 if second < 1800.0 else 10e3, interval=60.0, one_way=True)
    meter.run(3600.0)
    assert not any(isnan(row.forward.energy) for row in meter.results if row.second > 180.0)
    assert meter.energy(900.0, 1800.0) == pytest.approx(1250.0, abs=10.0)
    assert meter.energy(2700.0, 3600.0) == pytest.approx(2500.0, abs=10.0)


def test_a_counter_that_does_not_move_shows_that_nothing_flows() -> None:
    # A roof at night, 1 Wh a count: unknown at first, 0 W after a quarter of an hour, and the sun rises after an hour.
    meter = Meter(lambda second: 0.0 if second < 3600.0 else 5e3, count=1.0, interval=3.0, tick=3.0, one_way=True)
    meter.run(7200.0)
    assert isnan(meter.power_at(600.0))
    assert (meter.power_at(900.0), meter.energy(903.0, 3600.0)) == (0.0, 0.0)
    assert meter.published() == pytest.approx(5e3, abs=6.0)


def test_import_and_export_have_a_power_each() -> None:
    # Half an hour of 36 kW import, half an hour of 18 kW export, and import again.
    meter = Meter(lambda second: 36e3 if second % 3600.0 < 1800.0 else -18e3, interval=5.0, tick=5.0)
    meter.run(3 * 3600.0)
    assert meter.power_at(3600.0 + 1200.0) == pytest.approx(36e3)
    assert meter.power_at(2 * 3600.0 - 600.0) == pytest.approx(-18e3, abs=20.0)
    # A reading of 5 s shows 50 Wh of import.
    assert meter.published(0) == pytest.approx(3 * 18e3, abs=60.0)
    assert meter.published(1) == pytest.approx(3 * 9e3, abs=35.0)


def test_the_energy_of_a_restart_is_late_and_nothing_is_lost() -> None:
    # 36 kW; the process is stopped for ten minutes: 6 kWh.
    meter = Meter(lambda _: 36e3)
    meter.run(1800.0)
    before = meter.published()
    meter.run(600.0, read=False, publish=False)
    meter.restart()
    meter.run(600.0)
    assert sum(row.forward.late for row in meter.results if row.second > 2400.0) == pytest.approx(6000.0, abs=30.0)
    assert meter.published() == pytest.approx(before + 12e3, abs=20.0)


def test_a_meter_that_is_silent_is_unknown_and_settles_afterwards() -> None:
    # 36 kW; no answer for ten minutes. The rate holds for three intervals.
    meter = Meter(lambda _: 36e3)
    meter.run(1800.0)
    meter.run(600.0, read=False)
    assert [isnan(meter.power_at(second)) for second in (1803.0, 1804.0, 2400.0)] == [False, True, True]
    meter.run(600.0)
    assert sum(row.forward.late for row in meter.results if row.second > 1800.0) == pytest.approx(5970.0, abs=20.0)
    assert meter.published() == pytest.approx(30e3, abs=20.0)


def test_a_reset_gives_no_negative_energy() -> None:
    power = CountedPower(1.0, None, one_way=True)
    steps = [MeteredStep(10.0, nan, "good", (10.0, 0.0)) for _ in range(100)]
    steps[50] = MeteredStep(20.0, nan, "reset", (10.0, 0.0))
    total = 0.0
    for second, taken in enumerate(steps):
        power.put(T0 + second * NS, taken)
        forward, _ = power.take(T0 + second * NS, T0 + (second - 1) * NS)
        assert isnan(forward.energy) or forward.energy >= 0.0
        total += forward.late + (forward.energy if isfinite(forward.energy) else 0.0)
    assert total == pytest.approx(990.0 + 10.0, abs=15.0)


def test_a_clock_that_is_set_loses_no_energy() -> None:
    power = CountedPower(1.0, None, one_way=True)
    total, published = 0.0, 0.0
    for number in range(400):
        second = number if number < 200 else number - 3600
        if number == 200:
            power.clear()
        total += 10.0 if number else 0.0
        power.put(T0 + second * NS, MeteredStep(10.0 if number else 0.0, nan, "good", (10.0, 0.0)))
        forward, _ = power.take(T0 + second * NS, 0 if number == 200 else T0 + (second - 1) * NS)
        published += forward.late + (forward.energy if isfinite(forward.energy) else 0.0)
    assert published == pytest.approx(total, abs=15.0)


def test_a_register_that_is_copied_each_hour_has_the_mean_of_the_hour() -> None:
    # 36 kW. Rated 100 kW: the first copy, after an hour, is held, and the second is counted with it.
    meter = Meter(lambda _: 36e3, interval=10.0, tick=10.0, rated=100e3, period=3600.0)
    meter.run(8 * 3600.0)
    assert isnan(meter.power_at(2 * 3600.0))
    assert meter.power_at(4 * 3600.0 + 600.0) == pytest.approx(36e3)
    assert [meter.energy(3600.0 * n, 3600.0 * (n + 1)) for n in range(4, 8)] == pytest.approx([36e3] * 4, rel=1e-3)
    assert meter.published() == pytest.approx(8 * 36e3, abs=200.0)


def test_the_first_copy_of_an_export_is_that_of_the_last_period() -> None:
    # 36 kW import for two hours, then 18 kW export; the registers are copied each quarter of an hour.
    meter = Meter(
        lambda second: 36e3 if second < 7200.0 else -18e3, interval=10.0, tick=10.0, rated=100e3, period=900.0
    )
    meter.run(6 * 3600.0)
    assert not any(isnan(row.backward.power) for row in meter.results if row.second > 3600.0)
    assert meter.published(1) == pytest.approx(4 * 18e3, abs=100.0)
    # The import runs on at its rate until the copy that shows its end is overdue.
    assert 72e3 - 10.0 <= meter.published(0) <= 72e3 + 36e3 * (1.1 * 900.0 + 20.0) / 3600.0


def test_the_part_of_the_first_copy_before_the_first_reading_is_not_counted() -> None:
    # As above, and the first reading is 40 min after a copy: 24 kWh of the first copy are older.
    meter = Meter(lambda _: 36e3, interval=10.0, tick=10.0, rated=100e3, period=3600.0, second=2400.0)
    meter.read()
    meter.previous = 2400.0
    meter.truth[0] = 24e3
    meter.run(6 * 3600.0)
    assert meter.published() == pytest.approx(6 * 36e3, abs=200.0)


def test_a_correction_is_limited_by_the_rated_power() -> None:
    meter = Meter(lambda second: 1e3 if second < 7200.0 else 9e3, count=1000.0, interval=10.0, tick=10.0, rated=10e3)
    meter.run(5 * 3600.0)
    assert (
        max(row.forward.energy for row in meter.results if isfinite(row.forward.energy)) <= 12e3 * 10.0 / 3600.0 + 1e-9
    )


@pytest.mark.parametrize("dumped", [None, [], [[], []], "x", [[[[1, nan]], [0, 0], 0, 0, 0, 0, 0]] * 2])
def test_an_invalid_state_is_refused(dumped: object) -> None:
    with pytest.raises(ValueError, match="expected the state of a counted power"):
        CountedPower(1.0, None, one_way=True).restore(dumped)


SPANS = st.lists(
    st.tuples(
        st.sampled_from([900, 1800, 7200]), st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0]), st.sampled_from("rrrgp")
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    SPANS,
    st.sampled_from([1.0, 10.0, 1000.0, 10e3]),
    st.sampled_from([(60.0, 60.0), (60.0, 300.0), (300.0, 60.0), (900.0, 60.0)]),
    st.floats(0.0, 0.99),
    st.sampled_from([0.0, 0.0, 900.0, 3600.0]),
)
def test_published_energy_is_the_counters_to_its_step(
    spans: list[tuple[int, float, str]], count: float, pace: tuple[float, float], phase: float, period: float
) -> None:
    """For any load, reading interval, step, copy period, silence and restart, energy is neither invented nor lost."""
    interval, tick = pace
    current = [0.0]
    meter = Meter(lambda _: current[0], count, interval, tick, phase, 100e3, one_way=True, period=period)
    # Energy that the register does not show yet: a count, what flows while a rate holds, and two copies.
    ahead = count + 120e3 * (3.0 * interval + tick + 2.3 * period) / 3600.0
    first = meter.register(0)
    for seconds, share, kind in spans:
        current[0] = share * 100e3
        if kind == "p":  # the process is stopped
            meter.run(seconds, read=False, publish=False)
            meter.restart()
        else:
            meter.run(seconds, read=kind == "r")
        counted = meter.register(0) - first
        assert meter.published() <= counted + ahead
        assert all(row.forward.late >= 0.0 and not row.forward.energy < 0.0 for row in meter.results)
    current[0] = 50e3  # steps until everything is settled
    meter.run(4.0 * max(period, 3600.0))
    assert meter.published() == pytest.approx(meter.register(0) - first, abs=ahead + 1.5 * count)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([300, 900, 3600]), st.floats(0.0, 1.0)), min_size=1, max_size=6),
    st.sampled_from([1.0, 10.0, 1000.0]),
    st.sampled_from([(30.0, 30.0), (60.0, 60.0), (60.0, 300.0)]),
    st.floats(0.0, 0.99),
)
def test_a_counter_that_is_read_at_each_instant_is_followed_to_a_count(
    spans: list[tuple[int, float]], count: float, pace: tuple[float, float], phase: float
) -> None:
    current = [50e3]
    meter = Meter(lambda _: current[0], count, *pace, phase, one_way=True)
    meter.run(900.0)
    changed = 50e3
    for seconds, share in spans:
        current[0] = share * 100e3
        for _ in range(seconds // 300):
            meter.run(300.0)
            # The energy of a reading interval in which the load changed is corrected with the next step.
            interval = abs(current[0] - changed) * max(pace) / 3600.0
            # One count that is not shown at the end, one of which the first reading shows only a part, and one by the
            # time of the first step, which is that of a reading.
            assert meter.published() == pytest.approx(meter.truth[0], abs=3.0 * count + interval)
        changed = current[0]
