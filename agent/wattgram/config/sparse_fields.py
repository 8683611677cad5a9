"""Fields that most records of a device lack, because the device reads them at a slow interval.

A consumer of the last record keeps the last value of such a field.
"""

from __future__ import annotations

from wattgram_drivers.quantity import is_slow

from .devices_table import DeviceConfig


def is_sparse(config: DeviceConfig, field: str) -> bool:
    """Return whether the device reads a field only once per `slow_interval`."""
    if config.slow_interval is None:
        return False
    if not config.slow:
        return is_slow(field)
    # invert exchanges import and export, and `slow` names the registers.
    return field in config.slow or (config.invert and _opposite(field) in config.slow)


def _opposite(field: str) -> str:
    """Return the field of the opposite direction."""
    if "import" in field:
        return field.replace("import", "export")
    return field.replace("export", "import")
