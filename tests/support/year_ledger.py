"""The hand calculation: METHOD's formulas over what the simulator knows, one quarter of an hour after the other.

It uses no code of the product: kWh, g and g/kWh from the simulator's powers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tests.support.factory_year import Truth

GRID = 558.1
"""g/kWh of Chongqing's grid, 2023 (METHOD 2.2)."""

GRID_CLEAN, GRID_RENEWABLE = 0.325, 0.342
"""Shares of the grid's power: non-fossil by 2023's factors (METHOD 2.4), renewable by the weights of 2025 (0.8)."""

ETA_DIESEL = 0.35
"""Efficiency of the bench's engines, as the site says."""

DIESEL = 266.8 / ETA_DIESEL
"""g per kWh of electricity: EF of heat / efficiency (METHOD 4.7; 74.1 kg/GJ, METHOD 1.2)."""

ETA = 0.95
"""Of the battery, one way, as the site says (METHOD 4.11, example 4)."""

DAY = 96
"""Quarters of an hour; the zone has no summer time."""

CONSUMERS = ("foundry", "hall", "compressors", "ev-charger")


@dataclass(frozen=True, slots=True)
class Quarter:
    """kWh at the site's bus, and what a kWh of their mix carries: g of CO2, kWh of own PV, kWh that are carbon-free."""

    imported: float
    exported: float
    pv: float
    bench: float
    load: float
    carbon: float
    own: float
    clean: float


@dataclass
class Store:
    """Content of the battery (METHOD 4.6): kWh, g of CO2, kWh of own PV, kWh that are carbon-free."""

    energy: float = 0.0
    carbon: float = 0.0
    own: float = 0.0
    clean: float = 0.0

    def discharge(self, kwh: float) -> tuple[float, float, float]:
        """g, own and clean kWh of a discharge, k/eta_d a kWh; energy without a recorded charge is the grid's."""
        taken = kwh / ETA
        stocked = min(taken, self.energy)
        part = stocked / self.energy if stocked else 0.0
        missing = taken - stocked
        result = (
            part * self.carbon + missing * GRID,
            part * self.own * ETA,
            (part * self.clean + missing * GRID_CLEAN) * ETA,
        )
        self.energy -= stocked
        self.carbon *= 1.0 - part
        self.own *= 1.0 - part
        self.clean *= 1.0 - part
        return result

    def charge(self, kwh: float, carbon: float, own: float, clean: float) -> None:
        """S + eta_c E, K + c_mix E: losses take energy away, and no carbon."""
        self.energy += ETA * kwh
        self.carbon += carbon * kwh
        self.own += ETA * own * kwh
        self.clean += ETA * clean * kwh


def quarters(truth: Truth) -> Iterator[Quarter]:
    """Proportional sharing: all that flows out of the bus has the mix of what flows in (METHOD 4.4)."""

    def kwh(*names: str) -> list[float]:
        each = zip(*(truth.powers[name] for name in names), strict=True)
        return [sum(watts) / 4.0 / 1000.0 for watts in each]

    store = Store()
    flows = zip(
        kwh("incomer"), kwh("roof-east", "roof-west"), kwh("bench"), kwh("battery"), kwh(*CONSUMERS), strict=True
    )
    for grid, pv, bench, battery, load in flows:
        imported, discharge, charge = max(grid, 0.0), max(battery, 0.0), max(-battery, 0.0)
        g, own, clean = store.discharge(discharge)
        inflow = imported + pv + bench + discharge
        mix = (
            (imported * GRID + bench * DIESEL + g) / inflow,
            (pv + own) / inflow,
            (imported * GRID_CLEAN + pv + clean) / inflow,
        )
        store.charge(charge, *mix)
        yield Quarter(imported, max(-grid, 0.0), pv, bench, load, *mix)


class Span:
    """Some local days of the year, both ends included."""

    def __init__(self, truth: Truth, year: Sequence[Quarter], first: date, last: date) -> None:
        self.truth, self._year = truth, year
        begin = date(first.year, 1, 1)
        self.first, self.last = first, last
        self.length = (last - first).days + 1
        self._slice = slice((first - begin).days * DAY, ((last - begin).days + 1) * DAY)
        self.quarters = year[self._slice]

    def of(self, first: date, last: date) -> Span:
        """Other days."""
        return Span(self.truth, self._year, first, last)

    @property
    def days(self) -> list[Span]:
        """Each of its days."""
        each = (self.first + timedelta(days=number) for number in range(self.length))
        return [self.of(day, day) for day in each]

    def sum(self, what: Callable[[Quarter], float]) -> float:
        """A sum over the quarters."""
        return sum(what(quarter) for quarter in self.quarters)

    def kwh(self, *parts: str) -> float:
        """Energy of meters in the direction of their roles."""
        return sum(max(watts, 0.0) for name in parts for watts in self.watts(name)) / 4.0 / 1000.0

    def carried(self, what: Callable[[Quarter], float], *parts: str) -> float:
        """What the energy of sub-meters carries of their quarters' mix."""
        return sum(
            watts / 4.0 / 1000.0 * what(quarter)
            for name in parts
            for watts, quarter in zip(self.watts(name), self.quarters, strict=True)
        )

    def watts(self, part: str) -> Sequence[float]:
        """Power in each quarter."""
        return self.truth.powers[part][self._slice]

    @property
    def reactive(self) -> Sequence[float]:
        """var at the incomer in each quarter."""
        return self.truth.reactive[self._slice]

    @property
    def volts(self) -> Sequence[tuple[float, float, float]]:
        """V of the phases in each quarter."""
        return self.truth.volts[self._slice]

    def counted(self, part: str) -> float:
        """kg or m3."""
        return sum(amount for day, amount in self.truth.counts[part].items() if self.first <= day <= self.last)

    @property
    def load(self) -> float:
        """kWh."""
        return self.sum(lambda quarter: quarter.load)

    @property
    def emission(self) -> float:
        """g of the load."""
        return self.sum(lambda quarter: quarter.load * quarter.carbon)
