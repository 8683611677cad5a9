"""What is known of a site's local days, and of a run of them: the one thing that indicators are computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import fsum


@dataclass(frozen=True, slots=True)
class DeviceDay:
    """One device on one local day. What it does not measure is 0 with 0 s (or 0 slots) behind it.

    energy, against: Wh in the direction that its role names and against it, and for how many s it was known.
    amount: what it counted; pieces, kg or m3 (roles production, capture, fuel).
    reactive: varh in either direction, over `reactive_seconds`, with the active Wh of the same time in
    `reactive_beside`.
    slots: means of ten minutes of each phase's voltage, of which `slots_good` were within 7 % of the nominal one
    (GB/T 12325-2008). supplied: s of `observed` s with any voltage.
    temperature: mean of the ambient temperature in degC, over `temperature_seconds`.
    """

    energy: float = 0.0
    against: float = 0.0
    seconds: float = 0.0
    amount: float = 0.0
    reactive: float = 0.0
    reactive_beside: float = 0.0
    reactive_seconds: float = 0.0
    slots: float = 0.0
    slots_good: float = 0.0
    supplied: float = 0.0
    observed: float = 0.0
    temperature: float = 0.0
    temperature_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Quarters:
    """What the quarters of an hour of a day say that the day's sums do not: powers are means of 15 minutes, W.

    count: quarters with a load. overlap: sum of min(load, PV), Wh. peak: highest load, which began at `peak_time`, UTC
    ns. import_peak: highest import. night: lowest load between 0 and 5 o'clock local, of `night_count` quarters.
    """

    count: int = 0
    overlap: float = 0.0
    peak: float = 0.0
    peak_time: int = 0
    import_peak: float = 0.0
    night: float = 0.0
    night_count: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    """One local day, or the part of it that is over.

    start, end: UTC ns; the end is that of what is over. covered: s with a balance. sums: energies in Wh and masses in g
    under the names of an `emission` window's fields (`load_energy`, `scope1`, `transport_emission` ...), what is
    not stored is absent; of a ratio two entries stand, `NAME.part` and `NAME.whole`, whose quotient it is.
    devices: by name. revision: the highest of the windows behind it.
    """

    date: date
    start: int
    end: int
    covered: float
    sums: Mapping[str, float] = field(default_factory=dict)
    devices: Mapping[str, DeviceDay] = field(default_factory=dict)
    quarters: Quarters = Quarters()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive days of a period, from its start up to the instant of an evaluation (UTC ns).

    start, end: of the whole period; over: the evaluation. days: those of which something is stored.
    """

    name: str
    start: int
    end: int
    as_of: int
    days: Sequence[Day]

    @property
    def elapsed(self) -> float:
        """Seconds of the period that are over."""
        return max(0, min(self.end, self.as_of) - self.start) / 1e9

    @property
    def elapsed_share(self) -> float:
        """Share of the period that is over; 0 of one that has no length."""
        return self.elapsed / ((self.end - self.start) / 1e9) if self.end > self.start else 0.0

    @property
    def coverage(self) -> float:
        """Share of the time that is over for which there is a balance."""
        return min(1.0, fsum(day.covered for day in self.days) / self.elapsed) if self.elapsed else 0.0

    def sum(self, name: str) -> float | None:
        """A sum over the days, Wh or g; None where no day has it."""
        found = [day.sums[name] for day in self.days if name in day.sums]
        return fsum(found) if found else None

    def ratio(self, name: str) -> float | None:
        """A ratio of sums; None where it is undefined."""
        whole = self.sum(f"{name}.whole")
        return (self.sum(f"{name}.part") or 0.0) / whole if whole else None

    def device(self, name: str, what: Callable[[DeviceDay], float]) -> float:
        """A sum over the days of one device."""
        return fsum(what(day.devices[name]) for day in self.days if name in day.devices)

    def energy(self, names: Iterable[str]) -> float:
        """Wh of some devices in the direction that their roles name."""
        return fsum(self.device(name, lambda day: day.energy) for name in names)

    def energy_coverage(self, name: str) -> float:
        """Share of the time that is over for which a device's energy is known."""
        return min(1.0, self.device(name, lambda day: day.seconds) / self.elapsed) if self.elapsed else 0.0

    def until(self, as_of: int) -> Stretch:
        """The same as of an earlier instant, which is the end of a day."""
        return Stretch(self.name, self.start, self.end, as_of, [day for day in self.days if day.end <= as_of])
