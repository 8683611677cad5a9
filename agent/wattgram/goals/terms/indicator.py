"""An indicator: how a claim's number is found, which way is better, and what it is measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.config.load import DeviceConfig

from .day import Stretch
from .finding import Finding


@dataclass(frozen=True, slots=True)
class Facility:
    """What an indicator may know besides its own period.

    years: the stretch of a calendar year, up to the same instant of evaluation; its `days` are empty where nothing is
    stored. renewable: share of the grid zone's power that is renewable, None where nobody knows. basis: of every g of
    CO2, "direct" or "lifecycle".
    """

    goals: GoalsConfig
    devices: tuple[DeviceConfig, ...]
    grid_zone: str
    basis: str
    timezone: ZoneInfo
    renewable: float | None
    years: Callable[[int], Stretch]

    def of_role(self, *roles: str) -> tuple[DeviceConfig, ...]:
        """Devices of some roles, in the configuration's order."""
        return tuple(device for device in self.devices if device.role in roles)

    def of_group(self, group: str) -> tuple[DeviceConfig, ...]:
        """Sub-meters of a group; a charger without one belongs to transport."""
        meters = self.of_role("load", "ev")
        return tuple(
            device for device in meters if (device.group or ("transport" if device.role == "ev" else "")) == group
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What a value is measured against at the end of its period, in the indicator's unit, and who says so."""

    value: float
    source: str


Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Indicator:
    """`find` gives the number of a stretch; `target` the default target for its period, None where there is none.

    better: the good side of the target. total: a sum that grows over the period, so that its path grows, too; else a
    ratio, whose path is the target itself.
    """

    find: Callable[[Stretch, Facility], Finding]
    better: Better = "higher"
    target: Callable[[Stretch, Facility], Target | None] = lambda _stretch, _facility: None
    total: bool = False
