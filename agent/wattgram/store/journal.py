"""The journal: what was synced in the last minutes, in one small file that is written over and over.

A sync is one frame: records, and what changed of the state, the positions and the refused ones. When everything has
come to the segments and the database the journal begins again at the file's begin, with a new generation. The file
keeps its size, so a sync writes the pages of its frame and nothing of the file system's own. Each page has a checksum:
behind the last frame are pages of older generations, and one that is none says that there was more.

The frames of a generation are one stream of deflate, flushed after each: the state of this second is mostly that of
the last.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from wattgram.base.record import Record, Series

from .block import Numbered
from .checked_pages import PAGE_ROOM, opened, sealed
from .disk import PAGE, put, sync_folder
from .rows import series_of, spec

JOURNAL_FILE = "journal"

_MAGIC = b"wgJ2"
_FRAME_HEAD = struct.Struct(
    "<4sIIQIIIQ"
)  # magic, checksum of the rest, of the body, generation, index, records, length, last
_ROW = struct.Struct("<QIqII")  # number, series, time, bytes of values, of texts
_LENGTH = struct.Struct("<I")
_ALIGNED = 64
"""Bytes; a frame begins at a multiple of it, so that those after a damaged one can be counted."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that a sink will never take, and why."""

    seq: int
    sink: str
    reason: str
    record: Record


@dataclass(slots=True)
class JournalEntry:
    """What one sync puts on disk, or several."""

    records: Sequence[Numbered] = ()
    state: Mapping[str, bytes] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)
    refused: Sequence[Refusal] = ()
    reached: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """How far rings and database had come when the journal began: last number and count of each."""
    size: int = 0
    """Bytes of the file, as a frame says."""


