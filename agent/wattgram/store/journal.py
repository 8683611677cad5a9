"""The journal: records and state synced in the last minutes, in one small file that is reused.

A sync is one frame: records, and changes of state, positions and refused records. When segments and database contain
everything, the journal starts again at the begin of the file with a new generation. The file keeps its size, so a sync
writes only the pages of its frame and nothing of the file system. Each page has a checksum. Behind the last frame are
pages of older generations; any other page shows that there were more frames.

The frames of a generation are one stream of deflate, flushed after each frame, because consecutive states are almost
equal.
"""

from __future__ import annotations

import base64
import contextlib
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
from .checked_pages import PAGE_ROOM, make_pages, split_pages
from .disk import PAGE, sync_folder, write_synced
from .regular_files import OWN_MODE, read_regular
from .rows import series_of, spec

JOURNAL_FILE = "journal"

_MAGIC = b"wgJ2"
_FRAME_HEAD = struct.Struct("<4sIIQIIIQ")
"""Magic, checksum of the rest, checksum of the body, generation, index, records, length, last number."""
_ROW = struct.Struct("<QIqII")  # number, series, time, bytes of values, of texts
_LENGTH = struct.Struct("<I")
_ALIGNED = 64
"""Alignment of a frame, bytes, so that frames after a damaged one can be counted."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Record that a sink refused for good, and the reason."""

    seq: int
    sink: str
    reason: str
    record: Record


