"""An indicator: computation of a claim's value, its good side, and its default target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from wattgram.config.devices_table import DeviceConfig
from wattgram.config.goals_table.goals_settings import GoalsConfig

from .day import Stretch
from .finding import Finding


@dataclass(frozen=True, slots=True)
class Facility:
    """Inputs of an indicator in addition to its period.

    years: returns the stretch of a calendar year, up to the same instant of evaluation; without days if nothing is
    stored. renewable: renewable share of the grid zone's power, None if unknown. basis: of all CO2, "direct" or
    "lifecycle".
    """

    goals: GoalsConfig
    devices: tuple[DeviceConfig, ...]
    grid_zone: str
    basis: str
    timezone: ZoneInfo
    renewable: float | None
    years: Callable[[int], Stretch]

    def of_role(self, *roles: str) -> tuple[DeviceConfig, ...]:
        """Return the devices of some roles, in the order of the configuration."""
        return tuple(device for device in self.devices if device.role in roles)

    def of_group(self, group: str) -> tuple[DeviceConfig, ...]:
        """Return the sub-meters of a group. A charger without a group belongs to transport."""
        meters = self.of_role("load", "ev")
        return tuple(
            device for device in meters if (device.group or ("transport" if device.role == "ev" else "")) == group
        )


@dataclass(frozen=True, slots=True)
class Target:
    """Target of a value at the end of its period, in the indicator's unit, and the source of the target."""

    value: float
    source: str


Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator. find: computes the value of a stretch. target: default target of the period, None for none.

    better: good side of the target. total: True for a sum, which grows over the period like its path; False for a
    ratio, whose path is the target.
    """

    find: Callable[[Stretch, Facility], Finding]
    better: Better = "higher"
    target: Callable[[Stretch, Facility], Target | None] = lambda _stretch, _facility: None
    total: bool = False
