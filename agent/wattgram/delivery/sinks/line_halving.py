"""Refused requests of a database, halved until exactly the refused lines are found.

A request of n lines with k refused lines takes at most 2 k log2(n) + 1 requests; a run of any length in which the
database counts every line as dropped takes as many as one line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from wattgram.base.encoders import LineProtocol, without_field
from wattgram.base.errors import RefusalsOnly
from wattgram.base.record import Record
from wattgram.base.refusal import RefusalKind, SinkRefusal

from .influx_verdict import CONTENT_TOO_LARGE, FieldConflict, Outcome, WriteVerdict

REFUSED_ALONE = 3
"""Refusals without any accepted line after which the rest of a batch is not sent: the lines are not the reason."""


@dataclass(frozen=True, slots=True)
class Line:
    """A record as line protocol. index: of the record in its batch. left_out: refusal of a field that was left out."""

    index: int
    record: Record
    body: bytes
    left_out: SinkRefusal | None = None


class LineHalving:
    """Results of the records of one batch, by index.

    accepts: whether the database has accepted a line. taken: records that are stored as they are. refused: the others,
    and with the kind FIELD those that are stored without a field.
    """

    def __init__(
        self, send: Callable[[Sequence[Line]], Awaitable[WriteVerdict]], lines: LineProtocol, *, accepts: bool
    ) -> None:
        """`send`: sends one request. `accepts`: whether the database has accepted a line lately."""
        self.accepts = accepts
        self.taken: list[int] = []
        self.refused: dict[int, SinkRefusal] = {}
        self._send = send
        self._lines = lines
        self._refusals = 0

    async def write(self, lines: Sequence[Line]) -> None:
        """Write lines; RefusalsOnly after REFUSED_ALONE refusals without an accepted line, SinkError of `send`."""
        verdict = await self._send(lines)
        if verdict.outcome is Outcome.WRITTEN:
            self._take(lines)
            return
        self.accepts = self.accepts or (verdict.dropped is not None and verdict.dropped < len(lines))
        if verdict.conflict is not None and (fewer := self._without(lines, verdict.conflict, verdict.reason)):
            if left := [line for line in fewer if line.body]:
                await self.write(left)
            return
        if len(lines) == 1 or verdict.dropped == len(lines):
            self._refuse(lines, SinkRefusal(verdict.reason))
            return
        lines = _in_search_order(lines, verdict)
        half = len(lines) // 2
        await self.write(lines[:half])
        await self.write(lines[half:])

    def _take(self, lines: Sequence[Line]) -> None:
        self.accepts = True
        self.taken += [line.index for line in lines if line.left_out is None]
        self.refused |= {line.index: line.left_out for line in lines if line.left_out is not None}

    def _refuse(self, lines: Sequence[Line], refusal: SinkRefusal) -> None:
        self.refused |= {line.index: refusal for line in lines}
        self._refusals += 1
        if not self.accepts and self._refusals >= REFUSED_ALONE:
            raise RefusalsOnly(refusal.reason, taken=self.taken, refused=self.refused)

    def _without(self, lines: Sequence[Line], conflict: FieldConflict, reason: str) -> list[Line]:
        """Return the lines without a field; [] if no line has the field, or if its measurement is unknown.

        A record without any other field is refused; its line is then empty.
        """
        measurements = {line.record.series.kind for line in lines}
        if not conflict.measurement and len(measurements) > 1:
            return []
        measurement = conflict.measurement or next(iter(measurements))
        left_out = SinkRefusal(
            f"field {conflict.field!r} of measurement {measurement!r} has another type in the database, so the records "
            f"are stored without the field: {reason}",
            RefusalKind.FIELD,
        )
        fewer, changed = [], False
        for line in lines:
            if line.record.series.kind == measurement and line.record.has(conflict.field):
                changed = True
                record = without_field(line.record, conflict.field)
                body = self._lines.line(record)
                fewer.append(replace(line, record=record, body=body, left_out=line.left_out or left_out))
                if not body:
                    self.refused[line.index] = SinkRefusal(reason)
            else:
                fewer.append(line)
        return fewer if changed else []


def _in_search_order(lines: Sequence[Line], verdict: WriteVerdict) -> Sequence[Line]:
    """Return lines in an order in which refused lines are most likely adjacent.

    Points beyond the retention period are the oldest; a conflict most often concerns a series; a size concerns single
    lines.
    """
    if verdict.status == CONTENT_TOO_LARGE:
        return lines
    if verdict.by_time:
        return sorted(lines, key=_time)
    return sorted(lines, key=_series)


def _time(line: Line) -> int:
    return line.record.time


def _series(line: Line) -> bytes:
    """Return the part of a line that all lines of its series share: all up to the first space."""
    return line.body.partition(b" ")[0]
