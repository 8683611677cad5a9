"""The `[goals]` table as data: targets, baselines, milestones, manual entries, products, buildings, prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Baseline:
    """Value of a base year. yearly: wanted change per year, -0.029 is -2.9 %; None for the default pace."""

    value: float
    year: int
    yearly: float | None = None


@dataclass(frozen=True, slots=True)
class Milestone:
    """Target value at the end of a year (METHOD 6, A20)."""

    year: int
    value: float


@dataclass(frozen=True, slots=True)
class ManualEntry:
    """A number that a person entered, with the person, the day, the document and the period.

    what: the input's name, such as "allowance", "process_emission", "rnd_share" or "tonnes:food line". first, last: the
    first and the last day of the period; afterwards the entry has expired. name: the responsible person. entered: day
    of entry.
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
    """A product of a line, with its output and its energy.

    goal: the claim it belongs to (A07, A16, A17, A18, A19, B18 ...). process: class of the limit standard, such as
    "eaf_70" or "clinker", "" for none. energy: sub-meters of its electricity. fuel: devices of role fuel. recovered:
    meters of recovered energy. output: device of role production, "" if tonnes are entered by hand (`tonnes:NAME`).
    unit_mass: mass of one counted unit, kg.
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
    """A building: its sub-meters, floor area in m2, and design value in kWh/(m2 a)."""

    name: str
    energy: tuple[str, ...]
    area: float
    design: float | None = None


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """The energy baseline (ISO 50006): the reference period and its variables.

    first, last: local days, both included. outputs: names of products. heating_base, cooling_base: base temperatures of
    the degree days, degC. The daily mean temperatures come from the device `weather` or from the file `temperatures`.
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
    """The site's settings of the goals; all are optional.

    since: first local day that counts. district: "main" or "other" (self-consumption rule of Chongqing). price: CNY/t.
    nominal_voltage: V between phases. targets: by claim, in the indicator's unit. zone_renewable: renewable share of
    the grid's power, which replaces the value of the shipped table.
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
        """Return the entry of an input whose period contains a day, the one entered last; None if there is none."""
        found = [entry for entry in self.entries if entry.what == what and entry.first <= day <= entry.last]
        return max(found, key=lambda entry: entry.entered, default=None)
