"""The rows of a site and its booked intervals, for the implementation of the method in `method`.

Numbers in brackets are sections of METHOD; other words in brackets are headings of ext/README.md. Units: W, Wh, h, g;
g/kWh in factors and results. NaN is an unknown value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

NAN = math.nan
RENEWABLE = ("pv", "wind", "hydro")
FUELLED = ("genset", "chp")
TWO_WAY = ("grid", "battery")
METERED = ("load", "ev")  # sub-meters, which take no part in the balance
GROUPS = ("industry", "power", "building", "transport")
FLOWS = ("load", "grid_import", "grid_export", "pv", "generation", "battery_discharge", "battery_charge", "residual")
KINDS = {
    "grid_import": ("grid",),
    "grid_export": ("grid",),
    "pv": ("pv",),
    "generation": ("wind", "hydro", *FUELLED),
    "battery_discharge": ("battery",),
    "battery_charge": ("battery",),
}  # a flow is known if each channel of these roles is (METHOD-SITE 9.1)
GRAMS = ("emission", "scope1", "scope2_location", "scope2_market", "avoided")
CLOSING = (
    *("unaccounted_energy", "unaccounted_emission", "battery_loss_energy", "battery_loss_emission"),
    *(f"{name}_emission" for name in KINDS),
)  # METHOD-SITE 12

NOISE = 0.02  # of the inflow: a load that far below zero is meter noise (4.5)
DUST = 1e-9  # of the inflow: a load that small is left over from subtracting doubles (Cases)
EMPTY = 1e-6  # Wh in the store (Cases)
CUT = 0.001  # of the capacity: what "almost 0" means (4.6, Battery)
POWER = 1e12  # W: more is not a number of this world, nor are Wh that need more (Cases)
IDLE = 1e6  # g/kWh: fuel for next to no output (Cases)


def ratio(over: float, under: float) -> float:
    """The quotient; NaN where it is undefined, never infinite (4.5)."""
    return over / under if under > 0 else NAN


def known(values: Iterable[float]) -> list[float]:
    """Return the values that are numbers."""
    return [value for value in values if not math.isnan(value)]


def known_or_0(value: float) -> float:
    """The value, and 0 for NaN: only where the text says that unknown counts as 0."""
    return 0.0 if math.isnan(value) else value


def total(values: Iterable[float]) -> float:
    """Return the sum of the values that are numbers; NaN without any."""
    there = known(values)
    return math.fsum(there) if there else NAN


def positive(value: float) -> float:
    """max(value, 0) of 4.1; NaN stays NaN."""
    return value if math.isnan(value) or value > 0 else 0.0


def plausible(value: float, most: float = math.inf) -> float:
    """The value if it is a finite number from 0 to `most`, else NaN (COLUMNS: a number that cannot be)."""
    return value if math.isfinite(value) and 0 <= value <= most else NAN


def within_1(value: float) -> float:
    """The nearest share from 0 to 1; NaN stays NaN."""
    return value if math.isnan(value) else min(1.0, max(0.0, value))


@dataclass(frozen=True, slots=True)
class Parcel:
    """Energy in Wh and what it carries (README): g of carbon, Wh of it that are clean, Wh of own renewables."""

    energy: float = 0.0
    carbon: float = 0.0
    clean: float = 0.0
    own: float = 0.0

    def times(self, share: float) -> Parcel:
        """Return this share of the parcel."""
        return Parcel(self.energy * share, self.carbon * share, self.clean * share, self.own * share)

    def part(self, energy: float) -> Parcel:
        """Return this many Wh of the mix; nothing of an empty parcel."""
        return self.times(energy / self.energy) if self.energy > 0 else Parcel()


def mixed(parcels: Iterable[Parcel]) -> Parcel:
    """Return the sum of the parcels: numerators and denominator of the mix (4.4)."""
    every = list(parcels)
    return Parcel(*(math.fsum(getattr(p, name) for p in every) for name in ("energy", "carbon", "clean", "own")))


def grid_parcel(energy: float, row: Row) -> Parcel:
    """Return this many Wh of the grid's mix."""
    return Parcel(energy, energy * row.grid / 1000, energy * row.grid_clean)


