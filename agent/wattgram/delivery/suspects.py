"""Refused records without a verdict yet: when a refusal counts against a record.

The rule is the same for all sinks. A refusal counts against a record only if the sink has accepted another record in a
write after the first refusal, and then refuses the record in a third write. Acceptances in the same write do not count:
the sink's rights may have changed in the middle. While the sink accepts nothing, the sink is unavailable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wattgram.base.record import Record, Series
from wattgram.base.refusal import RefusalKind, SinkRefusal

PATIENCE = 60.0
"""Shortest time in s from the first refusal to the verdict, if the reason may pass."""

COUNTS_PASSING = 3
"""Refusals that must count, if the reason may pass."""

COUNTS_ALONE = 2
"""Refusals that must count, if the sink failed at the record in place of an answer: a network can fail, too."""


@dataclass(slots=True)
class Suspect:
    """A refused record without a verdict.

    write: number of the write with the last refusal that counted, or with the first refusal. since: time of the first
    refusal, s. counts: refusals that count. alone: the sink failed in place of an answer, so the record is sent alone.
    known: a record of the same series was refused before, in the same way. sent: the sink has seen the record.
    """

    seq: int
    record: Record
    refusal: SinkRefusal
    write: int
    since: float
    counts: int = 0
    alone: bool = False
    known: bool = False
    sent: bool = True


class Suspects:
    """The refused records of one sink, by number, and the writes that decide about them.

    accepted: number of the last write with an accepted record.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self._write = 0
        self._held: dict[int, Suspect] = {}
        self._known: dict[Series, Suspect] = {}  # the last record of a series with a verdict

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, seq: int) -> bool:
        return seq in self._held

    def __iter__(self) -> Iterator[Suspect]:
        """Yield the suspects in the order of their numbers."""
        return iter(sorted(self._held.values(), key=lambda suspect: suspect.seq))

    @property
    def ripe(self) -> list[Suspect]:
        """The suspects whose next refusal counts: another record was accepted after the last one. Oldest first."""
        return [suspect for suspect in self if suspect.write < self.accepted] if self._held else []

    @property
    def newest_unsent(self) -> list[tuple[int, Record]]:
        """The newest suspect that was never sent, because its series is known; [] for none."""
        unsent = [suspect for suspect in self._held.values() if suspect.known and not suspect.sent]
        newest = max(unsent, key=lambda suspect: suspect.seq, default=None)
        return [(newest.seq, newest.record)] if newest else []

    @property
    def series(self) -> set[Series]:
        """The series of the suspects."""
        return {suspect.record.series for suspect in self._held.values()}

    def begin_write(self) -> None:
        """Note the start of a write; all calls below belong to it."""
        self._write += 1

    def note_accepted(self, accepted: Iterable[tuple[int, Record]]) -> None:
        """Note accepted records."""
        for seq, record in accepted:
            self.accepted = self._write
            if not (self._held or self._known):
                break
            self._held.pop(seq, None)
            if self._known.pop(record.series, None):
                for suspect in self._held.values():
                    if suspect.record.series == record.series and not suspect.sent:
                        suspect.alone = False

    def note_refused(self, seq: int, record: Record, refusal: SinkRefusal, now: float, *, alone: bool = False) -> bool:
        """Note a refusal at time `now`, s; return whether it is the verdict, after which the record is no suspect."""
        if refusal.kind is RefusalKind.UNWRITABLE:  # not the sink's answer
            self._held.pop(seq, None)
            return True
        suspect = self._held.get(seq)
        if suspect is None:
            self._held[seq] = Suspect(seq, record, refusal, self._write, now, alone=alone)
            return False
        suspect.refusal, suspect.alone, suspect.sent = refusal, alone, True
        if suspect.write < self.accepted < self._write:
            suspect.counts += 1
            suspect.write = self._write
        if not _is_verdict(suspect, now):
            return False
        del self._held[seq]
        if refusal.kind is RefusalKind.LASTING:
            suspect.write = self._write
            self._known[record.series] = suspect
        return True

    def hold_known(self, seq: int, record: Record, now: float) -> bool:
        """Make a new record a suspect at once if the last record of its series was refused; return whether it is."""
        known = self._known.get(record.series)
        if known is None:
            return False
        self._held[seq] = Suspect(
            seq, record, known.refusal, known.write, now, alone=known.alone, known=True, sent=False
        )
        return True

    def send_alone(self, part: Iterable[tuple[int, Record]]) -> None:
        """Note that the sink failed in place of an answer: the first suspect of a write is sent alone next time."""
        found = next((seq for seq, _ in part if seq in self._held), None)
        if found is not None:
            self._held[found].alone = True

    def clear(self) -> None:
        """Forget all suspects: the numbers have changed."""
        self._held.clear()


def _is_verdict(suspect: Suspect, now: float) -> bool:
    """Return whether enough refusals count against a record."""
    if suspect.refusal.kind is RefusalKind.PASSING:
        return suspect.counts >= COUNTS_PASSING and now - suspect.since >= PATIENCE
    return suspect.counts >= (COUNTS_ALONE if suspect.alone and not suspect.known else 1)
