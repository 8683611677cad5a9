"""CSV after RFC 4180 whose texts a spreadsheet does not evaluate as formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a text that a spreadsheet evaluates as a formula."""


def sheet(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return the CSV text: a line of names, then one line per row. None is an empty cell, a boolean true or false."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
