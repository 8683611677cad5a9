"""Read a spool directory as docs/formats describes it: python -m tests.support.format_reader DIRECTORY.

Written from these pages alone, without wattgram and without its extension, so that a test can prove the pages complete.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import math
import re
import sqlite3
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

PAGE, CONTENT = 4096, 4032
"""Bytes of a page of the journal, and of its content."""

HEAD_OF_FRAME = struct.Struct("<4sIIQIIIQ")
HEAD_OF_BLOCK = struct.Struct("<4sIQQQQqqI8I")
HEAD_OF_CHUNK = struct.Struct("<8s5I")
ROW = struct.Struct("<QIqII")

RINGS = ("readings", "instants")
BLOCK = 512
"""A block begins at a multiple of so many bytes."""

WHOLE, DECIMAL, DECIMAL_SINGLE, SINGLE, DOUBLE = 1, 2, 3, 4, 5
SPARSE = 0x80
ABSENT = struct.unpack("<d", bytes.fromhex("000000000000f87f"))[0]
MASK = 2**64 - 1


class Damaged(ValueError):
    """Bytes that do not have the documented format."""


class Series(NamedTuple):
    """The common part of the records of a series."""

    kind: str
    tags: tuple[tuple[str, str], ...]
    fields: tuple[str, ...]
    integers: tuple[str, ...]
    texts: tuple[str, ...]


class Stored(NamedTuple):
    """A record. time: UTC ns. values: one double for each field, NaN where absent."""

    number: int
    series: Series
    time: int
    values: tuple[float, ...]
    texts: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the record in the form of the command: without the absent fields, whole numbers as such."""
        present = {
            name: value for name, value in zip(self.series.fields, self.values, strict=False) if not math.isnan(value)
        }
        return {
            "number": self.number,
            "kind": self.series.kind,
            "tags": dict(self.series.tags),
            "time": self.time,
            "fields": {name: int(value) if name in self.series.integers else value for name, value in present.items()},
            "texts": dict(zip(self.series.texts, self.texts, strict=False)),
        }


class Refused(NamedTuple):
    """A record that a sink will never take."""

    sink: str
    reason: str
    record: Stored


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of the journal, decompressed."""

    generation: int
    index: int
    head: dict[str, Any]
    records: list[Stored]
    state: dict[str, bytes]
    refused: list[Refused]


@dataclass(frozen=True, slots=True)
class Block:
    """The head of a block, its offset in the segment, and its eight parts."""

    offset: int
    segment: int
    first: int
    last: int
    ordinal: int
    since: int
    until: int
    count: int
    parts: tuple[bytes, ...]


@dataclass(slots=True)
class Contents:
    """The content of a spool directory. lost: records of rings and journal that are known to be missing."""

    records: list[Stored] = field(default_factory=list)
    state: dict[str, bytes] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    lost: int = 0
    notes: list[str] = field(default_factory=list)


# README.md


def series_of(definition: str) -> Series:
    """Return the series of a definition."""
    try:
        kind, tags, fields, integers, texts = json.loads(definition)
        return Series(kind, tuple((name, value) for name, value in tags), tuple(fields), tuple(integers), tuple(texts))
    except (TypeError, ValueError) as error:
        raise Damaged(f"definition of a series: {definition[:80]!r}") from error


def doubles(data: bytes) -> tuple[float, ...]:
    """Return the doubles in some bytes."""
    count = len(data) // 8
    return struct.unpack(f"<{count}d", data[: 8 * count])


def read(folder: Path) -> Contents:
    """Return the content of a spool directory: journal, then database, then segments, merged by number."""
    found = Contents()
    frames, missing_after = journal(_bytes(folder / "journal"))
    stored = {record.number: record for frame in frames for record in frame.records}
    reached: dict[str, tuple[int, int]] = {}
    for frame in frames:
        reached |= {name: (last, count) for name, (last, count) in frame.head["reached"].items()}
    database(folder, found, stored, reached)
    for name in RINGS:
        ring(folder, name, found, stored, reached.get(name, (0, 0)))
    for frame in frames:
        found.state |= frame.state
        for sink, number in frame.head["positions"].items():
            found.positions[sink] = max(number, found.positions.get(sink, 0))
        found.refused += frame.refused
    found.records = [stored[number] for number in sorted(stored)]
    if missing_after is not None:
        found.notes.append("journal: a frame is damaged")
        found.lost += max(0, missing_after - max(stored, default=0))
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


# journal.md


def stream_of(data: bytes) -> bytes:
    """Return the content of a journal's pages."""
    return b"".join(data[start : start + CONTENT] for start in range(0, len(data), PAGE))


