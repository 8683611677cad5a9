"""How far something is: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

from typing import Protocol, TextIO

BAR_WIDTH = 24
"""Characters of the bar."""

LONGEST_LINE = 79
"""Characters of its line: one that is wider than the terminal cannot be taken away."""

LINE_PERIOD = 10.0
"""Seconds between two lines where there is no terminal."""


class Clock(Protocol):
    """What progress needs of a clock."""

    def monotonic(self) -> float:
        """Seconds of a clock that is never set."""
        ...


class Progress:
    """Steps of a whole, shown on a stream; lines said in between do not mix with the bar."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        """Nothing is shown before the first step."""
        self._stream = stream
        self._clock = clock
        self._bar = stream.isatty()
        self._shown = clock.monotonic()
        self._drawn = ""
        self.total = 0
        self.done = 0

    def step(self, what: str, count: int = 1) -> None:
        """`count` steps are done; `what` is under way."""
        self.done += count
        whole = max(self.total, self.done, 1)
        if self._bar:
            filled = BAR_WIDTH * self.done // whole
            self._draw(f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {self.done}/{whole} {what}")
        elif self._clock.monotonic() - self._shown >= LINE_PERIOD:
            self._shown = self._clock.monotonic()
            self.say(f"{self.done} of {whole}: {what}")

    def say(self, line: str) -> None:
        """A line of its own."""
        self.clear()
        print(line, file=self._stream, flush=True)

    def clear(self) -> None:
        """Take the bar away."""
        if self._drawn:
            self._draw("")

    def _draw(self, line: str) -> None:
        line = line[:LONGEST_LINE]
        self._stream.write("\r" + line.ljust(len(self._drawn)) + ("" if line else "\r"))
        self._stream.flush()
        self._drawn = line
