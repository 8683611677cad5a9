"""Day book: results of each device for each local day, and of the day's quarters of an hour.

Goals that need more than the site's windows use it: energy by meter, output, power factor, voltage and peaks. A day is
one record per device. The record is written again each hour and kept longer than the rest of the history.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from math import inf, isfinite, isnan, nan
from typing import Any
from zoneinfo import ZoneInfo

from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS
from wattgram.base.period import window_end, window_start
from wattgram.base.record import Record, Series, record
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.goals_table.goals_settings import ArraySettings
from wattgram.config.role_keys import BURNERS

from .array_yield import ArrayRow, ArrayYield
from .fuel import efficiency
from .late_energy import LateAmount
from .row_layout import LEADING_COLUMNS, Layout
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
    "curve_energy",
    "curve_heat",
    "yield_energy",
    "yield_irradiation",
    "yield_seconds",
    "sunny_seconds",
    "producing_seconds",
)
"""Fields of a device's day, as `goals.day.DeviceDay` explains them."""

SITE_FIELDS = ("count", "overlap", "peak", "peak_time", "import_peak", "night", "night_count", "own_share", "own_count")
"""Fields of the site's day, as `goals.day.Quarters` explains them."""

AMOUNT_ROLES = ("production", "capture", "fuel", "heat")
NIGHT_SECONDS = 5 * 3600
"""Time after midnight with the lowest load of a factory, s (product choice)."""

OPEN_DAYS = 2
"""Days that are open at a time: the late energy of a pause may belong to yesterday."""

STALE_INTERVALS = 3.0
"""Intervals of a device after which its last values are invalid (SPEC 6.9)."""

Numbers = dict[str, float]


