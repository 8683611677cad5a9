"""In which order instants of the balance are told: each once, however the clock is set (SPEC 6.8)."""

from __future__ import annotations

from typing import Any, NamedTuple

from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.base.units import rfc3339

from .published_times import Spans

WAIT_BEHIND = 900.0
"""Seconds that the clock may be behind the last instant until it is waited for; behind by more, it was wrong before."""

PAUSE_TICKS = 3
"""Ticks without an instant after which the time between them counts as not told."""

WAIT, GO_ON = "instants wait", "instants go on"


class TickStep(NamedTuple):
    """To an instant.

    told: False when it is passed over, since it has been told. gap: s since the instant before, 0 when nobody knows.
    joined: whether the clock goes between the two. back: whether it lies before instants that a wrong clock told.
    """

    happened: tuple[Occurrence, ...] = ()
    told: bool = True
    gap: float = 0.0
    joined: bool = True
    back: bool = False


class TickOrder:
    """Goes from instant to instant, UTC ns. tick: s between two. last: the one that was told last."""

    def __init__(self, tick: float) -> None:
        self.last: int | None = None
        self._last_at: float | None = None  # on the monotonic clock
        self._joined = True
        self._over = 0  # until then instants are passed over
        self._spans = Spans(int(PAUSE_TICKS * tick * NS))

    def interrupt(self) -> None:
        """The clock was set since the last instant."""
        self._joined = False

    def advance(self, time: int, at: float) -> TickStep:
        """To an instant; `at` is the same on the monotonic clock.

        One that was told is passed over. So is one up to `BEHIND` before the last; the clock is soon there again. A
        clock that was set back by more was wrong before: what it told stays, and from this instant on it goes on.
        """
        last, over = self.last, self._spans.over(time)
        if over is None and last is not None and last - WAIT_BEHIND * NS <= time <= last:
            over = last
        if over is not None:
            begins, self._over, self._joined = over > self._over, max(over, self._over), False
            detail = f"until {rfc3339(self._over)}: told already, before the clock was set back"
            return TickStep((Occurrence(WAIT, detail),) if begins else (), told=False)
        happened = (Occurrence(GO_ON, f"from {rfc3339(time)}"),) if self._over else ()
        back = last is not None and time < last
        joined = self._joined and not back
        gap = 0.0
        if last is not None and joined:
            gap = (time - last) / NS
        elif self._last_at is not None:
            gap = at - self._last_at
        self._spans.add(time)
        self.last, self._last_at, self._joined, self._over = time, at, True, 0
        return TickStep(happened, gap=gap, joined=joined, back=back)

    def dump(self) -> dict[str, object]:
        """What a restart must not lose, as JSON knows it."""
        return {"last": self.last, "spans": self._spans.dump()}

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave; ValueError, KeyError or TypeError when it is none."""
        self._spans.restore(dumped["spans"])
        self.last = None if dumped["last"] is None else int(dumped["last"])
