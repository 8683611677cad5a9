"""Stage: devices that stop to answer, and devices that answer again.

A PV inverter that sleeps at night is neither lost nor back (METHOD-SITE 9.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wattgram.acquisition.device_source import Source
from wattgram.base.occurrence import DeviceOccurrence, Occurrence
from wattgram.base.record import Record

SILENT = ("stale", "lost")
"""States of a device without readings."""

ASLEEP_STATE = "asleep"
"""State of a device whose silence the rules of the night explain."""


class DevicePresence:
    """States of the devices at the last instant. A restart begins with devices that have not answered yet.

    asleep: whether the rules of the night explain that a device does not answer at a time, UTC ns. A device that was
    lost before it could sleep stays lost until it answers; a device that is silent after the night is lost.
    """

    def __init__(self, sources: Sequence[Source], asleep: Callable[[str, int], bool]) -> None:
        self._sources = tuple(sources)
        self._asleep = asleep
        self._states = {source.config.name: "waiting" for source in self._sources}

    def advance(self, time: int, now: float) -> tuple[list[Record], list[DeviceOccurrence]]:
        """Return the last records of devices that are lost, and the events; `time` in UTC ns, `now` monotonic."""
        records, occurrences = [], []
        for source in self._sources:
            name, state = source.config.name, source.state(now)
            before = self._states[name]
            if state in SILENT and before not in SILENT and self._asleep(name, time):
                state = ASLEEP_STATE
            self._states[name] = state
            if state == before:
                continue
            if state in (*SILENT, ASLEEP_STATE):
                records.append(source.stale_record(time))
            if state in SILENT:
                detail = source.error or "no reading"
                if before == ASLEEP_STATE:
                    detail = f"silent since the night, although the sun is up: {detail}"
                occurrences.append((name, Occurrence("device lost", detail)))
            elif source.answers(now) and before in SILENT:
                occurrences.append((name, Occurrence("device back", "")))
        return records, occurrences
