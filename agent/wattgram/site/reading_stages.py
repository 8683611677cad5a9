"""The first stages: a reading gets its time, and its device judges it. Readings wait while the clock is not set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from wattgram_drivers.device import Reading

from wattgram.acquisition.device_source import Source
from wattgram.base.clock import Clock
from wattgram.base.occurrence import DeviceOccurrence, Occurrence, of_device
from wattgram.store.spool import Spool
from wattgram.timekeeping.timekeeper import Timekeeper

from .device_readings import DatedReading, DeviceReadings
from .undated_readings import UndatedReadings


class ClockChange(NamedTuple):
    """Change of the wall clock since the last check.

    step: change against the monotonic clock, s; 0 for none. begin: if the clock was just set, the time of the first
    waiting reading, UTC ns.
    """

    step: float
    begin: int | None
    occurrences: Sequence[DeviceOccurrence]


class ReadingStages:
    """Stamp → judge. waiting: readings without a time."""

    def __init__(self, sources: Sequence[Source], spool: Spool, clock: Clock, timekeeper: Timekeeper) -> None:
        self.waiting = UndatedReadings(spool, timekeeper.clock_status, timekeeper.ahead)
        self.devices = DeviceReadings(sources, clock, timekeeper)
        self._timekeeper = timekeeper

    def check_clock(self) -> ClockChange:
        """Check the wall clock; `dated` may have readings afterwards."""
        changes = self._timekeeper.changes
        verdict = self._timekeeper.check_clock()
        begin = None
        if self.waiting and self._timekeeper.changes != changes:
            begin = self._timekeeper.timestamp(self.waiting.first)
        if verdict.step < 0.0:
            self.devices.shift_times(verdict.step)
        dropped = () if self._timekeeper.unset else self.waiting.occurrences()
        return ClockChange(verdict.step, begin, of_device("", (*verdict.occurrences, *dropped)))

    def dated(self) -> Iterator[DatedReading]:
        """Yield readings that waited for the clock, a limited number at once; each must be used before the next one."""
        if self._timekeeper.unset:
            return
        for waiting in self.waiting.dated(self._timekeeper.timestamp):
            if waiting.source is not None and waiting.reading is not None:
                yield self.devices.advance(waiting.source, waiting.reading)
            else:
                yield DatedReading(None, waiting.record)

    def advance(self, source: Source, reading: Reading) -> Iterable[DatedReading]:
        """Take a reading; return it with its time, unless it must wait."""
        if self._timekeeper.unset or self.waiting:
            self.waiting.add(source, reading)
            return ()
        return (self.devices.advance(source, reading),)

    async def restore(self) -> Sequence[Occurrence]:
        """Restore the waiting readings of an earlier process; return the event about those without any time."""
        undated = await self.waiting.restore()
        detail = f"{undated} readings waited for the clock when the machine was switched off"
        return (Occurrence("readings undated", detail),) if undated else ()