@dataclass(slots=True)
class JournalEntry:
    """Content of one sync, or of several."""

    records: Sequence[Numbered] = ()
    state: Mapping[str, bytes] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)
    refused: Sequence[Refusal] = ()
    reached: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Last number and count of rings and database when the journal started."""
    size: int = 0
    """Size of the file by a frame, bytes."""


class Journal:
    """Journal file, open for writing; all methods block.

    notes: damage that was found. written: bytes, in pages.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.path = folder / JOURNAL_FILE
        self._new = self.path.with_name(f"{JOURNAL_FILE}.new")
        self.size = size
        self.notes: list[str] = []
        self.written = 0
        self._room = size // PAGE * PAGE_ROOM
        self._file: int | None = None
        self._generation = 0
        self._index = 0
        self._offset = 0
        self._tail = b""
        self._packer = _new_packer()
        self._series: dict[Series, int] = {}

    def open(self, known: int) -> tuple[list[JournalEntry], int]:
        """Return the entries, and the number of unreadable records past the `known` ones.

        Nothing is written before `begin`. OSError if the disk does not respond.
        """
        self.close()
        self._new.unlink(missing_ok=True)
        entries, damaged = self.read_only(known)
        with contextlib.suppress(FileNotFoundError):
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            _drop_from_cache(self._file)
        return entries, damaged

    def read_only(self, known: int) -> tuple[list[JournalEntry], int]:
        """Return the result of `open`, for a disk that cannot be written; the journal stays closed."""
        self.notes = []
        try:
            data = read_regular(self.path)
        except FileNotFoundError:
            if known:
                self.notes.append(f"{JOURNAL_FILE} is missing; the records of the last minutes are lost")
            return [], 0
        scan = read(data, known)
        self._generation, entries, damaged = scan.generation, scan.entries, scan.damaged
        if not scan.frames:
            self.notes.append(f"{JOURNAL_FILE} is not readable; the records of the last minutes are lost")
        elif not entries and not damaged:
            self.notes.append(
                f"the start of {JOURNAL_FILE} is not readable; the records of the last minutes may be lost"
            )
        elif entries and len(data) < entries[0].size:
            self.notes.append(f"{JOURNAL_FILE} has lost its end; records of the last minutes are lost")
        elif scan.torn:
            self.notes.append(f"a page at the end of {JOURNAL_FILE} is not readable; the last records may be lost")
        return entries, damaged

    def move(self, path: Path) -> None:
        """Use another path of the same file."""
        self.path, self._new = path, path.with_name(f"{JOURNAL_FILE}.new")

    def begin(self, entry: JournalEntry) -> None:
        """Start again; earlier entries are not needed any more. After an OSError the earlier entries stay."""
        self._generation = (self._generation + 1) % 2**64
        self._index = self._offset = 0
        self._tail = b""
        self._packer, self._series = _new_packer(), {}
        # The state may contain many readings that wait for the clock; the database has the state too.
        if sum(map(len, entry.state.values())) > self.size // 2:
            entry = replace(entry, state={})
        if self._file is None or os.fstat(self._file).st_size != self.size:
            self._create(entry)
        else:
            self.write(entry)

    def write(self, entry: JournalEntry) -> bool:
        """Write an entry and wait until it is on disk; False if there is no room.

        OSError if the disk refuses; the entry may then be written again.
        """
        assert self._file is not None  # `begin` has opened it
        packer, series = self._packer.copy(), dict(self._series)
        frame = self._frame(entry, packer, series)
        page, content = self._offset // PAGE_ROOM, self._tail + frame
        if self._offset < self._room // 2 and -(-len(content) // PAGE_ROOM) > -(-len(frame) // PAGE_ROOM):
            page, content = page + 1, frame  # with enough room, starting on a new page saves a write
        if page * PAGE_ROOM + len(content) > self._room:
            return False
        self.written += write_synced(self._file, page * PAGE, make_pages(content))
        self._packer, self._series = packer, series
        self._note_written(page, content)
        return True

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _note_written(self, page: int, content: bytes) -> None:
        """Note a frame on disk, from a page on."""
        self._offset = page * PAGE_ROOM + len(content)
        self._tail = content[len(content) // PAGE_ROOM * PAGE_ROOM :]
        self._index += 1

    def _create(self, entry: JournalEntry) -> None:
        """Create a file of the right size; it replaces the old one at once or not at all."""
        self.close()
        file = os.open(self._new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, OWN_MODE)
        try:
            packer, series = _new_packer(), dict[Series, int]()
            frame = self._frame(entry, packer, series)
            os.posix_fallocate(file, 0, self.size)  # a full disk refuses here, before a write
            # Written, not only allocated: the first write of a block also changes the file system's tables.
            self.written += write_synced(file, 0, make_pages(frame, self.size))
            _drop_from_cache(file)
            self._new.rename(self.path)
            sync_folder(self.path.parent)
        except BaseException:
            os.close(file)
            self._new.unlink(missing_ok=True)
            raise
        self._file, self._packer, self._series = file, packer, series
        self._index = 0
        self._note_written(0, frame)

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
    """Content of a journal.

    generation: of its frames. frames: their number. entries: up to the first damage. damaged: number of records after
    it. torn: whether there may have been more frames.
    """

    generation: int
    frames: int
    entries: list[JournalEntry]
    damaged: int
    torn: bool


def read(pages: bytes, known: int = 0) -> JournalScan:
    """Return the content of a journal's bytes; records up to number `known` are elsewhere and not counted as damaged.

    The last frame may be torn by a power cut; such a frame was never confirmed as written. It is counted all the same.
    """
    data, broken = split_pages(pages)
    frames = list(_frames(data))
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
            # Counted by the consecutive numbers, because even the headers between may be damaged.
            last_known = max([known, *(seq for entry in entries for seq, _ in entry.records[-1:])])
            damaged = max(0, max(frame.last for frame in frames) - last_known)
            return JournalScan(generation, len(frames), entries, damaged, torn)
    return JournalScan(generation, len(frames), entries, 0, torn)


def _drop_from_cache(file: int) -> None:
    """Drop the file from the page cache: nobody reads it again, and large cached pieces make small writes expensive."""
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def _new_packer() -> Any:
    # The smallest window that contains the last sync, at a level with little load for a Raspberry Pi.
    return zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 6)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Frame as found; body and checksum need not agree. last: number of its last record. end: its end."""

    generation: int
    index: int
    records: int
    body: bytes
    checksum: int
    last: int
    end: int


def _frames(data: bytes) -> Iterator[_Frame]:
    """Yield the frames of the newest generation, also past a damaged header."""
    frames: list[_Frame] = []
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
            frames.append(_Frame(generation, index, count, data[start:end], checksum, last, end))
            step = _ALIGNED
        at += step
    newest = max((frame.generation for frame in frames), default=0)
    yield from (frame for frame in frames if frame.generation == newest)


def _content(entry: JournalEntry, series: dict[Series, int], size: int) -> bytes:
    defined: dict[int, str] = {}

    def number(definition: Series) -> int:
        if definition not in series:
            series[definition] = len(series)
            defined[series[definition]] = spec(definition)
        return series[definition]

    rows: list[bytes] = []
    for seq, record in entry.records:
        # JSON escapes, because UTF-8 cannot encode every text.
        texts = json.dumps(record.texts).encode() if record.texts else b""
        rows += (
            _ROW.pack(seq, number(record.series), record.time, len(record.values), len(texts)),
            record.values,
            texts,
        )
    refused = [
        (
            refusal.seq,
            refusal.sink,
            refusal.reason,
            number(refusal.record.series),
            refusal.record.time,
            base64.b64encode(refusal.record.values).decode(),
            refusal.record.texts,
        )
        for refusal in entry.refused
    ]
    metadata = json.dumps(
        {
            "series": defined,
            "positions": dict(entry.positions),
            "reached": dict(entry.reached),
            "size": size,
            "state": [(name, len(data)) for name, data in entry.state.items()],
            "refused": refused,
        }
    ).encode()
    return b"".join((_LENGTH.pack(len(metadata)), metadata, *rows, *entry.state.values()))


def _entry(content: bytes, count: int, series: dict[int, Series]) -> JournalEntry:
    (length,) = _LENGTH.unpack_from(content)
    at = _LENGTH.size + length
    metadata = json.loads(content[_LENGTH.size : at])
    series |= {int(number): series_of(text) for number, text in metadata["series"].items()}
    records: list[Numbered] = []
    for _ in range(count):
        seq, number, time, values, texts = _ROW.unpack_from(content, at)
        at += _ROW.size
        data, encoded = content[at : at + values], content[at + values : at + values + texts]
        at += values + texts
        records.append((seq, Record(series[number], time, data, tuple(json.loads(encoded)) if encoded else ())))
    state: dict[str, bytes] = {}
    for name, size in metadata["state"]:
        state[name] = content[at : at + size]
        at += size
    reached = {str(name): (int(last), int(count)) for name, (last, count) in metadata["reached"].items()}
    refused = [*_refused(metadata["refused"], series)]
    return JournalEntry(records, state, metadata["positions"], refused, reached, metadata["size"])


def _refused(listed: Iterable[Sequence[Any]], series: Mapping[int, Series]) -> Iterator[Refusal]:
    for seq, sink, reason, number, time, values, texts in listed:
        yield Refusal(seq, sink, reason, Record(series[number], time, base64.b64decode(values), tuple(texts)))
