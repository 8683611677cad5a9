"""The battery pool of a site and the allocation of its energy, for the implementation of the method in `method`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from tests.support.method_rows import (
    CUT,
    EMPTY,
    Parcel,
    Row,
    Site,
    grid_parcel,
    mixed,
    official_of,
    positive,
    ratio,
)


class Store:
    """The battery pool (4.6): S is `inside.energy`, K `inside.carbon`; clean and own are shares of S in Wh."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.inside = Parcel()
        self.opened = False  # by a state of charge, since it was last empty
        self.opening = 0.0  # g booked as opening stock
        self.lost = 0.0  # g booked as lost
        self.most = 0.0  # g/Wh, c_max since it was empty
        self.last: Parcel | None = None  # a Wh of the mix that was last discharged
        self.entered = Parcel()  # all that ever came in: the measure of its rounding

    def add(self, parcel: Parcel, intensity: float) -> None:
        """Store a parcel that came at this g/Wh."""
        if parcel.energy > 0:
            self.inside, self.entered = mixed([self.inside, parcel]), mixed([self.entered, parcel])
            self.most = max(self.most, intensity)

    def first(self, energy: float, row: Row) -> Parcel:
        """K_0 = S_0 EF_off: energy without a recorded charge carries the official factor (4.6)."""
        return Parcel(energy, energy * official_of(self.site, row) / 1000, energy * row.grid_clean)

    def open(self, energy: float, row: Row) -> None:
        """Add energy without a recorded charge (Battery)."""
        self.add(self.first(energy, row), official_of(self.site, row) / 1000)
        self.opening += self.first(energy, row).carbon

    def beyond(self, energy: float, row: Row) -> Parcel:
        """What is discharged beyond the stock: its last mix (METHOD-SITE 9.6), EF_off before there was any."""
        if self.inside.energy > 0:
            return self.inside.part(energy)
        return self.first(energy, row) if self.last is None else self.last.times(energy)

    def given(self, energy: float, row: Row, *, instant: bool) -> Parcel:
        """What a discharge of so many Wh carries: c_bat = k / eta_d; beyond the stock its last mix.

        At an instant nothing runs out. Clean and own energy shrink with the losses, so their shares stay.
        """
        efficiency = self.site.discharge_efficiency
        taken = energy / efficiency
        stocked = min(taken, self.inside.energy) if not instant or self.inside.energy == 0 else taken
        out = mixed([self.inside.part(stocked), self.beyond(taken - stocked, row)])
        return Parcel(energy, out.carbon, out.clean * efficiency, out.own * efficiency)

    def intensity(self) -> float:
        """c_bat = k / eta_d in g/kWh; NaN of an empty store."""
        return 1000 * ratio(self.inside.carbon, self.inside.energy * self.site.discharge_efficiency)

    def discharge(self, energy: float, row: Row) -> None:
        """S <- S - E / eta_d, K <- K - k E / eta_d; what is missing is an opening stock (Battery)."""
        taken = energy / self.site.discharge_efficiency
        missing = self.beyond(taken - self.inside.energy, row)
        if taken > 0 and self.inside.energy > 0:
            self.last = self.inside.part(1.0)
        if taken > self.inside.energy:
            self.add(missing, ratio(missing.carbon, missing.energy))
            self.opening += missing.carbon
            self.inside = Parcel()
        elif taken > 0:
            self.inside = self.inside.times(1 - taken / self.inside.energy)

    def charge(self, parcel: Parcel) -> None:
        """S <- S + eta_c E, K <- K + c_mix E."""
        stored = parcel.times(self.site.charge_efficiency)
        self.add(replace(stored, carbon=parcel.carbon), ratio(parcel.carbon, parcel.energy))

    def resize(self, energy: float) -> None:
        """Another S with K unchanged; the shares of clean and own energy stay (silent for a growing S)."""
        self.inside = replace(self.inside.part(energy), carbon=self.inside.carbon)

    def lose(self, hours: float) -> None:
        """S <- S - E_loss: that share in an hour, however the hour is cut (4.11: splitting changes nothing)."""
        self.resize(self.inside.energy * (1 - self.site.self_discharge) ** hours)

    def correct(self, row: Row) -> None:
        """The first state of charge opens the stock; later ones draw S slowly, K untouched (4.6, Battery)."""
        if math.isnan(row.soc):
            return
        target, before = row.soc * self.site.capacity, self.inside.energy
        if not self.opened:
            self.opened = True
            self.open(positive(target - before), row)
            self.sweep()
            return
        if row.seconds:
            self.resize(target + (before - target) * math.exp(-row.seconds / self.site.soc_time))
            self.sweep(CUT * self.site.capacity if target < before else EMPTY)

    def sweep(self, least: float = EMPTY) -> None:
        """Below `least` it is empty, and the rest of K is lost, so that carbon is conserved (4.6)."""
        if self.inside.energy < least:
            self.lost += self.inside.carbon
            self.inside, self.most, self.opened = Parcel(), 0.0, False

    def concentrated(self) -> bool:
        """The alarm k > 2 c_max (4.6)."""
        return self.inside.carbon > 2 * self.most * self.inside.energy


