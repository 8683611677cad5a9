"""Rules over several values of a device, as indices and positions for the compiled screen (METHOD-SITE 10).

Built once from a plan. A rule whose values the plan lacks does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from wattgram_drivers.device import Device, ValidWhen
from wattgram_drivers.plan import Plan, RegisterSpan, spans_of

from .bounds import UNBOUNDED, class_of
from .power_witnesses import PHASES, PowerWitnesses, ProductRule

DEAD_SHARE = 0.02
"""Share of rated power or current that cannot flow through a port without voltage (METHOD-SITE 10)."""

DEAD_POWER, DEAD_CURRENT = 100.0, 0.5
"""The same without a rated power: W, and A."""

NOMINAL_PHASE_VOLTAGE = 230.0
"""Phase voltage that makes a current of a rated power, V."""

COUNTING = ("energy", "net energy", "amount")
"""Classes of counters."""

SUNSPEC_RUNNING = (4.0, 5.0)
"""States of a SunSpec inverter that feeds in: at its maximum power point, and throttled (models 101 to 113)."""

STORED_PORTS = ("battery_power", "battery_soc", "battery_voltage")
"""Quantities of a hybrid inverter. Its total may flow through a backup port while the grid's port is dead."""


@dataclass(frozen=True, slots=True)
class PortRule:
    """An AC port: its voltages, its frequency, its currents and powers, and all values that are void with it."""

    voltages: tuple[int, ...]
    frequencies: tuple[int, ...]
    currents: tuple[int, ...]
    powers: tuple[int, ...]
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BlockRule:
    """A request: the first words of its voltages and frequencies, its words, and the values that are void with it.

    codes: codes and settings of the request, void if they have no other words.
    """

    positions: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]
    members: tuple[int, ...]
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConditionRule:
    """A state, its allowed values, and the values that the state makes valid."""

    condition: ValidWhen
    state: int
    members: tuple[int, ...]


