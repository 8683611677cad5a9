"""The key `behind` of [[device]] and the key `netting` of [grid]: how a site is wired (METHOD-SITE 8.1, 8.4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from wattgram_drivers.endpoint import Endpoint

from wattgram.base import toml_table
from wattgram.base.power_roles import POWER_ROLES
from wattgram.base.toml_table import Table

CONTAINING = ("grid", "load", "ev", "pv")
"""Roles of devices whose reading can contain the flow of others."""


class Wired(Protocol):
    """What this module needs of a device's settings."""

    @property
    def name(self) -> str:
        """Name in the configuration, "" for a mistake."""
        ...

    @property
    def role(self) -> str:
        """Role, "" for a mistake."""
        ...

    @property
    def endpoint(self) -> Endpoint:
        """Bus of the device."""
        ...

    @property
    def unit(self) -> int:
        """Unit on the bus."""
        ...

    @property
    def behind(self) -> tuple[str, ...]:
        """Names of the devices whose readings contain the device's flow."""
        ...


def behind(value: object) -> tuple[str, ...]:
    """Check the key `behind`: a name, several names for a battery that inverters share, "" for the busbar."""
    if value == "":
        return ()
    if isinstance(value, list):
        names = tuple(toml_table.listed(toml_table.text)(value))
        if not names or len(set(names)) < len(names):
            raise ValueError(f"found {value!r}; allowed: a name, or different names in a list")
        return names
    return (toml_table.text(value),)


def resolved(tables: Sequence[Table], devices: Sequence[Wired], netting: str) -> list[tuple[str, ...]]:
    """Return for each device the devices that it stands behind; mistakes go to the tables.

    A battery without the key that has the url and unit of a PV inverter is behind that inverter.
    """
    by_name = {device.name: device for device in devices if device.name}
    inverters = {
        (device.endpoint.key, device.unit): device.name
        for device in devices
        if device.role == "pv" and device.endpoint is not None
    }
    found: list[tuple[str, ...]] = []
    wrong: set[str] = set()
    for table, device in zip(tables, devices, strict=True):
        names = device.behind
        if "behind" not in table.data and device.role == "battery" and device.endpoint is not None:
            inverter = inverters.get((device.endpoint.key, device.unit))
            names = (inverter,) if inverter else ()
        elif names and not _allowed(table, device, names, by_name):
            names = ()
            wrong.add(device.name)
        found.append(names)
    above = dict(zip((device.name for device in devices), found, strict=True))
    for table, device in zip(tables, devices, strict=True):
        if device.name and (circle := _circle(device.name, above)):
            table.mistake("behind", f"found a circle: {' behind '.join(circle)}; allowed: a tree")
    if netting == "connection":
        _check_connections(tables, devices, above, wrong)
    return found


def batteries_in_inverters(devices: Sequence[Wired]) -> set[str]:
    """Return the names of the batteries with the url and unit of a PV inverter that they are behind."""
    places = {
        device.name: (device.endpoint.key, device.unit)
        for device in devices
        if device.role in ("pv", "battery") and device.endpoint is not None
    }
    return {
        device.name
        for device in devices
        if device.role == "battery" and any(places.get(device.name) == places.get(name, "") for name in device.behind)
    }


def battery_pools(devices: Sequence[Wired], netting: str, hybrids: Collection[str]) -> list[list[str]]:
    """Return the names of the batteries pool by pool (METHOD-SITE 9.6).

    Batteries behind the same inverters are a pool, and so are the batteries of a busbar. Inverters that share a battery
    are one. hybrids: batteries whose device is a hybrid inverter by itself, each a pool.
    """
    role_of = {device.name: device.role for device in devices}
    above = {device.name: device.behind for device in devices}
    pools: list[tuple[set[str], list[str]]] = []
    for device in devices:
        if device.role != "battery":
            continue
        nodes = {name for name in device.behind if role_of.get(name) == "pv"}
        if not nodes and device.name in hybrids:
            nodes = {device.name}
        elif not nodes:
            nodes = {outermost(device.name, above) if netting == "connection" else ""}
        joined = [pool for pool in pools if pool[0] & nodes]
        names = [name for pool in joined for name in pool[1]]
        pools = [pool for pool in pools if pool not in joined]
        pools.append((nodes.union(*(pool[0] for pool in joined)), [*names, device.name]))
    return [names for _, names in pools]


def _allowed(table: Table, device: Wired, names: Sequence[str], by_name: Mapping[str, Wired]) -> bool:
    """Return whether a device may be behind these devices; mistakes go to the table."""
    if device.role == "grid":
        table.mistake("behind", "found with role 'grid'; allowed: with the other roles, an incomer is behind nothing")
        return False
    if device.role and device.role not in POWER_ROLES:
        table.mistake("behind", f"found with role {device.role!r}; allowed: with role {', '.join(POWER_ROLES[1:])}")
        return False
    if len(names) > 1 and not (
        device.role == "battery" and all(name in by_name and by_name[name].role == "pv" for name in names)
    ):
        table.mistake("behind", f"found {list(names)!r}; allowed: one name; PV inverters that share this battery")
        return False
    allowed = [name for name, other in by_name.items() if other.role in CONTAINING and name != device.name]
    wrong = [name for name in names if name not in allowed]
    for name in wrong:
        what = f", which has role {by_name[name].role!r}" if name in by_name and name != device.name else ""
        what = ", the device itself" if name == device.name else what or toml_table.nearest(name, allowed)
        table.mistake(
            "behind",
            f"found {name!r}{what}; allowed: {', '.join(allowed) or 'a device with role ' + ', '.join(CONTAINING)}",
        )
    return not wrong


def _circle(name: str, above: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the names on the way from a device back to itself; [] if there is no such way.

    A circle is reported at its first device alone.
    """
    way, current = [name], name
    while following := above.get(current):
        current = following[0]
        if current == name:
            return [*way, name] if name == min(way) else []
        if current in way:
            return []
        way.append(current)
    return []


def outermost(name: str, above: Mapping[str, tuple[str, ...]]) -> str:
    """Return the last device on the way from a device outwards, the device itself if it is behind nothing.

    above: the devices that each device is behind. "" for a circle.
    """
    seen: list[str] = []
    while above.get(name):
        seen.append(name)
        name = above[name][0]
        if name in seen:
            return ""
    return name


def _check_connections(
    tables: Sequence[Table], devices: Sequence[Wired], above: Mapping[str, tuple[str, ...]], wrong: Collection[str]
) -> None:
    """Report the devices of a balance that no incomer contains, or several incomers (METHOD-SITE 8.4).

    wrong: devices whose key `behind` is a mistake already; what is behind them, or in a circle, is no second mistake.
    """
    incomers = [device.name for device in devices if device.role == "grid"]
    allowed = ", ".join(incomers) or "a device with role grid"
    for table, device in zip(tables, devices, strict=True):
        if device.role not in POWER_ROLES or device.role == "grid":
            continue
        outer = outermost(device.name, above)
        if not outer or outer in wrong:
            continue
        if outer not in incomers:
            table.mistake(
                "behind",
                f'missing an incomer; with netting = "connection" each device names its own; allowed: {allowed}',
            )
            continue
        found = {name: outermost(name, above) for name in above.get(device.name, ())}
        if len(set(found.values())) > 1:
            places = ", ".join(f"{name} behind {incomer or 'no incomer'}" for name, incomer in found.items())
            table.mistake(
                "behind",
                f'found {places}; allowed with netting = "connection": inverters behind one incomer ({allowed})',
            )
