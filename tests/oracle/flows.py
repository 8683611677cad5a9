"""What each node gives at an instant as far as it is known: known, settled late, without a split, or unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from itertools import pairwise

from .hybrid import Registers, Share, shared
from .silence import Gap, Span, asleep, united, without
from .steps import Number, Steps, rounded
from .wiring import SUB_METERS, Device, Site

ZERO = Fraction(0)
DIRECTIONS = ("plus", "minus", "pv", "discharge", "charge")


class State(IntEnum):
    """How well a flow is known; the worst of a busbar's flows is the busbar's."""

    KNOWN = 0
    LATE = 1
    UNPRICED = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Day:
    """What happens: a site, the readings that its devices give, the grid's signal in g/kWh, and who is silent when.

    `readings[device][quantity]` is a function of time. Quantity "power" is in the direction of the role; a hybrid has
    "bridge", "grid_port", "backup_power", "dc", "battery" (when no device of the configuration has it) and "off_grid"
    (1 or 0). A fuel meter's "power" is units of fuel an hour. `silences[device]` are the spans in which the device
    does not answer. `official` is the yearly factor of the location-based ledger, g/kWh (METHOD 4.8); None: the signal.
    """

    site: Site
    readings: Mapping[str, Mapping[str, Steps]]
    signal: Steps
    silences: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    official: Fraction | None = None

    def sampled(self, tick: Number) -> Day:
        """Return the day as a gateway sees it that prices what was read in a tick with the tick's mean signal."""
        readings = {
            name: {quantity: steps.sampled(tick) for quantity, steps in found.items()}
            for name, found in self.readings.items()
        }
        return Day(self.site, readings, self.signal.sampled(tick), self.silences, self.official)

    @property
    def begin(self) -> Number:
        """First second."""
        return self.signal.begin

    @property
    def end(self) -> Number:
        """Second after the last."""
        return self.signal.end

    def power(self, name: str) -> Steps:
        """The power of a device that is no hybrid."""
        return self.readings[name]["power"]


@dataclass(frozen=True, slots=True)
class Flow:
    """A node's powers, W: `plus` in the role's direction and `minus` against it, a hybrid's split, and `net`."""

    state: State
    net: Fraction | None = None
    plus: Fraction | None = None
    minus: Fraction | None = None
    pv: Fraction | None = None
    discharge: Fraction | None = None
    charge: Fraction | None = None
    contradiction: bool = False


def directed(power: Fraction, state: State = State.KNOWN) -> Flow:
    """Return the flow of a plain device."""
    return Flow(state, power, max(power, ZERO), max(-power, ZERO))


