"""A grid source: the hourly grid monitor of the U.S. Energy Information Administration, https://api.eia.gov/v2.

It has the generation by fuel of each balancing authority of the lower 48 states, from form EIA-930, two hours to a day
after the hour. The key is free: https://www.eia.gov/opendata/register.php. A period is named by its end, in UTC with
`frequency=hourly`; a value is a text with MWh. The response repeats the key in `request`. API:
https://www.eia.gov/opendata/documentation.php. Hour ending: https://www.eia.gov/electricity/gridmonitor/about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from wattgram.base import toml_table
from wattgram.base.secret import revealed
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import document, instant, mapping, number, quoted, sequence
from wattgram.grid.mix import UNKNOWN, Factors
from wattgram.grid.signal import NS

from . import grid_source
from .grid_source import SourceParts
from .mix_table import MixRow, agreed, mixes
from .source_settings import SourceConfig, SourceTerms
from .web_source import WebRequest, WebSettings, WebSource, WebValues, aligned, read_web_with_token

EIA_URL = "https://api.eia.gov/v2"
EIA_INTERVAL = 900.0
"""s between two requests: values are hourly, and appear at any minute of the hour."""

EIA_PERIOD = 3600.0
"""Period of a value, s."""

EIA_HOUR = 3600 * NS

EIA_ROWS = 5000
"""Largest number of rows in a response; a week of hours with sixteen fuels has 2688."""

EIA_FUELS = {
    "BAT": "battery discharge",
    "BIO": "biomass",
    "BM": "biomass",
    "COL": "coal",
    "GEO": "geothermal",
    "NG": "gas",
    "NUC": "nuclear",
    "OES": "battery discharge",
    "OIL": "oil",
    "OTH": UNKNOWN,
    "PS": "hydro discharge",
    "SNB": "solar",
    "SUN": "solar",
    "UES": "battery discharge",
    "UNK": UNKNOWN,
    "WAT": "hydro",
    "WND": "wind",
    "WNB": "wind",
}
"""Fuel of each code of the API. SNB and WNB are plants with their own battery; OES and UES are other storages."""

EIA_NET = frozenset({"WAT", "SNB", "WNB"})
"""Codes whose negative amount is the charging of a storage within the plants: consumption, not generation."""


@dataclass(frozen=True, slots=True)
class EiaSettings:
    """Settings of this source. respondent: code of a balancing authority or region, such as CISO or US48."""

    default_factors: ClassVar[str] = "ipcc"
    computes_mean: ClassVar[bool] = False
    default_max_age: ClassVar[float] = 14_400.0

    web: WebSettings
    token: str = field(repr=False)
    respondent: str

    @property
    def detail(self) -> str:
        """The respondent."""
        return self.respondent

    @property
    def nation(self) -> str:
        """The United States."""
        return "US"

    @property
    def period(self) -> float:
        """Period of a value, s."""
        return EIA_PERIOD


def read(table: Table, terms: SourceTerms) -> EiaSettings:
    """Read the keys of this source; mistakes go to the table."""
    web, token = read_web_with_token(table, terms.directory, EIA_URL, EIA_INTERVAL)
    spelling = toml_table.matching(r"[A-Z0-9]{2,6}", "the code of a balancing authority such as CISO, or US48")
    return EiaSettings(web, token, table.take("respondent", spelling, toml_table.REQUIRED) or "")


def made(config: SourceConfig, settings: EiaSettings, parts: SourceParts) -> WebSource:
    """Make a source that polls the API."""
    web = settings.web
    service = Eia(settings.respondent, parts.factors, settings.token, web.url)
    return WebSource(
        grid_source.feed(config, parts.clock), service, parts.clock, parts.chance, web.interval, web.ca, web.proxy
    )


@dataclass(frozen=True, slots=True)
class Eia:
    """Requests for the generation by fuel of a balancing authority."""

    respondent: str
    factors: Factors
    token: str = field(repr=False)
    base: str = EIA_URL

    @property
    def secret(self) -> str:
        """The key, a part of the address."""
        return revealed(self.token) or ""

    @property
    def headers(self) -> Mapping[str, str]:
        """None: the key is a part of the address."""
        return {}

    def requests(self, since: int, now: int) -> Sequence[WebRequest]:
        """Return one request for the whole hours since `since`, and two more for the comparison with the day before."""
        query = {
            "api_key": self.secret,
            "frequency": "hourly",
            "data[0]": "value",
            "facets[respondent][]": self.respondent,
            "start": _hour_text(aligned(since, EIA_HOUR) - 2 * EIA_HOUR),
            "end": _hour_text(aligned(now, EIA_HOUR) + EIA_HOUR),
            "sort[0][column]": "period",
            "sort[0][direction]": "desc",
            "length": str(EIA_ROWS),
        }
        return [WebRequest("generation", f"{self.base}/electricity/rto/fuel-type-data/data/?{urlencode(query)}")]

    def values(self, body: bytes, request: WebRequest, arrived: int, before: Mapping[str, float]) -> WebValues:
        """Return a signal for each hour with a mix; ValueError for an unexpected shape or another respondent."""
        top = mapping(mapping(document(body), "answer").get("response"), "response")
        frequency = top.get("frequency", "hourly")
        if frequency != "hourly":
            raise ValueError(f"frequency: found {quoted(frequency)}; expected 'hourly'")
        hours: dict[int, dict[str, float | None]] = {}
        for item in sequence(top.get("data"), "data"):
            self._take(mapping(item, "data"), hours)
        rows = [MixRow(end - EIA_HOUR, end, amounts) for end, amounts in sorted(hours.items())]
        return mixes(rows, EIA_FUELS, self.factors, f"eia {self.respondent}", arrived, before)

    def _take(self, row: Mapping[str, Any], hours: dict[int, dict[str, float | None]]) -> None:
        respondent, code = row.get("respondent"), str(row.get("fueltype"))
        if respondent != self.respondent:
            raise ValueError(f"respondent: found {quoted(respondent)}; expected {self.respondent!r}")
        unit = row.get("value-units", "megawatthours")
        if unit != "megawatthours":
            raise ValueError(f"value-units: found {quoted(unit)}; expected 'megawatthours'")
        amounts = hours.setdefault(instant(row.get("period"), "period"), {})
        value = row.get("value")
        amount = None if value is None or value == "" else number(value, f"value of {quoted(code)}")
        net = max(0.0, amount) if amount is not None and code in EIA_NET else amount
        amounts[code] = agreed(amounts, code, net)


def _hour_text(time: int) -> str:
    return f"{datetime.fromtimestamp(time // NS, UTC):%Y-%m-%dT%H}"
