"""Sites with stated accuracies, driven row by row through the books, for tests of uncertainties."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from wattgram.accounts.books import Books
from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.config.accounts_table import AccountsConfig
from wattgram.config.accuracy_keys import AccuracyClass, AccuracyConfig, ErrorPart
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.grid.ladder import Ladder
from wattgram_drivers.endpoint import parse

START = int(datetime(2026, 5, 31, 16, 0, tzinfo=UTC).timestamp()) * NS  # midnight in Shanghai
QUARTER = 900
HOUR = 3600


def accuracy(percent: float, offset: float = 0.0, **more: Any) -> AccuracyConfig:
    """Return limits of percent of (|P| + offset x rated power)."""
    return AccuracyConfig(AccuracyClass(ErrorPart(percent / 100.0, offset)), **more)


def meter(name: str, role: str, **more: Any) -> DeviceConfig:
    """Return a device of the site."""
    settings = {"device": None, **more}
    return DeviceConfig(name, role, "sunspec", endpoint=parse("tcp://127.0.0.1"), unit=1, **settings)


def site(*devices: DeviceConfig, tick: int = QUARTER, uncertainty: bool = True, **grid: Any) -> Config:
    """Return the configuration of a site."""
    settings = {"factor": 500.0, "factor_uncertainty": 1e-4, **grid}
    return Config(
        SiteConfig("works", ZoneInfo("Asia/Shanghai"), float(tick)),
        devices,
        SpoolConfig(Path()),
        grid=GridConfig("CN-CQ", **settings),
        accounts=AccountsConfig(uncertainty),
    )


def books_of(config: Config) -> Books:
    """Return books without any energy."""
    grid = config.grid
    return Books(config, Ladder(grid.zone, grid.basis, grid.factor))


def row_of(books: Books, seconds: float, values: Mapping[str, float]) -> bytes:
    """Return a row; numbers that are not given are unknown, late energies 0."""
    named = dict.fromkeys(books.layout.fields, nan) | {"seconds": seconds, **values}
    return array("d", named.values()).tobytes()


def drive(
    books: Books,
    begin: int,
    values: Sequence[Mapping[str, float]],
    tick: int = QUARTER,
    intensities: Sequence[float] = (),
) -> list[Record]:
    """Book intervals of one tick after the instant `begin`, UTC ns. intensities: g/kWh of the grid in each."""
    times = [begin + (index + 1) * tick * NS for index in range(len(values))]
    terms = [books.terms(time, float(tick)) for time in times]
    if intensities:
        signals = [
            replace(found.signal, intensity=intensity) for found, intensity in zip(terms, intensities, strict=True)
        ]
        terms = [found._replace(signal=signal) for found, signal in zip(terms, signals, strict=True)]
    rows = books.with_grid_terms(b"".join(row_of(books, float(tick), row) for row in values), terms)
    return list(books.advance(times, rows, terms))


def windows(records: Sequence[Record], window: str) -> list[dict[str, Any]]:
    """Return the windows of a kind, as published."""
    return [record.as_dict() for record in records if ("window", window) in record.series.tags]


def energies(hours: float, **powers: float) -> dict[str, float]:
    """Return the powers of channels and their energies of an interval; `_` stands for a space in a name."""
    found: dict[str, float] = {}
    for name, power in powers.items():
        channel = name.replace("_", " ")
        found |= {
            channel: power,
            f"{channel} energy": max(power, 0.0) * hours,
            f"{channel} energy against": max(-power, 0.0) * hours,
        }
    return found


def with_devices(config: Config, *devices: DeviceConfig) -> Config:
    """Return the configuration with other devices."""
    return replace(config, devices=devices)
