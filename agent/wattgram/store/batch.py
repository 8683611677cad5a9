"""Records with consecutive numbers, as a sink receives them, and the loss of records."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from wattgram.base.record import Record

from .block import Numbered


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order in which they were appended; `seqs` are their numbers for `settle`, within an `era`."""

    records: tuple[Record, ...]
    seqs: tuple[int, ...]
    era: int = 0


class Pruned(NamedTuple):
    """Losses since the last call: discarded undelivered records, and unreadable records.

    more: whether there are more records past their age.
    """

    discarded: int
    damaged: int
    more: bool


def between(records: list[Numbered], after: int, limit: int) -> list[Numbered]:
    """Return the first records after a number."""
    start = bisect_right(records, after, key=number_of)
    return records[start : start + limit]


def number_of(numbered: Numbered) -> int:
    """Return the number of a record."""
    return numbered[0]
