"""Energy of intervals from power and counters: published energy and deficit add up to the counter.

Expected energies are calculated beside each case; 3600 W for a second are 1 Wh.
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


def step(positive: float, negative: float = nan, verdict: Verdict = "good", resolution: float = 0.0) -> MeteredStep:
    """Return a metered step."""
    return MeteredStep(positive, negative, verdict, (resolution, resolution))


def run(
    channel: Channel, instants: list[tuple[float, float, MeteredStep]], *, start: int = T0
) -> tuple[Channel, list[Energies]]:
    """Advance a channel by consecutive instants: seconds since the instant before, power, metered step."""
    results = []
    time = start
    for seconds, power, metered in instants:
        time += int(seconds * NS)
        channel, energies = channel.advance(time, power, metered)
        results.append(energies)
    return channel, results


def positive(intervals: list[Energies]) -> list[float]:
    return [energies.positive for energies in intervals]


def test_without_a_counter_the_trapezoid_is_split_by_the_sign_of_its_mean() -> None:
    powers = [3600.0, 7200.0, -3600.0, -3600.0, nan, 3600.0]
    _, energies = run(Channel(1.0), [(1.0, power, MeteredStep()) for power in powers])
    # Means of the two ends: 5400, 1800, -3600, then the only end that exists: -3600 and 3600 W.
    assert isnan(energies[0].positive)
    assert [energy[:4] for energy in energies[1:]] == [
        (1.5, 0.0, 0, 0),
        (0.5, 0.0, 0, 0),
        (0.0, 1.0, 0, 0),
        (0.0, 1.0, 0, 0),
        (1.0, 0.0, 0, 0),
    ]


def test_an_interval_without_power_at_either_end_has_no_energy() -> None:
    _, energies = run(Channel(1.0), [(1.0, power, MeteredStep()) for power in (3600.0, nan, nan)])
    assert [isnan(energy.positive) and isnan(energy.negative) for energy in energies] == [True, False, True]


def test_a_counter_above_the_power_is_followed_at_once_and_one_below_it_holds_the_energy_back() -> None:
    # 1 Wh a second by power; the counter shows 2, then 2, then twice 0, and again 1.
    _, energies = run(Channel(1.0), [(1.0, 3600.0, step(amount)) for amount in (0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0)])
    # The power may be a step of 2 Wh ahead: 1 + 1 Wh are accepted, then the counter must follow.
    assert positive(energies)[1:] == [2.0, 2.0, 1.0, 1.0, 0.0, 0.0]


def test_steps_of_1_kwh_are_spread_by_the_power() -> None:
    # 36 kW: a step of 1 kWh in 100 s, the first after 37 s.
    instants = [(1.0, 36e3, step(1000.0 if n % 100 == 37 else 0.0, resolution=1000.0)) for n in range(1000)]
    channel, energies = run(Channel(1.0), instants)
    positive_energies = positive(energies)[1:]
    # The first step shows that the register was 630 Wh further than a whole kWh when reading began.
    assert positive_energies[36] == pytest.approx(640.0)
    assert positive_energies[37:] == pytest.approx([10.0] * 962)
    assert channel.positive.outstanding == pytest.approx(10_000.0 - sum(positive_energies))


def test_a_power_that_is_too_low_still_gives_the_counters_energy() -> None:
    # 1 Wh a second by power; every tenth second the counter shows 2 Wh a second.
    instants = [(1.0, 3600.0, step(20.0 if n % 10 == 0 and n else nan)) for n in range(101)]
    instants[0] = (1.0, 3600.0, step(0.0))
    _, energies = run(Channel(1.0), instants)
    assert sum(positive(energies)[1:]) == pytest.approx(200.0)


def test_a_deficit_decays_over_time() -> None:
    # 1 Wh a second by power; the counter shows 10 Wh more once. In 60 s a deficit falls to 1/e: the first second takes
    # 10 x (1 - e^(-1/60)) = 0.165285 Wh of it, and after ten minutes 10 x e^-10 = 0.00045 Wh are left.
    instants = [(1.0, 3600.0, step(amount)) for amount in (0.0, 1.0, 11.0, *[1.0] * 599)]
    channel, energies = run(Channel(1.0, decay=60.0), instants)
    assert energies[2].positive == pytest.approx(1.165285, abs=1e-6)
    assert channel.positive.deficit == pytest.approx(0.00045, abs=1e-5)
    assert max(positive(energies)[1:]) == energies[2].positive


def test_a_correction_is_limited_by_rated_power() -> None:
    # 3600 W x 1.2 for a second is 1.2 Wh; the counter shows 4 Wh in a second with 1 Wh by power.
    instants = [(1.0, 3600.0, step(amount)) for amount in (0.0, 4.0, *[1.0] * 20)]
    channel, energies = run(Channel(1.0, rated_power=3600.0), instants)
    assert positive(energies)[1:16] == pytest.approx([1.2] * 15)
    assert sum(positive(energies)[1:]) == pytest.approx(24.0)
    assert channel.positive.outstanding == pytest.approx(0.0)


def test_counted_energy_of_a_gap_is_late_energy() -> None:
    # One second of 1 Wh, ten minutes without the gateway in which 100 Wh were counted, then 1 Wh a second again.
    channel, energies = run(
        Channel(1.0),
        [
            (1.0, 3600.0, step(0.0)),
            (1.0, 3600.0, step(1.0)),
            (600.0, 3600.0, step(100.0, verdict="estimated")),
            (1.0, 3600.0, step(1.0)),
        ],
    )
    assert [energy.late_positive for energy in energies] == [0.0, 0.0, 100.0, 0.0]
    assert isnan(energies[2].positive)
    assert energies[3].positive == 1.0
    assert channel.positive.outstanding == 0.0


def test_a_counter_that_is_read_some_time_after_a_gap_gives_late_energy() -> None:
    channel, energies = run(
        Channel(1.0),
        [
            (1.0, 3600.0, step(0.0)),
            (600.0, 3600.0, MeteredStep()),
            (1.0, 3600.0, MeteredStep()),
            (1.0, 3600.0, step(102.0)),
        ],
    )
    # Two seconds were published by power; the rest of the counter's 102 Wh flowed in the gap.
    assert [energy.late_positive for energy in energies] == [0.0, 0.0, 0.0, 100.0]
    assert positive(energies)[2:] == [1.0, 1.0]
    assert channel.positive.outstanding == 0.0


def test_after_a_reset_the_energy_by_power_stays() -> None:
    amounts = [
        step(0.0),
        step(1.0),
        MeteredStep(verdict="glitch"),
        MeteredStep(verdict="glitch"),
        step(2.0, verdict="reset"),
    ]
    channel, energies = run(Channel(1.0), [(1.0, 3600.0, amount) for amount in [*amounts, step(1.0)]])
    assert positive(energies)[1:] == [1.0] * 5
    assert channel.positive.outstanding == 0.0


def test_a_clock_that_was_set_back_integrates_nothing() -> None:
    channel, energies = run(
        Channel(1.0), [(1.0, 3600.0, step(0.0)), (-3600.0, 3600.0, step(1.0)), (1.0, 3600.0, step(1.0))]
    )
    assert isnan(energies[1].positive)
    assert energies[2].positive == 2.0
    assert channel.positive.outstanding == 0.0


def test_a_charging_battery_corrects_its_negative_direction() -> None:
    _, energies = run(Channel(1.0), [(1.0, -3600.0, step(0.0, amount)) for amount in (0.0, 1.5, 1.5)])
    assert [energy[:4] for energy in energies[1:]] == [(0.0, 1.5, 0.0, 0.0), (0.0, 1.5, 0.0, 0.0)]


@pytest.mark.parametrize(
    "dumped",
    [None, [], [1, 2.0, True, [0, 0, 0], [0, 0]], [1, 2.0, True, [0, 0, 0], ["a", 0, 0]], [1, 2, 3, [nan] * 3] * 2],
)
def test_an_invalid_state_is_refused(dumped: object) -> None:
    with pytest.raises(ValueError, match="expected a channel's state"):
        Channel(1.0).restored(dumped)


# --- properties -------------------------------------------------------------------------------------------------

POWERS = st.one_of(st.just(nan), st.floats(-2e6, 2e6))
AMOUNTS = st.one_of(st.just(nan), st.just(0.0), st.floats(0.0, 2e3))
VERDICTS: st.SearchStrategy[Verdict] = st.sampled_from(["good", "good", "good", "rollover", "glitch", "estimated"])
METERED = st.builds(step, AMOUNTS, AMOUNTS, VERDICTS, st.sampled_from([0.1, 10.0, 1000.0]))
INSTANTS = st.lists(
    st.tuples(st.sampled_from([1.0, 1.0, 1.0, 2.0, 3.0, 600.0, -5.0, 0.0]), POWERS, METERED), max_size=50
)
RATED = st.sampled_from([inf, 10e3, 630e3])


@given(RATED, INSTANTS)
def test_published_and_outstanding_energy_add_up_to_the_counter(
    rated: float, instants: list[tuple[float, float, MeteredStep]]
) -> None:
    channel, results = run(Channel(1.0, rated), instants)
    for lane, index in ((channel.positive, 0), (channel.negative, 1)):
        counter = sum(row[2][:2][index] for row in instants if not isnan(row[2][:2][index]))
        numbers = [row[:4] for row in results]
        published = sum(row[index] for row in numbers if not isnan(row[index])) + sum(row[2 + index] for row in numbers)
        assert published + lane.outstanding == pytest.approx(counter, rel=1e-9, abs=1e-6)


@given(RATED, INSTANTS)
def test_no_energy_is_negative_or_corrected_to_more_than_rated_power(
    rated: float, instants: list[tuple[float, float, MeteredStep]]
) -> None:
    counted = step(0.0, 0.0)
    _, results = run(Channel(1.0, rated), [(1.0, nan, counted), *instants])
    before = nan
    for (seconds, power, _), energies in zip(instants, results[1:], strict=True):
        assert min(energies.late_positive, energies.late_negative) >= 0.0
        # A power that has passed its bounds is never clamped (METHOD-SITE 10).
        most = max(POWER_MARGIN * rated, *(abs(end) for end in (before, power) if not isnan(end)), 0.0)
        for energy in energies[:2]:
            assert isnan(energy) or 0.0 <= energy <= most * seconds / 3600.0 * (1 + 1e-12)
        before = power
        if seconds > GAP_INTERVALS or seconds <= 0.0:
            assert isnan(energies.positive)


@given(RATED, INSTANTS, st.integers(0, 50))
def test_a_restart_changes_nothing(rated: float, instants: list[tuple[float, float, MeteredStep]], at: int) -> None:
    whole, results = run(Channel(1.0, rated), instants)
    first, before = run(Channel(1.0, rated), instants[:at])
    kept = Channel(1.0, rated).restored(json.loads(json.dumps(first.dump())))
    elapsed = sum(int(instant[0] * NS) for instant in instants[:at])
    last, after = run(kept, instants[at:], start=T0 + elapsed)
    assert repr(before + after) == repr(results)  # NaN is not itself
    assert repr(last) == repr(whole)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.0, 500.0), st.sampled_from([0.25, 0.5]))
def test_an_interval_that_is_split_in_two_has_the_same_energy(
    begin: float, end: float, amount: float, share: float
) -> None:
    if begin * end < 0.0:  # the sign of a mean is no longer that of its parts
        end = -end
    counted = step(amount, amount)
    start = (1.0, begin, step(0.0, 0.0))
    _, whole = run(Channel(1.0), [start, (1.0, end, counted)])
    middle = begin + share * (end - begin)
    _, parts = run(Channel(1.0), [start, (share, middle, MeteredStep()), (1.0 - share, end, counted)])
    for index in (0, 1):
        first, second, both = parts[1][:2][index], parts[2][:2][index], whole[1][:2][index]
        split = first + second
        # With a counter: neither the second part nor the whole can be corrected below 0.
        tolerance = first - both
        assert split == pytest.approx(both, rel=1e-9, abs=max(1e-9, tolerance))


@given(
    st.lists(st.floats(0.0, 100e3), min_size=2, max_size=200),
    st.sampled_from([0.1, 1.0, 10.0, 100.0]),
    st.floats(0.8, 1.1),
    st.floats(0.0, 1.0),
)
def test_energy_of_any_window_is_within_a_step_and_an_interval_of_the_counter(
    powers: list[float], resolution: float, factor: float, phase: float
) -> None:
    # A meter whose power is `factor` times the true power, and whose counter shows whole steps.
    true_energies = [0.0, *((earlier + later) / 2 / 3600 for earlier, later in pairwise(powers))]
    register = [floor(total / resolution + phase) * resolution for total in accumulate(true_energies)]
    amounts = [0.0, *(later - earlier for earlier, later in pairwise(register))]
    _, energies = run(
        Channel(1.0),
        [
            (1.0, factor * power, step(amount, resolution=resolution))
            for power, amount in zip(powers, amounts, strict=True)
        ],
    )
    differences = list(
        accumulate(earlier - later for earlier, later in zip(positive(energies)[1:], amounts[1:], strict=True))
    )
    interval = max(1.0, factor) * max(true_energies)
    for begin, earlier in enumerate([0.0, *differences]):
        for later in differences[begin:]:
            assert abs(later - earlier) <= resolution + interval + 1e-6
