"""Checks of several values: powers, ports without voltage, sums and apparent powers (METHOD-SITE 10)."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan, nan

from .examination import Examination
from .power_checks import PowerChecks
from .reading_rules import DEAD_CURRENT, DEAD_POWER, DEAD_SHARE, NOMINAL_PHASE_VOLTAGE, PortRule, ReadingRules

THREE_WIRE = "; of a three-wire meter, the values return with the next step of a counter"
"""End of the reason, where the frequency of a meter lives."""

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
        self.powers = PowerChecks(rules.products, single=single)
        self._counts: dict[int, float] = {}  # counters of the last reading without voltages
        self._rising = False  # whether a counter rose since the frequency lived
        self._unequal: dict[tuple[int, int], float] = {}  # begin of a disagreement, monotonic s

    @property
    def unequal(self) -> bool:
        """Whether values disagreed in the last reading."""
        return bool(self._unequal)

    def thresholds(self) -> tuple[tuple[tuple[int, float], ...], ...]:
        """Return the magnitudes of each port, with the threshold above which a port without voltage is void."""
        least = self.least_power
        return tuple(
            (
                *((index, least) for index in port.powers),
                *((index, self._least_current(port)) for index in port.currents),
            )
            for port in self._rules.ports
        )

    @property
    def least_power(self) -> float:
        """Power that cannot flow through a port without voltage, W (METHOD-SITE 10)."""
        return DEAD_SHARE * self.rated if self.rated else DEAD_POWER

    def _least_current(self, port: PortRule) -> float:
        return (
            DEAD_SHARE * self.rated / NOMINAL_PHASE_VOLTAGE / max(1, len(port.currents)) if self.rated else DEAD_CURRENT
        )

    def ports(self, case: Examination) -> None:
        """Withhold the values of ports through which power or current flows without a voltage."""
        for port, thresholds in zip(self._rules.ports, self.thresholds(), strict=True):
            voltages = case.known(port.voltages)
            flows = [index for index, least in thresholds if abs(case.numbers[index]) > least]
            if voltages and not any(voltages) and flows and not self._measures(port, case):
                names = ", ".join(case.names[index] for index in flows)
                wait = THREE_WIRE if self._rules.is_meter and any(case.known(port.frequencies)) else ""
                reason = f"is void: {names} while all voltages of the port are 0{wait}"
                case.withhold(port.members, "a port with voltage", reason)

    def _measures(self, port: PortRule, case: Examination) -> bool:
        """Return whether a meter measures although its voltages are 0: a counter rose beside a live frequency.

        A three-wire meter may have no voltages to neutral. Voltages that this reading did not ask for may live.
        """
        counts = {index: case.numbers[index] for index in self._rules.counters}
        rose = any(count > self._counts.get(index, nan) for index, count in counts.items())
        self._counts |= {index: count for index, count in counts.items() if not isnan(count)}
        self._rising = bool(any(case.known(port.frequencies))) and (rose or self._rising)
        unasked = not case.reading.slow and not all(case.was_read(index) for index in port.voltages)
        return self._rules.is_meter and (self._rising or unasked)

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
            steps = sum(case.step(index) for index in (total, *parts)) / 2.0
            wrong = any(phases) and _differ(whole, added) and abs(whole - added) > steps
            unit = case.unit(total)
            text = f"{case.names[total]} {whole:.6g}{unit} differs from the sum of its phases, {added:.6g}{unit}"
            yield (total, -1), text if wrong else ""
        for apparent, active in self._rules.pairs:
            va, w = case.numbers[apparent], abs(case.numbers[active])
            if isnan(va) or isnan(w):
                continue
            text = f"{case.names[apparent]} {va:.6g} VA is below {case.names[active]} {w:.6g} W"
            steps = (case.step(apparent) + case.step(active)) / 2.0
            yield (apparent, active), text if w - steps > va > 0.0 and _differ(w, va) else ""


def _differ(power: float, other: float) -> bool:
    """Return whether two powers differ by more than 5 % and 100 W (METHOD-SITE 10)."""
    return abs(power - other) > max(DIFFERENCE, DIFFERENCE_SHARE * max(abs(power), abs(other)))
