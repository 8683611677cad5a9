"""Encoder: hand-written golden lines, exact numbers, equality with the reference."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram_ext.encode import Encoder

from tests.support import reference

# 2026-11-22T08:30:00.123456789Z; `date -u -d 2026-11-22T08:30 +%s` is 1795336200
TIME = 1795336200_123456789


def block(*values: float) -> bytes:
    return struct.pack(f"{len(values)}d", *values)


def device() -> Encoder:
    tags = [("site", "liangjiang"), ("device", "roof east"), ("role", "")]
    return Encoder("device", tags, ["active_power_total", "state"], ["state"], ["quality"])


def test_a_line_is_measurement_tags_fields_and_nanoseconds() -> None:
    assert device().line(block(1234.5, 3), ("good",), TIME) == (
        b'device,site=liangjiang,device=roof\\ east quality="good",active_power_total=1234.5,state=3i '
        b"1795336200123456789"
    )


def test_json_has_time_texts_numbers_and_the_replayed_flag() -> None:
    expected = b'{"time":"2026-11-22T08:30:00.123Z","quality":"good","active_power_total":1234.5,"state":3'
    assert device().json(block(1234.5, 3), ("good",), TIME, False) == expected + b"}"
    assert device().json(block(1234.5, 3), ("good",), TIME, True) == expected + b',"replayed":true}'


def test_absent_values_are_left_out_and_an_empty_record_is_no_line() -> None:
    assert device().line(block(math.nan, 3), ("",), 5) == b"device,site=liangjiang,device=roof\\ east state=3i 5"
    assert device().line(block(math.inf, -math.inf), ("",), 5) == b""
    assert device().json(block(math.nan, math.inf), ("",), 0, False) == b'{"time":"1970-01-01T00:00:00.000Z"}'


def test_names_and_texts_are_escaped_for_line_protocol() -> None:
    # InfluxDB line protocol reference, "Special characters"
    encoder = Encoder("a, b=c", [("k,= ", "v,= \\x"), ("end", "c:\\")], ["f,= "], [], ["t"])
    assert encoder.line(block(5.0), ('say "hi" \\ \n\r=,',), 1) == (
        b'a\\,\\ b=c,k\\,\\=\\ =v\\,\\=\\ \\x,end=c: t="say \\"hi\\" \\\\   =,",f\\,\\=\\ =5 1'
    )


def test_json_texts_are_escaped_by_rfc_8259() -> None:
    encoder = Encoder("event", [], [], [], ['de"tail'])
    text = '"\\/\n\t\x00\x1f\x7f é 中 😀'
    written = encoder.json(b"", (text,), 0, False)
    assert b'"de\\"tail":"\\"\\\\/\\u000a\\u0009\\u0000\\u001f' in written
    assert json.loads(written)['de"tail'] == text


@pytest.mark.parametrize(
    ("value", "text"),
    [  # repr of the double without ".0"
        (0.0, b"0"),
        (-0.0, b"-0"),
        (5.0, b"5"),
        (230.1, b"230.1"),
        (0.1 + 0.2, b"0.30000000000000004"),
        (0.0001, b"0.0001"),
        (0.00001, b"1e-05"),
        (9999999999999998.0, b"9999999999999998"),
        (1e16, b"1e+16"),
        (-1.5e300, b"-1.5e+300"),
        (5e-324, b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
    ],
)
def test_a_number_is_spelled_as_python_does(value: float, text: bytes) -> None:
    assert Encoder("m", [], ["x"], [], []).line(block(value), (), 0) == b"m x=" + text + b" 0"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (2.5, b"x=2i"),  # ties to even
        (3.5, b"x=4i"),
        (-0.0, b"x=0i"),
        (9223372036854774784.0, b"x=9223372036854774784i"),
        (-9223372036854775808.0, b"x=-9223372036854775808i"),
        (9223372036854775808.0, b""),  # not a signed 64-bit integer: left out
    ],
)
def test_a_whole_number_is_an_integer_of_64_bits(value: float, field: bytes) -> None:
    assert Encoder("m", [], ["x"], ["x"], []).line(block(value), (), 0) == (b"m " + field + b" 0" if field else b"")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_reads_back_as_itself(value: float) -> None:
    encoder = Encoder("m", [], ["x"], [], [])
    text = encoder.line(block(value), (), 0)[4:-2].decode()
    assert float(text).hex() == value.hex()
    assert text == repr(value).removesuffix(".0")
    assert float(json.loads(encoder.json(block(value), (), 0, False))["x"]) == value


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951827696_789_999_999, "2000-02-29T12:34:56.789Z"),  # date -u -d 2000-02-29T12:34:56 +%s
        (253402300799_999_999_999, "9999-12-31T23:59:59.999Z"),
        (-62135596800 * 10**9, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_time_is_rfc_3339_and_never_rounded_up(time: int, text: str) -> None:
    assert json.loads(Encoder("m", [], [], [], []).json(b"", (), time, False)) == {"time": text}


@given(st.integers(-62135596800 * 1000, 253402300800 * 1000 - 1))
def test_every_millisecond_of_the_years_1_to_9999_is_written_as_python_does(milliseconds: int) -> None:
    written = json.loads(Encoder("m", [], [], [], []).json(b"", (), milliseconds * 10**6, False))["time"]
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert datetime.fromisoformat(written) == expected


@pytest.mark.parametrize("time", [2**63, -(2**63) - 1, 2**200])
def test_a_time_beyond_64_bits_is_refused_in_line_protocol(time: int) -> None:
    encoder = Encoder("m", [], ["x"], [], [])
    with pytest.raises(ValueError, match="64 bits"):
        encoder.line(block(1), (), time)


@pytest.mark.parametrize("time", [253402300800 * 10**9, -62167219200 * 10**9 - 1, -(2**200)])
def test_a_time_beyond_four_digits_of_years_is_refused_in_json(time: int) -> None:
    with pytest.raises(ValueError, match="years"):
        Encoder("m", [], [], [], []).json(b"", (), time, False)


@pytest.mark.parametrize(
    ("series", "named"),
    [
        (("", [], [], [], []), "name ''"),
        (("#x", [], [], [], []), "comment"),
        (("m", [("", "v")], [], [], []), "name ''"),
        (("m", [], [""], [], []), "name ''"),
        (("m", [], ["x"], ["y"], []), "integer 'y'"),
        (("m", [], ["x"], [], ["x"]), "field 'x' is there twice"),
        (("m", [], ["time"], [], []), "field 'time' is there twice"),
    ],
)
def test_a_wrong_series_is_refused_by_name(
    series: tuple[str, list[tuple[str, str]], list[str], list[str], list[str]], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        Encoder(*series)


@given(st.binary(max_size=40), st.lists(st.text(max_size=3), max_size=3))
def test_a_record_of_another_shape_is_refused(values: bytes, texts: list[str]) -> None:
    encoder = device()
    if len(values) == 16 and len(texts) == 1:
        assert encoder.json(values, texts, 0, False)
    else:
        with pytest.raises(ValueError, match="expected"):
            encoder.line(values, texts, 0)
        with pytest.raises(ValueError, match="expected"):
            encoder.json(values, texts, 0, False)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        device().line(block(1, 2), ("\ud800",), 0)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAME = TEXT.filter(lambda name: name.rstrip("\\") != "" and name not in ("time", "replayed"))


@given(st.data(), NAME.filter(lambda m: not m.startswith("#")), st.lists(st.tuples(NAME, TEXT), max_size=3))
def test_compiled_and_reference_write_the_same_bytes(
    data: st.DataObject, measurement: str, tags: list[tuple[str, str]]
) -> None:
    names = data.draw(st.lists(NAME, max_size=6, unique=True))
    cut = data.draw(st.integers(0, len(names)))
    fields, texts = names[:cut], names[cut:]
    integers = [name for name in fields if data.draw(st.booleans())]
    values = block(*(data.draw(st.floats()) for _ in fields))
    contents = [data.draw(TEXT) for _ in texts]
    time = data.draw(st.integers(-(2**63), 2**63 - 1))
    compiled = Encoder(measurement, tags, fields, integers, texts)
    plain = reference.Encoder(measurement, tags, fields, integers, texts)
    line = compiled.line(values, contents, time)
    assert line == plain.line(values, contents, time)
    assert b"\n" not in line
    assert b"\r" not in line
    replayed = data.draw(st.booleans())
    written = compiled.json(values, contents, time, replayed)
    assert written == plain.json(values, contents, time, replayed)
    assert json.loads(written)["time"].endswith("Z")
