"""The books' state as the text of a checkpoint record: compressed, in base85.

A checkpoint is stored each hour. Sums that the site does not need are zero, so that a third of the size is left.
"""

from __future__ import annotations

import base64
import zlib

MOST_STATE = 1 << 20
"""Largest state, bytes; the state of a hundred channels has some kilobytes."""

LEVEL = 6
"""Level of zlib."""


def text_of(state: bytes) -> str:
    """Return the text of a state."""
    return base64.b85encode(zlib.compress(state, LEVEL)).decode()


def state_of(text: str) -> bytes:
    """Return the state of a text; ValueError if it is damaged. Texts of an older version are not compressed."""
    data = base64.b85decode(text)
    if data.startswith(b"{"):
        return data
    unpacking = zlib.decompressobj()
    try:
        state = unpacking.decompress(data, MOST_STATE)
    except zlib.error as error:
        raise ValueError(f"found a damaged checkpoint: {error}") from error
    if not unpacking.eof:
        raise ValueError(f"found a checkpoint that is cut off or above {MOST_STATE} bytes")
    return state
