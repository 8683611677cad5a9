"""The day book: what each device did on each local day, and what the day's quarters of an hour were like.

From it come the goals that need more than the site's own windows: energy by meter, output, power factor, voltage and
peaks. A day is a record a device, which is written again each hour and outlives the rest of the history.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import inf, isfinite, isnan, nan
from typing import Any
from zoneinfo import ZoneInfo

from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS
from wattgram.base.period import window_end, window_start
from wattgram.base.record import Record, Series, record

from .books import LEADING_COLUMNS, Layout
from .voltage_slots import VoltageSlots

DEVICE_FIELDS = (
    "energy",
    "against",
    "seconds",
    "amount",
    "reactive",
    "reactive_beside",
    "reactive_seconds",
    "slots",
    "slots_good",
    "supplied",
    "observed",
    "temperature",
    "temperature_seconds",
)
"""Fields of a device's day, as `goals.day.DeviceDay` explains them."""

SITE_FIELDS = ("count", "overlap", "peak", "peak_time", "import_peak", "night", "night_count")
"""Fields of the site's day, as `goals.day.Quarters` explains them."""

AMOUNT_ROLES = ("production", "capture", "fuel")
NIGHT = 5 * 3600
"""Seconds after midnight in which a factory is as idle as it gets (product choice)."""

OPEN_DAYS = 2
"""Days that are open at a time: what comes late of a pause may belong to yesterday."""

STALE_INTERVALS = 3.0
"""Intervals of a device after which what it said does not hold any more (SPEC 6.9)."""

Numbers = dict[str, float]


