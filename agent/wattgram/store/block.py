"""Blocks: some minutes of records as they lie in a segment, column by column, each with checksums and its place.

A block is a head and parts. The first part defines the series that the segment did not have before, the others hold
the records of one kind each, so that a reader of one kind unpacks no other. A series goes by the digest of its
definition, which is the same in every segment.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate

from wattgram_ext import columns

from wattgram.base.record import Kind, Record, Series

from .rows import series_of, spec

MAGIC = b"wgB1"

ALIGNED = 512
"""Bytes; a block begins at a multiple of it, so that blocks after a damaged one are found again."""

LEVEL = 6
"""Of zlib; a block is packed once in some minutes."""

BLOCK_KINDS: tuple[Kind, ...] = ("device", "emission", "gateway", "instant")
"""Kinds that blocks have parts for, in their order; at most `_PARTS` less one. New ones go to the end."""

_KIND_PARTS = 8
_BLOCK_HEAD = struct.Struct(f"<4sIQQQQqqI{_KIND_PARTS}I")
_CHUNK = struct.Struct("<8s5I")  # digest, rows, bytes of numbers, times, values, texts
_CHECKSUM = struct.Struct("<I")

Numbered = tuple[int, Record]


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What stands before a block's parts: the segment that it was written for, its first and last record's number,
    how many of its ring came before it (`ordinal`), the least and greatest time of its records (UTC ns), their count,
    and the parts' lengths in bytes."""

    segment: int
    first: int
    last: int
    ordinal: int
    since: int
    until: int
    records: int
    lengths: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole block in its segment."""
        return aligned(_BLOCK_HEAD.size + sum(self.lengths))

    def place(self, part: int) -> tuple[int, int]:
        """Begin and length of a part in the block."""
        starts = list(accumulate(self.lengths, initial=_BLOCK_HEAD.size))
        return starts[part], self.lengths[part]


HEADER_BYTES = _BLOCK_HEAD.size


def aligned(size: int) -> int:
    """Bytes that so many take up."""
    return -(-size // ALIGNED) * ALIGNED


@lru_cache(4096)
def digest(series: Series) -> bytes:
    """Eight bytes that stand for a series."""
    return blake2b(spec(series).encode(), digest_size=8).digest()


def encode(records: Sequence[Numbered], segment: int, ordinal: int, known: Collection[Series]) -> bytes:
    """Records of `KINDS` in the order of their numbers; `known` are the series that the segment has defined."""
    by_series: dict[Series, list[Numbered]] = {}
    for one in records:
        by_series.setdefault(one[1].series, []).append(one)
    new = [spec(series) for series in by_series if series not in known]
    parts = [_part(json.dumps(new).encode()) if new else b""]
    for kind in BLOCK_KINDS:
        chunks = [_chunk(series, rows) for series, rows in by_series.items() if series.kind == kind]
        parts.append(_part(b"".join(chunks)) if chunks else b"")
    parts += [b""] * (_KIND_PARTS - len(parts))
    times = [record.time for _, record in records]
    return _sealed(
        BlockHeader(
            segment,
            records[0][0],
            records[-1][0],
            ordinal,
            min(times),
            max(times),
            len(records),
            tuple(map(len, parts)),
        ),
        b"".join(parts),
    )


def head_of(data: bytes, segment: int) -> BlockHeader | None:
    """The head at the begin of some bytes; None where there is none that was written for this segment."""
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        return None
    _, crc, number, first, last, ordinal, since, until, records, *lengths = _BLOCK_HEAD.unpack_from(data)
    if number != segment or zlib.crc32(data[8:HEADER_BYTES]) != crc:
        return None
    return BlockHeader(number, first, last, ordinal, since, until, records, tuple(lengths))


def definitions(part: bytes) -> list[Series]:
    """The series that a block's first part defines; ValueError when it is damaged."""
    return [series_of(text) for text in json.loads(_opened(part))] if part else []


