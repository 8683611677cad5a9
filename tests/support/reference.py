"""Decoder and Encoder in plain Python, written from their stubs: same names, same arguments."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import copysign, isfinite, nan
from typing import Any

Field = (
    tuple[int, str, bool, float, float, int, Sequence[int], float, bool, int, int, int]
    | tuple[int, str, bool, float, float, int, Sequence[int], float, bool, int, int, int, bool, int, int]
    | tuple[int, str, bool, float, float, int, Sequence[int], float, bool, int, int, int, bool, int, int, int, Any, int]
)

LONGEST = 18  # elements of a field with all optional ones

FORMATS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d"}


def finite(value: float) -> float:
    """The value, or NaN where it is infinite."""
    return value if isfinite(value) else nan


class Decoder:
    def __init__(self, fields: Sequence[Field], factors: Sequence[tuple[int, int]], words: int) -> None:
        self.fields = fields
        self.factors = factors
        self.words = words

    def decode(self, image: bytes, valid: bytes) -> bytes:
        values = [self.value(row, image, valid) for row in self.fields]
        for target, factor in self.factors:
            values[target] = finite(values[target] * (1.0 if values[factor] == 0 else values[factor]))
        return struct.pack(f"{len(values)}d", *values)

    @classmethod
    def value(cls, row: Field, image: bytes, valid: bytes) -> float:
        variant: Any = row[-2] if len(row) == LONGEST else None
        if variant is not None:
            guards, other = variant
            for guard, length, patterns in guards:
                if not all(valid[guard : guard + length]):
                    return nan
                if int.from_bytes(image[2 * guard : 2 * (guard + length)], "big") not in patterns:
                    return cls.usual(row, image, valid)
            value = nan if other is None else cls.usual(other, image, valid)
            if other is None or isfinite(value):
                return value
        return cls.usual(row, image, valid)

    @staticmethod
    def usual(row: Field, image: bytes, valid: bytes) -> float:
        position, kind, little, numerator, denominator, scale_position, invalid, offset, quadrants, *turn = row
        direction, mask, negative, *rest = turn
        low = rest[3] if len(rest) > 3 else -1
        places = list(range(position, position + int(kind[1:]) // 16))
        if little:
            places.reverse()
        if low >= 0:
            places = [position, low]
        raw = b"".join(image[2 * i : 2 * i + 2] for i in places)
        if not all(valid[i] for i in places) or int.from_bytes(raw, "big") in invalid:
            return nan
        if scale_position >= 0:
            exponent = int.from_bytes(image[2 * scale_position : 2 * scale_position + 2], "big", signed=True)
            if not valid[scale_position] or abs(exponent) > 10:
                return nan
            numerator *= 10.0 ** max(exponent, 0)
            denominator *= 10.0 ** max(-exponent, 0)
        number = float(struct.unpack(">" + FORMATS[kind], raw)[0]) - offset
        if rest and rest[0]:
            number = abs(number)
        if direction >= 0:
            if not valid[direction]:
                return nan
            bits = int.from_bytes(image[2 * direction : 2 * direction + 2], "big")
            if mask != 0xFFFF and bits in (0xFFFF, 0x7FFF):
                return nan
            if (contrary := rest[5] if len(rest) > 5 else 0) and bits & contrary == contrary:
                return nan
            number = -number if number > 0 and bits & mask == negative else number
        result = number * numerator / denominator
        if quadrants and abs(result) > 1:
            result = copysign(2, result) - result
        return finite(result)


def spell(value: float) -> str:
    """repr without ".0"."""
    return repr(value).removesuffix(".0")


def escaped(text: str, characters: str) -> str:
    text = text.replace("\n", " ").replace("\r", " ").rstrip("\\")
    return "".join("\\" + c if c in characters else c for c in text)


class Encoder:
    def __init__(
        self,
        measurement: str,
        tags: Sequence[tuple[str, str]],
        fields: Sequence[str],
        integers: Sequence[str],
        texts: Sequence[str],
    ) -> None:
        self.head = escaped(measurement, ", ") + "".join(
            f",{escaped(name, ',= ')}={escaped(content, ',= ')}" for name, content in tags if content.rstrip("\\")
        )
        self.fields = fields
        self.integers = integers
        self.texts = texts

    def numbers(self, values: bytes) -> dict[str, float | int]:
        """The numbers that can be written, whole ones as int."""
        result: dict[str, float | int] = {}
        for name, value in zip(self.fields, struct.unpack(f"{len(self.fields)}d", values), strict=True):
            if isfinite(value) and name not in self.integers:
                result[name] = value
            elif isfinite(value) and -(2**63) <= round(value) < 2**63:
                result[name] = round(value)
        return result

    def line(self, values: bytes, texts: Sequence[str], time: int) -> bytes:
        members = []
        for name, text in zip(self.texts, texts, strict=True):
            plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\r", " ")
            members += [f'{escaped(name, ",= ")}="{plain}"'] if text else []
        for name, value in self.numbers(values).items():
            members.append(f"{escaped(name, ',= ')}={f'{value}i' if isinstance(value, int) else spell(value)}")
        return f"{self.head} {','.join(members)} {time}".encode() if members else b""

    def json(self, values: bytes, texts: Sequence[str], time: int, replayed: bool) -> bytes:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time // 10**6)
        stamp = f"{when.year:04}-{when:%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z"
        members = [f'"time":"{stamp}"']
        for name, text in zip(self.texts, texts, strict=True):
            members += [f"{quoted(name)}:{quoted(text)}"] if text else []
        members += [f"{quoted(name)}:{spell(value)}" for name, value in self.numbers(values).items()]
        members += ['"replayed":true'] if replayed else []
        return f"{{{','.join(members)}}}".encode()


def quoted(text: str) -> str:
    """A JSON string that escapes as little as JSON allows, control characters always by number."""
    return "".join(f"\\u{ord(c):04x}" if ord(c) < 32 else json.dumps(c, ensure_ascii=False)[1:-1] for c in text).join(
        '""'
    )
