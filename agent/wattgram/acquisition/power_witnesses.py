"""Rules that bound a power by other values of the same reading, first by voltage x current (METHOD-SITE 10).

The first rule of a power whose other values are there decides. Voltages and currents of the same request bound an
active power at MARGIN times their products, all other values at COARSE_MARGIN: the requests of a reading are up to a
second apart, and devices compute apparent and reactive powers in several ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from wattgram_drivers.device import Device
from wattgram_drivers.plan import Plan, RegisterSpan

ROOT_3 = 3**0.5
PHASES = ("l1", "l2", "l3")
LINE_OF_PHASE = {"l1": "l1l2", "l2": "l2l3", "l3": "l3l1"}

MARGIN = 1.2
"""Factor on voltage x current of the same request (METHOD-SITE 10)."""

COARSE_MARGIN = 10.0
"""Factor on values of other requests, and on values other than voltage x current."""

PRODUCT_SLACK = 1000.0
"""VA that a power may exceed the bound of its rule (METHOD-SITE 10)."""

VOLTAGE_CURRENT = "voltage x current"

Conductor = Sequence[tuple[str, str, float]]
"""(voltage, current, factor) to choose from, best first."""


@dataclass(frozen=True, slots=True)
class ProductRule:
    """A power, and the (voltage, current, factor) whose sum bounds it, with the factor `margin` on the sum.

    A current of -1: the first value by itself, such as the power of a phase. source: the other values, in words.
    words_only: the sum bounds only values whose exchanged words fit, because power may flow past its currents.
    """

    power: int
    pairs: tuple[tuple[int, int, float], ...]
    margin: float = MARGIN
    source: str = VOLTAGE_CURRENT
    words_only: bool = False


class PowerWitnesses:
    """Rules of one plan. spans: of each place's value. hybrid: the device has a battery and a backup port.

    string_inverter: the power of its DC side leaves through its AC port.
    """

    def __init__(
        self,
        device: Device,
        plan: Plan,
        spans: Sequence[frozenset[RegisterSpan]],
        *,
        hybrid: bool,
        string_inverter: bool,
    ) -> None:
        self._device = device
        self._plan = plan
        self._spans = spans
        self._requests = [frozenset(block.spans) for block in plan.blocks]
        self._hybrid = hybrid
        self._string_inverter = string_inverter
        self._index = {name: index for index, name in enumerate(plan.quantities)}

    def rules(self) -> tuple[ProductRule, ...]:
        """Return the rules; those of one power stand together, the best first."""
        found: dict[int, list[ProductRule]] = {}
        for rule in self._all():
            found.setdefault(rule.power, []).append(rule)
        return tuple(rule for rules in found.values() for rule in rules)

    def _all(self) -> Iterator[ProductRule]:
        for power, conductors in self._products():
            own = power.startswith(("active", "apparent", "reactive"))
            rule = (
                None if power.startswith(("apparent", "reactive")) else self._product(power, conductors, together=True)
            )
            past = own and self._hybrid and (rule is None or power.endswith("_total"))
            rule = rule or self._product(power, conductors, together=False)
            if rule is not None:
                yield replace(rule, words_only=past, margin=COARSE_MARGIN if past else rule.margin)
        for power, parts, source in self._sources():
            if rule := self._sum(power, parts, source):
                yield rule

    def _products(self) -> Iterator[tuple[str, Sequence[Conductor]]]:
        """Yield powers and their conductors. A hybrid's total flows through its grid port and its backup port."""
        strings = [n for n in range(1, 25) if f"dc_power_{n}" in self._index]
        for prefix in ("", "meter_"):
            phases = _phases(prefix)
            for power in ("active_power", "apparent_power", "reactive_power"):
                yield f"{prefix}{power}_total", phases
                for phase, conductor in zip(PHASES, phases, strict=True):
                    yield f"{prefix}{power}_{phase}", [conductor[:1]]
        yield "battery_power", [[("battery_voltage", "battery_current", 1.0)]]
        for n in strings:
            yield f"dc_power_{n}", [[(f"dc_voltage_{n}", f"dc_current_{n}", 1.0)]]
        if len(strings) < 2:  # of several strings, voltage and current without a number may be those of the first
            yield "dc_power", [[("dc_voltage", "dc_current", 1.0)]]

    def _product(self, power: str, conductors: Sequence[Conductor], *, together: bool) -> ProductRule | None:
        """Return the rule of a power; None unless voltage and current of all conductors are read.

        together: by the request that reads the power.
        """
        if power not in self._index:
            return None
        blocks = self._blocks_of(power)
        pairs: list[tuple[int, int, float]] = []
        for choices in conductors:
            measured = [choice for choice in choices if choice[1] in self._index]
            if not measured and any(name in self._device.quantities for choice in choices for name in choice[:2]):
                return None  # the device has this conductor, and its current is not read
            found = [
                (self._index[voltage], self._index[current], factor)
                for voltage, current, factor in measured
                if voltage in self._index
                and (not together or blocks & self._blocks_of(voltage) & self._blocks_of(current))
            ]
            if measured and not found:
                return None  # the sum would lack this conductor
            pairs += found[:1]
        if not pairs:
            return None
        return ProductRule(self._index[power], tuple(pairs), MARGIN if together else COARSE_MARGIN)

    def _sources(self) -> Iterator[tuple[str, Conductor, str]]:
        """Yield powers, the values that bound them where no voltage x current does, and what these are in words."""
        averages = (
            ("voltage_ln_average", "current_total", 1.0),
            ("voltage_ln_average", "current_average", 3.0),
            ("voltage_ll_average", "current_average", ROOT_3),
            ("voltage_ll_average", "current_total", 1.0 / ROOT_3),
        )
        for prefix in ("", "meter_"):
            total = f"{prefix}active_power_total"
            if prefix or not self._hybrid:
                lines = [(f"{prefix}voltage_{LINE_OF_PHASE[p]}", f"{prefix}current_{p}", 1.0 / ROOT_3) for p in PHASES]
                yield total, lines, VOLTAGE_CURRENT  # a three-wire meter has no voltages to neutral
                for average in averages:
                    yield total, [average], VOLTAGE_CURRENT
                yield total, _alone(f"{prefix}active_power_{phase}" for phase in PHASES), "the powers of the phases"
            for of in ("total", *PHASES):
                yield f"{prefix}active_power_{of}", _alone([f"{prefix}apparent_power_{of}"]), "the apparent power"
        for port in ("grid", "grid_ct"):
            phases = {phase: (f"voltage_{phase}n", f"{port}_current_{phase}", 1.0) for phase in PHASES}
            yield f"{port}_power_total", list(phases.values()), VOLTAGE_CURRENT
            for phase, conductor in phases.items():
                yield f"{port}_power_{phase}", [conductor], VOLTAGE_CURRENT
        ways = ("active_power_total", "import_power", "export_power")
        for power in ways if self._device.kind == "meter" else ():
            yield power, _alone(name for name in ways if name != power), "the powers in both directions"
        if self._string_inverter:
            yield "active_power_total", _alone(["dc_power"]), "the DC power"
            yield "dc_power", _alone(["active_power_total"]), "the AC power"
            yield "output_power", _alone(["active_power_total"]), "the AC power"

    def _sum(self, power: str, parts: Conductor, source: str) -> ProductRule | None:
        """Return the rule of a power; None unless all parts are read. A part without a current is a value by itself."""
        names = [name for first, second, _ in parts for name in (first, second) if name]
        if power not in self._index or not set(names) <= self._index.keys():
            return None
        pairs = [(self._index[first], self._index[second] if second else -1, factor) for first, second, factor in parts]
        return ProductRule(self._index[power], tuple(pairs), COARSE_MARGIN, source)

    def _blocks_of(self, quantity: str) -> set[int]:
        spans = self._spans[self._index[quantity]]
        return {number for number, request in enumerate(self._requests) if spans <= request}


def _alone(names: Iterable[str]) -> Conductor:
    """Return values that bound a power by themselves."""
    return [(name, "", 1.0) for name in names]


def _phases(prefix: str) -> list[Conductor]:
    """Return the conductors of a port with three phases."""
    return [
        [
            (f"{prefix}voltage_{phase}n", f"{prefix}current_{phase}", 1.0),
            (f"{prefix}voltage_{LINE_OF_PHASE[phase]}", f"{prefix}current_{phase}", 1.0 / ROOT_3),
        ]
        for phase in PHASES
    ]
