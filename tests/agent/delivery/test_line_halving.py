"""Refused lines in a request: exactly they are found, in few requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.encoders import LineProtocol
from wattgram.base.errors import RefusalsOnly
from wattgram.base.record import Record, record
from wattgram.base.refusal import RefusalKind
from wattgram.delivery.sinks.influx_verdict import WriteVerdict, write_verdict
from wattgram.delivery.sinks.line_halving import REFUSED_ALONE, Line, LineHalving

from tests.support.records import METER, NOW, reading

ROOF = replace(METER, tags=(("site", "works"), ("device", "roof"), *METER.tags[2:]))


def response(refused: int, count: int, answer: str) -> WriteVerdict:
    """Return what a database answers to a request of so many lines with so many refused ones."""
    if not refused:
        return write_verdict(204, "No Content", {}, "")
    if answer == "whole":  # one malformed line costs the request (InfluxDB 2, 400)
        return write_verdict(400, "Bad Request", {}, '{"code":"invalid","message":"unable to parse"}')
    # telegraf issue 8571; with several shards InfluxDB reports the number of one alone.
    dropped = refused if answer == "partial" else max(1, refused // 2)
    text = f"partial write: points beyond retention policy dropped={dropped}"
    return write_verdict(500, "Internal Server Error", {}, text)


def written(records: Sequence[Record], bad: set[int], answer: str, *, accepts: bool) -> tuple[LineHalving, int]:
    """Write records, those of `bad` by index being refused; return the result and the number of requests."""
    requests = 0

    async def send(lines: Sequence[Line]) -> WriteVerdict:
        nonlocal requests
        requests += 1
        return response(sum(line.index in bad for line in lines), len(lines), answer)

    encoder = LineProtocol()
    halving = LineHalving(send, encoder, accepts=accepts)
    lines = [Line(index, found, encoder.line(found)) for index, found in enumerate(records)]
    asyncio.run(halving.write(lines))
    return halving, requests


@given(
    count=st.integers(1, 300),
    bad=st.sets(st.integers(0, 299), max_size=20),
    answer=st.sampled_from(["whole", "partial", "some shards"]),
)
def test_exactly_the_refused_lines_are_found_in_few_requests(count: int, bad: set[int], answer: str) -> None:
    bad = {index for index in bad if index < count}
    records = [reading(index, METER if index % 3 else ROOF) for index in range(count)]
    halving, requests = written(records, bad, answer, accepts=True)
    assert set(halving.refused) == bad
    assert sorted(halving.taken) == sorted(set(range(count)) - bad)
    assert requests <= 1 + 2 * len(bad) * ceil(log2(max(2, count)))


@given(before=st.integers(0, 200), run=st.integers(1, 1000), after=st.integers(1, 200))
def test_a_run_of_points_beyond_retention_costs_as_many_requests_as_one_point(
    before: int, run: int, after: int
) -> None:
    count = before + run + after
    records = [reading(index, METER if index % 2 else ROOF) for index in range(count)]
    halving, requests = written(records, set(range(before, before + run)), "partial", accepts=False)
    assert set(halving.refused) == set(range(before, before + run))
    assert len(halving.taken) == before + after
    assert requests <= 1 + 4 * ceil(log2(count))  # two ends of the run


def test_a_database_that_accepts_no_line_gets_few_requests() -> None:
    async def send(lines: Sequence[Line]) -> WriteVerdict:
        return response(len(lines), len(lines), "whole")

    encoder = LineProtocol()
    halving = LineHalving(send, encoder, accepts=False)
    lines = [Line(index, reading(index), encoder.line(reading(index))) for index in range(1000)]
    with pytest.raises(RefusalsOnly, match="unable to parse"):
        asyncio.run(halving.write(lines))
    assert len(halving.refused) == REFUSED_ALONE


@pytest.mark.parametrize(
    "message",
    [
        # InfluxDB 1.8 and 2 (unpoller issue 970): a partial write.
        '{"error":"partial write: field type conflict: input field \\"frequency\\" on measurement \\"device\\" is type '
        'float, already exists as type string dropped=2"}',
        # InfluxDB 3: the entry of the refused line.
        '{"error":"partial write of line protocol occurred","data":[{"original_line":"device,site=works frequency=50 '
        '1","line_number":2,"error_message":"invalid column type for column \'frequency\', expected '
        'iox::column_type::field::string, got iox::column_type::field::float"}]}',
    ],
)
def test_a_field_in_conflict_is_left_out_and_the_records_are_stored(message: str) -> None:
    sent: list[list[bytes]] = []

    async def send(lines: Sequence[Line]) -> WriteVerdict:
        sent.append([line.body for line in lines])
        conflict = any(b"frequency=" in line.body for line in lines)
        return write_verdict(400, "Bad Request", {}, message) if conflict else write_verdict(204, "", {}, "")

    both = record(METER, NOW, {"active_power_total": 1.0, "frequency": 50.0, "quality": "good"})
    alone = record(METER, NOW, {"frequency": 50.0})
    encoder = LineProtocol()
    halving = LineHalving(send, encoder, accepts=False)
    lines = [Line(index, found, encoder.line(found)) for index, found in enumerate((reading(1), both, alone))]
    asyncio.run(halving.write(lines))
    assert halving.taken == [0]
    kinds = {index: refusal.kind for index, refusal in halving.refused.items()}
    # A record without any other field has nothing left to store.
    assert kinds == {1: RefusalKind.FIELD, 2: RefusalKind.LASTING}
    assert "field 'frequency' of measurement 'device' has another type" in halving.refused[1].reason
    assert len(sent) == 2
    assert len(sent[1]) == 2
