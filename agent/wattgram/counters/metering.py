"""Which counters of a device count its role's energy, and what they counted between two readings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import NamedTuple

from wattgram_drivers.device import TYPE_WORDS, Device, Register
from wattgram_drivers.quantity import QUANTITIES

from wattgram.base.occurrence import Occurrence

from .counter import COUNTER_EVENTS, Counter, CounterStep, State, Verdict, moved, step

IMPORT, EXPORT, TOTAL = "active_energy_import", "active_energy_export", "active_energy_total"
AT_TERMINALS = ("energy_export", "energy_import")
BATTERY_COUNTERS = ("battery_energy_discharge", "battery_energy_charge")
OUTPUT = (("pulse_count_{}", ""), ("totalizer_{}", ""), ("volume_total", ""))

CHOICES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "grid": ((IMPORT, EXPORT), ("meter_energy_import", "meter_energy_export"), ("energy_import", "energy_export")),
    "battery": (BATTERY_COUNTERS, (IMPORT, EXPORT), AT_TERMINALS),
    "load": ((IMPORT, EXPORT), (TOTAL, "")),
    "ev": ((IMPORT, EXPORT), ("energy_total", ""), ("energy_consumed_total", ""), (TOTAL, "")),
    **dict.fromkeys(
        ("pv", "wind", "hydro", "genset", "chp"), ((IMPORT, EXPORT), ("energy_total", ""), (TOTAL, ""), AT_TERMINALS)
    ),
    "production": OUTPUT,
    "capture": (("totalizer_{}", ""), ("volume_total", "")),
    "fuel": (("volume_total", ""), ("totalizer_{}", ""), ("pulse_count_{}", "")),
}
"""Counters of a role, best first: the one that counts what the role's name says, and the one against it."""

COPIES = ("", "_float", "_int", "_k", "_alt", "_highres", "_u32", "_gen24")
"""Registers that hold the same counter. Those that people set back (_resettable, _partial, _daily) are none."""

TARIFFS = ("_t1", "_t2", "_t3", "_t4")
"""Counters whose sum is the total, where a meter shows no total (Siemens PAC3200 and PAC4200)."""

PHYSICAL: Mapping[str, float] = {"Wh": 10e6, "m3": 1e5, "kg": 1e6, "1": 60_000.0}
"""The most that a counter without a rated power can count in an hour, by its unit.

Wh: a 10 kV feeder of 577 A. m3: a gas pipeline of 1.8 m at 11 m/s. kg: a conveyor of 1000 t/h. Pulses: 30 ms on and
30 ms off (IEC 62053-31 class A).
"""

GREAT = 1e9
"""Wh at which floats are compared with whole numbers: a factory's meter after some years."""

PRECISION = {"f32": 2.0**-23, "f64": 2.0**-52}
QUALITY: Mapping[Verdict, str] = {
    "good": "good",
    "rollover": "good",
    "estimated": "estimated",
    "glitch": "glitch",
    "reset": "reset",
    "exchange": "reset",
}
"""A record's quality (SPEC 5) by its counters' verdict."""

WORST: tuple[Verdict, ...] = ("good", "rollover", "estimated", "glitch", "exchange", "reset")


@dataclass(frozen=True, slots=True)
class DirectedCounter:
    """A counter of a role, and whether it counts what the role's name says (1) or against it (-1)."""

    register: Register
    counter: Counter
    direction: int


class MeteredStep(NamedTuple):
    """What a device counted since the reading before, in its role's direction and against it.

    Wh; m3, kg or pieces for production, capture and fuel. NaN: no counter, or none that is believed now. `verdict` is
    the worst of the counters'. `resolution`: the smallest steps of positive and negative.
    """

    positive: float = nan
    negative: float = nan
    verdict: Verdict = "good"
    resolution: tuple[float, float] = (0.0, 0.0)
    occurrences: tuple[Occurrence, ...] = ()

    @property
    def quality(self) -> str:
        """Of the record that it was read with."""
        return QUALITY[self.verdict]

    def then(self, later: MeteredStep) -> MeteredStep:
        """Both as one, when nobody looked between them."""
        verdict = max(self.verdict, later.verdict, key=WORST.index)
        sums = (_sum([self.positive, later.positive]), _sum([self.negative, later.negative]))
        resolution = later.resolution if any(later.resolution) else self.resolution
        return MeteredStep(*sums, verdict, resolution, (*self.occurrences, *later.occurrences))


def counters_of(
    device: Device, role: str, *, invert: bool = False, rated_power: float | None = None, interval: float = 1.0
) -> tuple[DirectedCounter, ...]:
    """The counters to use for a device's role; of several that count the same, those with the finest steps.

    `invert`: the meter is wired the other way, so its import is the role's negative direction. `rated_power` in W
    bounds energies alone; an inverter's does not bound the incomer that it sees.
    """
    registers = {register.quantity: register for register in device.registers}
    for for_it, against_it in _choices(device, role):
        for_names, against_names = _found(registers, for_it), _found(registers, against_it)
        if not for_names and not against_names:
            continue
        sign = -1 if invert and against_it else 1
        bound = None if device.kind == "inverter" and role == "grid" else rated_power
        return tuple(
            DirectedCounter(register, _counter(register, bound, interval), direction)
            for found, direction in ((for_names, sign), (against_names, -sign))
            for register in found
        )
    return ()


