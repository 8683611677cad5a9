"""Published instants and their distance from the previous instant; expected times in s, by hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.timekeeping.tick_order import TickOrder, TickStep


def advance(order: TickOrder, *pairs: tuple[float, float]) -> list[TickStep]:
    """Advance by instants of the wall clock, each with its monotonic time."""
    return [order.advance(round(time * NS), at) for time, at in pairs]


def events(steps: list[TickStep]) -> list[tuple[int, str]]:
    return [(number, occurrence.event) for number, step in enumerate(steps) for occurrence in step.occurrences]


def test_a_running_clock_has_contiguous_instants() -> None:
    steps = advance(TickOrder(1.0), (10_000, 3), (10_001, 4), (10_002, 5), (10_008, 11))
    assert steps == [TickStep(), TickStep(gap=1.0), TickStep(gap=1.0), TickStep(gap=6.0)]


def test_a_clock_that_is_set_forward_breaks_contiguity() -> None:
    order = TickOrder(1.0)
    advance(order, (10_000, 3), (10_001, 4))
    order.interrupt()
    assert advance(order, (13_603, 6.5), (13_604, 7.5)) == [TickStep(gap=2.5, contiguous=False), TickStep(gap=1.0)]


def test_published_instants_are_skipped_and_the_gap_is_monotonic_time() -> None:
    order = TickOrder(1.0)
    advance(order, *((10_000 + second, second) for second in range(100)))
    order.interrupt()
    steps = advance(order, *((10_060 + second, 100 + second) for second in range(42)))
    assert [step.published for step in steps] == [False] * 40 + [True] * 2
    assert steps[40:] == [TickStep(steps[40].occurrences, gap=41.0, contiguous=False), TickStep(gap=1.0)]
    assert events(steps) == [(0, "instants wait"), (40, "instants go on")]


def test_instants_wait_up_to_a_quarter_of_an_hour_even_at_unpublished_times() -> None:
    order = TickOrder(1.0)
    advance(order, (10_000, 0))
    order.interrupt()
    steps = advance(order, (9_100, 5), (9_101, 6), (10_000, 905), (10_001, 906))
    assert [step.published for step in steps] == [False, False, False, True]


def test_a_clock_set_back_further_continues_until_the_published_instants() -> None:
    order = TickOrder(1.0)
    advance(order, (10_000, 0), (10_001, 1))
    order.interrupt()
    steps = advance(order, (9_100, 2), (9_101, 3))
    assert steps == [TickStep(gap=1.0, contiguous=False, set_back=True), TickStep(gap=1.0)]
    assert order.last == 9_101 * NS
    # Until the two published instants.
    steps = advance(order, (9_999, 901), (10_000, 902), (10_001, 903), (10_002, 904))
    assert [step.published for step in steps] == [True, False, False, True]
    assert steps[3].gap == 3.0


def test_after_a_restart_with_a_clock_set_back_the_gap_is_0() -> None:
    order = TickOrder(1.0)
    advance(order, (10_000, 500), (10_001, 501))
    restarted = TickOrder(1.0)
    restarted.restore(json.loads(json.dumps(order.dump())))
    assert advance(restarted, (10_000.5, 3), (10_001.5, 4)) == [
        TickStep(published=False, occurrences=wait_event()),
        TickStep(occurrences=go_on_event(), gap=0.0, contiguous=False),
    ]
    later = TickOrder(1.0)
    later.restore(order.dump())
    assert advance(later, (10_061, 3)) == [TickStep(gap=60.0)]


def test_a_clock_set_back_between_two_runs_is_an_event() -> None:
    order = TickOrder(1.0)
    advance(order, (10_000, 500), (10_001, 501))
    restarted = TickOrder(1.0)
    restarted.restore(order.dump())
    # 35 min before 10,001 s, where nothing was published
    (step,) = advance(restarted, (7_901, 3))
    detail = "from 1970-01-01T02:46:41.000Z or later to 1970-01-01T02:11:41.000Z between two runs"
    assert step.occurrences == (Occurrence("clock stepped", detail),)
    assert step.set_back
    order.interrupt()
    assert advance(order, (7_901, 600))[0].occurrences == (), "within a run, the watch of the clock reports it"


def wait_event() -> tuple[Occurrence, ...]:
    detail = "until 1970-01-01T02:46:41.000Z: published already, before the clock was set back"
    return (Occurrence("instants wait", detail),)


def go_on_event() -> tuple[Occurrence, ...]:
    return (Occurrence("instants go on", "from 1970-01-01T02:46:41.500Z"),)


@pytest.mark.parametrize("wrong", [{}, {"last": 5}, {"last": "x", "spans": []}, {"last": None, "spans": 3}])
def test_an_invalid_state_is_refused(wrong: object) -> None:
    with pytest.raises((KeyError, ValueError)):
        TickOrder(1.0).restore(wrong)


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 60)), max_size=40))
def test_no_instant_is_published_twice_and_gaps_do_not_exceed_elapsed_time(runs: list[tuple[int, int]]) -> None:
    order, published, at = TickOrder(1.0), list[int](), 0.0
    for begin, length in runs:
        order.interrupt()
        gaps = 0.0
        begun = at
        for second in range(begin, begin + length):
            at += 1.0
            step = order.advance(second * NS, at)
            if step.published:
                published.append(second)
                gaps += step.gap if step.contiguous else 0.0
        assert gaps <= at - begun
    assert len(published) == len(set(published))
