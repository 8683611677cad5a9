"""Decoder: manuals' and hand-made values, equality with the reference, rejection of malformed input."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram_ext.decode import Decoder

from tests.support import reference

Field = tuple[int, str, bool, float, float, int, list[int], float, bool, int, int, int, bool, int, int, int, Any, int]
TYPES = ("u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64")


def decoded(fields: list[Field], image: str, factors: list[tuple[int, int]] | None = None) -> list[float]:
    """Return the values of an image given as hexadecimal words, every word valid."""
    raw = bytes.fromhex(image)
    words = len(raw) // 2
    out = Decoder(fields, factors or [], words).decode(raw, b"\x01" * words)
    return list(struct.unpack(f"{len(fields)}d", out))


def field(
    position: int,
    kind: str,
    little: bool,
    numerator: float,
    denominator: float,
    scale_position: int,
    invalid: list[int],
    *,
    offset: float = 0.0,
    quadrants: bool = False,
    direction: tuple[int, int, int] = (-1, 0, 0),
    contrary: int = 0,
    low: int = -1,
    variant: tuple[list[tuple[int, int, list[int]]], Any] | None = None,
) -> Field:
    """A field, by default without offset, quadrants, direction, a low word apart, and variant."""
    return (
        position,
        kind,
        little,
        numerator,
        denominator,
        scale_position,
        invalid,
        offset,
        quadrants,
        *direction,
        False,
        -1,
        -1,
        low,
        variant,
        contrary,
    )


def plain(kind: str, *, little: bool = False, invalid: list[int] | None = None) -> Field:
    return field(0, kind, little, 1.0, 1.0, -1, invalid or [])


def test_a_tenth_of_2301_is_230_1() -> None:
    assert decoded([field(0, "u16", False, 1.0, 10.0, -1, [])], "08fd") == [230.1]


@pytest.mark.parametrize(
    ("kind", "image", "value"),
    [  # two's complement and IEEE 754 by hand; 0x43664000 is 230.25
        ("u16", "ffff", 65535.0),
        ("i16", "ffff", -1.0),
        ("u32", "0001 0000", 65536.0),
        ("i32", "ffff fffe", -2.0),
        ("u64", "8000 0000 0000 0000", 2.0**63),
        ("i64", "8000 0000 0000 0000", -(2.0**63)),
        ("f32", "4366 4000", 230.25),
        ("f64", "406c c800 0000 0000", 230.25),
    ],
)
def test_every_type_reads_its_bits(kind: str, image: str, value: float) -> None:
    assert decoded([plain(kind)], image) == [value]
    swapped = " ".join(reversed(image.split()))
    assert decoded([plain(kind, little=True)], swapped) == [value]


def test_a_64_bit_integer_is_rounded_to_nearest() -> None:
    # 2**53 + 1 and 2**53 + 3 lie midway between doubles: ties to even
    assert decoded([plain("u64")], "0020 0000 0000 0001") == [2.0**53]
    assert decoded([plain("u64")], "0020 0000 0000 0003") == [2.0**53 + 4]


def test_a_sentinel_is_its_raw_bits() -> None:
    assert math.isnan(decoded([plain("i16", invalid=[0x8000])], "8000")[0])
    assert decoded([plain("i16", invalid=[0x8000])], "7fff") == [32767.0]
    assert math.isnan(decoded([plain("u32", little=True, invalid=[0xFFFF0000])], "0000 ffff")[0])


@pytest.mark.parametrize("image", ["7fc0 0000", "7f80 0001", "7f80 0000", "ff80 0000", "ffff ffff"])
def test_no_nan_and_no_infinity_of_a_float_is_a_value(image: str) -> None:
    assert math.isnan(decoded([plain("f32")], image)[0])


def test_a_scale_register_is_a_power_of_ten() -> None:
    # SunSpec: value = raw * 10**sf; 0x8000 is a scale that is not implemented
    scaled = field(0, "i16", False, 1.0, 1.0, 1, [0x8000])
    assert decoded([scaled], "08fd ffff") == [230.1]
    assert decoded([scaled], "08fd fffd") == [2.301]
    assert decoded([scaled], "08fd 0002") == [230100.0]
    for scale in ("8000", "000b", "fff5", "7fff"):
        assert math.isnan(decoded([scaled], f"08fd {scale}")[0])


def test_an_offset_is_taken_before_the_scale() -> None:
    # Deye: (raw - 1000) x 0.1 degC, so 1215 is 21.5 and 988 is -1.2
    deye = field(0, "u16", False, 1.0, 10.0, -1, [0], offset=1000.0)
    assert decoded([deye], "04bf") == [21.5]
    assert decoded([deye], "03dc") == [-1.2]
    assert math.isnan(decoded([deye], "0000")[0])


def test_a_power_factor_of_four_quadrants_is_folded_back() -> None:
    # Schneider PM2000 list v1.05: 1.25 means 0.75 and -1.25 means -0.75; 0x3fa00000 is 1.25, 0x3f000000 is 0.5
    schneider = field(0, "f32", False, 1.0, 1.0, -1, [], quadrants=True)
    assert decoded([schneider], "3fa0 0000") == [0.75]
    assert decoded([schneider], "bfa0 0000") == [-0.75]
    assert decoded([schneider], "3f00 0000") == [0.5]
    assert decoded([schneider], "bf80 0000") == [-1.0]
    assert math.isnan(decoded([schneider], "7fc0 0000")[0])


def test_a_direction_stands_in_another_register() -> None:
    # Solis: 0 in 33135 is charging, so discharge is positive; the power may or may not carry a sign itself
    solis = field(0, "i32", False, 1.0, 1.0, -1, [], direction=(2, 0xFFFF, 0))
    assert decoded([solis], "0000 07d0 0001") == [2000.0]
    assert decoded([solis], "0000 07d0 0000") == [-2000.0]
    assert decoded([solis], "ffff f830 0000") == [-2000.0]
    # Sungrow: bit 1 of 13000 is charging, whatever the other bits say
    sungrow = field(0, "i16", False, -1.0, 1.0, -1, [], direction=(1, 2, 2))
    assert decoded([sungrow], "0064 0003") == [100.0]
    assert decoded([sungrow], "0064 0005") == [-100.0]
    lost = Decoder([solis], [], 3).decode(bytes.fromhex("0000 07d0 0001"), b"\1\1\0")
    assert math.isnan(struct.unpack("d", lost)[0])


@pytest.mark.parametrize("flags", ["ffff", "7fff"])
def test_a_direction_whose_flags_are_not_available_leaves_no_value(flags: str) -> None:
    # Sungrow 13000: bit 1 charging, bit 2 discharging; both set contradict each other
    sungrow = field(0, "i16", False, -1.0, 1.0, -1, [], direction=(1, 2, 2))
    assert math.isnan(decoded([sungrow], f"0bb8 {flags}")[0])


@pytest.mark.parametrize(
    ("flags", "power"), [("0002", -3000.0), ("0004", 3000.0), ("0000", 3000.0), ("f78f", math.nan)]
)
def test_contrary_flags_leave_no_value(flags: str, power: float) -> None:
    # Sungrow 13000: bit 1 charging, bit 2 discharging; signed firmware leaves both at 0
    sungrow = field(0, "i16", False, 1.0, 1.0, -1, [], direction=(1, 2, 2), contrary=6)
    assert decoded([sungrow], f"0bb8 {flags}") == pytest.approx([power], nan_ok=True)


def test_a_direction_never_turns_a_value_that_is_negative_already() -> None:
    # Sungrow, firmware of November 2024 and later: 13021 is signed, and the direction bits of 13000 stay 0
    sungrow = field(0, "i16", False, 1.0, 1.0, -1, [], direction=(1, 2, 2))
    assert decoded([sungrow], "f448 0000") == [-3000.0]
    assert decoded([sungrow], "f448 0002") == [-3000.0]
    assert decoded([sungrow], "0bb8 0000") == [3000.0]
    # older firmware: a magnitude, and bit 1 of 13000 says that the battery is charging
    assert decoded([sungrow], "0bb8 0002") == [-3000.0]
    assert math.copysign(1.0, decoded([sungrow], "0000 0002")[0]) == 1.0
    # a magnitude without a sign can have any bit set: 40000 x 1 W
    assert decoded([field(0, "u16", False, 1.0, 1.0, -1, [], direction=(1, 2, 2))], "9c40 0000") == [40000.0]


def test_two_words_apart_are_one_value() -> None:
    # Deye: the high word of 625 stands at 690. 0x9c40 is 40000; -40000 is 0xffff63c0.
    apart = field(2, "i32", True, 1.0, 1.0, -1, [0x7FFFFFFF], low=0)
    assert decoded([apart], "9c40 1234 0000") == [40000.0]
    assert decoded([apart], "63c0 1234 ffff") == [-40000.0]
    assert math.isnan(decoded([apart], "ffff 1234 7fff")[0])
    for lost in (0, 2):
        octets = Decoder([apart], [], 3).decode(bytes.fromhex("9c40 1234 0000"), bytes(i != lost for i in range(3)))
        assert math.isnan(struct.unpack("d", octets)[0])


def test_a_variant_is_in_force_while_its_guard_holds() -> None:
    # GoodWe: a unit with one phase marks the power of the second (words 0, 1) as not available, and the total is
    # then the second of its two words. 0xff5c is -164.
    second = field(3, "i16", False, 1.0, 1.0, -1, [0x7FFF])
    total = field(2, "i32", False, 1.0, 1.0, -1, [], variant=([(0, 2, [0x7FFFFFFF, 0x8000])], second))
    assert decoded([total], "7fff ffff 0000 ff5c") == [-164.0]
    assert decoded([total], "0000 8000 0000 ff5c") == [-164.0]
    assert decoded([total], "0000 0100 0000 ff5c") == [65372.0]
    # without a value of the variant, the usual registers stay in force
    assert decoded([total], "7fff ffff 0001 7fff") == [98303.0]
    # a guard that was not read says nothing
    octets = Decoder([total], [], 4).decode(bytes.fromhex("7fff ffff 0000 ff5c"), b"\1\0\1\1")
    assert math.isnan(struct.unpack("d", octets)[0])
    # two guards hold together: a total that is marked itself is not read as 16 bits
    total = field(2, "i32", False, 1.0, 1.0, -1, [0x7FFFFFFF], variant=([(0, 2, [0x7FFFFFFF]), (2, 1, [0])], second))
    assert decoded([total], "7fff ffff 0000 ff5c") == [-164.0]
    assert math.isnan(decoded([total], "7fff ffff 7fff ffff")[0])
    none = field(0, "u16", False, 1.0, 1.0, -1, [], variant=([(1, 1, [0, 0xFFFF])], None))
    assert decoded([none], "0fa0 0fa1") == [4000.0]
    assert math.isnan(decoded([none], "0fa0 0000")[0])
    assert math.isnan(decoded([none], "0fa0 ffff")[0])


def test_a_factor_multiplies_and_a_factor_of_0_counts_as_1() -> None:
    fields: list[Field] = [field(0, "u16", False, 1.0, 1.0, -1, []), field(1, "u16", False, 1.0, 1.0, -1, [0xFFFF])]
    assert decoded(fields, "0005 0028", [(0, 1)]) == [200.0, 40.0]
    assert decoded(fields, "0005 0000", [(0, 1)]) == [5.0, 0.0]
    assert math.isnan(decoded(fields, "0005 ffff", [(0, 1)])[0])


def test_an_unread_word_removes_only_its_own_values() -> None:
    fields: list[Field] = [field(0, "u32", False, 1.0, 1.0, -1, []), field(2, "u16", False, 1.0, 1.0, 3, [])]
    decoder = Decoder(fields, [], 4)
    image = struct.pack(">4H", 1, 2, 3, 0)
    for missing, lost in ((0, {0}), (1, {0}), (2, {1}), (3, {1})):
        valid = bytes(i != missing for i in range(4))
        values = struct.unpack("2d", decoder.decode(image, valid))
        assert {i for i, value in enumerate(values) if math.isnan(value)} == lost


@pytest.mark.parametrize(
    ("fields", "factors", "words", "named"),
    [
        ([field(0, "u8", False, 1.0, 1.0, -1, [])], [], 1, "field 0: type 'u8'"),
        ([field(1, "u16", False, 1.0, 1.0, -1, [])], [], 1, "field 0: u16 at word 1"),
        ([field(-1, "u16", False, 1.0, 1.0, -1, [])], [], 1, "field 0: u16 at word -1"),
        ([field(0, "u64", False, 1.0, 1.0, -1, [])], [], 3, "field 0: u64 at word 0"),
        ([field(0, "u16", False, 1.0, 1.0, 1, [])], [], 1, "field 0: scale at 1"),
        ([field(0, "u16", False, 1.0, 0.0, -1, [])], [], 1, "field 0: scale 1.0/0.0"),
        ([field(0, "u16", False, math.nan, 1.0, -1, [])], [], 1, "field 0: scale nan/1.0"),
        ([field(0, "u16", False, 1.0, 1.0, -1, [65536])], [], 1, "field 0: invalid pattern 0x10000"),
        ([field(0, "u16", False, 1.0, 1.0, -1, [-1])], [], 1, "field 0: invalid pattern"),
        ([field(0, "u16", False, 1.0, 1.0, -1, [], offset=math.inf)], [], 1, "field 0: offset inf"),
        ([field(0, "u16", False, 1.0, 1.0, -1, [], direction=(1, 1, 1))], [], 1, "field 0: direction at 1"),
        ([field(0, "u16", False, 1.0, 1.0, -1, [], direction=(0, 1 << 16, 0))], [], 1, "field 0: direction 0x1"),
        ([field(0, "i32", False, 1.0, 1.0, -1, [], low=2)], [], 2, "field 0: low word of i32 at 2"),
        ([field(0, "i64", False, 1.0, 1.0, -1, [], low=1)], [], 2, "field 0: low word of i64 at 1"),
        (
            [field(0, "u16", False, 1.0, 1.0, -1, [], variant=([(0, 2, [0])], None))],
            [],
            1,
            "field 0: guard of 2 words at 0",
        ),
        (
            [field(0, "u16", False, 1.0, 1.0, -1, [], variant=([(0, 1, [1 << 16])], None))],
            [],
            1,
            "field 0: guard pattern",
        ),
        (
            [field(0, "u16", False, 1.0, 1.0, -1, [], variant=([(0, 1, [0])], plain("u32")))],
            [],
            1,
            "variant of field 0: u32 at word 0",
        ),
        ([field(0, "u16", False, 1.0, 1.0, -1, [])], [(0, 1)], 1, "factor 0: fields 0, 1"),
        ([], [], -1, "words: -1"),
        ([], [], 1 << 70, "words"),
    ],
)
def test_a_wrong_plan_is_refused_by_name(
    fields: list[Field], factors: list[tuple[int, int]], words: int, named: str
) -> None:
    with pytest.raises(ValueError, match=named.replace("(", r"\(")):
        Decoder(fields, factors, words)


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_a_block_of_another_length_is_refused(image: bytes, valid: bytes) -> None:
    decoder = Decoder([plain("u64")], [], 7)
    if len(image) == 14 and len(valid) == 7:
        assert len(decoder.decode(image, valid)) == 8
    else:
        with pytest.raises(ValueError, match="bytes, expected"):
            decoder.decode(image, valid)


@st.composite
def plain_fields(draw: st.DrawFn, words: int) -> Field:
    kind = draw(st.sampled_from(TYPES))
    length = int(kind[1:]) // 16
    return field(
        draw(st.integers(0, words - length)),
        kind,
        draw(st.booleans()),
        draw(st.sampled_from([1.0, -1.0, 0.1, 1000.0, 3.6e6, 1e300])),
        draw(st.sampled_from([1.0, 10.0, 1000.0, 3.0])),
        draw(st.integers(-1, words - 1)),
        draw(st.lists(st.sampled_from([0, 0x8000, 0xFFFF]), max_size=2)),
        offset=draw(st.sampled_from([0.0, 1000.0, -3.0])),
        quadrants=draw(st.booleans()),
        direction=(
            draw(st.integers(-1, words - 1)),
            draw(st.sampled_from([0xFFFF, 2, 1])),
            draw(st.sampled_from([0, 1, 2])),
        ),
        low=draw(st.integers(-1, words - 1)) if length == 2 else -1,
    )


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Field], list[tuple[int, int]], int]:
    words = draw(st.integers(4, 12))
    fields = draw(st.lists(plain_fields(words), min_size=1, max_size=8))
    for number, row in enumerate(fields):
        guards = []
        for length in draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)):
            patterns = draw(st.lists(st.sampled_from([0, 1, 0xFFFF, (1 << 16 * length) - 1]), max_size=3))
            guards.append((draw(st.integers(0, words - length)), length, patterns))
        variant = guards, draw(st.none() | plain_fields(words))
        fields[number] = (*row[:16], draw(st.none() | st.just(variant)), draw(st.sampled_from([0, 0, 6, 0x8001])))
    index = st.integers(0, len(fields) - 1)
    return fields, draw(st.lists(st.tuples(index, index), max_size=3)), words


# words that matter: small exponents, sentinels, halves of infinities
WORDS = st.one_of(st.integers(0, 65535), st.sampled_from([0, 1, 10, 11, 0x7F80, 0x7FF0, 0x8000, 0xFFF6, 0xFFFF]))


@given(st.data(), plans())
@pytest.mark.slow(1)
def test_compiled_and_reference_give_the_same_bits(
    data: st.DataObject, plan: tuple[list[Field], list[tuple[int, int]], int]
) -> None:
    fields, factors, words = plan
    image = struct.pack(f">{words}H", *data.draw(st.lists(WORDS, min_size=words, max_size=words)))
    valid = bytes(data.draw(st.lists(st.sampled_from([0, 1, 1, 1, 1, 255]), min_size=words, max_size=words)))
    values = struct.unpack(f"{len(fields)}d", Decoder(fields, factors, words).decode(image, valid))
    expected = struct.unpack(f"{len(fields)}d", reference.Decoder(fields, factors, words).decode(image, valid))
    assert [x.hex() for x in values] == [x.hex() for x in expected]


LongField = tuple[int, str, bool, float, float, int, list[int], float, bool, int, int, int, bool, int, int]


def longer(kind: str, *, magnitude: bool = False, powers: tuple[int, int] = (-1, -1)) -> LongField:
    """A field at word 0, with what follows the direction."""
    return (0, kind, False, 1.0, 1.0, -1, [], 0.0, False, -1, 0, 0, magnitude, *powers)


@pytest.mark.parametrize(
    ("words", "right"), [("ffb6d9fd", 4_793_859.0), ("00492603", 4_793_859.0), ("80000000", 2.0**31)]
)
def test_a_magnitude_has_no_sign(words: str, right: float) -> None:
    # FFB6 D9FD is -4,793,859 as int32.
    decoder = Decoder([longer("i32", magnitude=True)], [], 2)
    assert struct.unpack("d", decoder.decode(bytes.fromhex(words), b"\1\1")) == (right,)


@pytest.mark.parametrize("powers", [(2, 0), (-2, 0), (0, 2), (0, -1), (-1, 0)])
def test_a_power_factor_with_an_unknown_power_is_refused_by_name(powers: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"field 0: powers"):
        Decoder([longer("i16", powers=powers), longer("i16")], [], 1)
