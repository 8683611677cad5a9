"""Limits of error of grid factors: stated by the source, else by tier and age (METHOD-SITE 11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wattgram.accounts.books import Books
from wattgram.accounts.signal_errors import SignalErrors, limits_of_rows
from wattgram.base.clock import NS
from wattgram.config.grid_table import ladder
from wattgram.config.own_zones import read
from wattgram.grid.factor_rows import shipped_rows
from wattgram.grid.table import FactorTable

from tests.support.uncertain_sites import START, accuracy, drive, meter, site, windows

JUNE_2026 = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * NS
TABLE = "zone,year,basis,g_per_kwh,uncertainty\nMY-GRID-PEN,2023,direct,760,8 %\nMY-GRID-PEN,2024,lifecycle,800,\n"


def table(folder: Path) -> tuple[FactorTable, SignalErrors]:
    """Return the tables of a site with its own rows, and the limits of their signals."""
    (folder / "zones.d").mkdir()
    (folder / "zones.d" / "my.csv").write_text(TABLE)
    rows = read(folder)
    return FactorTable(rows), SignalErrors(0.02, limits_of_rows(rows))


def test_a_row_with_a_stated_limit_has_it_whatever_its_age(tmp_path: Path) -> None:
    factors, errors = table(tmp_path)
    signal = factors.signal("MY-GRID-PEN", "direct", JUNE_2026)
    assert errors.limit(signal, JUNE_2026) == pytest.approx(0.08)  # and not 3 years x 5 %
    assert errors.is_stated(signal)


def test_a_row_without_a_statement_has_the_limit_of_its_age(tmp_path: Path) -> None:
    factors, errors = table(tmp_path)
    signal = factors.signal("MY-GRID-PEN", "lifecycle", JUNE_2026)
    assert errors.limit(signal, JUNE_2026) == pytest.approx(0.1)  # tier 4: 10 %; 2 years x 5 %
    assert not errors.is_stated(signal)


def test_no_shipped_row_claims_a_limit() -> None:
    # No source of the shipped tables states a limit of error: MEE, Ember, EPA eGRID, DESNZ, EMA.
    assert limits_of_rows(shipped_rows(None)) == {}


def test_the_windows_of_a_site_have_the_stated_limit_of_its_row(tmp_path: Path) -> None:
    table(tmp_path)
    config = site(meter("incomer", "grid", accuracy=accuracy(2.0)), factor=None, factor_uncertainty=None)
    config = replace(config, grid=replace(config.grid, zone="MY-GRID-PEN", own_rows=read(tmp_path)))
    books = Books(config, ladder(config.grid, config.site.timezone))
    (found,) = windows(drive(books, START, [{"incomer": 100e3}]), "15m")
    # The intensity is that of the grid, whose only part is the limit itself: 8 % of 760 g/kWh.
    assert found["emission_intensity_uncertainty"] == pytest.approx(60.8, rel=1e-6)
