"""Days of a site from its stored history: sums of windows, and daily records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattgram.accounts.corrected_days import CorrectedDays
from wattgram.accounts.daybook import quarter_sums
from wattgram.accounts.ledger import LedgerBasis, LedgerRow, make_ledger
from wattgram.base.period import PeriodOption, PeriodSpan, local_day, spans, window_end
from wattgram.config.devices_table import GROUPS
from wattgram.config.load import Config
from wattgram.store.history import History

from .terms.day import Day, DeviceDay, Quarters

COUNTS = ("count", "peak_time", "night_count", "own_count")
"""Whole numbers of a site's day."""

BASIS_FREE = (
    *("load_energy", "grid_import_energy", "grid_export_energy", "pv_energy", "generation_energy"),
    *("battery_discharge_energy", "battery_charge_energy", "matched_energy", "captured", "heat_energy"),
)
"""Sums of windows that do not depend on the basis of the carbon, beside those of the groups' energies."""

ALL = "all stored results have another basis or method"
"""Beginning of the text about windows without any of the configured basis."""

GROUP_ENERGIES = tuple(f"{group}_energy" for group in (*GROUPS, "rest"))

BASIS_FREE_RATIOS = (
    "clean_share",
    "self_sufficiency",
    "self_consumption",
    "carbon_free_share",
    "mean_load",
)


@dataclass(frozen=True, slots=True)
class StoredDays:
    """Days of a site. unlike: why carbon of stored windows does not count, "" if all of it has the basis configured."""

    days: tuple[Day, ...]
    unlike: str = ""


def days(history: History, config: Config, as_of: int) -> tuple[Day, ...]:
    """Return every stored day as `stored_days` does."""
    return stored_days(history, config, as_of).days


def stored_days(history: History, config: Config, as_of: int) -> StoredDays:
    """Return every stored day that began before `as_of`, UTC ns, oldest first.

    A day whose windows have another basis or method than the configuration has no carbon: results of two bases are
    never compared (METHOD 0.5). HistoryError: the history cannot be read.
    """
    zone = config.site.timezone
    corrected = CorrectedDays(config)
    measured: dict[int, dict[str, dict[str, float]]] = {}
    quarters: dict[int, Quarters] = {}
    for record in history.days(0, as_of):
        numbers = {name: float(number) for name, number in record.as_dict().items()}
        if name := record.series.tag("device"):
            measured.setdefault(record.time, {})[name] = numbers
        else:
            quarters[record.time] = _quarters(numbers)
    devices = {
        start: {
            name: _device(numbers) for name, numbers in corrected.of(start, window_end("1d", start, zone), day).items()
        }
        for start, day in measured.items()
    }
    for start in quarters:
        if corrected.touch(start, end := window_end("1d", start, zone)):
            quarters[start] = _quarters(quarter_sums(history.windows("15m", start, end), start))
    stored = history.stored()
    first = min([*devices, *quarters, *([stored[0]] if stored else [])], default=as_of)
    found = spans(PeriodOption("day"), first, as_of, zone)
    rows, unlike = _rows(history, config, found, as_of) if stored else ({}, "")
    carbon = not unlike.startswith(ALL)
    made = tuple(
        Day(
            local_day(span.start, zone),
            span.start,
            min(window_end("1d", span.start, zone), as_of),
            row.covered if row else 0.0,
            _sums(row, carbon=carbon) if row else {},
            devices.get(span.start, {}),
            quarters.get(span.start, Quarters()),
            row.revision if row else 0,
        )
        for span in found
        if (row := rows.get(span.start)) or span.start in devices or span.start in quarters
    )
    return StoredDays(made, unlike)


def _device(numbers: dict[str, float]) -> DeviceDay:
    if seconds := numbers.get("temperature_seconds", 0.0):  # the record contains the integral
        numbers["temperature"] /= seconds
    return DeviceDay(**numbers)


def _quarters(numbers: dict[str, float]) -> Quarters:
    count, peak_time, night_count, own_count = (int(numbers.pop(name, 0.0)) for name in COUNTS)
    return Quarters(count=count, peak_time=peak_time, night_count=night_count, own_count=own_count, **numbers)


def _rows(
    history: History, config: Config, found: Sequence[PeriodSpan], as_of: int
) -> tuple[dict[int, LedgerRow], str]:
    """Return the sums of each day from the day's own window, else from the finer windows of the day.

    The text names the windows of another basis or method than configured. It begins with ALL if there are no others;
    the rows are then theirs.
    """
    grid = config.grid
    roles = {device.role for device in config.devices}
    hydro = bool(roles & {"wind", "hydro"}) and not roles & {"genset", "chp"}
    rows: dict[int, LedgerRow] = {}
    others: dict[int, LedgerRow] = {}
    seconds: dict[LedgerBasis, float] = {}
    for kinds in (("1d",), ("15m", "1h")):
        missing = [span for span in found if span.start not in rows]
        if not missing:
            break
        begin, end = found.index(missing[0]), found.index(missing[-1])
        ledger = make_ledger(
            history,
            found[begin : end + 1],
            as_of,
            config.site.timezone,
            grid.basis,
            grid.method,
            hydro=hydro,
            kinds=kinds,
        )
        if ledger is None:
            continue
        book, unlike = ledger.book, dict(ledger.excluded)
        if book.basis == grid.basis and book.method in ("", grid.method):
            rows = {row.span.start: row for row in ledger.rows if row.windows} | rows
        else:
            others = {row.span.start: row for row in ledger.rows if row.windows} | others
            unlike[book] = ledger.total.covered
        seconds |= {book: max(seconds.get(book, 0.0), covered) for book, covered in unlike.items()}
    return rows or others, _unlike(seconds, LedgerBasis(grid.basis, grid.method), every=bool(others) and not rows)


def _unlike(seconds: Mapping[LedgerBasis, float], configured: LedgerBasis, *, every: bool) -> str:
    """Return which stored windows do not have the configured basis and method, as text; "" if all have."""
    parts = [
        f"{covered / 3600.0:.0f} h with basis {book.basis}, method {book.method}"
        for book, covered in seconds.items()
        if covered > 0.0
    ]
    if not parts:
        return ""
    named = f"configured: basis {configured.basis}, method {configured.method}"
    return f"{ALL if every else 'not counted'}: {'; '.join(parts)}; {named}"


def _sums(row: LedgerRow, *, carbon: bool) -> dict[str, float]:
    """Return the sums, the parts and wholes of the ratios, and the uncertainties `NAME_uncertainty` of sums.

    carbon: False leaves out all that depends on a basis.
    """
    names = [
        name
        for name in row.sums
        if carbon or name in BASIS_FREE or name.endswith("_own_energy") or name in GROUP_ENERGIES
    ]
    ratios = [name for name in row.wholes if carbon or name in BASIS_FREE_RATIOS]
    uncertain = {
        name: uncertainty
        for name, uncertainty in row.uncertain.uncertainties.items()
        if carbon or name == "load_energy_uncertainty"
    }
    return (
        {name: row.sums[name] for name in names}
        | {f"{name}.part": row.parts[name] for name in ratios}
        | {f"{name}.whole": row.wholes[name] for name in ratios}
        | uncertain
    )
