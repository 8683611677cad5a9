"""Sub-meters as a tree (METHOD-SITE 8.1, 8.3), and the netting of several incomers (8.4). Pure functions; W or Wh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Netting = Literal["busbar", "connection"]


class TreeDevice(NamedTuple):
    """A device of the tree. behind: name of the device whose reading contains its flow, "" for the busbar.

    metering: a sub-meter. source: a producer or a battery, whose flow is positive into the site. A device that is
    neither, such as an incomer, is passed through. group: of a sub-meter.
    """

    name: str
    behind: str = ""
    metering: bool = False
    source: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True)
class OwnUse:
    """Use that counts for a sub-meter's group: its reading + added sources - subtracted sub-meters of other groups.

    detail: the nearest sub-meter above has the same group, which contains this use already.
    """

    name: str
    added: tuple[str, ...] = ()
    subtracted: tuple[str, ...] = ()
    detail: bool = False

    @property
    def plain(self) -> bool:
        """Whether the use is the reading."""
        return not (self.detail or self.added or self.subtracted)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the devices whose flows make up the use."""
        return () if self.detail else (self.name, *self.added, *self.subtracted)

    def of(self, flows: Mapping[str, float]) -> float:
        """Return the use; NaN if a flow is. flows: readings of the sub-meters, and flows of the sources."""
        if self.detail:
            return 0.0
        added = sum(flows[name] for name in self.added)
        return flows[self.name] + added - sum(flows[name] for name in self.subtracted)


def own_uses(devices: Sequence[TreeDevice]) -> tuple[OwnUse, ...]:
    """Return the own use of each sub-meter, in the devices' order. `behind` has no circle and no unknown name."""
    by_name = {device.name: device for device in devices}
    children: dict[str, list[TreeDevice]] = defaultdict(list)
    for device in devices:
        children[device.behind].append(device)
    uses = []
    for device in devices:
        if not device.metering:
            continue
        above = _meter_above(device, by_name)
        if above is not None and above.group == device.group:
            uses.append(OwnUse(device.name, detail=True))
            continue
        added: list[str] = []
        subtracted: list[str] = []
        waiting = list(children[device.name])
        while waiting:
            inner = waiting.pop(0)
            if inner.metering and inner.group != device.group:
                subtracted.append(inner.name)
                continue
            if inner.source:
                added.append(inner.name)
            waiting += children[inner.name]
        uses.append(OwnUse(device.name, tuple(added), tuple(subtracted)))
    return tuple(uses)


def group_uses(devices: Sequence[TreeDevice], flows: Mapping[str, float]) -> dict[str, float]:
    """Return the use of each group; NaN if a flow that belongs to it is."""
    groups = {device.name: device.group for device in devices}
    sums: dict[str, float] = {}
    for use in own_uses(devices):
        group = groups[use.name]
        sums[group] = sums.get(group, 0.0) + use.of(flows)
    return sums


def imported_and_exported(incomers: Iterable[float], netting: Netting) -> tuple[float, float]:
    """Return import and export of a site from the powers of its incomers, + imported; NaN if one is unknown.

    busbar: the incomers feed one busbar, and the sign of the sum decides. connection: each is a connection of its own.
    """
    powers = list(incomers)
    parts = [sum(powers)] if netting == "busbar" else powers
    # The order of the arguments keeps NaN: max(NaN, 0) is NaN.
    return sum(max(power, 0.0) for power in parts), sum(max(-power, 0.0) for power in parts)


def _meter_above(device: TreeDevice, by_name: Mapping[str, TreeDevice]) -> TreeDevice | None:
    """Return the nearest sub-meter that contains a device's flow."""
    above = by_name.get(device.behind)
    while above is not None and not above.metering:
        above = by_name.get(above.behind)
    return above
