"""A ring of segments: files of blocks, filled one after the other; the oldest is written over when there are too many.

A segment has its whole size from the beginning, so that writing a block changes nothing but the block, and its number
is in every head, so that what is left of an earlier use is never taken for a block of this one.
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
    decode,
    definitions,
    digest,
    encode,
    head_of,
    part_of,
)
from .disk import put

SUFFIX = ".seg"

CACHED = 4
"""Segments whose heads are remembered, and blocks that are kept unpacked."""

_STEP = 1 << 18
"""Bytes that are looked through at once for the next block after a damaged one."""


@dataclass(slots=True)
class Segment:
    """A file of blocks; `first` is the number of its first record, `before` how many of the ring came before it."""

    path: Path
    number: int
    size: int
    first: int
    before: int


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """A block's head, and where it stands; `missing` is how many records before it are not readable."""

    segment: Segment
    offset: int
    head: BlockHeader
    missing: int


@dataclass(slots=True)
class _Scanned:
    """What is known of a segment that was looked through: its blocks, its series, and where the next block may be."""

    blocks: list[PlacedBlock] = field(default_factory=list)
    series: dict[bytes, Series] = field(default_factory=dict)
    end: int = 0


class Ring:
    """The segments of one name in a folder.

    head: number of the last record. total: how many records there ever were. blank: files in which nothing is readable.
    closed: whether the next block begins a new segment in any case. absent: records that were missing at the end when
    it was loaded. written: bytes, in pages.
    """

    def __init__(self, folder: Path, name: str, kinds: Sequence[Kind]) -> None:
        self.folder = folder
        self.name = name
        self.kinds = tuple(kinds)
        self.segments: list[Segment] = []
        self.blank: list[Path] = []
        self.head = 0
        self.total = 0
        self.closed = False
        self.absent = 0
        self.written = 0
        self._resumed = 0
        self._scanned: dict[int, _Scanned] = {}
        self._unpacked: dict[tuple[int, int], list[Numbered] | None] = {}

    # reading

    def load(self, known: int = 0, total: int = 0) -> None:
        """Find what is there. OSError when the disk does not give it.

        `known` is the number up to which everything had come to disk, `total` how many records that were: a block past
        it may be torn, and then is none; what is missing before it is `absent`.
        """
        self.segments, self.blank = [], []
        self._scanned.clear()
        self._unpacked.clear()
        for path in sorted(self.folder.glob(f"{self.name}-*{SUFFIX}")):
            number = path.name.removeprefix(f"{self.name}-").removesuffix(SUFFIX)
            try:
                found = next(_heads(path, int(number)), None) if number.isdecimal() else None
            except FileNotFoundError:  # given up in this moment
                continue
            if found is None:
                self.blank.append(path)
            else:
                size, head = path.stat().st_size, found[1]
                self.segments.append(Segment(path, int(number), size, head.first, head.ordinal))
        self.head, self.total = known, total
        there = 0
        if self.segments:
            scanned = self._scan(self.segments[-1])
            while scanned.blocks[-1].head.last > known and self.unpacked(scanned.blocks[-1]) is None:
                torn = scanned.blocks.pop()
                scanned.end = torn.offset
                if not scanned.blocks:
                    self.blank.append(self.segments.pop().path)
                    break
            if scanned.blocks:
                last = scanned.blocks[-1].head
                there = last.ordinal + last.records
                self.head, self.total = max(known, last.last), max(total, there)
        self.absent, self._resumed = max(0, total - there), self.total

    @property
    def oldest(self) -> int | None:
        """Number of the first record that is there."""
        return self.segments[0].first if self.segments else None

    def blocks(self, after: int) -> Iterator[PlacedBlock]:
        """Blocks that have records with a greater number, in order."""
        segments = self.segments
        at = max(0, bisect_right([one.first for one in segments], after) - 1)
        end = None
        for segment in segments[at:]:
            blocks = self._scan(segment).blocks
            for placed in blocks:
                head = placed.head
                missing = placed.missing if end is None else max(0, head.ordinal - end)
                if head.ordinal == self._resumed:  # what was absent before it is known already
                    missing = max(0, missing - self.absent)
                end = head.ordinal + head.records
                if head.last > after:
                    yield PlacedBlock(segment, placed.offset, head, missing)

    def records(
        self, placed: PlacedBlock, kinds: Sequence[Kind], wanted: Callable[[Series], bool] | None = None
    ) -> list[Numbered]:
        """A block's records of some kinds, in order; ValueError when it is damaged, OSError when it cannot be read."""
        found: list[Numbered] = []
        known = self._scan(placed.segment).series
        for kind in kinds:
            begin, length = placed.head.place(part_of(kind))
            if length:
                found += decode(_read(placed.segment.path, placed.offset + begin, length), known, wanted)
        found.sort(key=_number)
        return found

    def series(self, placed: PlacedBlock) -> Collection[Series]:
        """Every series that a block's segment has, of which some may be in other blocks alone."""
        return self._scan(placed.segment).series.values()

    def unpacked(self, placed: PlacedBlock) -> list[Numbered] | None:
        """All records of a block; None when it is damaged. The last few are remembered: sinks take them piecewise."""
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
        """How many records there ever were up to a number."""
        for placed in self.blocks(up_to):
            head = placed.head
            if head.first > up_to:
                return head.ordinal
            inside = self.unpacked(placed)
            return head.ordinal + (0 if inside is None else sum(number <= up_to for number, _ in inside))
        return self.total

    # writing

    def append(self, records: Sequence[Numbered], fresh: Callable[[str], tuple[Path, int, int]]) -> None:
        """Write records, put on disk when this returns; where they do not fit, into the segment that `fresh` makes.

        `fresh` gives the path, number and size of an empty one for a ring's name. OSError when the disk does not take
        it; the blocks before count. ValueError for a record that is larger than a segment.
        """
        if not records:
            return
        block = self._encoded(records)
        full = not self.segments or self._scan(self.segments[-1]).end + len(block) > self.segments[-1].size
        if full or self.closed:
            path, number, size = fresh(self.name)
            self.segments = [*self.segments, Segment(path, number, size, records[0][0], self.total)]
            self._scanned[number] = _Scanned()
            self.closed = False
            block = self._encoded(records)
        segment = self.segments[-1]
        scanned = self._scan(segment)
        if scanned.end + len(block) > segment.size:
            if len(records) == 1:
                raise ValueError(f"a record of {len(block)} bytes is larger than a segment of {segment.size}")
            half = len(records) // 2
            self.append(records[:half], fresh)
            self.append(records[half:], fresh)
            return
        self.written += _write(segment.path, scanned.end, block)
        head = head_of(block, segment.number)
        assert head is not None  # it has just been encoded
        begin, length = head.place(0)
        scanned.blocks.append(PlacedBlock(segment, scanned.end, head, 0))
        scanned.series |= _defined(block[begin : begin + length])
        scanned.end += len(block)
        self.head, self.total = head.last, head.ordinal + head.records

    @property
    def spare(self) -> bool:
        """Whether there is a segment that can be given up: the one that is being written cannot."""
        return len(self.segments) > (0 if self.closed else 1)

    @property
    def ended(self) -> int:
        """Number of the last record of the oldest segment, or a little more."""
        return self.segments[1].first - 1 if len(self.segments) > 1 else self.head

    def drop(self) -> Segment:
        """Give up the oldest segment; its file is the caller's."""
        segment = self.segments[0]
        self.segments = self.segments[1:]
        self._scanned.pop(segment.number, None)
        return segment

    def _encoded(self, records: Sequence[Numbered]) -> bytes:
        if not self.segments:
            return encode(records, 0, self.total, ())
        last = self.segments[-1]
        return encode(records, last.number, self.total, self._scan(last).series.values())

    def _scan(self, segment: Segment) -> _Scanned:
        found = self._scanned.get(segment.number)
        if found is not None:
            return found
        scanned = _Scanned()
        end = None
        for offset, head in _found(segment):
            missing = 0 if end is None else max(0, head.ordinal - end)
            scanned.blocks.append(PlacedBlock(segment, offset, head, missing))
            end = head.ordinal + head.records
            begin, length = head.place(0)
            if length:
                scanned.series |= _defined(_read(segment.path, offset + begin, length))
            scanned.end = offset + head.size
        for number in list(self._scanned):
            if len(self._scanned) < CACHED:
                break
            if number != self.segments[-1].number:
                del self._scanned[number]
        self._scanned[segment.number] = scanned
        return scanned