def decode(
    part: bytes, known: Mapping[bytes, Series], wanted: Callable[[Series], bool] | None = None
) -> list[Numbered]:
    """Records of a part, in no order; of the `wanted` series only. ValueError when it is damaged or one is unknown."""
    data = _opened(part)
    found: list[Numbered] = []
    at = 0
    try:
        while at < len(data):
            name, rows, *lengths = _CHUNK.unpack_from(data, at)
            at += _CHUNK.size
            begin, at = at, at + sum(lengths)
            if (series := known.get(name)) is None:
                raise ValueError(f"no definition of series {name.hex()}")
            if wanted is None or wanted(series):
                found += _records(series, rows, data[begin:at], lengths)
    except struct.error as error:
        raise ValueError("damaged block") from error
    return found


def part_of(kind: Kind) -> int:
    """Which part holds the records of a kind."""
    return BLOCK_KINDS.index(kind) + 1


def _sealed(head: BlockHeader, body: bytes) -> bytes:
    rest = struct.pack(
        f"<QQQQqqI{_KIND_PARTS}I",
        head.segment,
        head.first,
        head.last,
        head.ordinal,
        head.since,
        head.until,
        head.records,
        *head.lengths,
    )
    block = MAGIC + _CHECKSUM.pack(zlib.crc32(rest)) + rest + body
    return block.ljust(head.size, b"\0")


def _part(content: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)  # bare: the checksum is ours
    packed = packer.compress(content) + packer.flush()
    return _CHECKSUM.pack(zlib.crc32(packed)) + packed


def _opened(part: bytes) -> bytes:
    if len(part) < _CHECKSUM.size or _CHECKSUM.unpack_from(part)[0] != zlib.crc32(part[_CHECKSUM.size :]):
        raise ValueError("damaged block")
    try:
        return zlib.decompress(part[_CHECKSUM.size :], -zlib.MAX_WBITS)
    except zlib.error as error:
        raise ValueError(f"damaged block: {error}") from error


def _chunk(series: Series, rows: Sequence[Numbered]) -> bytes:
    """The records of one series."""
    pieces = (
        _whole(number for number, _ in rows),
        _whole(record.time for _, record in rows),
        columns.pack(b"".join(record.values for _, record in rows), len(series.fields)),
        _texts([record.texts for _, record in rows]) if series.texts else b"",
    )
    head = _CHUNK.pack(digest(series), len(rows), *map(len, pieces))
    return head + b"".join(pieces)


def _whole(numbers: Iterable[int]) -> bytes:
    listed = list(numbers)
    return columns.pack_whole(struct.pack(f"{len(listed)}q", *listed))


def _texts(texts: Sequence[tuple[str, ...]]) -> bytes:
    """Most are alike: each once, and which one it is."""
    different = list(dict.fromkeys(texts))
    places = {one: place for place, one in enumerate(different)}
    listed = json.dumps(different, separators=(",", ":")).encode()
    return struct.pack("<I", len(listed)) + listed + _whole(places[one] for one in texts)


def _records(series: Series, rows: int, data: bytes, lengths: Sequence[int]) -> Iterable[Numbered]:
    numbered, timed, valued, texted = accumulate(lengths)
    seqs = struct.unpack(f"{rows}q", columns.unpack_whole(data[:numbered], rows))
    times = struct.unpack(f"{rows}q", columns.unpack_whole(data[numbered:timed], rows))
    values = columns.unpack(data[timed:valued], rows, len(series.fields))
    texts: Iterable[tuple[str, ...]] = [()] * rows
    if series.texts:
        (length,) = struct.unpack_from("<I", data, valued)
        different = [tuple(one) for one in json.loads(data[valued + 4 : valued + 4 + length])]
        which = columns.unpack_whole(data[valued + 4 + length : texted], rows)
        texts = [different[place] for place in struct.unpack(f"{rows}q", which)]
    size = 8 * len(series.fields)
    return [
        (seq, Record(series, time, values[row * size : (row + 1) * size], text))
        for row, (seq, time, text) in enumerate(zip(seqs, times, texts, strict=True))
    ]


def whole(record: Record) -> bool:
    """Whether a record has the numbers and texts that its series says, and so can be a row of a column."""
    series = record.series
    return len(record.values) == 8 * len(series.fields) and len(record.texts) == len(series.texts)
