"""The history of a site as columns of a plot: at most 1500 rows for any period, each a ratio of sums."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil, fsum, isfinite, nan
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from wattgram.accounts.uncertainty import UNCERTAINTY_TEXT
from wattgram.base.clock import NS
from wattgram.base.period import window_start
from wattgram.base.record import Record, Series
from wattgram.config.correction_table import CorrectionConfig, named
from wattgram.store.history import History

MOST_PAGE_ROWS = 1500
"""Largest number of rows in a response; a screen has no more pixels."""

MOST_PAGE_TICKS = 21600
"""Largest number of ticks to read for a response (6 h of seconds); a longer period uses windows."""

WINDOW_LENGTHS = {"15m": 900.0, "1h": 3600.0, "1d": 86400.0, "1mo": 31 * 86400.0}
"""Length of the stored windows in s, the finest first; the longest length for a month."""

PAGE_POWERS = (
    "load_power",
    "pv_power",
    "grid_import_power",
    "grid_export_power",
    "generation_power",
    "battery_discharge_power",
    "battery_charge_power",
)
PAGE_COLUMNS = ("emission_intensity", "grid_intensity", *PAGE_POWERS, "emission_intensity_uncertainty")

_READ = (*PAGE_COLUMNS, "emission", "load_energy", "grid_import_energy")

Row = tuple[float, ...]


def resolution(seconds: float, tick: float) -> str:
    """Return the finest resolution within MOST_PAGE_ROWS and MOST_PAGE_TICKS for a period in s."""
    if seconds <= MOST_PAGE_TICKS * tick:
        return "tick"
    return next((name for name, step in WINDOW_LENGTHS.items() if seconds <= MOST_PAGE_ROWS * step), "1mo")


class PageHistory:
    """The stored emission of a site. tick: s. corrections: of the past."""

    def __init__(
        self, folder: Path, site: str, tick: float, zone: ZoneInfo, corrections: Sequence[CorrectionConfig] = ()
    ) -> None:
        self._folder, self._site, self._tick, self._zone = folder, site, tick, zone
        self._corrections = corrections

    def read(self, since: int, until: int) -> dict[str, Any]:
        """Return columns from `since` to before `until`, UTC ns: `time` in s, None for an undefined value.

        It blocks, so call it in a thread. HistoryError without a stored history.
        """
        seconds = (until - since) / NS
        name = resolution(seconds, self._tick)
        history = History(self._folder, self._site)
        stated: str | None = None  # ticks have no uncertainty
        if name == "tick":
            step = self._tick * max(1, ceil(seconds / self._tick / MOST_PAGE_ROWS))
            rows = _gathered(_rows(history.ticks(since, until)), since / NS, step)
        else:
            step = WINDOW_LENGTHS[name]
            windows = list(history.windows(name, window_start(name, since, self._zone), until))
            rows, stated = _rows(windows), basis_of_windows(windows)
        found = list(_with_gaps(rows, 1.5 * step))
        return {
            "resolution": name,
            "step": step,
            "since": since / NS,
            "until": until / NS,
            "correction": named(self._corrections, since, until),
            UNCERTAINTY_TEXT: stated,
            "time": [row[0] for row in found],
            **{name: [_finite(row[index]) for row in found] for index, name in enumerate(PAGE_COLUMNS, 1)},
        }


def basis_of_windows(windows: Iterable[Record]) -> str | None:
    """Return "stated" if all windows with an uncertainty have stated limits, else "assumed"; None without any."""
    found = {str(record[UNCERTAINTY_TEXT]) for record in windows if UNCERTAINTY_TEXT in record.series.texts} - {""}
    return ("stated" if found == {"stated"} else "assumed") if found else None


def _rows(records: Iterable[Record]) -> Iterator[Row]:
    """Yield the time in s and the fields of _READ, NaN for a missing field."""
    pick: dict[Series, Callable[[bytes], Row]] = {}
    for record in records:
        if record.series not in pick:
            pick[record.series] = _picker(record.series)
        yield (record.time / NS, *pick[record.series](record.values))


def _picker(series: Series) -> Callable[[bytes], Row]:
    layout = struct.Struct(f"{len(series.fields)}d")
    places = [series.fields.index(name) if name in series.fields else -1 for name in _READ]

    def picked(values: bytes) -> Row:
        numbers = (*layout.unpack(values), nan)
        return tuple(numbers[place] for place in places)

    return picked


def _gathered(rows: Iterable[Row], since: float, step: float) -> Iterator[Row]:
    """Yield a row for each step; its time is that of its first tick."""
    group: list[Row] = []
    place = -1
    for row in rows:
        # Half a millisecond, since times are whole milliseconds and steps may not be.
        at = int((row[0] - since + 5e-4) / step)
        if at != place and group:
            yield _combined(group)
            group = []
        place = at
        group.append(row)
    if group:
        yield _combined(group)


def _combined(rows: Sequence[Row]) -> Row:
    """Combine rows of equally long ticks: means of powers, ratios of sums (METHOD 4.4)."""
    if len(rows) == 1:
        return rows[0]
    columns = dict(zip(("time", *_READ), zip(*rows, strict=True), strict=True))
    intensity = _ratio([1000.0 * emission for emission in columns["emission"]], columns["load_energy"])
    imported = columns["grid_import_energy"]
    carbon = [
        grid_intensity * energy for grid_intensity, energy in zip(columns["grid_intensity"], imported, strict=True)
    ]
    grid = _ratio(carbon, imported)
    powers = (_mean(columns[name]) for name in PAGE_POWERS)
    return (rows[0][0], intensity, grid if isfinite(grid) else _mean(columns["grid_intensity"]), *powers, *(nan,) * 4)


def _ratio(parts: Sequence[float], wholes: Sequence[float]) -> float:
    pairs = [(part, whole) for part, whole in zip(parts, wholes, strict=True) if isfinite(part) and isfinite(whole)]
    whole = fsum(whole for _, whole in pairs)
    return fsum(part for part, _ in pairs) / whole if whole > 0.0 else nan


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if isfinite(value)]
    return fsum(finite) / len(finite) if finite else nan


def _with_gaps(rows: Iterable[Row], longest: float) -> Iterator[Row]:
    """Yield the rows, and a row without numbers in each gap of more than `longest` s."""
    before: float | None = None
    for row in rows:
        if before is not None and row[0] - before > longest:
            yield ((before + row[0]) / 2.0, *(nan for _ in row[1:]))
        before = row[0]
        yield row


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
