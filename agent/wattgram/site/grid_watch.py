"""Events of the grid's factor: no source has a fresh value, and the official factor is used; a source has one again."""

from __future__ import annotations

from math import isnan

from wattgram.grid.ladder import Ladder

SOURCES_SILENT, SOURCES_BACK = "grid sources silent", "grid sources back"

FIRST_VALUE = 60.0
"""Time for the first value of a source after the start, s."""

MOST_REASON = 160
"""Most characters of a source's state in an event."""


class GridWatch:
    """Knows whether a source serves. A site without sources uses the official factor by its configuration: no event."""

    def __init__(self, begun: float) -> None:
        """Begin at a monotonic time, s."""
        self._begun = begun
        self._since: float | None = None

    def check(self, ladder: Ladder, time: int, monotonic: float) -> tuple[str, str] | None:
        """Return the event and its detail if the state has changed; `time` in UTC ns, `monotonic` in s."""
        if not ladder.feeds:
            return None
        serving = ladder.serving(time)
        if serving is not None:
            since, self._since = self._since, None
            if since is None:
                return None
            hours = (monotonic - since) / 3600.0
            return SOURCES_BACK, f"{serving.name} has a fresh value after {hours:.1f} h"
        if self._since is not None or self._waits(ladder, time, monotonic):
            return None
        self._since = monotonic
        used = ladder.at(time)
        value = "no value" if isnan(used.intensity) else f"{used.intensity:.1f} g/kWh of {used.source}"
        states = "; ".join(f"{feed.name}: {feed.detail or feed.state(time)}"[:MOST_REASON] for feed in ladder.feeds)
        return SOURCES_SILENT, f"{value} is used; {states}"

    def _waits(self, ladder: Ladder, time: int, monotonic: float) -> bool:
        """Return whether a source has just started and has neither a value nor a failure."""
        early = monotonic - self._begun < FIRST_VALUE
        return early and any(feed.state(time) == "waiting" for feed in ladder.feeds)
