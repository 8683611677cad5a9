"""Stage: a reading of a device becomes a record of that time; a device whose values stand still is frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from wattgram_drivers.device import Reading

from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS, Clock
from wattgram.base.occurrence import DeviceOccurrence, Occurrence, of_device
from wattgram.base.record import Record
from wattgram.counters.frozen_device import FrozenDeviceWatch
from wattgram.timekeeping.timekeeper import Timekeeper
from wattgram.timekeeping.wall_clock import CLOCK_STEP


class DatedReading(NamedTuple):
    """Record of a reading, and the events of its device.

    source: None for a reading of an earlier process, which is not part of the balance.
    """

    source: Source | None
    record: Record
    occurrences: Sequence[DeviceOccurrence] = ()


class DeviceReadings:
    """Readings of all devices, one after the other. The state for a restart is the state of their counters."""

    def __init__(self, sources: Sequence[Source], clock: Clock, timekeeper: Timekeeper) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._timekeeper = timekeeper
        self._frozen_watches: dict[str, FrozenDeviceWatch] = {}

    def advance(self, source: Source, reading: Reading) -> DatedReading:
        """Take a reading; the source decodes and judges it."""
        stamp = self._timekeeper.timestamp(reading.monotonic)
        if abs(stamp - reading.time) > CLOCK_STEP * self._clock.speed * NS:  # the clock was set during the reading
            reading = replace(reading, time=stamp)
        record = source.take(reading)
        assert source.taken is not None  # `take` has set it
        occurrences = (*source.notices, *source.taken.occurrences, *self._check_frozen(source, record, reading))
        source.notices.clear()
        record = source.frozen_record(record) if source.frozen else record
        return DatedReading(source, record, of_device(source.config.name, occurrences))

    def shift_times(self, step: float) -> None:
        """Shift the times of the counters after the clock was set by `step` s."""
        for source in self._sources:
            for metering in source.meterings:
                metering.shift_times(round(step * NS))

    def dump(self) -> dict[str, object]:
        """Return the state of the counters for a restart, JSON-compatible."""
        return {source.config.name: source.dump_counters() for source in self._sources}

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; AttributeError or ValueError if the state is invalid."""
        for source in self._sources:
            source.restore_counters(dumped.get(source.config.name, {}))

    def _check_frozen(self, source: Source, record: Record, reading: Reading) -> tuple[Occurrence, ...]:
        """Update the frozen state of a device; return its events."""
        config = source.config
        watch = self._frozen_watches.get(config.name) or FrozenDeviceWatch(
            config.frozen_after, config.rated_power, source.metering.directions, config.interval
        )
        assert source.taken is not None  # `take` has set it
        power, metered = source.taken.power, source.taken.metered
        watch, occurrences = watch.advance(record.values, power, reading.time, reading.monotonic, metered)
        self._frozen_watches[config.name] = watch
        source.frozen = watch.frozen
        return occurrences


class LearnedJudgements:
    """State for a restart: the knowledge of each device's judge of readings."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._learned: list[tuple[int, float, bool]] = []

    def dump(self) -> dict[str, object] | None:
        """Return the state, JSON-compatible; None if it has not changed since the last call."""
        learned = [source.learned for source in self._sources]
        if learned == self._learned:
            return None
        self._learned = learned
        return {source.config.name: source.dump() for source in self._sources}

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; AttributeError or ValueError if the state is invalid."""
        for source in self._sources:
            source.restore(dumped.get(source.config.name))
