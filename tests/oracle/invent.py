"""Random sites and days, the same for the same seed, in a form that can be fed to anything that reads devices.

    invention = invented(seed=7)
    invention.day                  # what the oracle accounts for: Ledger(invention.day)
    invention.used                 # what hangs directly on each meter, W: the truth behind the readings
    document(invention.day)        # the same day as JSON: site, devices, steps, silences, signal
    registers(invention.day, "hall-1", time)   # what a device's registers hold at a time

A day begins at midnight in Shanghai unless the plan names another second and zone. Powers are whole watts that change
every `step` seconds. The wires are walked forwards from loads, PV and batteries to the readings of the meters, so the
readings fit together. A hybrid loses a few percent in each direction and draws 30 W at rest. A silence begins and ends
at any second. A program that compares the product with the oracle serves `registers` from a simulator, drops the
answers during the `silences`, and compares the windows with `records.record`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import pi, sin
from random import Random
from typing import Any

from .flows import Day
from .hybrid import Terminal
from .silence import Span, united
from .steps import HOUR, Number, Steps, merged
from .wiring import SUB_METERS, Cell, Device, Site, through

GROUPS = ("industry", "building", "transport", "cooling")
MIDNIGHT = 1_795_968_000
"""2026-11-29 16:00 UTC, midnight in Shanghai, s."""
OWN_USE = 30
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Invention:
    """A day, and what hangs directly on each meter (W): the truth that the metering tree must find again."""

    day: Day
    used: dict[str, Steps]


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a day is: steps of `step` seconds, sub-meters, producers, and how often a device is silent."""

    steps: int = 96
    step: int = 900
    meters: int = 5
    sources: int = 4
    silences: int = 3
    begin: int = MIDNIGHT
    timezone: str = "Asia/Shanghai"


def invented(seed: int, plan: Plan | None = None, site: Site | None = None) -> Invention:
    """Return the day of a seed. A given site keeps its wiring."""
    random = Random(seed)
    plan = plan or Plan()
    site = site or wired(random, plan)
    columns: dict[tuple[str, str], list[Fraction]] = {}
    used: dict[str, list[Fraction]] = {}
    for number in range(plan.steps):
        sun = max(0.0, sin(2 * pi * number * plan.step / 86400 - pi / 2)) * random.uniform(0.3, 1)
        values, uses = moment(random, site, sun)
        for key, value in values.items():
            columns.setdefault(key, []).append(value)
        for name, value in uses.items():
            used.setdefault(name, []).append(value)
    edges = [plan.begin + number * plan.step for number in range(plan.steps + 1)]
    readings: dict[str, dict[str, Steps]] = {}
    for (name, quantity), column in columns.items():
        readings.setdefault(name, {})[quantity] = merged(edges, column)
    day = Day(site, readings, signal(random, plan), silences(random, plan, site))
    return Invention(day, {name: merged(edges, column) for name, column in used.items()})


def wired(random: Random, plan: Plan) -> Site:
    """Return a random site: incomers, a tree of sub-meters, PV, hybrids, batteries, gensets, a boiler."""
    netting = random.choice(("busbar", "busbar", "connection"))
    devices = [Device(f"incomer-{number}", "grid") for number in range(random.choice((1, 1, 2)))]
    places = [device.name for device in devices] if netting == "connection" else [""]

    def anywhere() -> str:
        return random.choice(places)

    for number in range(random.randint(1, plan.meters)):
        role, group = ("ev", "transport") if random.random() < 0.2 else ("load", random.choice(GROUPS))
        devices.append(Device(f"meter-{number}", role, group, anywhere(), counters=random.random() < 0.8))
        places.append(f"meter-{number}")
    for number in range(random.randint(1, plan.sources)):
        counters, behind = random.random() < 0.8, anywhere()
        kind = random.choice(("pv", "hybrid", "hybrid", "battery", "genset"))
        if kind == "pv":
            factor = random.choice((None, Fraction(41)))
            devices.append(Device(f"roof-{number}", "pv", behind=behind, factor=factor, counters=counters))
        elif kind == "battery":
            devices.append(Device(f"cells-{number}", "battery", behind=behind, counters=counters, cell=cell(random)))
        elif kind == "genset":
            fuel = random.random() < 0.5
            factor = None if fuel else Fraction(762)
            devices.append(Device(f"diesel-{number}", "genset", behind=behind, factor=factor, counters=counters))
            if fuel:
                devices.append(Device(f"oil-{number}", "fuel", factor=Fraction(2600), feeds=f"diesel-{number}"))
        else:
            terminal = random.choice(
                (Terminal(), Terminal("bridge", "net"), Terminal("ports", "pv", backup=True), Terminal("bridge", ""))
            )
            devices.append(Device(f"hybrid-{number}", "pv", behind=behind, terminal=terminal, counters=counters))
            if random.random() < 0.8:
                devices.append(
                    Device(
                        f"store-{number}", "battery", behind=f"hybrid-{number}", counters=counters, cell=cell(random)
                    )
                )
    if random.random() < 0.3:
        devices.append(Device("boiler", "fuel", factor=Fraction(2162)))
    method = random.choice(("proportional", "local-first"))
    return Site(tuple(devices), netting, method, plan.timezone, 29.6, 106.6)


