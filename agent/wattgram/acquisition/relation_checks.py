"""Checks of several values: voltage x current, ports without voltage, sums and apparent powers (METHOD-SITE 10)."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, isnan, nan

from .examination import Examination
from .reading_rules import (
    DEAD_CURRENT,
    DEAD_POWER,
    DEAD_SHARE,
    NOMINAL_PHASE_VOLTAGE,
    PRODUCT_SLACK,
    PortRule,
    ProductRule,
    ReadingRules,
)

RUNNING = 3
"""Readings in a row in which a power exceeds its voltages x currents before it is withheld (METHOD-SITE 10)."""

PRODUCT_MARGIN = 1.2
"""Factor on the sum of voltages x currents (METHOD-SITE 10)."""

DIFFERENCE, DIFFERENCE_SHARE = 100.0, 0.05
"""Difference of a total and its phases, or of an apparent and an active power, VA and share (METHOD-SITE 10)."""

LASTING = 60.0
"""Time for which values disagree before this is a finding, s (METHOD-SITE 10)."""


class RelationChecks:
    """Checks of one device's values against each other, with what earlier readings showed.

    single: there is only one reading, so that what takes several is a finding. rated: W, None if unknown.
    """

    def __init__(self, rules: ReadingRules, *, single: bool) -> None:
        self.rated: float | None = None
        self.open = False  # whether the next reading continues a finding of the last one
        self._rules = rules
        self._single = single
        self._exceeded: dict[int, int] = {}  # readings in a row in which a power exceeded its product
        self._unequal: dict[tuple[int, int], float] = {}  # begin of a disagreement, monotonic s

    @property
    def exceeded(self) -> bool:
        """Whether a power exceeded its product in the last reading."""
        return bool(self._exceeded)

    @property
    def unequal(self) -> bool:
        """Whether values disagreed in the last reading."""
        return bool(self._unequal)

    def thresholds(self) -> tuple[tuple[tuple[int, float], ...], ...]:
        """Return the magnitudes of each port, with the threshold above which a port without voltage is void."""
        least = DEAD_SHARE * self.rated if self.rated else DEAD_POWER
        return tuple(
            (
                *((index, least) for index in port.powers),
                *((index, self._least_current(port)) for index in port.currents),
            )
            for port in self._rules.ports
        )

    def _least_current(self, port: PortRule) -> float:
        return (
            DEAD_SHARE * self.rated / NOMINAL_PHASE_VOLTAGE / max(1, len(port.currents)) if self.rated else DEAD_CURRENT
        )

    def products(self, case: Examination, findings: list[str]) -> None:
        """Withhold the powers that exceeded voltage x current in three readings in a row."""
        for rule in self._rules.products:
            power, limit = case.numbers[rule.power], self._product(rule, case)
            count = self._exceeded.get(rule.power, 0)
            if isfinite(power) and isfinite(limit):
                count = count + 1 if abs(power) > limit else 0
            if count:
                self._exceeded[rule.power] = count
            else:
                self._exceeded.pop(rule.power, None)
            bound = f"{-limit:.6g} to {limit:.6g} W" if isfinite(limit) else "voltage x current"
            reason = (
                f"is above 1.2 x voltage x current + 1 kVA ({bound}); check the driver and the current transformers"
            )
            if count >= RUNNING:
                case.withhold([rule.power], bound, reason)
            elif count and self._single:
                findings.append(f"{case.names[rule.power]} {power:.6g} W {reason}")

    def _product(self, rule: ProductRule, case: Examination) -> float:
        """Return the largest power by voltage and current, W; NaN if unknown.

        Many devices fill registers that they do not measure with 0, so a sum of 0 says nothing.
        """
        total = 0.0
        for voltage, current, factor in rule.pairs:
            both = (case.numbers[voltage], case.numbers[current])
            if all(isnan(case.raw[index]) and case.was_read(index) for index in (voltage, current)):
                continue  # the device has no such phase
            total += abs(both[0] * both[1]) * factor
        return PRODUCT_MARGIN * total + PRODUCT_SLACK if total > 0.0 else nan

    def ports(self, case: Examination) -> None:
        """Withhold the values of ports through which power or current flows without a voltage."""
        for port, thresholds in zip(self._rules.ports, self.thresholds(), strict=True):
            voltages = case.known(port.voltages)
            flows = [index for index, least in thresholds if abs(case.numbers[index]) > least]
            if voltages and not any(voltages) and flows:
                names = ", ".join(case.names[index] for index in flows)
                case.withhold(
                    port.members, "a port with voltage", f"is void: {names} while all voltages of the port are 0"
                )

    def sums(self, case: Examination, findings: list[str]) -> None:
        """Add the disagreements that last to the findings."""
        now = case.reading.monotonic
        for key, text in self._disagreements(case):
            if not text:
                self._unequal.pop(key, None)
            elif now - self._unequal.setdefault(key, now) >= LASTING or self._single:
                findings.append(text)

    def _disagreements(self, case: Examination) -> Iterator[tuple[tuple[int, int], str]]:
        """Yield each rule of sums and pairs that can be judged, and its disagreement, "" for none."""
        for total, parts in self._rules.sums:
            phases = case.known(parts)
            added, whole = sum(phases), case.numbers[total]
            if len(phases) < len(parts) or isnan(whole):
                continue
            wrong = any(phases) and _differ(whole, added)
            unit = case.unit(total)
            text = f"{case.names[total]} {whole:.6g}{unit} differs from the sum of its phases, {added:.6g}{unit}"
            yield (total, -1), text if wrong else ""
        for apparent, active in self._rules.pairs:
            va, w = case.numbers[apparent], abs(case.numbers[active])
            if isnan(va) or isnan(w):
                continue
            text = f"{case.names[apparent]} {va:.6g} VA is below {case.names[active]} {w:.6g} W"
            yield (apparent, active), text if w > va > 0.0 and _differ(w, va) else ""


def _differ(power: float, other: float) -> bool:
    """Return whether two powers differ by more than 5 % and 100 W (METHOD-SITE 10)."""
    return abs(power - other) > max(DIFFERENCE, DIFFERENCE_SHARE * max(abs(power), abs(other)))
