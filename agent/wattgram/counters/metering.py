"""Counters of a device that count its role's energy, and the amount counted between two readings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import NamedTuple

from wattgram_drivers.device import Device, Register
from wattgram_drivers.map_roles import TARIFFS
from wattgram_drivers.quantity import QUANTITIES

from wattgram.base.occurrence import Occurrence

from .counter import COUNTER_EVENTS, Counter, CounterStep, State, Verdict, shifted, step, with_period

PHYSICAL_LIMITS: Mapping[str, float] = {"Wh": 10e6, "m3": 1e5, "kg": 1e6, "1": 60_000.0}
"""Largest amount per hour of a counter without a rated power, by unit.

Wh: a 10 kV feeder of 577 A. m3: a gas pipeline of 1.8 m at 11 m/s. kg: a conveyor of 1000 t/h. Pulses: 30 ms on and 30
ms off (IEC 62053-31 class A).
"""

MEASURED_ROLES = ("grid", "load")
"""Roles of an inverter that measures at another place than its own terminal."""

PRECISION = {"f32": 2.0**-23, "f64": 2.0**-52}
QUALITY: Mapping[Verdict, str] = {
    "good": "good",
    "rollover": "good",
    "estimated": "estimated",
    "held": "estimated",
    "glitch": "glitch",
    "reset": "reset",
    "exchange": "reset",
}
"""Quality of a record (SPEC 5) by its counters' verdict."""

WORST: tuple[Verdict, ...] = ("good", "rollover", "estimated", "held", "glitch", "exchange", "reset")


REJECTED_FALLS = 20
"""Falls between rejected values in a row after which a counter is given up.

A counter that sleeps repeats one value. A counter below a wrong value rises until it passes that value.
"""

UNUSABLE = "counter unusable"


class Rejection(NamedTuple):
    """Rejected values of a counter in a row: the last one, and how often it was below the one before."""

    value: float
    falls: int

    @property
    def final(self) -> bool:
        """Whether the counter is given up, until a value is accepted."""
        return self.falls >= REJECTED_FALLS


@dataclass(frozen=True, slots=True)
class DirectedCounter:
    """Counter of a role; `direction` is 1 in the role's direction and -1 against it."""

    register: Register
    counter: Counter
    direction: int


class MeteredStep(NamedTuple):
    """Amount that a device counted since the previous reading, in its role's direction and against it.

    Wh; m3, kg or pieces for production, capture and fuel. Heat and fuel may be in Wh of heat. NaN: no counter, none
    accepted now, or a register that its device has not copied since the previous reading. verdict: the worst of the
    counters. resolution: smallest steps of positive and negative, 0 for a counter that was not read. refresh: period in
    which the device copies its registers, s, 0 if they follow the counters.
    """

    positive: float = nan
    negative: float = nan
    verdict: Verdict = "good"
    resolution: tuple[float, float] = (0.0, 0.0)
    occurrences: tuple[Occurrence, ...] = ()
    refresh: float = 0.0

    @property
    def quality(self) -> str:
        """Quality of the record of this reading."""
        return QUALITY[self.verdict]

    def followed_by(self, later: MeteredStep) -> MeteredStep:
        """Return this step and a later one as one step."""
        verdict = max(self.verdict, later.verdict, key=WORST.index)
        sums = (_sum([self.positive, later.positive]), _sum([self.negative, later.negative]))
        resolution = later.resolution if any(later.resolution) else self.resolution
        refresh = later.refresh or self.refresh
        return MeteredStep(*sums, verdict, resolution, (*self.occurrences, *later.occurrences), refresh)


def counters_of(
    device: Device, role: str, *, invert: bool = False, rated_power: float | None = None, interval: float = 1.0
) -> tuple[DirectedCounter, ...]:
    """Return the counters of a device's role: of the map's alternatives, the first with a counter that is read.

    invert: the meter is reversed, so its import is the role's negative direction. rated_power: bound in W, for energies
    only. The rated power of an inverter does not bound the grid and the load that it measures.
    """
    reads = device.roles.get(role)
    bound = None if device.kind == "inverter" and role in MEASURED_ROLES else rated_power
    return chosen_counters(device, reads.energy if reads else (), invert=invert, rated_power=bound, interval=interval)


