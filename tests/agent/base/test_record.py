"""Records are created from named fields and return named fields."""

from __future__ import annotations

from math import inf, isnan, nan

import pytest
from wattgram.base.encoders import LineProtocol, Messages
from wattgram.base.record import Record, Series, record

from tests.support.records import METER, NOW, reading

COUNTS = Series("gateway", (("site", "works"),), ("records", "uptime"), ("records",), ("note",))


def test_a_record_returns_its_named_fields() -> None:
    sample_record = record(COUNTS, NOW, {"records": 5, "uptime": 1.5, "note": "日本"})
    assert (sample_record["records"], sample_record["uptime"], sample_record["note"]) == (5.0, 1.5, "日本")
    assert sample_record.as_dict() == {"note": "日本", "records": 5, "uptime": 1.5}
    assert isinstance(sample_record.as_dict()["records"], int)


def test_a_field_without_value_is_absent() -> None:
    sample_record = record(COUNTS, NOW, {"records": 5})
    uptime = sample_record["uptime"]
    assert isinstance(uptime, float)
    assert isnan(uptime)
    assert sample_record.as_dict() == {"records": 5}


@pytest.mark.parametrize("not_a_number", [nan, inf, -inf])
def test_a_value_that_is_not_a_number_is_absent_everywhere(not_a_number: float) -> None:
    sample_record = record(COUNTS, NOW, {"records": not_a_number, "uptime": 1.0})
    assert sample_record.as_dict() == {"uptime": 1.0}
    assert LineProtocol().line(sample_record) == b"gateway,site=works uptime=1 %d" % NOW
    # 1,790,000,000 s after 1970 by `date -u -d @1790000000`.
    assert Messages().message(sample_record, replayed=False) == b'{"time":"2026-09-21T14:13:20.000Z","uptime":1}'


def test_an_unknown_field_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        reading(1)["voltage"]


def test_a_message_has_the_tags_that_its_topic_lacks() -> None:
    event = Series("event", (("site", "works"), ("device", "incomer")), (), (), ("event", "detail"))
    message = Messages().message(Record(event, NOW, b"", ("device lost", "")), replayed=True)
    expected = b'{"time":"2026-09-21T14:13:20.000Z","device":"incomer","event":"device lost","replayed":true}'
    assert message == expected
    assert b"driver" not in Messages().message(record(METER, NOW, {"quality": "good"}), replayed=False)
