"""The input rows, parcels, the pool and the sharing rules of the oracle, in 50 digits.

Units: W, Wh, g, g/Wh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from math import isfinite, nan

Pair = tuple[Decimal, Decimal]
ZERO = Decimal(0)
PRODUCERS = ("pv", "wind", "hydro", "genset", "chp")
RENEWABLES = ("pv", "wind", "hydro")
GROUPS = ("industry", "power", "building", "transport")
TRACE = Decimal("1e-6")
"""Wh: a store with less is empty."""
DIGITS = Context(prec=50)


@dataclass(frozen=True, slots=True)
class Instant:
    """An input row; omitted values are unknown."""

    seconds: float
    grid: float
    clean: float
    powers: tuple[float, ...]
    energy: tuple[tuple[float, float], ...] = ()
    carbon: tuple[float, ...] = ()
    soc: float = nan
    certificates: float = nan
    captured: float = nan
    official: float = nan
    burnt: float | None = None  # None: no such column
    biogenic: float | None = None
    heat: float | None = None


APART = {"burnt": "heat_fuel_emission", "biogenic": "biogenic_emission", "heat": "heat_energy"}
"""Amounts beside the balance (METHOD-SITE 9.7), and their details of a window."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Power with what it carries: g/h, W of clean and W of own renewable production."""

    power: Decimal = ZERO
    carbon: Decimal = ZERO
    clean: Decimal = ZERO
    own: Decimal = ZERO

    def __add__(self, other: Parcel) -> Parcel:
        return Parcel(
            self.power + other.power, self.carbon + other.carbon, self.clean + other.clean, self.own + other.own
        )

    def part(self, share: Decimal) -> Parcel:
        return Parcel(self.power * share, self.carbon * share, self.clean * share, self.own * share)


NOTHING = Parcel()


@dataclass(slots=True)
class Pool:
    """METHOD 4.6: the store's energy S (Wh), carbon K (g), clean and own energy (Wh)."""

    energy: Decimal = ZERO
    carbon: Decimal = ZERO
    clean: Decimal = ZERO
    own: Decimal = ZERO
    opened: bool = False
    dearest: Decimal = ZERO

    def scale(self, factor: Decimal) -> None:
        """The energy changes and the carbon does not."""
        self.energy, self.clean, self.own = self.energy * factor, self.clean * factor, self.own * factor


@dataclass(frozen=True, slots=True)
class Interval:
    """The flows of an interval: Wh and g. covered: None if nothing of the balance is known. loaded: the load is known.

    known: the flows of which every channel is known.
    """

    seconds: Decimal
    sums: dict[str, Decimal] = field(default_factory=dict)
    covered: Decimal | None = None
    loaded: bool = False
    known: frozenset[str] = frozenset()
    residual: Decimal | None = None
    captured: Decimal | None = None

    def __getitem__(self, name: str) -> Decimal:
        return self.sums.get(name, ZERO)


def number(value: float, low: float, high: float) -> Decimal | None:
    """Return the value if it is a number from low to high, else None."""
    return Decimal(value) if isfinite(value) and low <= value <= high else None


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return part / whole if whole > 0 else None


def share(part: Decimal, whole: Decimal) -> Decimal | None:
    return min(Decimal(1), max(ZERO, part / whole)) if whole > 0 else None


def per_kwh(value: Decimal | None) -> Decimal | None:
    return None if value is None else value * 1000


def connection(flows: Sequence[Pair]) -> Pair:
    """Sum the channels of one connection. Each keeps its counts both ways; otherwise the sign of the sum decides.

    Channels that cancel each other to within 1e-9 of their magnitudes leave nothing.
    """
    both = sum((min(flow) for flow in flows), ZERO)
    nets = [forward - backward for forward, backward in flows]
    net = sum(nets, ZERO)
    if abs(net) <= sum(map(abs, nets)) / 10**9:
        net = ZERO
    return max(net, ZERO) + both, max(-net, ZERO) + both


KINDS = {
    "grid_import": ("grid",),
    "grid_export": ("grid",),
    "pv": ("pv",),
    "generation": ("wind", "hydro", "genset", "chp"),
    "battery_discharge": ("battery",),
    "battery_charge": ("battery",),
}
"""The roles whose channels make up a flow."""


def of_known(inflows: Sequence[Parcel], outflows: Sequence[Decimal], grid: Parcel) -> list[Parcel]:
    """Without a load only the charge gets carbon: the mix of the known inflows, and of the grid for what they lack.

    grid: one W of it.
    """
    total = sum(inflows, NOTHING)
    _, charge, exported = outflows
    if charge == 0:
        return [NOTHING] * 3
    missing = max(ZERO, charge + exported - total.power)
    return [NOTHING, (total + grid.part(missing)).part(charge / (total.power + missing)), NOTHING]


def proportional(inflows: Sequence[Parcel], outflows: Sequence[Decimal]) -> list[Parcel]:
    """METHOD 4.4: every outflow carries the mix. Where nothing flows out, what burns is the load's."""
    total = sum(inflows, NOTHING)
    whole = sum(outflows, ZERO)
    if whole == 0:
        return [total, NOTHING, NOTHING]
    return [total.part(outflow / whole) for outflow in outflows]


def local_first(inflows: Sequence[Parcel], outflows: Sequence[Decimal]) -> list[Parcel]:
    """METHOD 4.4: inflows and outflows laid end to end in their order; who lies beside whom is served by him.

    The last outflow takes all that is left. What an idle producer burns is the load's.
    """
    last = max((i for i, outflow in enumerate(outflows) if outflow > 0), default=0)
    result = [NOTHING, NOTHING, NOTHING]
    begin = ZERO
    for parcel in inflows:
        if parcel.power == 0:
            result[0] += parcel
            continue
        end, low = begin + parcel.power, ZERO
        for i, outflow in enumerate(outflows[: last + 1]):
            high = low + outflow if i < last else max(end, low)
            beside = max(ZERO, min(end, high) - max(begin, low))
            result[i] += parcel.part(beside / parcel.power)
            low = high
        begin = end
    return result


def generation_carbon(sums: dict[str, Decimal]) -> Decimal:
    """Return the carbon of wind, hydro, gensets and CHP, g."""
    return sums["own_carbon"] - sums["pv_carbon"] + sums["scope1"]
