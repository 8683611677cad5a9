"""A ring of segments: files of blocks, filled one after the other; when there are too many, the oldest is reused.

A segment has its full size from the start, so that writing a block changes only the block. Its number is in every
header, so that the remains of an earlier use are never taken for a block.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wattgram.base.record import Kind, Series

from .block import (
    ALIGNED,
    HEADER_BYTES,
    MAGIC,
    BlockHeader,
    Numbered,
    PlacedHeaders,
    decode,
    definitions,
    digest,
    encode,
    head_of,
    part_of,
)
from .disk import write_synced
from .regular_files import open_regular, other_kind

SUFFIX = ".seg"

CACHED = 4
"""Segments with cached headers, and cached unpacked blocks."""

_SEARCH_BYTES = 1 << 18
"""Bytes that are searched at once for the next block after a damaged one."""


@dataclass(slots=True)
class Segment:
    """File of blocks. `first`: number of its first record. `before`: number of earlier records of the ring."""

    path: Path
    number: int
    size: int
    first: int
    before: int


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """Header and place of a block; `missing`: number of unreadable records before it."""

    segment: Segment
    offset: int
    head: BlockHeader
    missing: int


@dataclass(slots=True)
class _Scanned:
    """Result of scanning a segment: its blocks, its series, and the place of the next block."""

    blocks: PlacedHeaders = field(default_factory=PlacedHeaders)
    series: dict[bytes, Series] = field(default_factory=dict)
    end: int = 0


class Ring:
    """Segments of one name in a folder.

    head: number of the last record. total: number of all records ever appended. unreadable_files: files without a
    readable block. closed: the next block starts a new segment in any case. absent: records missing at the end at
    loading. written: bytes, in pages.
    """

    def __init__(self, folder: Path, name: str, kinds: Sequence[Kind]) -> None:
        self.folder = folder
        self.name = name
        self.kinds = tuple(kinds)
        self.segments: list[Segment] = []
        self.unreadable_files: list[Path] = []
        self.head = 0
        self.total = 0
        self.closed = False
        self.absent = 0
        self.written = 0
        self._total_at_load = 0
        self._scanned: dict[int, _Scanned] = {}
        self._unpacked: dict[tuple[int, int], list[Numbered] | None] = {}

    # reading

    def load(self, known: int = 0, total: int = 0) -> None:
        """Find the segments; OSError if the disk does not respond.

        known: number up to which all records were on disk. total: number of these records. A block after `known` may be
        torn and is then ignored. Records missing before `known` are `absent`.
        """
        self.segments, self.unreadable_files = [], []
        self._scanned.clear()
        self._unpacked.clear()
        for path in sorted(self.folder.glob(f"{self.name}-*{SUFFIX}")):
            if other_kind(path):  # set aside by the next start that can write
                continue
            number = path.name.removeprefix(f"{self.name}-").removesuffix(SUFFIX)
            try:
                header = next(_headers(path, int(number)), None) if number.isdecimal() else None
            except FileNotFoundError:  # just discarded
                continue
            if header is None:
                self.unreadable_files.append(path)
            else:
                size, head = path.stat().st_size, header[1]
                self.segments.append(Segment(path, int(number), size, head.first, head.ordinal))
        self.head, self.total = known, total
        stored = 0
        if self.segments:
            scanned = self._scan(self.segments[-1])
            while (newest := _placed(self.segments[-1], scanned.blocks, -1)).head.last > known and (
                self.unpacked(newest) is None
            ):
                scanned.end = scanned.blocks.pop()
                if not scanned.blocks:
                    self.unreadable_files.append(self.segments.pop().path)
                    break
            if scanned.blocks:
                last = newest.head
                stored = last.ordinal + last.records
                self.head, self.total = max(known, last.last), max(total, stored)
        self.absent, self._total_at_load = max(0, total - stored), self.total

    @property
    def oldest(self) -> int | None:
        """Number of the first stored record."""
        return self.segments[0].first if self.segments else None

    def blocks(self, after: int) -> Iterator[PlacedBlock]:
        """Yield the blocks with a record after a number, in order."""
        segments = self.segments
        at = max(0, bisect_right([segment.first for segment in segments], after) - 1)
        end = None
        for segment in segments[at:]:
            blocks = self._scan(segment).blocks
            for index in range(blocks.first_after(after), len(blocks)):
                placed = _placed(segment, blocks, index)
                head = placed.head
                missing = placed.missing if end is None else max(0, head.ordinal - end)
                if head.ordinal == self._total_at_load:  # these records are counted in `absent` already
                    missing = max(0, missing - self.absent)
                end = head.ordinal + head.records
                yield PlacedBlock(segment, placed.offset, head, missing)

    def records(
        self, placed: PlacedBlock, kinds: Sequence[Kind], wanted: Callable[[Series], bool] | None = None
    ) -> list[Numbered]:
        """Return a block's records of some kinds, in order.

        ValueError if the block is damaged, OSError if it cannot be read.
        """
        found: list[Numbered] = []
        known = self._scan(placed.segment).series
        for kind in kinds:
            begin, length = placed.head.place(part_of(kind))
            if length:
                found += decode(_read(placed.segment.path, placed.offset + begin, length), known, wanted)
        found.sort(key=_number)
        return found

    def series(self, placed: PlacedBlock) -> Collection[Series]:
        """Return every series of a block's segment; some may occur in other blocks only."""
        return self._scan(placed.segment).series.values()

    def unpacked(self, placed: PlacedBlock) -> list[Numbered] | None:
        """Return all records of a block; None if it is damaged.

        The last few blocks are cached: sinks read them piece by piece.
        """
        key = placed.segment.number, placed.offset
        if key not in self._unpacked:
            try:
                found = self.records(placed, self.kinds)
            except ValueError:
                found = None
            while len(self._unpacked) >= CACHED:
                del self._unpacked[next(iter(self._unpacked))]
            self._unpacked[key] = found
        return self._unpacked[key]

    def count(self, up_to: int) -> int:
        """Return the number of records ever appended up to a number."""
        for placed in self.blocks(up_to):
            head = placed.head
            if head.first > up_to:
                return head.ordinal
            inside = self.unpacked(placed)
            return head.ordinal + (0 if inside is None else sum(number <= up_to for number, _ in inside))
        return self.total

    # writing

    def append(self, records: Sequence[Numbered], new_segment: Callable[[str], tuple[Path, int, int]]) -> None:
        """Write records and wait until they are on disk; if they do not fit, into a segment from `new_segment`.

        new_segment: returns path, number and size of an empty segment for a ring's name. OSError if the disk refuses;
        earlier blocks stay. ValueError for a record larger than a segment.
        """
        if not records:
            return
        block = self._encode(records)
        full = not self.segments or self._scan(self.segments[-1]).end + len(block) > self.segments[-1].size
        if full or self.closed:
            path, number, size = new_segment(self.name)
            self.segments = [*self.segments, Segment(path, number, size, records[0][0], self.total)]
            self._scanned[number] = _Scanned()
            self.closed = False
            block = self._encode(records)
        segment = self.segments[-1]
        scanned = self._scan(segment)
        if scanned.end + len(block) > segment.size:
            if len(records) == 1:
                raise ValueError(f"a record of {len(block)} bytes is larger than a segment of {segment.size}")
            half = len(records) // 2
            self.append(records[:half], new_segment)
            self.append(records[half:], new_segment)
            return
        self.written += _write(segment.path, scanned.end, block)
        head = head_of(block, segment.number)
        assert head is not None  # the block was just encoded
        begin, length = head.place(0)
        scanned.blocks.append(scanned.end, 0, head)
        scanned.series |= _series_by_digest(block[begin : begin + length])
        scanned.end += len(block)
        self.head, self.total = head.last, head.ordinal + head.records

    @property
    def droppable(self) -> bool:
        """Whether a segment can be discarded; the segment in use cannot."""
        return len(self.segments) > (0 if self.closed else 1)

    @property
    def oldest_end(self) -> int:
        """Number of the last record of the oldest segment, or slightly more."""
        return self.segments[1].first - 1 if len(self.segments) > 1 else self.head

    def drop(self) -> Segment:
        """Remove the oldest segment from the ring and return it; the caller removes the file."""
        segment = self.segments[0]
        self.segments = self.segments[1:]
        self._scanned.pop(segment.number, None)
        return segment

    def _encode(self, records: Sequence[Numbered]) -> bytes:
        if not self.segments:
            return encode(records, 0, self.total, ())
        last = self.segments[-1]
        return encode(records, last.number, self.total, self._scan(last).series.values())

    def _scan(self, segment: Segment) -> _Scanned:
        cached = self._scanned.get(segment.number)
        if cached is not None:
            return cached
        scanned = _Scanned()
        end = None
        for offset, head in _blocks_of(segment):
            missing = 0 if end is None else max(0, head.ordinal - end)
            scanned.blocks.append(offset, missing, head)
            end = head.ordinal + head.records
            begin, length = head.place(0)
            if length:
                scanned.series |= _series_by_digest(_read(segment.path, offset + begin, length))
            scanned.end = offset + head.size
        for number in list(self._scanned):
            if len(self._scanned) < CACHED:
                break
            if number != self.segments[-1].number:
                del self._scanned[number]
        self._scanned[segment.number] = scanned
        return scanned