class Journal:
    """The file, open for writing. Everything here blocks. notes: what was found damaged. written: bytes, in pages."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path = folder / JOURNAL_FILE
        self._new = folder / f"{JOURNAL_FILE}.new"
        self.size = size
        self.notes: list[str] = []
        self.written = 0
        self._room = size // PAGE * PAGE_ROOM
        self._file: int | None = None
        self._generation = 0
        self._index = 0
        self._offset = 0
        self._tail = b""
        self._packer = _packer()
        self._series: dict[Series, int] = {}

    def open(self, known: int) -> tuple[list[JournalEntry], int]:
        """What it holds, and how many records past the `known` ones are not readable.

        Nothing is written before `begin`. OSError when the disk does not serve.
        """
        self.close()
        self.notes = []
        self._new.unlink(missing_ok=True)
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            if known:
                self.notes.append(f"{JOURNAL_FILE} is missing; what was read in the last minutes is lost")
            return [], 0
        data = self.path.read_bytes()
        _forget(self._file)
        found = read(data, known)
        self._generation, entries, damaged = found.generation, found.entries, found.damaged
        if not found.frames:
            self.notes.append(f"nothing in {JOURNAL_FILE} is readable; what was read in the last minutes is lost")
        elif not entries and not damaged:
            self.notes.append(
                f"the begin of {JOURNAL_FILE} is not readable; what was read in the last minutes may be lost"
            )
        elif entries and len(data) < entries[0].size:
            self.notes.append(
                f"{JOURNAL_FILE} has lost its end, with what was read in the last minutes or a part of it"
            )
        elif found.torn:
            self.notes.append(f"a page at the end of {JOURNAL_FILE} is not readable; what was read last may be lost")
        return entries, damaged

    def begin(self, entry: JournalEntry) -> None:
        """Begin again; what was written before is not needed any more. OSError keeps what was there."""
        self._generation = (self._generation + 1) % 2**64
        self._index = self._offset = 0
        self._tail = b""
        self._packer, self._series = _packer(), {}
        # Readings that wait for the clock may be many, and are among the state; the database has it, too.
        if sum(map(len, entry.state.values())) > self.size // 2:
            entry = replace(entry, state={})
        if self._file is None or os.fstat(self._file).st_size != self.size:
            self._make(entry)
        else:
            self.write(entry)

    def write(self, entry: JournalEntry) -> bool:
        """Put an entry on disk; False when there is no room behind what is there.

        OSError when it is not there, and then it may be written again.
        """
        assert self._file is not None  # it has begun
        packer, series = self._packer.copy(), dict(self._series)
        frame = self._frame(entry, packer, series)
        page, content = self._offset // PAGE_ROOM, self._tail + frame
        if self._offset < self._room // 2 and -(-len(content) // PAGE_ROOM) > -(-len(frame) // PAGE_ROOM):
            page, content = page + 1, frame  # while there is room enough, a page fewer is worn
        if page * PAGE_ROOM + len(content) > self._room:
            return False
        self.written += put(self._file, page * PAGE, sealed(content))
        self._packer, self._series = packer, series
        self._went(page, content)
        return True

    def close(self) -> None:
        """Let go of the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _went(self, page: int, content: bytes) -> None:
        """It is on disk from a page on."""
        self._offset = page * PAGE_ROOM + len(content)
        self._tail = content[len(content) // PAGE_ROOM * PAGE_ROOM :]
        self._index += 1

    def _make(self, entry: JournalEntry) -> None:
        """A new file of the right size, in the place of the old one at once or not at all."""
        self.close()
        file = os.open(self._new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            packer, series = _packer(), dict[Series, int]()
            frame = self._frame(entry, packer, series)
            os.posix_fallocate(file, 0, self.size)  # a disk that has no room says so before it is worn
            # Written, not only allocated: the file system notes when a block is written for the first time.
            self.written += put(file, 0, sealed(frame, self.size))
            _forget(file)
            self._new.rename(self.path)
            sync_folder(self.path.parent)
        except BaseException:
            os.close(file)
            self._new.unlink(missing_ok=True)
            raise
        self._file, self._packer, self._series = file, packer, series
        self._index = 0
        self._went(0, frame)

    def _frame(self, entry: JournalEntry, packer: Any, series: dict[Series, int]) -> bytes:
        body = packer.compress(_content(entry, series, self.size)) + packer.flush(zlib.Z_SYNC_FLUSH)
        rest = struct.pack(
            "<IQIIIQ",
            zlib.crc32(body),
            self._generation,
            self._index,
            len(entry.records),
            len(body),
            entry.records[-1][0] if entry.records else 0,
        )
        frame: bytes = _MAGIC + _LENGTH.pack(zlib.crc32(rest)) + rest + body
        return frame.ljust(-(-len(frame) // _ALIGNED) * _ALIGNED, b"\0")


class JournalScan(NamedTuple):
    """A journal's generation, how many frames it has, its entries up to the first damage, how many records come
    after that, and whether there may have been more frames."""

    generation: int
    frames: int
    entries: list[JournalEntry]
    damaged: int
    torn: bool


def read(pages: bytes, known: int = 0) -> JournalScan:
    """What a journal's bytes hold; as damaged count records that are not `known`, by number, to be elsewhere.

    The last frame may be torn by a power cut, and then was never said to be on disk; it is counted all the same.
    """
    data, broken = opened(pages)
    frames = list(_heads(data))
    generation = frames[0].generation if frames else 0
    end = max((frame.end for frame in frames), default=0) // PAGE_ROOM
    torn = not broken.isdisjoint((end, end + 1))  # where the next frame begins
    entries: list[JournalEntry] = []
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    series: dict[int, Series] = {}
    for place, frame in enumerate(frames):
        sound = frame.index == place and zlib.crc32(frame.body) == frame.checksum
        try:
            entries.append(_entry(unpacker.decompress(frame.body if sound else b""), frame.records, series))
        except (ValueError, KeyError, TypeError, struct.error, zlib.error):
            # By their numbers, which follow one another: of those in between even the head may be gone.
            there = max([known, *(seq for entry in entries for seq, _ in entry.records[-1:])])
            damaged = max(0, max(frame.last for frame in frames) - there)
            return JournalScan(generation, len(frames), entries, damaged, torn)
    return JournalScan(generation, len(frames), entries, 0, torn)


def _forget(file: int) -> None:
    """Nobody reads it again, and in large pieces of memory each small write counts for the whole piece."""
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def _packer() -> Any:
    # The least memory for which the last sync is in sight: of a level that costs a Pi nothing.
    return zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 6)


@dataclass(frozen=True, slots=True)
class _Frame:
    """One as it was found; body and checksum need not agree. last: its last record's number. end: where it ends."""

    generation: int
    index: int
    records: int
    body: bytes
    checksum: int
    last: int
    end: int


def _heads(data: bytes) -> Iterator[_Frame]:
    """Frames of the newest generation, past a damaged head, too."""
    found: list[_Frame] = []
    at = 0
    while (at := data.find(_MAGIC, at)) >= 0:
        head = data[at : at + _FRAME_HEAD.size]
        step = 1
        if (
            at % _ALIGNED == 0
            and len(head) == _FRAME_HEAD.size
            and zlib.crc32(head[8:]) == _LENGTH.unpack_from(head, 4)[0]
        ):
            _, _, checksum, generation, index, count, length, last = _FRAME_HEAD.unpack(head)
            start, end = at + _FRAME_HEAD.size, at + _FRAME_HEAD.size + length
            found.append(_Frame(generation, index, count, data[start:end], checksum, last, end))
            step = _ALIGNED
        at += step
    newest = max((one.generation for one in found), default=0)
    yield from (one for one in found if one.generation == newest)


def _content(entry: JournalEntry, series: dict[Series, int], size: int) -> bytes:
    defined: dict[int, str] = {}

    def number(one: Series) -> int:
        if one not in series:
            series[one] = len(series)
            defined[series[one]] = spec(one)
        return series[one]

    rows: list[bytes] = []
    for seq, record in entry.records:
        texts = json.dumps(record.texts).encode() if record.texts else b""  # escaped: UTF-8 cannot hold every text
        rows += (
            _ROW.pack(seq, number(record.series), record.time, len(record.values), len(texts)),
            record.values,
            texts,
        )
    refused = [
        (
            one.seq,
            one.sink,
            one.reason,
            number(one.record.series),
            one.record.time,
            base64.b64encode(one.record.values).decode(),
            one.record.texts,
        )
        for one in entry.refused
    ]
    about = json.dumps(
        {
            "series": defined,
            "positions": dict(entry.positions),
            "reached": dict(entry.reached),
            "size": size,
            "state": [(name, len(data)) for name, data in entry.state.items()],
            "refused": refused,
        }
    ).encode()
    return b"".join((_LENGTH.pack(len(about)), about, *rows, *entry.state.values()))


def _entry(content: bytes, count: int, series: dict[int, Series]) -> JournalEntry:
    (length,) = _LENGTH.unpack_from(content)
    at = _LENGTH.size + length
    about = json.loads(content[_LENGTH.size : at])
    series |= {int(number): series_of(text) for number, text in about["series"].items()}
    records: list[Numbered] = []
    for _ in range(count):
        seq, number, time, values, texts = _ROW.unpack_from(content, at)
        at += _ROW.size
        data, told = content[at : at + values], content[at + values : at + values + texts]
        at += values + texts
        records.append((seq, Record(series[number], time, data, tuple(json.loads(told)) if told else ())))
    state: dict[str, bytes] = {}
    for name, size in about["state"]:
        state[name] = content[at : at + size]
        at += size
    reached = {str(name): (int(last), int(count)) for name, (last, count) in about["reached"].items()}
    refused = [*_refused(about["refused"], series)]
    return JournalEntry(records, state, about["positions"], refused, reached, about["size"])


def _refused(listed: Iterable[Sequence[Any]], series: Mapping[int, Series]) -> Iterator[Refusal]:
    for seq, sink, reason, number, time, values, texts in listed:
        yield Refusal(seq, sink, reason, Record(series[number], time, base64.b64decode(values), tuple(texts)))
