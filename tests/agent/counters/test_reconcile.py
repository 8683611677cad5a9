"""Energy of intervals from power and counters: published energy and deficit add up to the counter.

Expected energies are worked out beside each case; 3600 W for a second are 1 Wh.
"""

from __future__ import annotations

import json
from itertools import accumulate, pairwise
from math import floor, inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.counters.counter import GAP_INTERVALS, POWER_MARGIN, Verdict
from wattgram.counters.metering import MeteredStep
from wattgram.counters.reconcile import Channel, Energies

T0 = 1_790_000_000 * NS


def said(positive: float, negative: float = nan, verdict: Verdict = "good", resolution: float = 0.0) -> MeteredStep:
    """Return a metered step."""
    return MeteredStep(positive, negative, verdict, (resolution, resolution))


def run(
    channel: Channel, instants: list[tuple[float, float, MeteredStep]], *, start: int = T0
) -> tuple[Channel, list[Energies]]:
    """Instants (seconds after the one before, power, metered) one after the other."""
    told = []
    time = start
    for seconds, power, metered in instants:
        time += int(seconds * NS)
        channel, energies = channel.advance(time, power, metered)
        told.append(energies)
    return channel, told


def positive(told: list[Energies]) -> list[float]:
    return [one.positive for one in told]


def test_without_a_counter_the_trapezoid_split_by_the_sign_of_its_mean() -> None:
    powers = [3600.0, 7200.0, -3600.0, -3600.0, nan, 3600.0]
    _, told = run(Channel(1.0), [(1.0, power, MeteredStep()) for power in powers])
    # Means of the ends: 5400, 1800, -3600, the end that is there -3600, then 3600 W.
    assert isnan(told[0].positive)
    assert told[1:] == [(1.5, 0.0, 0, 0), (0.5, 0.0, 0, 0), (0.0, 1.0, 0, 0), (0.0, 1.0, 0, 0), (1.0, 0.0, 0, 0)]


def test_a_power_at_neither_end_tells_nothing() -> None:
    _, told = run(Channel(1.0), [(1.0, power, MeteredStep()) for power in (3600.0, nan, nan)])
    assert [isnan(one.positive) and isnan(one.negative) for one in told] == [True, False, True]


def test_a_counter_that_says_more_is_paid_at_once_and_one_that_says_less_is_waited_for() -> None:
    # 1 Wh a second by power; the counter shows 2, then 2, then twice 0, and again 1.
    _, told = run(Channel(1.0), [(1.0, 3600.0, said(amount)) for amount in (0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0)])
    # The power may be a step of 2 Wh ahead: 1 + 1 Wh are accepted, then the counter must follow.
    assert positive(told)[1:] == [2.0, 2.0, 1.0, 1.0, 0.0, 0.0]


def test_kilowatt_hours_come_out_as_evenly_as_power_tells() -> None:
    # 36 kW: a step of 1 kWh in 100 s, the first after 37 s.
    instants = [(1.0, 36e3, said(1000.0 if n % 100 == 37 else 0.0, resolution=1000.0)) for n in range(1000)]
    channel, told = run(Channel(1.0), instants)
    energies = positive(told)[1:]
    # The first step shows that the register was 630 Wh further than a whole kWh when reading began.
    assert energies[36] == pytest.approx(640.0)
    assert energies[37:] == pytest.approx([10.0] * 962)
    assert channel.positive.outstanding == pytest.approx(10_000.0 - sum(energies))


def test_a_power_that_shows_too_little_still_comes_to_the_counters_energy() -> None:
    # 1 Wh a second by power; every tenth second the counter shows 2 Wh a second.
    instants = [(1.0, 3600.0, said(20.0 if n % 10 == 0 and n else nan)) for n in range(101)]
    instants[0] = (1.0, 3600.0, said(0.0))
    _, told = run(Channel(1.0), instants)
    assert sum(positive(told)[1:]) == pytest.approx(200.0)


def test_a_debt_can_be_paid_little_by_little() -> None:
    # 1 Wh a second by power; the counter shows 10 Wh more once. In 60 s a deficit falls to 1/e: the first second takes
    # 10 x (1 - e^(-1/60)) = 0.165285 Wh of it, and after ten minutes 10 x e^-10 = 0.00045 Wh are left.
    instants = [(1.0, 3600.0, said(amount)) for amount in (0.0, 1.0, 11.0, *[1.0] * 599)]
    channel, told = run(Channel(1.0, decay=60.0), instants)
    assert told[2].positive == pytest.approx(1.165285, abs=1e-6)
    assert channel.positive.deficit == pytest.approx(0.00045, abs=1e-5)
    assert max(positive(told)[1:]) == told[2].positive


