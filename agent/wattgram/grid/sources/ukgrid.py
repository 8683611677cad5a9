"""Great Britain's Carbon Intensity API: https://api.carbonintensity.org.uk (METHOD 3.2), CC BY 4.0.

Its intensity is that of combustion, so basis lifecycle is computed from its mix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wattgram.base.untrusted import instant, mapping, number, quoted, sequence
from wattgram.grid.mix import Factors
from wattgram.grid.signal import ESTIMATED, FORECAST, MEASURED, Signal

UKGRID_URL = "https://api.carbonintensity.org.uk"
UKGRID_INTERVAL = 600.0
"""Seconds between two calls: values are half-hourly, and forecasts are revised in between."""

SPELLED = {"imports": "unknown", "other": "unknown"}
"""Their fuels that have no factor."""


@dataclass(frozen=True, slots=True)
class UkGrid:
    """The nation, or one of its regions by number (1 to 17)."""

    factors: Factors
    base: str = UKGRID_URL
    region: int | None = None

    @property
    def url(self) -> str:
        """The half hour that it is now."""
        if self.region is not None:
            return f"{self.base}/regional/regionid/{self.region}"
        return f"{self.base}/{'intensity' if self.factors.basis == 'direct' else 'generation'}"

    @property
    def headers(self) -> Mapping[str, str]:
        """Nothing: it is open to all."""
        return {}

    def signals(self, found: Any, arrived: int) -> Sequence[Signal]:
        """Half hours with intensity or mix; `data` is a list or, at /generation, one object."""
        made: list[Signal] = []
        for outer in _listed(mapping(found, "answer").get("data"), "data"):
            inner = _listed(outer["data"], "data") if "data" in outer else [outer]
            made += [one for half in inner if (one := self._signal(half, arrived)) is not None]
        return made

    def _signal(self, half: Mapping[str, Any], arrived: int) -> Signal | None:
        span = instant(half.get("from"), "from"), instant(half.get("to"), "to")
        source = "ukgrid" if self.region is None else f"ukgrid region {self.region}"
        mix = _mix(half)
        if self.factors.basis == "lifecycle":
            tier = ESTIMATED if self.region is None else FORECAST  # a region's mix is itself a forecast
            return self.factors.signal(mix, 100.0, source, span, arrived, tier=tier, estimated=True)
        told = mapping(half.get("intensity"), "intensity")
        for name, tier in (("actual", MEASURED), ("forecast", FORECAST)):
            if told.get(name) is None:
                continue
            known = Signal(number(told[name], name), "direct", source, tier, *span, arrived)
            if not mix:
                return known
            mixed = self.factors.mixed(mix, 100.0)
            return replace(known, clean_share=mixed.clean_share, shares=mixed.shares)
        return None


def _mix(half: Mapping[str, Any]) -> dict[str, float | None]:
    mix: dict[str, float | None] = {}
    for one in _listed(half.get("generationmix", []), "generationmix"):
        fuel, share = str(one.get("fuel")), one.get("perc")
        name = SPELLED.get(fuel, fuel)
        part = None if share is None else number(share, quoted(fuel))
        before = mix.get(name, 0.0)
        mix[name] = None if part is None or before is None else before + part
    return mix


def _listed(found: object, what: str) -> list[dict[str, Any]]:
    """The objects of a list, or of a single one."""
    many = [found] if isinstance(found, dict) else sequence(found, what)
    return [mapping(one, what) for one in many]
