"""A grid source: Great Britain's Carbon Intensity API, https://api.carbonintensity.org.uk (METHOD 3.2), CC BY 4.0.

The API's intensity is that of combustion; basis lifecycle is computed from the API's mix. Times are the half hours of
UTC; `pt24h` ends with a half hour, `fw24h` begins with one. The documentation is at
https://carbon-intensity.github.io/api-definitions/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from wattgram.base import toml_table
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import document, instant, mapping, number, quoted, sequence
from wattgram.grid.mix import Factors
from wattgram.grid.signal import ESTIMATED, FORECAST, MEASURED, NS, Signal

from . import grid_source
from .grid_source import SourceParts
from .source_settings import SourceConfig, SourceTerms
from .web_source import USUAL_WINDOW, WebRequest, WebSettings, WebSource, WebValues, aligned, minute_text, read_web

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
    def nation(self) -> str:
        """Great Britain."""
        return "GB"

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
    return WebSource(
        grid_source.feed(config, parts.clock), service, parts.clock, parts.chance, web.interval, web.ca, web.proxy
    )


@dataclass(frozen=True, slots=True)
class UkGrid:
    """Requests for the nation, or for a region by its number (1 to 17)."""

    factors: Factors
    base: str = UKGRID_URL
    region: int | None = None

    @property
    def secret(self) -> str:
        """None: the API is open to all."""
        return ""

    @property
    def headers(self) -> Mapping[str, str]:
        """None: the API is open to all."""
        return {}

    def requests(self, since: int, now: int) -> Sequence[WebRequest]:
        """Return the half hours behind, and those from the present one on; the mix of the nation has no forecast."""
        half = int(UKGRID_PERIOD) * NS
        present = aligned(now, half)
        if since < now - USUAL_WINDOW:
            past = f"{minute_text(aligned(since, half))}/{minute_text(present + half)}"
        else:
            past = f"{minute_text(present + half)}/pt24h"
        ahead = f"{minute_text(present)}/fw24h"
        if self.region is not None:
            parts = [
                ("past", f"regional/intensity/{past}/regionid/{self.region}"),
                ("ahead", f"regional/intensity/{ahead}/regionid/{self.region}"),
            ]
        elif self.factors.basis == "direct":
            parts = [("past", f"intensity/{past}"), ("ahead", f"intensity/{ahead}")]
        else:
            parts = [("past", f"generation/{past}"), ("present", "generation")]
        return [WebRequest(name, f"{self.base}/{path}", ahead=name == "ahead") for name, path in parts]

    def values(self, body: bytes, request: WebRequest, arrived: int, before: Mapping[str, float]) -> WebValues:
        """Return half hours with an intensity or a mix; `data` is a list or, at /generation, one object."""
        made: list[Signal] = []
        lost: dict[str, None] = {}
        wrong = ""
        for outer in _listed(mapping(document(body), "answer").get("data"), "data"):
            inner = _listed(outer["data"], "data") if "data" in outer else [outer]
            if self.region is not None and outer.get("regionid", self.region) != self.region:
                raise ValueError(f"regionid: found {quoted(outer['regionid'])}; expected {self.region}")
            for half in inner:
                try:
                    mix = _mix(half)
                    made += self._signal(half, mix, arrived)
                    lost |= dict.fromkeys(fuel for fuel, share in mix.items() if share is None)
                except ValueError as error:  # an unusable half hour does not discard the others
                    wrong = wrong or str(error)
        if wrong and not made:
            raise ValueError(wrong)
        remarks = [f"{', '.join(lost)} missing: counted as fuel unknown, estimated"] if lost else []
        return WebValues(made, "; ".join([*remarks, *([f"a half hour is not used: {wrong}"] if wrong else [])]))

    def _signal(self, half: Mapping[str, Any], mix: Mapping[str, float | None], arrived: int) -> list[Signal]:
        span = instant(half.get("from"), "from"), instant(half.get("to"), "to")
        if span[1] - span[0] != UKGRID_PERIOD * NS:
            raise ValueError(f"to: found {quoted(half['to'])} after from {quoted(half['from'])}; expected half an hour")
        source = "ukgrid" if self.region is None else f"ukgrid region {self.region}"
        if self.factors.basis == "lifecycle":
            tier = ESTIMATED if self.region is None else FORECAST  # a region's mix is itself a forecast
            return [self.factors.signal(mix, 100.0, source, span, arrived, tier=tier, estimated=True)]
        intensity = mapping(half.get("intensity"), "intensity")
        for name, tier in (("actual", MEASURED), ("forecast", FORECAST)):
            if intensity.get(name) is not None:
                signal = Signal(number(intensity[name], name), "direct", source, tier, *span, arrived)
                return [self._with_shares(signal, mix)]
        return []

    def _with_shares(self, signal: Signal, mix: Mapping[str, float | None]) -> Signal:
        """Return a signal with the shares of its mix, where the mix is possible."""
        try:
            mixed = self.factors.mixed(mix, 100.0)
        except ValueError:
            return signal
        return replace(signal, clean_share=mixed.clean_share, shares=mixed.shares)


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
