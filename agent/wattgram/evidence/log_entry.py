"""Entries of the log: one JSON object each, in canonical form (docs/formats/log.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from wattgram.base.clock import MS
from wattgram.base.units import rfc3339

from .record_digest import QUARTER_MS
from .sealed_json import JsonObject, canonical

ENTRY_VERSION = 1

LOG_ENTRY_KINDS = ("quarter", "amend", "config", "clock", "key", "correction")

MOST_ENTRY = 60_000
"""Largest entry, bytes; a bundle has 16 bits for the length. More rows follow in further entries."""

_SEALED_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

_KEYS = frozenset(("v", "kind", "site", "quarter", "boot", "amends", "records"))


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry. quarter: number of the quarter of an hour since 1970. amends: index of an earlier entry, or None."""

    kind: str
    site: str
    quarter: int
    boot: str
    amends: int | None
    records: tuple[JsonObject, ...]

    def encoded(self) -> bytes:
        """Return the entry in canonical form. ValueError: a value has no such form."""
        return canonical(
            {
                "v": ENTRY_VERSION,
                "kind": self.kind,
                "site": self.site,
                "quarter": quarter_text(self.quarter),
                "boot": self.boot,
                "amends": self.amends,
                "records": list(self.records),
            }
        )

    @classmethod
    def decoded(cls, entry: bytes) -> LogEntry:
        """Return the entry of a canonical form; ValueError if the bytes are none."""
        try:
            found = json.loads(entry, parse_int=float)  # beyond 2^53, RFC 8785 has doubles only
        except (UnicodeDecodeError, RecursionError) as error:
            raise ValueError(str(error)) from error
        if not isinstance(found, dict) or found.keys() != _KEYS or found["v"] != ENTRY_VERSION:
            raise ValueError("no entry of version 1")
        texts, amends, records = [found[key] for key in ("kind", "site", "boot")], found["amends"], found["records"]
        if not all(isinstance(text, str) for text in texts) or found["kind"] not in LOG_ENTRY_KINDS:
            raise ValueError(f"found the kind {found['kind']!r:.60}; allowed: {', '.join(LOG_ENTRY_KINDS)}")
        if not (amends is None or (isinstance(amends, float) and amends >= 0 and amends.is_integer())):
            raise ValueError(f"found amends {amends!r:.60}; allowed: an index or null")
        amends = None if amends is None else int(amends)
        if not isinstance(records, list) or not all(isinstance(row, dict) for row in records):
            raise ValueError("records: expected a list of objects")
        made = cls(
            found["kind"], found["site"], quarter_number(found["quarter"]), found["boot"], amends, tuple(records)
        )
        if made.encoded() != entry:
            raise ValueError("not in the form of RFC 8785")
        return made


def entries_of(
    kind: str, site: str, quarter: int, boot: str, amends: int | None, rows: Sequence[JsonObject], index: int
) -> Iterator[bytes]:
    """Yield the entry of some rows, as several entries if one would be too large.

    `index`: index of the first entry; the others amend it.
    """
    for number, part in enumerate(_parts(rows)):
        first = amends if number == 0 or amends is not None else index
        yield LogEntry(kind, site, quarter, boot, first, tuple(part)).encoded()


def quarter_text(quarter: int) -> str:
    """Return the start of a quarter as text."""
    return rfc3339(quarter * QUARTER_MS * MS)


def quarter_number(text: object) -> int:
    """Return the number of the quarter that starts at a time. ValueError: no such time."""
    time = sealed_time(text)
    if time % QUARTER_MS:
        raise ValueError(f"found the quarter {text!r:.60}; allowed: a time at a quarter of an hour")
    return time // QUARTER_MS


def sealed_time(text: object) -> int:
    """Return the time of a sealed text, ms since 1970. ValueError: no such time."""
    if not isinstance(text, str) or not _SEALED_TIME.fullmatch(text):
        raise ValueError(f"found the time {text!r:.60}; allowed: RFC 3339 in UTC with milliseconds")
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _parts(rows: Iterable[JsonObject]) -> Iterator[list[JsonObject]]:
    part: list[JsonObject] = []
    size = 0
    for row in rows:
        added = len(canonical(row)) + 1
        if part and size + added > MOST_ENTRY - 1000:
            yield part
            part, size = [], 0
        part.append(row)
        size += added
    if part:
        yield part
