"""The table `[grid]`: the settings of the grid's emission factor and their reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.base import toml_table
from wattgram.base.errors import ConfigError
from wattgram.base.toml_table import Table
from wattgram.grid.factor_rows import FactorRow, is_chinese, nation_of
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import HIGHEST, IN_KILOGRAMS, grams_with_unit, is_in_kilograms
from wattgram.grid.sources import grid_source
from wattgram.grid.sources.source_settings import SourceConfig, SourceTerms
from wattgram.grid.table import FactorTable

from . import accuracy_keys, certificate_streams, own_zones, zone_check
from .green_certificates import CertificatesConfig, CertificateStream
from .site_table import SiteConfig


@dataclass(frozen=True, slots=True)
class GridConfig:
    """Settings of the grid: zone, basis and method of its emission factor.

    `factor` in g/kWh replaces the zone's row of the tables, `residual` its residual mix. `sources` come before the
    factor, in order. `netting`: "busbar" if all incomers feed one busbar, "connection" if each incomer has a busbar of
    its own (METHOD-SITE 8.4). `factor_uncertainty`: limit of error of `factor`, 0-1, None if the source of the factor
    states none. `own_rows`: rows of the site's own tables for the zone and its nation. `excuse`: why the zone is not
    the configured one, "" if it is. `certificates`: the tradable certificates by the hour. `streams`: all certificates.
    """

    zone: str
    basis: str = "direct"
    method: str = "proportional"
    factor: float | None = None
    sources: tuple[SourceConfig, ...] = ()
    certificates: CertificatesConfig | None = None
    netting: str = "busbar"
    factor_uncertainty: float | None = None
    residual: float | None = None
    own_rows: tuple[FactorRow, ...] = ()
    excuse: str = ""
    streams: tuple[CertificateStream, ...] = ()

    @property
    def family(self) -> str:
        """Family of life-cycle factors and of a mix, from which the zone's own factor comes: "china" or "ipcc"."""
        return family_of(self.zone)


def grams_per_kwh(value: object) -> float:
    """Check g/kWh of a grid; ValueError also for a number without a unit that looks like kg/kWh."""
    if isinstance(value, str) and (stated := grams_with_unit(value)) is not None:
        return float(toml_table.number(0.0, HIGHEST)(stated))
    grams = float(toml_table.number(0.0, HIGHEST)(value))
    if is_in_kilograms(grams):
        raise ValueError(f"found {value!r}; {IN_KILOGRAMS}")
    return grams


def factor_table(grid: GridConfig, timezone: ZoneInfo) -> FactorTable:
    """Return the tables of a site: shipped rows, and its own."""
    return FactorTable(grid.own_rows, timezone)


def ladder(grid: GridConfig, timezone: ZoneInfo, feeds: Sequence[Feed] = ()) -> Ladder:
    """Return the ladder of a site; `timezone` is that of the site."""
    table = factor_table(grid, timezone)
    return Ladder(grid.zone, grid.basis, grid.factor, feeds, table, residual=grid.residual)


def family_of(zone: str) -> str:
    """Return the family of the factors of a zone."""
    return "china" if is_chinese(zone) else "ipcc"


def read(table: Table, directory: Path, site: SiteConfig, spool: Path, *, broker: bool) -> GridConfig:
    """Read `[grid]`; mistakes go to the table.

    Relative files are in `directory`. `spool`: folder of a history that may tell the zone. `broker`: whether there is
    a table [mqtt].
    """
    own: tuple[FactorRow, ...] = ()
    try:
        own = own_zones.read(directory)
    except ConfigError as error:
        table.mistakes += error.mistakes
    factors = FactorTable(own, site.timezone)
    supplied = "factor_g_per_kwh" in table.data or bool(table.data.get("source"))
    zone = zone_check.chosen(table, factors, site.timezone.key, spool, site.name, supplied=supplied)
    default = factors.default_basis(zone.zone)
    basis = table.take("basis", toml_table.choice(["direct", "lifecycle"]), default) or default
    terms = SourceTerms(directory, basis, site.timezone, broker, family_of(zone.zone))
    sources = (grid_source.read(source, terms) for source in table.tables("source"))
    streams = certificate_streams.read(table, directory, site.timezone)
    grid = GridConfig(
        zone=zone.zone,
        basis=basis,
        method=table.take("method", toml_table.choice(["proportional", "local-first"]), "proportional"),
        factor=table.take("factor_g_per_kwh", grams_per_kwh, None),
        sources=tuple(source for source in sources if source is not None),
        certificates=certificate_streams.hourly_config(streams),
        netting=table.take("netting", toml_table.choice(["busbar", "connection"]), "busbar") or "busbar",
        factor_uncertainty=table.take("factor_uncertainty", accuracy_keys.share_of_value, None),
        residual=table.take("residual_g_per_kwh", grams_per_kwh, None),
        own_rows=tuple(row for row in own if row.zone in (zone.zone, nation_of(zone.zone))),
        excuse=zone.excuse,
        streams=streams,
    )
    if zone.zone and not factors.has(zone.zone, basis):
        _check_without_row(table, grid, supplied=supplied)
    if grid.factor_uncertainty is not None and "factor_g_per_kwh" not in table.data:
        table.mistake("factor_uncertainty", "found without factor_g_per_kwh; allowed: with factor_g_per_kwh")
    table.done()
    return grid


def _check_without_row(table: Table, grid: GridConfig, *, supplied: bool) -> None:
    """Report settings that need a row of the tables, for a zone without one on the basis."""
    if not supplied:
        table.mistake(
            "basis",
            f"found {grid.basis!r}, of which zone {grid.zone!r} has no row; allowed: the other basis, "
            f"factor_g_per_kwh, a [[grid.source]], or a row in {own_zones.FOLDER}",
        )
    elif grid.factor is None and any(source.level == "official" for source in grid.sources):
        table.mistake(
            "source",
            f'found level "official", and zone {grid.zone!r} has no row of basis {grid.basis!r}; allowed: with a row '
            "or factor_g_per_kwh",
        )
