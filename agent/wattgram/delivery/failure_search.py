"""The search for a record at which a sink fails in place of an answer.

The connection ends, no answer comes, or an error gives no reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from .backlog import NumberedRecord

ATTEMPTS = 3
"""Failures at a record before the search begins."""


class FailureSearch:
    """Chooses the records of the next write, so that the record at which a sink fails is found.

    After ATTEMPTS failures at the same first record, that record is written alone: a broker acknowledges in order, so
    it is the most likely one. If it is accepted, the rest of the failed write is halved.
    """

    def __init__(self) -> None:
        self._first = -1  # number of the first record of the last failed write
        self._times = 0  # its failures in a row
        self._allowed = ATTEMPTS
        self._end: int | None = None  # number of the last record of the failed write, during a search
        self._alone = False

    @property
    def active(self) -> bool:
        """Whether the search has begun."""
        return self._end is not None

    def part(self, waiting: Sequence[NumberedRecord], limit: int) -> Sequence[NumberedRecord]:
        """Return the records of the next write, out of those that wait."""
        end = self._end
        inside = [] if end is None else [numbered for numbered in waiting if numbered[0] <= end]
        if not inside:
            self._end = None
            return waiting[:limit]
        return inside[: 1 if self._alone else max(1, len(inside) // 2)]

    def failed(self, part: Sequence[NumberedRecord], left: Sequence[NumberedRecord]) -> bool:
        """Note a failed write, with the records left without an answer; return whether the only one is found."""
        if self._end is None:
            self._times = self._times + 1 if self._first == left[0][0] else 1
            self._first = left[0][0]
            if self._times < self._allowed:
                return False
            if len(part) > 1:
                self._end, self._alone = left[-1][0], True
                return False
        elif len(part) > 1:
            self._end = left[-1][0]
            self._alone = len(left) < len(part)  # the records before were acknowledged in order
            return False
        self._end, self._allowed = None, 1
        return True

    def succeeded(self, *, complete: bool) -> None:
        """Note a successful write. complete: of all records that wait, or of a whole batch."""
        self._alone = False
        if self._end is None and complete:
            self._allowed = ATTEMPTS
