"""Output of the commands on stderr: lines, and the progress as a bar on a terminal or as a line from time to time."""

from __future__ import annotations

import sys
from typing import Protocol, TextIO

BAR_WIDTH = 24
"""Characters of the bar."""

LONGEST_LINE = 79
"""Characters of the line with the bar: a line wider than the terminal cannot be erased."""

LINE_PERIOD = 10.0
"""Seconds between two lines without a terminal."""


def print_stderr(text: str) -> None:
    """Print lines on stderr at once."""
    print(text, file=sys.stderr, flush=True)


class Clock(Protocol):
    """The clock of the progress."""

    def monotonic(self) -> float:
        """Return seconds of a clock that is never set."""
        ...


class Progress:
    """Progress in steps on a stream. Lines in between do not mix with the bar."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        """Show nothing before the first step."""
        self._stream = stream
        self._clock = clock
        self._bar = stream.isatty()
        self._shown = clock.monotonic()
        self._drawn = ""
        self.total = 0
        self.done = 0

    def step(self, current: str, count: int = 1) -> None:
        """Add `count` steps; `current` names the work in progress."""
        self.done += count
        whole = max(self.total, self.done, 1)
        if self._bar:
            filled = BAR_WIDTH * self.done // whole
            self._draw(f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {self.done}/{whole} {current}")
        elif self._clock.monotonic() - self._shown >= LINE_PERIOD:
            self._shown = self._clock.monotonic()
            self.print_line(f"{self.done} of {whole}: {current}")

    def print_line(self, line: str) -> None:
        """Print a line."""
        self.clear()
        print(line, file=self._stream, flush=True)

    def clear(self) -> None:
        """Erase the bar."""
        if self._drawn:
            self._draw("")

    def _draw(self, line: str) -> None:
        line = line[:LONGEST_LINE]
        self._stream.write("\r" + line.ljust(len(self._drawn)) + ("" if line else "\r"))
        self._stream.flush()
        self._drawn = line
