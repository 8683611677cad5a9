"""Stage: devices that stop to answer, and devices that answer again."""

from __future__ import annotations

from collections.abc import Sequence

from wattgram.acquisition.device_source import Source
from wattgram.base.occurrence import DeviceOccurrence, Occurrence
from wattgram.base.record import Record

SILENT = ("stale", "lost")
"""States of a device without readings."""


class DevicePresence:
    """States of the devices at the last instant. A restart begins with devices that have not answered yet."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._states = {source.config.name: "waiting" for source in self._sources}

    def advance(self, time: int, now: float) -> tuple[list[Record], list[DeviceOccurrence]]:
        """Return the last records of devices that are lost, and the events; `time` in UTC ns, `now` monotonic."""
        records, occurrences = [], []
        for source in self._sources:
            name, state = source.config.name, source.state(now)
            before, self._states[name] = self._states[name], state
            if state == before:
                continue
            if state in SILENT:
                records.append(source.stale_record(time))
                occurrences.append((name, Occurrence("device lost", source.error or "no reading")))
            elif source.answers(now) and before in SILENT:
                occurrences.append((name, Occurrence("device back", "")))
        return records, occurrences