def two_ways(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Wh with the role's direction and against it of channels that are one connection (4.1: sum before the max).

    The sign of the sum decides; what one channel counted both ways stays both (Energy). Channels that cancel each
    other to within 1e-9 leave nothing (Cases).
    """
    both = math.fsum(min(pair) for pair in pairs)
    net = math.fsum(value for ahead, back in pairs for value in (ahead, -back))
    if abs(net) <= 1e-9 * math.fsum(abs(ahead - back) for ahead, back in pairs):
        net = 0.0
    return both + positive(net), both + positive(-net)


def proportional(sources: Sequence[Parcel], outflows: Sequence[float]) -> list[Parcel]:
    """Load, charge and export carry c_mix each (4.4), and all that comes in goes out (4.11).

    So c_mix is by the Wh that go out: they differ from those that come in only where the load was clamped.
    """
    mix, out = mixed(sources), math.fsum(outflows)
    if out == 0:
        return [replace(mix, energy=0.0), Parcel(), Parcel()]  # idle fuel is the load's (Fuel)
    return [replace(mix.times(energy / out), energy=energy) for energy in outflows]


def of_known(sources: Sequence[Parcel], outflows: Sequence[float], row: Row) -> list[Parcel]:
    """Without a load only the charge carries something: the mix of what is known to come in, and for what is missing
    beside what is known to go out the grid's (README, Cases).
    """
    _, charge, export = outflows
    known_in = mixed(sources)
    missing = max(0.0, charge + export - known_in.energy)
    return [Parcel(), mixed([known_in, grid_parcel(missing, row)]).part(charge), Parcel()]


def local_first(left: dict[str, Parcel], idle: Parcel, outflows: Sequence[float]) -> list[Parcel]:
    """Renewables serve load, charge, export; then battery, fuel, import serve load, then charge; the rest is exported.

    METHOD 4.4 with the README's order. That a discharge serves the charge of its interval before others do is not in
    that order, but in what Battery says of several: what one charges from the other never leaves the site.
    """
    served: list[list[Parcel]] = [[idle], [], []]
    demand = list(outflows)
    load, charge, export = range(3)
    order = [("own", load), ("own", charge), ("own", export)]
    order += [("battery", load), ("fuel", load), ("grid", load)]
    order += [("battery", charge), ("fuel", charge), ("grid", charge)]
    for source, outflow in order:
        there = left[source]
        energy = min(there.energy, demand[outflow])
        served[outflow].append(there if energy == there.energy else there.part(energy))
        left[source] = Parcel() if energy == there.energy else there.times(1 - energy / there.energy)
        demand[outflow] -= energy
    served[export] += left.values()
    return [replace(mixed(parts), energy=energy) for parts, energy in zip(served, outflows, strict=True)]
