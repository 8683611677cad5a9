"""A site's days out of its stored history: sums of windows, and the day book."""

from __future__ import annotations

from collections.abc import Sequence

from wattgram.accounts.ledger import LedgerRow, make_ledger
from wattgram.base.period import PeriodOption, PeriodSpan, local_day, spans, window_end
from wattgram.config.load import Config
from wattgram.store.history import History

from .terms.day import Day, DeviceDay, Quarters


def days(history: History, config: Config, over: int) -> tuple[Day, ...]:
    """Every day that began before `over`, UTC ns, of which something is stored, oldest first.

    HistoryError when there is no history to read.
    """
    zone = config.site.timezone
    devices: dict[int, dict[str, DeviceDay]] = {}
    quarters: dict[int, Quarters] = {}
    for one in history.days(0, over):
        numbers = {name: float(number) for name, number in one.as_dict().items()}
        if name := one.series.tag("device"):
            devices.setdefault(one.time, {})[name] = _device(numbers)
        else:
            quarters[one.time] = _quarters(numbers)
    stored = history.stored()
    first = min([*devices, *quarters, *([stored[0]] if stored else [])], default=over)
    found = spans(PeriodOption("day"), first, over, zone)
    rows = _rows(history, config, found, over) if stored else {}
    return tuple(
        Day(
            local_day(one.start, zone),
            one.start,
            min(window_end("1d", one.start, zone), over),
            row.covered if row else 0.0,
            _sums(row) if row else {},
            devices.get(one.start, {}),
            quarters.get(one.start, Quarters()),
            row.revision if row else 0,
        )
        for one in found
        if (row := rows.get(one.start)) or one.start in devices or one.start in quarters
    )


def _device(numbers: dict[str, float]) -> DeviceDay:
    if seconds := numbers.get("temperature_seconds", 0.0):  # the book has the integral
        numbers["temperature"] /= seconds
    return DeviceDay(**numbers)


def _quarters(numbers: dict[str, float]) -> Quarters:
    count, peak_time, night_count = (int(numbers.pop(name, 0.0)) for name in ("count", "peak_time", "night_count"))
    return Quarters(count=count, peak_time=peak_time, night_count=night_count, **numbers)


def _rows(history: History, config: Config, found: Sequence[PeriodSpan], over: int) -> dict[int, LedgerRow]:
    """Each day's sums: by its own window, and while that is not there by the finer ones in it."""
    grid = config.grid
    roles = {one.role for one in config.devices}
    hydro = bool(roles & {"wind", "hydro"}) and not roles & {"genset", "chp"}
    rows: dict[int, LedgerRow] = {}
    book = None
    for kinds in (("1d",), ("15m", "1h")):
        missing = [one for one in found if one.start not in rows]
        if not missing:
            break
        begin, end = found.index(missing[0]), found.index(missing[-1])
        ledger = make_ledger(
            history,
            found[begin : end + 1],
            over,
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
    return {**row.sums, **parts, **wholes}
