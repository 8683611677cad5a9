"""Emission records again, from the instants that the accounts were fed with: with other factors, or with grid values
that came late. What comes out as it was is not told again; what does not has the same key and a higher revision.
"""

from __future__ import annotations

import base64
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wattgram.base.clock import NS
from wattgram.base.record import Record, Series
from wattgram.grid.signal import Signal

from .books import EXTRA, Books, GridTerms

UNREVISED = bytes(8)
"""The revision of what was told first."""

BLOCK = 3600
"""Instants that are computed at once, at most."""


class Past(Protocol):
    """What has been told before."""

    def published(self, window: str, since: int, until: int) -> Mapping[int, Record]:
        """The latest records of a window from `since` to before `until`, UTC ns, by their time."""
        ...

    def noted(self, time: int) -> Record | None:
        """The latest state that was noted of exactly this time."""
        ...


class ImpliedPast:
    """The past of what is known from the records alone that a replay takes."""

    def published(self, window: str, since: int, until: int) -> Mapping[int, Record]:
        """Nothing."""
        return {}

    def noted(self, time: int) -> Record | None:
        """Nothing."""
        return None


@dataclass(slots=True)
class ReplayCounts:
    """What a replay did: instants, source-samples (instants times channels), records computed and changed by window."""

    instants: int = 0
    samples: int = 0
    computed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


