"""Checks of powers against the other values of their reading, and of their word order (METHOD-SITE 10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite, isnan, nan

from .examination import Examination
from .power_witnesses import PRODUCT_SLACK, VOLTAGE_CURRENT, ProductRule
from .word_order_fault import FAULT, FEWEST_FAULTS, WordOrderCheck

RUNNING = 3
"""Readings in a row in which a power exceeds its bound before it is withheld (METHOD-SITE 10)."""


class PowerChecks:
    """Checks of one device's powers, with what earlier readings showed.

    An integer of two words above its bound, and within it with exchanged words, is withheld at once: the coincidence
    takes a low word of 0000 or FFFF. If several values show this, all integers in this word order are withheld until a
    power contradicts, because small powers and counters do not show it.

    single: there is only one reading, so that what takes several is a finding.
    """

    def __init__(self, rules: Sequence[ProductRule], *, single: bool) -> None:
        self._rules = rules
        self._single = single
        self._exceeded: dict[int, int] = {}  # readings in a row in which a power exceeded its bound
        self._suspected: dict[int, int] = {}  # readings in a row in which only a weak bound showed exchanged words
        self._exchanged: frozenset[str] = frozenset()  # word orders that are those of no value

    @property
    def open(self) -> bool:
        """Whether the next reading continues what the last one showed."""
        return bool(self._exceeded or self._exchanged or self._suspected)

    def judge(self, case: Examination, findings: list[str], words: WordOrderCheck) -> None:
        """Withhold the powers that exceeded their bounds in three readings in a row, and exchanged words."""
        exchanged = words.exchanged(case.reading.image, case.reading.valid)
        counted = [
            index
            for index in sorted(words.long_integers)
            if isfinite(case.numbers[index]) and case.numbers[index] != exchanged[index]
        ]
        faults = self._take_faults(case, exchanged, counted, findings)
        sound: set[str] = set()
        for rule, limit in self._deciding(case, self._rules):
            power = abs(case.numbers[rule.power])
            if rule.power in counted and 0.0 < power <= limit < abs(exchanged[rule.power]):
                sound.add(_order(case, rule.power))
            if limit > PRODUCT_SLACK and not rule.words_only:
                self._count(rule.power, exceeds=power > limit)
                self._report(case, rule, limit, findings)
        shown = {_order(case, index) for index in faults}
        if len(faults) >= FEWEST_FAULTS and 2 * len(faults) >= len(counted):
            self._exchanged |= shown
        self._exchanged -= sound - shown
        wrong = (index for index in counted if _order(case, index) in self._exchanged)
        case.withhold(wrong, "values in the other word order", f"{FAULT}; check word_order")

    def product(self, index: int, case: Examination) -> float:
        """Return voltage x current of a power, VA; NaN if unknown."""
        known = (
            _total(rule, case) / rule.margin
            for rule in self._rules
            if rule.power == index and rule.source == VOLTAGE_CURRENT
        )
        return next((total for total in known if not isnan(total)), nan)

    def _take_faults(
        self, case: Examination, exchanged: Sequence[float], counted: Sequence[int], findings: list[str]
    ) -> set[int]:
        """Withhold the integers above their bound that are within it with exchanged words; return them.

        Where the bound is weak, a low word of 0000 in every 65,536th reading of a healthy device must not count: it
        takes RUNNING readings, or another value that shows the fault.
        """
        bounds: dict[int, str] = {}
        weak: set[int] = set()
        numbers = dict(enumerate(case.numbers))
        rules = [rule for rule in self._rules if rule.power in counted]
        while found := [
            (rule, limit)
            for rule, limit in self._deciding(case, rules)
            if 0.0 < abs(exchanged[rule.power]) <= limit < abs(case.numbers[rule.power])
        ]:
            for rule, limit in found:
                bounds[rule.power] = _bound(case, limit, rule)
                case.numbers[rule.power] = nan  # a value with exchanged words bounds no other
                if rule.words_only or limit <= PRODUCT_SLACK:
                    weak.add(rule.power)
        self._suspected = {index: self._suspected.get(index, 0) + 1 for index in weak}
        several = len({numbers[index] for index in bounds}) >= FEWEST_FAULTS
        faults = {index for index in bounds if several or index not in weak or self._suspected[index] >= RUNNING}
        for index, bound in bounds.items():
            case.numbers[index] = numbers[index]
            if index in faults:
                case.withhold([index], bound, f"{FAULT}; check word_order")
            elif self._single:
                findings.append(f"{case.names[index]}: {FAULT}, unless its currents are not measured; check word_order")
        return faults

    @staticmethod
    def _deciding(case: Examination, rules: Sequence[ProductRule]) -> Iterator[tuple[ProductRule, float]]:
        """Yield the first of these rules of each power that is known, and its limit, W.

        Many devices fill registers that they do not measure with 0, so a sum of 0 says nothing about the power, but
        something about its words: the limit is then the slack alone.
        """
        silent: dict[int, ProductRule] = {}
        decided: set[int] = set()
        for rule in rules:
            if rule.power in decided or not isfinite(case.numbers[rule.power]):
                continue
            total = _total(rule, case)
            if total > 0.0:
                decided.add(rule.power)
                yield rule, total + PRODUCT_SLACK
            elif total == 0.0:
                silent.setdefault(rule.power, rule)
        yield from ((rule, PRODUCT_SLACK) for power, rule in silent.items() if power not in decided)

    def _count(self, index: int, *, exceeds: bool) -> None:
        if exceeds:
            self._exceeded[index] = self._exceeded.get(index, 0) + 1
        else:
            self._exceeded.pop(index, None)

    def _report(self, case: Examination, rule: ProductRule, limit: float, findings: list[str]) -> None:
        """Withhold a power that exceeded its bound long enough; report it as a finding of a single reading."""
        count = self._exceeded.get(rule.power, 0)
        if not count:
            return
        bound = _bound(case, limit, rule)
        reason = (
            f"is above {rule.margin:g} x {rule.source} + 1 kVA ({bound}); check the driver, its word_order and the "
            "current transformers"
        )
        if count >= RUNNING:
            case.withhold([rule.power], bound, reason)
        elif self._single:
            findings.append(f"{case.names[rule.power]} {case.numbers[rule.power]:.6g}{case.unit(rule.power)} {reason}")


def _order(case: Examination, index: int) -> str:
    return case.places[index].register.word_order


def _bound(case: Examination, limit: float, rule: ProductRule) -> str:
    return f"{-limit:.6g} to {limit:.6g}{case.unit(rule.power)} by {rule.source}"


def _total(rule: ProductRule, case: Examination) -> float:
    """Return the sum of a rule with its margin, W; NaN if unknown."""
    total, known = 0.0, False
    for first, second, factor in rule.pairs:
        if _is_absent(case, first) and (second < 0 or _is_absent(case, second)):
            continue  # the device has no such phase
        known = True
        total += abs(case.numbers[first] * (1.0 if second < 0 else case.numbers[second])) * factor * rule.margin
    return total if known else nan


def _is_absent(case: Examination, index: int) -> bool:
    return isnan(case.raw[index]) and case.was_read(index)
