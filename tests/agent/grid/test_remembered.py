"""Signals are stored as records and restored exactly, also after a restart."""

from __future__ import annotations

import asyncio
import logging
import struct
from dataclasses import replace
from math import inf, isnan, nan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.base.record import Record, Series
from wattgram.grid.feed import Feed, SignalChanges
from wattgram.grid.ladder import Ladder
from wattgram.grid.mix import IPCC
from wattgram.grid.remembered import FIELDS, SIGNAL_TEXTS, records_of, restore, signal_of
from wattgram.grid.signal import FOREVER, Signal
from wattgram.store.history import History
from wattgram.store.spool import Spool

from tests.support.grid_signals import Hands, signal, utc

NOON = utc("2026-06-01T12:00:00+08:00")
HOUR = 3600 * NS

SHARES = st.dictionaries(st.sampled_from(sorted(IPCC)), st.floats(0.0, 1.0))
SIGNALS = st.integers(1, FOREVER - 1).flatmap(
    lambda begin: st.builds(
        Signal,
        intensity=st.floats(0.0, 2000.0) | st.just(nan),
        basis=st.sampled_from(["direct", "lifecycle"]),
        source=st.text(max_size=40),
        tier=st.integers(1, 5),
        valid_from=st.just(begin),
        valid_to=st.integers(begin + 1, FOREVER),
        arrived=st.integers(0, FOREVER),
        clean_share=st.floats(0.0, 1.0) | st.just(nan),
        estimated=st.booleans(),
        shares=st.none() | SHARES,
        raw=st.floats(0.0, 2000.0) | st.just(nan),
    )
)


def feeds(*names: str, time: int = NOON) -> list[Feed]:
    return [Feed(name, Hands(time)) for name in names]  # type: ignore[arg-type]  # a clock by hand


@given(SIGNALS)
def test_a_signal_is_restored_from_its_record_unchanged(original: Signal) -> None:
    (stored,) = records_of("works", "mqtt grid/mix", [original])
    assert stored.series.kind == "signal"
    assert dict(stored.series.tags) == {"site": "works", "feed": "mqtt grid/mix"}
    assert stored.time == original.valid_from
    restored = signal_of(stored)
    assert restored.arrived == original.arrived
    assert restored.repeats(original) or isnan(original.intensity)
    assert restored == original  # each of its unknown numbers is the one NaN of math


def test_times_are_exact_where_a_double_is_not() -> None:
    # 2026-06-01T04:00:00.000000001Z; doubles of this size lie 256 apart
    original = Signal(400.0, "direct", "mqtt", 1, NOON + 1, NOON + 900 * NS + 3, NOON + 7)
    assert float(original.valid_to) != original.valid_to
    (stored,) = records_of("works", "mqtt", [original])
    assert stored.texts == ("direct", "mqtt", "", str(NOON + 900 * NS + 3), str(NOON + 7))
    assert signal_of(stored) == original


def test_a_mix_without_fuels_differs_from_no_mix() -> None:
    several: tuple[dict[str, float] | None, ...] = (None, {})
    for shares in several:
        (stored,) = records_of("works", "mqtt", [replace(signal(400.0, NOON, 900), shares=shares)])
        assert signal_of(stored).shares == shares


def test_a_mix_of_too_many_fuels_is_refused() -> None:
    with pytest.raises(ValueError, match="found 65 fuels; at most 64"):
        records_of("works", "mqtt", [replace(signal(400.0, NOON, 900), shares={str(n): 0.0 for n in range(65)})])


def changed(field: str, value: float | str) -> Record:
    """Return the record of a valid signal with another value in one field."""
    (sound,) = records_of("works", "mqtt", [replace(signal(400.0, NOON, 900), shares={"coal": 1.0})])
    if isinstance(value, str):
        texts = [value if name == field else text for name, text in zip(SIGNAL_TEXTS, sound.texts, strict=True)]
        return replace(sound, texts=tuple(texts))
    numbers = [value if name == field else number for name, number in zip(FIELDS, sound.numbers(), strict=True)]
    return replace(sound, values=struct.pack(f"{len(FIELDS)}d", *numbers))