class Flows:
    """The flows of a day as they are known at a time `seen`: a gap that ended by then is settled by counters."""

    def __init__(self, day: Day, seen: Number) -> None:
        """Find the gaps of each node."""
        self.day, self.site, self.seen = day, day.site, seen
        self.nodes: dict[str, list[Device]] = {}
        for device in self.site.devices:
            if self.site.is_node(device) or device.role in ("grid", "fuel", "heat", *SUB_METERS):
                self.nodes.setdefault(self.site.node_of(device), []).append(device)
        self.gaps = {name: self._gaps(name) for name in self.nodes}
        self.found: dict[tuple[str, Number], Flow] = {}
        self.means: dict[tuple[str, Gap], dict[str, Fraction] | None] = {}

    def members(self, name: str) -> list[Device]:
        """The devices whose answers a node needs: for a hybrid, the battery's too."""
        battery = self.site.battery_of(name)
        return [*self.nodes[name], *([] if battery is None else [battery])]

    def _gaps(self, name: str) -> list[Gap]:
        spans: list[Span] = []
        sleeping: list[Span] = []
        members = self.members(name)
        for device in members:
            for silence in self.day.silences.get(device.name, ()):
                spans.append(silence)
                if len(members) == 1 and device.terminal is None:
                    sleeping += asleep(self.site, device, self.day.power(device.name), silence)
        return [Gap(*span, without(span, sleeping)) for span in united(spans)]

    def edges(self) -> set[Number]:
        """The times at which anything changes."""
        found = {time for gaps in self.gaps.values() for gap in gaps for time in (gap.begin, gap.end)}
        found |= {time for gaps in self.gaps.values() for gap in gaps for span in gap.unknown for time in span}
        found |= {time for spans in self.day.silences.values() for span in spans for time in span}
        for functions in self.day.readings.values():
            for steps in functions.values():
                found |= set(steps.edges)
        return found | set(self.day.signal.edges)

    def share(self, name: str, time: Number, *, battery: bool = True) -> Share:
        """Return the split of a hybrid's node by what the registers hold; `battery` False: B is not known."""
        hybrids, found = self.nodes[name], self.site.battery_of(name)
        registers, b = [], None
        for device in hybrids:
            values = {quantity: steps.at(time) for quantity, steps in self.day.readings[device.name].items()}
            if "battery" in values:
                b = values["battery"]
            registers.append(values)
        if found is not None:
            b = self.day.power(found.name).at(time)
        b = b if battery else None
        terminal = hybrids[0].terminal
        assert terminal is not None
        return shared(terminal, tuple(self._registers(values, b) for values in registers), b)

    @staticmethod
    def _registers(values: Mapping[str, Fraction | None], battery: Fraction | None) -> Registers:
        return Registers(
            values.get("bridge"),
            values.get("grid_port"),
            values.get("backup_power"),
            values.get("dc"),
            battery,
            bool(values.get("off_grid")),
        )

    def truth(self, name: str, time: Number) -> Flow:
        """Return the flow by what the registers hold, whether they are read or not."""
        device = self.nodes[name][0]
        if device.terminal is not None:
            return self._split(self.share(name, time))
        power = self.day.power(device.name).at(time)
        return Flow(State.UNKNOWN) if power is None else directed(power)

    @staticmethod
    def _split(share: Share) -> Flow:
        if share.known:
            return Flow(State.KNOWN, share.net, None, None, share.pv, share.discharge, share.charge)
        state = State.UNKNOWN if share.net is None else State.UNPRICED
        return Flow(state, share.net, contradiction=share.contradiction)

    def silent(self, name: str, time: Number) -> bool:
        """Whether a device does not answer at a time."""
        return any(begin <= time < end for begin, end in self.day.silences.get(name, ()))

    def flow(self, name: str, time: Number) -> Flow:
        """Return what is known of a node's flow at a time."""
        if (name, time) not in self.found:
            self.found[name, time] = self._flow(name, time)
        return self.found[name, time]

    def _flow(self, name: str, time: Number) -> Flow:
        gap = next((gap for gap in self.gaps[name] if gap.begin <= time < gap.end), None)
        if gap is None:
            return self.truth(name, time)
        if gap.unknown and not gap.has(time):
            return directed(ZERO)
        means = self._settled(name, gap)
        if not gap.unknown and (means is None or not any(means.values())):
            return directed(ZERO)
        return self._missing(name, time) if means is None else self._late(name, time, means)

    def _missing(self, name: str, time: Number) -> Flow:
        """A flow that is not read: of a hybrid whose battery alone is silent, T is known."""
        if self.nodes[name][0].terminal is None or self._terminal_is_silent(name, time):
            return Flow(State.UNKNOWN)
        return self._split(self.share(name, time, battery=False))

    def _terminal_is_silent(self, name: str, time: Number) -> bool:
        return any(self.silent(device.name, time) for device in self.nodes[name])

    def _late(self, name: str, time: Number, means: Mapping[str, Fraction]) -> Flow:
        """A flow by its counters, by the span of the gap.

        A hybrid's charge and discharge alike; its PV is the rest of T, which is known or by T's own counters.
        """
        if self.nodes[name][0].terminal is None:
            plus, minus = means["plus"], means["minus"]
            return Flow(State.LATE, plus - minus, plus, minus)
        net = means["plus"] if self._terminal_is_silent(name, time) else self.truth(name, time).net
        assert net is not None
        pv = net - means["discharge"] + means["charge"]
        if pv < 0:
            return Flow(State.UNPRICED, net)
        return Flow(State.LATE, net, None, None, pv, means["discharge"], means["charge"])

    def _settled(self, name: str, gap: Gap) -> dict[str, Fraction] | None:
        """Mean powers of a gap from its counters, W, or None while they have not spoken."""
        if gap.end > self.seen or gap.end >= self.day.end:
            return None
        silent = [
            device
            for device in self.members(name)
            if any(begin < gap.end and end > gap.begin for begin, end in self.day.silences.get(device.name, ()))
        ]
        if not all(device.counters for device in silent):
            return None
        if (name, gap) not in self.means:
            self.means[name, gap] = self._means(name, gap)
        return self.means[name, gap]

    def _means(self, name: str, gap: Gap) -> dict[str, Fraction] | None:
        edges = sorted(time for time in {*self.edges(), gap.begin, gap.end} if gap.begin <= time <= gap.end)
        sums = dict.fromkeys(DIRECTIONS, ZERO)
        dark = ZERO
        for left, right in pairwise(edges):
            flow = self.truth(name, left)
            if flow.state is not State.KNOWN:
                return None
            if flow.pv is None:
                parts = {direction: getattr(flow, direction) or ZERO for direction in ("plus", "minus")}
            else:
                parts = {direction: getattr(flow, direction) or ZERO for direction in ("pv", "discharge", "charge")}
                if self._terminal_is_silent(name, left):
                    parts["plus"] = flow.net or ZERO
                    dark += right - left
            for direction, power in parts.items():
                sums[direction] += power * (right - left)
        length = sum((right - left for left, right in gap.shared_by()), ZERO)
        means = {direction: rounded(total / length) for direction, total in sums.items()}
        if dark:
            means["plus"] = rounded(sums["plus"] / dark)
        return means

    def use(self, meter: Device, time: Number) -> tuple[State, Fraction | None]:
        """Return a sub-meter's own use, W, and how well it is known."""
        states = [State.KNOWN]

        def net(name: str) -> Fraction | None:
            flow = self.flow(name, time)
            states.append(State.KNOWN if flow.state is State.UNPRICED else flow.state)
            return flow.net

        use = self.site.own_use(meter, lambda device: net(device.name), net)
        return (State.UNKNOWN, None) if use is None else (max(states), use)
