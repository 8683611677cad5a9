"""The account of a day: windows that close in energy and carbon (METHOD-SITE 9, 12). Wh, g, W, g/kWh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from .calendar import QUARTER, WINDOWS, window, windows
from .flows import Day, Flow, Flows, State
from .mix import Allocation, Inflow, allocate
from .pool import Pool
from .steps import HOUR, Number, rounded
from .wiring import SUB_METERS, Cell, Device

ZERO = Fraction(0)
SOURCES = ("import", "pv", "generation", "discharge")
SINKS = ("load", "export", "charge", "unaccounted")
KINDS = (*SOURCES, *SINKS, "loss")
Sums = dict[str, Fraction]


@dataclass(slots=True)
class Run:
    """Consecutive pieces of a busbar that are priced together: a single known piece, or a gap's part of a quarter.

    `terminal` is the energy of the hybrids' terminals whose split is unknown, Wh, + into the site.
    """

    begin: Number
    end: Number
    state: State
    energy: Sums = field(default_factory=lambda: defaultdict(Fraction))
    carbon: Sums = field(default_factory=lambda: defaultdict(Fraction))
    discharge: Sums = field(default_factory=lambda: defaultdict(Fraction))
    charge: Sums = field(default_factory=lambda: defaultdict(Fraction))
    groups: Sums = field(default_factory=lambda: defaultdict(Fraction))
    terminal: Fraction = ZERO
    unknown: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Booking:
    """What was booked for a run: energies and carbon of the kinds, groups, whether the load and its mix were known.

    `unknown` are the kinds of which a device was unknown.
    """

    begin: Number
    end: Number
    covered: bool
    priced: bool
    energy: Sums
    carbon: Sums
    groups: Sums
    group_carbon: Sums
    unknown: frozenset[str]


@dataclass(frozen=True, slots=True)
class Account:
    """A window: energies and carbon by kind, stocks at begin and end (Wh, g), groups, scope 1.

    `known` are the kinds that were known at some time in the window, or of which something was: zero is told only when
    zero is known (METHOD-SITE 9.1). `priced_load` is the load in the time with a mix, Wh; None without such a time.
    `scope1` is None while its fuel is unknown. `complete` says that the day covers the window. `coverage` is the share
    of the window whose load was booked.
    `rest` is the load that no group uses, Wh, and its carbon, g, in the time in which the load was known.
    `least` is the load below which an intensity says nothing, Wh. `scope2` is the import's carbon by location, g.
    """

    kind: str
    begin: int
    end: int
    complete: bool
    coverage: Fraction
    energy: Sums
    carbon: Sums
    groups: Sums
    group_carbon: Sums
    rest: tuple[Fraction, Fraction]
    stock: tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]]
    priced_load: Fraction | None
    scope1: Fraction | None
    scope2: Fraction
    least: Fraction
    known: frozenset[str]

    @property
    def intensity(self) -> Fraction | None:
        """Return the load's ratio of sums, g/kWh; None for a load that is too small."""
        load = self.priced_load or ZERO
        return self.carbon["load"] * 1000 / load if load > 0 and load >= self.least else None

    def gaps_in_books(self) -> tuple[Number, Number, Number, Number]:
        """Return what the identities of METHOD-SITE 12 lack: balance and stock, in Wh and in g. All are 0."""
        (energy, carbon), (energy_end, carbon_end) = self.stock
        found = [
            sum((sums[kind] for kind in SOURCES), ZERO) - sum((sums[kind] for kind in SINKS), ZERO)
            for sums in (self.energy, self.carbon)
        ]
        stored = [sums["charge"] - sums["discharge"] - sums["loss"] for sums in (self.energy, self.carbon)]
        return found[0], found[1], energy_end - energy - stored[0], carbon_end - carbon - stored[1]


@dataclass(frozen=True, slots=True)
class Fuel:
    """Carbon of fuel burnt from begin to end, g: of generators, and of what makes heat alone; whether all is known."""

    begin: Number
    end: Number
    electric: Fraction
    heating: Fraction
    generators: bool
    burners: bool


def scope1(fuels: list[Fuel]) -> Fraction | None:
    """Return the carbon of all fuel, g; None if one of its parts was at no time known (METHOD-SITE 9.1, 9.7)."""
    electric, heating = sum((fuel.electric for fuel in fuels), ZERO), sum((fuel.heating for fuel in fuels), ZERO)
    known = (electric or any(fuel.generators for fuel in fuels)) and (heating or any(fuel.burners for fuel in fuels))
    return electric + heating if known else None


