"""`[[invoice]]`: bills of the grid operator, in the configuration or a CSV file, to compare with the meters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from wattgram.base import supplied, toml_table, units
from wattgram.base.errors import ConfigError
from wattgram.base.toml_table import Table
from wattgram.base.units import rfc3339

from .correction_table import ends, one_line, parse_time
from .devices_table import DeviceConfig

INVOICE_COLUMNS = ("meter", "from", "to", "energy_kwh", "export_kwh", "document")
INVOICE_FILE_BYTES = 1 << 20
MOST_INVOICES = 2000
LARGEST_BILL = 1e14
"""Largest energy of an invoice, Wh: 100 TWh."""

QUARTER_NS = 900 * 10**9


@dataclass(frozen=True, slots=True)
class InvoiceConfig:
    """A bill of the time from `since` to before `until`, UTC ns.

    meter: name of the device with role grid, "" for the grid connection as a whole: all incomers. energy, export: Wh
    of import and export; None for an export that the bill does not state. document: for people.
    """

    meter: str
    since: int
    until: int
    energy: float
    export: float | None = None
    document: str = ""


def read(
    tables: Sequence[Table], devices: Sequence[DeviceConfig], zone: ZoneInfo, directory: Path
) -> tuple[InvoiceConfig, ...]:
    """Read `[[invoice]]`; mistakes go to the tables. Relative files are in `directory`."""
    meters = [device.name for device in devices if device.role == "grid"]
    found: dict[tuple[str, int, int], InvoiceConfig] = {}
    for table in tables:
        for row in _rows(table, directory):
            invoice = _invoice(row, meters, zone)
            if invoice is None:
                continue
            key = invoice.meter, invoice.since, invoice.until
            if key in found:
                row.mistake("from", f"found {rfc3339(invoice.since)} a second time; allowed: one invoice a period")
            found[key] = invoice
    return tuple(sorted(found.values(), key=lambda invoice: (invoice.since, invoice.meter)))


def _rows(table: Table, directory: Path) -> list[Table]:
    """Return the table itself, or the lines of its file as tables whose mistakes contain the number of the line."""
    if "file" not in table.data:
        return [table]
    name = table.take("file", toml_table.text, toml_table.REQUIRED)
    table.done()
    if not name:
        return []
    path = directory / name
    try:
        rows = supplied.rows(path, INVOICE_COLUMNS, INVOICE_FILE_BYTES, MOST_INVOICES)
    except ConfigError as error:
        table.mistakes += error.mistakes
        return []
    return [Table(f"{path}: line {place}", "", _cells(cells), table.mistakes) for place, cells in rows.items()]


def _cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return cells as TOML values, without empty cells."""
    found: dict[str, Any] = {}
    for name, cell in cells.items():
        if not cell:
            continue
        key = name.removesuffix("_kwh")
        found[key] = f"{cell} kWh" if key != name else cell
    return found


def _invoice(table: Table, meters: Sequence[str], zone: ZoneInfo) -> InvoiceConfig | None:
    """Read an invoice; None if it has mistakes, which go to the table."""
    before = len(table.mistakes)
    energy = toml_table.bounded(units.energy, 0.0, LARGEST_BILL, 'an energy of 0 or more, such as "12345 kWh"')
    document = table.take("document", one_line(200), "")
    if document and table.place:
        table.rename(f"{table.place} ({document})")
    meter = table.take("meter", toml_table.choice(meters, "a device with role grid"), "")
    first = table.take("from", parse_time, toml_table.REQUIRED)
    last = table.take("to", parse_time, toml_table.REQUIRED)
    imported = table.take("energy", energy, toml_table.REQUIRED)
    exported = table.take("export", energy, None)
    table.done()
    since, until = (0, 0) if first is None or last is None else ends(first, last, zone)
    if first is not None and last is not None:
        _check_ends(table, (first, last), since, until)
    if len(table.mistakes) > before:
        return None
    return InvoiceConfig(meter, since, until, imported, exported, document)


def _check_ends(table: Table, texts: tuple[date | datetime, date | datetime], since: int, until: int) -> None:
    if until <= since:
        table.mistake("to", f"found {texts[1]}, which is not after from = {texts[0]}; allowed: a later time")
    for key, text, time in (("from", texts[0], since), ("to", texts[1], until)):
        if time % QUARTER_NS:
            table.mistake(key, f"found {text}; allowed: a local day, or a time at a whole quarter of an hour")
