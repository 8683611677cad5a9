"""Energy-Charts of Fraunhofer ISE: https://api.energy-charts.info (METHOD 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from wattgram.base.untrusted import mapping, number, quoted, sequence, unix
from wattgram.grid.mix import Factors
from wattgram.grid.signal import FORECAST, MEASURED, NS, Signal

ENERGYCHARTS_URL = "https://api.energy-charts.info"
ENERGYCHARTS_INTERVAL = 900.0
"""Seconds between two calls: values are quarter-hourly."""

VALUE_STEP = 900 * NS
"""How long a lone value is valid, and any value at most an hour."""

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
"""Their series of generation."""

NO_GENERATION = ("load", "share", "trading", "consumption", "price")
"""Words in the names of series that are no generation."""


@dataclass(frozen=True, slots=True)
class EnergyCharts:
    """One country's mix, or with `co2eq` the intensity that they publish, which is a lifecycle one."""

    country: str
    factors: Factors
    base: str = ENERGYCHARTS_URL
    co2eq: bool = False

    @property
    def url(self) -> str:
        """Today's values."""
        return f"{self.base}/{'co2eq' if self.co2eq else 'public_power'}?{urlencode({'country': self.country})}"

    @property
    def headers(self) -> Mapping[str, str]:
        """Nothing: it is open to all."""
        return {}

    def signals(self, found: Any, arrived: int) -> Sequence[Signal]:
        """A signal for each quarter hour that has a whole mix or an intensity."""
        top = mapping(found, "answer")
        times = [unix(one, "unix_seconds") for one in sequence(top.get("unix_seconds"), "unix_seconds")]
        if any(later <= one for one, later in pairwise(times)):
            raise ValueError("unix_seconds: found times that do not rise")
        ends = [min(later, one + 4 * VALUE_STEP) for one, later in pairwise(times)] + [
            one + VALUE_STEP for one in times[-1:]
        ]
        spans = list(zip(times, ends, strict=True))
        return self._told(top, spans, arrived) if self.co2eq else self._mixed(top, spans, arrived)

    def _told(self, top: Mapping[str, Any], spans: Sequence[tuple[int, int]], arrived: int) -> list[Signal]:
        made = []
        for name, tier in (("co2eq", MEASURED), ("co2eq_forecast", FORECAST)):
            values = _column(top.get(name, []), name, len(spans))
            for (begin, end), value in zip(spans, values, strict=True):
                if value is not None:
                    made.append(Signal(value, "lifecycle", f"energycharts {self.country}", tier, begin, end, arrived))
        return made

    def _mixed(self, top: Mapping[str, Any], spans: Sequence[tuple[int, int]], arrived: int) -> list[Signal]:
        columns: list[tuple[str, list[float | None]]] = []
        for one in sequence(top.get("production_types"), "production_types"):
            series = mapping(one, "production_types")
            name = str(series.get("name")).lower()
            if name in SERIES_FUELS or not any(word in name for word in NO_GENERATION):
                column = _column(series.get("data"), quoted(name), len(spans))
                if any(value is not None for value in column):
                    columns.append((SERIES_FUELS.get(name, "unknown"), column))
        made = []
        for index, (begin, end) in enumerate(spans):
            row = [(fuel, column[index]) for fuel, column in columns]
            if row and all(value is not None for _, value in row):  # the newest quarter hours come fuel by fuel
                made += self._row(row, begin, end, arrived)
        return made

    def _row(self, row: Sequence[tuple[str, float | None]], begin: int, end: int, arrived: int) -> list[Signal]:
        amounts: dict[str, float | None] = {}
        for fuel, value in row:
            amounts[fuel] = (amounts.get(fuel) or 0.0) + (value or 0.0)
        try:
            return [self.factors.signal(amounts, None, f"energycharts {self.country}", (begin, end), arrived)]
        except ValueError:
            return []  # one quarter hour that is no mix does not spoil the others


def _column(found: object, what: str, rows: int) -> list[float | None]:
    values = sequence(found, what)
    if values and len(values) != rows:
        raise ValueError(f"{what}: found {len(values)} values; expected {rows}, one for each of unix_seconds")
    return [None if value is None else number(value, what) for value in values] or [None] * rows
