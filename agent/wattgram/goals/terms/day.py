"""Sums of a site's local days, and of periods of days: the input of all indicators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import fsum


@dataclass(frozen=True, slots=True)
class DeviceDay:
    """One device on one local day. A quantity that it does not measure is 0, with 0 s or 0 slots.

    energy, against: Wh in the direction of its role and against it. seconds: measured time, s.
    amount: counted pieces, kg, m3 or Wh (roles production, capture, fuel, heat).
    reactive: varh in either direction, over `reactive_seconds`. reactive_beside: active Wh of the same time.
    slots: 10-minute means of each phase's voltage. slots_good: number of them within 7 % of the nominal voltage
    (GB/T 12325-2008). supplied: time with any voltage, s of `observed` s.
    temperature: mean ambient temperature over `temperature_seconds`, degC. curve_energy, curve_heat: Wh of a genset or
    CHP with a fuel meter and a configured efficiency, and heat of the fuel for this energy by that efficiency.
    yield_energy, yield_irradiation: Wh of a PV array and Wh/m2 in the plane of its modules, over the `yield_seconds`
    with both. sunny_seconds: of these with at least `SUNNY` W/m2; producing_seconds: of these with production.
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
    curve_energy: float = 0.0
    curve_heat: float = 0.0
    yield_energy: float = 0.0
    yield_irradiation: float = 0.0
    yield_seconds: float = 0.0
    sunny_seconds: float = 0.0
    producing_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Quarters:
    """Results of the quarter-hours of a day; powers are 15-minute means, W.

    count: quarter-hours with a load. overlap: sum of min(load, PV), Wh. peak: highest load. peak_time: its start, UTC
    ns. import_peak: highest import. night: lowest load of the `night_count` quarter-hours between 0:00 and 5:00 local.
    own_share: sum of the own renewable share, 0-1, of the load of `own_count` quarter-hours.
    """

    count: int = 0
    overlap: float = 0.0
    peak: float = 0.0
    peak_time: int = 0
    import_peak: float = 0.0
    night: float = 0.0
    night_count: int = 0
    own_share: float = 0.0
    own_count: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    """One local day, or its elapsed part.

    start, end: UTC ns; `end` is the end of the elapsed part. covered: time with a balance, s. sums: energies in Wh and
    masses in g by the field names of an `emission` window (`load_energy`, `scope1`, `transport_emission` ...); absent
    if not stored. A ratio is the quotient of two entries, `NAME.part` and `NAME.whole`. `NAME_uncertainty` is that
    of a sum or of a ratio, k = 2. devices: by name. revision:
    highest revision of the windows.
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
    """Consecutive days of a period up to the instant of an evaluation.

    start, end: of the whole period, UTC ns. as_of: instant of the evaluation, UTC ns. days: the stored days.
    """

    name: str
    start: int
    end: int
    as_of: int
    days: Sequence[Day]

    @property
    def elapsed(self) -> float:
        """Elapsed time of the period, s."""
        return max(0, min(self.end, self.as_of) - self.start) / 1e9

    @property
    def elapsed_share(self) -> float:
        """Elapsed share of the period; 0 for a period without length."""
        return self.elapsed / ((self.end - self.start) / 1e9) if self.end > self.start else 0.0

    @property
    def coverage(self) -> float:
        """Share of the elapsed time with a balance."""
        return min(1.0, fsum(day.covered for day in self.days) / self.elapsed) if self.elapsed else 0.0

    def sum(self, name: str) -> float | None:
        """Return a sum over the days, Wh or g; None if no day has it."""
        found = [day.sums[name] for day in self.days if name in day.sums]
        return fsum(found) if found else None

    def ratio(self, name: str) -> float | None:
        """Return a ratio of sums; None if it is undefined."""
        whole = self.sum(f"{name}.whole")
        return (self.sum(f"{name}.part") or 0.0) / whole if whole else None

    def device(self, name: str, quantity: Callable[[DeviceDay], float]) -> float:
        """Return a sum over the days of one device."""
        return fsum(quantity(day.devices[name]) for day in self.days if name in day.devices)

    def energy(self, names: Iterable[str]) -> float:
        """Return the energy of some devices in the direction of their roles, Wh."""
        return fsum(self.device(name, lambda day: day.energy) for name in names)

    def energy_coverage(self, name: str) -> float:
        """Return the share of the elapsed time for which a device's energy was measured."""
        return min(1.0, self.device(name, lambda day: day.seconds) / self.elapsed) if self.elapsed else 0.0

    def until(self, as_of: int) -> Stretch:
        """Return the stretch as of an earlier instant, which is the end of a day."""
        return Stretch(self.name, self.start, self.end, as_of, [day for day in self.days if day.end <= as_of])
