"""Checks of single values: conditions, void requests, bounds, infinite and tiny floats, word order (METHOD-SITE 10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import isfinite, isnan, nan

from wattgram_drivers.places import Field
from wattgram_drivers.plan import Plan

from .bounds import HIGHEST_VOLTAGE, Limits, class_of
from .examination import Examination, Verdict
from .reading_rules import BlockRule, ReadingRules
from .word_order_fault import FAULT, WordOrderCheck

CONTENT = "a request with content"
RESTING = (1.0, 2.0)
"""States of a SunSpec inverter that is off or asleep (models 101 to 113)."""

ONES, ZEROS = frozenset({b"\xff\xff"}), frozenset({b"\0\0"})


class ValueChecks:
    """Checks of the values of one plan. limits: bounds of the values, in the order of the plan's places."""

    def __init__(self, plan: Plan, fields: Sequence[Field], limits: Sequence[Limits], rules: ReadingRules) -> None:
        self._limits = limits
        self._rules = rules
        self._classes = tuple(class_of(name) for name in plan.quantities)
        self.words = WordOrderCheck(plan, fields, limits)

    def conditions(self, case: Examination) -> None:
        """Withhold what the map's states do not declare valid. An unknown state declares nothing."""
        for rule in self._rules.conditions:
            state, allowed = case.raw[rule.state], rule.condition.allowed
            if state not in allowed:
                words = " or ".join(f"{number:g}" for number in allowed)
                said = f"is {state:g}" if isfinite(state) else "could not be read"
                name = rule.condition.state
                case.withhold(rule.members, f"{name} {words}", f"is not valid: {name} {said}, expected {words}")

    def blocks(self, case: Examination, *, asleep: bool, counted: bool, least: float) -> None:
        """Withhold the values of void requests. asleep: zeros are true, because the device may sleep.

        counted: a counter was above 0 when the counters were last due. least: DC power above which an inverter feeds
        in, W.
        """
        state, running = self._rules.running
        runs = state >= 0 and case.raw[state] in running
        runs = runs or sum(case.known(self._rules.dc_side)) > least
        # A finer frequency that the device lacks may have a request of its own: beside a live voltage it says nothing.
        runs = runs and not any(any(case.known(port.voltages)) for port in self._rules.ports)
        read = [block for block in self._rules.blocks if any(case.reading.valid[at] for at in block.positions)]
        contents = [_content(block, case) for block in read]
        asleep = asleep or (self._rules.rest >= 0 and case.raw[self._rules.rest] in RESTING)
        alive = any(words not in (ONES, ZEROS) for words in contents)
        void = {index for block, words in zip(read, contents, strict=True) if words == ZEROS for index in block.members}
        counted = counted or self._shows_outage(case, void)
        for block, words in zip(read, contents, strict=True):
            if words == ONES or (words == ZEROS and (runs or (not counted and not asleep))):
                (word,) = words
                reason = f"is void: all words of its request are 0x{word.hex().upper()}"
                if words == ZEROS:
                    reason += " while the inverter feeds in" if runs else self._unknown
                members = [*block.members, *(index for index in block.codes if case.words(index) == words)]
                if words == ONES and alive and not case.known(block.members):
                    case.clear(members)  # marked as not available: a meter, or a finer frequency that the device lacks
                    continue
                case.withhold(members, CONTENT, reason)
                if case.verdicts.keys().isdisjoint(block.members) and not self._rules.marks_absence:
                    case.note(block.members, CONTENT, reason)

    def _shows_outage(self, case: Examination, void: Collection[int]) -> bool:
        """Return whether requests of zeros are an outage or a standstill, and true. void: values in these requests.

        A counter above 0 shows that the device measures. Where no counter is read, another measured value does, and a
        machine is taken to stand still.
        """
        if self._rules.counters:
            return any(case.raw[index] > 0.0 for index in self._rules.counters)
        others = (index for index in self._rules.measurements if index not in void and not isnan(case.numbers[index]))
        return self._rules.stands_still or any(case.words(index) not in (ZEROS, ONES) for index in others)

    @property
    def _unknown(self) -> str:
        """What a request of zeros leaves open, and what to do, "" for nothing."""
        if self._rules.counters:
            return ""
        add = f": add {name} to quantities" if (name := self._rules.unread_counter) else ""
        return f"; it may be an outage, but no counter is read that shows it{add}"

    def bounds(self, case: Examination) -> None:
        """Withhold the values that are outside their bounds or have exchanged words; a tiny float is 0."""
        suspicious = []
        for index, (number, limits) in enumerate(zip(case.numbers, self._limits, strict=True)):
            if isnan(number):
                if isnan(case.raw[index]) and case.is_infinite(index):
                    case.verdicts[index] = Verdict(limits.text(case.unit(index)), "is infinite; check word_order")
            elif self._classes[index] == "frequency" and number == 0.0:
                self._check_zero_frequency(index, case)
            elif not limits.low <= number <= limits.high or self.words.is_tiny(index, number):
                suspicious.append(index)
        exchanged = self.words.faults(case.numbers, suspicious, case.reading.image, case.reading.valid)
        for index in sorted({*suspicious, *exchanged}):
            limits = self._limits[index]
            if index in exchanged:
                case.withhold([index], limits.text(case.unit(index)), f"{FAULT}; check word_order")
            elif self.words.is_tiny(index, case.numbers[index]):
                case.numbers[index] = 0.0
            else:
                case.withhold([index], limits.text(case.unit(index)), self._outside(index, case))

    def _outside(self, index: int, case: Examination) -> str:
        """Return why a value is outside its bounds, and what to check."""
        limits, unit, number = self._limits[index], case.unit(index), case.numbers[index]
        side, bound = ("above", limits.high) if number > limits.high else ("below", limits.low)
        source = f", {limits.source}" if limits.source else ""
        checks = "rated_power and word_order" if "rated" in limits.source else "the driver and word_order"
        if side == "above" and self._classes[index] == "AC voltage" and bound < number <= HIGHEST_VOLTAGE:
            checks += '; a medium-voltage meter needs its key, such as nominal_voltage = "10kV"'
        return f"is {side} {bound:.6g}{unit}{source}; check {checks}"

    def _check_zero_frequency(self, index: int, case: Examination) -> None:
        """Withhold 0 Hz beside a voltage or a power; 0 Hz without voltage is an outage, and true."""
        port = next((port for port in self._rules.ports if index in port.frequencies), None)
        if port and any(case.known(port.frequencies)):
            case.numbers[index] = nan  # a finer copy that the device lacks
            return
        voltages = case.known(port.voltages) if port else []
        powers = [number for number, name in enumerate(self._classes) if name == "AC power"]
        if any(voltages) or (not port and any(case.known(powers))):
            case.withhold([index], self._limits[index].text(" Hz"), "is 0 while a voltage or a power is present")
        elif not voltages and (port or not case.known(powers)):
            case.numbers[index] = nan  # the device measures nothing now


def _content(block: BlockRule, case: Examination) -> frozenset[bytes]:
    """Return the different words of a request that were read."""
    image, valid = case.reading.image, case.reading.valid
    return frozenset(
        image[2 * word : 2 * word + 2]
        for first, count in block.ranges
        for word in range(first, first + count)
        if valid[word]
    )
