"""Roles that a device cannot have: a mistake, or a finding for a device with which the site ran before (SPEC 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from pathlib import Path

from wattgram_drivers.device import Device

from wattgram.base.errors import HistoryError
from wattgram.base.toml_table import Table

from .devices_table import DeviceConfig

UNSUITABLE = "role unsuitable"
"""Event of a device with a role that it cannot have."""


def unsuitable(device: Device, role: str, driver: str) -> str:
    """Return why a device cannot have a role, in words; "" if it can."""
    if not role or role in device.roles:
        return ""
    allowed = ", ".join(device.roles) or "none, until its map states [roles]"
    return f"found {role!r}, which {driver} ({device.kind}) cannot have; allowed: {allowed}"


def checked(
    tables: Sequence[Table], devices: Sequence[DeviceConfig], spool: Path, site: str
) -> tuple[DeviceConfig, ...]:
    """Return the devices, those with an unsuitable role marked if the spool holds readings of them in this role.

    Without such readings the role is a mistake of its table. SunSpec devices are judged when they have been read.
    """
    found = []
    for table, device in zip(tables, devices, strict=True):
        why = unsuitable(device.device, device.role, device.driver) if device.device else ""
        if why and not _ran_before(device, spool, site):
            table.mistake("role", why)
            why = ""
        found.append(replace(device, unsuitable=why) if why else device)
    return tuple(found)


def ran_in_any_role(name: str, spool: Path | None, site: str) -> bool:
    """Return whether the spool holds readings of a device; also if the spool cannot be read."""
    return spool is not None and _is_stored(spool, site, lambda roles: any(name == device for device, _ in roles))


def _ran_before(device: DeviceConfig, spool: Path, site: str) -> bool:
    """Return whether the spool holds readings of a device in its role; also if the spool cannot be read."""
    return _is_stored(spool, site, lambda roles: (device.name, device.role) in roles)


def _is_stored(spool: Path, site: str, wanted: Callable[[Set[tuple[str, str]]], bool]) -> bool:
    """Return whether the devices and roles in the spool are as wanted; also if the spool cannot be read."""
    from wattgram.store.history import History  # noqa: PLC0415 - SQLite, for a configuration with a mistake only

    history = History(spool, site)
    try:
        if not spool.is_dir():
            return False
        return wanted(history.roles())
    except HistoryError:
        return history.may_exist()
    except OSError:
        return True
