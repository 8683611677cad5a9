"""Energy of PV arrays beside the irradiance in the plane of their modules, over the same time (IEC 61724-1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

from wattgram.base.clock import NS
from wattgram.config.goals_table.goals_settings import ArraySettings

STALE_INTERVALS = 3.0
LONGEST_SENSOR_GAP = 1800.0
"""Readings of a sensor further apart than so many of its intervals, or than so many seconds, leave a gap.

Product choice: irradiance in quarters of an hour is common, and coarser values do not follow clouds."""

SUNNY = 100.0
"""Irradiance in the plane of the modules from which an array must produce, W/m2 (product choice)."""

PRODUCING = 0.01
"""Share of an array's peak power above which the array produces (product choice; a sound array has 7 % at SUNNY)."""

KNOWN = 0.999
"""Share of a row's time for which the irradiance must be known."""


class ArrayRow(NamedTuple):
    """Energy of an array in the interval of a row, Wh. begin, end: UTC ns."""

    begin: int
    end: int
    energy: float


class YieldPart(NamedTuple):
    """A row with irradiance. time: end, UTC ns. numbers: by the fields `yield_...`, `sunny_...` of a device's day."""

    time: int
    numbers: dict[str, float]


class _Segment(NamedTuple):
    """Irradiance between two readings, W/m2, as a straight line. begin, end: UTC ns."""

    begin: int
    end: int
    first: float
    last: float

    def integral(self, begin: int, end: int) -> tuple[float, float]:
        """Return the seconds from `begin` to `end` within the segment, and the irradiation of this time, Ws/m2."""
        begin, end = max(begin, self.begin), min(end, self.end)
        if end <= begin:
            return 0.0, 0.0
        middle = ((begin - self.begin) + (end - self.begin)) / 2 / (self.end - self.begin)
        seconds = (end - begin) / NS
        return seconds, seconds * (self.first + middle * (self.last - self.first))


class ArrayYield:
    """One array. Rows wait for the reading of the sensor that follows them; both are of the same time.

    The waiting rows are lost in a restart: some seconds.
    """

    def __init__(self, settings: ArraySettings) -> None:
        self.settings = settings
        self._rows: deque[ArrayRow] = deque()
        self._segments: deque[_Segment] = deque()
        self._last: tuple[int, float] | None = None

    def add_row(self, row: ArrayRow) -> None:
        """Add the energy of a row; an unknown energy is none."""
        if isfinite(row.energy):
            self._rows.append(row)
        while self._rows and row.end - self._rows[0].end > LONGEST_SENSOR_GAP * NS:
            self._rows.popleft()  # no reading that is still to come can cover this row

    def add_irradiance(self, time: int, irradiance: float | None, interval: float) -> Iterator[YieldPart]:
        """Add a reading of the sensor, W/m2, at a time, UTC ns; yield the rows up to this time.

        Values below 0 are an offset at night, and count as 0. interval: of the sensor, s.
        """
        last, self._last = self._last, None if irradiance is None else (time, max(0.0, irradiance))
        gap = min(LONGEST_SENSOR_GAP, STALE_INTERVALS * interval) * NS
        if last is not None and self._last is not None and 0 < time - last[0] <= gap:
            self._segments.append(_Segment(last[0], time, last[1], self._last[1]))
        while self._rows and self._rows[0].end <= time:
            row = self._rows.popleft()
            while self._segments and self._segments[0].end <= row.begin:
                self._segments.popleft()
            if numbers := self._numbers(row):
                yield YieldPart(row.end, numbers)
        while len(self._segments) > 1 and time - self._segments[0].end > LONGEST_SENSOR_GAP * NS:
            self._segments.popleft()

    def _numbers(self, row: ArrayRow) -> dict[str, float]:
        parts = [segment.integral(row.begin, row.end) for segment in self._segments]
        seconds, irradiation = sum(part[0] for part in parts), sum(part[1] for part in parts)
        length = (row.end - row.begin) / NS
        if not seconds >= KNOWN * length > 0.0:
            return {}
        found = {
            "yield_energy": row.energy,
            "yield_irradiation": irradiation / seconds * length / 3600.0,
            "yield_seconds": length,
        }
        if irradiation / seconds >= SUNNY:
            produces = row.energy * 3600.0 / length > PRODUCING * self.settings.peak_power
            found |= {"sunny_seconds": length, "producing_seconds": length if produces else 0.0}
        return found