def counter_step(device: Device | None, role: str) -> float:
    """Return the coarsest step of the counters of a role, Wh; 0 without one, or if the map is not known beforehand."""
    if device is None:
        return 0.0
    return max((directed.counter.count for directed in counters_of(device, role)), default=0.0)


def chosen_counters(
    device: Device,
    alternatives: Sequence[tuple[str, str]],
    *,
    invert: bool = False,
    rated_power: float | None = None,
    interval: float = 1.0,
) -> tuple[DirectedCounter, ...]:
    """Return the counters of the first alternative, as in `RoleReads.energy`, with a counter that is read."""
    registers = {register.quantity: register for register in device.registers}
    for forward_name, backward_name in alternatives:
        forward, backward = _registers(registers, forward_name), _registers(registers, backward_name)
        if not forward and not backward:
            continue
        sign = -1 if invert and backward_name else 1
        return tuple(
            DirectedCounter(register, _counter(register, rated_power, interval), direction)
            for matches, direction in ((forward, sign), (backward, -sign))
            for register in matches
        )
    return ()


def counter_unit(device: Device, role: str, quantities: Sequence[str] = ()) -> str:
    """Return the unit in which a device counts its role's amount; "" if it does not.

    quantities: all quantities that are read.
    """
    names = quantities or device.quantities
    registers = tuple(register for register in device.registers if register.quantity in names)
    counters = counters_of(replace(device, registers=registers), role)
    return QUANTITIES[counters[0].register.quantity].unit if counters else ""


