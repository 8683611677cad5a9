"""A grid source: the transparency platform of the European network operators, ENTSO-E.

It has the actual generation by type of each bidding zone, control area or country of about 36 European countries, by
Regulation (EU) 543/2013 one hour after the period; many zones need longer. The token is free: register at
https://transparency.entsoe.eu and ask for API access. Request: documentType A75 (actual generation per type),
processType A16 (realised), times in UTC. Response: a `GL_MarketDocument` in XML, or an
`Acknowledgement_MarketDocument` with a reason. API: https://documenter.getpostman.com/view/7009892/2s93JtP3F6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import urlencode

from wattgram.base import toml_table
from wattgram.base.secret import revealed
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import instant, number, quoted
from wattgram.grid.mix import UNKNOWN, Factors
from wattgram.grid.signal import NS

from . import grid_source
from .grid_source import SourceParts
from .mix_table import MixRow, agreed, mixes
from .small_xml import Element, parsed
from .source_settings import SourceConfig, SourceTerms
from .web_source import UTC_DAY, WebRequest, WebSettings, WebSource, WebValues, aligned, read_web_with_token

ENTSOE_URL = "https://web-api.tp.entsoe.eu/api"
ENTSOE_INTERVAL = 900.0
"""s between two requests: most zones publish quarter hours."""

ENTSOE_PERIOD = 900.0
"""Usual period of a value, s; hours in some zones."""

ENTSOE_HOUR = 3600 * NS

ENTSOE_FUELS = {
    "B01": "biomass",
    "B02": "coal",  # lignite
    "B03": "gas",  # coal-derived gas
    "B04": "gas",
    "B05": "coal",
    "B06": "oil",
    "B07": "oil",  # oil shale
    "B08": "coal",  # peat
    "B09": "geothermal",
    "B10": "hydro discharge",
    "B11": "hydro",
    "B12": "hydro",
    "B13": UNKNOWN,  # marine
    "B14": "nuclear",
    "B15": UNKNOWN,  # other renewable
    "B16": "solar",
    "B17": UNKNOWN,  # waste
    "B18": "wind",
    "B19": "wind",
    "B20": UNKNOWN,
    "B25": "battery discharge",
}
"""Fuel of each production type (psrType) of the platform's code list."""

NO_DATA = "999"
"""Reason of an acknowledgement for a period without values, among others."""

FILLED_CURVE = "A03"
"""Curve type whose missing positions repeat the value before; with A01 they are unknown."""

MOST_POINTS = 1500
"""Largest number of points in a period: a day has 1440 minutes."""


@dataclass(frozen=True, slots=True)
class EntsoeSettings:
    """Settings of this source. area: energy identification code of a bidding zone, control area or country."""

    default_factors: ClassVar[str] = "ipcc"
    computes_mean: ClassVar[bool] = False
    default_max_age: ClassVar[float] = 14_400.0

    web: WebSettings
    token: str = field(repr=False)
    area: str

    @property
    def detail(self) -> str:
        """The area."""
        return self.area

    @property
    def period(self) -> float:
        """Period of a value, s."""
        return ENTSOE_PERIOD


def read(table: Table, terms: SourceTerms) -> EntsoeSettings:
    """Read the keys of this source; mistakes go to the table."""
    web, token = read_web_with_token(table, terms.directory, ENTSOE_URL, ENTSOE_INTERVAL)
    spelling = toml_table.matching(r"\d{2}Y[A-Z0-9-]{13}", "a code of 16 characters such as 10Y1001A1001A82H")
    return EntsoeSettings(web, token, table.take("area", spelling, toml_table.REQUIRED) or "")


def made(config: SourceConfig, settings: EntsoeSettings, parts: SourceParts) -> WebSource:
    """Make a source that polls the platform."""
    web = settings.web
    service = Entsoe(settings.area, parts.factors, settings.token, web.url)
    return WebSource(
        grid_source.feed(config, parts.clock), service, parts.clock, parts.chance, web.interval, web.ca, web.proxy
    )


