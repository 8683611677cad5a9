"""Stage of the site between the metering points and the channels of the accounts (METHOD-SITE 8).

The terminal of a hybrid inverter becomes PV, discharge and charge; a sub-meter becomes its own use. Points are named
after their devices; a hybrid has one more for its terminal and for each part of its DC side. Channels are the columns
of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram.acquisition.device_source import Latest
from wattgram.base.occurrence import Occurrence
from wattgram.config.devices_table import DeviceConfig
from wattgram.counters.metering import MeteredStep
from wattgram.counters.reconcile import NOTHING_METERED

from .hybrid_nodes import HybridNode, hybrid_nodes, tree_of
from .hybrid_state import NO_FLOW, HybridInterval, HybridState, TerminalFlows
from .metering_point import MeteringPoint, PointInterval
from .metering_tree import OwnUse, own_uses

TERMINAL, STRINGS, CELLS = "terminal", "dc pv", "dc battery"
"""Ends of the names of a hybrid's points."""

UNREAD = PointInterval()
"""Interval of a point without a reading."""

PointReading = tuple[str, float, MeteredStep]
"""Name of a point, power in W, and the amount counted."""


class WiringStep(NamedTuple):
    """Intervals of the channels in their order, and events with the names of their devices."""

    intervals: list[PointInterval]
    occurrences: tuple[tuple[str, Occurrence], ...]


class HeldUse(NamedTuple):
    """Own use of a sub-meter in the time in which a part of it is unknown: Wh of the known parts and of told gaps.

    missing: parts that were unknown, and whose counters have not told their gap.
    """

    energy: float = 0.0
    missing: frozenset[str] = frozenset()

    def followed_by(self, use: OwnUse, energies: Mapping[str, float], gap: float, told: Set[str]) -> HeldUse:
        """Return this use with an interval's energies, Wh (empty: none ends here), and told gaps of its parts."""
        unknown = frozenset(name for name in use.parts if not isfinite(energies.get(name, 0.0)))
        known = use.of({name: 0.0 if name in unknown else energies[name] for name in use.parts}) if unknown else 0.0
        return HeldUse(self.energy + gap + known, (self.missing | unknown) - told)


NOTHING_HELD = HeldUse()