class Metering:
    """Counters of one device; their state survives a restart."""

    def __init__(self) -> None:
        self._directed: tuple[DirectedCounter, ...] = ()
        self._states: dict[str, State] = {}
        self._rejections: dict[str, Rejection] = {}

    def set_counters(self, directed: Sequence[DirectedCounter], fields: Mapping[str, str]) -> None:
        """Set the counters.

        fields: name of a register's quantity in the record, if different.
        """
        self._directed = tuple(
            replace(
                directed_counter,
                counter=replace(
                    directed_counter.counter, quantity=fields.get(key := directed_counter.register.quantity, key)
                ),
            )
            for directed_counter in directed
        )

    @property
    def directions(self) -> tuple[bool, bool]:
        """Whether a counter counts in the role's direction, and one against it."""
        directions = {directed_counter.direction for directed_counter in self._directed}
        return 1 in directions, -1 in directions

    @property
    def unusable(self) -> frozenset[str]:
        """Registers of the counters that are given up: every value is rejected. Their energy is that of the power."""
        return frozenset(key for key, rejection in self._rejections.items() if rejection.final)

    def take(self, values: Mapping[str, float], scales: Mapping[str, float], time: int) -> MeteredStep:
        """Count a reading.

        values: value of each register. scales: scale factors that are not in the device's map.
        """
        counts: list[tuple[DirectedCounter, float]] = []
        verdicts: list[Verdict] = []
        happened: list[Occurrence] = []
        resolution = {1: 0.0, -1: 0.0}
        period = max((state.refresh.period for state in self._states.values()), default=0.0)
        refresh = 0.0
        for directed_counter in self._directed:
            key = directed_counter.register.quantity
            value, scale = values[key], scales.get(key, 1.0)
            if not (isfinite(value) and isfinite(scale) and scale > 0.0):
                counts.append((directed_counter, nan))
                continue
            counter = (
                directed_counter.counter
                if scale == 1.0
                else replace(directed_counter.counter, count=directed_counter.counter.count * scale)
            )
            state = self._states.get(key)
            self._states[key], count = step(counter, state and with_period(state, period), value, time)
            refresh = max(refresh, self._states[key].refresh.period)
            counts.append((directed_counter, nan if count.verdict in ("glitch", "held") else count.amount))
            happened += self._reject(counter, key, value, count.verdict)
            if key not in self.unusable:
                verdicts.append(count.verdict)
            resolution[directed_counter.direction] += counter.resolution(self._states[key].value)
            happened += _occurrences(counter, count)
        if refresh > 0.0:
            # A device copies all its registers together. One that stands still does not show whether energy flows.
            counts = [(directed_counter, amount or nan) for directed_counter, amount in counts]
        return MeteredStep(
            _sum(amount for directed_counter, amount in counts if directed_counter.direction > 0),
            _sum(amount for directed_counter, amount in counts if directed_counter.direction < 0),
            max(verdicts, key=WORST.index, default="good"),
            (resolution[1], resolution[-1]),
            tuple(happened),
            refresh,
        )

    def doubts(self) -> tuple[str, ...]:
        """Return, for each counter whose last value was not accepted, that value and the last accepted one."""
        texts = []
        for directed_counter in self._directed:
            state = self._states.get(directed_counter.register.quantity)
            if state is not None and state.held is not None:
                name = directed_counter.counter.quantity
                unit = "" if QUANTITIES[name].unit == "1" else f" {QUANTITIES[name].unit}"
                texts.append(f"{name}: {state.held.last:.12g}{unit} does not continue from {state.value:.12g}{unit}")
        return tuple(texts)

    def _reject(self, counter: Counter, key: str, value: float, verdict: Verdict) -> list[Occurrence]:
        """Note a verdict; return the event if the counter is given up now."""
        if verdict != "glitch":
            self._rejections.pop(key, None)
            return []
        before = self._rejections.get(key, Rejection(nan, 0))
        now = Rejection(value, before.falls + (value < before.value))
        self._rejections[key] = now
        if before.final or not now.final:
            return []
        accepted = self._states[key].value
        unit = QUANTITIES[counter.quantity].unit
        detail = (
            f"{counter.quantity}: fell {now.falls} times to {value:.12g} {unit}, last accepted {accepted:.12g} {unit}; "
            "perhaps a negative number read as unsigned; energy is integrated from the power"
        )
        return [Occurrence(UNUSABLE, detail)]

    def forget(self) -> None:
        """Begin all counters anew: another device answers. Its first values count nothing."""
        self._states.clear()
        self._rejections.clear()

    def shift_times(self, by: int) -> None:
        """Shift all times, because the clock was set: earlier readings are `by` ns later on the new clock."""
        self._states = {name: shifted(state, by) for name, state in self._states.items()}

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible."""
        return {name: state.dump() for name, state in self._states.items()}

    def restore(self, dumped: object) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        if not isinstance(dumped, dict):
            raise ValueError(f"found {dumped!r}, expected a table of counters' states")
        self._states = {str(name): State.load(state) for name, state in dumped.items()}


def _registers(registers: Mapping[str, Register], name: str) -> list[Register]:
    """Return the register of a counter; without one, the registers of its tariffs; none for no name."""
    if name in registers:
        return [registers[name]]
    return [registers[name + tariff] for tariff in TARIFFS if name + tariff in registers] if name else []


def _counter(register: Register, rated_power: float | None, interval: float) -> Counter:
    unit = QUANTITIES[register.quantity].unit
    scale = abs(float(register.scale))
    floating = register.type in PRECISION
    return Counter(
        register.quantity,
        scale / 100 if floating else scale,  # meters show two decimal places of a float
        0 if floating else 16 * register.words,
        rated_power if rated_power is not None and unit == "Wh" else PHYSICAL_LIMITS.get(unit, PHYSICAL_LIMITS["1"]),
        signed=re.match("i", register.type) is not None,
        precision=PRECISION.get(register.type, 0.0),
        interval=interval,
    )


def _sum(amounts: Iterable[float]) -> float:
    """Return the sum; NaN if there is no amount.

    The amount of a counter that is not accepted follows when it is accepted.
    """
    known = [amount for amount in amounts if isfinite(amount)]
    return sum(known) if known else nan


def _occurrences(counter: Counter, count: CounterStep) -> list[Occurrence]:
    if count.event is None:
        return []
    unit = QUANTITIES[counter.quantity].unit
    unit = "" if unit == "1" else f" {unit}"
    detail = f"{counter.quantity}: {count.old:.12g}{unit}, then {count.new:.12g}{unit}"
    return [Occurrence(COUNTER_EVENTS[count.event], detail)]
