"""The residual mix of an interval is that of its own year, also in a replay and with records of an earlier version."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import datetime
from math import isnan, nan
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.accounts.books import whole_label
from wattgram.accounts.pricing import published_terms
from wattgram.base.clock import NS
from wattgram.base.record import Series, record

from tests.support.wired_sites import WiredSite, device

NEW_YEAR = int(datetime(2026, 1, 1, tzinfo=ZoneInfo("America/Los_Angeles")).timestamp()) * NS


def test_energy_at_new_year_has_the_residual_mix_of_its_own_year(tmp_path: Path) -> None:
    # 60 kW for a minute are 1 kWh
    (tmp_path / "zones.d").mkdir()
    head = "zone,year,basis,g_per_kwh,residual_g_per_kwh\n"
    (tmp_path / "zones.d" / "own.csv").write_text(f"{head}QQ,2025,direct,400,700\nQQ,2026,direct,390,650\n")
    grid = '[grid]\nzone = "QQ"\n'
    site = WiredSite(
        tmp_path,
        device("incomer", "grid"),
        tick=60.0,
        grid=grid,
        start=NEW_YEAR - 180 * NS,
        timezone="America/Los_Angeles",
    )
    site.shows("incomer", active_power_total=60e3)
    site.run(6)
    ticks = {found.time: found for found in site.records if found.series.tags[-1] == ("window", "tick")}
    old, new = ticks[NEW_YEAR], ticks[NEW_YEAR + 60 * NS]
    assert (old["scope2_market"], new["scope2_market"]) == pytest.approx((700.0, 650.0))
    assert (old["residual_intensity"], new["residual_intensity"]) == (700.0, 650.0)
    assert (old["scope2_location"], new["scope2_location"]) == pytest.approx((400.0, 390.0))


def test_a_label_of_an_earlier_version_has_no_residual_mix() -> None:
    earlier = struct.pack("4d", 0.325, 558.1, 5.0, 3600.0)
    found = struct.unpack("5d", whole_label(earlier))
    assert isnan(found[2])
    assert (found[:2], found[3:]) == ((0.325, 558.1), (5.0, 3600.0))
    assert whole_label(whole_label(earlier)) == whole_label(earlier)


def test_a_record_of_an_earlier_version_keeps_its_terms() -> None:
    fields = ("grid_intensity", "grid_clean_share", "official_intensity", "grid_tier", "grid_age", "revision")
    series = Series("emission", (("site", "works"), ("window", "tick")), fields, (), ("grid_source", "basis", "method"))
    values = {
        "grid_intensity": 500.0,
        "grid_clean_share": nan,
        "official_intensity": 558.1,
        "grid_tier": 1,
        "grid_age": 0,
    }
    texts = {"grid_source": "live", "basis": "direct", "method": "proportional"}
    terms = published_terms(record(series, NEW_YEAR, {**values, **texts}), 594.2)
    assert (terms.signal.intensity, terms.official, terms.residual, terms.signal.tier) == (500.0, 558.1, 594.2, 1)
    newer = replace(series, fields=(*fields[:3], "residual_intensity", *fields[3:]))
    again = published_terms(record(newer, NEW_YEAR, {**values, **texts, "residual_intensity": 585.6}), 594.2)
    assert again.residual == 585.6
