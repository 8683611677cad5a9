"""`[grid.certificates]`: streams of certificates, by the hour or by the year (METHOD 4.8)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.base import toml_table
from wattgram.base.errors import ConfigError
from wattgram.base.toml_table import Table

from . import green_certificates
from .green_certificates import TECHNOLOGIES, CertificatesConfig, CertificateStream

KEY = "certificates"

MOST_YEARLY = 1e10
"""Largest energy of a year, kWh."""

_word = toml_table.matching(r"[^\x00-\x1f\x7f]{1,64}", "1 to 64 characters on one line")


def read(grid: Table, directory: Path, zone: ZoneInfo) -> tuple[CertificateStream, ...]:
    """Read one table or several tables `certificates` of `[grid]`; mistakes go to the tables."""
    if KEY not in grid.data:
        grid.table(KEY)  # names the key among the allowed ones
        return ()
    tables = grid.tables(KEY) if isinstance(grid.data[KEY], list) else [grid.table(KEY)]
    found: list[CertificateStream] = []
    for number, table in enumerate(tables, start=1):
        stream = _stream(table, directory, zone, f"certificates {number}" if len(tables) > 1 else KEY)
        if stream.id in [other.id for other in found]:
            table.mistake("id", f"found {stream.id!r} a second time; allowed: each id once")
        found.append(stream)
    return tuple(found)


def hourly_config(streams: Sequence[CertificateStream]) -> CertificatesConfig | None:
    """Return the settings of the tradable streams by the hour; None without one."""
    hourly = [stream for stream in streams if stream.path is not None and not stream.self_used]
    paths = [stream.path for stream in hourly if stream.path is not None]
    factors = tuple(stream.factor for stream in hourly)
    if not paths:
        return None
    return CertificatesConfig(paths[0], factors[0], tuple(paths[1:]), factors if len({*factors}) > 1 else ())


def _stream(table: Table, directory: Path, zone: ZoneInfo, default: str) -> CertificateStream:
    path = table.take("path", toml_table.text, "") or ""
    year = table.take("year", toml_table.whole(2000, 2200), 0) or 0
    energy = table.take("energy_kwh", toml_table.number(0.0, MOST_YEARLY), None)
    stream = CertificateStream(
        id=table.take("id", _word, default) or default,
        market=table.take("market", _word, "") or "",
        technology=table.take("technology", toml_table.choice(TECHNOLOGIES), "") or "",
        factor=table.take("factor_g_per_kwh", toml_table.number(0.0, 2000.0), 0.0) or 0.0,
        path=directory / path if path else None,
        year=year,
        energy=energy or 0.0,
        self_used=bool(table.take("self_used", toml_table.flag, False)),
    )
    table.done()
    yearly = [key for key in ("year", "energy_kwh") if key in table.data]
    if "path" in table.data and yearly:
        table.mistake("path", f"found with {', '.join(yearly)}; allowed: path, or year and energy_kwh")
    elif "path" not in table.data and not yearly:
        table.mistake("path", "missing; a CSV file by the hour, or year and energy_kwh")
    elif len(yearly) == 1:
        other = "energy_kwh" if yearly == ["year"] else "year"
        table.mistake(other, f"missing; {yearly[0]} needs it")
    if stream.path is not None:
        try:
            green_certificates.read(stream.path, zone)
        except ConfigError as error:
            table.mistakes += error.mistakes
    return stream
