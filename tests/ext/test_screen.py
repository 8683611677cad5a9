"""The compiled screen reports what a plain comparison reports, and rejects indices outside its tables."""

from __future__ import annotations

import struct
from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram_ext.screen import DEAD, NAMEPLATE, OUTSIDE, PRESENCE, PRODUCT, STATE, UNEQUAL, VOID, Screen

Bound = tuple[float, float, int, int, bool]


def screen(count: int, words: int = 0, bounds: list[Bound] | None = None, **rules: Any) -> Screen:
    """Return a screen of free values with these rules."""
    tables: dict[str, Any] = {
        **dict.fromkeys(("blocks", "counters", "products", "ports", "sums", "pairs", "states"), ()),
        "nameplate": -1,
        **rules,
    }
    return Screen(bounds or [(-inf, inf, -1, 1, False)] * count, words=words, **tables)


def check(made: Screen, *values: float, image: bytes = b"", valid: bytes | None = None) -> int:
    """Return the findings without PRESENCE."""
    octets = struct.pack(f"{len(values)}d", *values)
    return made.check(octets, image, b"\1" * (len(image) // 2) if valid is None else valid) & ~PRESENCE


@given(st.lists(st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False), st.floats()), max_size=20))
def test_a_value_is_outside_if_a_comparison_says_so(rows: list[tuple[float, float, float]]) -> None:
    made = screen(len(rows), bounds=[(low, high, -1, 1, False) for low, high, _ in rows])
    expected = any(not isnan(value) and not low <= value <= high for low, high, value in rows)
    assert check(made, *(value for _, _, value in rows)) == (OUTSIDE if expected else 0)


@pytest.mark.parametrize(
    ("words", "little", "value", "found"),
    [
        ("7f80 0000", False, nan, OUTSIDE),  # infinity
        ("0000 ff80", True, nan, OUTSIDE),
        ("7fc0 0000", False, nan, 0),  # not a number: not available
        ("0000 4366", False, 2.4e-41, OUTSIDE),  # a tiny float
        ("0000 0000", False, 0.0, 0),
        ("7ff0 0000 0000 0000", False, nan, OUTSIDE),
        ("0000 0000 0000 fff0", True, nan, OUTSIDE),
    ],
)
def test_infinite_and_tiny_floats_are_outside(words: str, little: bool, value: float, found: int) -> None:
    image = bytes.fromhex(words)
    made = screen(1, len(image) // 2, [(-1e38, 1e38, 0, len(image) // 2, little)])
    assert check(made, value, image=image) == found
    assert check(made, nan, image=image, valid=bytes(len(image) // 2)) == 0


def test_an_absent_value_and_a_present_one_are_told_once() -> None:
    made = screen(2)
    blocks = [struct.pack("2d", *values) for values in ((1.0, nan), (2.0, nan), (2.0, 3.0), (nan, 3.0), (nan, 3.0))]
    assert [made.check(block, b"", b"") for block in blocks] == [PRESENCE, 0, PRESENCE, PRESENCE, 0]


@pytest.mark.parametrize(
    ("words", "counter", "valid", "found"),
    [
        ("0000 0000 0007", 0.0, "010101", VOID),
        ("0000 0000 0007", 1.0, "010101", 0),
        ("ffff ffff 0007", 1.0, "010101", VOID),
        ("0000 0001 0007", 0.0, "010101", 0),
        ("0000 ffff 0007", 0.0, "010101", 0),
        ("0000 0001 0007", 0.0, "010001", VOID),
        ("0000 0000 0007", 0.0, "000101", 0),
    ],
)
def test_a_block_of_zeros_or_ones_is_void(words: str, counter: float, valid: str, found: int) -> None:
    made = screen(1, 3, blocks=[([0], [(0, 2)])], counters=[0])
    assert check(made, counter, image=bytes.fromhex(words), valid=bytes.fromhex(valid)) == found


@pytest.mark.parametrize(
    ("values", "valid", "found"),
    [
        ((3760.0, 230.0, 10.0), "0101", 0),  # 1.2 x 2300 + 1000
        ((-3760.1, 230.0, 10.0), "0101", PRODUCT),
        ((9e9, 230.0, 0.0), "0101", PRODUCT),  # examined, for exchanged words
        ((9e9, 230.0, nan), "0101", 0),
        ((9e9, nan, nan), "0101", 0),
        ((nan, 230.0, 10.0), "0101", 0),
    ],
)
def test_a_power_is_compared_with_voltage_times_current(
    values: tuple[float, float, float], valid: str, found: int
) -> None:
    made = screen(3, 2, products=[(0, 1000.0, [(1, 2, 1.2, 0, 1)])])  # the factor contains the margin
    assert check(made, *values, image=bytes(4), valid=bytes.fromhex(valid)) == found


def test_rules_over_several_values() -> None:
    port = screen(3, ports=[([0, 1], [(2, 5.0)])])
    cases = ((0.0, nan, 6.0), (0.0, 1.0, 6.0), (nan, nan, 6.0), (0.0, 0.0, 5.0))
    assert [check(port, *values) for values in cases] == [DEAD, 0, 0, 0]
    total = screen(3, sums=[(0, [1, 2])])
    assert [check(total, *values) for values in ((900.0, 400.0, 399.0), (900.0, 400.0, 400.0), (900.0, 0.0, 0.0))] == [
        *(UNEQUAL, 0, 0)
    ]
    apparent = screen(2, pairs=[(0, 1)])
    assert [check(apparent, *values) for values in ((899.0, -1000.0), (900.0, 1000.0), (0.0, 1000.0))] == [
        *(UNEQUAL, 0, 0)
    ]
    state = screen(1, states=[(0, [1.0, 2.0])])
    assert [check(state, value) for value in (1.0, 2.0, 0.0, nan)] == [0, 0, STATE, STATE]
    nameplate = screen(1, nameplate=0)
    assert [check(nameplate, value) for value in (0.0, 5e3, 5e3, nan, 6e3)] == [0, NAMEPLATE, 0, 0, NAMEPLATE]


@pytest.mark.parametrize(
    "rules",
    [
        {"counters": [1]},
        {"blocks": [([2], [(0, 1)])]},
        {"blocks": [([0], [(1, 2)])]},
        {"blocks": [([0], [(0, 0)])]},
        {"products": [(0, 1.0, [(0, 1, 1.0, 0, 0)])]},
        {"ports": [([-1], [])]},
        {"sums": [(0, [1])]},
        {"pairs": [(1, 0)]},
        {"states": [(1, [0.0])]},
        {"nameplate": 1},
        {"bounds": [(0.0, 1.0, 1, 2, False)]},
    ],
)
def test_an_index_outside_the_tables_is_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"value|word|range"):
        screen(1, 2, **rules)


def test_blocks_of_other_lengths_are_refused() -> None:
    made = screen(1, 1)
    for values, image, valid in ((b"", b"ab", b"\1"), (bytes(8), b"a", b"\1"), (bytes(8), b"ab", b"")):
        with pytest.raises(ValueError, match="expected"):
            made.check(values, image, valid)
