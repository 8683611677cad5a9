"""The events at the site, and the content of a place. Times are real, UTC in ns; the daemon's clock may be faked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.faults.meter import NS, Had

MS = 1_000_000

PLAUSIBLE = 1_735_689_600 * NS
"""2025: a clock before it is not set, and what is read then is stamped when it is (SPEC 6.8)."""

SET = NS // 20
"""Around a step of the clock both times are right: the daemon may have looked at it just before or after."""

Numbers = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A device record as a database or a subscriber has it."""

    device: str
    time: int
    serial: int
    checks: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tick:
    """An `emission` record of a tick."""

    time: int
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Held:
    """What one place holds. `whole`: it has everything that was delivered, so what is missing is lost."""

    name: str
    readings: Sequence[Reading]
    ticks: Sequence[Tick]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Life:
    """A process of the daemon: from its start to just before it was killed. None: it lives, or it was let end."""

    begin: int
    killed: int | None


@dataclass(frozen=True, slots=True)
class Offsets:
    """By how much the daemon's clock is ahead of ours: (from when on, ns), the first from ever on."""

    steps: tuple[tuple[int, int], ...] = ((0, 0),)

    def at(self, begin: int, end: int) -> set[int]:
        """The offsets with which a reading of this time may be stamped.

        A clock that is not set stamps by the next one that is. After a step backwards the time before goes on for who
        does not want to overwrite what is stored, so both are right.
        """
        allowed = set()
        for number, (start, offset) in enumerate(self.steps):
            stop = self.steps[number + 1][0] if number + 1 < len(self.steps) else None
            if begin - SET > (stop if stop is not None else begin) or end + SET < start:
                continue
            later = (step for _, step in self.steps[number:] if start + step > PLAUSIBLE)
            allowed.add(offset if begin + offset > PLAUSIBLE else next(later, offset))
            before = self.steps[number - 1][1] if number else offset
            if before > offset > PLAUSIBLE - begin:
                allowed.add(before)
        return allowed


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened: the readings by device, the daemon's lives and clock, the period of its ticks (0: they are not
    judged), and when the machine stood still, which is not the daemon's fault."""

    had: Mapping[str, Sequence[Had]]
    lives: Sequence[Life]
    now: int
    offsets: Offsets = Offsets()
    tick: int = 0
    stalls: Sequence[tuple[int, int]] = ()

    def life(self, time: int) -> Life | None:
        """The daemon's life at a time."""
        return next((life for life in reversed(self.lives) if life.begin <= time), None)

    def stalled(self, begin: int, end: int) -> int:
        """How long the machine stood still between two times."""
        return sum(max(0, min(end, stop) - max(begin, start)) for start, stop in self.stalls)


class Finding(NamedTuple):
    """A fault of a record: which record, where, and the fault."""

    record: str
    place: str
    said: str

    def __str__(self) -> str:
        return f"{self.record} in {self.place}: {self.said}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The number of records, and their faults."""

    records: int = 0
    lost: tuple[Finding, ...] = ()
    duplicated: tuple[Finding, ...] = ()
    misdated: tuple[Finding, ...] = ()

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.records + other.records,
            self.lost + other.lost,
            self.duplicated + other.duplicated,
            self.misdated + other.misdated,
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them."""
        return self.lost + self.duplicated + self.misdated
