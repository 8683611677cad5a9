"""The judge of readings: what cannot be true never leaves the device's source as a value (METHOD-SITE 10).

Values that cannot be true are absent (NaN) and named with their registers; nothing is clamped. The compiled screen
searches each reading; only a reading with a suspicious value is examined here. `run`, `read`, `scan` and
`check --live` use the same judge.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from math import inf, isnan
from typing import NamedTuple

from wattgram_drivers.device import Device, Reading
from wattgram_drivers.map_roles import parts
from wattgram_drivers.plan import Plan, spans_of
from wattgram_ext.decode import Decoder
from wattgram_ext.screen import DEAD, NAMEPLATE, OUTSIDE, PRESENCE, PRODUCT, STATE, UNEQUAL, VOID, Screen

from .bounds import Bounds, Limits, Ratings, class_of
from .daylight import daylight_of
from .dead_high_words import DeadHighWords
from .directed_fields import directed
from .examination import Examination, Withheld
from .negated_counters import NegatedCounters
from .power_witnesses import PRODUCT_SLACK
from .reading_rules import ReadingRules
from .relation_checks import RelationChecks
from .value_checks import ValueChecks
from .wanted_quantities import WantedQuantities

__all__ = ["Judge", "Judged", "Withheld", "nameplate_of"]

ASLEEP_SHARE = 0.02
"""Share of the rated power below which an inverter may fall asleep, so that its zeros are true (METHOD-SITE 9.2)."""

LARGEST_ASLEEP = 5000.0
"""Rated power of an inverter without a known one, W, for ASLEEP_SHARE."""

FIRST_REST = "all registers are 0, as at night; by day, check the unit and the gateway"
"""Finding of a single reading without a content."""

LEAST_FREQUENCY = 1e-6
"""Frequency below which the compiled screen reports a value, Hz: 0 is true without a voltage alone."""

LEAST_NAMEPLATE = 10.0
"""Smallest rated power of a device, W; a nameplate below it is not filled in."""

NEEDS_EXAMINATION = OUTSIDE | VOID | PRODUCT | DEAD | UNEQUAL | STATE
"""Findings of the compiled screen that need an examination."""


class Judged(NamedTuple):
    """Values of a reading, a double each, NaN for absent ones, and what was found.

    missing: quantities that should be there and are not. findings: values that disagree, but stay.
    """

    values: bytes
    withheld: tuple[Withheld, ...] = ()
    missing: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


class Judge:
    """Judge of one device's readings, in the order of time.

    role and rated_power (W), invert, nominal_frequency (Hz), nominal_voltage (V): of the configuration, as far as there
    is one. single: there is only one reading, so that what takes several is a finding. daylight: whether the sun
    certainly shines at a time, UTC ns. `wanted` may be set, so that missing quantities are found.
    """

    def __init__(
        self,
        device: Device,
        plan: Plan,
        *,
        role: str = "",
        rated_power: float | None = None,
        invert: bool = False,
        nominal_frequency: float | None = None,
        nominal_voltage: float | None = None,
        single: bool = False,
        daylight: Callable[[int], bool] | None = None,
    ) -> None:
        self.names, fields = directed(plan, invert=invert)
        self.wanted: WantedQuantities | None = None
        self._device = device
        self._single = single
        self._daylight = daylight or daylight_of(None)
        self._plan = plan
        self._fields = fields
        self._ratings = Ratings(role, rated_power, 0.0, nominal_frequency, nominal_voltage)
        self._decoder = Decoder(fields, plan.factors(), plan.words)
        self._rules = ReadingRules(device, plan)
        self._relations = RelationChecks(self._rules, single=single)
        self._negated = NegatedCounters(device, plan, single=single)
        self._high_words = DeadHighWords(plan)
        self._format = f"{len(plan.places)}d"
        index = {name: number for number, name in enumerate(plan.quantities)}
        self._nameplate = index.get(nameplate_of(device), -1)
        self._output = index.get("active_power_total", -1) if device.night == "zeros" else -1
        beside = [device.roles[name] for name in ("grid", "load") if name in device.roles]
        self._beside = [
            index[name] for reads in beside for names in reads.power for name, _ in parts(names) if name in index
        ]
        self._power = inf  # of the last reading with one, W
        self._slow_counters = tuple(
            number
            for number in self._rules.counters
            if not plan.fast.issuperset(spans_of(plan.places[number].register, device.limits))
        )
        self._counted = False  # whether one of these was above 0 when it was last due
        self._set_bounds()

    @property
    def rests(self) -> bool:
        """Whether the last power of an inverter that sleeps was so small that zeros would be true (METHOD-SITE 9.2)."""
        return self._asleep

    def lacks(self, reading: Reading, quantities: Collection[str]) -> bool:
        """Return whether no answer contained the registers of these quantities."""
        return all(
            not reading.valid[place.position]
            for name, place in zip(self.names, self._plan.places, strict=True)
            if name in quantities
        )

    def remember_rest(self) -> None:
        """Begin with a device that rests, as it did before a restart."""
        if self._power == inf:
            self._power = 0.0

    @property
    def ratings(self) -> Ratings:
        """What is known about the device's rated power, with the nameplate as far as it was read."""
        return self._ratings

    @property
    def limits(self) -> tuple[Limits, ...]:
        """Bounds of the values, in the order of the plan's places."""
        return self._limits

    def assume_rated_power(self, power: float) -> None:
        """Take a rated power, W, in place of the configured one: a larger power than possible was true."""
        self._ratings = replace(self._ratings, rated_power=power)
        self._set_bounds()

    def judge(self, reading: Reading) -> Judged:
        """Decode a reading and withhold what cannot be true."""
        values = self._decoder.decode(reading.image, reading.valid)
        found = self._screen.check(values, reading.image, reading.valid)
        if found & NAMEPLATE and self._take_nameplate(values, found):
            found = self._screen.check(values, reading.image, reading.valid)
        doubtful = self._negated.take(reading) | self._high_words.take(reading)
        suspicious = doubtful or found & NEEDS_EXAMINATION or self._relations.open
        judged = self._examine(reading, values, found) if suspicious else _good(values)
        if reading.slow and self._slow_counters:
            self._counted = any(struct.unpack_from("d", values, 8 * at)[0] > 0.0 for at in self._slow_counters)
        if self._output >= 0:
            (power,) = struct.unpack_from("d", judged.values, 8 * self._output)
            self._power = self._power if isnan(power) else abs(power)
        if (wanted := self.wanted) is None:
            return judged
        if found & PRESENCE or wanted.concerns(reading):
            wanted.take(reading, judged.values, (value.quantity for value in judged.withheld))
        return judged._replace(missing=wanted.missing) if wanted.missing else judged

    def _set_bounds(self) -> None:
        bounds = Bounds(self._device, self._ratings)
        self._limits = tuple(bounds.of(place.register) for place in self._plan.places)
        self._relations.rated = self._rated = bounds.rated
        self._checks = ValueChecks(self._plan, self._fields, self._limits, self._rules)
        self._screen = _screen(self._plan, self._limits, self._rules, self._relations.thresholds(), self._nameplate)

    def _take_nameplate(self, values: bytes, found: int) -> bool:
        """Take the nameplate of a reading that is otherwise possible; return whether bounds changed."""
        (power,) = struct.unpack_from("d", values, 8 * self._nameplate)
        limits = self._limits[self._nameplate]
        if found & VOID or not LEAST_NAMEPLATE <= power <= limits.high or power == self._ratings.nameplate:
            return False
        self._ratings = replace(self._ratings, nameplate=power)
        self._set_bounds()
        return True

    def _examine(self, reading: Reading, values: bytes, found: int) -> Judged:
        case = Examination(self._plan, self.names, reading, struct.unpack(self._format, values))
        findings: list[str] = []
        if found & STATE:
            self._checks.conditions(case)
        if found & VOID:
            resting = self._is_first_rest(reading)
            if resting and self._single:
                findings.append(FIRST_REST)
            self._checks.blocks(
                case,
                asleep=resting or self._asleep,
                counted=self._counted and not reading.slow,
                least=self._relations.least_power,
            )
            if self._device.night == "zeros" and not _has_words(reading):
                case.clear(self._beside)  # the grid and the load go on while the inverter that measures them sleeps
        self._negated.judge(case, findings)
        self._high_words.judge(case, self._limits, self._relations.powers)
        if found & OUTSIDE:
            self._checks.bounds(case)
        if found & PRODUCT or self._relations.powers.open:
            self._relations.powers.judge(case, findings, self._checks.words)
        if found & DEAD:
            self._relations.ports(case)
        if found & UNEQUAL or self._relations.unequal:
            self._relations.sums(case, findings)
        self._relations.open = self._relations.powers.open or self._relations.unequal
        return Judged(struct.pack(self._format, *case.numbers), case.withheld(), (), tuple(findings))

    @property
    def _asleep(self) -> bool:
        """Whether the device may have fallen asleep: its map says zeros at night, and its last power was small."""
        return self._device.night == "zeros" and self._power <= ASLEEP_SHARE * (self._rated or LARGEST_ASLEEP)

    def _is_first_rest(self, reading: Reading) -> bool:
        """Return whether a device that is 0 at night begins with nothing but zeros, and the sun may not shine."""
        return (
            self._device.night == "zeros"
            and self._power == inf
            and not _has_words(reading)
            and not self._daylight(reading.time)
        )