def cell(random: Random) -> Cell:
    """Return a battery with or without a capacity and efficiencies."""
    if random.random() < 0.5:
        return Cell(Fraction(random.randint(5, 200) * 1000))
    return Cell(None, Fraction(random.randint(90, 99), 100), Fraction(random.randint(90, 99), 100))


def moment(random: Random, site: Site, sun: float) -> tuple[dict[tuple[str, str], Fraction], dict[str, Fraction]]:
    """Return what each device reads while nothing changes, and what hangs directly on each meter, W."""
    values: dict[tuple[str, str], Fraction] = {}
    nets: dict[str, Fraction] = {}
    for device in site.devices:
        name = device.name
        if device.terminal is not None:
            nets[name] = hybrid(random, site, device, sun, values)
        elif device.role == "pv":
            nets[name] = values[name, "power"] = Fraction(round(60_000 * sun))
        elif device.role == "genset":
            nets[name] = values[name, "power"] = Fraction(random.choice((0, 0, random.randint(5_000, 40_000))))
            for fuel in site.devices:
                if fuel.feeds == name:
                    values[fuel.name, "power"] = nets[name] / 4000
        elif device.role == "battery" and site.hybrid_of(device) is None:
            nets[name] = values[name, "power"] = Fraction(random.choice((0, random.randint(-20_000, 20_000))))
        elif device.role == "fuel" and not device.feeds:
            values[name, "power"] = Fraction(random.randint(0, 30))
    used = {
        device.name: Fraction(random.randint(0, 50_000))
        for device in site.devices
        if device.role in (*SUB_METERS, "grid") and (device.role != "grid" or site.netting == "connection")
    }
    incomers = [device.name for device in site.devices if device.role == "grid"]
    used.setdefault(incomers[0], Fraction(random.randint(0, 20_000)))
    meters = through(site, lambda device: used.get(device.name, ZERO), lambda name: nets[name])
    if site.netting == "busbar" and len(incomers) > 1:
        moved = Fraction(random.randint(-30_000, 30_000))
        meters[incomers[0]] -= moved
        meters[incomers[1]] += moved
    for name, value in meters.items():
        values[name, "power"] = value
    return values, used


def hybrid(random: Random, site: Site, device: Device, sun: float, values: dict[tuple[str, str], Fraction]) -> Fraction:
    """Fill in what a hybrid reads; return its terminal's power, W. A map without a PV register says T = P + B."""
    assert device.terminal is not None
    pv = round(15_000 * sun)
    battery = random.choice((0, random.randint(-8_000, -50), random.randint(50, 8_000)))
    loss = max(pv, abs(battery)) * random.randint(1, 6) // 100
    t = pv + battery - (loss or OWN_USE)
    name = device.name
    values[name, "bridge"] = Fraction(t)
    if device.terminal.gives == "ports":
        backup = random.randint(0, 3_000)
        del values[name, "bridge"]
        values[name, "grid_port"], values[name, "backup_power"] = Fraction(t - backup), Fraction(backup)
    if device.terminal.dc:
        values[name, "dc"] = Fraction(pv if device.terminal.dc == "pv" else pv + battery)
    found = site.battery_of(name)
    values[(name, "battery") if found is None else (found.name, "power")] = Fraction(battery)
    return Fraction(t)


