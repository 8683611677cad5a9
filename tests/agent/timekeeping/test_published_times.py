"""Spans and stamps of published keys, each of which occurs once; expected values by hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import MS, NS
from wattgram.base.record import Record, Series
from wattgram.timekeeping.published_times import (
    MOST_SPANS,
    REACH,
    PublishedTimes,
    PublishedWindows,
    Spans,
    series_name,
    series_names,
)


def test_a_span_continues_over_near_times_and_ends_at_a_gap() -> None:
    spans = Spans(10)
    assert [spans.add(time) for time in (100, 110, 120, 131, 135)] == [True] * 5
    assert spans.dump() == [[100, 120], [131, 135]]
    assert [spans.last_published(time) for time in (99, 100, 115, 120, 121, 130, 131, 136)] == [
        *(None, 120, 120, 120),
        *(None, None, 135, None),
    ]


def test_a_published_time_is_refused_and_a_time_between_spans_is_accepted() -> None:
    spans = Spans(10)
    for time in (100, 200):
        spans.add(time)
    assert [spans.add(time) for time in (200, 150, 160, 100, 105)] == [False, True, True, False, True]
    assert spans.dump() == [[100, 105], [150, 160], [200, 200]]


def test_the_oldest_spans_are_joined_when_there_are_too_many() -> None:
    spans = Spans(1)
    for number in range(MOST_SPANS + 2):
        spans.add(100 * number)
    assert spans.dump() == [[0, 200], *([100 * number] * 2 for number in range(3, MOST_SPANS + 2))]
    assert not spans.add(50)  # an unused key may be skipped, but no key may occur twice


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 40)), max_size=60), st.integers(1, 30))
def test_no_key_is_added_twice(runs: list[tuple[int, int]], reach: int) -> None:
    """Set a clock to `begin` and let it run for some ticks, repeatedly, with a restart after each run."""
    spans, times = Spans(reach), list[int]()
    for begin, length in runs:
        times += [time for time in range(begin, begin + length) if spans.add(time)]
        restored = Spans(reach)
        restored.restore(json.loads(json.dumps(spans.dump())))
        assert restored.dump() == spans.dump()
        spans = restored
    assert len(times) == len(set(times))
    assert all(spans.last_published(time) is not None for time in times)


@pytest.mark.parametrize("wrong", [None, 7, [1], [[2, 1]], [[5, 6], [1, 2]], [["x", 1]]])
def test_invalid_spans_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="expected spans"):
        Spans(1).restore(wrong)


def device(name: str, time: int) -> Record:
    return Record(Series("device", (("site", "works"), ("device", name))), time)


def stamped(published: PublishedTimes, name: str, *times: int) -> list[int]:
    return [published.with_unique_time(device(name, time * MS)).time - time * MS for time in times]


def test_a_used_time_gets_nanoseconds() -> None:
    published = PublishedTimes()
    assert stamped(published, "incomer", 5, 6, 7, 3, 4, 5, 4, 5, 6, 7, 8, 9) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 0, 0]
    assert stamped(published, "roof", 5) == [0]  # another series


def test_events_of_the_same_millisecond_get_different_times() -> None:
    published = PublishedTimes()
    assert stamped(published, "", 5, 5, 5, 5, 6) == [0, 1, 2, 3, 0]


def after_a_restart(published: PublishedTimes, *devices: str) -> PublishedTimes:
    restored = PublishedTimes()
    for name in series_names(devices):
        if name in published._stamps:
            restored.restore_stamp(name, published.stamp(name))
    return restored


@given(st.lists(st.tuples(st.sampled_from(("incomer", "roof")), st.integers(0, 20)), max_size=200))
def test_no_stamp_occurs_twice(readings: list[tuple[str, int]]) -> None:
    published, stamps = PublishedTimes(), list[tuple[str, int]]()
    for name, time in readings:
        stamps.append((name, published.with_unique_time(device(name, time * MS)).time))
        assert stamps[-1][1] // MS == time
        published = after_a_restart(published, "incomer", "roof")
    assert len(stamps) == len(set(stamps))


@pytest.mark.parametrize("wrong", [b"", b"1 2", b"1 2 3 4", b"1 2 x"])
def test_an_invalid_stamp_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="expected three times of device incomer"):
        PublishedTimes().restore_stamp("device incomer", wrong)


def test_every_stamped_series_has_a_name() -> None:
    assert series_names(["incomer"]) == [
        "device ",
        "device incomer",
        "event ",
        "event incomer",
        "gateway ",
        "gateway incomer",
        "seal ",
        "seal incomer",
    ]
    assert series_name(device("incomer", 0).series) == "device incomer"
    assert series_name(Series("gateway", (("site", "works"),))) == "gateway "


def window(name: str, time: int) -> Record:
    return Record(Series("emission", (("site", "works"), ("window", name))), time)


def test_a_window_of_each_kind_is_published_once() -> None:
    published = PublishedWindows()
    assert [published.add(window(name, 900 * NS)) for name in ("15m", "1h", "15m", "1h")] == [
        True,
        True,
        False,
        False,
    ]
    assert published.add(window("15m", 1800 * NS))


def test_consecutive_windows_are_one_span() -> None:
    """Join windows of local days of 25 hours and of months of 31 days and 1 hour, at the end of summer time."""
    lengths = {"15m": 900, "1h": 3600, "1d": 25 * 3600, "1mo": 31 * 24 * 3600 + 3600}
    assert lengths.keys() == REACH.keys()
    for name, length in lengths.items():
        published = PublishedWindows()
        for number in range(3):
            assert published.add(window(name, number * length * NS))
        assert published.dump()[name] == [[0, 2 * length * NS]]


def test_published_times_survive_a_restart() -> None:
    published = PublishedTimes()
    assert stamped(published, "incomer", 5) == [0]
    assert stamped(after_a_restart(published, "incomer"), "incomer", 5) == [1]


def test_published_windows_survive_a_restart() -> None:
    published, restored = PublishedWindows(), PublishedWindows()
    assert published.add(window("1h", 0))
    restored.restore(json.loads(json.dumps(published.dump())))
    assert not restored.add(window("1h", 0))


def test_spans_of_two_directories_are_joined_and_a_gap_between_them_stays_free() -> None:
    spans = Spans(10)
    spans.restore([[100, 120], [200, 220]])
    spans.join([[110, 130], [150, 160], [220, 221]])
    assert spans.dump() == [[100, 130], [150, 160], [200, 221]]
    assert [spans.add(time) for time in (125, 140, 165, 205)] == [False, True, True, False]


@given(st.lists(st.integers(0, 10_000), max_size=60), st.lists(st.integers(0, 10_000), max_size=60))
def test_every_time_of_both_directories_counts_as_published(here: list[int], there: list[int]) -> None:
    spans, other = Spans(10), Spans(10)
    for time in here:
        spans.add(time)
    for time in there:
        other.add(time)
    spans.join(other.dump())
    assert len(spans.dump()) <= MOST_SPANS
    assert all(spans.last_published(time) is not None for time in (*here, *there))


def test_a_series_continues_after_the_times_of_another_directory() -> None:
    series = Series("device", (("site", "works"), ("device", "one")), ("power",))
    times = PublishedTimes()
    times.with_unique_time(Record(series, 5 * MS, b"\0" * 8))
    times.note_stamp("device one", b"%d %d 3" % (9 * MS, 7 * MS))
    assert times.stamp("device one") == b"%d %d 3" % (9 * MS, 7 * MS)
    times.note_stamp("device one", b"no times")
    # Time 6 ms was perhaps published in the other directory, which has gone back three times.
    assert times.with_unique_time(Record(series, 6 * MS, b"\0" * 8)).time == 6 * MS + 4
