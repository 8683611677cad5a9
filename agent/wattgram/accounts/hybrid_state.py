"""State of a hybrid inverter's node: its split interval by interval, and what its registers show over an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isnan, nan
from typing import Any, NamedTuple

from wattgram.acquisition.terminal_reading import NodeReading
from wattgram.base.occurrence import Occurrence
from wattgram.counters.metering import MeteredStep

from .conversion_loss import LossHour
from .hybrid_nodes import HybridNode
from .hybrid_split import UNKNOWN_SPLIT, HybridLimits, HybridSplit, limits_of, split_energy, split_power
from .metering_point import PointInterval

CONTRADICTION_TICKS = 5
"""Consecutive instants after which contradicting registers, or their end, are an event."""

PROPORTION_STEPS = 20.0
"""Steps that DC counters must have moved before they fix the proportion of an energy (METHOD-SITE 8.2)."""

CONTRADICT, AGREED = "hybrid registers contradict", "hybrid registers agree"
LOSS, LOSS_POSSIBLE = "conversion loss impossible", "conversion loss possible"
UNNAMED = "battery not configured"


NO_FLOW = PointInterval(0.0, 0.0, 0.0)


class TerminalFlows(NamedTuple):
    """Power at an instant, W, and energies of the interval before it, Wh; NaN if unknown.

    late_*: of a gap. told: the counters have told all energy of the gap.
    """

    power: float = nan
    forward: float = nan
    backward: float = nan
    late_forward: float = 0.0
    late_backward: float = 0.0
    told: bool = False


class HybridInterval(NamedTuple):
    """Flows of a node: terminals by inverter, + from DC to AC; PV strings; batteries, + discharging."""

    terminals: Mapping[str, TerminalFlows]
    strings: Sequence[TerminalFlows]
    cells: Sequence[TerminalFlows]


class HybridResult(NamedTuple):
    """Intervals of the channels; flows of the terminals into the site, for sub-meters above them; events."""

    channels: Mapping[str, PointInterval]
    flows: Mapping[str, PointInterval]
    occurrences: tuple[Occurrence, ...]


@dataclass
class HybridState:
    """State of one node. seen: a battery moved, or was shown by its values, at some time.

    finding: of the last whole hour. discharge_share, charge_share: of what last went out of the terminal and into it,
    that of the battery. measured: by inverter, whether its map has registers of the PV power.
    """

    node: HybridNode
    limits: HybridLimits
    loss: LossHour
    seen: bool = False
    contradictory: bool = False
    contrary_ticks: int = 0
    discharge_share: float = 0.0
    charge_share: float = 1.0
    finding: str = ""
    unnamed: bool = False
    measured: dict[str, bool] = field(default_factory=dict)
    _counted: list[float] = field(default_factory=lambda: [nan, nan, nan])
    _open: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    _step: float = 0.0
    _estimated: bool = False
    _backup: float = nan

    @classmethod
    def of(cls, node: HybridNode) -> HybridState:
        """Return the state of a node before its first reading."""
        return cls(node, limits_of(node.rated_power, node.battery_rated_power), LossHour(node.rated_power))

    def shares(self, node: HybridNode) -> bool:
        """Return whether the terminal is shared out. An inverter without a battery is an inverter like others."""
        return bool(node.batteries) or self.seen or node.inverters[0].role == "battery"

    def shows_battery(self, reading: NodeReading) -> bool:
        """Return whether a reading shows a battery whose power is unknown: by its values, or by what it draws."""
        draws = reading.sign is not None and reading.terminal < -self.limits.own_use
        return isnan(reading.battery) and (bool(reading.sign) or draws)

    def add_inverter(self, name: str, reading: NodeReading) -> None:
        """Add the DC counters of an inverter's reading."""
        self.seen = self.seen or self.shows_battery(reading)
        self.measured[name] = reading.measured
        self._estimated, self._backup = reading.estimated, reading.backup
        self._count(0, reading.pv_step.positive, reading.pv_step.resolution[0])
        if not self.node.batteries:
            self.add_battery(reading.battery_step)

    def add_battery(self, step: MeteredStep) -> None:
        """Add the DC counters of a battery's reading.

        A device copies both together: with a step of one, the standstill of the other is known, too.
        """
        moved = step.positive > 0.0 or step.negative > 0.0
        for index, amount, resolution in zip((1, 2), step[:2], step.resolution, strict=True):
            stood = moved and resolution > 0.0 and isnan(amount)
            self._count(index, 0.0 if stood else amount, resolution)

    def _count(self, index: int, amount: float, resolution: float) -> None:
        if isfinite(amount):
            before = self._counted[index]
            self._counted[index] = amount + (before if isfinite(before) else 0.0)
        self._step = max(self._step, resolution)

    def advance(self, interval: HybridInterval, hours: float) -> HybridResult:
        """Share out an interval of `hours`."""
        terminal = _sum([flows.power for flows in interval.terminals.values()])
        pv = _sum([flows.power for flows in interval.strings])
        battery = _sum([flows.power for flows in interval.cells])
        if abs(battery) >= self.limits.noise:
            self.seen = True
        split = UNKNOWN_SPLIT if self._misses(pv) else split_power(terminal, pv, battery, self.limits)
        forward = _sum([flows.forward for flows in interval.terminals.values()])
        backward = _sum([flows.backward for flows in interval.terminals.values()])
        energy = self._energy(forward, backward, interval, hours)
        if split.pv + split.discharge > 0.0:
            self.discharge_share = split.discharge / (split.pv + split.discharge)
        if terminal < 0.0 and isfinite(split.charge):
            self.charge_share = 1.0 if split.charge > 0.0 else 0.0
        self._add_open(interval, unsplit=isfinite(forward) and isnan(energy.pv))
        late = self._late(interval)
        if any(map(isfinite, self._counted)):
            self._open = [0.0, 0.0, 0.0]
        self._counted, self._step = [nan, nan, nan], 0.0
        occurrences = [*self._contradiction(split, terminal, battery), *self._unnamed()]
        if not self._estimated and self.shares(self.node):
            occurrences += self._check_loss(terminal, pv, battery, hours)
        channels = self._channels(split, energy, late, interval)
        channels[self.node.unsplit_channel] = PointInterval(
            terminal if self._is_unsplit(split) else nan,
            *((forward, backward) if hours > 0.0 and self._is_unsplit(energy) else (nan, nan)),
        )
        # What the batteries do is in the flow of the terminal.
        flows = _flows(split, energy, late, interval.terminals) | {
            battery.name: NO_FLOW for battery in self.node.batteries
        }
        return HybridResult(channels, flows, tuple(occurrences))

    def _misses(self, pv: float) -> bool:
        """Return whether the PV power is absent, although the maps have registers for it: the split is unknown."""
        return isnan(pv) and all(self.measured.get(inverter.name, False) for inverter in self.node.inverters)

    def _is_unsplit(self, split: HybridSplit) -> bool:
        """Return whether the terminal is not shared out: the split is unknown, or no channel would take the battery."""
        return isnan(split.pv) or self.lacks_channel

    @property
    def lacks_channel(self) -> bool:
        """Whether there is a battery that has no channel."""
        return self.seen and not self.node.battery_channels

    def _energy(self, forward: float, backward: float, interval: HybridInterval, hours: float) -> HybridSplit:
        if hours <= 0.0:
            return HybridSplit()
        pv = _sum([flows.forward for flows in interval.strings])
        if self._misses(pv):
            return UNKNOWN_SPLIT
        discharge, charge = (
            _sum([flows.forward for flows in interval.cells]),
            _sum([flows.backward for flows in interval.cells]),
        )
        return split_energy(forward, backward, pv, discharge, charge, hours, self.limits)

    def _add_open(self, interval: HybridInterval, *, unsplit: bool) -> None:
        """Add the Wh of the DC side by power since its counters were read: no part of a gap.

        unsplit: the terminal is known, and the DC side is not, so that the counters cannot show the gap alone.
        """
        energies = (
            _sum([flows.forward for flows in interval.strings]),
            _sum([flows.forward for flows in interval.cells]),
            _sum([flows.backward for flows in interval.cells]),
        )
        self._open = [
            before + (energy if isfinite(energy) else nan if unsplit else 0.0)
            for before, energy in zip(self._open, energies, strict=True)
        ]

    def _late(self, interval: HybridInterval) -> HybridSplit:
        """Return the shares of a gap's energy, Wh, in the proportion of the DC counters, else of the last instant.

        A counter that the device does not have is unknown, not 0. Counters that stand still while much flowed into the
        terminal show the inverter's own consumption.
        """
        forward = sum(flows.late_forward for flows in interval.terminals.values())
        backward = sum(flows.late_backward for flows in interval.terminals.values())
        if not forward and not backward:
            return HybridSplit(0.0, 0.0, 0.0)
        # max(NaN, 0) is NaN: unknown stays unknown
        pv, discharge, charge = (
            max(counted - booked, 0.0) for counted, booked in zip(self._counted, self._open, strict=True)
        )
        moved = max([backward, *filter(isfinite, self._counted)])
        if moved >= PROPORTION_STEPS * self._step > 0.0 and isfinite(discharge) and isfinite(charge):
            return split_energy(forward, backward, pv, discharge, charge, 1.0, HybridLimits(0.0, inf))
        return HybridSplit(
            forward * (1.0 - self.discharge_share), forward * self.discharge_share, backward * self.charge_share
        )

    def _contradiction(self, split: HybridSplit, terminal: float, battery: float) -> list[Occurrence]:
        if split.contradictory == self.contradictory or isnan(terminal) or isnan(battery):
            self.contrary_ticks = 0
            return []
        self.contrary_ticks += 1
        if self.contrary_ticks < CONTRADICTION_TICKS or not self.shares(self.node):
            return []
        self.contradictory, self.contrary_ticks = split.contradictory, 0
        if not self.contradictory:
            return [Occurrence(AGREED, "")]
        detail = (
            f"the terminal draws {-terminal / 1000:.3f} kW, the battery gives {battery / 1000:.3f} kW, and the "
            f"inverter consumes at most {self.limits.own_use / 1000:.3f} kW: the battery's sign or the driver is wrong"
        )
        return [Occurrence(CONTRADICT, detail)]

    def _unnamed(self) -> list[Occurrence]:
        """Return the event about a battery without a channel, once."""
        if self.unnamed or not self.lacks_channel:
            return []
        self.unnamed = True
        detail = "there is a battery behind this inverter; add it as a device with role battery"
        return [Occurrence(UNNAMED, detail)]

    def _check_loss(self, terminal: float, pv: float, battery: float, hours: float) -> list[Occurrence]:
        if not self.loss.add(terminal, pv, battery, self._backup, hours):
            return []
        before, self.finding = self.finding, self.loss.finding()
        self.loss = LossHour(self.node.rated_power)
        if bool(before) == bool(self.finding):
            return []
        return [Occurrence(LOSS, self.finding) if self.finding else Occurrence(LOSS_POSSIBLE, "")]

    def _channels(
        self, split: HybridSplit, energy: HybridSplit, late: HybridSplit, interval: HybridInterval
    ) -> dict[str, PointInterval]:
        """Return the intervals of the node's channels; several inverters or batteries share by their own flows.

        `known` is False if no channel takes what the counters of the terminal tell of a gap.
        """
        channels = {}
        strings = [flows.power for flows in interval.strings]
        if len(strings) > 1 and not any(power > 0.0 for power in strings):
            strings = [flows.power for flows in interval.terminals.values()]
        for name, share in zip(self.node.pv_channels, _shares(strings, len(self.node.pv_channels)), strict=True):
            channels[name] = PointInterval(share * split.pv, share * energy.pv, 0.0 * energy.pv, share * late.pv, 0.0)
        if self.lacks_channel:
            return dict.fromkeys(channels, PointInterval(known=False))
        cells = [abs(flows.power) for flows in interval.cells]
        shares = _shares(cells, len(self.node.battery_channels))
        for name, share in zip(self.node.battery_channels, shares, strict=True):
            channels[name] = PointInterval(
                share * split.battery,
                share * energy.discharge,
                share * energy.charge,
                share * late.discharge,
                share * late.charge,
            )
        return channels

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        gap = [self.charge_share, *self._open]
        return [self.seen, self.contradictory, self.discharge_share, self.finding, self.unnamed, self.loss.dump(), gap]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        try:
            seen, contradictory, share, finding, unnamed, loss, *further = dumped
            # an older version had no share of the charge and no energies by power
            charge_share, *booked = map(float, further[0]) if further else (1.0, 0.0, 0.0, 0.0)
            restored = bool(seen), bool(contradictory), float(share), str(finding), bool(unnamed)
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected the state of a hybrid") from error
        self.loss.restore(loss)
        self.seen, self.contradictory, self.discharge_share, self.finding, self.unnamed = restored
        self.charge_share, self._open = charge_share, booked


def _flows(
    split: HybridSplit, energy: HybridSplit, late: HybridSplit, terminals: Mapping[str, TerminalFlows]
) -> dict[str, PointInterval]:
    """Return the flow of each terminal into the site; the own consumption is no flow of the terminal, but load."""
    own_power = split.pv + split.battery == 0.0
    own_energy = energy.charge == 0.0
    flows = {}
    for name, terminal in terminals.items():
        power = max(terminal.power, 0.0) if own_power else terminal.power
        backward = 0.0 * terminal.backward if own_energy else terminal.backward
        late_backward = 0.0 if late.charge == 0.0 else terminal.late_backward
        flows[name] = PointInterval(
            power, terminal.forward, backward, terminal.late_forward, late_backward, told=terminal.told
        )
    return flows


def _shares(weights: Sequence[float], count: int) -> list[float]:
    """Return the share of each channel, by the weights if these are known, else equal."""
    known = [max(weight, 0.0) if isfinite(weight) else 0.0 for weight in weights]
    total = sum(known)
    if count == 1:
        return [1.0]
    if total > 0.0 and len(known) == count:
        return [weight / total for weight in known]
    return [1.0 / count] * count if count else []


def _sum(values: Sequence[float]) -> float:
    return sum(values) if values else nan
