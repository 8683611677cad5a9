"""The past of a simulated site: instants of the simulator pass the accounts and the day book into the store.

No window is invented: each quarter of an hour of the simulator is an instant, which the stages of a running site price
and book. Readings of the devices are not stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite, nan
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wattgram.accounts.account_stages import AccountStages
from wattgram.accounts.books import Books
from wattgram.accounts.daybook import AMOUNT_ROLES, DayBook
from wattgram.base.clock import NS
from wattgram.base.period import instant, window_end, window_start
from wattgram.base.record import Record, Series
from wattgram.base.units import rfc3339
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import ladder
from wattgram.config.load import Config
from wattgram.simulation.counter_nameplates import place_of
from wattgram.simulation.factory import Factory
from wattgram.simulation.machines import SitePart
from wattgram.site.stored_state import DAYS, PUBLISHED, STATE
from wattgram.store.spool import Spool
from wattgram.timekeeping.published_times import PublishedWindows
from wattgram.timekeeping.tick_order import TickOrder

from .factory_rows import FactoryRows

PAST_STEP = 900
"""Time between two instants of the past, s: windows of 15 minutes are the finest that a goal uses."""

PACKED_DAYS = 7
"""Days that are written to the disk at once."""

DAY_ROLES = ("grid", "weather", *AMOUNT_ROLES)
"""Roles with values in the day book beside their energy."""

SIMULATED = "history simulated"
"""Event about a past of the simulator."""


class PastPeriod(NamedTuple):
    """The time of a past, UTC ns: from a local midnight to a quarter of an hour."""

    begin: int
    end: int


def past_period(now: int, days: float, config: Config) -> PastPeriod:
    """Return the period of a past of so many days that ends at the last quarter of an hour, UTC ns."""
    zone, end = config.site.timezone, now // (PAST_STEP * NS) * (PAST_STEP * NS)
    first = datetime.fromtimestamp(end // NS, zone).date() - timedelta(days=round(days))
    return PastPeriod(instant(first, zone), end)


def simulated_event(site: str, period: PastPeriod) -> Record:
    """Return the event about a past, at its end."""
    series = Series("event", (("site", site), ("device", "")), (), (), ("event", "detail", "severity"))
    detail = f"{rfc3339(period.begin)} to {rfc3339(period.end)}: no device has measured this history"
    return Record(series, period.end, b"", (SIMULATED, detail, "info"))


def month_and_earlier(period: PastPeriod, zone: ZoneInfo) -> tuple[PastPeriod, PastPeriod | None]:
    """Return the part of a period in the local month of its end, and the part before, None for none."""
    first = window_start("1mo", period.end - 1, zone)
    if first <= period.begin:
        return period, None
    return PastPeriod(first, period.end), PastPeriod(period.begin, first)


class SimulatedPast:
    """Records of a simulated site, one local day after the other. The factory of the same parts goes with them.

    Instants, and windows that a running site would have deleted after `config.spool.keep`, are left out before.
    reached: time up to which the past is computed, UTC ns.
    """

    def __init__(self, config: Config, parts: Iterable[SitePart], period: PastPeriod, seed: int = 1) -> None:
        self.period = period
        self.reached = period.begin
        self._config = config = replace(config, site=replace(config.site, tick=float(PAST_STEP)))
        self.factory = factory_of(config, parts, period.begin, seed, PAST_STEP)
        site, grid = config.site, config.grid
        books = Books(config, ladder(grid, site.timezone))
        self._rows = FactoryRows(config, books.layout, self.factory, PAST_STEP)
        self._accounts = AccountStages(books)
        self._days = DayBook(site.name, site.timezone, books.layout, config.goals.nominal_voltage, config.goals.arrays)
        self._windows = PublishedWindows()
        self._read = [replace(device, interval=PAST_STEP) for device in config.devices if device.role in DAY_ROLES]
        self._kept_from = period.end - int(config.spool.keep * NS)

    def advance(self) -> list[Record]:
        """Compute the rest of a local day and return its records; none when the end is reached."""
        begin = self.reached
        end = min(window_end("1d", begin, self._config.site.timezone), self.period.end)
        kept = end > self._kept_from
        self._accounts.books.uncertainty.left_out = frozenset() if kept else frozenset(("15m", "1h"))
        # A replay begins with a state just before the first stored instant.
        records = [self._accounts.checkpoint(begin + PAST_STEP * NS - 1)] if kept and begin < end else []
        times = range(begin + PAST_STEP * NS, end + 1, PAST_STEP * NS)
        priced = self._accounts.pricing.advance(times, [self._step(time) for time in times])
        layout = self._accounts.books.layout
        for index, time in enumerate(times):
            row = priced.rows[index * layout.size : (index + 1) * layout.size]
            self._days.add_row(time, row)
            if kept:
                records.append(Record(layout.instant, time, row))
        for record in self._accounts.advance(priced, ()):
            window = record.series.tag("window")
            if window != "tick":
                self._windows.add(record)
            if window == "15m":
                self._days.add_window(record)
            if kept or record.series.lasting:
                records.append(record)
        self.reached = end
        return [*records, *self._days.records()]

    def ended(self) -> tuple[list[Record], Mapping[str, bytes]]:
        """Return the last records, and the state from which a daemon continues."""
        order = TickOrder(PAST_STEP)
        order.restore({"last": self.reached, "spans": [[self.period.begin, self.reached]]})
        published = {"order": order.dump(), "windows": self._windows.dump()}
        state = {
            STATE: self._accounts.dump(),
            DAYS: json.dumps(self._days.dump()).encode(),
            PUBLISHED: json.dumps(published).encode(),
        }
        return [self._accounts.checkpoint(self.reached), simulated_event(self._config.site.name, self.period)], state

    def _step(self, end: int) -> bytes:
        """Take a step of the factory, which ends at a time, UTC ns; return its row."""
        powers = self.factory.powers()
        row = self._rows.row(end, powers)
        for device in self._read:
            number = (
                _reader(device, self.factory.values(device.name)) if device.role in ("grid", "weather") else _absent
            )
            amount = powers[device.name] * PAST_STEP / 3600 if device.role in AMOUNT_ROLES else nan
            self._days.add_values(device, end, amount, powers[device.name], number)
        self.factory.advance(end)
        return row


def factory_of(config: Config, parts: Iterable[SitePart], start: int, seed: int, step: int) -> Factory:
    """Return the model of a configured site at a time, UTC ns."""
    zone = config.site.timezone.key
    return Factory(tuple(parts), timezone=zone, seed=seed, step=step, start=start, **place_of(config))


async def write_past(past: SimulatedPast, spool: Spool, progress: Callable[[int], None] | None = None) -> None:
    """Write a past to an open, empty spool; `progress` gets the time reached, UTC ns."""
    days = 0
    while past.reached < past.period.end:
        for record in past.advance():
            spool.append(record)
        days += 1
        if days % PACKED_DAYS == 0:
            await spool.sync()
            await spool.pack(past.reached)
        if progress is not None:
            progress(past.reached)
    records, state = past.ended()
    for record in records:
        spool.append(record)
    for name, data in state.items():
        spool.put_state(name, data)
    await spool.sync()
    await spool.pack(past.reached)


def _reader(device: DeviceConfig, values: Mapping[str, float]) -> Callable[[str], float | None]:
    """Return a function with the quantities that a device delivers, None for an absent one."""
    delivered = device.quantities or (device.device.quantities if device.device else values)

    def number(quantity: str) -> float | None:
        value = values.get(quantity, nan) if quantity in delivered else nan
        return value if isfinite(value) else None

    return number


def _absent(quantity: str) -> None:
    """Return no value of a counter's device."""
