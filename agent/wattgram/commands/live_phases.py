"""A phase of a meter whose power has another sign than those of the other phases: a reversed current transformer?

A single-phase generator behind the meter also gives one phase another sign. So the sign alone is a question. It is a
finding if the reactive power is reversed too, or if the counters show that the phase never flowed the usual way. It is
a finding as well if the phases carry the same power, or if no single-phase generator is as large; then the generation
of the site must not explain the power, because a roof with three phases exports on the phase with the smallest load.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

from .live_finding import LiveFinding

PHASE_NUMBERS = (1, 2, 3)

SIGNIFICANT_PHASE = 50.0
"""Least power of a phase whose sign counts, W."""

SIGNIFICANT_PHASE_SHARE = 0.1
"""The same, as a share of the largest power of a phase."""

SAME_POWER = 1.25
"""Largest ratio of the powers of three phases of a balanced load."""

SAME_POWER_FACTOR = 0.1
"""Largest difference of P/(V I) of the phases of a balanced load."""

INDUCTIVE = 0.985
"""Largest P/(V I) of motors. A single-phase generator has 1, so that equal ones below are no generator."""

SINGLE_PHASE_GENERATOR = 10e3
"""Power above which a generator has three phases, W: 4.6 kVA in VDE-AR-N 4105, 8 kW in China, 10 kVA in Australia."""

NEVER = 0.01
"""Share of a counter in the other direction up to which a phase never flowed this way."""

LEAST_COUNT = 10e3
"""Least energy of a phase from which its counters say something, Wh."""

THREE_PHASE_ROLES = ("pv", "wind", "hydro", "genset", "chp", "ev")
"""Roles of machines and plants in which no phase flows against the others."""

PORTS = ("", "meter_")
"""Prefixes of the quantities of a device's terminals, and of the grid meter of an inverter."""


def phase_findings(values: Mapping[str, float], role: str) -> list[LiveFinding]:
    """Return the phases that seem reversed. values: W, V, A, var, Wh."""
    return [finding for prefix in PORTS if (finding := _Phases(values, prefix, role).finding())]


class _Phases:
    """The three phases of one port."""

    def __init__(self, values: Mapping[str, float], prefix: str, role: str) -> None:
        self._role = role
        self._prefix = prefix
        self._values = values
        self._power = self._of("active_power_l{}")
        self._reactive = self._of("reactive_power_l{}")
        voltages, currents = self._of("voltage_l{}n"), self._of("current_l{}")
        self._apparent = {phase: abs(voltages[phase] * currents[phase]) for phase in PHASE_NUMBERS}
        # Without voltages to neutral, the powers may be those of two wattmeters, which have any sign.
        self._measured = all(not voltage < SIGNIFICANT_PHASE for voltage in voltages.values())

    def _of(self, name: str) -> dict[int, float]:
        return {phase: self._values.get(self._prefix + name.format(phase), nan) for phase in PHASE_NUMBERS}

    def finding(self) -> LiveFinding | None:
        """Return the finding about the phases with another sign; None if there are none."""
        powers = self._power
        least = max(SIGNIFICANT_PHASE, SIGNIFICANT_PHASE_SHARE * max(map(abs, powers.values()), default=0.0))
        negative = [phase for phase in PHASE_NUMBERS if powers[phase] < -least]
        positive = [phase for phase in PHASE_NUMBERS if powers[phase] > least]
        if not negative or not positive or not self._measured:
            return None
        known = len(negative) + len(positive) == len(PHASE_NUMBERS)
        one_way = self._role in (*THREE_PHASE_ROLES, "load")
        odd = negative if one_way or len(negative) <= len(positive) else positive
        others = [phase for phase in (*negative, *positive) if phase not in odd]
        described = f"{self._described(odd)} {'has' if len(odd) == 1 else 'have'} another sign than "
        described += self._described(others)
        turn = f"turn the current transformer{'s' if len(odd) > 1 else ''} of {_named(odd)}"
        finding = LiveFinding(f"phase {odd}", f"{described}; {turn}")
        if self._role in THREE_PHASE_ROLES:
            return finding
        if known and (self._reactive_reversed(odd, others) or self._counted_reversed(odd, others)):
            return finding
        if known and odd == negative and self._is_reversed(odd):
            return finding._replace(explained_by=max(abs(powers[phase]) for phase in odd))
        question = (
            f"does a generator feed {_named(odd)}" if odd == negative else f"does {_named(odd)} have a large load"
        )
        return finding._replace(text=f"{described}; {question}? If not, {turn}", question=True)

    def _described(self, phases: list[int]) -> str:
        return " and ".join(
            f"{self._prefix}active_power_l{phase} {self._power[phase]:.6g} W{self._share(phase)}" for phase in phases
        )

    def _share(self, phase: int) -> str:
        """Return the power as a share of voltage x current, in words."""
        factor = self._factor(phase)
        return f" ({factor:.0%} of V x I)" if 0.0 < factor < 2.0 else ""

    def _factor(self, phase: int) -> float:
        apparent = self._apparent[phase]
        return abs(self._power[phase]) / apparent if apparent > 0.0 else nan

    def _is_reversed(self, odd: list[int]) -> bool:
        """Return whether no single-phase generator explains the sign."""
        sizes = [abs(power) for power in self._power.values()]
        factors = [self._factor(phase) for phase in PHASE_NUMBERS]
        spread = max(factors) - min(factors) if all(factor > 0.0 for factor in factors) else 0.0
        balanced = max(sizes) <= SAME_POWER * min(sizes) and spread <= SAME_POWER_FACTOR
        alike = all(factor < INDUCTIVE for factor in factors) and spread <= SAME_POWER_FACTOR / 3
        large = any(abs(self._power[phase]) >= SINGLE_PHASE_GENERATOR for phase in odd)
        return balanced or alike or large

    def _reactive_reversed(self, odd: list[int], others: list[int]) -> bool:
        """Return whether the reactive powers have the same signs as the active ones, or all the opposite ones."""
        signs = []
        for phase in (*odd, *others):
            if not abs(self._reactive[phase]) >= SIGNIFICANT_PHASE_SHARE * abs(self._power[phase]):
                return False
            signs.append((self._reactive[phase] > 0.0) == (self._power[phase] > 0.0))
        return all(signs) or not any(signs)

    def _counted_reversed(self, odd: list[int], others: list[int]) -> bool:
        """Return whether the phases never flowed in the direction of the others."""
        imported, exported = self._of("active_energy_import_l{}"), self._of("active_energy_export_l{}")
        if self._power[odd[0]] > 0.0:
            imported, exported = exported, imported
        return all(exported[phase] >= LEAST_COUNT and imported[phase] <= NEVER * exported[phase] for phase in odd) and (
            all(imported[phase] > exported[phase] for phase in others)
        )


def _named(phases: list[int]) -> str:
    return f"phase{'s' if len(phases) > 1 else ''} {' and '.join(map(str, phases))}"
