"""`wattgram zones`: the zones of the factor tables, with year, g/kWh, clean share, source and licence."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from wattgram.formats.tables import table
from wattgram.grid.factor_rows import CHINA, FactorRow, shipped_rows
from wattgram.grid.table import DIVIDED
from wattgram.grid.zone_names import ATTRIBUTION, CHINESE_CHARACTERS, CHINESE_ZONES, LEFT_OUT, OTHER_CODES

from .arguments import add_format

EXAMPLE = "wattgram zones germany"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add TEXT, --config and --format."""
    parser.add_argument("text", nargs="?", default="", metavar="TEXT", help="part of a zone's code or name")
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="also list the tables in zones.d beside this configuration"
    )
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Print the newest row of each zone and basis; 1 when no zone matches."""
    from wattgram.config import own_zones

    own = own_zones.read(options.config.parent) if options.config else ()
    found = [row for row in newest_rows([*shipped_rows(None), *own]) if matches(row, options.text)]
    found.sort(key=lambda row: not row.zone.startswith(options.text.upper()))  # codes before names
    if options.format == "json":
        print(json.dumps([_entry(row) for row in found], ensure_ascii=False))
    else:
        print(_as_table(found, options.text))
    return 0 if found else 1


def newest_rows(rows: Iterable[FactorRow]) -> list[FactorRow]:
    """Return the newest row of each zone and basis, by zone. Later rows replace earlier ones of the same year."""
    newest: dict[tuple[str, str], FactorRow] = {}
    for row in rows:
        before = newest.get((row.zone, row.basis))
        if before is None or row.year >= before.year or row.tier < before.tier:
            newest[row.zone, row.basis] = row
    return [newest[key] for key in sorted(newest)]


def name_of(row: FactorRow) -> str:
    """Return the name of a row's zone."""
    return row.name or CHINESE_ZONES.get(row.zone, row.zone)


def matches(row: FactorRow, text: str) -> bool:
    """Return whether a zone's code or name contains a text."""
    plain = OTHER_CODES.get(text.upper(), text).lower()
    characters = CHINESE_CHARACTERS.get(row.zone, "")
    province = bool(characters) and row.zone != CHINA and text.startswith(characters)  # with a word such as 省
    return province or any(plain in name.lower() for name in (row.zone, name_of(row), characters))


def _entry(row: FactorRow) -> dict[str, object]:
    return {
        "zone": row.zone,
        "name": name_of(row),
        "year": row.year,
        "g_per_kwh": row.intensity,
        "basis": row.basis,
        "tier": row.tier,
        "clean_share": row.clean_share,
        "renewable_share": row.renewable_share,
        "source": row.source,
        "licence": row.licence,
        "note": row.note,
        "selectable": row.zone not in DIVIDED,
    }


def _as_table(rows: Sequence[FactorRow], text: str) -> str:
    left_out = LEFT_OUT.get(text.upper())
    note = "" if left_out is None else f"the tables have no row of {text.upper()}: {left_out}; "
    anyway = "a site may use any code with factor_g_per_kwh, a source, or a row in zones.d"
    if not rows:
        return note + anyway if note else f"no zone of the tables contains {text!r}; {anyway}"
    cells = [
        (
            row.zone,
            name_of(row),
            str(row.year),
            f"{row.intensity:.1f}" if row.basis == "direct" else "",
            f"{row.intensity:.1f}" if row.basis == "lifecycle" else "",
            "" if row.clean_share is None else f"{row.clean_share:.1%}",
            f"{row.source} ({row.licence})" if row.licence else row.source,
        )
        for row in rows
    ]
    head = ("zone", "name", "year", "direct g/kWh", "life-cycle g/kWh", "clean", "source and licence")
    divided = sorted({row.zone for row in rows} & DIVIDED.keys())
    notes = [note + anyway] if note else []
    notes += [f"{zone} is several grids: a site uses one of {DIVIDED[zone]}..." for zone in divided]
    return "\n".join([table(head, cells, right=(2, 3, 4, 5)), "", *notes, *ATTRIBUTION])
