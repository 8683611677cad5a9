"""Common data of all cards: the site, its time zone, its configured method, and the versions."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from wattgram.base.period import local_minute
from wattgram.config.load import Config
from wattgram.formats.versions import factors, tables


@dataclass(frozen=True, slots=True)
class About:
    """The site and its configured grid zone, basis and method.

    made: present time, UTC ns. versions: of the program, its factor files, and the tables of claims and limits.
    """

    site: str
    timezone: ZoneInfo
    grid_zone: str
    basis: str
    method: str
    made: int
    versions: dict[str, str]

    def local(self, time: int) -> str:
        """Return an instant in local time, to the minute, with the abbreviation of the time zone."""
        return local_minute(time, self.timezone)


def about(config: Config, made: int) -> About:
    """Return the common data of a configuration, as of `made`, UTC ns."""
    versions = factors() | tables("wattgram.config.goals_table")
    site, grid = config.site, config.grid
    return About(site.name, site.timezone, grid.zone, grid.basis, grid.method, made, versions)
