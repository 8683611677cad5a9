"""SQLite's write-ahead log, read without SQLite: a disk that cannot be written takes no index of the log.

Format: sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct(">IIIIIIII")
"""Magic, version, page size, number of the checkpoint, two salts, two checksums."""

_FRAME = struct.Struct(">IIIIII")
"""Page, pages of the database after a commit or 0, two salts, two checksums."""

_LOG_MAGIC = 0x377F0682
"""Magic of a log with little-endian checksums; one more for big-endian."""

_VERSIONS = slice(18, 20)
"""Bytes of the database's header: version for writing and for reading; 2 with a log, 1 without."""


def with_log(database: bytes, log: bytes) -> bytes:
    """Return a database with the committed pages of its log, as a database without a log."""
    merged = bytearray(database)
    for number, page, pages in _committed(log):
        size = len(page)
        end = number * size
        if len(merged) < end:
            merged.extend(bytes(end - len(merged)))
        merged[end - size : end] = page
        if pages:
            del merged[pages * size :]
    if len(merged) >= _VERSIONS.stop:
        merged[_VERSIONS] = b"\1\1"
    return bytes(merged)


def _committed(log: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield number and content of each committed page, and the size of the database after a commit, pages, else 0."""
    if len(log) < _HEADER.size:
        return
    magic, _, size, _, *salts_and_sums = _HEADER.unpack_from(log)
    salts, expected = tuple(salts_and_sums[:2]), tuple(salts_and_sums[2:])
    if magic & ~1 != _LOG_MAGIC or not 512 <= size <= 65536:
        return
    order = ">" if magic & 1 else "<"
    sums = _summed(log[: _HEADER.size - 8], (0, 0), order)
    if sums != expected:
        return
    waiting: list[tuple[int, bytes, int]] = []
    for at in range(_HEADER.size, len(log) - _FRAME.size - size + 1, _FRAME.size + size):
        number, pages, *rest = _FRAME.unpack_from(log, at)
        page = log[at + _FRAME.size : at + _FRAME.size + size]
        sums = _summed(page, _summed(log[at : at + 8], sums, order), order)
        if tuple(rest[:2]) != salts or tuple(rest[2:]) != sums or not number:
            return
        waiting.append((number, page, pages))
        if pages:
            yield from waiting
            waiting = []


def _summed(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """Return the checksums of a log after more data: two 32-bit sums, each over every second word."""
    first, second = sums
    for even, odd in struct.iter_unpack(f"{order}II", data):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
