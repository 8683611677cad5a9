"""What stands over all cards: the site, its clock, and what its results are computed with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from zoneinfo import ZoneInfo

from wattgram.base.period import local_minute
from wattgram.config.load import Config
from wattgram.formats.versions import digests, factors


@dataclass(frozen=True, slots=True)
class About:
    """The site and its configured grid zone, basis and method; `made`: now, UTC ns.

    versions: of the program, its factor files, and the tables of claims and limits.
    """

    site: str
    timezone: ZoneInfo
    grid_zone: str
    basis: str
    method: str
    made: int
    versions: dict[str, str]

    def local(self, time: int) -> str:
        """An instant on the site's clock, to the minute, with the zone's name for it."""
        return local_minute(time, self.timezone)


def about(config: Config, made: int) -> About:
    """What a configuration says, as of `made`, UTC ns."""
    tables = sorted(file.name for file in files("wattgram.config.goals_table").iterdir() if file.name.endswith(".csv"))
    versions = factors() | digests("wattgram.config.goals_table", tables)
    site, grid = config.site, config.grid
    return About(site.name, site.timezone, grid.zone, grid.basis, grid.method, made, versions)
