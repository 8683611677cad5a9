"""Days that the product and the oracle read alike: powers at the site's instants, their means between the instants.

The product integrates the power of a device as the straight line between two instants, so a tick has the mean of its
two ends. The oracle gets these means as steps, and the registers hold the powers at the instants and counters that
agree with the means.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from random import Random

from tests.oracle.flows import Day
from tests.oracle.invent import Plan, moment, signal, wired
from tests.oracle.ledger import Ledger
from tests.oracle.silence import Span, united
from tests.oracle.steps import Steps
from tests.oracle.wiring import Device, Site

ZERO = Fraction(0)
Moment = Mapping[tuple[str, str], Fraction]
HOLD = 3
"""Ticks in which a last power holds; the interval after them has a known begin."""
RATED = Fraction(500_000)
"""Rated power of an incomer, W."""
OFFICIAL = Fraction("558.1")


@dataclass(frozen=True, slots=True)
class ExactDay:
    """A site, what each register holds at each instant, and the devices that do not answer at an instant.

    `tick` is the time between two instants, s. `day` is what the oracle accounts for.
    """

    day: Day
    tick: int
    moments: tuple[Moment, ...]
    silent: tuple[frozenset[str], ...]

    @property
    def ticks(self) -> int:
        """Number of intervals."""
        return len(self.moments) - 1

    def mean(self, tick: int, key: tuple[str, str]) -> Fraction:
        """Return the mean of a register's power in a tick, W; ticks are counted from 1."""
        return (self.moments[tick - 1][key] + self.moments[tick][key]) / 2


def suitable(site: Site) -> bool:
    """Whether the oracle has the pools of the product: of the batteries that stand on a busbar, it pools none."""
    stores = [site.busbar(device) for device in site.devices if device.role == "battery" and not site.hybrid_of(device)]
    return len(set(stores)) == len(stores)


def invented_site(random: Random, plan: Plan) -> Site:
    """Return a site that the product accounts for, with groups of the product."""
    while True:
        site = wired(random, plan)
        if suitable(site):
            break
    devices = tuple(
        replace(
            device,
            group="power" if device.group == "cooling" else device.group,
            rated=RATED if device.role == "grid" else None,
        )
        for device in site.devices
    )
    rated = sum((device.rated for device in devices if device.rated), ZERO)
    return replace(site, devices=devices, rated=rated)


def contradictory(site: Site, before: Moment, after: Moment) -> bool:
    """Whether the means of two moments contradict each other as registers of a hybrid, though neither moment does."""

    def mean(name: str, *quantities: str) -> Fraction:
        keys = [(name, quantity) for quantity in quantities if (name, quantity) in before]
        return sum((before[key] + after[key] for key in keys), ZERO) / 2

    for device in site.devices:
        if device.terminal is not None:
            battery = site.battery_of(device.name)
            b = mean(device.name, "battery") if battery is None else mean(battery.name, "power")
            t = mean(device.name, "bridge", "grid_port", "backup_power")
            if t < -100 and b > -50:
                return True
    return False


def moving(site: Site, found: Moment) -> bool:
    """Whether each battery moves: before, a hybrid whose battery is no device of the site is a PV inverter."""
    stores = [key for key in found if key[1] == "battery" or site.named[key[0]].role == "battery"]
    return all(abs(found[key]) > 50 for key in stores)


def companions(site: Site, device: Device) -> set[str]:
    """Return the devices that fall silent with a device: a hybrid with its battery, a genset with its fuel meter."""
    hybrid = site.hybrid_of(device) or device
    cells = {below.name for below in site.below(hybrid.name) if site.hybrid_of(below)}
    return {device.name, hybrid.name} | cells | {other.name for other in site.devices if other.feeds == device.name}


def settled(site: Site, device: Device) -> bool:
    """Whether the counters tell what a silent device did, and the method says how it is shared out.

    METHOD-SITE does not say where energy belongs that was counted while an inverter was taken to sleep.
    """
    hybrid = site.hybrid_of(device) or device
    if device.role in ("fuel", "heat") or not device.counters or device.silent_at_night:
        return False
    return hybrid.terminal is None or hybrid.terminal.dc != "net"


def with_sleepers(site: Site) -> Site:
    """Return a site whose PV inverters are silent at night."""
    devices = (replace(device, silent_at_night=device.role == "pv" and not device.terminal) for device in site.devices)
    return replace(site, devices=tuple(devices))


