"""The history for the plots of the page, from a real spool: its rows, their sums, and the blocks that are read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from wattgram.base.errors import HistoryError
from wattgram.base.record import Record, Value
from wattgram.config.correction_table import CorrectionConfig
from wattgram.daemon.page_history import MOST_PAGE_ROWS, PAGE_COLUMNS, PageHistory, resolution
from wattgram.store import block
from wattgram.store.ring import Ring

from tests.support.stored_history import NS, held, quarters, stored, utc, window

ZONE = ZoneInfo("Asia/Shanghai")
HOUR, DAY = 3600, 86400
START = utc("2026-11-02T00:00:00Z")


def ticks(times: Iterable[int], **fields: Value) -> Iterator[Record]:
    """Yield equal ticks of one second at these seconds after START."""
    for second in times:
        yield window("tick", START + second * NS, fields)


def read(folder: Path, since: int, until: int, tick: float = 1.0) -> dict[str, Any]:
    return PageHistory(folder, "works", tick, ZONE).read(since, until)


@pytest.mark.parametrize(
    ("seconds", "tick", "expected"),
    [
        (HOUR, 1.0, "tick"),
        (6 * HOUR, 1.0, "tick"),  # 21600 ticks
        (6 * HOUR + 1, 1.0, "15m"),
        (DAY, 60.0, "tick"),  # 1440 ticks
        (DAY, 1.0, "15m"),  # 96 windows
        (7 * DAY, 1.0, "15m"),  # 672
        (30 * DAY, 1.0, "1h"),  # 2880 quarters are too many, 720 hours are not
        (366 * DAY, 1.0, "1d"),
        (3660 * DAY, 1.0, "1mo"),
    ],
)
def test_the_resolution_is_the_finest_with_few_rows(seconds: float, tick: float, expected: str) -> None:
    assert resolution(seconds, tick) == expected


def test_few_ticks_are_returned_unchanged(tmp_path: Path) -> None:
    folder = stored(tmp_path / "spool", ticks(range(10), load_power=200e3, emission_intensity=279.05))
    history = read(folder, START, START + 10 * NS)
    assert (history["resolution"], history["step"]) == ("tick", 1.0)
    assert history["time"] == [START / NS + second for second in range(10)]
    assert history["load_power"] == [200e3] * 10
    assert history["emission_intensity"] == [279.05] * 10
    assert history["pv_power"] == [None] * 10
    assert {len(history[name]) for name in PAGE_COLUMNS} == {10}


def test_many_ticks_become_ratios_of_sums(tmp_path: Path) -> None:
    # 3000 s in 1500 rows of 2 s: a second of 1 Wh and 1 g, and a second of 3 Wh and 0 g.
    even = ticks(range(0, 3000, 2), load_power=3600.0, load_energy=1.0, emission=1.0, emission_intensity=1000.0)
    odd = ticks(range(1, 3000, 2), load_power=10800.0, load_energy=3.0, emission=0.0, emission_intensity=0.0)
    in_turn = [record for pair in zip(even, odd, strict=True) for record in pair]
    history = read(stored(tmp_path / "spool", in_turn), START, START + 3000 * NS)
    assert (history["step"], len(history["time"])) == (2.0, MOST_PAGE_ROWS)
    # 1 g over 4 Wh is 250 g/kWh; the mean of 1000 and 0 would be 500. (3600 + 10800) / 2 W.
    assert set(history["emission_intensity"]) == {250.0}
    assert set(history["load_power"]) == {7200.0}


def test_the_intensity_of_the_grid_is_weighted_by_the_imported_energy(tmp_path: Path) -> None:
    expensive = ticks(range(0, 3000, 2), grid_intensity=600.0, grid_import_energy=3.0)
    cheap = ticks(range(1, 3000, 2), grid_intensity=200.0, grid_import_energy=1.0)
    folder = stored(tmp_path / "spool", [record for pair in zip(expensive, cheap, strict=True) for record in pair])
    # (600 x 3 + 200 x 1) / 4
    assert set(read(folder, START, START + 3000 * NS)["grid_intensity"]) == {500.0}


def test_without_load_there_is_no_intensity_and_without_import_the_grids_is_the_mean(tmp_path: Path) -> None:
    fields = {"load_energy": 0.0, "emission": 0.0, "grid_intensity": 558.1, "grid_import_energy": 0.0}
    history = read(stored(tmp_path / "spool", ticks(range(3000), **fields)), START, START + 3000 * NS)
    assert set(history["emission_intensity"]) == {None}
    assert history["grid_intensity"] == pytest.approx([558.1] * MOST_PAGE_ROWS)


def test_a_gap_is_a_row_without_numbers(tmp_path: Path) -> None:
    folder = stored(tmp_path / "spool", ticks([0, 1, 2, 60, 61], load_power=5.0))
    history = read(folder, START, START + 100 * NS)
    assert history["load_power"] == [5.0, 5.0, 5.0, None, 5.0, 5.0]
    assert history["time"][3] == START / NS + 31  # between 2 and 60


@pytest.mark.parametrize(("days", "kind", "rows"), [(7, "15m", 672), (30, "1h", 720)])
def test_long_periods_are_the_stored_windows(tmp_path: Path, days: int, kind: str, rows: int) -> None:
    step = {"15m": 900, "1h": 3600}[kind]
    end = START + days * DAY * NS
    windows = (window(kind, time, {"load_power": 7.0}) for time in range(START, end, step * NS))
    history = read(stored(tmp_path / "spool", windows), START, end)
    assert (history["resolution"], history["step"], len(history["time"])) == (kind, step, rows)
    assert history["time"][0] == START / NS
    assert set(history["load_power"]) == {7.0}


def test_the_window_in_which_a_period_begins_is_included(tmp_path: Path) -> None:
    folder = stored(tmp_path / "spool", quarters("2026-11-02T00:00:00Z", "2026-11-02T08:00:00Z", {"load_power": 7.0}))
    history = read(folder, START + 60 * NS, START + 8 * HOUR * NS)
    assert history["time"][0] == START / NS


def test_the_last_revision_of_a_tick_counts(tmp_path: Path) -> None:
    revised = [window("tick", START + NS, {"load_power": 9.0, "revision": 1})]
    history = read(stored(tmp_path / "spool", ticks(range(3), load_power=5.0), revised), START, START + 3 * NS)
    assert history["load_power"] == [5.0, 9.0, 5.0]


def test_other_sites_and_other_times_are_left_out(tmp_path: Path) -> None:
    foreign = [window("tick", START + second * NS, {"load_power": 1.0}, site="other") for second in range(10)]
    history = read(
        stored(tmp_path / "spool", ticks(range(10), load_power=5.0), foreign), START + 2 * NS, START + 5 * NS
    )
    assert history["time"] == [START / NS + second for second in (2, 3, 4)]
    assert history["load_power"] == [5.0] * 3


def test_blocks_of_other_times_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []
    records = Ring.records

    def recorded_call(self: Ring, placed: Any, *more: Any) -> list[block.Numbered]:
        unpacked.append((placed.head.since - START) // NS // HOUR)
        return records(self, placed, *more)

    async def fill_and_read() -> dict[str, Any]:
        async with held(tmp_path / "spool", []) as spool:
            for hour in range(4):
                for record in ticks(range(hour * HOUR, hour * HOUR + 60), load_power=float(hour)):
                    spool.append(record)
                await spool.sync()
                await spool.pack(START + (hour * HOUR + 61) * NS)
            monkeypatch.setattr(Ring, "records", recorded_call)
            return await asyncio.to_thread(read, spool.path, START + HOUR * NS, START + (HOUR + 60) * NS)

    history = asyncio.run(fill_and_read())
    assert history["load_power"] == [1.0] * 60
    assert unpacked == [1]


def test_without_a_spool_there_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no such directory"):
        read(tmp_path / "nowhere", START, START + NS)


def test_corrected_time_is_named(tmp_path: Path) -> None:
    folder = stored(tmp_path / "spool", ticks(range(10), load_power=200e3))
    corrections = [CorrectionConfig("incomer", START + 5 * NS, START + DAY * NS, "factor", 0.75)]
    history = PageHistory(folder, "works", 1.0, ZONE, corrections)
    assert history.read(START, START + 10 * NS)["correction"] == "incomer x 0.75"
    assert history.read(START, START + 5 * NS)["correction"] == ""