class SiteWiring:
    """Intervals of the points to intervals of the channels, in the order of the instants.

    devices: all of the site. channels: of the rows, `hybrid_nodes.channels_of`.
    """

    def __init__(self, devices: Sequence[DeviceConfig], channels: Sequence[DeviceConfig]) -> None:
        self._channels = tuple(channels)
        self.nodes = hybrid_nodes(devices)
        self._states = {node.name: HybridState.of(node) for node in self.nodes}
        self._node_of = {device.name: node for node in self.nodes for device in (*node.inverters, *node.batteries)}
        self._inverters = {inverter.name: inverter for node in self.nodes for inverter in node.inverters}
        tree = tree_of(devices)
        self._uses = [use for use in own_uses(tree) if not use.plain]
        self._held: dict[str, HeldUse] = {}
        self._tree_names = tuple(device.name for device in tree)
        self._before: dict[str, float] = {}
        self.devices = {device.name: device for device in channels if " " not in device.name}
        self.points: Mapping[str, PointInterval] = {}  # at the last instant, by name; the power is the interval's mean
        self.shares: Mapping[str, PointInterval] = {}  # of the channels that hybrids were shared out to
        self.active = set(self.devices)  # points that have readings; those of an inverter without a battery have none

    def metering_points(self, tick: float, *, one_way: Set[str] = frozenset()) -> dict[str, MeteringPoint]:
        """Return the metering points of the site by name; tick: s. one_way: names, as for `MeteringPoint`."""
        points = {name: MeteringPoint(config, tick, one_way=name in one_way) for name, config in self.devices.items()}
        for name, config in self._inverters.items():
            # Nothing is cut off at 0: a terminal has both directions. The rated power is not the DC side's.
            points[f"{name} {TERMINAL}"] = MeteringPoint(replace(config, role="inverter"), tick)
            points[f"{name} {STRINGS}"] = MeteringPoint(replace(config, role="pv", rated_power=None), tick)
            points[f"{name} {CELLS}"] = MeteringPoint(replace(config, role="battery", rated_power=None), tick)
        return points

    def device_of(self, point: str) -> str:
        """Return the name of the device that a point belongs to; also of a channel."""
        return point.partition(" ")[0]

    def counter_point(self, channel: str) -> str:
        """Return the point whose counters give the energy of a channel."""
        device = self.device_of(channel)
        node = self._node_of.get(device)
        return f"{node.name} {TERMINAL}" if node and self.is_shared(node) else device

    def is_shared(self, node: HybridNode) -> bool:
        """Return whether the terminal of a node is shared out. An inverter without a battery is one like others."""
        return self._states[node.name].shares(node)

    def hides_battery(self, terminal: str) -> bool:
        """Return whether a battery that has no channel is behind the terminal of a channel."""
        return self._states[self.device_of(terminal)].lacks_channel

    def readings(self, config: DeviceConfig, taken: Latest) -> list[PointReading]:
        """Return what a reading gives to the points of its device."""
        readings = list(self._readings(config, taken))
        self.active.update(point for point, _, _ in readings)
        return readings

    def _readings(self, config: DeviceConfig, taken: Latest) -> Iterator[PointReading]:
        node, name = self._node_of.get(config.name), config.name
        if node is None or name in self._inverters:
            yield name, taken.power, taken.metered
        else:  # a battery at the DC side: its counters fix the proportion only
            self._states[node.name].add_battery(taken.metered)
            yield name, taken.power, NOTHING_METERED
        if node is None or name not in self._inverters:
            return
        reading = taken.node
        state = self._states[node.name]
        if reading is not None and (isfinite(reading.battery) or state.shows_battery(reading) or state.shares(node)):
            state.add_inverter(name, reading)
            yield f"{name} {TERMINAL}", reading.terminal, reading.terminal_step
            yield f"{name} {STRINGS}", reading.pv, NOTHING_METERED
            yield f"{name} {CELLS}", reading.battery, NOTHING_METERED
        elif reading is None and node.batteries:  # the map has no terminal: the inverter's power is the terminal's
            yield f"{name} {TERMINAL}", taken.power, taken.metered

    def advance(self, points: Mapping[str, PointInterval], seconds: float) -> WiringStep:
        """Return the intervals of the channels; `seconds`: length, 0 if no interval ends here."""
        hours = max(seconds, 0.0) / 3600.0
        result = dict(points)
        shares: dict[str, PointInterval] = {}
        flows = {name: points[name] for name in self._tree_names}
        occurrences: list[tuple[str, Occurrence]] = []
        for node in self.nodes:
            state = self._states[node.name]
            interval = self._interval(node, points, hours)
            shared = state.advance(interval, hours)
            occurrences += [(node.name, occurrence) for occurrence in shared.occurrences]
            if state.shares(node):
                shares |= shared.channels
                flows |= shared.flows
            else:
                shares |= {node.unsplit_channel: UNREAD} | dict.fromkeys(node.battery_channels, NO_FLOW)
        result |= shares
        if self._uses:
            result |= self._own_uses(flows, hours)
        self.points = {
            name: _with_mean(interval, self._before.get(name, nan), hours) for name, interval in points.items()
        }
        self.shares = {name: _with_mean(interval, nan, hours) for name, interval in shares.items()}
        self._before |= {name: interval.power for name, interval in points.items()}
        return WiringStep([result[channel.name] for channel in self._channels], tuple(occurrences))

    def findings(self) -> dict[str, str]:
        """Return what the last hour shows about a hybrid's registers, by device."""
        return {name: state.finding for name, state in self._states.items() if state.finding}

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        held = {name: [held.energy, sorted(held.missing)] for name, held in self._held.items()}
        return [{name: state.dump() for name, state in self._states.items()}, held]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        match dumped:
            case [dict(states)]:  # of an older version, which held no own use
                held: Any = {}
            case [dict(states), dict(held)]:
                pass
            case _:
                raise ValueError(f"found {dumped!r}, expected the state of a site's wiring")
        for name, state in self._states.items():
            if name in states:
                state.restore(states[name])
        try:
            for name, (energy, missing) in held.items():
                self._held[name] = HeldUse(float(energy), frozenset(missing))
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {held!r}, expected the held use of sub-meters") from error

    def _interval(self, node: HybridNode, points: Mapping[str, PointInterval], hours: float) -> HybridInterval:
        """Return what the points of a node show of an interval."""
        terminals = {
            inverter.name: self._terminal(f"{inverter.name} {TERMINAL}", points, hours) for inverter in node.inverters
        }
        strings = [self._flows(f"{inverter.name} {STRINGS}", points, hours) for inverter in node.inverters]
        own = [self._flows(f"{inverter.name} {CELLS}", points, hours) for inverter in node.inverters]
        named = [self._flows(battery.name, points, hours) for battery in node.batteries]
        unknown = any(not isfinite(flow.power) for flow in named)
        inverted = any(battery.invert for battery in node.batteries)
        # The inverter reads its battery too: that replaces a battery device that does not answer.
        replaced = named and unknown and not inverted and len(node.inverters) == len(node.batteries) == 1
        cells = own if not named or replaced else named
        return HybridInterval(terminals, tuple(strings), tuple(cells))

    def _terminal(self, name: str, points: Mapping[str, PointInterval], hours: float) -> TerminalFlows:
        point = points.get(name, UNREAD)
        return self._flows(name, points, hours)._replace(
            late_forward=point.late_positive,
            late_backward=point.late_negative,
            told=point.told or bool(point.late_positive or point.late_negative),
        )

    def _flows(self, name: str, points: Mapping[str, PointInterval], hours: float) -> TerminalFlows:
        """Return the flows of a point; an energy that follows from the two ends is their mean."""
        interval = points.get(name, UNREAD)
        forward, backward = _energies(interval, self._before.get(name, nan), hours)
        return TerminalFlows(interval.power, forward, backward)

    def _own_uses(self, flows: Mapping[str, PointInterval], hours: float) -> dict[str, PointInterval]:
        """Return the own uses of the sub-meters that are not simply their readings."""
        powers = {name: interval.power for name, interval in flows.items()}
        energies = {}
        for name, interval in flows.items():
            forward, backward = _energies(interval, self._before.get(name, nan), hours)
            energies[name] = forward - backward
        late = {name: interval.late_positive - interval.late_negative for name, interval in flows.items()}
        told = {name for name, interval in flows.items() if interval.told or late[name]}
        waiting = {name for name, interval in flows.items() if interval.waiting or not isfinite(interval.power)}
        result = {}
        for use in self._uses:
            if use.detail:
                result[use.name] = NO_FLOW
                continue
            energy, gap, waits = use.of(energies), use.of(late), not waiting.isdisjoint(use.parts)
            held = self._held.get(use.name, NOTHING_HELD).followed_by(use, energies if hours > 0.0 else {}, gap, told)
            self._held[use.name] = held if waits else NOTHING_HELD
            gap = 0.0 if waits or held.missing else held.energy
            # The order of the arguments keeps NaN: max(NaN, 0) is NaN.
            result[use.name] = PointInterval(
                use.of(powers),
                max(energy, 0.0),
                max(-energy, 0.0),
                max(gap, 0.0),
                max(-gap, 0.0),
                waiting=waits,
            )
        return result


def _with_mean(interval: PointInterval, before: float, hours: float) -> PointInterval:
    """Return an interval with its mean power; unknown if the power at its end is."""
    forward, backward = _energies(interval, before, hours)
    if not isfinite(interval.power + forward + backward):
        return interval
    return interval._replace(power=(forward - backward) / hours)


def _energies(interval: PointInterval, before: float, hours: float) -> tuple[float, float]:
    """Return the energy in each direction, Wh; NaN if unknown or if no interval ends here."""
    if hours <= 0.0:
        return nan, nan
    ends = [end for end in (before, interval.power) if isfinite(end)]
    mean = sum(ends) / len(ends) * hours if ends else nan
    forward = interval.positive if isfinite(interval.positive) else max(mean, 0.0)
    backward = interval.negative if isfinite(interval.negative) else max(-mean, 0.0)
    return forward, backward
