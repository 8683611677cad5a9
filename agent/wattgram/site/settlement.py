"""Quarters of an hour that late energy changes after they were closed: from which time to compute again."""

from __future__ import annotations

from typing import Any


class Settlement:
    """The earliest closed quarter with new late energy. rows: number of late rows so far, to see whether more follow.

    times: start of a quarter, UTC ns.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._since: int | None = None
        self._begun: int | None = None

    def add(self, start: int) -> None:
        """Add a closed quarter with new late energy."""
        self._since = _earliest(self._since, start)

    def begin(self) -> int | None:
        """Return the time from which to compute again, None if nothing changed; call `end` afterwards."""
        self._begun, self._since = self._since, None
        return self._begun

    def end(self, *, done: bool) -> None:
        """Note that all was computed again, or that it must be tried again."""
        if not done:
            self._since = _earliest(self._since, self._begun)
        self._begun = None

    def dump(self) -> int | None:
        """Return the state for a restart, JSON-compatible: a computation that has not ended begins again."""
        return _earliest(self._since, self._begun)

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        if dumped is not None and not isinstance(dumped, int):
            raise ValueError(f"found {dumped!r}, expected a time")
        self._since = dumped


def _earliest(*times: int | None) -> int | None:
    """Return the earliest of the times that are not None."""
    return min((time for time in times if time is not None), default=None)
