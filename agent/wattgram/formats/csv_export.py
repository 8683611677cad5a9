"""Records as CSV for a spreadsheet: RFC 4180, one row per record."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import BinaryIO
from zoneinfo import ZoneInfo

from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.base.units import rfc3339

from .csv_cells import FORMULA
from .export_columns import Column, RowMaker

WRITTEN_CHARACTERS = 1 << 16
"""Size of a write, in characters."""


def write(file: BinaryIO, records: Iterable[Record], columns: Sequence[Column], zone: ZoneInfo) -> int:
    """Write the records and return the number of omitted records, which is 0.

    The columns are the time in UTC, the site's local time, and `columns` with their units in the head.
    """
    text = io.StringIO(newline="")
    sheet = csv.writer(text)
    sheet.writerow(
        [
            "time",
            "local_time",
            *(f"{column.name} [{column.unit}]" if column.unit else column.name for column in columns),
        ]
    )
    rows, texts = RowMaker(columns), [place for place, column in enumerate(columns) if column.holds in ("tag", "text")]
    second, utc, local = -1, "", ""
    for record in records:
        if record.time // NS != second:
            second, utc = record.time // NS, rfc3339(record.time)[:-4]
            local = datetime.fromtimestamp(second, zone).replace(tzinfo=None).isoformat(" ")
        cells = rows.row(record)
        for place in texts:
            cell = cells[place]
            if cell is not None and str(cell).startswith(FORMULA):
                cells[place] = f"'{cell}"
        sheet.writerow([f"{utc}{record.time % NS // 1_000_000:03d}Z", local, *cells])
        if text.tell() > WRITTEN_CHARACTERS:
            file.write(text.getvalue().encode())
            text.seek(0)
            text.truncate()
    file.write(text.getvalue().encode())
    return 0
