"""Which numbers most of a device's records are without, so that who shows the last record must keep them."""

from __future__ import annotations

from wattgram_drivers.plan import is_slow

from .devices_table import DeviceConfig


def seldom(config: DeviceConfig, field: str) -> bool:
    """Whether a field of the device's records is one of those that are read once in a `slow_interval` only."""
    if config.slow_interval is None:
        return False
    if not config.slow:
        return is_slow(field)
    # A meter that is wired the other way has its import in the register of its export.
    return field in config.slow or (config.invert and _turned(field) in config.slow)


def _turned(field: str) -> str:
    one, other = ("import", "export") if "import" in field else ("export", "import")
    return field.replace(one, other)
