"""PV inverters that are silent at night: asleep is known, 0 W (METHOD-SITE 9.2)."""

from __future__ import annotations

from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS
from wattgram.base.sun import sun_altitude
from wattgram.config.devices_table import DeviceConfig

SILENT_NIGHTS = ("silent", "not-available")
"""Values of `night` in a map whose inverters have no power at night."""

NIGHT_ALTITUDE = 3.0
"""Altitude of the sun below which a silent inverter is asleep, degrees."""

TWILIGHT_ALTITUDE = 15.0
"""Altitude below which a silent inverter is asleep if its last power was low, degrees: hills, clouds, east roofs."""

LOW_SHARE = 0.02
"""Share of the rated power that is a low power."""

LONGEST_NIGHT = 16 * 3600.0
"""Longest time after a silence with a low power for which an inverter is asleep, s, if the site's position is unknown.
"""


class Position(NamedTuple):
    """Place of a site, degrees: latitude north+, longitude east+."""

    latitude: float
    longitude: float


class NightRest:
    """Decision whether a silent inverter is asleep. position: of the site, None if unknown. rated_power: W, or None.

    Without a rated power, the largest power counts.
    """

    def __init__(self, position: Position | None, rated_power: float | None) -> None:
        self._position = position
        self._rated_power = rated_power
        self._time = 0
        self._power = nan
        self._largest = 0.0

    def awake(self, time: int, power: float) -> None:
        """Note a power, W, and its time, UTC ns."""
        if isfinite(power):
            self._time, self._power, self._largest = time, power, max(self._largest, power)

    def asleep(self, time: int) -> bool:
        """Return whether an inverter without a power at a time, UTC ns, is asleep."""
        low = self._power < LOW_SHARE * (self._rated_power or self._largest)
        if self._position is None:
            return low and 0 <= time - self._time <= LONGEST_NIGHT * NS
        altitude = sun_altitude(time / NS, *self._position)
        return altitude < NIGHT_ALTITUDE or (altitude < TWILIGHT_ALTITUDE and low)

    def dump(self) -> list[float | int | None]:
        """Return the state for a restart, JSON-compatible."""
        return [self._time, self._power if isfinite(self._power) else None, self._largest]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        try:
            time, power, largest = dumped
            self._time, self._largest = int(time), float(largest)
            self._power = nan if power is None else float(power)
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected the last power of an inverter") from error


def is_silent_at_night(device: DeviceConfig) -> bool:
    """Return whether a device has no power at night, by its configuration or its map."""
    return (device.night or (device.device.night if device.device else "")) in SILENT_NIGHTS
