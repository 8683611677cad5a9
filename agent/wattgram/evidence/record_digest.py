"""Digests of the many records of a series in a quarter of an hour (docs/formats/log.md)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from wattgram.base.clock import MS

from .sealed_json import JsonObject

QUARTER_MS = 900_000
"""A quarter of an hour, ms."""

MINUTE_MS = 60_000

QUARTER_MINUTES = 15

LOCATOR = 4
"""Bytes of a minute's digest that an entry holds, to find the minute of a difference."""

_NUMBER, _TEXT = b"\x00n", b"\x00t"


def record_hash(time: int, fields: Mapping[str, float | str]) -> bytes:
    """Return the SHA-256 of a record: its time, ms since 1970, and its sealed fields in the order of their names."""
    parts = [struct.pack(">q", time)]
    for name in sorted(fields):
        value = fields[name]
        if isinstance(value, str):
            text = value.encode()
            parts.append(name.encode() + _TEXT + struct.pack(">I", len(text)) + text)
        else:
            parts.append(name.encode() + _NUMBER + struct.pack(">d", value))
    return sha256(b"".join(parts)).digest()


def place_in_time(kind: str, tags: Mapping[str, str], time: int) -> int:
    """Return the ms that decides on the quarter of a digested record: a tick belongs to the interval that it ends."""
    return time - 1 if kind == "emission" and tags.get("window") == "tick" else time


def is_digested(kind: str, tags: Mapping[str, str]) -> bool:
    """Return whether the records of a series are sealed by digests: readings, ticks and self-metrics."""
    return kind in ("device", "gateway") or (kind == "emission" and tags.get("window") == "tick")


@dataclass(frozen=True, slots=True)
class QuarterDigest:
    """Digest of the records of a series in a quarter: their number, the digest, and the locators of the minutes."""

    count: int
    digest: str
    minutes: str

    @classmethod
    def of(cls, row: JsonObject) -> QuarterDigest:
        """Return the digest of a sealed row; KeyError, TypeError or ValueError if there is none."""
        found = cls(int(row["count"]), str(row["digest"]), str(row["minutes"]))
        if len(found.digest) != 64 or len(found.minutes) != QUARTER_MINUTES * LOCATOR * 2:
            raise ValueError(f"found a digest {found.digest[:80]!r} of another length")
        return found

    def row(self) -> JsonObject:
        """Return the digest as a part of a sealed row."""
        return {"count": self.count, "digest": self.digest, "minutes": self.minutes}

    def differing_minutes(self, other: QuarterDigest) -> list[int]:
        """Return the minutes of the quarter whose locators differ, 0 to 14."""
        step = LOCATOR * 2
        return [
            at // step
            for at in range(0, QUARTER_MINUTES * step, step)
            if self.minutes[at : at + step] != other.minutes[at : at + step]
        ]


class QuarterHasher:
    """Digest of records in the order of their times. last: time of the last record, ms; counts: records by minute."""

    def __init__(self, begin: int) -> None:
        """`begin`: start of the quarter, ms since 1970."""
        self.last: int | None = None
        self.counts = [0] * QUARTER_MINUTES
        self._begin = begin
        self._minutes = [sha256() for _ in range(QUARTER_MINUTES)]

    def add(self, place: int, time: int, fields: Mapping[str, float | str]) -> None:
        """Add a record; `place`: as from `place_in_time`."""
        minute = min(QUARTER_MINUTES - 1, max(0, (place - self._begin) // MINUTE_MS))
        self.counts[minute] += 1
        self._minutes[minute].update(record_hash(time, fields))
        self.last = time

    def digest(self) -> QuarterDigest:
        """Return the digest of all records so far."""
        digests = [minute.digest() for minute in self._minutes]
        locators = "".join(digest[:LOCATOR].hex() for digest in digests)
        return QuarterDigest(sum(self.counts), sha256(b"".join(digests)).hexdigest(), locators)


def milliseconds(time: int) -> int:
    """Return a time in ms, rounded down, of a time in ns: the resolution of every published time."""
    return time // MS
