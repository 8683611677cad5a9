"""Hours in which the sun certainly shines, by the timezone of the site."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from wattgram.base.clock import NS

DAYLIGHT = range(9, 16)
"""Hours of local time in which the sun shines on a roof all year; in the others an inverter may sleep."""


def daylight_of(timezone: tzinfo | None) -> Callable[[int], bool]:
    """Return whether the sun certainly shines at a time, UTC ns. UTC is the default of the configuration: unknown."""
    if timezone is None or str(timezone) == str(UTC):
        return lambda _: False
    return lambda time: datetime.fromtimestamp(time / NS, timezone).hour in DAYLIGHT