def pages_are_sound(data: bytes) -> list[bool]:
    """Return for each page whether its checksum agrees."""
    return [
        zlib.crc32(data[start : start + CONTENT]) == int.from_bytes(data[start + PAGE - 4 : start + PAGE], "little")
        for start in range(0, len(data), PAGE)
    ]


def journal(data: bytes) -> tuple[list[Frame], int | None]:
    """Return the readable frames of the newest generation; where a frame is damaged, also their last number."""
    stream = stream_of(data)
    heads = [(at, *head) for at in range(0, len(stream), 64) if (head := _head_of_frame(stream, at))]
    generation = max((head[1] for head in heads), default=0)
    heads = [head for head in heads if head[1] == generation]
    frames: list[Frame] = []
    inflater = zlib.decompressobj(-15)
    known: dict[int, Series] = {}
    for place, (at, _, index, count, length, checksum, _) in enumerate(heads):
        body = stream[at + HEAD_OF_FRAME.size : at + HEAD_OF_FRAME.size + length]
        if index != place or zlib.crc32(body) != checksum:
            return frames, max(head[-1] for head in heads)
        frames.append(_frame(generation, index, inflater.decompress(body), count, known))
    return frames, None


def _head_of_frame(stream: bytes, at: int) -> tuple[int, int, int, int, int, int] | None:
    """Generation, index, records, length, checksum of the body and last number; None where no frame begins."""
    head = stream[at : at + HEAD_OF_FRAME.size]
    if len(head) < HEAD_OF_FRAME.size or not head.startswith(b"wgJ2"):
        return None
    _, crc, checksum, generation, index, count, length, last = HEAD_OF_FRAME.unpack(head)
    return (generation, index, count, length, checksum, last) if zlib.crc32(head[8:]) == crc else None


def _frame(generation: int, index: int, content: bytes, count: int, known: dict[int, Series]) -> Frame:
    (length,) = struct.unpack_from("<I", content)
    at = 4 + length
    head = json.loads(content[4:at])
    known.update({int(number): series_of(text) for number, text in head["series"].items()})
    records: list[Stored] = []
    for _ in range(count):
        number, series, time, values, texts = ROW.unpack_from(content, at)
        at += ROW.size
        data, listed = content[at : at + values], content[at + values : at + values + texts]
        at += values + texts
        records.append(Stored(number, known[series], time, doubles(data), tuple(json.loads(listed)) if listed else ()))
    state: dict[str, bytes] = {}
    for name, size in head["state"]:
        state[name] = content[at : at + size]
        at += size
    return Frame(generation, index, head, records, state, list(_refusals(head["refused"], known)))


def _refusals(listed: Sequence[Sequence[Any]], series: Mapping[int, Series]) -> Iterator[Refused]:
    for number, sink, reason, place, time, values, texts in listed:
        yield Refused(
            sink, reason, Stored(number, series[place], time, doubles(base64.b64decode(values)), tuple(texts))
        )


# database.md


def database(folder: Path, found: Contents, stored: dict[int, Stored], reached: dict[str, tuple[int, int]]) -> None:
    """Add records, state, positions and refused records of the database; `reached` of the later of both."""
    path, log = folder / "spool.db", folder / "spool.db-wal"
    if not path.exists():
        return
    alone = not log.exists() or not log.stat().st_size
    how = "mode=ro&immutable=1" if alone else "mode=ro"
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as db:
        known = {number: series_of(text) for number, text in db.execute("SELECT id, spec FROM series")}
        for seq, series, time, data, texts, crc in db.execute("SELECT seq, series, time, data, texts, crc FROM record"):
            text = f"{seq},{series},{time},{texts}".encode()
            if zlib.crc32(bytes(data) + text) != crc or series not in known:
                found.notes.append(f"spool.db: record {seq} is damaged")
                continue
            stored[seq] = Stored(seq, known[series], time, doubles(data), _texts(texts))
        found.state |= dict(db.execute("SELECT name, data FROM state"))
        found.positions |= dict(db.execute("SELECT sink, seq FROM position"))
        for seq, sink, reason, series, time, data, texts in db.execute(
            "SELECT seq, sink, reason, series, time, data, texts FROM refused ORDER BY seq"
        ):
            record = Stored(seq, known[series], time, doubles(data), _texts(texts))
            found.refused.append(Refused(sink, reason, record))
        for name, seq, total in db.execute("SELECT name, seq, total FROM ring"):
            reached[name] = max((seq, total), reached.get(name, (0, 0)))