class DayBook:
    """`day` records from rows, readings and windows. A day before the last two days stays unchanged.

    layout: of the rows. nominal_voltage: V between phases. arrays: PV with an irradiance sensor.
    """

    def __init__(
        self, site: str, zone: ZoneInfo, layout: Layout, nominal_voltage: float, arrays: Iterable[ArraySettings] = ()
    ) -> None:
        self._site = site
        self._zone = zone
        self._names = [device.name for device in layout.channels]
        self._curves = {
            index: device
            for index, device in enumerate(layout.channels)
            if device.role in BURNERS and device.emission.fuel_meter and device.emission.efficiency
        }
        self._terminals = frozenset(layout.terminals)  # no devices: what they contain has no record of its own
        self._first_energy = LEADING_COLUMNS + len(self._names)  # start of the further columns (`Layout.of`)
        self._nominal = nominal_voltage
        self._arrays = {array.pv: ArrayYield(array) for array in arrays if array.pv in self._names}
        self._powers = [nan] * len(self._names)
        self._last_read: dict[str, int] = {}
        self._slots: dict[str, VoltageSlots] = {}
        self._days: dict[int, dict[str, Numbers]] = {}
        self._changed: set[tuple[int, str]] = set()
        self._today = (0, 0)

    def add_row(self, time: int, row: bytes) -> None:
        """Add an instant's row: the energy of the interval that ends with it."""
        numbers = struct.unpack(f"{len(row) // 8}d", row)
        seconds, powers = numbers[0], numbers[LEADING_COLUMNS : self._first_energy]
        before, self._powers = self._powers, list(powers)
        if not seconds > 0.0:
            return
        hours = seconds / 3600.0
        for index, name in enumerate(self._names):
            if index in self._terminals:
                continue
            mean = _mean(before[index], powers[index])
            positive, negative = numbers[self._first_energy + 2 * index : self._first_energy + 2 * index + 2]
            if isnan(positive):
                positive = mean if isnan(mean) else max(mean, 0.0) * hours
            if isnan(negative):
                negative = mean if isnan(mean) else max(-mean, 0.0) * hours
            if isfinite(positive) and isfinite(negative):
                self._add(time - 1, name, energy=positive, against=negative, seconds=seconds)
                if name in self._arrays:
                    self._arrays[name].add_row(ArrayRow(time - round(seconds * NS), time, positive))
                if index in self._curves and positive > 0.0:
                    eta = efficiency(self._curves[index], positive / hours)
                    self._add(time - 1, name, curve_energy=positive, curve_heat=positive / eta)

    def add_late(self, amount: LateAmount, *, of_gap: bool = True) -> None:
        """Add late energy of a device, apportioned to the days by time; without a gap, its time is known already."""
        whole = sum(span.end - span.begin for span in amount.spans)
        for span in amount.spans:
            begin = span.begin
            while begin < span.end:
                start = self._start(begin)
                end = min(window_end("1d", start, self._zone), span.end)
                share = (end - begin) / whole
                self._add(
                    begin,
                    self._names[amount.channel],
                    energy=share * amount.positive,
                    against=share * amount.negative,
                    seconds=(end - begin) / NS if of_gap else 0.0,
                )
                begin = end

    def add_reading(self, source: Source, time: int) -> None:
        """Add a reading: counted amount, reactive power, voltages and ambient temperature.

        All values are of the time up to the reading: a reading at midnight belongs to the day before.
        """
        taken = source.taken
        assert taken is not None  # the caller has read the device
        self.add_values(source.config, time, taken.metered.positive, taken.power, source.number)

    def add_values(
        self, config: DeviceConfig, time: int, amount: float, power: float, number: Callable[[str], float | None]
    ) -> None:
        """Add the values of a reading: counted amount, power in W, and the other quantities by name."""
        not_first = config.name in self._last_read
        seconds = (time - self._last_read.get(config.name, time)) / NS
        self._last_read[config.name] = time
        # The first reading after a start contains the amount since the last run, if there was any.
        if config.role in AMOUNT_ROLES and isfinite(amount) and (not_first or amount):
            self._add(time - 1, config.name, amount=amount)
        for name, array in self._arrays.items():
            if array.settings.irradiance == config.name:
                for part in array.add_irradiance(time, number(array.settings.sensor), config.interval):
                    self._add(part.time - 1, name, **part.numbers)
        if not 0.0 < seconds <= STALE_INTERVALS * max(config.interval, config.slow_interval or 0.0):
            return
        if config.role == "grid":
            self._add_supply(config.name, number, power, time, seconds)
        if (ambient := number("temperature_ambient")) is not None:
            self._add(time - 1, config.name, temperature=ambient * seconds, temperature_seconds=seconds)

    def add_window(self, window: Record) -> None:
        """Add a quarter of an hour that is over."""
        today = self._day(window.time, "")
        if today is not None and _add_quarter(today, window, self._start(window.time)):
            self._changed.add((self._start(window.time), ""))

    def records(self) -> Iterator[Record]:
        """Return the days that changed since the last call."""
        for start, name in sorted(self._changed):
            yield record(self._series(name), start, self._days[start][name])
        self._changed.clear()

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible."""
        slots = {name: voltage.dump() for name, voltage in self._slots.items()}
        return {"days": {str(start): day for start, day in self._days.items()}, "slots": slots}

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump` (after JSON); ValueError, KeyError or TypeError if the state is invalid."""
        slots = {str(name): VoltageSlots.load(voltage) for name, voltage in dumped["slots"].items()}
        days = {
            int(start): {
                str(name): {str(key): float(number) for key, number in numbers.items()} for name, numbers in day.items()
            }
            for start, day in dumped["days"].items()
        }
        self._days, self._slots = days, slots
        self._changed = {(start, name) for start, day in days.items() for name in day}

    def _add_supply(
        self, name: str, number: Callable[[str], float | None], power: float, time: int, seconds: float
    ) -> None:
        """Add reactive energy, voltage and supply of an incomer."""
        hours = seconds / 3600.0
        reactive = number("reactive_power_total")
        if reactive is not None and isfinite(power):
            self._add(
                time - 1,
                name,
                reactive=abs(reactive) * hours,
                reactive_beside=max(power, 0.0) * hours,
                reactive_seconds=seconds,
            )
        sample = self._slots.setdefault(name, VoltageSlots()).take(time, number, self._nominal)
        if sample.measured:
            self._add(time - 1, name, observed=seconds, supplied=seconds if sample.live else 0.0)
        if sample.slots:
            self._add(time - 1, name, slots=float(sample.slots), slots_good=float(sample.good))

    def _day(self, time: int, name: str) -> Numbers | None:
        """Return the numbers of a device's day; None if that day is closed."""
        start = self._start(time)
        if start not in self._days:
            if len(self._days) >= OPEN_DAYS and start < min(self._days):
                return None
            self._days[start] = {}
            if len(self._days) > OPEN_DAYS:
                closed = min(self._days)
                del self._days[closed]
                self._changed = {changed for changed in self._changed if changed[0] != closed}
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


def quarter_sums(windows: Iterable[Record], start: int) -> Numbers:
    """Return the numbers of a site's day that begins at `start`, UTC ns, from its quarters of an hour."""
    today: Numbers = {}
    for window in windows:
        _add_quarter(today, window, start)
    return today


def _add_quarter(today: Numbers, window: Record, start: int) -> bool:
    """Add a quarter of an hour to the numbers of a day that begins at `start`, UTC ns; False without a load."""
    fields = window.as_dict()
    if "load_power" not in fields:
        return False
    load, pv, imported = (float(fields.get(f"{name}_power", 0.0)) for name in ("load", "pv", "grid_import"))
    today["count"] = today.get("count", 0.0) + 1.0
    today["overlap"] = today.get("overlap", 0.0) + max(0.0, min(load, pv)) / 4.0
    if load > today.get("peak", -inf):
        today |= {"peak": load, "peak_time": float(window.time)}
    today["import_peak"] = max(today.get("import_peak", 0.0), imported)
    if "self_sufficiency" in fields:
        today["own_share"] = today.get("own_share", 0.0) + float(fields["self_sufficiency"])
        today["own_count"] = today.get("own_count", 0.0) + 1.0
    if window.time - start < NIGHT_SECONDS * NS:
        today["night"] = min(today.get("night", inf), load)
        today["night_count"] = today.get("night_count", 0.0) + 1.0
    return True


def _mean(begin: float, end: float) -> float:
    """Return the mean of the two ends of an interval, or the known end."""
    if isnan(begin) or isnan(end):
        return end if isnan(begin) else begin
    return (begin + end) / 2.0
