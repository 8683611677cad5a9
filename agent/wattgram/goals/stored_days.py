"""Days of a site from its stored history: sums of windows, and daily records."""

from __future__ import annotations

from collections.abc import Sequence

from wattgram.accounts.corrected_days import CorrectedDays
from wattgram.accounts.daybook import quarter_sums
from wattgram.accounts.ledger import LedgerRow, make_ledger
from wattgram.base.period import PeriodOption, PeriodSpan, local_day, spans, window_end
from wattgram.config.load import Config
from wattgram.store.history import History

from .terms.day import Day, DeviceDay, Quarters


def days(history: History, config: Config, as_of: int) -> tuple[Day, ...]:
    """Return every stored day that began before `as_of`, UTC ns, oldest first.

    HistoryError: the history cannot be read.
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
    rows = _rows(history, config, found, as_of) if stored else {}
    return tuple(
        Day(
            local_day(span.start, zone),
            span.start,
            min(window_end("1d", span.start, zone), as_of),
            row.covered if row else 0.0,
            _sums(row) if row else {},
            devices.get(span.start, {}),
            quarters.get(span.start, Quarters()),
            row.revision if row else 0,
        )
        for span in found
        if (row := rows.get(span.start)) or span.start in devices or span.start in quarters
    )


def _device(numbers: dict[str, float]) -> DeviceDay:
    if seconds := numbers.get("temperature_seconds", 0.0):  # the record contains the integral
        numbers["temperature"] /= seconds
    return DeviceDay(**numbers)


def _quarters(numbers: dict[str, float]) -> Quarters:
    count, peak_time, night_count = (int(numbers.pop(name, 0.0)) for name in ("count", "peak_time", "night_count"))
    return Quarters(count=count, peak_time=peak_time, night_count=night_count, **numbers)


def _rows(history: History, config: Config, found: Sequence[PeriodSpan], as_of: int) -> dict[int, LedgerRow]:
    """Return the sums of each day from the day's own window, else from the finer windows of the day."""
    grid = config.grid
    roles = {device.role for device in config.devices}
    hydro = bool(roles & {"wind", "hydro"}) and not roles & {"genset", "chp"}
    rows: dict[int, LedgerRow] = {}
    book = None
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
            grid.basis if book is None else book.basis,
            grid.method if book is None else book.method,
            hydro=hydro,
            kinds=kinds,
        )
        if ledger is not None and book in (None, ledger.book):
            book = ledger.book
            rows = {row.span.start: row for row in ledger.rows if row.windows} | rows
    return rows


def _sums(row: LedgerRow) -> dict[str, float]:
    parts = {f"{name}.part": part for name, part in row.parts.items()}
    wholes = {f"{name}.whole": whole for name, whole in row.wholes.items()}
    return {**row.sums, **parts, **wholes, **row.uncertain.uncertainties}
