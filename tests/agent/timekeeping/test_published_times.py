"""Spans and stamps: no key twice; expected values by hand, the rule by random tests."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import MS, NS
from wattgram.base.record import Record, Series
from wattgram.timekeeping.published_times import MOST_SPANS, REACH, PublishedTimes, Spans, series_name, series_names


def test_a_stretch_goes_on_over_what_is_near_and_ends_where_nothing_was_told() -> None:
    spans = Spans(10)
    assert [spans.add(time) for time in (100, 110, 120, 131, 135)] == [True] * 5
    assert spans.dump() == [[100, 120], [131, 135]]
    assert [spans.last_published(time) for time in (99, 100, 115, 120, 121, 130, 131, 136)] == [
        *(None, 120, 120, 120),
        *(None, None, 135, None),
    ]


def test_what_was_told_is_not_told_again_and_what_lies_between_is() -> None:
    spans = Spans(10)
    for time in (100, 200):
        spans.add(time)
    assert [spans.add(time) for time in (200, 150, 160, 100, 105)] == [False, True, True, False, True]
    assert spans.dump() == [[100, 105], [150, 160], [200, 200]]


def test_the_oldest_stretches_become_one_when_there_are_many() -> None:
    spans = Spans(1)
    for number in range(MOST_SPANS + 2):
        spans.add(100 * number)
    assert spans.dump() == [[0, 200], *([100 * number] * 2 for number in range(3, MOST_SPANS + 2))]
    assert not spans.add(50)  # an unused key may be skipped, but no key may occur twice


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 40)), max_size=60), st.integers(1, 30))
def test_no_key_is_added_twice(walks: list[tuple[int, int]], reach: int) -> None:
    """A clock that is set to `begin` and goes on for some ticks, again and again, with restarts between."""
    spans, told = Spans(reach), list[int]()
    for begin, length in walks:
        told += [time for time in range(begin, begin + length) if spans.add(time)]
        again = Spans(reach)
        again.restore(json.loads(json.dumps(spans.dump())))
        assert again.dump() == spans.dump()
        spans = again
    assert len(told) == len(set(told))
    assert all(spans.last_published(time) is not None for time in told)


@pytest.mark.parametrize("wrong", [None, 7, [1], [[2, 1]], [[5, 6], [1, 2]], [["x", 1]]])
def test_invalid_spans_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="expected spans"):
        Spans(1).restore(wrong)


def device(name: str, time: int) -> Record:
    return Record(Series("device", (("site", "works"), ("device", name))), time)


def stamped(told: PublishedTimes, name: str, *times: int) -> list[int]:
    return [told.with_unique_time(device(name, time * MS)).time - time * MS for time in times]


def test_a_time_that_is_used_up_gets_nanoseconds() -> None:
    told = PublishedTimes()
    assert stamped(told, "incomer", 5, 6, 7, 3, 4, 5, 4, 5, 6, 7, 8, 9) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 0, 0]
    assert stamped(told, "roof", 5) == [0]  # another series


def test_two_events_of_one_millisecond_are_two() -> None:
    told = PublishedTimes()
    assert stamped(told, "", 5, 5, 5, 5, 6) == [0, 1, 2, 3, 0]


def after_a_restart(told: PublishedTimes, *devices: str) -> PublishedTimes:
    again = PublishedTimes()
    again.restore(json.loads(json.dumps(told.dump())))
    for name in series_names(devices):
        if name in told._stamps:
            again.restore_stamp(name, told.stamp(name))
    return again


@given(st.lists(st.tuples(st.sampled_from(("incomer", "roof")), st.integers(0, 20)), max_size=200))
def test_no_stamp_is_given_twice(came: list[tuple[str, int]]) -> None:
    told, given = PublishedTimes(), list[tuple[str, int]]()
    for name, time in came:
        given.append((name, told.with_unique_time(device(name, time * MS)).time))
        assert given[-1][1] // MS == time
        told = after_a_restart(told, "incomer", "roof")
    assert len(given) == len(set(given))


@pytest.mark.parametrize("wrong", [b"", b"1 2", b"1 2 3 4", b"1 2 x"])
def test_what_are_no_times_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="expected three times of device incomer"):
        PublishedTimes().restore_stamp("device incomer", wrong)


def test_every_stamped_series_has_its_name() -> None:
    assert series_names(["incomer"]) == [
        "device ",
        "device incomer",
        "event ",
        "event incomer",
        "gateway ",
        "gateway incomer",
    ]
    assert series_name(device("incomer", 0).series) == "device incomer"
    assert series_name(Series("gateway", (("site", "works"),))) == "gateway "


def window(name: str, time: int) -> Record:
    return Record(Series("emission", (("site", "works"), ("window", name))), time)


def test_a_window_is_told_once_of_each_kind() -> None:
    told = PublishedTimes()
    assert [told.add_window(window(name, 900 * NS)) for name in ("15m", "1h", "15m", "1h")] == [
        True,
        True,
        False,
        False,
    ]
    assert told.add_window(window("15m", 1800 * NS))


def test_windows_that_follow_one_another_are_one_stretch() -> None:
    """Local days of 25 hours and months of 31 days, one of which ends with summer time."""
    lengths = {"15m": 900, "1h": 3600, "1d": 25 * 3600, "1mo": 31 * 24 * 3600 + 3600}
    assert lengths.keys() == REACH.keys()
    for name, length in lengths.items():
        told = PublishedTimes()
        for number in range(3):
            assert told.add_window(window(name, number * length * NS))
        assert told.dump()[name] == [[0, 2 * length * NS]]


def test_what_was_told_outlives_a_restart() -> None:
    told = PublishedTimes()
    assert stamped(told, "incomer", 5) == [0]
    assert told.add_window(window("1h", 0))
    again = after_a_restart(told, "incomer")
    assert stamped(again, "incomer", 5) == [1]
    assert not again.add_window(window("1h", 0))
