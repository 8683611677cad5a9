"""The effective configuration as plain data: every setting with the value in force, without secrets."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import lru_cache

from wattgram_drivers.device import Device

from wattgram.base.canonical import SECRET, Plain, canonical, digest, plain

from .devices_table import DeviceConfig
from .load import Config
from .role_keys import KEYS

FLATTENED = ("battery", "emission")
"""Settings of a device that are grouped in the program, and keys of [[device]] in the file."""

OTHER_FIELDS = ("grid", "devices", "sinks", "maps", "corrections")
"""Fields of a configuration that are no table of their name: the maps are named by their digests."""

OF_ROLES = {"stated": ("battery",), "heat": ("chp",)}
"""Roles of settings that are no keys: whether an efficiency is configured, and the heat of a CHP."""

_LOGIN = re.compile(r"//[^/?#\s]*@")
"""User and password in an address, to the last @ before the path."""

_QUERY = re.compile(r"(//[^?#\s]*)[?#]\S*")
"""Address with a query, which may contain a token."""


def effective(config: Config) -> dict[str, Plain]:
    """Return the settings of a configuration by table and key.

    Defaults are included. device: settings by name; device_order: their names in order. map: digest of the device's
    register map, "" for a device that describes itself. correction: corrections of the past in their order. A secret
    that is set, and login and query of an address, are the text `SECRET`. Devices in another order are another
    configuration, since sums of doubles depend on the order; keys in another order, comments and the spelling of a
    number are not.
    """
    grid = _table(config.grid)
    grid |= {"source": grid.pop("sources"), "factor_g_per_kwh": grid.pop("factor")}
    tables = {item.name: getattr(config, item.name) for item in fields(config) if item.name not in OTHER_FIELDS}
    found: dict[str, Plain] = {name: plain(settings) for name, settings in tables.items()}
    found |= {name: plain(settings) for name, settings in config.sinks.items()}
    found |= {"grid": grid, "correction": [plain(each.as_json()) for each in config.corrections]}
    return {name: without_logins(settings) for name, settings in found.items()} | {
        "device": {device.name: _device(device) for device in config.devices},
        "device_order": [device.name for device in config.devices],
    }


def without_logins(value: Plain) -> Plain:
    """Return plain data whose addresses have neither login nor query."""
    if isinstance(value, dict):
        return {name: without_logins(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_logins(each) for each in value]
    return _QUERY.sub(rf"\1?{SECRET}", _LOGIN.sub(f"//{SECRET}@", value)) if isinstance(value, str) else value


def _device(device: DeviceConfig) -> dict[str, Plain]:
    found = _table(device)
    for group in FLATTENED:
        settings = found.pop(group)
        assert isinstance(settings, dict)  # both are frozen objects
        found |= {key: value for key, value in settings.items() if device.role in OF_ROLES.get(key, KEYS.get(key, ()))}
    for key in ("name", "device", "driver_map", "endpoint"):
        del found[key]
    found = {key: without_logins(value) for key, value in found.items()}
    # The query of a device's url has the settings of a serial line, or names of files.
    return found | {"url": str(device.endpoint), "map": map_digest(device)}


def _table(settings: object) -> dict[str, Plain]:
    found = plain(settings)
    assert isinstance(found, dict)  # the settings are a frozen object
    return found


def map_digest(device: DeviceConfig) -> str:
    """Return the digest of a device's register map as loaded, "" for none; texts for people count.

    The ratio of the transformers is a key of the device, and no part of the map.
    """
    found = device.driver_map or device.device
    return "" if found is None else _digest(found)


@lru_cache(maxsize=128)
def _digest(device: Device) -> str:
    return digest(canonical(device))
