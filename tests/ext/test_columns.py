"""Columns packed and unpacked: every number bit by bit, small blocks for register values, errors for damaged blocks."""

from __future__ import annotations

import random
import struct
from contextlib import suppress
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram_ext.columns import pack, pack_whole, unpack, unpack_whole

ODD = [0.0, -0.0, nan, inf, -inf, 5e-324, -5e-324, 1.7976931348623157e308, 2.0**53, 2.0**53 + 2, -(2.0**63), 0.1, 1e22]
BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
DECIMALS = st.builds(lambda whole, places: whole / 10**places, st.integers(-(10**9), 10**9), st.integers(0, 9))
SINGLES = st.floats(width=32)
NUMBERS = st.one_of(st.sampled_from(ODD), BITS, DECIMALS, SINGLES)
COLUMN = st.one_of(st.sampled_from([NUMBERS, DECIMALS, SINGLES, BITS, st.one_of(DECIMALS, st.just(nan)), st.just(nan)]))


def rows(columns: list[list[float]]) -> bytes:
    return b"".join(struct.pack(f"{len(columns)}d", *row) for row in zip(*columns, strict=True))


@given(st.data())
def test_every_number_comes_back_bit_by_bit(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    columns = [
        data.draw(st.lists(data.draw(COLUMN), min_size=count, max_size=count))
        for _ in range(data.draw(st.integers(1, 6)))
    ]
    values = rows(columns)
    assert unpack(pack(values, len(columns)), count, len(columns)) == values


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=60))
def test_every_whole_number_is_restored(numbers: list[int]) -> None:
    values = struct.pack(f"{len(numbers)}q", *numbers)
    assert unpack_whole(pack_whole(values), len(numbers)) == values


def test_nans_keep_their_payload() -> None:
    values = struct.pack("<4Q", 0x7FF8000000000000, 0x7FF8000000000001, 0xFFF8000000000000, 0x7FF0000000000001)
    assert unpack(pack(values, 1), 4, 1) == values


@pytest.mark.parametrize(
    ("column", "most"),
    [
        # A head of 3 bytes, the significant bytes of the first number, then at most a byte for every further number.
        ([230.1 + 0.0] * 60, 9),  # all alike: the form and the number
        ([(2300 + number % 9) / 10 for number in range(60)], 3 + 2 + 59),
        ([float(50_000 - 100 * (number % 2)) for number in range(60)], 3 + 3 + 59),
        ([(123_456_789 + 7 * number) / 100 for number in range(60)], 3 + 4 + 59),  # a counter; zeros after the first
        (
            [struct.unpack("f", struct.pack("f", 230.1 + number))[0] for number in range(2)],
            3 + 2 + 1,
        ),  # a decimal single
        ([nan if number % 10 else 25.0 + number for number in range(60)], 1 + 8 + 3 + 2 + 5),  # a slow quantity
    ],
)
def test_register_values_are_compressed_well(column: list[float], most: int) -> None:
    packed = pack(rows([column]), 1)
    assert unpack(packed, len(column), 1) == rows([column])
    assert len(packed) <= most


def test_times_that_go_on_evenly_are_zeros_after_the_first_difference() -> None:
    times = [1_790_000_000_000_000_000 + 5_000_000_000 * number for number in range(1000)]
    packed = pack_whole(struct.pack("1000q", *times))
    assert len(packed) == 3 + 8 + 5 * 999  # 10 billion, an even difference folded, is 0x2540BE400
    assert sum(byte != 0 for byte in packed[11:]) == 4


def test_no_rows_become_an_empty_block() -> None:
    assert pack(b"", 3) == pack_whole(b"") == b""
    assert unpack(b"", 0, 3) == unpack_whole(b"", 0) == b""


def test_values_of_incomplete_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="found 12 bytes, expected rows of 1 doubles"):
        pack(b"x" * 12, 1)
    with pytest.raises(ValueError, match="found 8 bytes, expected rows of 0 doubles"):
        pack(b"x" * 8, 0)
    with pytest.raises(ValueError, match="found 7 bytes"):
        pack_whole(b"x" * 7)


def test_damage_gives_an_error_or_other_numbers() -> None:
    """The caller has the checksums. `unpack` never reads beyond the given bytes, whatever their content."""
    chance = random.Random(1)
    columns = [[chance.choice([*ODD, chance.random(), 230.1]) for _ in range(20)] for _ in range(4)]
    packed = pack(rows(columns), 4)
    for _ in range(5000):
        data = bytearray(packed[: chance.randrange(len(packed) + 1)])
        for _ in range(chance.randrange(4)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        with suppress(ValueError):
            assert len(unpack(bytes(data), 20, 4)) == 640
        with suppress(ValueError):
            assert len(unpack_whole(bytes(data), 20)) == 160


def test_an_impossible_number_of_fields_allocates_no_memory() -> None:
    with pytest.raises(ValueError, match="damaged columns"):
        unpack(b"\0" * 9, 2**20, 2**30)
