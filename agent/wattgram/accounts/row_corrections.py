"""Corrections of the past on the rows of a site (METHOD-SITE 14): stored rows stay as read, the accounts get others.

A running site and every replay pass the same code, so that corrected time stays corrected. A change of a device changes
the own use of the sub-meters that contain the device (METHOD-SITE 8.3).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import isfinite, nan
from typing import NamedTuple

from wattgram_ext.intensity import TERMINAL_ROLE

from wattgram.base.clock import NS
from wattgram.config.correction_table import INVERT, VOID, CorrectionConfig, named
from wattgram.config.load import Config
from wattgram.config.role_keys import BURNERS

from . import fuel
from .balance import GROSS_IMBALANCE, RELEASE_SECONDS
from .corrected_flows import CorrectionShare, interval_energies, share_of_interval, share_of_spans
from .estimated_energy import OUTSIDE_BALANCE
from .hybrid_nodes import hybrid_nodes, tree_of
from .late_energy import Span
from .metering_point import PRODUCERS
from .metering_tree import OwnUse, own_uses
from .row_layout import LEADING_COLUMNS, Layout

LONGEST_INTERVAL = 900 * NS
"""Longest interval of an instant: a tick is a part of a quarter of an hour."""


class CorrectedDevice(NamedTuple):
    """A correction and its place in a row: indices of channels.

    unsplit: of the terminal that stays known while its battery is void, -1 for none. uses: own uses that contain the
    device. balanced: whether the device is in the balance.
    """

    correction: CorrectionConfig
    channels: tuple[int, ...]
    unsplit: int
    uses: tuple[OwnUse, ...]
    balanced: bool = True


class RowCorrections:
    """Corrections of a configured site, for the rows of one layout. Corrections of removed devices change nothing.

    all: the corrections in the order of their time.
    """

    def __init__(self, config: Config, layout: Layout) -> None:
        self.all = tuple(each for each in config.corrections if not each.removed)
        self._layout = layout
        places = layout.shape
        self._energies, self._carbon = places.energies, places.carbon
        self._charges = (
            layout.fields.index(layout.parts.pools[0].column, layout.first_column) if "soc" in layout.columns else -1
        )
        self._tick = round(config.site.tick * NS)
        self._row = struct.Struct(f"{len(layout.fields)}d")
        self._index = {channel.name: index for index, channel in enumerate(layout.channels)}
        nodes = hybrid_nodes(config.devices) if self.all else ()
        self._nodes = {device.name: node for node in nodes for device in (*node.inverters, *node.batteries)}
        self._batteries = {battery.name for node in nodes for battery in node.batteries}
        self._uses = {use.name: use for use in own_uses(tree_of(config.devices))} if self.all else {}
        self._devices = [self._placed(each) for each in self.all]
        self._begin = min((each.since for each in self.all), default=2**62)
        self._end = max((each.until for each in self.all), default=0)
        self._before: tuple[float, ...] = ()  # powers of the last row

    def named(self, begin: int, end: int) -> str:
        """Return the corrections of the time from `begin` to `end`, UTC ns, as a record names them; "" for none."""
        return named(self.all, begin, end) if begin < self._end and end > self._begin else ""

    def advance(self, times: Sequence[int], rows: bytes) -> bytes:
        """Return the rows of instants, UTC ns, as corrected; the rows follow those of the last call."""
        if not self._near(times[0]) and not self._near(times[-1]) and not times[0] < self._begin < times[-1]:
            self._before = ()
            return rows
        corrected = []
        for time, numbers in zip(times, self._row.iter_unpack(rows), strict=True):
            corrected.append(self._row.pack(*self._instant(time, numbers)))
            self._before = numbers[LEADING_COLUMNS : self._energies]
        return b"".join(corrected)

    def precede(self, row: bytes) -> None:
        """Take the row before the first one of the next `advance`."""
        self._before = self._row.unpack(row)[LEADING_COLUMNS : self._energies]

    def late(self, slot: Span, row: bytes, spans: Sequence[Span] = ()) -> bytes:
        """Return a row of late energy of a quarter, or of an hour's end, as corrected. spans: time of the energy."""
        if slot.end <= self._begin or slot.begin >= self._end:
            return row
        numbers = list(self._row.unpack(row))
        for device in self._devices:
            if device.correction.overlap(*slot):
                self._correct_late(numbers, device, share_of_spans(device.correction, spans or (slot,)))
        return self._row.pack(*numbers)

    def restored(self, time: int, row: bytes, withheld: bytes) -> bytes:
        """Return the row of an instant whose balance was withheld: the measured one if a correction makes it possible.

        A balance that was possible again was withheld for `RELEASE_SECONDS` more.
        """
        if not any(
            device.balanced and each.since < time <= each.until + RELEASE_SECONDS * NS
            for each, device in zip(self.all, self._devices, strict=True)
        ):
            return row
        corrected = self._instant(time, self._row.unpack(withheld))
        return withheld if self._is_possible(corrected[LEADING_COLUMNS : self._energies]) else row

    def _near(self, time: int) -> bool:
        return self._begin - self._tick < time < self._end + LONGEST_INTERVAL

    def _share(self, device: CorrectedDevice, time: int, seconds: float) -> CorrectionShare | None:
        length = round(seconds * NS) if seconds > 0.0 else 0
        return share_of_interval(device.correction, time, length, self._tick)

    def _instant(self, time: int, numbers: Sequence[float]) -> Sequence[float]:
        """Return the corrected numbers of an instant's row."""
        found = [(device, self._share(device, time, numbers[0])) for device in self._devices]
        shares = [(device, share) for device, share in found if share is not None]
        if not shares:
            return numbers
        corrected = list(numbers)
        for use in {use.name: use for device, _ in shares for use in device.uses}.values():
            self._correct_use(corrected, numbers, use, {each.correction.device: share for each, share in shares})
        for device, share in shares:
            self._correct_channels(corrected, device, share)
        return corrected

    def _correct_channels(self, numbers: list[float], device: CorrectedDevice, share: CorrectionShare) -> None:
        layout = self._layout
        if device.unsplit >= 0:
            self._join_terminal(numbers, device, share)
        for index in device.channels:
            place, config = self._energies + 2 * index, layout.channels[index]
            if config.name in self._uses and not self._uses[config.name].plain:
                continue  # `_correct_use` has corrected its reading
            power = self._corrected_power(share, index, numbers[LEADING_COLUMNS + index])
            numbers[LEADING_COLUMNS + index] = power
            numbers[place : place + 2] = share.of_energies(*numbers[place : place + 2])
            if self._carbon >= 0 and config.role in BURNERS and not config.emission.fuel_meter and share.power:
                numbers[self._carbon + index] = fuel.rate(config, power)
            if self._charges >= 0 and config.role == "battery" and share.power and share.correction.effect == VOID:
                numbers[self._charges + layout.parts.pool_indices[index]] = nan

    def _join_terminal(self, numbers: list[float], device: CorrectedDevice, share: CorrectionShare) -> None:
        """Give the terminal the sum of its channels, which are unknown without the battery."""
        place = self._energies + 2 * device.unsplit
        if share.power and not isfinite(numbers[LEADING_COLUMNS + device.unsplit]):
            numbers[LEADING_COLUMNS + device.unsplit] = sum(
                numbers[LEADING_COLUMNS + index] for index in device.channels
            )
        if share.energy and not isfinite(numbers[place]):
            net = sum(self._net(numbers, index) for index in device.channels)
            numbers[place : place + 2] = max(net, 0.0), max(-net, 0.0)

    def _correct_use(
        self,
        corrected: list[float],
        numbers: Sequence[float],
        use: OwnUse,
        shares: dict[str, CorrectionShare],
    ) -> None:
        """Change the own use of a sub-meter by what the corrections change of its parts."""
        index = self._index[use.name]
        place = self._energies + 2 * index
        signs = {use.name: 1.0} | dict.fromkeys(use.added, 1.0) | dict.fromkeys(use.subtracted, -1.0)
        power, energy = numbers[LEADING_COLUMNS + index], numbers[place] - numbers[place + 1]
        for name, sign in signs.items():
            if (share := shares.get(name)) is None or self._is_contained(share):
                continue
            flow_power, flow_energy = self._flow(numbers, name)
            part = self._index.get(name, -1)
            power += sign * (self._corrected_power(share, part, flow_power) - flow_power)
            if share.energy:
                known = not self._is_reversed_producer(share, part) or isfinite(numbers[self._energies + 2 * part + 1])
                energy += sign * (share.of_net(flow_energy) - flow_energy) if known else nan
        corrected[LEADING_COLUMNS + index] = power
        corrected[place : place + 2] = max(energy, 0.0), max(-energy, 0.0)

    def _is_reversed_producer(self, share: CorrectionShare, index: int) -> bool:
        return share.correction.effect == INVERT and self._layout.channels[index].role in PRODUCERS

    def _corrected_power(self, share: CorrectionShare, index: int, power: float) -> float:
        """Return the corrected power of a channel; that of a reversed producer was stored as 0, so it is unknown."""
        return nan if share.power and self._is_reversed_producer(share, index) else share.of_power(power)

    def _is_contained(self, share: CorrectionShare) -> bool:
        """Return whether a correction leaves the flow of its terminal as it is: that of a hybrid's battery."""
        return share.correction.device in self._batteries

    def _flow(self, numbers: Sequence[float], name: str) -> tuple[float, float]:
        """Return the reading of a sub-meter or the flow of a source as measured: W at the end, Wh of the interval."""
        if (use := self._uses.get(name)) is not None:
            index = self._index[name]
            power, energy = numbers[LEADING_COLUMNS + index], self._net(numbers, index)
            for parts, sign in ((use.added, -1.0), (use.subtracted, 1.0)):
                for part in parts:
                    flow_power, flow_energy = self._flow(numbers, part)
                    power, energy = power + sign * flow_power, energy + sign * flow_energy
            return power, energy
        if name in self._batteries:
            return 0.0, 0.0
        if (node := self._nodes.get(name)) is None:
            index = self._index[name]
            return numbers[LEADING_COLUMNS + index], self._net(numbers, index)
        unsplit = self._index[node.unsplit_channel]
        split = [self._index[channel] for channel in (*node.pv_channels, *node.battery_channels)]
        energies = self._energies
        power, energy = (
            numbers[LEADING_COLUMNS + unsplit],
            numbers[energies + 2 * unsplit] - numbers[energies + 2 * unsplit + 1],
        )
        return (
            power if isfinite(power) else sum(numbers[LEADING_COLUMNS + index] for index in split),
            energy if isfinite(energy) else sum(self._net(numbers, index) for index in split),
        )

    def _net(self, numbers: Sequence[float], index: int) -> float:
        """Return the energy of a channel in an interval, Wh, + in the role's direction."""
        place = self._energies + 2 * index
        before = self._before[index] if self._before else nan
        hours = numbers[0] / 3600.0
        forward, backward = interval_energies(
            numbers[place], numbers[place + 1], before, numbers[LEADING_COLUMNS + index], hours
        )
        return forward - backward

    def _correct_late(self, numbers: list[float], device: CorrectedDevice, share: float) -> None:
        """Correct the late energy of a device, a share of which is of the corrected time.

        The late energy of a reversed producer was not stored. The late use of a sub-meter with parts contains known
        energy of the time of the gap. Both stay unknown.
        """
        layout, effect = self._layout, device.correction.effect
        for use in device.uses:
            place = self._energies + 2 * self._index[use.name]
            numbers[place : place + 2] = 0.0, 0.0
        for index in (*device.channels, *([device.unsplit] if device.unsplit >= 0 else [])):
            place, config = self._energies + 2 * index, layout.channels[index]
            if effect == VOID or (effect == INVERT and config.role in PRODUCERS):
                numbers[place : place + 2] = 0.0, 0.0
                if config.role not in OUTSIDE_BALANCE and config.role != TERMINAL_ROLE:
                    numbers[LEADING_COLUMNS + index] = nan
                if self._carbon >= 0 and not config.emission.fuel_meter:
                    numbers[self._carbon + index] = nan
            else:
                numbers[place : place + 2] = CorrectionShare(device.correction, True, share).of_energies(
                    *numbers[place : place + 2]
                )

    def _is_possible(self, powers: Sequence[float]) -> bool:
        """Return whether no busbar gives more than it gets; a missing power proves nothing."""
        for busbar in range(len(self._layout.parts.incomers)):
            flows: dict[str, float] = {}
            for index in self._layout.parts.channels_on(busbar):
                role, power = self._layout.channels[index].role, powers[index]
                if role in OUTSIDE_BALANCE or (role == TERMINAL_ROLE and not isfinite(power)):
                    continue
                flow = "grid" if role == "grid" else str(index)
                flows[flow] = flows.get(flow, 0.0) + (max(power, 0.0) if role in PRODUCERS else power)
            inflow = sum(max(flow, 0.0) for flow in flows.values())
            if -sum(flows.values()) > GROSS_IMBALANCE * inflow:
                return False
        return True

    def _placed(self, correction: CorrectionConfig) -> CorrectedDevice:
        """Return a correction with its place in the rows."""
        name = correction.device
        node = self._nodes.get(name)
        uses = tuple(use for use in self._uses.values() if not use.plain and name in use.parts)
        if node is None:
            index = self._index[name]
            balanced = self._layout.channels[index].role not in OUTSIDE_BALANCE
            return CorrectedDevice(correction, (index,), -1, uses, balanced)
        split = tuple(self._index[channel] for channel in (*node.pv_channels, *node.battery_channels))
        unsplit = self._index[node.unsplit_channel]
        if name in self._batteries:
            return CorrectedDevice(correction, split, unsplit, ())
        uses = tuple(
            use
            for use in self._uses.values()
            if not use.plain and any(inverter.name in use.parts for inverter in node.inverters)
        )
        return CorrectedDevice(correction, (*split, unsplit), -1, uses)
