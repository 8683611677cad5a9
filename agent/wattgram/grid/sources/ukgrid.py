"""A grid source: Great Britain's Carbon Intensity API, https://api.carbonintensity.org.uk (METHOD 3.2), CC BY 4.0.

The API's intensity is that of combustion; basis lifecycle is computed from the API's mix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from wattgram.base import toml_table
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import instant, mapping, number, quoted, sequence
from wattgram.grid.mix import Factors
from wattgram.grid.signal import ESTIMATED, FORECAST, MEASURED, Signal

from . import grid_source
from .grid_source import SourceParts
from .source_settings import SourceConfig, SourceTerms
from .web_source import WebSettings, WebSource, read_web

UKGRID_URL = "https://api.carbonintensity.org.uk"
UKGRID_INTERVAL = 600.0
"""s between two requests: values are half-hourly, and forecasts are revised in between."""

SPELLED = {"imports": "unknown", "other": "unknown"}
"""Fuels of the API without an emission factor."""

UKGRID_PERIOD = 1800.0
"""Usual period of a value, s."""


@dataclass(frozen=True, slots=True)
class UkGridSettings:
    """Settings of this source. region: 1 to 17, None for the nation."""

    default_factors: ClassVar[str] = "ipcc"
    computes_mean: ClassVar[bool] = False

    web: WebSettings
    region: int | None

    @property
    def detail(self) -> str:
        """The region."""
        return "" if self.region is None else f"region {self.region}"

    @property
    def period(self) -> float:
        """Period of a value, s."""
        return UKGRID_PERIOD


def read(table: Table, terms: SourceTerms) -> UkGridSettings:
    """Read the keys of this source; mistakes go to the table."""
    web = read_web(table, terms.directory, UKGRID_URL, UKGRID_INTERVAL)
    return UkGridSettings(web, table.take("region", toml_table.whole(1, 17), None))


def made(config: SourceConfig, settings: UkGridSettings, parts: SourceParts) -> WebSource:
    """Make a source that polls the API."""
    web = settings.web
    service = UkGrid(parts.factors, web.url, settings.region)
    return WebSource(grid_source.feed(config, parts.clock), service, parts.clock, parts.chance, web.interval, web.ca)


@dataclass(frozen=True, slots=True)
class UkGrid:
    """Requests for the nation, or for a region by its number (1 to 17)."""

    factors: Factors
    base: str = UKGRID_URL
    region: int | None = None

    @property
    def url(self) -> str:
        """Address of the current half hour."""
        if self.region is not None:
            return f"{self.base}/regional/regionid/{self.region}"
        return f"{self.base}/{'intensity' if self.factors.basis == 'direct' else 'generation'}"

    @property
    def headers(self) -> Mapping[str, str]:
        """None: the API is open to all."""
        return {}

    def signals(self, found: Any, arrived: int) -> Sequence[Signal]:
        """Return half hours with an intensity or a mix; `data` is a list or, at /generation, one object."""
        made: list[Signal] = []
        for outer in _listed(mapping(found, "answer").get("data"), "data"):
            inner = _listed(outer["data"], "data") if "data" in outer else [outer]
            made += [signal for half in inner if (signal := self._signal(half, arrived)) is not None]
        return made

    def _signal(self, half: Mapping[str, Any], arrived: int) -> Signal | None:
        span = instant(half.get("from"), "from"), instant(half.get("to"), "to")
        source = "ukgrid" if self.region is None else f"ukgrid region {self.region}"
        mix = _mix(half)
        if self.factors.basis == "lifecycle":
            tier = ESTIMATED if self.region is None else FORECAST  # a region's mix is itself a forecast
            return self.factors.signal(mix, 100.0, source, span, arrived, tier=tier, estimated=True)
        intensity = mapping(half.get("intensity"), "intensity")
        for name, tier in (("actual", MEASURED), ("forecast", FORECAST)):
            if intensity.get(name) is None:
                continue
            signal = Signal(number(intensity[name], name), "direct", source, tier, *span, arrived)
            if not mix:
                return signal
            mixed = self.factors.mixed(mix, 100.0)
            return replace(signal, clean_share=mixed.clean_share, shares=mixed.shares)
        return None


def _mix(half: Mapping[str, Any]) -> dict[str, float | None]:
    mix: dict[str, float | None] = {}
    for entry in _listed(half.get("generationmix", []), "generationmix"):
        fuel, share = str(entry.get("fuel")), entry.get("perc")
        name = SPELLED.get(fuel, fuel)
        part = None if share is None else number(share, quoted(fuel))
        before = mix.get(name, 0.0)
        mix[name] = None if part is None or before is None else before + part
    return mix


def _listed(found: object, what: str) -> list[dict[str, Any]]:
    """Return the objects of a list; an object alone counts as a list of one."""
    objects = [found] if isinstance(found, dict) else sequence(found, what)
    return [mapping(entry, what) for entry in objects]
