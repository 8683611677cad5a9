"""The state machine of a counter: accepted values, and no energy added or lost.

Expected amounts are differences of the energy that the meter truly counted, calculated beside each case.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from dataclasses import replace as with_

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.counters.counter import POWER_MARGIN, REFRESH_SECONDS, Counter, CounterStep, State, Verdict, step

from tests.support.approximate import near

T0 = 1_790_000_000 * NS
METER = Counter("active_energy_import", count=10.0, bits=32, limit=100e3)
"""Counts 0.01 kWh in a u32, rated 100 kW, read once a second: 120 kW x 1 s is 33.3 Wh."""


def run(
    counter: Counter, values: list[float], *, start: int = T0, every: float | None = None, state: State | None = None
) -> list[CounterStep]:
    """Return the results of consecutive values, an interval apart."""
    counts = []
    for number, value in enumerate(values):
        time = start + int(number * (every or counter.interval) * NS)
        state, count = step(counter, state, value, time)
        counts.append(count)
    return counts


def verdicts(counts: list[CounterStep]) -> list[Verdict]:
    return [count.verdict for count in counts]


def amounts(counts: list[CounterStep]) -> list[float]:
    return [count.amount for count in counts]


def events(counts: list[CounterStep]) -> list[tuple[Verdict, float, float]]:
    return [(count.event, count.old, count.new) for count in counts if count.event]


def test_a_counter_counts_from_its_first_value() -> None:
    counts = run(METER, [25_567_540.0, 25_567_550.0, 25_567_550.0, 25_567_570.0])
    assert amounts(counts) == [0.0, 10.0, 0.0, 20.0]
    assert verdicts(counts) == ["good"] * 4
    assert events(counts) == []


def test_a_total_that_reads_0_once_neither_adds_nor_loses_energy() -> None:
    # evcc-io/evcc PR 30267: 25567.548 kWh, then 0, then the meter's true value again.
    meter = with_(METER, count=1.0)
    counts = run(meter, [25_567_548.0, 0.0, 25_567_560.0, 25_567_565.0])
    assert amounts(counts) == [0.0, 0.0, 12.0, 5.0]
    assert verdicts(counts) == ["good", "glitch", "good", "good"]
    assert events(counts) == [("glitch", 25_567_548.0, 0.0)]


def test_zeros_at_night_are_one_glitch_and_counting_continues_in_the_morning() -> None:
    counts = run(METER, [5_000_000.0, *[0.0] * 600, 5_000_010.0, 5_000_020.0])
    assert sum(amounts(counts)) == 20.0
    assert verdicts(counts)[1:601] == ["glitch"] * 600
    assert verdicts(counts)[601:] == ["estimated", "good"]
    assert events(counts) == [("glitch", 5_000_000.0, 0.0)]


def test_a_value_torn_between_its_two_words_is_a_glitch() -> None:
    # 0x0027_0010 x 10 Wh; the torn value has a low word of 0, then the next high word.
    low, torn, high = 0x0027_0010 * 10.0, 0x0027_0000 * 10.0, 0x0028_0010 * 10.0
    counts = run(METER, [low, torn, low + 10, high, low + 20])
    assert amounts(counts) == [0.0, 0.0, 10.0, 0.0, 10.0]
    assert [new for _, _, new in events(counts)] == [torn, high]


@pytest.mark.parametrize("spike", [7_000_000.0, 5_003_000.0, 4_294_967_290.0])
def test_a_spike_is_a_glitch(spike: float) -> None:
    counts = run(METER, [5_000_000.0, 5_000_010.0, spike, spike, 5_000_040.0])
    assert amounts(counts) == [0.0, 10.0, 0.0, 0.0, 30.0]
    assert verdicts(counts)[2:4] == ["glitch", "glitch"]
    assert events(counts) == [("glitch", 5_000_010.0, spike)]


def test_several_implausible_values_are_one_glitch() -> None:
    counts = run(METER, [5_000_000.0, 0.0, 9e9, 17.0, 5_000_050.0])
    assert amounts(counts) == [0.0, 0.0, 0.0, 0.0, 50.0]
    assert [event for event, _, _ in events(counts)] == ["glitch"]


def test_a_reset_is_accepted_when_the_counter_counts_on_from_0() -> None:
    # The third low value shows 40 Wh since the reset.
    counts = run(METER, [5_000_000.0, 5_000_010.0, 0.0, 20.0, 40.0, 60.0])
    assert verdicts(counts) == ["good", "good", "glitch", "glitch", "reset", "good"]
    assert amounts(counts) == [0.0, 10.0, 0.0, 0.0, 40.0, 20.0]
    assert events(counts) == [("reset", 5_000_010.0, 0.0)]


def test_a_counter_that_stays_at_0_is_a_reset_only_when_it_counts() -> None:
    counts = run(METER, [5_000_000.0, *[0.0] * 50, 10.0, 20.0])
    assert verdicts(counts)[1:] == ["glitch"] * 50 + ["reset", "good"]
    assert amounts(counts)[-2:] == [10.0, 10.0]


def test_a_reset_is_found_although_the_counter_soon_passes_its_old_value() -> None:
    counts = run(METER, [0.0, 30.0, 60.0, 0.0, 30.0, 60.0, 90.0])
    assert sum(amounts(counts)) == 60.0 + 90.0
    assert [what for what, _, _ in events(counts)] == ["reset"]


def test_after_a_reset_in_a_pause_the_energy_since_the_reset_counts() -> None:
    state, _ = step(METER, None, 5_000_000.0, T0)
    # An hour later the meter shows 20 kWh. An hour allows 120 kWh, so the whole amount may be since the reset.
    counts = run(METER, [20_000.0, 20_010.0, 20_020.0], start=T0 + 3600 * NS, state=state)
    assert verdicts(counts) == ["glitch", "glitch", "reset"]
    assert sum(amounts(counts)) == 20_020.0


@pytest.mark.parametrize(("bits", "count"), [(16, 100.0), (32, 10.0), (64, 1.0)])
def test_a_register_that_overflows_is_a_rollover(bits: int, count: float) -> None:
    counter = with_(METER, bits=bits, count=count, limit=1e6)
    end = 2.0**bits * count
    # 4 steps before the end, then 3 after it: 7 steps. A double has 53 bits, so steps near 2^64 are of 2048 counts.
    steps = count * (2048 if bits == 64 else 1)
    before, after = end - 4 * steps, 3 * steps
    (_, count_step) = run(counter, [before, after])
    assert count_step == CounterStep(7 * steps, "rollover", "rollover", before, after)


def test_a_counter_read_as_signed_counts_through_its_sign_bit() -> None:
    # GuidoJeuken-6512/lambda_heat_pumps#66: a u32 read as i32 goes negative after 2^31 - 1.
    signed = with_(METER, count=1.0, signed=True)
    counts = run(signed, [2.0**31 - 10, -(2.0**31) + 10, -(2.0**31) + 30, -5.0, 3.0])
    assert amounts(counts)[:3] == [0.0, 20.0, 20.0]
    assert verdicts(counts)[:3] == ["good"] * 3
    (rolled,) = run(signed, [3.0], start=T0 + NS, state=State(2.0**32 - 5, T0, T0 - NS))
    assert (rolled.verdict, rolled.amount) == ("rollover", 8.0)


def test_a_counter_that_overflows_at_its_sign_bit_is_a_rollover() -> None:
    counts = run(with_(METER, count=1.0, signed=True), [2.0**31 - 10, 5.0])
    assert (counts[1].verdict, counts[1].amount) == ("rollover", 15.0)


@pytest.mark.parametrize(
    ("counter", "before", "after", "counted"),
    [
        # Siemens PAC4200: doubles in Wh overflow at 1e12.
        (Counter("x", 0.01, 0, 100e3, precision=2**-52), 1e12 - 8.0, 4.0, 12.0),
        # Eight digits of 0.1 kWh: 9 999 999.9 kWh are followed by 0.
        (Counter("x", 100.0, 32, 100e3), 9_999_999_900.0, 0.0, 100.0),
    ],
)
def test_a_display_that_overflows_is_a_rollover(counter: Counter, before: float, after: float, counted: float) -> None:
    counts = run(counter, [before, after])
    assert (counts[1].verdict, counts[1].amount) == ("rollover", near(counted))


def test_a_fall_to_0_far_from_the_end_is_no_rollover() -> None:
    assert run(METER, [2.0**32 * 10 - 5000, 0.0])[1].verdict == "glitch"


def test_after_a_gap_in_which_two_overflows_are_possible_there_is_no_rollover() -> None:
    # 16 bits of 1 Wh end after 33 minutes of 120 kW.
    state, _ = step(with_(METER, bits=16, count=1.0), None, 65_000.0, T0)
    _, count = step(with_(METER, bits=16, count=1.0), state, 100.0, T0 + 7200 * NS)
    assert (count.verdict, count.amount) == ("glitch", 0.0)


@pytest.mark.parametrize("level", [312_000.0, 91_000_000.0])
def test_another_meter_is_accepted_when_it_counts_and_its_level_is_no_energy(level: float) -> None:
    counts = run(METER, [25_567_000.0, level, level + 20, level + 30, level + 60])
    assert verdicts(counts) == ["good", "glitch", "glitch", "exchange", "good"]
    assert amounts(counts) == [0.0, 0.0, 0.0, 30.0, 30.0]
    assert events(counts) == [("exchange", 25_567_000.0, level)]


def test_a_device_that_read_0_at_the_start_is_not_another_meter() -> None:
    counts = run(METER, [0.0, 0.0, 25_567_000.0, 25_567_010.0, 25_567_020.0])
    assert verdicts(counts) == ["good", "good", "glitch", "glitch", "good"]
    assert sum(amounts(counts)) == 20.0
    assert events(counts) == [("glitch", 25_567_000.0, 0.0)]


def test_energy_during_a_restart_is_counted() -> None:
    state, _ = step(METER, None, 5_000_000.0, T0)
    kept = State.load(json.loads(json.dumps(state.dump())))
    # Ten hours at 60 kW.
    _, count = step(METER, kept, 5_600_000.0, T0 + 36_000 * NS)
    assert count == CounterStep(600_000.0, "estimated")


def test_more_energy_than_rated_power_allows_in_a_gap_is_a_glitch() -> None:
    state = State(5_000_000.0, T0, T0 - NS)  # it had just changed; a first value may be a day old
    # Ten hours allow 1200 kWh.
    _, count = step(METER, state, 6_300_000.0, T0 + 36_000 * NS)
    assert count == CounterStep(0.0, "glitch")


def test_kilowatt_hours_come_in_steps() -> None:
    meter = with_(METER, count=1000.0, limit=10e3)
    # 5 kW: a step every 720 s.
    counts = run(meter, [1e6 + 1000.0 * (second // 720) for second in range(2000)])
    assert set(verdicts(counts)) == {"good"}
    assert sum(amounts(counts)) == 2000.0


@pytest.mark.parametrize("period", [7, 30, 60])
def test_a_register_that_is_refreshed_every_few_seconds_is_good(period: int) -> None:
    # 95 kW shown every `period` seconds.
    meter = with_(METER, count=1.0)
    counts = run(meter, [1e6 + round(95e3 / 3600 * (second // period * period)) for second in range(600)])
    assert set(verdicts(counts)) == {"good"}
    assert sum(amounts(counts)) == round(95e3 / 3600 * (599 // period * period))


def test_a_register_that_is_refreshed_every_ten_minutes_loses_no_energy() -> None:
    meter = with_(METER, count=1.0)
    counts = run(meter, [1e6 + round(95e3 / 3600 * (second // 600 * 600)) for second in range(3601)])
    assert events(counts) == []
    assert sum(amounts(counts)) == 95e3


def test_the_energy_of_a_month_in_which_the_register_stood_still_is_estimated() -> None:
    # home-assistant/frontend#28177: 30 days of 40 kW in one reading, then normal steps.
    state = State(5e6, T0, T0 - 30 * 86_400 * NS)
    counts = run(METER, [5e6, 33.8e6, 33.8e6 + 10, 33.8e6 + 20], start=T0 + NS, state=state)
    # The value can be true: the register stood still for 30 days. It is held, and no glitch.
    assert verdicts(counts) == ["good", "held", "held", "estimated"]
    assert sum(amounts(counts)) == 30 * 24 * 40e3 + 20
    assert events(counts) == []


def test_a_total_that_falls_by_its_last_digit_adds_nothing_until_it_is_exceeded() -> None:
    counts = run(METER, [5_000_000.0, 4_999_990.0, 5_000_000.0, 5_000_010.0])
    assert (amounts(counts), set(verdicts(counts))) == ([0.0, 0.0, 0.0, 10.0], {"good"})


def test_the_energy_of_an_accepted_spike_is_not_counted_twice() -> None:
    # 1 kWh is less than a minute of 120 kW, so after a quiet minute it is accepted; then the true value returns.
    counts = run(METER, [5e6] * 70 + [5e6 + 1000] + [5e6 + 10.0 * n for n in range(1, 121)])
    assert sum(amounts(counts)) == 1200.0
    assert verdicts(counts)[71] == "glitch"
    assert verdicts(counts)[-1] == "good"
    assert [event for event, _, _ in events(counts)] == ["glitch"]


def test_a_clock_that_is_set_back_loses_no_energy() -> None:
    state, _ = step(METER, None, 5_000_000.0, T0)
    state, first_step = step(METER, state, 5_000_020.0, T0 - 3600 * NS)
    _, second_step = step(METER, state, 5_000_040.0, T0 - 3599 * NS)
    assert (first_step, second_step) == (CounterStep(20.0, "good"), CounterStep(20.0, "good"))


@pytest.mark.parametrize(
    "dumped", [None, 7, "state", [], [1, 2], [1, 2, 3, [4]], ["a", 2, 3, None], [1e999, 2, 3, None]]
)
def test_an_invalid_state_is_refused(dumped: object) -> None:
    with pytest.raises(ValueError, match="found"):
        State.load(dumped)


def test_a_nan_value_is_refused() -> None:
    with pytest.raises(ValueError, match="active_energy_import: found nan"):
        step(METER, None, float("nan"), T0)


# --- properties -------------------------------------------------------------------------------------------------


@dataclass
class Truth:
    """A counting meter, its register, and the results of the state machine."""

    counter: Counter
    state: State | None = None
    time: int = T0
    energy: float = 0.0  # whole counts since the first reading
    offset: float = 5_000_000.0  # the register shows energy + offset
    counted: float = 0.0
    events: list[Verdict] = field(default_factory=list)

    def read(self, shown: float | None = None) -> CounterStep:
        """Read the register, or a wrong value."""
        before = self.state
        value = (self.energy + self.offset) if shown is None else shown
        self.state, count = step(self.counter, self.state, value, self.time)
        again = step(self.counter, before, value, self.time)
        assert again == (self.state, count)  # the result depends on the state only
        assert State.load(json.loads(json.dumps(self.state.dump()))) == self.state
        assert count.amount >= 0.0
        seconds = (self.time - before.time) / NS if before else 0.0
        stood = (self.time - before.since) / NS if before and before.held else 0.0  # a register that stood still
        bound = (
            POWER_MARGIN * self.counter.limit * (max(seconds, stood, REFRESH_SECONDS) + self.counter.interval) / 3600
        )
        assert count.amount <= bound + 2 * self.counter.count
        self.counted += count.amount
        if count.event:
            self.events.append(count.event)
        return count

    def flow(self, share: float, intervals: int = 1) -> None:
        """Let a share of the rated power flow for some intervals."""
        seconds = intervals * self.counter.interval
        self.time += int(seconds * NS)
        self.energy += share * self.counter.limit * seconds / 3600 // self.counter.count * self.counter.count

    def settle(self) -> None:
        """Let the meter count for four intervals, which decides about held values."""
        for _ in range(4):
            self.flow(1.0)
            self.read()


def meter(limit: float, interval: float, count: float) -> Counter:
    """Return a u64 meter that counts at least ten steps in an interval at rated power."""
    return Counter("active_energy_import", count, 64, limit, interval=interval)


METERS = st.builds(meter, st.sampled_from([50e3, 630e3]), st.sampled_from([1.0, 10.0, 900.0]), st.sampled_from([1.0]))
SHARES = st.floats(0.0, 1.0)
QUIET = st.lists(SHARES, min_size=1, max_size=6)
WRONG = st.sampled_from(["zero", "spike", "torn", "double"])


def wrong_value(kind: str, shown: float, counter: Counter) -> float:
    """Return a value that the register never had, further away than rated power allows in a minute or an interval."""
    distance = 2 * counter.max_amount(max(REFRESH_SECONDS, counter.interval), shown) + 1e6
    values = {"zero": 0.0, "spike": shown + distance, "torn": shown + 65536 * distance, "double": 2 * shown + distance}
    return values[kind]


@given(METERS, st.lists(st.tuples(QUIET, WRONG, st.integers(1, 2)), max_size=6))
def test_glitches_neither_add_nor_lose_energy(counter: Counter, history: list[tuple[list[float], str, int]]) -> None:
    truth = Truth(counter)
    truth.read()
    for shares, kind, length in history:
        for share in shares:
            truth.flow(share)
            truth.read()
        bad = wrong_value(kind, truth.energy + truth.offset, counter)
        for _ in range(length):
            truth.flow(0.5)
            # A register that has never moved may have been copied a day ago, and the value may be true: it is held.
            assert truth.read(bad).verdict in (("glitch",) if truth.counted else ("glitch", "held"))
        truth.flow(0.5)
        truth.read()
        assert truth.counted == truth.energy
    assert truth.events == ["glitch"] * len(history)


@given(METERS, st.lists(st.tuples(SHARES, st.integers(1, 100_000)), min_size=1, max_size=10))
def test_gaps_and_restarts_lose_no_energy(counter: Counter, history: list[tuple[float, int]]) -> None:
    truth = Truth(counter)
    truth.read()
    for share, gap in history:
        truth.flow(share, gap)
        before = truth.energy - truth.counted
        count = truth.read()
        assert (count.verdict == "estimated") == (gap > 2 and before > 0)
        assert truth.counted == truth.energy
    assert truth.events == []


@given(METERS, QUIET, st.integers(1, 1000), SHARES, SHARES)
def test_a_reset_loses_only_the_energy_that_the_meter_lost(
    counter: Counter, shares: list[float], gap: int, forgotten: float, since: float
) -> None:
    truth = Truth(counter, offset=1e12)  # out of reach again before the reset is confirmed
    truth.read()
    for share in shares:
        truth.flow(share)
        truth.read()
    truth.flow(forgotten)  # not counted: since the last reading, then the meter is reset
    lost = truth.energy - truth.counted
    truth.offset = -truth.energy
    truth.flow(since, gap)
    truth.read()
    truth.settle()
    assert truth.events == ["reset"]
    assert truth.counted == truth.energy - lost


@given(METERS, QUIET, st.integers(1, 10), st.booleans(), st.floats(2.0, 1e6))
def test_another_meters_level_is_no_energy(
    counter: Counter, shares: list[float], gap: int, higher: bool, factor: float
) -> None:
    truth = Truth(counter, offset=1e12)
    truth.read()
    for share in shares:
        truth.flow(share)
        truth.read()
    truth.flow(1.0)  # the register must not have stood still
    truth.read()
    last = truth.energy
    truth.flow(0.5, gap)
    # Unrelated: further than rated power explains, and too high to have been counted from 0.
    reach = counter.max_amount(max(gap * counter.interval, REFRESH_SECONDS) + counter.interval, 1e12) * factor
    truth.offset = 1e12 + reach if higher else max(1e12 - 1e3 * reach, reach) - truth.energy
    installed = truth.energy
    truth.read()
    truth.settle()
    assert truth.events == ["exchange"]
    # The energy between the last reading of the old meter and the first of the new meter is unknown.
    assert truth.counted == last + truth.energy - installed


@given(st.sampled_from([16, 32]), st.sampled_from([1.0, 10.0, 100.0]), st.lists(SHARES, min_size=1, max_size=60))
def test_an_overflow_loses_no_energy(bits: int, count: float, shares: list[float]) -> None:
    counter = Counter("active_energy_import", count, bits, 2000 * count * 3600, interval=1.0)
    end = 2.0**bits * count
    truth = Truth(counter, offset=0.0)
    start = end - 8192 * count
    truth.read(start)
    for share in shares:
        truth.flow(share)
        truth.read((start + truth.energy) % end)
    assert truth.counted == truth.energy
    assert truth.events == ["rollover"] * int((start + truth.energy) // end)


@given(METERS, st.lists(st.floats(0.0, 1e13), min_size=1, max_size=40), st.lists(st.integers(-5, 400), min_size=40))
def test_no_energy_is_negative_or_above_rated_power_whatever_is_read(
    counter: Counter, values: list[float], steps: list[int]
) -> None:
    truth = Truth(counter)
    for value, intervals in zip(values, steps, strict=False):
        truth.time += int(intervals * counter.interval * NS)
        truth.read(value)
