"""Order of the instants of the balance: each instant is published once, even when the clock is set back (SPEC 6.8)."""

from __future__ import annotations

from typing import Any, NamedTuple

from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.base.units import rfc3339

from .published_times import Spans
from .wall_clock import STEPPED

WAIT_BEHIND = 900.0
"""Longest time behind the last instant for which the balance waits, s.

If the clock is further behind, it was wrong before.
"""

PAUSE_TICKS = 3
"""Ticks without an instant after which a new span of published instants begins."""

WAIT, GO_ON = "instants wait", "instants go on"


class TickStep(NamedTuple):
    """Step to an instant.

    published: False if the instant is skipped because it was published before. gap: time since the previous instant, s;
    0 if unknown. contiguous: whether the clock ran unchanged between the two instants. set_back: whether the instant
    lies before instants that were published by a wrong clock.
    """

    occurrences: tuple[Occurrence, ...] = ()
    published: bool = True
    gap: float = 0.0
    contiguous: bool = True
    set_back: bool = False

    def seconds(self, longest: float) -> float:
        """Return the length of the interval that ends with the instant, s; 0 for a pause: more than `longest` s."""
        return self.gap if self.contiguous and self.gap <= longest else 0.0


class TickOrder:
    """Order of instants, UTC ns.

    tick: time between two instants, s. last: the last published instant.
    """

    def __init__(self, tick: float) -> None:
        self.last: int | None = None
        self._last_monotonic: float | None = None
        self._contiguous = True
        self._skip_until = 0
        self._spans = Spans(int(PAUSE_TICKS * tick * NS))

    def interrupt(self) -> None:
        """Note that the clock was set after the last instant."""
        self._contiguous = False

    def advance(self, time: int, monotonic: float) -> TickStep:
        """Take the step to an instant; `monotonic` is the same instant on the monotonic clock.

        A published instant is skipped. An instant at most `WAIT_BEHIND` before the last one is skipped too, because the
        clock soon passes it. A clock that was set back further was wrong before: its published instants stay, and new
        instants continue from this one.
        """
        last, published_until = self.last, self._spans.last_published(time)
        if published_until is None and last is not None and last - WAIT_BEHIND * NS <= time <= last:
            published_until = last
        if published_until is not None:
            begins_waiting = published_until > self._skip_until
            self._skip_until, self._contiguous = max(published_until, self._skip_until), False
            detail = f"until {rfc3339(self._skip_until)}: published already, before the clock was set back"
            return TickStep((Occurrence(WAIT, detail),) if begins_waiting else (), published=False)
        occurrences = (Occurrence(GO_ON, f"from {rfc3339(time)}"),) if self._skip_until else ()
        set_back = last is not None and time < last
        if last is not None and set_back and self._last_monotonic is None:  # within a run, the clock's watch tells it
            detail = f"from {rfc3339(last)} or later to {rfc3339(time)} between two runs"
            occurrences = (*occurrences, Occurrence(STEPPED, detail))
        contiguous = self._contiguous and not set_back
        gap = 0.0
        if last is not None and contiguous:
            gap = (time - last) / NS
        elif self._last_monotonic is not None:
            gap = monotonic - self._last_monotonic
        self._spans.add(time)
        self.last, self._last_monotonic, self._contiguous, self._skip_until = time, monotonic, True, 0
        return TickStep(occurrences, gap=gap, contiguous=contiguous, set_back=set_back)

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible."""
        return {"last": self.last, "spans": self._spans.dump()}

    def note_published(self, dumped: Any) -> None:
        """Add the published instants of another dump; ValueError, KeyError or TypeError if it is invalid."""
        self._spans.join(dumped["spans"])

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError, KeyError or TypeError if the state is invalid."""
        self._spans.restore(dumped["spans"])
        self.last = None if dumped["last"] is None else int(dumped["last"])