def _texts(listed: str) -> tuple[str, ...]:
    return tuple(json.loads(listed)) if listed else ()


# segment.md


def ring(folder: Path, name: str, found: Contents, stored: dict[int, Stored], reached: tuple[int, int]) -> None:
    """Add the records of a ring; `reached` is the number up to which the ring was on disk, and its total."""
    segments = [(path, list(blocks(path))) for path in sorted(folder.glob(f"{name}-*.seg"))]
    segments = [(path, listed) for path, listed in segments if listed]
    begin, end, there = None, 0, 0
    for path, listed in segments:
        known: dict[bytes, Series] = {}
        for block in listed:
            with contextlib.suppress(Damaged):
                known |= definitions(block.parts[0])
        for block in listed:
            last = (path, block) == (segments[-1][0], listed[-1])
            read_here, damage = records_of(block, known)
            if damage and last and block.last > reached[0]:
                continue  # torn; the journal has its records
            found.notes += [f"{path.name} at {block.offset}: {note}" for note in damage]
            stored.update({record.number: record for record in read_here})
            begin = block.ordinal if begin is None else begin
            end, there = block.ordinal + block.count, there + len(read_here)
    found.lost += max(end, reached[1]) - (begin or 0) - there if segments else 0


def blocks(path: Path) -> Iterator[Block]:
    """Return the blocks of a segment, also those behind a damaged block."""
    number, data = re.fullmatch(r"[a-z]+-(\d+)\.seg", path.name), _bytes(path)
    offset = 0
    while number and offset < len(data):
        block = block_at(data, offset, int(number[1]))
        if block is None:
            offset += BLOCK
            continue
        yield block
        offset += -(-(HEAD_OF_BLOCK.size + sum(map(len, block.parts))) // BLOCK) * BLOCK


# block.md


def block_at(data: bytes, offset: int, segment: int) -> Block | None:
    """Return the block of a segment at an offset; None when there is none."""
    head = data[offset : offset + HEAD_OF_BLOCK.size]
    if len(head) < HEAD_OF_BLOCK.size:
        return None
    magic, crc, number, first, last, ordinal, since, until, count, *lengths = HEAD_OF_BLOCK.unpack(head)
    if magic != b"wgB1" or zlib.crc32(head[8:]) != crc or number != segment:
        return None
    at, parts = offset + HEAD_OF_BLOCK.size, list[bytes]()
    if -(-(HEAD_OF_BLOCK.size + sum(lengths)) // BLOCK) * BLOCK > len(data) - offset:
        return None
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    return Block(offset, number, first, last, ordinal, since, until, count, tuple(parts))


def inflated(part: bytes) -> bytes:
    """Return the content of a part."""
    if not part:
        return b""
    if len(part) < 4 or zlib.crc32(part[4:]) != int.from_bytes(part[:4], "little"):
        raise Damaged("wrong checksum")
    return zlib.decompress(part[4:], -15)


def definitions(part: bytes) -> dict[bytes, Series]:
    """Return the series of part 0 by their digests."""
    content = inflated(part)
    texts = json.loads(content) if content else []
    return {hashlib.blake2b(text.encode(), digest_size=8).digest(): series_of(text) for text in texts}


def records_of(block: Block, known: Mapping[bytes, Series]) -> tuple[list[Stored], list[str]]:
    """Return the readable records of a block, and notes on damage."""
    found: list[Stored] = []
    damage: list[str] = []
    for place, part in enumerate(block.parts):
        try:
            content = inflated(part)
            if place:
                found += chunks(content, known)
        except Damaged as error:
            damage.append(f"part {place}: {error}")
    return found, damage


def chunks(content: bytes, known: Mapping[bytes, Series]) -> list[Stored]:
    """Return the records of an inflated part."""
    found: list[Stored] = []
    at = 0
    while at < len(content):
        digest, rows, *lengths = HEAD_OF_CHUNK.unpack_from(content, at)
        at += HEAD_OF_CHUNK.size
        pieces = []
        for length in lengths:
            pieces.append(content[at : at + length])
            at += length
        if digest not in known:
            raise Damaged(f"no definition of series {digest.hex()}")
        found += _chunk(known[digest], rows, pieces)
    return found


def _chunk(series: Series, rows: int, pieces: Sequence[bytes]) -> Iterator[Stored]:
    numbers, times = whole_column(pieces[0], rows), whole_column(pieces[1], rows)
    columns: list[list[float]] = []
    values = pieces[2]
    for _ in series.fields:
        column, used = number_column(values, rows)
        columns.append(column)
        values = values[used:]
    if values:
        raise Damaged("bytes behind the last column")
    texts: list[tuple[str, ...]] = [()] * rows
    if series.texts:
        (length,) = struct.unpack_from("<I", pieces[3])
        different = json.loads(pieces[3][4 : 4 + length])
        texts = [tuple(different[index]) for index in whole_column(pieces[3][4 + length :], rows)]
    for row in range(rows):
        yield Stored(numbers[row], series, times[row], tuple(column[row] for column in columns), texts[row])


def unfold(code: int) -> int:
    """Return the signed difference of a folded difference, modulo 2^64."""
    return ((code >> 1) ^ -(code & 1)) & MASK


def codes(data: bytes, count: int) -> tuple[list[int], int, int, int]:
    """Return the codes at the begin of some bytes, their form, decimals, and how many bytes they take."""
    if len(data) < 3 or count < 1:
        raise Damaged("no codes")
    form, length, decimals, order, planes = data[0], data[1] >> 4, data[1] & 15, data[2] >> 4, data[2] & 15
    size = 3 + length + planes * (count - 1)
    if length > 8 or planes > 8 or order > 2 or decimals > 9 or len(data) < size:
        raise Damaged("codes that cannot be")
    first = unfold(int.from_bytes(data[3 : 3 + length], "little"))
    rest = data[3 + length : size]
    folded = [
        sum(rest[plane * (count - 1) + place] << 8 * plane for plane in range(planes)) for place in range(count - 1)
    ]
    found, step = [first], 0
    for difference in map(unfold, folded):
        if order == 0:
            found.append((first + difference) & MASK)
        else:
            step = (step + difference if order == 2 else difference) & MASK
            found.append((found[-1] + step) & MASK)
    return found, form, decimals, size


def signed(code: int) -> int:
    """Return a code as a signed integer."""
    return code - 2**64 if code >= 2**63 else code


def whole_column(data: bytes, rows: int) -> list[int]:
    """Return the integers of a whole column."""
    if not rows:
        return []
    found, form, _, size = codes(data, rows)
    if form != WHOLE or size != len(data):
        raise Damaged("no whole column")
    return [signed(number) for number in found]


def number_column(data: bytes, rows: int) -> tuple[list[float], int]:
    """Return the doubles of the number column at the begin of some bytes, and how many bytes that takes."""
    if not data:
        raise Damaged("no column")
    if data[0] == 0:
        return list(doubles(data[1:9]) * rows), 9
    if not data[0] & SPARSE:
        found, form, decimals, size = codes(data, rows)
        return [number_of(number, form, decimals) for number in found], size
    mask = 1 + (rows + 7) // 8
    present = [data[1 + row // 8] >> row % 8 & 1 for row in range(rows)]
    found, form, decimals, size = codes(data[mask:], sum(present))
    numbers = iter([number_of(number, form, decimals) for number in found])
    return [next(numbers) if there else ABSENT for there in present], mask + size


def number_of(code: int, form: int, decimals: int) -> float:
    """Return the double of a code."""
    if form in (DECIMAL, DECIMAL_SINGLE):
        quotient = float(signed(code)) / 10.0**decimals
        return single(quotient) if form == DECIMAL_SINGLE else quotient
    if form == SINGLE:
        number: float = struct.unpack("<f", struct.pack("<I", code & 0xFFFFFFFF))[0]
        return number
    if form == DOUBLE:
        return doubles(struct.pack("<Q", code))[0]
    raise Damaged(f"form {form}")


def single(number: float) -> float:
    """Return a number rounded to 32 bits."""
    rounded: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return rounded


def main(arguments: Sequence[str]) -> int:
    """Print a line of JSON for each record."""
    found = read(Path(arguments[0]))
    try:
        for record in found.records:
            print(json.dumps(record.as_dict()))
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    for note in found.notes:
        print(note, file=sys.stderr)
    return int(found.lost > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
