"""Figures of the site's grid zone, of the tables and of the configuration: factor, renewable and clean share."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from wattgram.config.grid_table import GridConfig
from wattgram.grid.table import FactorTable

from .terms.indicator import SourcedFigure


@dataclass(frozen=True, slots=True)
class ZoneBook:
    """Figures of a zone in a year. renewable: 0-1 by statistics. residual: g/kWh, NaN if unknown."""

    average: SourcedFigure | None
    renewable: float | None
    clean: SourcedFigure | None
    residual: float = nan


def zone_book(grid: GridConfig, table: FactorTable, renewable: float | None, time: int) -> ZoneBook:
    """Return the figures at a time, UTC ns. renewable: share that the site has set, None for the table's."""
    facts = table.facts(grid.zone, time)
    average = None
    if grid.factor is not None:
        average = SourcedFigure(grid.factor, "[grid] factor_g_per_kwh")
    elif table.has(grid.zone, grid.basis):
        signal = table.signal(grid.zone, grid.basis, time)
        average = SourcedFigure(signal.intensity, signal.source)
    source = f"{facts.name} {facts.year}, {facts.source}"
    return ZoneBook(
        average,
        facts.renewable_share if renewable is None else renewable,
        None if facts.clean_share is None else SourcedFigure(facts.clean_share, source),
        table.residual(grid.zone, time) if grid.residual is None else grid.residual,
    )
