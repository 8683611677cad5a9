"""A grid source: Energy-Charts of Fraunhofer ISE, https://api.energy-charts.info (METHOD 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from typing import Any, ClassVar
from urllib.parse import urlencode

from wattgram.base import toml_table
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import document, mapping, number, quoted, sequence, unix
from wattgram.grid.mix import Factors
from wattgram.grid.signal import FORECAST, MEASURED, NS, Signal

from . import grid_source
from .grid_source import SourceParts
from .mix_table import MixRow, agreed, mixes
from .source_settings import SourceConfig, SourceTerms
from .web_source import UTC_DAY, WebRequest, WebSettings, WebSource, WebValues, aligned, minute_text, read_web

ENERGYCHARTS_URL = "https://api.energy-charts.info"
ENERGYCHARTS_INTERVAL = 900.0
"""s between two requests: values are quarter-hourly."""

VALUE_STEP = 900 * NS
"""Validity in ns of a value without a successor; of any other value at most four times as long."""

SERIES_FUELS = {
    "biomass": "biomass",
    "battery storage (power)": "battery discharge",
    "fossil brown coal / lignite": "coal",
    "fossil coal-derived gas": "gas",
    "fossil gas": "gas",
    "fossil hard coal": "coal",
    "fossil oil": "oil",
    "fossil oil shale": "oil",
    "fossil peat": "coal",
    "geothermal": "geothermal",
    "hydro pumped storage": "hydro discharge",
    "hydro run-of-river": "hydro",
    "hydro water reservoir": "hydro",
    "nuclear": "nuclear",
    "solar": "solar",
    "wind offshore": "wind",
    "wind onshore": "wind",
}
"""Fuel of each generation series of the API."""

NO_GENERATION = ("load", "share", "trading", "consumption", "price", "import", "export", "balance", "cross border")
"""Words in the names of series that are not generation."""

NATIONS = {"uk": "GB", "eu": ""}
"""ISO codes of the countries that the API names in another way; "" for a group of countries."""

ENERGYCHARTS_PERIOD = 900.0
"""Usual period of a value, s."""


@dataclass(frozen=True, slots=True)
class EnergyChartsSettings:
    """Settings of this source. mix: whether to ask for the mix instead of the published intensity."""

    default_factors: ClassVar[str] = "ipcc"
    computes_mean: ClassVar[bool] = False

    web: WebSettings
    country: str
    mix: bool

    @property
    def detail(self) -> str:
        """The country."""
        return self.country

    @property
    def nation(self) -> str:
        """The country; "" for a group of countries."""
        return NATIONS.get(self.country, self.country.upper() if len(self.country) == 2 else "")

    @property
    def period(self) -> float:
        """Period of a value, s."""
        return ENERGYCHARTS_PERIOD


def read(table: Table, terms: SourceTerms) -> EnergyChartsSettings:
    """Read the keys of this source; mistakes go to the table."""
    signal = table.take("signal", toml_table.choice(["mix", "co2eq"]), "mix")
    if signal == "co2eq" and terms.basis == "direct":
        table.mistake("signal", 'found "co2eq", which is lifecycle, with basis "direct"; allowed: mix')
    web = read_web(table, terms.directory, ENERGYCHARTS_URL, ENERGYCHARTS_INTERVAL)
    spelling = toml_table.matching(r"[a-z_]{2,8}", "a country such as de")
    return EnergyChartsSettings(web, table.take("country", spelling, toml_table.REQUIRED) or "", signal == "mix")


def made(config: SourceConfig, settings: EnergyChartsSettings, parts: SourceParts) -> WebSource:
    """Make a source that polls the API."""
    web = settings.web
    service = EnergyCharts(settings.country, parts.factors, web.url, not settings.mix)
    return WebSource(
        grid_source.feed(config, parts.clock), service, parts.clock, parts.chance, web.interval, web.ca, web.proxy
    )


@dataclass(frozen=True, slots=True)
class EnergyCharts:
    """Requests for the mix of a country, or with `co2eq` for its published intensity, which is a lifecycle one."""

    country: str
    factors: Factors
    base: str = ENERGYCHARTS_URL
    co2eq: bool = False

    @property
    def secret(self) -> str:
        """None: the API is open to all."""
        return ""

    @property
    def headers(self) -> Mapping[str, str]:
        """None: the API is open to all."""
        return {}

    def requests(self, since: int, now: int) -> Sequence[WebRequest]:
        """Return one request for whole days in UTC, from the day of `since` to the end of today."""
        begin, end = aligned(since, UTC_DAY), aligned(now, UTC_DAY) + UTC_DAY
        query = {"country": self.country, "start": minute_text(begin), "end": minute_text(end)}
        name = "co2eq" if self.co2eq else "public_power"
        return [WebRequest(name, f"{self.base}/{name}?{urlencode(query)}")]

    def values(self, body: bytes, request: WebRequest, arrived: int, before: Mapping[str, float]) -> WebValues:
        """Return a signal for each quarter hour with a mix or an intensity."""
        top = mapping(document(body), "answer")
        listed = [unix(item, "unix_seconds") for item in sequence(top.get("unix_seconds"), "unix_seconds")]
        if any(later < time for time, later in pairwise(listed)):
            raise ValueError("unix_seconds: found times that do not rise")
        times = sorted(set(listed))
        ends = [min(later, time + 4 * VALUE_STEP) for time, later in pairwise(times)] + [
            time + VALUE_STEP for time in times[-1:]
        ]
        spans = list(zip(times, ends, strict=True))
        if self.co2eq:
            return WebValues(self._published(top, spans, listed, arrived))
        return mixes(
            _rows(top, spans, listed), SERIES_FUELS, self.factors, f"energycharts {self.country}", arrived, before
        )

    def _published(
        self, top: Mapping[str, Any], spans: Sequence[tuple[int, int]], listed: Sequence[int], arrived: int
    ) -> list[Signal]:
        made = []
        for name, tier in (("co2eq", MEASURED), ("co2eq_forecast", FORECAST)):
            values = _column(top.get(name, []), name, listed)
            for (begin, end), value in zip(spans, values, strict=True):
                if value is not None and not isnan(value):
                    made.append(Signal(value, "lifecycle", f"energycharts {self.country}", tier, begin, end, arrived))
        return made


def _rows(top: Mapping[str, Any], spans: Sequence[tuple[int, int]], listed: Sequence[int]) -> list[MixRow]:
    columns: dict[str, list[float | None]] = {}
    for item in sequence(top.get("production_types"), "production_types"):
        series = mapping(item, "production_types")
        name = str(series.get("name")).lower()
        if name in SERIES_FUELS or not any(word in name for word in NO_GENERATION):
            columns[name] = _column(series.get("data"), quoted(name), listed)
    return [
        MixRow(begin, end, {name: column[index] for name, column in columns.items()})
        for index, (begin, end) in enumerate(spans)
    ]


def _column(found: object, what: str, listed: Sequence[int]) -> list[float | None]:
    """Return a value for each different time of `listed`; NaN for two different values of a time."""
    values = sequence(found, what)
    if values and len(values) != len(listed):
        raise ValueError(f"{what}: found {len(values)} values; expected {len(listed)}, one for each of unix_seconds")
    column: dict[str, float | None] = {}
    for time, value in zip(map(str, listed), values or [None] * len(listed), strict=True):
        column[time] = agreed(column, time, None if value is None else number(value, what))
    return list(column.values())
