"""Parts of a site with an account of their own: busbars, and the pools of batteries (METHOD-SITE 8.4, 9.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wattgram.config.devices_table import DeviceConfig
from wattgram.config.topology_keys import outermost

from .hybrid_nodes import hybrid_nodes
from .metering_point import PRODUCERS


class PoolNode(NamedTuple):
    """Batteries with a stock of their own.

    name: hybrid inverter or incomer that they stand behind, "" for the site's busbar. busbar: index. batteries: those
    of the configuration; none for the battery registers of a hybrid inverter.
    """

    name: str
    busbar: int
    batteries: tuple[DeviceConfig, ...]

    @property
    def column(self) -> str:
        """Name of the pool's state of charge in a row."""
        return f"{self.name} soc" if self.name else "soc"

    @property
    def device(self) -> str:
        """Name of the device that events of the pool belong to."""
        return self.name or (self.batteries[0].name if len(self.batteries) == 1 else "")


class AccountParts(NamedTuple):
    """Busbars and pools of a site.

    incomers: name of each busbar's incomer; a single "" if all incomers feed one busbar. busbars, pool_indices: of each
    channel, as `Accounts` takes them. pools: at least one, without batteries if the site has none.
    """

    incomers: tuple[str, ...]
    busbars: tuple[int, ...]
    pools: tuple[PoolNode, ...]
    pool_indices: tuple[int, ...]

    def channels_on(self, busbar: int) -> list[int]:
        """Return the channels of a busbar."""
        return [index for index, found in enumerate(self.busbars) if found == busbar]


def account_parts(devices: Sequence[DeviceConfig], channels: Sequence[DeviceConfig], netting: str) -> AccountParts:
    """Return the busbars and pools of a site; `channels`: `hybrid_nodes.channels_of` the devices.

    The batteries of a hybrid inverter are a pool, and so are the batteries that stand on a busbar, also those behind
    its sub-meters.
    """
    above = {device.name: device.behind for device in devices}
    incomers: tuple[str, ...] = ("",)
    if netting == "connection":  # an incomer without a channel has a busbar all the same: it is nobody else's
        incomers = tuple(device.name for device in devices if device.role == "grid") or ("",)
    busbars = tuple(_busbar(channel.name.partition(" ")[0], above, incomers) for channel in channels)
    hybrid = {name: node.name for node in hybrid_nodes(devices) for name in node.battery_channels}
    pools: dict[tuple[str, int], int] = {}
    indices = [0] * len(channels)
    batteries: dict[int, list[DeviceConfig]] = {}
    for index, (channel, busbar) in enumerate(zip(channels, busbars, strict=True)):
        if channel.role != "battery":
            continue
        key = (hybrid.get(channel.name, incomers[busbar]), busbar)
        indices[index] = pools.setdefault(key, len(pools))
        if channel.name in above:
            batteries.setdefault(indices[index], []).append(channel)
    found = tuple(PoolNode(name, busbar, tuple(batteries.get(index, ()))) for (name, busbar), index in pools.items())
    if len(found) < 2:  # a single pool is the site's
        found = (PoolNode("", found[0].busbar if found else 0, found[0].batteries if found else ()),)
    return AccountParts(incomers, busbars, found, tuple(indices))


def sourceless(parts: AccountParts, channels: Sequence[DeviceConfig]) -> frozenset[str]:
    """Return the names of the channels on busbars without a source: nothing can flow out of the site there."""
    fed = {
        busbar
        for busbar, channel in zip(parts.busbars, channels, strict=True)
        if channel.role in (*PRODUCERS, "battery")
    }
    return frozenset(channel.name for busbar, channel in zip(parts.busbars, channels, strict=True) if busbar not in fed)


def _busbar(name: str, above: Mapping[str, tuple[str, ...]], incomers: tuple[str, ...]) -> int:
    """Return the index of a device's busbar."""
    incomer = outermost(name, above)
    return incomers.index(incomer) if incomer in incomers else 0
