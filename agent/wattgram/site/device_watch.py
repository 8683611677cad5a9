"""Lost devices, and devices that are back. A PV inverter that sleeps at night is neither (METHOD-SITE 9.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from wattgram.acquisition.device_source import Source
from wattgram.base.occurrence import Occurrence
from wattgram.base.record import Record

SILENT = ("stale", "lost")
"""States of a device that does not answer (`Source.state`)."""

ASLEEP_STATE = "asleep"


class DeviceChange(NamedTuple):
    """Change of a device: its record of quality `stale`, if it does not answer any more, and the event, if any."""

    device: str
    record: Record | None
    occurrence: Occurrence | None


class DeviceWatch:
    """States of the devices, tick by tick. asleep: whether the rules of the night explain a device's silence.

    A device that was lost before it could sleep stays lost until it answers. A device that does not answer when the
    night is over is lost.
    """

    def __init__(self, sources: Sequence[Source], asleep: Callable[[str, int], bool]) -> None:
        self._sources = tuple(sources)
        self._asleep = asleep
        self._states = {source.config.name: "waiting" for source in sources}

    def advance(self, now: float, time: int) -> Iterator[DeviceChange]:
        """Yield the changes of a tick; `now` is monotonic, `time` in UTC ns."""
        for source in self._sources:
            name, state = source.config.name, source.state(now)
            before = self._states[name]
            if state in SILENT and before not in SILENT and self._asleep(name, time):
                state = ASLEEP_STATE
            if state == before:
                continue
            self._states[name] = state
            if state == ASLEEP_STATE:
                yield DeviceChange(name, source.stale_record(time), None)
            elif state in SILENT:
                detail = source.error or "no reading"
                if before == ASLEEP_STATE:
                    detail = f"silent since the night, although the sun is up: {detail}"
                yield DeviceChange(name, source.stale_record(time), Occurrence("device lost", detail))
            elif source.answers(now) and before in SILENT:
                yield DeviceChange(name, None, Occurrence("device back", ""))