DAMAGED = [
    *(changed("intensity", value) for value in (-1.0, 2001.0, inf)),
    *(changed("clean_share", value) for value in (-0.1, 1.1, inf)),
    *(changed("tier", value) for value in (0.0, 1.5, 6.0, nan, inf)),
    *(changed("estimated", value) for value in (0.5, nan)),
    *(changed("valid_to", value) for value in ("", "x", str(NOON), str(2**63), "9" * 5000)),
    *(changed("arrived", value) for value in ("", "-1", "1.5")),
    *(changed("shares", value) for value in ("{", "[]", '{"coal": null}', '{"coal": NaN}', "[" * 100_000, "\ud800")),
    changed("shares", "{" + ",".join(f'"{number}": 0' for number in range(65)) + "}"),
    replace(changed("tier", 1.0), values=b"1"),
    replace(changed("tier", 1.0), texts=("direct",)),
    Record(Series("signal", (("site", "works"), ("feed", "mqtt")), ("intensity",)), NOON, struct.pack("d", 1.0)),
]


def test_a_damaged_record_is_left_out_and_counted() -> None:
    assert [restore(feeds("mqtt"), [record], "direct") for record in DAMAGED] == [1] * len(DAMAGED)
    (feed,) = feeds("mqtt")
    sound = records_of("works", "mqtt", [signal(410.0, NOON - HOUR, 900)])
    assert restore([feed], [*DAMAGED, *sound], "direct") == len(DAMAGED)
    assert [value.intensity for value in feed._actual] == [410.0]


def test_every_feed_gets_its_own_signals_and_signals_of_no_feed_are_left_out() -> None:
    first, second, third = feeds("electricitymaps CN", "mqtt", "electricitymaps CN")
    records = [
        *records_of("works", "electricitymaps CN", [signal(401.0, NOON, 900)]),
        *records_of("works", "electricitymaps CN #2", [signal(403.0, NOON, 900)]),
        *records_of("works", "ukgrid", [signal(404.0, NOON, 900)]),
        *records_of("works", "mqtt", [replace(signal(405.0, NOON, 900), basis="lifecycle")]),
    ]
    assert restore([first, second, third], records, "direct") == 0
    assert [[value.intensity for value in feed._actual] for feed in (first, second, third)] == [[401.0], [], [403.0]]


def test_after_a_restart_the_spool_restores_the_signals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Hands(NOON)
    feed = Feed("mqtt", clock)  # type: ignore[arg-type]  # a clock by hand
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    puts = [
        [signal(400.0 + quarter, NOON - quarter * 900 * NS, 900) for quarter in range(1, 20)],
        [
            signal(300.0, NOON - 9 * 900 * NS, 900),
            signal(301.0, NOON - 3 * 900 * NS, 900),
        ],  # the five in between are removed
        [signal(500.0 + hour, NOON + hour * HOUR, 3600, 3) for hour in range(5)],
    ]

    async def work() -> list[Record]:
        spool = Spool(tmp_path, max_size=64 << 20, keep=1e6, sinks=())
        await spool.open()
        for signals in puts:
            feed.put(signals)
            for name, news in ladder.changes().signals.items():
                for record in records_of("works", name, news):
                    spool.append(record)
            await spool.sync()
        await spool.close()
        with History(tmp_path, "works").past() as past:
            return list(past.signals())

    records = asyncio.run(work())
    # The last record of each beginning: 19, of which 2 were revised and 5 removed, and the forecasts of the next hour.
    assert len(records) == 19 + 2
    (after,) = feeds("mqtt")
    assert restore([after], records, "direct") == 0
    assert [*after._actual] == [*feed._actual]
    assert [*after._forecast] == [*feed._forecast][:2]
    assert after.changes() == SignalChanges()
    after.put(puts[1])  # the source repeats its values
    assert after.changes() == SignalChanges()
    assert [text for text in caplog.messages if "mqtt" in text] == []


def test_editions_are_restored_with_the_signals() -> None:
    live, file_feed = feeds("mqtt", "file mix.csv")
    restore([live, file_feed], [], "direct", {"file mix.csv": "first"})
    assert (live.mark, file_feed.mark) == ("", "first")
