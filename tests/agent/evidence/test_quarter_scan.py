"""Each record is sealed exactly once, whatever the order of the times and however the clock is set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.record import Record, Series
from wattgram.evidence.log_state import SpoolCursor
from wattgram.evidence.quarter_scan import quarter_of, scanned
from wattgram.store.history import SealableRecords

from tests.support.stored_history import NS, QUARTER, utc, window

SHANGHAI = ZoneInfo("Asia/Shanghai")
EVENT = Series("event", (("site", "works"), ("device", "")), (), (), ("event", "detail"))


@dataclass
class Appended:
    """Records of a spool by number, from 1."""

    records: list[Record] = field(default_factory=list)

    def after(self, number: int) -> Iterator[tuple[int, Record]]:
        return ((at, record) for at, record in enumerate(self.records, 1) if at > number)


@given(st.lists(st.one_of(st.integers(0, 5), st.tuples(st.just("seal"), st.integers(0, 5))), max_size=60))
def test_each_record_is_sealed_once(steps: list[int | tuple[str, int]]) -> None:
    # a number appends an event in this quarter; ("seal", n) seals while quarter n is open
    spool, cursor, sealed = Appended(), SpoolCursor(0, 0, 0), list[str]()
    for step in [*steps, ("seal", 6)]:
        if isinstance(step, int):
            spool.records.append(Record(EVENT, step * QUARTER, b"", ("clock set", str(len(spool.records)))))
            continue
        scan = scanned(cast(SealableRecords, spool), cursor, step[1], SHANGHAI)
        cursor = scan.cursor
        for quarter, found in scan.quarters.items():
            assert quarter != step[1]
            assert {row["time"] for row in found.rows} == {found.rows[0]["time"]}
            sealed += [row["fields"]["detail"] for row in found.rows]
    assert sorted(sealed, key=int) == [str(number) for number in range(len(spool.records))]


@pytest.mark.parametrize(
    ("record", "quarter"),
    [
        (window("tick", utc("2026-11-02T00:15:00+00:00"), {}), "2026-11-02T00:00:00+00:00"),
        (window("tick", utc("2026-11-02T00:15:00+00:00") + 1_000_000, {}), "2026-11-02T00:15:00+00:00"),
        (window("15m", utc("2026-11-02T00:15:00+00:00"), {}), "2026-11-02T00:15:00+00:00"),
        (window("1h", utc("2026-11-02T00:00:00+00:00"), {}), "2026-11-02T00:45:00+00:00"),
        # midnight in Shanghai is 16:00 UTC
        (window("1d", utc("2026-11-01T16:00:00+00:00"), {}), "2026-11-02T15:45:00+00:00"),
        (window("1mo", utc("2026-10-31T16:00:00+00:00"), {}), "2026-11-30T15:45:00+00:00"),
        (Record(EVENT, utc("2026-11-02T00:15:00+00:00"), b"", ("a", "b")), "2026-11-02T00:15:00+00:00"),
        (Record(EVENT, utc("2026-11-02T00:15:00+00:00") - 1, b"", ("a", "b")), "2026-11-02T00:00:00+00:00"),
    ],
)
def test_a_record_belongs_to_the_quarter_of_its_end(record: Record, quarter: str) -> None:
    assert quarter_of(record, SHANGHAI) * 900 * NS == utc(quarter)
