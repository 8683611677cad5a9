"""Figures of the site's grid zone, of the tables and of the configuration: factor, renewable and clean share."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan

from wattgram.config.grid_table import GridConfig
from wattgram.grid.table import FactorTable

from .terms.indicator import SourcedFigure

POLICY_ZONES = ("CN-CQ",)
"""Zones whose renewable share in the table is a policy weight, no statistic (METHOD 0.8, 2.4)."""


@dataclass(frozen=True, slots=True)
class ZoneBook:
    """Figures of a zone in a year. renewable: 0-1 by statistics. residual: g/kWh, NaN if unknown."""

    average: SourcedFigure | None
    renewable: float | None
    clean: SourcedFigure | None
    residual: float = nan


def zone_book(grid: GridConfig, table: FactorTable, renewable: float | None, time: int) -> ZoneBook:
    """Return the figures at a time, UTC ns. renewable: share that the site has set, None for the table's."""
    known = grid.zone in table.zones
    signal = table.signal(grid.zone, grid.basis, time) if known else None
    clean = signal.clean_share if signal is not None else nan
    source = signal.source if signal is not None else ""
    if renewable is None and grid.zone not in POLICY_ZONES:
        renewable = table.renewable(grid.zone, time)
    average = None if signal is None else SourcedFigure(signal.intensity, source)
    if grid.factor is not None:
        average = SourcedFigure(grid.factor, "[grid] factor_g_per_kwh")
    return ZoneBook(
        average,
        renewable,
        SourcedFigure(clean, source) if isfinite(clean) else None,
        table.residual(grid.zone, time) if known else nan,
    )
