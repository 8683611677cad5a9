"""What is told of an instant, with what is known at that instant (METHOD-SITE 9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .flows import Day, Flow, State
from .ledger import SOURCES, Ledger
from .mix import NOISE, ZERO
from .steps import Number, rounded
from .wiring import SUB_METERS


@dataclass(frozen=True, slots=True)
class Instant:
    """What is told of an instant: powers in W, intensities in g/kWh, emission rate in g/h; None is absent."""

    grid_import: Fraction | None
    grid_export: Fraction | None
    pv: Fraction | None
    generation: Fraction | None
    discharge: Fraction | None
    charge: Fraction | None
    load: Fraction | None
    grid_intensity: Fraction | None
    battery_intensity: Fraction | None
    emission_intensity: Fraction | None
    emission_rate: Fraction | None
    groups: dict[str, Fraction | None]
    flows: dict[str, Flow]


def total(values: list[Fraction | None]) -> Fraction | None:
    """Return the sum; None where a part is unknown."""
    return None if None in values else sum((value for value in values if value is not None), ZERO)


def added(values: list[Fraction | None]) -> Fraction | None:
    """Return the sum of the known parts; None where there is none."""
    known = [value for value in values if value is not None]
    return sum(known, ZERO) if known else None


def stored(ledger: Ledger, discharge: dict[str, Fraction | None]) -> Fraction | None:
    """Return the intensity of what the batteries would give, g/kWh: weighted by discharge, at rest by stock."""
    prices = {name: pool.price() * 1000 for name, pool in ledger.pools.items()}
    for weights in (discharge, {name: pool.energy for name, pool in ledger.pools.items()}):
        if whole := added(list(weights.values())):
            return rounded(sum(((weights[name] or ZERO) * prices[name] for name in prices), ZERO) / whole)
    return next(iter(prices.values()), None)


def instant(day: Day, time: Number) -> Instant:
    """Return what is told of an instant: gaps that ended by then are settled, the present ones are unknown."""
    ledger = Ledger(day, time)
    flows = {name: ledger.flows.flow(name, time) for name in ledger.flows.nodes}
    device = {name: devices[0] for name, devices in ledger.flows.nodes.items()}
    hybrids = {name for name in flows if device[name].terminal is not None}

    def of(*roles: str) -> list[str]:
        return [name for name in flows if device[name].role in roles and name not in hybrids]

    def plus(*roles: str) -> list[Fraction | None]:
        return [flows[name].plus for name in of(*roles)]

    taken: list[Fraction | None] = []
    given: list[Fraction | None] = []
    loads: list[Fraction | None] = []
    rates: list[Fraction | None] = []
    for busbar in ledger.site.busbars():
        names = ledger.members(busbar)
        incomers = [flows[name] for name in names if device[name].role == "grid"]
        known = all(flow.state is State.KNOWN for flow in incomers)
        imported, exported = ledger.connection(incomers)
        taken.append(imported if known else None)
        given.append(exported if known else None)
        run = ledger.run(busbar, time, time + 3600, Fraction(1))
        balance = balanced([flows[name].net for name in names if device[name].role != "grid"], taken[-1], given[-1])
        found = ledger.allocated(run)
        inflow = sum((run.energy[kind] for kind in SOURCES), ZERO)
        if balance is not None and balance < 0:
            balance = ZERO if -balance <= inflow * NOISE else None
        loads.append(balance)
        rates.append(found.load_carbon if found.load is not None and run.state <= State.LATE else None)
    load, rate = total(loads), total(rates)
    signal = day.signal.at(time)
    discharge = {name: flows[name].discharge if name in hybrids else flows[name].plus for name in ledger.pools}
    charge = [flows[name].charge if name in hybrids else flows[name].minus for name in ledger.pools]
    groups: dict[str, list[Fraction | None]] = {}
    for meter in ledger.site.devices:
        if meter.role in SUB_METERS:
            groups.setdefault(meter.group, []).append(ledger.flows.use(meter, time)[1])
    return Instant(
        total(taken),
        total(given),
        total([*plus("pv"), *(flows[name].pv for name in hybrids)]),
        total(plus("genset", "chp", "wind", "hydro")),
        total(list(discharge.values())),
        total(charge),
        load,
        signal,
        stored(ledger, discharge),
        rate * 1000 / load if rate is not None and load else None,
        rate,
        {group: total(uses) for group, uses in groups.items()},
        flows,
    )


def balanced(nets: list[Fraction | None], imported: Fraction | None, exported: Fraction | None) -> Fraction | None:
    """Return import - export + what the nodes give, W; None while a source or sink is unknown."""
    inner = total(nets)
    return None if inner is None or imported is None or exported is None else imported - exported + inner
