"""A grid source: Electricity Maps, versions 3 and 4, https://api.electricitymaps.com (METHOD 3.2).

An address that ends in `/v3` selects version 3. Both versions have the same intensity response. `latest` is the present
hour, often an estimate; `history` the last 24 hours, where the measured value replaces the estimate; `past-range` any
period of at most ten days; `forecast` the hours ahead. The plan of an account may exclude all but `latest`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

from wattgram.base import toml_table
from wattgram.base.errors import FeedRefused
from wattgram.base.secret import revealed
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import document, instant, mapping, number, quoted, sequence
from wattgram.grid.mix import UNKNOWN, Factors, fuel_of
from wattgram.grid.signal import ESTIMATED, FORECAST, MEASURED, NS, Signal

from . import grid_source
from .grid_source import SourceParts
from .mix_table import LARGEST_HOLE
from .source_settings import SourceConfig, SourceTerms
from .web_source import (
    USUAL_WINDOW,
    WebRequest,
    WebSettings,
    WebSource,
    WebValues,
    aligned,
    minute_text,
    read_web_with_token,
)

ELECTRICITYMAPS_URL = "https://api.electricitymaps.com/v4"
ELECTRICITYMAPS_INTERVAL = 900.0
"""s between two requests: values are hourly, and appear at any minute of the hour."""

HOUR = 3600 * NS

GRANULARITY_SECONDS = {"5_minutes": 300, "15_minutes": 900, "hourly": 3600}
"""Length of a value's period in s, by the name of its granularity. The means of days, months and years are not used."""

SANDBOX = "sandbox"
"""Word in `estimationMethod` (SANDBOX_MODE_DATA) and `_disclaimer` of each response to a sandbox token."""

CHARGED = {"battery storage": "battery discharge", "hydro storage": "hydro discharge"}
"""Storages of version 4, and the fuel name of their discharge."""

ELECTRICITYMAPS_PERIOD = 3600.0
"""Usual period of a value, s."""


@dataclass(frozen=True, slots=True)
class ElectricityMapsSettings:
    """Settings of this source. mix: whether to ask for the mix instead of the intensity."""

    default_factors: ClassVar[str] = ""
    computes_mean: ClassVar[bool] = False

    web: WebSettings
    token: str = field(repr=False)
    zone: str
    mix: bool

    @property
    def detail(self) -> str:
        """The zone."""
        return self.zone

    @property
    def nation(self) -> str:
        """The country of the zone."""
        return self.zone.partition("-")[0]

    @property
    def period(self) -> float:
        """Period of a value, s."""
        return ELECTRICITYMAPS_PERIOD


def read(table: Table, terms: SourceTerms) -> ElectricityMapsSettings:
    """Read the keys of this source; mistakes go to the table."""
    web, token = read_web_with_token(table, terms.directory, ELECTRICITYMAPS_URL, ELECTRICITYMAPS_INTERVAL)
    spelling = toml_table.matching(r"[A-Za-z0-9-]{2,20}", "a zone such as CN")
    zone = table.take("zone", spelling, toml_table.REQUIRED)
    mix = table.take("signal", toml_table.choice(["intensity", "mix"]), "intensity") == "mix"
    return ElectricityMapsSettings(web, token, zone or "", mix)


def made(config: SourceConfig, settings: ElectricityMapsSettings, parts: SourceParts) -> WebSource:
    """Make a source that polls the API."""
    web = settings.web
    service = ElectricityMaps(settings.zone, parts.factors, settings.token, web.url, settings.mix)
    return WebSource(
        grid_source.feed(config, parts.clock), service, parts.clock, parts.chance, web.interval, web.ca, web.proxy
    )


