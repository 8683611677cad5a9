"""Rows of the files that `wattgram export` writes: CSV, Parquet and line protocol, the texts also packed with gzip."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from wattgram.base.clock import MS
from wattgram.base.errors import HistoryError
from wattgram.base.record import STORED_KINDS
from wattgram.formats.csv_cells import FORMULA
from wattgram.formats.export_columns import TAGS, unit

PARQUET = b"PAR1"
"""First and last bytes of a Parquet file."""

MOST_LINE = 1 << 20
"""Limit of a line, characters."""

_HEAD = re.compile(r"((?:[^\\ ,]|\\.)+)((?:,(?:[^\\ ,=]|\\.)+=(?:[^\\ ,=]|\\.)+)*) ")
_TAG = re.compile(r",((?:[^\\ ,=]|\\.)+)=((?:[^\\ ,=]|\\.)+)")
_FIELD = re.compile(r'((?:[^\\ ,=]|\\.)+)=(?:"((?:[^"\\]|\\.)*)"|(-?[0-9][0-9.eE+-]*)(i?))([, ])')
_CELL_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ESCAPED = re.compile(r"\\([,= ])")
_QUOTED = re.compile(r'\\(["\\])')


class CsvCell(str):
    """Cell of a CSV file: a number or a text."""

    __slots__ = ()


ExportedValue = float | str


class ExportedRow(NamedTuple):
    """A record of a file. tags: without the site and without empty tags, by name. time: ms since 1970.

    local_time: the cell of a CSV file, None of another file.
    """

    where: str
    kind: str
    site: str
    tags: tuple[tuple[str, str], ...]
    time: int
    fields: Mapping[str, ExportedValue]
    local_time: str | None = None


def rows_of(path: Path) -> Iterator[ExportedRow]:
    """Yield the rows of a file. HistoryError: a row cannot be read; OSError: the file cannot be read."""
    with path.open("rb") as file:
        start = file.read(4)
    try:
        if start == PARQUET:
            yield from _parquet_rows(path)
            return
        with gzip.open(path, "rb") if start[:2] == b"\x1f\x8b" else path.open("rb") as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
            first = text.readline(MOST_LINE)
            if first.startswith("time,"):
                yield from _csv_rows(path, first, text)
            elif first:
                yield from _line_rows(path, first, text)
    except (UnicodeDecodeError, EOFError, zlib.error, csv.Error) as error:
        raise HistoryError(f"{path}: not readable as an export: {error}") from error


def typed(fields: Mapping[str, ExportedValue], texts: frozenset[str] | set[str]) -> dict[str, float | str]:
    """Return fields with numbers as doubles and texts as they are sealed; `texts`: names of the texts of the series."""
    found: dict[str, float | str] = {}
    for name, value in fields.items():
        if isinstance(value, str):
            text = value.replace("\n", " ").replace("\r", " ")
            if isinstance(value, CsvCell):
                if name not in texts:
                    found[name] = float(value) + 0.0 if _CELL_NUMBER.fullmatch(value) else text
                    continue
                if text.startswith("'") and text[1:].startswith(FORMULA):
                    text = text[1:]
            found[name] = text
        else:
            found[name] = value + 0.0
    return found


def _csv_rows(path: Path, first: str, rest: io.TextIOWrapper) -> Iterator[ExportedRow]:
    heads = [name.partition(" [") for name in next(csv.reader([first]), [])]
    names = [name for name, _, _ in heads]
    if names[:3] != ["time", "local_time", "kind"]:
        raise HistoryError(f"{path}: line 1: found the columns {','.join(names[:3])!r:.80}; expected an export as CSV")
    _check_columns(path, [(name, unit.removesuffix("]")) for name, _, unit in heads])
    rows = csv.reader(rest)
    for cells in rows:
        where = f"{path.name}:{rows.line_num + 1}"
        if len(cells) != len(names):
            raise HistoryError(f"{where}: found {len(cells)} cells, expected {len(names)}; is the file cut?")
        try:
            time = round(datetime.fromisoformat(cells[0]).timestamp() * 1000)
        except (ValueError, OverflowError) as error:
            raise HistoryError(f"{where}: found the time {cells[0]!r:.60}, expected RFC 3339") from error
        values = dict(zip(names[3:], cells[3:], strict=True))
        named = {name: values.pop(name) for name in (*TAGS, *_internal_tags(values)) if name in values}
        fields = {name: CsvCell(value) for name, value in values.items() if value}
        yield _row(where, cells[2], named, time, fields)._replace(local_time=cells[1])


def _check_columns(path: Path, columns: Sequence[tuple[str, str]]) -> None:
    """Check names and units of columns. HistoryError: two columns of one name, or a unit that no export has."""
    names = [name for name, _ in columns]
    for name, found in columns:
        if names.count(name) > 1:
            raise HistoryError(f"{path}: found two columns {name!r:.60}; an export has one")
        allowed = {unit(kind, name) for kind in STORED_KINDS} - {""}
        if not any(unit(kind, name) for kind in ("device", "emission", "gateway")):
            allowed.add("")
        if found not in allowed:
            words = " or ".join(sorted(each or "no unit" for each in allowed))
            raise HistoryError(f"{path}: column {name!r:.60}: found the unit {found!r:.20}; allowed: {words}")


def _internal_tags(names: Mapping[str, str]) -> Sequence[str]:
    """Return the tags of kinds that are not sealed."""
    return [name for name in ("roles", "columns", "era", "slot", "feed") if name in names]


def _line_rows(path: Path, first: str, rest: io.TextIOWrapper) -> Iterator[ExportedRow]:
    number, line = 1, first
    while line:
        where = f"{path.name}:{number}"
        if not line.endswith("\n"):
            raise HistoryError(f"{where}: the line has no end; is the file cut?")
        if line.strip() and not line.startswith("#"):
            yield _line_row(where, line.rstrip("\n"))
        number, line = number + 1, rest.readline(MOST_LINE)


def _line_row(where: str, line: str) -> ExportedRow:
    head = _HEAD.match(line)
    if head is None:
        raise HistoryError(f"{where}: not line protocol: {line!r:.100}")
    found_tags = _TAG.findall(head[2])
    tags = {_plain(name): _plain(value) for name, value in found_tags}
    fields: dict[str, ExportedValue] = {}
    at, count = head.end(), 0
    while (found := _FIELD.match(line, at)) is not None:
        name, text, number, _, end = found.groups()
        fields[_plain(name)] = _QUOTED.sub(r"\1", text) if number is None else float(number)
        at, count = found.end(), count + 1
        if end == " ":
            break
    time = line[at:]
    if not fields or not re.fullmatch(r"-?\d{1,19}", time):
        raise HistoryError(f"{where}: not line protocol: {line!r:.100}")
    if len(fields) < count or len(tags) < len(found_tags):
        raise HistoryError(f"{where}: found a field or a tag twice")
    return _row(where, _plain(head[1]), tags, int(time) // MS, fields)


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _parquet_rows(path: Path) -> Iterator[ExportedRow]:
    try:
        from arro3.core import DataType  # noqa: PLC0415 - an optional package, which only Parquet needs
        from arro3.io import read_parquet  # noqa: PLC0415 - an optional package
    except ModuleNotFoundError as error:
        raise HistoryError(f"{path}: Parquet needs the package arro3-io, which is not installed") from error
    with path.open("rb") as file:
        file.seek(-min(4, path.stat().st_size), io.SEEK_END)
        if file.read() != PARQUET:
            raise HistoryError(f"{path}: the end of a Parquet file is missing; is the file cut?")
    number = 0
    try:
        for batch in read_parquet(path):
            names = batch.column_names
            about = [batch.schema.field(at).metadata_str for at in range(len(names))]
            _check_columns(path, [(name, each.get("unit", "")) for name, each in zip(names, about, strict=True)])
            text, whole, real = DataType.utf8(), DataType.int64(), DataType.float64()
            columns = {}
            for name in names:
                column, kind = batch.column(name), str(batch.schema.field(name).type)
                is_text = "Dictionary" in kind or "Utf8" in kind
                columns[name] = column.cast(whole if name == "time" else text if is_text else real).to_pylist()
            for at in range(batch.num_rows):
                number += 1
                values = {name: column[at] for name, column in columns.items() if column[at] is not None}
                time, kind = values.pop("time") // MS, str(values.pop("kind"))
                named = {name: values.pop(name) for name in (*TAGS, *_internal_tags(values)) if name in values}
                yield _row(f"{path.name}: row {number}", kind, named, time, values)
    except HistoryError:
        raise
    except BaseException as error:  # a panic of the library is no Exception, and its exceptions have no common type
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise HistoryError(f"{path}: not readable as Parquet: {error}") from error


def _row(where: str, kind: str, tags: dict[str, str], time: int, fields: Mapping[str, ExportedValue]) -> ExportedRow:
    site = tags.pop("site", "")
    return ExportedRow(where, kind, site, tuple(sorted((name, tag) for name, tag in tags.items() if tag)), time, fields)