@dataclass(frozen=True, slots=True)
class Entsoe:
    """Requests for the actual generation by type of an area."""

    area: str
    factors: Factors
    token: str = field(repr=False)
    base: str = ENTSOE_URL

    @property
    def secret(self) -> str:
        """The token, a part of the address."""
        return revealed(self.token) or ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The form of the answer; the token is a part of the address."""
        return {"Accept": "application/xml"}

    def requests(self, since: int, now: int) -> Sequence[WebRequest]:
        """Return a request for yesterday and today in UTC, whose values change, and one for each missing day before."""
        today = aligned(now, UTC_DAY)
        days = [
            self._request(day, day + UTC_DAY, optional=True)  # a day without data is refused
            for day in range(aligned(since, UTC_DAY), today - UTC_DAY, UTC_DAY)
        ]
        return [self._request(today - UTC_DAY, aligned(now, ENTSOE_HOUR) + ENTSOE_HOUR, optional=False), *days]

    def _request(self, begin: int, end: int, *, optional: bool) -> WebRequest:
        query = {
            "documentType": "A75",
            "processType": "A16",
            "in_Domain": self.area,
            "periodStart": _digits(begin),
            "periodEnd": _digits(end),
            "securityToken": self.secret,
        }
        return WebRequest(f"generation from {_digits(begin)}", f"{self.base}?{urlencode(query)}", optional)

    def values(self, body: bytes, request: WebRequest, arrived: int, before: Mapping[str, float]) -> WebValues:
        """Return a signal for each period with a mix; ValueError for another document or another area."""
        root = parsed(body)
        if root.name == "Acknowledgement_MarketDocument":
            reason = root.all("Reason")
            code, text = (reason[0].at("code"), reason[0].at("text")) if reason else ("", "no reason")
            if code == NO_DATA:
                return WebValues([], f"no data: {quoted(text)}")
            raise ValueError(f"found the reason {quoted(code)}: {quoted(text)}")
        if root.name != "GL_MarketDocument":
            raise ValueError(f"found {quoted(root.name)}; expected GL_MarketDocument")
        curves = [curve for series in root.all("TimeSeries") for curve in self._curves(series)]
        rows = _rows(curves) if curves else []
        return mixes(rows, ENTSOE_FUELS, self.factors, f"entsoe {self.area}", arrived, before)

    def _curves(self, series: Element) -> list[_Curve]:
        """Return the generation of a series; consumption, as of pumps, has an outBiddingZone and is left out."""
        if series.all("outBiddingZone_Domain.mRID"):
            return []
        area = series.at("inBiddingZone_Domain.mRID")
        if area != self.area:
            raise ValueError(f"inBiddingZone_Domain.mRID: found {quoted(area)}; expected {self.area!r}")
        unit = series.at("quantity_Measure_Unit.name")
        if unit != "MAW":
            raise ValueError(f"quantity_Measure_Unit.name: found {quoted(unit)}; expected 'MAW'")
        code, filled = series.at("MktPSRType/psrType"), series.at("curveType") == FILLED_CURVE
        return [_curve(code, period, filled=filled) for period in series.all("Period")]


@dataclass(frozen=True, slots=True)
class _Curve:
    """MW of a production type: each number from its time, UTC ns, for `length` ns."""

    code: str
    length: int
    points: Mapping[int, float]


def _curve(code: str, period: Element, *, filled: bool) -> _Curve:
    begin, end = (instant(period.at(f"timeInterval/{name}"), name) for name in ("start", "end"))
    length = _resolution(period.at("resolution"))
    count = (end - begin) // length
    if not 0 < count <= MOST_POINTS:
        raise ValueError(f"timeInterval: found {count} periods; expected 1 to {MOST_POINTS}")
    known = {int(number(point.at("position"), "position")): point.at("quantity") for point in period.all("Point")}
    points: dict[int, float] = {}
    last = None
    for position in range(1, count + 1):
        last = known.get(position, last if filled else None)
        if last is not None:
            points[begin + (position - 1) * length] = number(last, "quantity")
    return _Curve(code, length, points)


def _rows(curves: Sequence[_Curve]) -> list[MixRow]:
    """Return rows of the shortest resolution; a mean power of an hour is that of each of its quarters.

    A type may have several series for different times, and the platform repeats series. For the same time the shorter
    resolution counts, and equal amounts count once; two different ones make the period unusable.
    """
    step = min(curve.length for curve in curves)
    rows: dict[int, dict[str, float | None]] = {}
    lengths: dict[tuple[int, str], int] = {}
    for curve in sorted(curves, key=lambda curve: curve.length):
        if curve.length % step:
            raise ValueError(f"resolution: found {curve.length // NS} s beside {step // NS} s; expected a multiple")
        for begin, amount in curve.points.items():
            for time in range(begin, begin + curve.length, step):
                amounts = rows.setdefault(time, {})
                if lengths.setdefault((time, curve.code), curve.length) == curve.length:
                    amounts[curve.code] = agreed(amounts, curve.code, amount)
    return [MixRow(time, time + step, amounts) for time, amounts in sorted(rows.items())]


def _resolution(text: str) -> int:
    """Return the ns of a duration such as PT15M."""
    found = re.fullmatch(r"PT([1-9]\d{0,2})([MH])", text)
    if not found:
        raise ValueError(f"resolution: found {quoted(text)}; expected a duration such as PT15M")
    return int(found[1]) * (60 if found[2] == "M" else 3600) * NS


def _digits(time: int) -> str:
    return f"{datetime.fromtimestamp(time // NS, UTC):%Y%m%d%H%M}"