def _found(segment: Segment) -> Iterator[tuple[int, BlockHeader]]:
    """The blocks of a segment; none when it was given up in this moment."""
    try:
        yield from _heads(segment.path, segment.number)
    except FileNotFoundError:
        return


def _number(one: Numbered) -> int:
    return one[0]


def _defined(part: bytes) -> dict[bytes, Series]:
    try:
        return {digest(one): one for one in definitions(part)}
    except ValueError:
        return {}


def _heads(path: Path, number: int) -> Iterator[tuple[int, BlockHeader]]:
    """Every block's head with its offset, past what is damaged."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        offset = 0
        while offset < size:
            head = head_of(os.pread(file.fileno(), HEADER_BYTES, offset), number)
            if head is not None and offset + head.size <= size:
                yield offset, head
                offset += head.size
            else:
                offset = _next(file.fileno(), number, offset + ALIGNED, size)


def _next(file: int, number: int, offset: int, size: int) -> int:
    """Where the next block of a segment begins after damage or at its end; the file's size when there is none."""
    while offset < size:
        data = os.pread(file, _STEP + HEADER_BYTES, offset)
        for at in range(0, min(_STEP, len(data)), ALIGNED):
            if data.startswith(MAGIC, at) and head_of(data[at : at + HEADER_BYTES], number):
                return offset + at
        offset += _STEP
    return size


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), length, offset)


def _write(path: Path, offset: int, data: bytes) -> int:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        return put(file, offset, data)
    finally:
        os.close(file)