def signal(random: Random, plan: Plan) -> Steps:
    """Return the grid's carbon, g/kWh, by the hour or constant."""
    length = plan.steps * plan.step
    if random.random() < 0.3:
        return Steps.constant(plan.begin, plan.begin + length, "558.1")
    edges = [*range(plan.begin, plan.begin + length, HOUR), plan.begin + length]
    return merged(edges, [Fraction(random.randint(50, 900)) for _ in edges[1:]])


def silences(random: Random, plan: Plan, site: Site) -> dict[str, tuple[Span, ...]]:
    """Return random silences; a hybrid and its battery mostly fall silent together, as one unit does."""
    found: dict[str, list[Span]] = {}
    end = plan.begin + plan.steps * plan.step
    for _ in range(random.randint(0, plan.silences)):
        device = random.choice(site.devices)
        begin = random.randint(plan.begin, end - 2)
        span = (begin, random.randint(begin + 1, end))
        names = {device.name}
        if random.random() < 0.7:
            names |= {device.behind if site.hybrid_of(device) else ""}
            names |= {below.name for below in site.below(device.name) if site.hybrid_of(below) is not None}
        for name in names - {""}:
            found.setdefault(name, []).append(span)
    return {name: tuple(united(spans)) for name, spans in found.items()}


def _directed(sign: int, power: Fraction) -> Fraction:
    """Return the part of a power in one direction."""
    return max(power * sign, ZERO)


def registers(day: Day, name: str, time: Number) -> dict[str, Fraction]:
    """Return what a device's registers hold: each quantity in W, and its counters in each direction in Wh.

    `power+` counts what flows in the role's direction since the day began, `power-` what flows against it.
    """
    found: dict[str, Fraction] = {}
    for quantity, steps in day.readings[name].items():
        value = steps.at(min(time, steps.end - 1))
        assert value is not None
        found[quantity] = value
        for sign, direction in ((1, "+"), (-1, "-")):
            counted = steps.mapped(partial(_directed, sign))
            energy = counted.energy(steps.begin, min(time, steps.end))
            found[quantity + direction] = energy or ZERO
    return found


def polled(steps: Steps, unit: Number, poll: Number) -> list[tuple[Number, Fraction]]:
    """Return (time, Wh) of a counter that shows whole units and is read every `poll` seconds: silence.counted's input.

    An account takes a meter without a power register as `{"power": counted(polled(...))}`.
    """
    found: list[tuple[Number, Fraction]] = []
    time = steps.begin
    while time <= steps.end:
        energy = steps.energy(steps.begin, time) if time > steps.begin else ZERO
        assert energy is not None
        found.append((time, Fraction(energy // unit * unit)))
        time += poll
    return found


def document(day: Day) -> dict[str, Any]:
    """Return the day in types of JSON: times in s, powers in W, the grid's carbon in g/kWh."""

    def steps(function: Steps) -> list[list[float | None]]:
        values = [None if value is None else float(value) for value in function.values]
        return [[left, right, value] for (left, right), value in zip(pairwise(function.edges), values, strict=True)]  # type: ignore[list-item]  # edges are whole seconds here

    site = day.site
    return {
        "site": {
            "netting": site.netting,
            "method": site.method,
            "timezone": site.timezone,
            "latitude": site.latitude,
            "longitude": site.longitude,
        },
        "devices": [described(device) for device in site.devices],
        "steps": {name: {key: steps(found) for key, found in parts.items()} for name, parts in day.readings.items()},
        "silences": {name: [list(span) for span in spans] for name, spans in day.silences.items()},
        "signal": steps(day.signal),
    }


def described(device: Device) -> dict[str, Any]:
    """Return a device without its empty keys."""
    found: dict[str, Any] = {"name": device.name, "role": device.role, "counters": device.counters}
    found |= {key: getattr(device, key) for key in ("group", "behind", "feeds") if getattr(device, key)}
    if device.factor is not None:
        found["factor"] = float(device.factor)
    if device.terminal is not None:
        found["terminal"] = {"gives": device.terminal.gives, "dc": device.terminal.dc}
    if device.cell is not None:
        parts = {name: getattr(device.cell, name) for name in ("capacity", "charging", "discharging")}
        found["cell"] = {name: float(value) for name, value in parts.items() if value is not None}
    return found