class Ledger:
    """The books of a day as they are at a time `seen` (default: the end). Gaps that ended by then are settled."""

    def __init__(self, day: Day, seen: Number | None = None, until: Number | None = None) -> None:
        """Account for the day up to `until` (default: `seen`)."""
        self.day, self.site = day, day.site
        self.seen = day.end if seen is None else seen
        self.until = min(day.end, self.seen if until is None else until)
        self.flows = Flows(day, self.seen)
        self.bookings: list[Booking] = []
        self.fuel: list[Fuel] = []
        self.faults: list[tuple[Number, Number]] = []
        self.pools = {name: self._pool(name) for name in self.flows.nodes if self._stores(name)}
        self.stocks: list[tuple[Number, Fraction, Fraction]] = []
        self._snapshot(day.begin)
        self.open: dict[str, Run] = {}
        for left, right in self._pieces():
            self._advance(left, right)
        for busbar in list(self.open):
            self._close(busbar)

    def _stores(self, name: str) -> bool:
        device = self.flows.nodes[name][0]
        return device.role == "battery" or device.terminal is not None

    def _pool(self, name: str) -> Pool:
        device = self.flows.nodes[name][0]
        battery = device if device.role == "battery" else self.site.battery_of(name)
        cell = battery.cell if battery is not None and battery.cell is not None else Cell()
        first = self.day.official or self.day.signal.at(self.day.begin)
        assert first is not None
        return Pool(cell, first / 1000)

    def _pieces(self) -> Iterator[tuple[Number, Number]]:
        begin, end = self.day.begin, self.until
        edges = self.flows.edges()
        for kind in WINDOWS:
            edges |= {first for first, _ in windows(kind, int(begin), int(end), self.site.timezone)}
        kept = [begin, *sorted(edge for edge in edges if begin < edge < end), end]
        return pairwise(kept) if begin < end else iter(())

    def _snapshot(self, time: Number) -> None:
        energy = sum((pool.energy for pool in self.pools.values()), ZERO)
        carbon = sum((pool.carbon for pool in self.pools.values()), ZERO)
        self.stocks.append((time, energy, carbon))

    def members(self, busbar: str) -> list[str]:
        """The nodes of a busbar that are sources or sinks of its balance."""
        return [
            name
            for name, (device, *_) in self.flows.nodes.items()
            if device.role not in ("fuel", "heat", *SUB_METERS) and self.site.busbar(device) == busbar
        ]

    def burnt(self, name: str, time: Number) -> tuple[State, Fraction]:
        """Return the carbon rate of a genset's or CHP's fuel, g/h, and how well it is known."""
        meters = [device for device in self.site.devices if device.role == "fuel" and device.feeds == name]
        flows = [(self.flows.flow(device.name, time), device.factor or ZERO) for device in meters]
        rate = sum(((flow.plus or ZERO) * factor for flow, factor in flows), ZERO)
        return max((flow.state for flow, _ in flows), default=State.KNOWN), rate

    def generated(self, device: Device, flow: Flow, time: Number) -> tuple[State, Fraction]:
        """Return the carbon rate of a genset's or CHP's electricity, g/h (METHOD 4.7); 0 while it gives no power."""
        power = flow.plus or ZERO
        if not any(other.feeds == device.name and other.role == "fuel" for other in self.site.devices):
            return State.KNOWN, power * (device.factor or ZERO) / 1000
        state, rate = self.burnt(device.name, time)
        if power <= 0:
            return state, ZERO
        heats = [other for other in self.site.devices if other.role == "heat" and other.feeds == device.name]
        if not heats or device.electrical is None or device.thermal is None:
            return state, rate
        found = [self.flows.flow(heat.name, time) for heat in heats]
        heat = sum((flow.plus or ZERO for flow in found), ZERO)
        electric = power / device.electrical
        share = rounded(electric / (electric + heat / device.thermal))
        return max(state, *(flow.state for flow in found)), rate * share

    def _advance(self, left: Number, right: Number) -> None:
        hours = Fraction(right - left) / HOUR
        self._burn(left, right, hours)
        for busbar in self.site.busbars():
            run = self.run(busbar, left, right, hours)
            before = self.open.get(busbar)
            if before is not None and before.state is run.state is State.LATE and before.end == left:
                before.end = right
                for name in ("energy", "carbon", "discharge", "charge", "groups"):
                    for key, value in getattr(run, name).items():
                        getattr(before, name)[key] += value
                continue
            if before is not None:
                self._close(busbar)
            self.open[busbar] = run
            if run.state is not State.LATE:
                self._close(busbar)
        if right % QUARTER == 0:
            for busbar in list(self.open):
                self._close(busbar)

    def _burn(self, left: Number, right: Number, hours: Fraction) -> None:
        burnt, known = [ZERO, ZERO], [True, True]
        for name, (device, *_) in self.flows.nodes.items():
            flow = self.flows.flow(name, left)
            if device.role == "fuel":
                rate = device.factor or ZERO
            elif device.role in ("genset", "chp") and not any(
                other.feeds == name and other.role == "fuel" for other in self.site.devices
            ):
                rate = (device.factor or ZERO) / 1000
            else:
                continue
            heats = device.role == "fuel" and not device.feeds
            burnt[heats] += (flow.plus or ZERO) * rate * hours
            known[heats] &= flow.plus is not None
        self.fuel.append(Fuel(left, right, *burnt, *known))

    def run(self, busbar: str, left: Number, right: Number, hours: Fraction) -> Run:
        """Return the energies of a piece; what is not known is left out, and the state says so."""
        run = Run(left, right, State.KNOWN)
        signal = self.day.signal.at(left)
        assert signal is not None
        incomers: list[Flow] = []
        for name in self.members(busbar):
            device = self.flows.nodes[name][0]
            flow = self.flows.flow(name, left)
            state = flow.state
            kinds = self._kinds(device)
            if flow.net is None or (device.terminal is not None and flow.pv is None):
                run.unknown |= kinds
            if device.role == "grid":
                incomers.append(flow)
            elif device.terminal is not None:
                if flow.pv is None:
                    run.terminal += (flow.net or ZERO) * hours
                self._add(run, "pv", flow.pv, hours, device)
                self._store(run, name, flow.discharge, flow.charge, hours)
            elif device.role == "battery":
                self._store(run, name, flow.plus, flow.minus, hours)
            elif device.role == "pv":
                self._add(run, "pv", flow.plus, hours, device)
            else:
                fuel, rate = self.generated(device, flow, left)
                state = max(state, fuel)
                run.energy["generation"] += (flow.plus or ZERO) * hours
                run.carbon["generation"] += rate * hours
            run.state = max(run.state, state)
        taken, given = self.connection(incomers)
        run.state = max([run.state, *(flow.state for flow in incomers)])
        run.energy["import"] += taken * hours
        run.carbon["import"] += taken * hours * signal / 1000
        run.energy["export"] += given * hours
        for meter in self.site.devices:
            if meter.role in SUB_METERS and self.site.busbar(meter) == busbar:
                _, use = self.flows.use(meter, left)
                run.groups[meter.group] += (use or ZERO) * hours
        return run

    @staticmethod
    def _kinds(device: Device) -> set[str]:
        """Return the kinds of a device's flows."""
        if device.terminal is not None:
            return {"pv", "discharge", "charge"}
        found = {"grid": {"import", "export"}, "battery": {"discharge", "charge"}, "pv": {"pv"}}
        return found.get(device.role, {"generation"})

    @staticmethod
    def connection(incomers: list[Flow]) -> tuple[Fraction, Fraction]:
        """Return import and export of a busbar, W. The counters of a lone incomer keep both directions apart."""
        if len(incomers) == 1:
            return incomers[0].plus or ZERO, incomers[0].minus or ZERO
        net = sum((flow.net or ZERO for flow in incomers), ZERO)
        return max(net, ZERO), max(-net, ZERO)

    @staticmethod
    def _add(run: Run, kind: str, power: Fraction | None, hours: Fraction, device: Device) -> None:
        energy = (power or ZERO) * hours
        run.energy[kind] += energy
        run.carbon[kind] += energy * (device.factor or ZERO) / 1000

    @staticmethod
    def _store(run: Run, name: str, discharge: Fraction | None, charge: Fraction | None, hours: Fraction) -> None:
        run.discharge[name] += (discharge or ZERO) * hours
        run.charge[name] += (charge or ZERO) * hours

    def _close(self, busbar: str) -> None:
        run = self.open.pop(busbar)
        taken = {name: energy * self.pools[name].price() for name, energy in run.discharge.items()}
        found = self.allocated(run)
        if found.load is None and run.state <= State.LATE:
            self.faults.append((run.begin, run.end))
        run.energy["load"] = found.load or ZERO
        run.energy["unaccounted"] = found.unaccounted
        run.carbon |= {
            "load": found.load_carbon,
            "export": found.export_carbon,
            "charge": found.charge_carbon,
            "unaccounted": found.unaccounted_carbon,
        }
        lost, lost_carbon = ZERO, ZERO
        energy_left, carbon_left = run.energy["charge"], found.charge_carbon
        for name, energy in run.charge.items():
            carbon = rounded(carbon_left * energy / energy_left) if energy < energy_left else carbon_left
            energy_left, carbon_left = energy_left - energy, carbon_left - carbon
            # METHOD 4.6 names no order within an interval; discharge first is that of the contract in ext/README.md.
            losses = [self.pools[name].discharge(run.discharge[name], taken[name])]
            losses.append(self.pools[name].charge(energy, carbon))
            lost += sum(loss[0] for loss in losses)
            lost_carbon += sum(loss[1] for loss in losses)
        run.energy["loss"], run.carbon["loss"] = lost, lost_carbon
        price = rounded(found.load_carbon / found.load) if found.load else ZERO
        self.bookings.append(
            Booking(
                run.begin,
                run.end,
                found.load is not None,
                found.load is not None and run.state <= State.LATE,
                dict(run.energy),
                dict(run.carbon),
                dict(run.groups),
                {group: use * price for group, use in run.groups.items()},
                frozenset(run.unknown | ({"load"} if found.load is None else set())),
            )
        )
        self._snapshot(run.end)

    def allocated(self, run: Run) -> Allocation:
        """Fill in what the batteries give and take, and return the run's balance and carbon."""
        run.energy["discharge"] = sum(run.discharge.values(), ZERO)
        run.energy["charge"] = sum(run.charge.values(), ZERO)
        taken = (energy * self.pools[name].price() for name, energy in run.discharge.items())
        run.carbon["discharge"] = sum(taken, ZERO)
        kinds = ("pv", "discharge", "generation", "import")
        return allocate(
            self.site.method,
            [Inflow(run.energy[kind], run.carbon[kind]) for kind in kinds],
            run.energy["export"],
            run.energy["charge"],
            known=run.state <= State.LATE,
            terminal=run.terminal if run.state is State.UNPRICED else None,
        )

    def stock(self, time: Number) -> tuple[Fraction, Fraction]:
        """Return the batteries' stock at a time, Wh and g."""
        return [(energy, carbon) for when, energy, carbon in self.stocks if when <= time][-1]

    def account(self, kind: str, begin: int, end: int) -> Account:
        """Return the account of a span that no booking crosses."""
        inside = [booking for booking in self.bookings if begin <= booking.begin and booking.end <= end]
        energy = {name: sum((booking.energy.get(name, ZERO) for booking in inside), ZERO) for name in KINDS}
        carbon = {name: sum((booking.carbon.get(name, ZERO) for booking in inside), ZERO) for name in KINDS}
        official = self.day.official
        priced = [booking for booking in inside if booking.priced]
        lengths = sum((Fraction(booking.end - booking.begin) for booking in inside if booking.covered), ZERO)
        return Account(
            kind,
            begin,
            end,
            self.day.begin <= begin and end <= self.day.end,
            lengths / (end - begin) / len(self.site.busbars()),
            energy,
            carbon,
            totals([booking.groups for booking in inside]),
            totals([booking.group_carbon for booking in inside]),
            rest([booking for booking in inside if booking.covered]),
            (self.stock(max(begin, self.day.begin)), self.stock(end)),
            sum((booking.energy["load"] for booking in priced), ZERO) if priced else None,
            scope1([fuel for fuel in self.fuel if begin <= fuel.begin and fuel.end <= end]),
            carbon["import"] if official is None else energy["import"] * official / 1000,
            (self.site.rated or ZERO) * Fraction(5, 1000) * (end - begin) / HOUR,
            frozenset(kind for kind in KINDS if energy[kind] or any(kind not in booking.unknown for booking in inside)),
        )

    def windows(self, kind: str) -> list[Account]:
        """Return the accounts of the windows of a kind that the day touches."""
        spans = windows(kind, int(self.day.begin), int(self.day.end), self.site.timezone)
        return [self.account(kind, begin, end) for begin, end in spans]

    def window(self, kind: str, time: int) -> Account:
        """Return the account of the window of a kind that holds a time."""
        return self.account(kind, *window(kind, time, self.site.timezone))


def rest(covered: list[Booking]) -> tuple[Fraction, Fraction]:
    """Return the load that no group uses, Wh, and its carbon, g."""
    energy = sum((booking.energy["load"] - sum(booking.groups.values(), ZERO) for booking in covered), ZERO)
    carbon = sum((booking.carbon["load"] - sum(booking.group_carbon.values(), ZERO) for booking in covered), ZERO)
    return energy, carbon


def totals(parts: list[Sums]) -> Sums:
    """Return the sums by key."""
    found: Sums = defaultdict(Fraction)
    for part in parts:
        for key, value in part.items():
            found[key] += value
    return dict(found)
