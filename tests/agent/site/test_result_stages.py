"""The stages price, book and close windows alone, and a replay of their records; expected values by hand."""

from __future__ import annotations

import struct
from math import nan
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.accounts.account_stages import AccountStages
from wattgram.accounts.books import Books
from wattgram.accounts.checkpoint_text import state_of
from wattgram.accounts.daybook import DayBook
from wattgram.accounts.instant_replay import ImpliedPast, Replay
from wattgram.accounts.instant_rows import StoredLate
from wattgram.accounts.late_energy import Span
from wattgram.accounts.late_price import text_of
from wattgram.base.clock import NS
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.grid.ladder import Ladder
from wattgram.site.flow_stages import InstantFlows
from wattgram.site.gap_settlement import SettledGaps
from wattgram.site.result_stages import ResultStages

from tests.support.plants import Plant

HOUR = 1_780_286_400 * NS  # 12:00 in Shanghai
MINUTE = 60 * NS


class Results:
    """Stages of a site with an incomer; the grid has 500 g/kWh."""

    def __init__(self, folder: Path, factor: float = 500.0) -> None:
        self.config: Config = Plant(folder, {"incomer": "grid"}, HOUR, grid=GridConfig("CN-CQ", factor=factor)).config
        self.accounts = AccountStages(self.books())
        days = DayBook("works", ZoneInfo("Asia/Shanghai"), self.accounts.books.layout, 400.0)
        self.stages = ResultStages(self.accounts, days)

    def books(self) -> Books:
        grid = self.config.grid
        return Books(self.config, Ladder(grid.zone, grid.basis, grid.factor))

    def row(self, power: float, seconds: float = 60.0, energy: float = nan) -> bytes:
        """Return a row without a price."""
        named = {"seconds": seconds, "incomer": power, "incomer energy": energy, "incomer energy against": 0.0}
        fields = self.accounts.books.layout.fields
        return struct.pack(f"{len(fields)}d", *(named.get(name, nan) for name in fields))

    def hour(self, begin: int = HOUR) -> list[Record]:
        """Return the records of an hour of 60 kW: 1 kWh a minute."""
        records: list[Record] = []
        for minute in range(61):
            seconds = 60.0 if minute else 0.0
            row = self.row(60e3, seconds, 1000.0 if minute else nan)
            records += self.stages.advance(InstantFlows(begin + minute * MINUTE, row))[0]
        return records


def kinds(records: list[Record]) -> list[str]:
    return [f"{record.series.kind} {dict(record.series.tags).get('window', '')}".rstrip() for record in records]


def test_the_first_instant_begins_with_a_checkpoint(tmp_path: Path) -> None:
    results = Results(tmp_path)
    records, occurrences = results.stages.advance(InstantFlows(HOUR + MINUTE, results.row(60e3, 0.0)))
    assert (kinds(records), occurrences) == (["checkpoint", "instant", "emission tick"], [])
    assert (records[0].time, records[0]["how"]) == (HOUR + MINUTE - 1, "anew")
    assert records[1]["grid_intensity"] == 500.0
    assert results.stages.latest is records[2]


def test_an_hour_closes_its_windows_and_ends_with_a_checkpoint_and_the_day(tmp_path: Path) -> None:
    records = Results(tmp_path).hour()
    last = records[-1 - kinds(records)[::-1].index("instant") :]
    assert kinds(last) == ["instant", "emission tick", "emission 15m", "emission 1h", "checkpoint", "day", "day"]
    assert last[3]["load_energy"] == pytest.approx(60e3)  # Wh
    assert last[3]["emission"] == pytest.approx(60 * 500.0)  # kWh x g/kWh
    assert last[4]["how"] == ""


def test_a_window_is_published_once(tmp_path: Path) -> None:
    before, after = Results(tmp_path / "before"), Results(tmp_path / "after")
    before.hour()
    after.stages.restore(before.stages.dump())
    row = after.row(60e3)
    repeated = [after.stages.advance(InstantFlows(HOUR + minute * MINUTE, row)) for minute in (14, 15)]
    assert "emission 15m" not in kinds([record for records, _ in repeated for record in records])
    ((device, occurrence),) = repeated[-1][1]
    assert (device, occurrence.event, occurrence.detail[:4]) == ("", "window not told", "15m ")


def test_late_energy_is_stored_with_its_instant(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.hour()
    results.stages.advance(InstantFlows(HOUR + 74 * MINUTE, results.row(nan, 840.0)))  # a gap of 14 min
    late = StoredLate(
        HOUR + 75 * MINUTE, results.row(0.0, 840.0, 14e3), text_of((Span(HOUR + 60 * MINUTE, HOUR + 74 * MINUTE),))
    )
    gaps = SettledGaps(rows=(late,), booked=((late.time, late.row),))
    records, _ = results.stages.advance(InstantFlows(HOUR + 75 * MINUTE, results.row(60e3, 60.0, 1000.0), gaps=gaps))
    assert kinds(records) == ["instant", "late", "emission tick", "emission 15m"]
    assert records[3]["load_energy"] == pytest.approx(15_000.0)  # 60 kW x 15 min


@pytest.mark.parametrize(("factor", "changed"), [(500.0, 0), (600.0, 1)])
def test_a_replay_passes_the_same_stages(tmp_path: Path, factor: float, changed: int) -> None:
    records = Results(tmp_path / "live").hour()
    books = Results(tmp_path / "again", factor).books()
    books.restore(state_of(str(records[0]["state"])))
    replay = Replay(books, HOUR - 1, HOUR - 1, HOUR + 60 * MINUTE, ImpliedPast(), ALL_WINDOWS, skip_to_checkpoint=False)
    published = [revised for record in records for revised in replay.take(record)]
    published += replay.finish()
    assert replay.counts.computed == {"tick": 61, "15m": 4, "1h": 1}
    assert replay.counts.changed["1h"] == changed
    hours = [record["emission"] for record in published if ("window", "1h") in record.series.tags]
    assert hours == [pytest.approx(60 * factor)] * changed