class Replay:
    """Takes the stored records of a site in the order in which they were appended.

    books: that begin in the state of `begin`, UTC ns. After `since`, up to `until`, both UTC ns, each instant gets what
    its grid emitted by today's knowledge; before and after it keeps what was published, so that the windows around are
    whole and the battery's carbon goes on. windows: those that are told.
    strange: the first records are of another site's devices, until a state of ours comes.
    """

    def __init__(
        self, books: Books, begin: int, since: int, until: int, past: Past, windows: Iterable[str], *, strange: bool
    ) -> None:
        self.books = books
        self.reached = begin
        self.counts = ReplayCounts()
        self._since, self._until = since, until
        self.past = past
        self._windows = frozenset(windows)
        self._times: list[int] = []
        self._rows: list[bytes] = []
        self._seen: dict[tuple[str, int], Record] = {}
        self._known: tuple[GridTerms | None, int, int] = (None, 0, 0)  # what the grid emits, from when and until when
        self._strange = strange
        self._kinds: dict[int, tuple[Series, str]] = {}
        self._tick = books.series("tick")
        self._ticks: dict[int, Record] = {}

    def take(self, record: Record) -> Iterable[Record]:
        """A stored record; what is to be told again."""
        series = record.series
        known = self._kinds.get(id(series))  # a reader gives records of one series the same one
        if known is None:
            known = self._kinds[id(series)] = series, self._kind(series)
        kind = known[1]
        if kind == "tick":
            if record.values[-8:] == UNREVISED:
                self._ticks[record.time] = record
        elif kind == "window":
            if record.values[-8:] == UNREVISED:
                self._seen[series.tag("window"), record.time] = record
        elif kind == "checkpoint" and self._strange:
            self._begin(record)
        elif record.time <= self.reached or (self._times and record.time < self._times[-1]):
            pass  # it took the place of another
        elif kind == "instant" and not self._strange:
            made = self.finish() if len(self._times) == BLOCK else ()
            self._times.append(record.time)
            self._rows.append(record.values)
            return made
        elif kind == "late" and not self._strange:
            return [
                *self.finish(),
                *self._told(self.books.late(record.time, self._late(record)), record.time, {}),
            ]
        elif kind == "checkpoint":
            return [*self.finish(), *self._checked(record)]
        return ()

    def _kind(self, series: Series) -> str:
        """What records of a series are to us; "" for other devices'."""
        if series.kind == "emission":
            return "tick" if ("window", "tick") in series.tags else "window"
        ours = series.kind == "checkpoint" or series in (self.books.layout.instant, self.books.layout.late)
        return series.kind if ours else ""

    def finish(self) -> Sequence[Record]:
        """Compute what was taken so far; what is to be told again."""
        times, rows, self._times, self._rows = self._times, self._rows, [], []
        if not times:
            return ()
        before = self._ticks | dict(self.past.published("tick", times[0], times[-1] + 1))
        self._ticks = {}
        terms = [self._terms(time, before.get(time)) for time in times]
        block = self.books.priced(b"".join(rows), terms)
        self.reached = times[-1]
        self.counts.instants += len(times)
        self.counts.samples += len(times) * len(self.books.layout.channels)
        return list(self._told(self.books.advance(times, block, terms), times[-1], before))

    def _told(self, made: Iterable[Record], time: int, ticks: Mapping[int, Record]) -> Iterator[Record]:
        """Those that are not as they were published, a revision higher."""
        for one in made:
            if one.series is self._tick:
                window, before = "tick", ticks.get(one.time)
            else:
                window = one.series.tag("window")
                before = self.past.published(window, one.time, one.time + 1).get(one.time)
                before = before or self._seen.pop((window, one.time), None)
            self.counts.computed[window] += 1
            if before is None and time <= self._since:
                continue  # what was published before is not stored any more
            if before is not None and _alike(one, before):
                continue
            self.counts.changed[window] += 1
            if window in self._windows:
                yield _revised(one, before)

    def _checked(self, record: Record) -> Iterator[Record]:
        """A state that was noted: accounts that began anew then do so now; else ours takes its place."""
        how, noted = record.texts
        if how == "anew":
            self._begin(record)
            return
        before = self.past.noted(record.time)
        if base64.b85decode(before.texts[1] if before else noted) == self.books.state():
            return
        yield Record(record.series, record.time, b"", ("", base64.b85encode(self.books.state()).decode()))

    def _begin(self, record: Record) -> None:
        """Accounts began anew with a state; when it is another site's they do so until one of ours comes.

        Ours may be earlier than what came before it: the clock was set back, and what a wrong one told is not ours.
        """
        how, noted = record.texts
        if how != "anew":
            return
        try:
            self.books.restore(base64.b85decode(noted))
        except ValueError:
            self._strange = True
        else:
            self._strange, self.reached = False, record.time

    def _terms(self, time: int, before: Record | None) -> GridTerms:
        """What the grid emitted, and where that is from."""
        if not self._since < time <= self._until and before is not None:
            return _published(before)
        terms, asked, until = self._known
        if terms is None or not asked <= time < until:
            terms = self.books.terms(time)
            self._known = terms, time, self.books.ladder.until(time)
        return terms

    def _late(self, record: Record) -> bytes:
        """A row of late energy at the grid's mean; as it was booked outside the period."""
        seconds = struct.unpack_from("d", record.values)[0]
        if not self._since < record.time <= self._until:
            return record.values
        mean = self.books.ladder.mean(record.time - int(max(3600.0, seconds) * NS), record.time)
        terms = GridTerms(mean, self.books.ladder.official(record.time).intensity)
        return self.books.priced(record.values, [terms])


def _alike(one: Record, before: Record) -> bool:
    """Whether both say the same, their revision aside, to the last bit."""
    return one.values[:-8] == before.values[:-8] and one.texts == before.texts


def _revised(one: Record, before: Record | None) -> Record:
    revision = 0.0 if before is None else struct.unpack_from("d", before.values, len(before.values) - 8)[0] + 1.0
    return Record(one.series, one.time, one.values[:-8] + struct.pack("d", revision), one.texts)


def _published(before: Record) -> GridTerms:
    clean, official, tier, age, _ = struct.unpack_from(
        f"{len(EXTRA)}d", before.values, len(before.values) - 8 * len(EXTRA)
    )
    intensity = before["grid_intensity"]
    assert isinstance(intensity, float)  # a number of every emission
    ended = before.time - round(age * NS) if age else before.time
    signal = Signal(intensity, before.texts[1], before.texts[0], int(tier), 0, ended, clean_share=clean)
    return GridTerms(signal, official)
