"""Records and state that leave a directory, because another directory has taken its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wattgram.base.record import Record

from .files import Store

MOST_CARRIED = 50_000
"""Most records that are carried, because they are in memory; the others stay in the directory."""


class CarriedRecords(NamedTuple):
    """Undelivered records and all state of a directory. left: undelivered records that stay there."""

    records: tuple[Record, ...]
    state: Mapping[str, bytes]
    left: int = 0


def carried(store: Store, delivered: int, head: int, pending: Iterable[Record]) -> CarriedRecords:
    """Return the records after the number `delivered` and those that are not on disk; blocks.

    OSError, sqlite3.Error if the disk does not respond.
    """
    found: list[Record] = []
    while delivered < head and len(found) < MOST_CARRIED:
        batch = store.read(delivered, MOST_CARRIED - len(found))
        found += batch.records
        delivered = batch.seqs[-1] if batch.seqs else head
    left = store.undelivered(delivered) if delivered < head else 0
    return CarriedRecords((*found, *(record for record in pending if not record.series.internal)), store.states(), left)