@dataclass(frozen=True, slots=True)
class ElectricityMaps:
    """Requests for the intensity of a zone, or with `mix` for its mix; `token` goes into the header auth-token."""

    zone: str
    factors: Factors
    token: str = field(repr=False)
    base: str = ELECTRICITYMAPS_URL
    mix: bool = False

    @property
    def secret(self) -> str:
        """The token."""
        return revealed(self.token) or ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header with the token."""
        return {"auth-token": self.secret}

    def requests(self, since: int, now: int) -> Sequence[WebRequest]:
        """Return the present hour, the last day, the missing days before, and the forecast."""
        query = {"zone": self.zone} if self.mix else {"zone": self.zone, "emissionFactorType": self.factors.basis}
        signal = "carbon-intensity"
        if self.mix:
            signal = "power-breakdown" if self.base.endswith("/v3") else "electricity-mix"
        parts = [("latest", query, False), ("history", query, True)]
        if since < now - USUAL_WINDOW:
            end = aligned(now - USUAL_WINDOW, HOUR) + 2 * HOUR  # `history` may begin within an hour
            period = {"start": minute_text(aligned(since, HOUR)), "end": minute_text(end)}
            parts.append(("past-range", query | period, True))
        parts.append(("forecast", query, True))
        return [
            WebRequest(mode, f"{self.base}/{signal}/{mode}?{urlencode(query)}", optional, ahead=mode == "forecast")
            for mode, query, optional in parts
        ]

    def values(self, body: bytes, request: WebRequest, arrived: int, before: Mapping[str, float]) -> WebValues:
        """Return the signals of one object, or of the lists data, history and forecast.

        ValueError without any usable; FeedRefused for the invented values of a sandbox token.
        """
        top = mapping(document(body), "answer")
        lists = [name for name in ("data", "history", "forecast") if name in top]
        if not lists:
            if request.name == "forecast":
                raise ValueError("forecast: found no list")
            return WebValues([self._signal(top, None, arrived, before)])
        made, wrong = [], []
        for name in lists:
            tier = FORECAST if "forecast" in (name, request.name) else None
            for item in sequence(top[name], name):
                entry = {**top, **mapping(item, name)}
                if entry.get("carbonIntensity", 0) is None:
                    continue  # an hour that is not known yet
                try:
                    made.append(self._signal(entry, tier, arrived, before))
                except ValueError as error:  # one unusable hour does not discard the others
                    wrong.append(str(error))
        if wrong and not made:
            raise ValueError(wrong[0])
        return WebValues(made, f"values of {request.name} are not used, the first: {wrong[0]}" if wrong else "")

    def _missing(self, found: Mapping[str, Any], before: Mapping[str, float]) -> list[str]:
        """Return the fuels without an amount that had more of the recent mix than may be missing."""
        if found.get("powerConsumptionTotal") is not None:  # with a total the missing part is known
            return []
        amounts, _ = _amounts(found)
        present = {fuel_of(name) for name, amount in amounts.items() if amount is not None}
        return sorted(
            fuel for fuel, share in before.items() if share > LARGEST_HOLE and fuel not in {*present, UNKNOWN}
        )

    def _signal(self, found: Mapping[str, Any], tier: int | None, arrived: int, before: Mapping[str, float]) -> Signal:
        if any(SANDBOX in str(found.get(name, "")).lower() for name in ("estimationMethod", "_disclaimer")):
            raise FeedRefused(
                "sandbox token, whose values are invented; create a production token at https://app.electricitymaps.com"
            )
        zone = found.get("zone", self.zone)
        if zone != self.zone:
            raise ValueError(f"zone: found {quoted(zone)}; expected {self.zone!r}")
        granularity = found.get("temporalGranularity") or "hourly"
        if granularity not in GRANULARITY_SECONDS:
            allowed = ", ".join(GRANULARITY_SECONDS)
            raise ValueError(f"temporalGranularity: found {quoted(granularity)}; expected one of {allowed}")
        begin = instant(found.get("datetime"), "datetime")
        end = begin + GRANULARITY_SECONDS[granularity] * NS
        estimated = found.get("isEstimated") is not False
        if not self.mix:
            basis = found.get("emissionFactorType", self.factors.basis)
            if basis != self.factors.basis:
                raise ValueError(f"emissionFactorType: found {quoted(basis)}; expected {self.factors.basis!r}")
            intensity = number(found.get("carbonIntensity"), "carbonIntensity")
            tier = tier or (ESTIMATED if estimated else MEASURED)
            source = f"electricitymaps {self.zone}"
            return Signal(intensity, self.factors.basis, source, tier, begin, end, arrived, estimated=estimated)
        if missing := self._missing(found, before):
            raise ValueError(f"{', '.join(missing)} missing in the mix")
        amounts, total = _amounts(found)
        source = f"electricitymaps {self.zone}"
        return self.factors.signal(amounts, total, source, (begin, end), arrived, tier=tier, estimated=estimated)


def _amounts(found: Mapping[str, Any]) -> tuple[dict[str, float | None], float | None]:
    """Return MW by fuel, and their total where the response has it: version 3's breakdown, or version 4's mix."""
    if "powerConsumptionBreakdown" in found:
        given = mapping(found["powerConsumptionBreakdown"], "powerConsumptionBreakdown")
        total = found.get("powerConsumptionTotal")
        return (
            {name: None if value is None else number(value, quoted(name)) for name, value in given.items()},
            None if total is None else number(total, "powerConsumptionTotal"),
        )
    amounts: dict[str, float | None] = {}
    for name, value in mapping(found.get("mix"), "mix").items():
        if name == "flows":
            continue
        amount = mapping(value, quoted(name)).get("discharge") if name in CHARGED else value
        amounts[CHARGED.get(name, name)] = None if amount is None else number(amount, quoted(name))
    return amounts, None