class DayBook:
    """Takes what the site is told, gives `day` records. A day before the last two stays as it was.

    layout: of the rows it takes. nominal_voltage: V between phases.
    """

    def __init__(self, site: str, zone: ZoneInfo, layout: Layout, nominal_voltage: float) -> None:
        self._site = site
        self._zone = zone
        self._names = [one.name for one in layout.channels]
        self._energies = LEADING_COLUMNS + len(self._names)  # the first of the further columns (`Layout.of`)
        self._nominal = nominal_voltage
        self._powers = [nan] * len(self._names)
        self._read: dict[str, int] = {}
        self._slots: dict[str, VoltageSlots] = {}
        self._days: dict[int, dict[str, Numbers]] = {}
        self._changed: set[tuple[int, str]] = set()
        self._today = (0, 0)

    def book(self, time: int, row: bytes) -> None:
        """An instant's row, or one of energy that came late: what flowed in the interval that ends with it."""
        numbers = struct.unpack(f"{len(row) // 8}d", row)
        seconds, powers = numbers[0], numbers[LEADING_COLUMNS : self._energies]
        before, self._powers = self._powers, list(powers)
        if not seconds > 0.0:
            return
        hours = seconds / 3600.0
        for index, name in enumerate(self._names):
            mean = _mean(before[index], powers[index])
            positive, negative = numbers[self._energies + 2 * index : self._energies + 2 * index + 2]
            if isnan(positive):
                positive = mean if isnan(mean) else max(mean, 0.0) * hours
            if isnan(negative):
                negative = mean if isnan(mean) else max(-mean, 0.0) * hours
            if isfinite(positive) and isfinite(negative):
                self._add(time - 1, name, energy=positive, against=negative, seconds=seconds)

    def read(self, source: Source, time: int) -> None:
        """A device was read: what it counted, its reactive power, voltages and ambient temperature.

        All of it is about the time up to the reading: one at midnight belongs to the day that is over.
        """
        config, taken = source.config, source.taken
        assert taken is not None  # it has just been read
        amount, again = taken.metered.positive, config.name in self._read
        seconds = (time - self._read.get(config.name, time)) / NS
        self._read[config.name] = time
        # The first reading knows of the time before it what its counter did meanwhile, if it did anything.
        if config.role in AMOUNT_ROLES and isfinite(amount) and (again or amount):
            self._add(time - 1, config.name, amount=amount)
        if not 0.0 < seconds <= STALE_INTERVALS * max(config.interval, config.slow_interval or 0.0):
            return
        if config.role == "grid":
            self._supplied(source, taken.power, time, seconds)
        if (ambient := source.number("temperature_ambient")) is not None:
            self._add(time - 1, config.name, temperature=ambient * seconds, temperature_seconds=seconds)

    def window(self, made: Record) -> None:
        """A quarter of an hour is over."""
        fields = made.as_dict()
        today = self._day(made.time, "")
        if "load_power" not in fields or today is None:
            return
        load, pv, imported = (float(fields.get(f"{one}_power", 0.0)) for one in ("load", "pv", "grid_import"))
        self._add(made.time, "", count=1.0, overlap=max(0.0, min(load, pv)) / 4.0)
        if load > today.get("peak", -inf):
            today |= {"peak": load, "peak_time": float(made.time)}
        today["import_peak"] = max(today.get("import_peak", 0.0), imported)
        if made.time - self._start(made.time) < NIGHT * NS:
            today["night"] = min(today.get("night", inf), load)
            self._add(made.time, "", night_count=1.0)

    def records(self) -> Iterator[Record]:
        """The days that are others than when this was asked last."""
        for start, name in sorted(self._changed):
            yield record(self._series(name), start, self._days[start][name])
        self._changed.clear()

    def dump(self) -> dict[str, object]:
        """What a restart must not lose, as JSON knows it."""
        slots = {name: one.dump() for name, one in self._slots.items()}
        return {"days": {str(start): day for start, day in self._days.items()}, "slots": slots}

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave, by way of JSON; ValueError, KeyError or TypeError when it is none."""
        slots = {str(name): VoltageSlots.load(one) for name, one in dumped["slots"].items()}
        days = {
            int(start): {
                str(name): {str(key): float(number) for key, number in numbers.items()} for name, numbers in day.items()
            }
            for start, day in dumped["days"].items()
        }
        self._days, self._slots = days, slots
        self._changed = {(start, name) for start, day in days.items() for name in day}

    def _supplied(self, source: Source, power: float, time: int, seconds: float) -> None:
        """Reactive energy, voltage and supply at an incomer."""
        name, hours = source.config.name, seconds / 3600.0
        reactive = source.number("reactive_power_total")
        if reactive is not None and isfinite(power):
            self._add(
                time - 1,
                name,
                reactive=abs(reactive) * hours,
                reactive_beside=max(power, 0.0) * hours,
                reactive_seconds=seconds,
            )
        seen = self._slots.setdefault(name, VoltageSlots()).take(time, source.number, self._nominal)
        if seen.known:
            self._add(time - 1, name, observed=seconds, supplied=seconds if seen.live else 0.0)
        if seen.slots:
            self._add(time - 1, name, slots=float(seen.slots), slots_good=float(seen.good))

    def _day(self, time: int, name: str) -> Numbers | None:
        """The numbers of a device's day; None when that day is closed."""
        start = self._start(time)
        if start not in self._days:
            if len(self._days) >= OPEN_DAYS and start < min(self._days):
                return None
            self._days[start] = {}
            if len(self._days) > OPEN_DAYS:
                gone = min(self._days)
                del self._days[gone]
                self._changed = {one for one in self._changed if one[0] != gone}
        return self._days[start].setdefault(name, {})

    def _add(self, time: int, name: str, **amounts: float) -> None:
        numbers = self._day(time, name)
        if numbers is None:
            return
        for key, amount in amounts.items():
            numbers[key] = numbers.get(key, 0.0) + amount
        self._changed.add((self._start(time), name))

    def _start(self, time: int) -> int:
        if not self._today[0] <= time < self._today[1]:
            start = window_start("1d", time, self._zone)
            self._today = start, window_end("1d", start, self._zone)
        return self._today[0]

    def _series(self, name: str) -> Series:
        return Series("day", (("site", self._site), ("device", name)), DEVICE_FIELDS if name else SITE_FIELDS)


def _mean(before: float, after: float) -> float:
    """Of the two ends of an interval, or the end that is there."""
    if isnan(before) or isnan(after):
        return after if isnan(before) else before
    return (before + after) / 2.0
