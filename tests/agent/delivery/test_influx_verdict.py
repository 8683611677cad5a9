"""Verdicts on responses of databases and proxies; the messages are those of public bug reports."""

from __future__ import annotations

import pytest
from wattgram.delivery.sinks.influx_verdict import FieldConflict, Outcome, conflict_in, write_verdict


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Outcome.WRITTEN),
        (200, Outcome.UNAVAILABLE),
        (302, Outcome.UNAVAILABLE),
        (400, Outcome.CONTENT),
        (401, Outcome.UNAVAILABLE),
        (403, Outcome.UNCLEAR),
        (404, Outcome.UNAVAILABLE),
        (406, Outcome.UNCLEAR),
        (413, Outcome.CONTENT),
        (422, Outcome.CONTENT),
        (429, Outcome.UNAVAILABLE),
        (500, Outcome.UNCLEAR),
        (503, Outcome.UNAVAILABLE),
        (507, Outcome.UNCLEAR),
    ],
)
def test_each_status_has_its_outcome(status: int, outcome: Outcome) -> None:
    assert write_verdict(status, "", {}, "").outcome is outcome


@pytest.mark.parametrize(
    ("status", "message", "dropped"),
    [
        # telegraf issue 8571
        (
            500,
            '{"code":"internal error","message":"unexpected error writing points to database: partial write: points '
            'beyond retention policy dropped=254"}',
            254,
        ),
        # fritzinfluxdb issue 143: InfluxDB 2.7.11
        (
            422,
            '{"code":"unprocessable entity","message":"failure writing points to database: partial write: dropped 550 '
            "points outside retention policy of duration 8760h0m0s - oldest point fritzbox at 2022-05-09T10:22:00Z "
            "dropped because it violates a Retention Policy Lower Bound dropped=550 for database: 91040e1bf6671dfd "
            'for retention policy: autogen"}',
            550,
        ),
        (400, '{"error":"partial write: points beyond retention policy dropped=6"}', 6),
    ],
)
def test_points_beyond_retention_are_refused_lines(status: int, message: str, dropped: int) -> None:
    verdict = write_verdict(status, "", {}, message)
    assert (verdict.outcome, verdict.dropped, verdict.by_time, verdict.conflict) == (
        Outcome.CONTENT,
        dropped,
        True,
        None,
    )


@pytest.mark.parametrize(
    ("message", "conflict"),
    [
        (
            'partial write: field type conflict: input field "temp_cpu" on measurement "usg" is type float, already '
            "exists as type integer dropped=1",
            FieldConflict("temp_cpu", "usg"),
        ),
        ("invalid column type for column 'value', expected iox::column_type::field::float", FieldConflict("value")),
        ("unable to insert f64 type into column temp with type i64", FieldConflict("temp")),
        ("partial write: points beyond retention policy dropped=6", None),
        ("unable to parse 'device frequency=': missing field value", None),
    ],
)
def test_a_conflict_names_its_field(message: str, conflict: FieldConflict | None) -> None:
    assert conflict_in(message) == conflict


def test_a_body_that_is_cut_off_is_read_as_text() -> None:
    body = '{"error":"partial write: field type conflict: input field \\"f\\" on measurement \\"device\\" is type floa'
    assert write_verdict(400, "", {}, body).conflict == FieldConflict("f", "device")
