"""Factor tables of the site: CSV files in the folder zones.d beside the configuration."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from wattgram.base.errors import ConfigError
from wattgram.base.toml_table import nearest
from wattgram.base.untrusted import content, decoded, quoted
from wattgram.grid.factor_rows import FactorRow
from wattgram.grid.signal import HIGHEST, IN_KILOGRAMS, SUPPLIED, grams_with_unit, is_in_kilograms, possible

from .accuracy_keys import share_of_value

FOLDER = "zones.d"

REQUIRED_COLUMNS = ("zone", "year", "basis", "g_per_kwh")
OPTIONAL_COLUMNS = (
    "name",
    "clean_share",
    "renewable_share",
    "residual_g_per_kwh",
    "source",
    "licence",
    "note",
    "uncertainty",
)
NUMBERS = ("g_per_kwh", "clean_share", "renewable_share", "residual_g_per_kwh", "uncertainty")
"""Columns that may have decimals."""

IGNORED_COLUMNS = ("kind", "url_or_document", "verified")
"""Columns of public tables of factors that nothing is made of."""

MOST_FILES, MOST_BYTES, MOST_ROWS = 64, 1_000_000, 10_000
"""Largest numbers of files, of bytes of a file, and of rows of all files."""

SHARE_ROUNDING = 0.005
"""Largest excess of the renewable share over the clean share by rounding."""

LONGEST_CELL = 200
"""Longest text of a cell that is kept, characters."""


def read(directory: Path) -> tuple[FactorRow, ...]:
    """Return the rows of all files of the folder, in the order of their names; ConfigError with every mistake."""
    folder = directory / FOLDER
    files = sorted(folder.glob("*.csv")) if folder.is_dir() else []
    if len(files) > MOST_FILES:
        raise ConfigError([f"{folder}: found {len(files)} files; allowed: at most {MOST_FILES}"])
    mistakes: list[str] = []
    rows: list[FactorRow] = []
    for file in files:
        try:
            rows += _rows(file, decoded(content(file, MOST_BYTES)), mistakes)
        except OSError as error:
            mistakes.append(f"{file}: cannot be read: {error.strerror or error}")
        except ValueError as error:
            mistakes.append(f"{file}: {error}")
    if len(rows) > MOST_ROWS:
        mistakes.append(f"{folder}: found {len(rows)} rows; allowed: at most {MOST_ROWS}")
    seen: set[tuple[str, int, str]] = set()
    for row in rows:
        key = row.zone, row.year, row.basis
        if key in seen:
            mistakes.append(f"{folder}: found two rows of {row.zone} {row.year} {row.basis}; allowed: one")
        seen.add(key)
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(rows)


def _rows(file: Path, text: str, mistakes: list[str]) -> Iterator[FactorRow]:
    head_line = text.partition("\n")[0]
    comma = head_line.count(";") > head_line.count(",")  # of a spreadsheet whose decimals have a comma
    reader = csv.DictReader(text.splitlines(), strict=True, delimiter=";" if comma else ",")
    known = [*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS, *IGNORED_COLUMNS]
    try:
        head = reader.fieldnames or []
        unknown = [name for name in head if name not in known]
        mistakes += [
            f"{file}: line 1: found column {quoted(name)}{nearest(name, known)}; allowed: {', '.join(known)}"
            for name in unknown
        ]
        missing = [name for name in REQUIRED_COLUMNS if name not in head]
        mistakes += [f"{file}: line 1: column {name} is missing" for name in missing]
        if unknown or missing:
            return
        for cells in reader:
            try:
                yield _row(file, _with_points(cells) if comma else cells)
            except ValueError as error:
                mistakes.append(f"{file}: line {reader.line_num}: {error}")
    except csv.Error as error:
        mistakes.append(f"{file}: line {reader.line_num}: not CSV: {error}")


def _with_points(cells: Mapping[str, str]) -> dict[str, str]:
    """Return cells whose numbers have a decimal point."""
    return {
        name: cell.replace(",", ".") if name in NUMBERS and isinstance(cell, str) else cell
        for name, cell in cells.items()
    }


def _row(file: Path, cells: Mapping[str, str]) -> FactorRow:
    if None in cells or None in cells.values():
        raise ValueError("found another number of cells than in line 1")
    zone, basis = cells["zone"].strip(), cells["basis"].strip()
    if not zone or len(zone) > LONGEST_CELL:
        raise ValueError(f"zone: found {quoted(zone)}; allowed: the code of a zone")
    if basis not in ("direct", "lifecycle"):
        raise ValueError(f"basis: found {quoted(basis)}; allowed: direct, lifecycle")
    intensity, residual = _grams(cells, "g_per_kwh"), _grams(cells, "residual_g_per_kwh")
    if intensity is None:
        raise ValueError(f"g_per_kwh: found nothing; allowed: 0 to {HIGHEST:g}")
    if not possible(intensity, basis):
        raise ValueError(f"g_per_kwh: found {intensity:g} with basis {basis}; allowed: above 0 to {HIGHEST:g}")
    clean, renewable = (_number(cells, name, 1.0, float) for name in ("clean_share", "renewable_share"))
    if clean is not None and renewable is not None and renewable > clean + SHARE_ROUNDING:
        raise ValueError(f"renewable_share: found {renewable:g}; allowed: at most clean_share, {clean:g}")
    year = _number(cells, "year", 2100.0, int)
    if year is None or year < 1990:
        raise ValueError(f"year: found {quoted(cells['year'])}; allowed: 1990 to 2100")
    return FactorRow(
        zone,
        int(year),
        basis,
        intensity,
        f"{basis} of {file.name}",
        SUPPLIED,
        cells.get("name", "")[:LONGEST_CELL],
        clean,
        renewable,
        residual,
        cells.get("source", "")[:LONGEST_CELL] or file.name,
        cells.get("licence", "")[:LONGEST_CELL],
        cells.get("note", "")[:LONGEST_CELL],
        _limit(cells.get("uncertainty", "").strip()),
    )


def _grams(cells: Mapping[str, str], name: str) -> float | None:
    """Return a number of g/kWh; ValueError for one that looks like kg/kWh."""
    if (stated := grams_with_unit(cells.get(name, ""))) is not None and stated <= HIGHEST:
        return stated
    grams = _number(cells, name, HIGHEST, float)
    if grams is not None and is_in_kilograms(grams):
        raise ValueError(f"{name}: found {grams:g}; {IN_KILOGRAMS}")
    return grams


def _limit(text: str) -> float | None:
    """Return a limit of error such as "5 %" as a share; None for an empty cell."""
    try:
        return share_of_value(text) if text else None
    except ValueError as error:
        raise ValueError(f"uncertainty: {error}") from error


def _number(cells: Mapping[str, str], name: str, most: float, parser: Callable[[str], float]) -> float | None:
    """Return a number from 0 to `most`; None for an empty cell."""
    text = cells.get(name, "").strip()
    if not text:
        return None
    try:
        number = parser(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= most:
        raise ValueError(f"{name}: found {quoted(text)}; allowed: 0 to {most:g}")
    return number
