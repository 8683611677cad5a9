"""Words about the books from their state: a JSON line, then the state of the accounts (docs/formats/state.md)."""

from __future__ import annotations

import json
import sys

CHANNEL_COUNT_BEGIN, CHANNEL_COUNT_END = 12, 16
"""Place of the number of channels in the state of the accounts, bytes."""


def era_of(state: bytes) -> int:
    """Return the era of books from their state; ValueError if the state is invalid."""
    try:
        return int(json.loads(state.partition(b"\n")[0]).get("era", 0))
    except (AttributeError, TypeError) as error:
        raise ValueError("found a damaged state, expected the books' state") from error


def channel_count(state: bytes) -> int:
    """Return the number of channels from the state of the books, 0 without one."""
    accounts = state.partition(b"\n")[2]
    return int.from_bytes(accounts[CHANNEL_COUNT_BEGIN:CHANNEL_COUNT_END], sys.byteorder)
