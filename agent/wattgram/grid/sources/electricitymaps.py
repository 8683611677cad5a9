"""A grid source: Electricity Maps, versions 3 and 4, https://api.electricitymaps.com (METHOD 3.2).

An address that ends in `/v3` selects version 3. Both versions have the same intensity response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

from wattgram.base import toml_table
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import instant, mapping, number, quoted, sequence
from wattgram.grid.mix import Factors
from wattgram.grid.signal import ESTIMATED, FORECAST, MEASURED, NS, Signal

from . import grid_source
from .grid_source import SourceParts
from .source_settings import SourceConfig, SourceTerms
from .web_source import WebSettings, WebSource, read_web

ELECTRICITYMAPS_URL = "https://api.electricitymaps.com/v4"
ELECTRICITYMAPS_INTERVAL = 900.0
"""s between two requests: values are hourly, and appear at any minute of the hour."""

GRANULARITY_SECONDS = {"5_minutes": 300, "15_minutes": 900, "hourly": 3600}
"""Length of a value's period in s, by the name of its granularity."""

CHARGED = {"battery storage": "battery discharge", "hydro storage": "hydro discharge"}
"""Storages of version 4, and the fuel name of their discharge."""

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
"""Hosts to which http:// does not reveal the token."""

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
    def period(self) -> float:
        """Period of a value, s."""
        return ELECTRICITYMAPS_PERIOD


def read(table: Table, terms: SourceTerms) -> ElectricityMapsSettings:
    """Read the keys of this source; mistakes go to the table."""
    token = table.take("token", toml_table.secret(terms.directory), toml_table.REQUIRED)
    if token is not None and not (token.isascii() and token.isprintable()):
        table.mistake("token", "found characters that no header can carry; allowed: one line of printable ASCII")
    web = read_web(table, terms.directory, ELECTRICITYMAPS_URL, ELECTRICITYMAPS_INTERVAL)
    if web.url.startswith("http://") and toml_table.address({"http": 80})(web.url)[1] not in LOCAL_HOSTS:
        table.mistake("url", "found http://, which would show the token to everybody; allowed: https://HOST[:PORT]")
    spelling = toml_table.matching(r"[A-Za-z0-9-]{2,20}", "a zone such as CN")
    zone = table.take("zone", spelling, toml_table.REQUIRED)
    mix = table.take("signal", toml_table.choice(["intensity", "mix"]), "intensity") == "mix"
    return ElectricityMapsSettings(web, token or "", zone or "", mix)


def made(config: SourceConfig, settings: ElectricityMapsSettings, parts: SourceParts) -> WebSource:
    """Make a source that polls the API."""
    web = settings.web
    service = ElectricityMaps(settings.zone, parts.factors, settings.token, web.url, settings.mix)
    return WebSource(grid_source.feed(config, parts.clock), service, parts.clock, parts.chance, web.interval, web.ca)


@dataclass(frozen=True, slots=True)
class ElectricityMaps:
    """Requests for the intensity of a zone, or with `mix` for its mix; `token` goes into the header auth-token."""

    zone: str
    factors: Factors
    token: str = field(repr=False)
    base: str = ELECTRICITYMAPS_URL
    mix: bool = False

    @property
    def url(self) -> str:
        """Address of the latest hour."""
        if not self.mix:
            query = {"zone": self.zone, "emissionFactorType": self.factors.basis}
            return f"{self.base}/carbon-intensity/latest?{urlencode(query)}"
        path = "power-breakdown" if self.base.endswith("/v3") else "electricity-mix"
        return f"{self.base}/{path}/latest?{urlencode({'zone': self.zone})}"

    @property
    def headers(self) -> Mapping[str, str]:
        """The header with the token."""
        return {"auth-token": self.token}

    def signals(self, found: Any, arrived: int) -> Sequence[Signal]:
        """Return the signals of one object, or of the lists data, history and forecast; ValueError without any."""
        top = mapping(found, "answer")
        zone = top.get("zone", self.zone)
        if zone != self.zone:
            raise ValueError(f"zone: found {quoted(zone)}; expected {self.zone!r}")
        made = []
        for name, tier in (("data", None), ("history", None), ("forecast", FORECAST)):
            for item in sequence(top.get(name, []), name):
                entry = {**top, **mapping(item, name)}
                if entry.get("carbonIntensity", 0) is not None:
                    made.append(self._signal(entry, tier, arrived))
        return made or [self._signal(top, None, arrived)]

    def _signal(self, found: Mapping[str, Any], tier: int | None, arrived: int) -> Signal:
        begin = instant(found.get("datetime"), "datetime")
        end = begin + GRANULARITY_SECONDS.get(str(found.get("temporalGranularity")), 3600) * NS
        estimated = found.get("isEstimated") is not False
        if not self.mix:
            basis = found.get("emissionFactorType", self.factors.basis)
            if basis != self.factors.basis:
                raise ValueError(f"emissionFactorType: found {quoted(basis)}; expected {self.factors.basis!r}")
            intensity = number(found.get("carbonIntensity"), "carbonIntensity")
            tier = tier or (ESTIMATED if estimated else MEASURED)
            source = f"electricitymaps {self.zone}"
            return Signal(intensity, self.factors.basis, source, tier, begin, end, arrived, estimated=estimated)
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
