"""Blocks: records of some minutes in a segment, column by column, each with checksums and its place.

A block is a header and parts. The first part defines the series that are new in the segment. Each other part holds the
records of one kind, so that a reader of one kind unpacks no other. A series is identified by the digest of its
definition, which is the same in every segment.
"""

from __future__ import annotations

import json
import struct
import zlib
from bisect import bisect_right
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
"""Alignment of a block, bytes, so that blocks after a damaged one can be found."""

ZLIB_LEVEL = 6
"""Level of zlib; a block is packed once in some minutes."""

BLOCK_KINDS: tuple[Kind, ...] = ("device", "emission", "gateway", "instant", "withheld")
"""Kinds with a part in a block, in this order; at most `_KIND_PARTS` less one. New kinds go to the end."""

_KIND_PARTS = 8
_BLOCK_HEAD = struct.Struct(f"<4sIQQQQqqI{_KIND_PARTS}I")
_CHUNK = struct.Struct("<8s5I")  # digest, rows, bytes of numbers, times, values, texts
_CHECKSUM = struct.Struct("<I")
_PLACE = struct.Struct("<QQ")  # offset, missing
_PLACED_ROW = _PLACE.size + _BLOCK_HEAD.size

Numbered = tuple[int, Record]


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """Header of a block.

    segment: number of the segment for which it was written. first, last: numbers of its first and last record. ordinal:
    number of records of the ring before it. since, until: lowest and highest time of its records, UTC ns. records:
    their count. lengths: of the parts, bytes.
    """

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
        """Size of the whole block in its segment, bytes."""
        return aligned(_BLOCK_HEAD.size + sum(self.lengths))

    def place(self, part: int) -> tuple[int, int]:
        """Return start and length of a part in the block."""
        starts = list(accumulate(self.lengths, initial=_BLOCK_HEAD.size))
        return starts[part], self.lengths[part]


HEADER_BYTES = _BLOCK_HEAD.size


class PlacedHeaders:
    """Headers of a segment's blocks in order, each with its offset and the count of records missing before it.

    One buffer of encoded headers: an object for each header would cost a kilobyte, and a segment has hundreds.
    """

    def __init__(self) -> None:
        self._rows = bytearray()

    def __len__(self) -> int:
        return len(self._rows) // _PLACED_ROW

    def __getitem__(self, index: int) -> tuple[int, int, BlockHeader]:
        """Return offset, missing records and header; IndexError if there is no such block."""
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"block {index} of {count}")
        at = (index % count) * _PLACED_ROW
        offset, missing = _PLACE.unpack_from(self._rows, at)
        return offset, missing, _header(self._rows, at + _PLACE.size)

    def append(self, offset: int, missing: int, head: BlockHeader) -> None:
        """Add the next block."""
        fields = (head.segment, head.first, head.last, head.ordinal, head.since, head.until, head.records)
        self._rows += _PLACE.pack(offset, missing) + _BLOCK_HEAD.pack(MAGIC, 0, *fields, *head.lengths)

    def pop(self) -> int:
        """Remove the last block and return its offset."""
        offset = self[-1][0]
        del self._rows[-_PLACED_ROW:]
        return offset

    def first_after(self, number: int) -> int:
        """Return the index of the first block whose last record has a higher number."""
        return bisect_right(range(len(self)), number, key=lambda index: self[index][2].last)