def test_no_more_is_paid_than_rated_power_allows() -> None:
    # 3600 W x 1.2 for a second is 1.2 Wh; the counter shows 4 Wh in a second with 1 Wh by power.
    instants = [(1.0, 3600.0, said(amount)) for amount in (0.0, 4.0, *[1.0] * 20)]
    channel, told = run(Channel(1.0, rated_power=3600.0), instants)
    assert positive(told)[1:16] == pytest.approx([1.2] * 15)
    assert sum(positive(told)[1:]) == pytest.approx(24.0)
    assert channel.positive.outstanding == pytest.approx(0.0)


def test_what_a_counter_says_after_a_gap_goes_into_totals() -> None:
    # One second of 1 Wh, ten minutes without the gateway in which 100 Wh were counted, then 1 Wh a second again.
    channel, told = run(
        Channel(1.0),
        [
            (1.0, 3600.0, said(0.0)),
            (1.0, 3600.0, said(1.0)),
            (600.0, 3600.0, said(100.0, verdict="estimated")),
            (1.0, 3600.0, said(1.0)),
        ],
    )
    assert [one.late_positive for one in told] == [0.0, 0.0, 100.0, 0.0]
    assert isnan(told[2].positive)
    assert told[3].positive == 1.0
    assert channel.positive.outstanding == 0.0


def test_a_counter_that_is_read_only_some_time_after_the_gap() -> None:
    channel, told = run(
        Channel(1.0),
        [
            (1.0, 3600.0, said(0.0)),
            (600.0, 3600.0, MeteredStep()),
            (1.0, 3600.0, MeteredStep()),
            (1.0, 3600.0, said(102.0)),
        ],
    )
    # Two seconds were published by power; the rest of the counter's 102 Wh flowed in the gap.
    assert [one.late_positive for one in told] == [0.0, 0.0, 0.0, 100.0]
    assert positive(told)[2:] == [1.0, 1.0]
    assert channel.positive.outstanding == 0.0


def test_after_a_reset_what_power_told_of_the_unknown_stands() -> None:
    amounts = [
        said(0.0),
        said(1.0),
        MeteredStep(verdict="glitch"),
        MeteredStep(verdict="glitch"),
        said(2.0, verdict="reset"),
    ]
    channel, told = run(Channel(1.0), [(1.0, 3600.0, amount) for amount in [*amounts, said(1.0)]])
    assert positive(told)[1:] == [1.0] * 5
    assert channel.positive.outstanding == 0.0


def test_a_clock_that_was_set_back_integrates_nothing() -> None:
    channel, told = run(
        Channel(1.0), [(1.0, 3600.0, said(0.0)), (-3600.0, 3600.0, said(1.0)), (1.0, 3600.0, said(1.0))]
    )
    assert isnan(told[1].positive)
    assert told[2].positive == 2.0
    assert channel.positive.outstanding == 0.0


def test_a_charging_battery_pays_into_its_own_direction() -> None:
    _, told = run(Channel(1.0), [(1.0, -3600.0, said(0.0, amount)) for amount in (0.0, 1.5, 1.5)])
    assert told[1:] == [(0.0, 1.5, 0.0, 0.0), (0.0, 1.5, 0.0, 0.0)]


@pytest.mark.parametrize(
    "dumped",
    [None, [], [1, 2.0, True, [0, 0, 0], [0, 0]], [1, 2.0, True, [0, 0, 0], ["a", 0, 0]], [1, 2, 3, [nan] * 3] * 2],
)
def test_what_is_no_state_is_refused(dumped: object) -> None:
    with pytest.raises(ValueError, match="expected a channel's state"):
        Channel(1.0).restored(dumped)


# --- properties -------------------------------------------------------------------------------------------------

POWERS = st.one_of(st.just(nan), st.floats(-2e6, 2e6))
AMOUNTS = st.one_of(st.just(nan), st.just(0.0), st.floats(0.0, 2e3))
VERDICTS: st.SearchStrategy[Verdict] = st.sampled_from(["good", "good", "good", "rollover", "glitch", "estimated"])
METERED = st.builds(said, AMOUNTS, AMOUNTS, VERDICTS, st.sampled_from([0.1, 10.0, 1000.0]))
INSTANTS = st.lists(
    st.tuples(st.sampled_from([1.0, 1.0, 1.0, 2.0, 3.0, 600.0, -5.0, 0.0]), POWERS, METERED), max_size=50
)
RATED = st.sampled_from([inf, 10e3, 630e3])