class ReadingRules:
    """Rules over the values of one plan."""

    def __init__(self, device: Device, plan: Plan) -> None:
        self._device = device
        self._plan = plan
        self._index = {name: index for index, name in enumerate(plan.quantities)}
        self._classes = tuple(class_of(name) for name in plan.quantities)

    @cached_property
    def products(self) -> tuple[ProductRule, ...]:
        """Powers bounded by other values of the reading, first by voltage x current."""
        return PowerWitnesses(
            self._device, self._plan, self._spans, hybrid=self.is_hybrid, string_inverter=bool(self.dc_side)
        ).rules()

    @cached_property
    def ports(self) -> tuple[PortRule, ...]:
        """AC ports with voltages: the device's terminals, and the grid meter of an inverter."""
        return tuple(rule for prefix in ("", "meter_", "inverter_") if (rule := self._port(prefix)).voltages)

    @cached_property
    def sums(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Totals and their phases."""
        names = ("active_power", "reactive_power", "apparent_power", "meter_active_power", "grid_power")
        return tuple(
            (self._index[total], parts)
            for name in names
            if (total := f"{name}_total") in self._index
            and len(parts := self._known(f"{name}_{phase}" for phase in PHASES)) == len(PHASES)
        )

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Apparent powers and their active powers."""
        return tuple(
            (self._index[apparent], self._index[active])
            for of in ("total", *PHASES)
            if (apparent := f"apparent_power_{of}") in self._index and (active := f"active_power_{of}") in self._index
        )

    @cached_property
    def counters(self) -> tuple[int, ...]:
        """Counters of energy or matter."""
        return tuple(index for index, name in enumerate(self._classes) if name in COUNTING)

    @cached_property
    def blocks(self) -> tuple[BlockRule, ...]:
        """Requests that contain a phase voltage or the frequency."""
        return tuple(rule for block in self._plan.blocks if (rule := self._block(block.spans)).positions)

    @cached_property
    def conditions(self) -> tuple[ConditionRule, ...]:
        """Conditions of the map whose state is read. Without `quantities` a condition covers all other values."""
        return tuple(
            ConditionRule(condition, self._index[condition.state], members)
            for condition in self._device.conditions
            if condition.state in self._index
            and (
                members := self._known(
                    condition.quantities or (name for name in self._index if name != condition.state)
                )
            )
        )

    @property
    def is_hybrid(self) -> bool:
        """Whether the device is an inverter with a battery."""
        return self._device.kind == "inverter" and any(name in self._device.quantities for name in STORED_PORTS)

    @property
    def _may_store(self) -> bool:
        """Whether a battery may share the DC side of an inverter, also one that another map reads."""
        return self._device.terminal is not None or self.is_hybrid or bool(self._device.blocks)

    @property
    def is_meter(self) -> bool:
        """Whether the device is a meter."""
        return self._device.kind == "meter"

    @property
    def stands_still(self) -> bool:
        """Whether the device is a machine or a charger, which has no voltage while it stands still."""
        return self._device.kind in ("genset", "charger")

    @cached_property
    def unread_counter(self) -> str:
        """First counter of the device that the plan does not read, "" for none."""
        counting = (name for name in self._device.quantities if class_of(name) in COUNTING)
        return next((name for name in counting if name not in self._index), "")

    @cached_property
    def measurements(self) -> tuple[int, ...]:
        """Indices of measured values: no code, setting or counter."""
        others = (UNBOUNDED, "power setting", *COUNTING)
        return tuple(index for index, name in enumerate(self._classes) if name not in others)

    def _known(self, names: Iterable[str]) -> tuple[int, ...]:
        return tuple(self._index[name] for name in names if name in self._index)

    def _name(self, index: int) -> str:
        return self._plan.quantities[index]

    @cached_property
    def _spans(self) -> tuple[frozenset[RegisterSpan], ...]:
        """Spans of each place's value."""
        return tuple(frozenset(spans_of(place.register, self._device.limits)) for place in self._plan.places)

    def _port(self, prefix: str) -> PortRule:
        of = {
            "": ("AC voltage", "AC current", "AC power", "AC apparent power", "power factor", "frequency"),
            "inverter_": ("AC voltage", "AC current"),
            "meter_": ("AC voltage", "connection current", "connection power", "power factor", "frequency"),
        }[prefix]
        members = tuple(
            index
            for name, index in self._index.items()
            if self._classes[index] in of and _prefix(name) == prefix and not re.search(r"_demand(_|$)|_today$", name)
        )

        def having(*names: str) -> tuple[int, ...]:
            return tuple(index for index in members if self._classes[index] in names)

        powers = having("AC power", "connection power")
        if self.is_hybrid and not prefix:
            powers = tuple(index for index in powers if "_l" in self._name(index))
        return PortRule(
            having("AC voltage"),
            having("frequency"),
            tuple(index for index in having("AC current", "connection current") if "_n" not in self._name(index)),
            powers,
            members,
        )

    def _block(self, spans: Sequence[RegisterSpan]) -> BlockRule:
        """Return the rule of a request. The codes of a meter or an inverter do not show that its values are real."""
        request = frozenset(spans)
        inside = [(index, place) for index, place in enumerate(self._plan.places) if self._spans[index] <= request]
        only_values = self._device.kind in ("meter", "inverter")
        values = [
            (index, place)
            for index, place in inside
            if not (only_values and self._classes[index] in (UNBOUNDED, "power setting"))
        ]
        words = sorted({position for _, place in values for position in place.positions})
        shown = tuple(place.position for index, place in inside if index in self._signs_of_life)
        members = {index for index, _ in values}
        for model in self._plan.checked:  # states and alarms of an empty SunSpec model are void, too
            if members.intersection(model.values):
                members.update(model.codes)
        codes = tuple(index for index, _ in inside if index not in members)
        return BlockRule(shown, tuple(_ranges(words)), tuple(sorted(members)), codes)

    @cached_property
    def rest(self) -> int:
        """Index of a SunSpec inverter's state, by which its zeros are true; -1 for none."""
        return self._index.get("status", -1) if self._device.kind == "inverter" and self._plan.checked else -1

    @cached_property
    def running(self) -> tuple[int, tuple[float, ...]]:
        """Index of the state that says that an inverter feeds in, -1 for none, and its values then."""
        if self.rest >= 0:
            return self.rest, SUNSPEC_RUNNING
        running = self._device.running
        return (self._index.get(running.state, -1), running.allowed) if running else (-1, ())

    @cached_property
    def dc_side(self) -> tuple[int, ...]:
        """Powers of the DC side of an inverter without a battery: what enters there leaves through the AC port."""
        if self._device.kind != "inverter" or self._may_store:
            return ()
        total = self._known(["dc_power"])
        return total or tuple(index for index, name in enumerate(self._classes) if name == "DC power")

    @property
    def marks_absence(self) -> bool:
        """Whether the device marks its values as not available without sun."""
        return self._device.night == "not-available"

    @cached_property
    def _signs_of_life(self) -> frozenset[int]:
        """Phase voltages and frequencies; line voltages of a plan without phase voltages."""
        voltages = [index for index, name in enumerate(self._classes) if name == "AC voltage"]
        phases = [index for index in voltages if re.search(r"_l\dn$", self._name(index))]
        frequencies = [index for index, name in enumerate(self._classes) if name == "frequency"]
        return frozenset([*(phases or voltages), *frequencies])


def _prefix(name: str) -> str:
    return next((prefix for prefix in ("meter_", "inverter_", "grid_", "backup_") if name.startswith(prefix)), "")


def _ranges(words: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, count) of the runs in ascending numbers."""
    first = previous = None
    for word in words:
        if first is None or previous is None:
            first = word
        elif word != previous + 1:
            yield first, previous - first + 1
            first = word
        previous = word
    if first is not None and previous is not None:
        yield first, previous - first + 1