def counted_in(device: Device, role: str, quantities: Sequence[str] = ()) -> str:
    """The unit in which a device counts its role's amounts, "" when it does not; `quantities`: all that is read."""
    read = quantities or device.quantities
    registers = tuple(one for one in device.registers if one.quantity in read)
    counters = counters_of(replace(device, registers=registers), role)
    return QUANTITIES[counters[0].register.quantity].unit if counters else ""


class Metering:
    """Runs the counters of one device; what they remember outlives the process."""

    def __init__(self) -> None:
        self._directed: tuple[DirectedCounter, ...] = ()
        self._states: dict[str, State] = {}

    def equip(self, directed: Sequence[DirectedCounter], fields: Mapping[str, str]) -> None:
        """Use these counters; `fields`: the name of a register's quantity in the record, where it is another."""
        self._directed = tuple(
            replace(one, counter=replace(one.counter, quantity=fields.get(key := one.register.quantity, key)))
            for one in directed
        )

    @property
    def directions(self) -> tuple[bool, bool]:
        """Whether a counter counts in the role's direction, and one against it."""
        found = {one.direction for one in self._directed}
        return 1 in found, -1 in found

    def take(self, values: Mapping[str, float], scales: Mapping[str, float], time: int) -> MeteredStep:
        """Count on from the values of a reading by register; `scales`: factors of a scale that are not in its map."""
        counts: list[tuple[DirectedCounter, float]] = []
        verdicts: list[Verdict] = []
        happened: list[Occurrence] = []
        resolution = {1: 0.0, -1: 0.0}
        for one in self._directed:
            key = one.register.quantity
            value, scale = values[key], scales.get(key, 1.0)
            if not (isfinite(value) and isfinite(scale) and scale > 0.0):
                counts.append((one, nan))
                continue
            counter = one.counter if scale == 1.0 else replace(one.counter, count=one.counter.count * scale)
            self._states[key], count = step(counter, self._states.get(key), value, time)
            counts.append((one, nan if count.verdict == "glitch" else count.amount))
            verdicts.append(count.verdict)
            resolution[one.direction] += counter.resolution(self._states[key].value)
            happened += _told(counter, count)
        return MeteredStep(
            _sum(amount for one, amount in counts if one.direction > 0),
            _sum(amount for one, amount in counts if one.direction < 0),
            max(verdicts, key=WORST.index, default="good"),
            (resolution[1], resolution[-1]),
            tuple(happened),
        )

    def moved(self, by: int) -> None:
        """The clock was set: by what it shows now, all that was read before was read `by` ns later."""
        self._states = {name: moved(state, by) for name, state in self._states.items()}

    def dump(self) -> dict[str, object]:
        """What a restart must not lose, as JSON knows it."""
        return {name: state.dump() for name, state in self._states.items()}

    def restore(self, dumped: object) -> None:
        """Continue from what `dump` gave; ValueError when it is none."""
        if not isinstance(dumped, dict):
            raise ValueError(f"found {dumped!r}, which is no counters' state")
        self._states = {str(name): State.load(state) for name, state in dumped.items()}


def _choices(device: Device, role: str) -> Iterable[tuple[str, str]]:
    choices = CHOICES.get(role, ())
    if device.kind == "inverter" and role == "grid":
        # What an inverter counts at its own terminals is not the incomer's: it must see the grid's meter.
        sees = "meter_active_power_total" in device.quantities
        return [one for one in choices if one[0] != IMPORT and (sees or one[0] != "energy_import")]
    return choices


def _found(registers: Mapping[str, Register], name: str) -> list[Register]:
    """The finest register of a counter; where there is none, those of its tariffs."""
    if not name:
        return []
    stems = [name.format(number) for number in range(1, 17)] if "{}" in name else [name]
    for stem in stems:
        same = [registers[stem + copy] for copy in COPIES if stem + copy in registers]
        if same:
            return [min(same, key=_coarseness)]
        if tariffs := [registers[stem + tariff] for tariff in TARIFFS if stem + tariff in registers]:
            return tariffs
    return []


def _coarseness(register: Register) -> tuple[float, int]:
    steps = GREAT * PRECISION[register.type] if register.type in PRECISION else abs(float(register.scale))
    return steps, -TYPE_WORDS[register.type]


def _counter(register: Register, rated_power: float | None, interval: float) -> Counter:
    unit = QUANTITIES[register.quantity].unit
    scale = abs(float(register.scale))
    floating = register.type in PRECISION
    return Counter(
        register.quantity,
        scale / 100 if floating else scale,  # meters show two places of what they give as a float
        0 if floating else 16 * register.words,
        rated_power if rated_power is not None and unit == "Wh" else PHYSICAL.get(unit, PHYSICAL["1"]),
        signed=re.match("i", register.type) is not None,
        precision=PRECISION.get(register.type, 0.0),
        interval=interval,
    )


def _sum(amounts: Iterable[float]) -> float:
    """NaN when there is none; what a counter that is not believed has counted comes when it is."""
    found = [amount for amount in amounts if isfinite(amount)]
    return sum(found) if found else nan


def _told(counter: Counter, count: CounterStep) -> list[Occurrence]:
    if count.event is None:
        return []
    unit = QUANTITIES[counter.quantity].unit
    unit = "" if unit == "1" else f" {unit}"
    detail = f"{counter.quantity}: {count.old:.12g}{unit}, then {count.new:.12g}{unit}"
    return [Occurrence(COUNTER_EVENTS[count.event], detail)]
