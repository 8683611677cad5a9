"""The table `[grid]`: the settings of the grid's emission factor and their reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.base import toml_table
from wattgram.base.toml_table import Table
from wattgram.grid.sources import grid_source
from wattgram.grid.sources.source_settings import SourceConfig, SourceTerms
from wattgram.grid.table import FactorTable

from . import accuracy_keys, certificate_streams
from .green_certificates import CertificatesConfig, CertificateStream


@dataclass(frozen=True, slots=True)
class GridConfig:
    """Settings of the grid: zone, basis and method of its emission factor.

    `factor` in g/kWh replaces the zone's official one. `sources` come before the factor, in order. `netting`:
    "busbar" if all incomers feed one busbar, "connection" if each incomer has a busbar of its own (METHOD-SITE 8.4).
    `factor_uncertainty`: limit of error of `factor`, 0-1, None if the source of the factor states none.
    `certificates`: the tradable certificates by the hour. `streams`: all certificates.
    """

    zone: str = "CN-CQ"
    basis: str = "direct"
    method: str = "proportional"
    factor: float | None = None
    sources: tuple[SourceConfig, ...] = ()
    certificates: CertificatesConfig | None = None
    netting: str = "busbar"
    factor_uncertainty: float | None = None
    streams: tuple[CertificateStream, ...] = ()


def read(table: Table, directory: Path, zone: ZoneInfo, *, broker: bool) -> GridConfig:
    """Read `[grid]`; mistakes go to the table.

    Relative files are in `directory`. `zone` is that of times without an offset. `broker`: whether there is a table
    [mqtt].
    """
    factors = FactorTable.shipped()
    basis = table.take("basis", toml_table.choice(["direct", "lifecycle"]), "direct")
    terms = SourceTerms(directory, basis, zone, broker)
    sources = (grid_source.read(source, terms) for source in table.tables("source"))
    streams = certificate_streams.read(table, directory, zone)
    grid = GridConfig(
        zone=table.take("zone", toml_table.choice(factors.zones, "a zone of the shipped table"), "CN-CQ"),
        basis=basis,
        method=table.take("method", toml_table.choice(["proportional", "local-first"]), "proportional"),
        factor=table.take("factor_g_per_kwh", toml_table.number(0.0, 2000.0), None),
        sources=tuple(source for source in sources if source is not None),
        certificates=certificate_streams.hourly_config(streams),
        netting=table.take("netting", toml_table.choice(["busbar", "connection"]), "busbar") or "busbar",
        factor_uncertainty=table.take("factor_uncertainty", accuracy_keys.share_of_value, None),
        streams=streams,
    )
    if grid.factor_uncertainty is not None and "factor_g_per_kwh" not in table.data:
        table.mistake("factor_uncertainty", "found without factor_g_per_kwh; allowed: with factor_g_per_kwh")
    table.done()
    return grid
