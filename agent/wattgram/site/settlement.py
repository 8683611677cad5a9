"""Quarters of an hour that late energy changes after they were closed: from which time to compute again."""

from __future__ import annotations

from typing import Any

from wattgram.accounts.late_energy import LateAmount, Span

MOST_OPEN_AMOUNTS = 10_000
"""Amounts that may wait for a computation that fails again and again; the first ones are then dropped from the list."""


class Settlement:
    """The earliest closed quarter with new late energy. rows: number of late rows so far, to see whether more follow.

    The amounts of the late energy stay until the computation is done: the history may have lost their time meanwhile.
    times: start of a quarter, UTC ns.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._since: int | None = None
        self._begun: int | None = None
        self._amounts: list[LateAmount] = []
        self._begun_amounts = 0

    def add(self, start: int) -> None:
        """Add a closed quarter with new late energy."""
        self._since = _earliest(self._since, start)

    def add_amount(self, amount: LateAmount, before: int) -> None:
        """Add late energy, if a part of it is of the time before the running quarter, which begins at `before`."""
        if (part := amount.within(0, before)) is not None:
            self._amounts.append(part)
            del self._amounts[: max(0, len(self._amounts) - MOST_OPEN_AMOUNTS)]

    def begin(self) -> int | None:
        """Return the time from which to compute again, None if nothing changed; call `end` afterwards."""
        self._begun, self._since = self._since, None
        self._begun_amounts = len(self._amounts)
        return self._begun

    def end(self, computed_from: int | None) -> list[LateAmount]:
        """Note that quarters were computed again from a time, UTC ns, or None: it must be tried again.

        Return the energy of the time before: no quarter of that time can be computed.
        """
        old: list[LateAmount] = []
        if computed_from is None:
            self._since = _earliest(self._since, self._begun)
        else:
            done, self._amounts = self._amounts[: self._begun_amounts], self._amounts[self._begun_amounts :]
            old = [part for amount in done if (part := amount.within(0, computed_from)) is not None]
        self._begun, self._begun_amounts = None, 0
        return old

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible: a computation that has not ended begins again."""
        return {"since": _earliest(self._since, self._begun), "amounts": self._amounts}

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid. An older version stored `since` alone."""
        try:
            if dumped is None or isinstance(dumped, int):
                dumped = {"since": dumped, "amounts": []}
            since = dumped["since"]
            self._since = None if since is None else int(since)
            self._amounts = [
                LateAmount(int(channel), tuple(Span(int(begin), int(end)) for begin, end in spans), *map(float, others))
                for channel, spans, *others in dumped["amounts"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected the quarters to compute again") from error


def _earliest(*times: int | None) -> int | None:
    """Return the earliest of the times that are not None."""
    return min((time for time in times if time is not None), default=None)
