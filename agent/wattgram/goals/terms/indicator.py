"""An indicator: computation of a claim's value, its good side, and its default target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Literal
from zoneinfo import ZoneInfo

from wattgram.config.devices_table import DeviceConfig
from wattgram.config.goals_table.dated_rules import in_mainland
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.config.green_certificates import CertificateStream
from wattgram.config.role_keys import BURNERS, RENEWABLES

from .day import Stretch
from .finding import Finding


@dataclass(frozen=True, slots=True)
class SourcedFigure:
    """A number of the grid zone with its source and year in words."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Facility:
    """Inputs of an indicator in addition to its period.

    years: returns the stretch of a calendar year, up to the same instant of evaluation; without days if nothing is
    stored. renewable: renewable share of the grid zone's power by statistics, 0-1, None if unknown. basis: of all CO2,
    "direct" or "lifecycle". average: factor of the zone with this basis, g/kWh. clean: carbon-free share of the zone's
    power, 0-1. residual: factor of the residual mix, g/kWh, NaN if unknown. certificates: streams of the site.
    """

    goals: GoalsConfig
    devices: tuple[DeviceConfig, ...]
    grid_zone: str
    basis: str
    timezone: ZoneInfo
    renewable: float | None
    years: Callable[[int], Stretch]
    average: SourcedFigure | None = None
    clean: SourcedFigure | None = None
    residual: float = nan
    certificates: tuple[CertificateStream, ...] = ()

    @property
    def in_china(self) -> bool:
        """Whether the grid zone is in mainland China."""
        return in_mainland(self.grid_zone)

    @property
    def has_supply_of_its_own(self) -> bool:
        """Whether the site produces or stores electricity, or buys certificates: it can differ from its grid."""
        hybrid = any(device.device is not None and device.device.terminal is not None for device in self.devices)
        bought = any(not stream.self_used for stream in self.certificates)
        return hybrid or bought or bool(self.of_role(*RENEWABLES, *BURNERS, "battery"))

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
    """Target of a value at the end of its period, in the indicator's unit, and the source of the target.

    own: the site set the target or its path. start: value of a site that changes nothing, such as its baseline, None
    for unknown; the tolerance ends halfway to it.
    """

    value: float
    source: str
    own: bool = False
    start: float | None = None


@dataclass(frozen=True, slots=True)
class NoTarget:
    """No target, so that the value is a number without a light. why: the reason. add: what gives it a target."""

    why: str
    add: str = ""


Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class IndicatorVariant:
    """Name and formula of an indicator that depends on the configuration."""

    indicator: str
    formula: str


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator. find: computes the value of a stretch. target: default target of the period, None for none.

    better: good side of the target. total: True for a sum, which grows over the period like its path; False for a
    ratio, whose path is the target. elsewhere: why the claim is context outside of mainland China, "" if it is not.
    unjudged: why the value has no light even with a target of the site, None if it can have one. variant: name and
    formula in a site, None for those of the claim.
    """

    find: Callable[[Stretch, Facility], Finding]
    better: Better = "higher"
    target: Callable[[Stretch, Facility], Target | NoTarget | None] = lambda _stretch, _facility: None
    total: bool = False
    elsewhere: str = ""
    unjudged: Callable[[Facility], NoTarget | None] = lambda _facility: None
    variant: Callable[[Facility], IndicatorVariant] | None = None
