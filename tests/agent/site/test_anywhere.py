"""Sites in several countries: records, events, report and check name their own zone, and no other one's number."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.base.period import parse_period
from wattgram.base.record import Record
from wattgram.commands.check import _as_table
from wattgram.commands.site_check import check_plan
from wattgram.reports import report_html
from wattgram.reports.site_report import as_csv, as_json, as_table, report
from wattgram.store.spool import Spool

from tests.support.command_runs import wattgram
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import free_port, request, wait_for
from tests.support.topics import METER
from tests.support.wired_sites import WiredSite
from tests.support.wired_sites import device as wired

START = int(datetime(2026, 6, 1, 2, 0, tzinfo=UTC).timestamp()) * NS

FOREIGN = re.compile(r"CN-CQ|[Cc]hongqing|重庆|558\.1|0\.5581|522\.7|474\.3|609\.6|530\.6|577\.7")
"""Zone, name and factors of Chongqing, and the factors of China that serve with it (METHOD 2.1, 2.2)."""

MALAYSIA = "zone,name,year,g_per_kwh,basis,residual_g_per_kwh\nMY-GRID-PEN,Peninsular Malaysia,2024,740,direct,745\n"

SITES = [
    # zone, time zone, basis, g/kWh of 2026, tier, g/kWh of the residual mix; see tests/agent/grid/test_world_table.py
    ("CN-SC", "Asia/Shanghai", "direct", 156.4, 5, 609.6),
    ("DE", "Europe/Berlin", "lifecycle", 329.65, 6, None),
    ("GB", "Europe/London", "direct", 177.0, 5, None),
    ("SG", "Asia/Singapore", "direct", 402.0, 5, None),
    ("US-EGRID-CAMX", "America/Los_Angeles", "direct", 194.35, 5, None),
    ("MY-GRID-PEN", "Asia/Kuala_Lumpur", "direct", 740.0, 4, 745.0),
]


def texts_of(records: Iterable[Record]) -> str:
    return "\n".join(json.dumps(record.as_dict()) + repr(record.series.tags) for record in records)


async def stored(folder: Path, records: Iterable[Record]) -> None:
    """Store the records of a site for the report."""
    spool = Spool(folder, max_size=2**30, keep=1e8, sinks=())
    await spool.open()
    for found in records:
        spool.append(found)
    await spool.sync()
    await spool.close()


@pytest.mark.parametrize(("zone", "timezone", "basis", "factor", "tier", "residual"), SITES)
def test_a_site_has_the_numbers_of_its_own_zone(
    tmp_path: Path, zone: str, timezone: str, basis: str, factor: float, tier: int, residual: float | None
) -> None:
    (tmp_path / "zones.d").mkdir()
    (tmp_path / "zones.d" / "malaysia.csv").write_text(MALAYSIA)
    devices = (
        wired("incomer", "grid"),
        wired("roof", "pv", "goodwe_dt", 503),
        wired("genset", "genset", port=504),
    )

    grid = f'[grid]\nzone = "{zone}"\n'
    keys = f'[spool]\npath = "{tmp_path}"\n'
    site = WiredSite(tmp_path, *devices, tick=60.0, grid=keys + grid, start=START, timezone=timezone)
    site.shows("incomer", active_power_total=100e3)
    site.shows("roof", active_power_total=50e3)
    site.shows("genset", active_power_total=0.0)

    site.run(95)
    asyncio.run(stored(tmp_path, site.records))
    hour = next(record for record in site.records if record.series.tags[-1] == ("window", "1h"))
    found = hour.as_dict()
    pv = {"direct": 0.0, "lifecycle": 41.0}[basis]  # METHOD 1.1
    assert found["emission_intensity"] == pytest.approx((100 * factor + 50 * pv) / 150)
    assert found["official_intensity"] == factor
    assert (found["basis"], found["grid_tier"]) == (basis, tier)
    assert str(found["grid_source"]).startswith(f"table {zone} ")
    assert found["scope2_location"] == pytest.approx(float(found["grid_import_energy"]) / 1000 * factor)
    assert found.get("residual_intensity") == (None if residual is None else pytest.approx(residual))
    assert ("scope2_market" in found) == (residual is not None)
    written = report(site.config, parse_period("day"), START + 3600 * 24 * NS)
    outputs = [
        texts_of(site.records),
        *(write(written) for write in (as_table, as_json, as_csv, report_html.page)),
        _as_table(check_plan(site.config)),
    ]
    # Sichuan has the residual mix of its nation, which is Chongqing's, too.
    foreign = [
        match for text in outputs for match in FOREIGN.findall(text) if not (zone == "CN-SC" and match == "609.6")
    ]
    assert foreign == []
    if residual is None:
        assert "scope 2 market is absent" in outputs[4]


def shown(page: str) -> bool:
    """Return whether the page of a daemon has an emission."""
    with contextlib.suppress(OSError):
        return b'"emission_intensity"' in request(page)[1]
    return False


@pytest.mark.server
@pytest.mark.slow(12)
def test_the_daemon_of_a_german_site_starts_and_shows_its_zone(tmp_path: Path) -> None:
    port = free_port()
    with device(Registers(METER)) as meter:
        more = '[grid]\nzone = "DE"\n'
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port)
        text = configuration(tmp_path, devices, http=f"127.0.0.1:{port}", more=more).replace(
            "Asia/Shanghai", "Europe/Berlin"
        )
        with daemon(tmp_path, text) as running:
            page = f"http://127.0.0.1:{port}/api/now"
            wait_for(lambda: shown(page), 30, "an emission on the page")
            now = request(page)[1].decode()
            checked = wattgram("check", "-c", str(running.path))
            assert running.stop() == 0
    assert json.loads(now)["grid"]["zone"] == "DE"
    assert json.loads(now)["emission"]["grid_source"].startswith("table DE ")
    assert "zone DE, basis lifecycle (the zone has no direct row)" in checked.out
    assert FOREIGN.findall(now + checked.out) == []