def _has_words(reading: Reading) -> bool:
    """Return whether a word that was read is not 0."""
    return any(reading.image[2 * at] or reading.image[2 * at + 1] for at, read in enumerate(reading.valid) if read)


def _good(values: bytes) -> Judged:
    """Return a reading without findings; a named tuple's own constructor takes three times as long."""
    return tuple.__new__(Judged, (values, (), (), ()))


def nameplate_of(device: Device) -> str:
    """Return the quantity with the device's rated power, "" for none."""
    return device.nameplate or ("rated_power" if "rated_power" in device.quantities else "")


def _screen(
    plan: Plan,
    limits: Sequence[Limits],
    rules: ReadingRules,
    thresholds: Sequence[Sequence[tuple[int, float]]],
    nameplate: int,
) -> Screen:
    """Return the compiled screen with these bounds and rules.

    It reports every frequency of 0 Hz, and every request of zeros of an inverter that may feed in meanwhile.
    """
    places = plan.places
    return Screen(
        [
            (
                max(limit.low, LEAST_FREQUENCY) if class_of(place.register.quantity) == "frequency" else limit.low,
                limit.high,
                place.position if place.register.type in ("f32", "f64") and place.low_position < 0 else -1,
                place.register.words,
                place.register.word_order == "little",
            )
            for place, limit in zip(places, limits, strict=True)
        ],
        [(rule.positions, rule.ranges) for rule in rules.blocks],
        () if rules.running[0] >= 0 or rules.dc_side else rules.counters,
        [
            (
                rule.power,
                PRODUCT_SLACK,
                [
                    (v, i, factor * rule.margin, places[v].position, places[i if i >= 0 else v].position)
                    for v, i, factor in rule.pairs
                ],
            )
            for rule in rules.products
        ],
        [(rule.voltages, magnitudes) for rule, magnitudes in zip(rules.ports, thresholds, strict=True)],
        rules.sums,
        rules.pairs,
        [(rule.state, rule.condition.allowed) for rule in rules.conditions],
        nameplate,
        plan.words,
    )