def silences(random: Random, site: Site, ticks: int, most: int) -> Iterator[tuple[frozenset[str], int, int]]:
    """Yield the devices, the last instant before a silence, and the first one after it."""
    begin = 2
    candidates = [device for device in site.devices if settled(site, device)]
    for _ in range(random.randint(0, most) if candidates else 0):
        begin = random.randint(begin, begin + ticks // most)
        end = begin + random.randint(HOLD + 3, HOLD + 3 + ticks // most)
        if end >= ticks - 1:
            return
        yield frozenset(companions(site, random.choice(candidates))), begin, end
        begin = end + 2


def exact_day(seed: int, plan: Plan, *, tick: int, unsplit: bool = False) -> ExactDay:
    """Return the day of a seed: `plan.steps` intervals of `tick` seconds.

    With `plan.silences`, devices fall silent, or PV inverters sleep in the dark. The method does not say what is booked
    when counters settle a balance fault, or an `undecided` gap: no such day is returned. `unsplit`: the battery of a
    hybrid falls silent for the rest of the day, so the load is known by the terminal (METHOD-SITE 8.2).
    """
    for attempt in itertools.count():
        random = Random(f"{seed} {attempt}")
        exact = _exact_day(random, replace(plan, step=tick), tick)
        if unsplit:
            stores = list(split_by_registers(exact.day.site))
            if not stores:
                continue
            exact = without_store(exact, random.choice(stores), random.randint(2, plan.steps // 2))
        if not undecided(exact.day) and not Ledger(exact.day).faults:
            return exact
    raise AssertionError("unreachable")


def undecided(day: Day) -> bool:
    """Whether one of several incomers of a busbar counted in both directions while it was silent.

    METHOD-SITE 8.4 splits the sum of the incomers, and does not say how energies of a gap are summed: the product keeps
    what one incomer counted both ways in import and in export, the oracle nets it.
    """
    incomers = [device.name for device in day.site.devices if device.role == "grid"]
    if len(incomers) == 1 or day.site.netting == "connection":
        return False
    for name in incomers:
        for begin, end in day.silences.get(name, ()):
            powers = [value or ZERO for _, _, value in day.power(name).pieces(begin, end)]
            if min(powers) < 0 < max(powers):
                return True
    return False


def split_by_registers(site: Site) -> Iterator[str]:
    """Yield the batteries of hybrids with a register of P: without one, B decides how long P holds."""
    for device in site.devices:
        hybrid = site.hybrid_of(device)
        if hybrid is not None and hybrid.terminal is not None and hybrid.terminal.dc == "pv":
            yield device.name


def without_store(exact: ExactDay, name: str, first: int) -> ExactDay:
    """Return the day with a battery that is silent from an instant on; the readings stand still while they hold.

    The hybrid answers, and B holds for a tick less than the registers of a device that does not.
    """
    held = range(first, first + HOLD + 1)
    moments = [exact.moments[first - 1 if number in held else number] for number in range(exact.ticks + 1)]
    silent = tuple(names | ({name} if number >= first else set()) for number, names in enumerate(exact.silent))
    found = assembled(exact.day.site, exact.day.signal, exact.tick, tuple(moments), silent)
    begin, end = found.day.silences[name][-1]
    return replace(found, day=replace(found.day, silences={**found.day.silences, name: ((begin - exact.tick, end),)}))


def _exact_day(random: Random, plan: Plan, tick: int) -> ExactDay:
    site = invented_site(random, plan)
    grid = signal(random, plan)
    sleep = range(0)
    if plan.silences and random.random() < 0.3:
        site = with_sleepers(site)
        sleep = range(begin := random.randint(2, 12), begin + random.randint(2, 12))  # before dawn
    sleepers = [device.name for device in site.devices if device.silent_at_night]
    gaps = [] if sleep else list(silences(random, site, plan.steps, plan.silences))
    held = {instant for _, begin, end in gaps for instant in (*range(begin + 1, begin + HOLD + 2), end)}
    for names, begin, end in gaps:
        if any(site.named[name].terminal for name in names):
            held |= set(range(begin + 1, end + 1))
    moments: list[Moment] = []
    for number in range(plan.steps + 1):
        if number in held:
            moments.append(moments[-1])
            continue
        while True:
            dark = number in sleep or number - 1 in sleep or number + 1 in sleep
            sun = 0.0 if dark else random.choice((0.0, random.uniform(0.0, 1.0)))
            found = moment(random, site, sun)[0]
            if number < 2 and not moving(site, found):
                continue
            if not moments or not contradictory(site, moments[-1], found):
                break
        moments.append(found)
    silent = tuple(
        frozenset(name for names, begin, end in gaps if begin < number < end for name in names)
        | frozenset(sleepers if number in sleep else ())
        for number in range(plan.steps + 1)
    )
    return assembled(site, grid, tick, tuple(moments), silent)


def assembled(
    site: Site, grid: Steps, tick: int, moments: tuple[Moment, ...], silent: tuple[frozenset[str], ...]
) -> ExactDay:
    """Return the day of these moments; `silent` are the devices that do not answer at each instant."""
    begin = grid.begin
    readings: dict[str, dict[str, Steps]] = {}
    for name, quantity in moments[0]:
        means = [(before[name, quantity] + after[name, quantity]) / 2 for before, after in pairwise(moments)]
        readings.setdefault(name, {})[quantity] = Steps.every(begin, tick, means)
    spans: dict[str, list[Span]] = {}
    for name in {name for names in silent for name in names}:
        missing = [number for number, names in enumerate(silent) if name in names]
        for first in (number for number in missing if number - 1 not in missing):
            answers = (number for number in range(first, len(silent)) if name not in silent[number])
            end = next(answers, len(silent))
            span = (begin + (first + HOLD) * tick, begin + (end - 1) * tick)
            if span[0] < span[1]:
                spans.setdefault(name, []).append(span)
    day = Day(site, readings, grid, {name: tuple(united(found)) for name, found in spans.items()}, OFFICIAL)
    return ExactDay(day, tick, moments, silent)
