"""Encode values as register words: the inverse of decoding."""

from __future__ import annotations

import struct
from math import isnan

from wattgram_drivers.device import Register

FLOAT_NAN = {"f32": 0x7FC00000, "f64": 0x7FF8000000000000}
"""The quiet NaN of each float type (IEEE 754)."""


def encode(
    register: Register, value: float, *, exponent: int = 0, factor: float = 1.0, lift: int | None = None
) -> list[int]:
    """Return the words of `value` (SI, the vocabulary's sign).

    exponent: content of the scale register. factor: product of the quantities in the register's `factors`. lift:
    counts to add to an integer, which then rolls over at its width. NaN becomes the first pattern in `invalid`, else
    NaN for a float and 0 for an integer. Without a lift, a value beyond the type's range is clamped. Patterns that
    mean "not available" are avoided. With a `direction`, the words contain only the magnitude.
    """
    size = 16 * register.words
    if isnan(value):
        absent = register.invalid[0] if register.invalid else FLOAT_NAN.get(register.type, 0)
        return split(register, absent)
    raw = raw_number(register, value, exponent, factor)
    if register.type in FLOAT_NAN:
        return split(register, _float_bits(raw, size))
    low, high = limits(register)
    number = round(min(max(raw, low), high)) if lift is None else round(raw) + lift
    while number % (1 << size) and number % (1 << size) in register.invalid:
        number += 1 if number < 0 else -1
    return split(register, number % (1 << size))


def raw_number(register: Register, value: float, exponent: int, factor: float) -> float:
    """Return the raw number for `value`, without rounding and range."""
    raw = value / (float(register.scale) * 10.0**exponent * factor) + register.offset
    return abs(raw) if register.direction else raw


def limits(register: Register) -> tuple[int, int]:
    """Return the minimum and maximum of an integer register."""
    size = 16 * register.words
    return (-(1 << size - 1), (1 << size - 1) - 1) if register.type.startswith("i") else (0, (1 << size) - 1)


def split(register: Register, bits: int) -> list[int]:
    """Return the words of a bit pattern of the register's full width, in the order of `Register.addresses`."""
    words = [bits >> shift & 0xFFFF for shift in range(16 * register.words - 16, -1, -16)]
    return words if register.word_order == "big" or register.low_address is not None else words[::-1]


def directed(register: Register, value: float, word: int) -> int:
    """Return the word with a magnitude's direction set, and its other bits unchanged."""
    direction = register.direction
    if direction is None or isnan(value):
        return word
    if value / float(register.scale) < 0:
        return word & ~(direction.mask | direction.contrary) | direction.negative
    is_negative = word & direction.mask == direction.negative
    return word ^ direction.mask & -direction.mask if is_negative else word


def _float_bits(raw: float, size: int) -> int:
    packing = ">f" if size == 32 else ">d"
    try:
        return int.from_bytes(struct.pack(packing, raw), "big")
    except OverflowError:  # larger than any 32-bit float
        return 0x7F7FFFFF if raw > 0 else 0xFF7FFFFF
