"""The `[goals]` table as data: targets, baselines, milestones, manual entries, products, buildings, prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class VoluntaryPath:
    """A path that a site may choose: yearly reduction as a share of the base year, linear; its source and version."""

    rate: float
    source: str


VOLUNTARY_PATHS: Mapping[str, VoluntaryPath] = MappingProxyType(
    {
        "sbti-v1": VoluntaryPath(
            0.042,
            "voluntary: -4.2 % of the base year, each year, by SBTi Corporate Net-Zero Standard V1 (1.5 degC, read in "
            "secondary texts); superseded by V2.0 in June 2026",
        )
    }
)
"""Paths by their name in the configuration. None is preset."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Value of a base year. yearly: the site's wanted change per year, -0.029 is -2.9 %; None for none.

    path: a key of VOLUNTARY_PATHS instead of `yearly`, "" for none.
    """

    value: float
    year: int
    yearly: float | None = None
    path: str = ""


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
    unit_mass: mass of one counted unit, kg. steel: a key of STEEL_GRADES, "" if not stated.
    """

    name: str
    goal: str
    process: str = ""
    energy: tuple[str, ...] = ()
    fuel: tuple[str, ...] = ()
    recovered: tuple[str, ...] = ()
    output: str = ""
    unit_mass: float = 1.0
    steel: str = ""


@dataclass(frozen=True, slots=True)
class BuildingSettings:
    """A building: its sub-meters, floor area in m2, and design value in kWh/(m2 a)."""

    name: str
    energy: tuple[str, ...]
    area: float
    design: float | None = None


@dataclass(frozen=True, slots=True)
class ArraySettings:
    """A PV inverter whose modules lie in one plane, and the sensor in this plane (A11, B13).

    pv: device of role pv. peak_power: of the modules at standard test conditions, W. irradiance: device of role
    weather. sensor: its quantity, W/m2 in the plane of the modules.
    """

    pv: str
    peak_power: float
    irradiance: str
    sensor: str = "irradiance_plane"


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


INDUSTRIES = ("steel", "cement", "aluminium", "polysilicon", "other")
"""Industries of a site; the first four have a renewable consumption weight in Chongqing (METHOD 0.8)."""

WEIGHTED_INDUSTRIES = INDUSTRIES[:-1]


@dataclass(frozen=True, slots=True)
class GoalsConfig:
    """The site's settings of the goals; all are optional.

    since: first local day that counts. district: "main" or "other" (self-consumption rule of Chongqing). price: CNY/t.
    nominal_voltage: V between phases. targets: by claim, in the indicator's unit. zone_renewable: renewable share of
    the grid's power, which replaces the value of the shipped table. industry: a key of INDUSTRIES, "" if not declared.
    carbon_market: "national" or "pilot", "" for that of the zone. zero_carbon_park: whether the site declares itself a
    zero-carbon park. ev_consumption: kWh/km of the charged vehicles, at the charger. altitude: of the plant, m.
    heat_factor: CO2 of heat that is bought or sold, tCO2/GJ.
    """

    since: date | None = None
    district: str = "main"
    price: float | None = None
    nominal_voltage: float = 380.0
    zone_renewable: float | None = None
    industry: str = ""
    carbon_market: str = ""
    zero_carbon_park: bool = False
    ev_consumption: float | None = None
    altitude: float | None = None
    heat_factor: float | None = None
    targets: Mapping[str, float] = field(default_factory=dict)
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    milestones: Mapping[str, tuple[Milestone, ...]] = field(default_factory=dict)
    entries: tuple[ManualEntry, ...] = ()
    products: tuple[ProductSettings, ...] = ()
    buildings: tuple[BuildingSettings, ...] = ()
    arrays: tuple[ArraySettings, ...] = ()
    model: BaselineSettings | None = None

    def entry(self, what: str, day: date) -> ManualEntry | None:
        """Return the entry of an input whose period contains a day, the one entered last; None if there is none."""
        found = [entry for entry in self.entries if entry.what == what and entry.first <= day <= entry.last]
        return max(found, key=lambda entry: entry.entered, default=None)
