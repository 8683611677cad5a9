"""Reports over quarters of an hour whose sums are calculated by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.accounts.figures import FIGURES, UNCERTAINTIES
from wattgram.accounts.ledger import LedgerRow
from wattgram.base.period import parse_period
from wattgram.base.record import Value
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.reports.site_report import SiteReport, report
from wattgram_drivers.catalogue import load
from wattgram_drivers.endpoint import parse

from tests.support.stored_history import utc

HOSTILE = "<script>alert('x')</script>"
LATER = "2027-06-01T00:00:00Z"

KWH: dict[str, Value] = {"load_energy": 1000.0, "grid_import_energy": 1000.0, "emission": 500.0}
"""A window of 1 kWh, all imported at 500 g/kWh."""


def report_of(
    folder: Path,
    period: str = "day",
    now: str = LATER,
    *,
    zone: str = "Europe/Berlin",
    basis: str = "direct",
    roles: Sequence[str] = ("grid", "pv"),
) -> SiteReport:
    meter = load("eastron_sdm630")
    devices = tuple(
        DeviceConfig(f"meter-{number}", role, meter.name, meter, parse("tcp://127.0.0.1"), number)
        for number, role in enumerate(roles, 1)
    )
    site = SiteConfig("works", ZoneInfo(zone))
    config = Config(site, devices, SpoolConfig(folder), GridConfig("CN-CQ", basis=basis))
    return report(config, parse_period(period), utc(now))


def figures(row: LedgerRow) -> dict[str, float | None]:
    return {figure.key: row.value(figure) for figure in FIGURES}


def loads(site_report: SiteReport) -> dict[str, float | None]:
    """Return the load by period, kWh."""
    return {row.span.name: figures(row)["load_energy_kwh"] for row in site_report.rows}


MORNING: dict[str, Value] = {
    "load_energy": 10_000.0,
    "grid_import_energy": 8_000.0,
    "grid_export_energy": 0.0,
    "pv_energy": 4_000.0,
    "generation_energy": 0.0,
    "battery_discharge_energy": 0.0,
    "battery_charge_energy": 2_000.0,
    "residual_energy": -100.0,
    "emission": 5_000.0,
    "emission_intensity": 500.0,
    "grid_intensity": 558.1,
    "scope1": 0.0,
    "scope2_location": 4_464.8,
    "scope2_market": 4_876.8,
    "avoided": 1_800.0,
    "clean_share": 0.5,
    "self_consumption": 1.0,
    "self_sufficiency": 0.4,
    "grid_source": "table CN-CQ",
}
NOON: dict[str, Value] = MORNING | {
    "load_energy": 30_000.0,
    "grid_import_energy": 2_000.0,
    "grid_export_energy": 8_000.0,
    "pv_energy": 16_000.0,
    "battery_discharge_energy": 1_500.0,
    "battery_charge_energy": 0.0,
    "residual_energy": 400.0,
    "emission": 3_000.0,
    "emission_intensity": 100.0,
    "grid_intensity": 400.0,
    "scope1": 250.0,
    "scope2_location": 800.0,
    "scope2_market": 1_219.2,
    "avoided": 7_000.0,
    "clean_share": 0.9,
    "self_consumption": 0.5,
    "self_sufficiency": 0.8,
    "grid_source": "feed",
    "grid_tier": 1,
}
BY_HAND = {
    "load_energy_kwh": 40.0,
    "grid_import_energy_kwh": 10.0,
    "grid_export_energy_kwh": 8.0,
    "pv_energy_kwh": 20.0,
    "generation_energy_kwh": 0.0,
    "battery_discharge_energy_kwh": 1.5,
    "battery_charge_energy_kwh": 2.0,
    "residual_energy_kwh": 0.3,
    "emission_kg": 8.0,
    "emission_intensity_g_per_kwh": 200.0,  # 8000 g / 40 kWh; the mean of the ratios would be 300
    "grid_intensity_g_per_kwh": 526.48,  # (8 x 558.1 + 2 x 400) / 10
    "scope1_kg": 0.25,
    "scope2_location_kg": 5.2648,
    "scope2_market_kg": 6.096,  # 10 kWh at 609.6
    "clean_share": 0.8,  # (0.5 x 10 + 0.9 x 30) / 40
    "self_consumption": 0.6,  # (1.0 x 4 + 0.5 x 16) / 20
    "self_sufficiency": 0.7,  # (0.4 x 10 + 0.8 x 30) / 40
    "avoided_kg": 8.8,
    "captured_kg": None,
    "biogenic_kg": None,
    "heat_energy_kwh": None,
    **{figure.key: None for figure in UNCERTAINTIES},
}
WITHOUT_DATA = ("captured", "biogenic_emission", "heat_energy", *(figure.field for figure in UNCERTAINTIES))
"""Fields that neither quarter has."""


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
