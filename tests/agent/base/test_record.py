"""Records: named fields in, named fields out."""

from __future__ import annotations

from math import inf, isnan, nan

import pytest
from wattgram.base.encoders import LineProtocol, Messages
from wattgram.base.record import Record, Series, record

from tests.support.records import METER, NOW, reading

COUNTS = Series("gateway", (("site", "works"),), ("records", "uptime"), ("records",), ("note",))


def test_a_record_gives_back_what_was_named() -> None:
    made = record(COUNTS, NOW, {"records": 5, "uptime": 1.5, "note": "日本"})
    assert (made["records"], made["uptime"], made["note"]) == (5.0, 1.5, "日本")
    assert made.as_dict() == {"note": "日本", "records": 5, "uptime": 1.5}
    assert isinstance(made.as_dict()["records"], int)


def test_what_is_not_named_is_absent() -> None:
    made = record(COUNTS, NOW, {"records": 5})
    uptime = made["uptime"]
    assert isinstance(uptime, float)
    assert isnan(uptime)
    assert made.as_dict() == {"records": 5}


@pytest.mark.parametrize("strange", [nan, inf, -inf])
def test_what_is_no_number_is_absent_everywhere(strange: float) -> None:
    made = record(COUNTS, NOW, {"records": strange, "uptime": 1.0})
    assert made.as_dict() == {"uptime": 1.0}
    assert LineProtocol().line(made) == b"gateway,site=works uptime=1 %d" % NOW
    # 1,790,000,000 s after 1970 by `date -u -d @1790000000`.
    assert Messages().message(made, replayed=False) == b'{"time":"2026-09-21T14:13:20.000Z","uptime":1}'


def test_an_unknown_field_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        reading(1)["voltage"]


def test_a_message_has_the_tags_that_its_topic_does_not_tell() -> None:
    event = Series("event", (("site", "works"), ("device", "incomer")), (), (), ("event", "detail"))
    said = Messages().message(Record(event, NOW, b"", ("device lost", "")), replayed=True)
    expected = b'{"time":"2026-09-21T14:13:20.000Z","device":"incomer","event":"device lost","replayed":true}'
    assert said == expected
    assert b"driver" not in Messages().message(record(METER, NOW, {"quality": "good"}), replayed=False)