def aligned(size: int) -> int:
    """Return a size rounded up to the alignment, bytes."""
    return -(-size // ALIGNED) * ALIGNED


@lru_cache(4096)
def digest(series: Series) -> bytes:
    """Return the eight bytes that identify a series."""
    return blake2b(spec(series).encode(), digest_size=8).digest()


def encode(records: Sequence[Numbered], segment: int, ordinal: int, known: Collection[Series]) -> bytes:
    """Return a block of records of `BLOCK_KINDS` in the order of their numbers; `known`: series already defined."""
    by_series: dict[Series, list[Numbered]] = {}
    for numbered in records:
        by_series.setdefault(numbered[1].series, []).append(numbered)
    new = [spec(series) for series in by_series if series not in known]
    parts = [_pack_part(json.dumps(new).encode()) if new else b""]
    for kind in BLOCK_KINDS:
        chunks = [_chunk(series, rows) for series, rows in by_series.items() if series.kind == kind]
        parts.append(_pack_part(b"".join(chunks)) if chunks else b"")
    parts += [b""] * (_KIND_PARTS - len(parts))
    times = [record.time for _, record in records]
    return _with_header(
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
    """Return the header at the start of some bytes; None without a header of this segment."""
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        return None
    _, crc, number, *_ = _BLOCK_HEAD.unpack_from(data)
    if number != segment or zlib.crc32(data[8:HEADER_BYTES]) != crc:
        return None
    return _header(data, 0)


def _header(data: bytes | bytearray, at: int) -> BlockHeader:
    _, _, number, first, last, ordinal, since, until, records, *lengths = _BLOCK_HEAD.unpack_from(data, at)
    return BlockHeader(number, first, last, ordinal, since, until, records, tuple(lengths))


def definitions(part: bytes) -> list[Series]:
    """Return the series that a block's first part defines; ValueError if it is damaged."""
    return [series_of(text) for text in json.loads(_unpack_part(part))] if part else []


def decode(
    part: bytes, known: Mapping[bytes, Series], wanted: Callable[[Series], bool] | None = None
) -> list[Numbered]:
    """Return the records of a part, unordered; of the `wanted` series only.

    ValueError if the part is damaged or a series is unknown.
    """
    data = _unpack_part(part)
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
        raise ValueError("found a damaged block: a chunk is cut off") from error
    return found


def part_of(kind: Kind) -> int:
    """Return the index of the part with the records of a kind."""
    return BLOCK_KINDS.index(kind) + 1


def _with_header(head: BlockHeader, body: bytes) -> bytes:
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


def _pack_part(content: bytes) -> bytes:
    packer = zlib.compressobj(ZLIB_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)  # raw deflate: the part has its own checksum
    packed = packer.compress(content) + packer.flush()
    return _CHECKSUM.pack(zlib.crc32(packed)) + packed


def _unpack_part(part: bytes) -> bytes:
    if len(part) < _CHECKSUM.size or _CHECKSUM.unpack_from(part)[0] != zlib.crc32(part[_CHECKSUM.size :]):
        raise ValueError("found a damaged block: wrong checksum")
    try:
        return zlib.decompress(part[_CHECKSUM.size :], -zlib.MAX_WBITS)
    except zlib.error as error:
        raise ValueError(f"found a damaged block: {error}") from error


def _chunk(series: Series, rows: Sequence[Numbered]) -> bytes:
    """Return the packed records of one series."""
    pieces = (
        _pack_integers(number for number, _ in rows),
        _pack_integers(record.time for _, record in rows),
        columns.pack(b"".join(record.values for _, record in rows), len(series.fields)),
        _texts([record.texts for _, record in rows]) if series.texts else b"",
    )
    head = _CHUNK.pack(digest(series), len(rows), *map(len, pieces))
    return head + b"".join(pieces)


def _pack_integers(numbers: Iterable[int]) -> bytes:
    listed = list(numbers)
    return columns.pack_whole(struct.pack(f"{len(listed)}q", *listed))


def _texts(texts: Sequence[tuple[str, ...]]) -> bytes:
    """Return packed texts: each different text once, and its index for each record, because most are equal."""
    different = list(dict.fromkeys(texts))
    places = {text: place for place, text in enumerate(different)}
    listed = json.dumps(different, separators=(",", ":")).encode()
    return struct.pack("<I", len(listed)) + listed + _pack_integers(places[text] for text in texts)


def _records(series: Series, rows: int, data: bytes, lengths: Sequence[int]) -> Iterable[Numbered]:
    numbered, timed, valued, texted = accumulate(lengths)
    seqs = struct.unpack(f"{rows}q", columns.unpack_whole(data[:numbered], rows))
    times = struct.unpack(f"{rows}q", columns.unpack_whole(data[numbered:timed], rows))
    values = columns.unpack(data[timed:valued], rows, len(series.fields))
    texts: Iterable[tuple[str, ...]] = [()] * rows
    if series.texts:
        (length,) = struct.unpack_from("<I", data, valued)
        different = [tuple(text) for text in json.loads(data[valued + 4 : valued + 4 + length])]
        which = columns.unpack_whole(data[valued + 4 + length : texted], rows)
        texts = [different[place] for place in struct.unpack(f"{rows}q", which)]
    size = 8 * len(series.fields)
    return [
        (seq, Record(series, time, values[row * size : (row + 1) * size], text))
        for row, (seq, time, text) in enumerate(zip(seqs, times, texts, strict=True))
    ]


def fits_series(record: Record) -> bool:
    """Return whether a record has the numbers and texts of its series, and so fits into columns."""
    series = record.series
    return len(record.values) == 8 * len(series.fields) and len(record.texts) == len(series.texts)