@given(RATED, INSTANTS)
def test_what_is_told_and_what_is_owed_is_what_the_counters_said(
    rated: float, instants: list[tuple[float, float, MeteredStep]]
) -> None:
    channel, told = run(Channel(1.0, rated), instants)
    for lane, index in ((channel.positive, 0), (channel.negative, 1)):
        counter = sum(one[2][:2][index] for one in instants if not isnan(one[2][:2][index]))
        energy = sum(one[index] for one in told if not isnan(one[index])) + sum(one[2 + index] for one in told)
        assert energy + lane.outstanding == pytest.approx(counter, rel=1e-9, abs=1e-6)


@given(RATED, INSTANTS)
def test_no_energy_is_negative_or_more_than_rated_power(
    rated: float, instants: list[tuple[float, float, MeteredStep]]
) -> None:
    counted = said(0.0, 0.0)
    _, told = run(Channel(1.0, rated), [(1.0, nan, counted), *instants])
    for (seconds, _, _), energies in zip(instants, told[1:], strict=True):
        assert min(energies.late_positive, energies.late_negative) >= 0.0
        for energy in energies[:2]:
            assert isnan(energy) or 0.0 <= energy <= POWER_MARGIN * rated * seconds / 3600.0 * (1 + 1e-12)
        if seconds > GAP_INTERVALS or seconds <= 0.0:
            assert isnan(energies.positive)


@given(RATED, INSTANTS, st.integers(0, 50))
def test_a_restart_changes_nothing(rated: float, instants: list[tuple[float, float, MeteredStep]], at: int) -> None:
    whole, told = run(Channel(1.0, rated), instants)
    first, before = run(Channel(1.0, rated), instants[:at])
    kept = Channel(1.0, rated).restored(json.loads(json.dumps(first.dump())))
    elapsed = sum(int(one[0] * NS) for one in instants[:at])
    last, after = run(kept, instants[at:], start=T0 + elapsed)
    assert repr(before + after) == repr(told)  # NaN is not itself
    assert repr(last) == repr(whole)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.0, 500.0), st.sampled_from([0.25, 0.5]))
def test_an_interval_that_is_split_in_two_has_the_same_energy(
    begin: float, end: float, amount: float, share: float
) -> None:
    if begin * end < 0.0:  # the sign of a mean is no longer that of its parts
        end = -end
    counted = said(amount, amount)
    start = (1.0, begin, said(0.0, 0.0))
    _, whole = run(Channel(1.0), [start, (1.0, end, counted)])
    middle = begin + share * (end - begin)
    _, parts = run(Channel(1.0), [start, (share, middle, MeteredStep()), (1.0 - share, end, counted)])
    for index in (0, 1):
        got = parts[1][index] + parts[2][index]
        # With a counter: the second part can be made less than nothing no more than the whole can.
        allowed = parts[1][index] - whole[1][index]
        assert got == pytest.approx(whole[1][index], rel=1e-9, abs=max(1e-9, allowed))


@given(
    st.lists(st.floats(0.0, 100e3), min_size=2, max_size=200),
    st.sampled_from([0.1, 1.0, 10.0, 100.0]),
    st.floats(0.8, 1.1),
    st.floats(0.0, 1.0),
)
def test_over_any_window_the_energy_is_the_counters_to_a_step_and_an_interval(
    powers: list[float], resolution: float, wrong: float, phase: float
) -> None:
    # A meter whose power is `wrong` times the true one, and whose counter shows whole steps.
    true = [0.0, *((one + two) / 2 / 3600 for one, two in pairwise(powers))]
    register = [floor(total / resolution + phase) * resolution for total in accumulate(true)]
    amounts = [0.0, *(two - one for one, two in pairwise(register))]
    _, told = run(
        Channel(1.0),
        [
            (1.0, wrong * power, said(amount, resolution=resolution))
            for power, amount in zip(powers, amounts, strict=True)
        ],
    )
    behind = list(accumulate(one - two for one, two in zip(positive(told)[1:], amounts[1:], strict=True)))
    interval = max(1.0, wrong) * max(true)
    for begin, one in enumerate([0.0, *behind]):
        for two in behind[begin:]:
            assert abs(two - one) <= resolution + interval + 1e-6
