"""Devices made in tests, with the roles of their kind."""

from __future__ import annotations

from dataclasses import replace

from wattgram_drivers.device import Device
from wattgram_drivers.map_roles import kind_roles


def with_roles(device: Device) -> Device:
    """Return a device with the roles that a map of its kind has if it states none."""
    return replace(device, roles=kind_roles(device.kind, device.quantities))
