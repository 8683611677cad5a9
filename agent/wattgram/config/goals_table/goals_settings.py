"""The `[goals]` table as data: targets, baselines, milestones, manual entries, products, buildings, prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Baseline:
    """A value of a year that later ones are measured against; `yearly`: wanted change a year, -0.029 = -2.9 %."""

    value: float
    year: int
    yearly: float | None = None


@dataclass(frozen=True, slots=True)
class Milestone:
    """A value to be reached at the end of a year (METHOD 6, A20)."""

    year: int
    value: float


@dataclass(frozen=True, slots=True)
class ManualEntry:
    """A number that a person answers for: who, when, from which document, for which time.

    what: the input's name, such as "allowance", "process_emission", "rnd_share" or "tonnes:food line". The time is from
    `first` to `last`, both included; after it the entry is stale.
    """

    what: str
    value: float
    unit: str
    first: date
    last: date
    name: str
    entered: date
    document: str


@dataclass(frozen=True, slots=True)
class ProductSettings:
    """What a line makes and what it needs for that.

    goal: the claim it belongs to (A07, A16, A17, A18, A19, B18 ...). process: class of the limit standard, such as
    "eaf_70" or "clinker", "" where there is none. energy: sub-meters of its electricity; fuel: devices of role fuel.
    recovered: meters of energy that it gives back. output: device of role production, "" where tonnes are entered by
    hand (`tonnes:NAME`). unit_mass: kg of one counted unit.
    """

    name: str
    goal: str
    process: str = ""
    energy: tuple[str, ...] = ()
    fuel: tuple[str, ...] = ()
    recovered: tuple[str, ...] = ()
    output: str = ""
    unit_mass: float = 1.0


@dataclass(frozen=True, slots=True)
class BuildingSettings:
    """A building: its sub-meters, floor area in m2, and the design value in kWh/(m2 a) that it is compared with."""

    name: str
    energy: tuple[str, ...]
    area: float
    design: float | None = None


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """The energy baseline (ISO 50006): the reference period and its variables.

    first, last: local days, both included. outputs: names of products. degree_days: K·d with the two base
    temperatures in degC, from the device named `weather`, or from a file of date,mean temperature.
    """

    first: date
    last: date
    outputs: tuple[str, ...] = ()
    heating_base: float | None = None
    cooling_base: float | None = None
    weather: str = ""
    temperatures: Path | None = None


@dataclass(frozen=True, slots=True)
class GoalsConfig:
    """What a site says about its goals; everything may be left out.

    since: nothing before it counts. district: "main" or "other" (self-consumption rule of Chongqing). price: CNY/t.
    nominal_voltage: V between phases. targets: by claim, in the indicator's unit. zone_renewable: share of the grid's
    power that is renewable, where the site knows better than the shipped table.
    """

    since: date | None = None
    district: str = "main"
    price: float | None = None
    nominal_voltage: float = 380.0
    zone_renewable: float | None = None
    targets: Mapping[str, float] = field(default_factory=dict)
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    milestones: Mapping[str, tuple[Milestone, ...]] = field(default_factory=dict)
    entries: tuple[ManualEntry, ...] = ()
    products: tuple[ProductSettings, ...] = ()
    buildings: tuple[BuildingSettings, ...] = ()
    model: BaselineSettings | None = None

    def entry(self, what: str, day: date) -> ManualEntry | None:
        """The latest entry of an input that is about a day."""
        found = [entry for entry in self.entries if entry.what == what and entry.first <= day <= entry.last]
        return max(found, key=lambda entry: entry.entered, default=None)
