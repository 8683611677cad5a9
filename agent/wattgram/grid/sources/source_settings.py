"""[[grid.source]] in the configuration: the keys of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from wattgram.base import toml_table, units
from wattgram.base.toml_table import Table
from wattgram.grid.mix import SETS

from . import electricitymaps, energycharts, ukgrid
from .supplied_values import MIX_TOTALS

INTERVALS = {
    "electricitymaps": electricitymaps.ELECTRICITYMAPS_INTERVAL,
    "ukgrid": ukgrid.UKGRID_INTERVAL,
    "energycharts": energycharts.ENERGYCHARTS_INTERVAL,
}
"""Seconds between two calls of the kinds that are asked over HTTP, as their values come."""

URLS = {
    "electricitymaps": electricitymaps.ELECTRICITYMAPS_URL,
    "ukgrid": ukgrid.UKGRID_URL,
    "energycharts": energycharts.ENERGYCHARTS_URL,
}

CHINESE = ("file", "mqtt", "electricitymaps")
"""Kinds whose mix is taken with China's factors when nothing else is said; the others are of Europe."""

LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One source. `max_age` in s is how long a value serves after it ended; `level` is METHOD 4.3's, official or feed.

    `mean` in g/kWh is the feed's own over the year, for level official; a file has it by itself.
    """

    kind: str
    max_age: float = 7200.0
    level: str = "feed"
    mean: float | None = None
    factors: str = "china"
    path: Path | None = None
    timezone: tzinfo | None = None
    unit: str = "share"
    topic: str = ""
    step: float = 900.0
    url: str = ""
    interval: float = 900.0
    ca: Path | None = None
    token: str | None = field(default=None, repr=False)
    zone: str = ""
    country: str = ""
    region: int | None = None
    mix: bool = True

    @property
    def name(self) -> str:
        """What the log, the page and the records call it."""
        detail = self.path.name if self.path else self.topic or self.zone or self.country
        detail = detail or (f"region {self.region}" if self.region is not None else "")
        return f"{self.kind} {detail}".strip()


def read(table: Table, directory: Path, basis: str | None, zone: tzinfo, *, broker: bool) -> SourceConfig | None:
    """One [[grid.source]]; its mistakes go to the table. `zone` is that of times without offset."""
    kind = table.take("kind", toml_table.choice(list(_KINDS)), toml_table.REQUIRED)
    if kind is None:
        return None
    table.rename(f"{table.place} ({kind})")
    common = {
        "max_age": table.take("max_age", toml_table.bounded(units.duration, 0.0, 3.2e7, "0s to 1 year"), 7200.0),
        "level": table.take("level", toml_table.choice(["feed", "official"]), "feed"),
        "factors": table.take("factors", toml_table.choice(list(SETS)), "china" if kind in CHINESE else "ipcc"),
    }
    own = _KINDS[kind](table, directory, basis, zone, broker)
    if kind != "file":
        own["mean"] = table.take("mean_g_per_kwh", toml_table.number(1.0, 2000.0), None)
        if common["level"] == "official" and "mean_g_per_kwh" not in table.data:
            table.mistake("mean_g_per_kwh", 'missing; level "official" needs the mean of the source over the last year')
        if common["level"] == "feed" and "mean_g_per_kwh" in table.data:
            table.mistake("mean_g_per_kwh", 'found with level "feed"; allowed: with level = "official"')
    table.done()
    return SourceConfig(kind=kind, **{name: value for name, value in (common | own).items() if value is not None})


def _file(table: Table, directory: Path, basis: str | None, zone: tzinfo, broker: bool) -> dict[str, object]:
    path = table.take("path", toml_table.text, toml_table.REQUIRED)
    return {"path": directory / path if path else None, **_written(table, zone)}


def _mqtt(table: Table, directory: Path, basis: str | None, zone: tzinfo, broker: bool) -> dict[str, object]:
    if not broker:
        table.mistake("", "needs a broker; allowed: with the table [mqtt]")
    return {
        "topic": table.take(
            "topic", toml_table.matching(r"[^#+\x00]+", "a topic without # and +"), toml_table.REQUIRED
        ),
        "step": table.take("step", toml_table.bounded(units.duration, 1.0, 86400.0, "1s to 1d"), 900.0),
        **_written(table, zone),
    }


def _electricitymaps(table: Table, directory: Path, basis: str | None, zone: tzinfo, broker: bool) -> dict[str, object]:
    token = table.take("token", toml_table.secret(directory), toml_table.REQUIRED)
    if token is not None and not (token.isascii() and token.isprintable()):
        table.mistake("token", "found characters that no header can carry; allowed: one line of printable ASCII")
    web = _web("electricitymaps", table, directory)
    url = str(web["url"] or "")
    if url.startswith("http://") and toml_table.address({"http": 80})(url)[1] not in LOCAL:
        table.mistake("url", "found http://, which would show the token to everybody; allowed: https://HOST[:PORT]")
    return {
        **web,
        "token": token,
        "zone": table.take(
            "zone", toml_table.matching(r"[A-Za-z0-9-]{2,20}", "a zone such as CN"), toml_table.REQUIRED
        ),
        "mix": table.take("signal", toml_table.choice(["intensity", "mix"]), "intensity") == "mix",
    }


def _ukgrid(table: Table, directory: Path, basis: str | None, zone: tzinfo, broker: bool) -> dict[str, object]:
    return {**_web("ukgrid", table, directory), "region": table.take("region", toml_table.whole(1, 17), None)}


def _energycharts(table: Table, directory: Path, basis: str | None, zone: tzinfo, broker: bool) -> dict[str, object]:
    signal = table.take("signal", toml_table.choice(["mix", "co2eq"]), "mix")
    if signal == "co2eq" and basis == "direct":
        table.mistake("signal", 'found "co2eq", which is lifecycle, with basis "direct"; allowed: mix')
    return {
        **_web("energycharts", table, directory),
        "country": table.take(
            "country", toml_table.matching(r"[a-z_]{2,8}", "a country such as de"), toml_table.REQUIRED
        ),
        "mix": signal == "mix",
    }


def _written(table: Table, zone: tzinfo) -> dict[str, object]:
    """Keys of what the site writes itself."""
    name = table.take(
        "timezone", toml_table.choice(sorted(available_timezones()), "a name of the IANA zone database"), None
    )
    return {
        "unit": table.take("unit", toml_table.choice(list(MIX_TOTALS)), "share"),
        "timezone": ZoneInfo(name) if name else zone,
    }


def _web(kind: str, table: Table, directory: Path) -> dict[str, object]:
    """Keys of what is asked over HTTP."""
    return {
        "url": table.take("url", _address, URLS[kind]),
        "interval": table.take(
            "interval", toml_table.bounded(units.duration, 60.0, 86400.0, "1min to 1d"), INTERVALS[kind]
        ),
        "ca": table.take("ca", toml_table.file(directory), None),
    }


def _address(value: object) -> str:
    toml_table.address({"https": 443, "http": 80})(value)
    text = str(value).rstrip("/")
    if not (text.isascii() and text.isprintable()) or set(text) & set(" ?#"):
        raise ValueError(f"found {value!r}; allowed: https://HOST[:PORT][/PATH] without a query")
    return text


_KINDS: dict[str, Callable[[Table, Path, str | None, tzinfo, bool], dict[str, object]]] = {
    "file": _file,
    "mqtt": _mqtt,
    "electricitymaps": _electricitymaps,
    "ukgrid": _ukgrid,
    "energycharts": _energycharts,
}
"""How the keys of each kind are read."""