def official_of(site: Site, row: Row) -> float:
    """Return EF_off, g/kWh (4.3): the row's, else the site's, else the grid's present value."""
    return next((factor for factor in (row.official, site.official_factor) if not math.isnan(factor)), row.grid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The arguments of `Accounts`, under their names."""

    roles: Sequence[str]
    factors: Sequence[float]
    method: str = "proportional"
    residual_factor: float = 609.6
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    windows: int = 0
    columns: Sequence[str] = ()
    groups: Sequence[str] | None = None
    rated_power: float = 0.0
    register_step: float = 0.0
    official_factor: float = NAN
    certificate_factor: float = 0.0
    hour: int = -1
    capacity: float = 0.0
    soc_time: float = 3600.0
    self_discharge: float = 0.0

    def of(self, *roles: str) -> list[int]:
        """The channels of these roles."""
        return [channel for channel, role in enumerate(self.roles) if role in roles]

    def group(self, channel: int) -> str:
        """Return the group of a sub-meter; without groups each ev is transport."""
        if self.groups is not None:
            return self.groups[channel]
        return "transport" if self.roles[channel] == "ev" else ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row in, checked. `seconds` 0: no interval ends here. `ahead`, `back`: Wh by counters, a channel each."""

    seconds: float
    grid: float
    grid_clean: float
    power: Sequence[float]
    ahead: Sequence[float]
    back: Sequence[float]
    carbon: Sequence[float]
    soc: float
    certificates: float
    captured: float
    apart: dict[str, float]
    official: float
    ends: Sequence[float]


APART = {"burnt": "heat_fuel_emission", "biogenic": "biogenic_emission", "heat": "heat_energy"}
"""Columns beside the balance, and the details that they sum to (Burnt, biogenic, heat; METHOD-SITE 9.7)."""


def read(site: Site, values: Sequence[float]) -> Row:
    """Cut a row into its columns."""
    n = len(site.roles)
    columns: dict[str, Sequence[float]] = {}
    at = 3 + n
    for name in site.columns:
        width = {"energy": 2 * n, "carbon": n, "ends": site.windows}.get(name, 1)
        columns[name] = values[at : at + width]
        at += width
    assert at == len(values)
    seconds = values[0] if 0 < values[0] <= 1e9 else 0.0
    most = POWER * seconds / 3600
    energy = [plausible(value, most) for value in columns.get("energy", [NAN] * (2 * n))]
    return Row(
        seconds=seconds,
        grid=plausible(values[1], 1e6),
        grid_clean=known_or_0(plausible(values[2], 1)),
        power=[value if abs(value) <= POWER else NAN for value in values[3 : 3 + n]],
        ahead=energy[0::2],
        back=energy[1::2],
        carbon=[plausible(value) for value in columns.get("carbon", [NAN] * n)],
        soc=plausible(columns.get("soc", [NAN])[0], 1),
        certificates=known_or_0(plausible(columns.get("certificates", [NAN])[0], most)),
        captured=plausible(columns.get("captured", [NAN])[0]) * 1000,
        apart={name: plausible(columns[name][0], 1e15) for name in APART if name in columns},
        official=plausible(columns.get("official", [NAN])[0], 1e6),
        ends=[known_or_0(plausible(value)) for value in columns.get("ends", ())],
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval, booked. `flow`: Wh of FLOWS as a tick shows them; `balance`: its load before clamping."""

    hours: float
    grid: float
    captured: float
    official: float = NAN
    coverage: float = 0.0  # share of the balance's channels that are there; 0: no balance
    faulty: bool = False
    flow: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FLOWS, NAN))
    balance: float = NAN
    gross: float = 0.0  # Wh through all channels, either way: what the balance's rounding is measured by
    inflow: Parcel = Parcel()
    load: Parcel = Parcel()
    charge: Parcel = Parcel()
    export: Parcel = Parcel()
    given: Parcel = Parcel()  # by the battery
    battery_intensity: float = NAN  # g/kWh at which the battery gives, or would
    pv: Parcel = Parcel()
    green: Parcel = Parcel()  # wind and hydro
    fuel: Parcel = Parcel()
    metered: dict[str, float] = field(default_factory=dict)  # Wh by group
    certificates: float = 0.0
    amount: dict[str, float] = field(default_factory=dict)  # Wh of KINDS by the channels that are there
    unaccounted: float = 0.0
    unaccounted_carbon: float = 0.0
    loaded: bool = False  # whether the load is known
    lost: tuple[float, float] = (0.0, 0.0)  # Wh and g of the store's loss

    @property
    def moves(self) -> bool:
        """Whether any channel of the balance is there: else it moves no energy, no carbon and no covered time."""
        return self.coverage > 0

    @property
    def own(self) -> float:
        """Wh of own renewable production."""
        return self.pv.energy + self.green.energy

    def knows(self, name: str) -> bool:
        """Whether a flow is known."""
        return self.moves and not math.isnan(self.flow[name])

    def grams(self, name: str) -> float:
        """Return the carbon of one of KINDS."""
        return {
            "grid_import": self.amount["grid_import"] * self.grid / 1000,
            "grid_export": self.export.carbon,
            "pv": self.pv.carbon,
            "generation": self.green.carbon + self.fuel.carbon,
            "battery_discharge": self.given.carbon,
            "battery_charge": self.charge.carbon,
        }[name]