def _placed(segment: Segment, blocks: PlacedHeaders, index: int) -> PlacedBlock:
    offset, missing, head = blocks[index]
    return PlacedBlock(segment, offset, head, missing)


def _blocks_of(segment: Segment) -> Iterator[tuple[int, BlockHeader]]:
    """Yield the blocks of a segment; none if it was just discarded."""
    try:
        yield from _headers(segment.path, segment.number)
    except FileNotFoundError:
        return


def _number(numbered: Numbered) -> int:
    return numbered[0]


def _series_by_digest(part: bytes) -> dict[bytes, Series]:
    try:
        return {digest(series): series for series in definitions(part)}
    except ValueError:
        return {}


def _headers(path: Path, number: int) -> Iterator[tuple[int, BlockHeader]]:
    """Yield every header with its offset, past damage."""
    file = open_regular(path)
    try:
        size = os.fstat(file).st_size
        offset = 0
        while offset < size:
            head = head_of(os.pread(file, HEADER_BYTES, offset), number)
            if head is not None and offset + head.size <= size:
                yield offset, head
                offset += head.size
            else:
                offset = _next_block(file, number, offset + ALIGNED, size)
    finally:
        os.close(file)


def _next_block(file: int, number: int, offset: int, size: int) -> int:
    """Return the offset of the next block after damage; the file's size if there is none."""
    while offset < size:
        data = os.pread(file, _SEARCH_BYTES + HEADER_BYTES, offset)
        for at in range(0, min(_SEARCH_BYTES, len(data)), ALIGNED):
            if data.startswith(MAGIC, at) and head_of(data[at : at + HEADER_BYTES], number):
                return offset + at
        offset += _SEARCH_BYTES
    return size


def _read(path: Path, offset: int, length: int) -> bytes:
    file = open_regular(path)
    try:
        return os.pread(file, length, offset)
    finally:
        os.close(file)


def _write(path: Path, offset: int, data: bytes) -> int:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        return write_synced(file, offset, data)
    finally:
        os.close(file)
