"""Electricity Maps, versions 3 and 4: https://api.electricitymaps.com (METHOD 3.2).

Version 3 is named by the address, `.../v3`; both versions tell the intensity in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from wattgram.base.untrusted import instant, mapping, number, quoted, sequence
from wattgram.grid.mix import Factors
from wattgram.grid.signal import ESTIMATED, FORECAST, MEASURED, NS, Signal

ELECTRICITYMAPS_URL = "https://api.electricitymaps.com/v4"
ELECTRICITYMAPS_INTERVAL = 900.0
"""Seconds between two calls: values are hourly, and come at any minute of the hour."""

GRANULARITY_SECONDS = {"5_minutes": 300, "15_minutes": 900, "hourly": 3600}
"""Seconds that a value is for, by the name of its granularity."""

CHARGED = {"battery storage": "battery discharge", "hydro storage": "hydro discharge"}
"""Storages of version 4, and the fuel that their discharge is."""


@dataclass(frozen=True, slots=True)
class ElectricityMaps:
    """One zone's intensity, or its mix with `mix`; `token` goes into the header auth-token."""

    zone: str
    factors: Factors
    token: str = field(repr=False)
    base: str = ELECTRICITYMAPS_URL
    mix: bool = False

    @property
    def url(self) -> str:
        """The latest hour's."""
        if not self.mix:
            query = {"zone": self.zone, "emissionFactorType": self.factors.basis}
            return f"{self.base}/carbon-intensity/latest?{urlencode(query)}"
        path = "power-breakdown" if self.base.endswith("/v3") else "electricity-mix"
        return f"{self.base}/{path}/latest?{urlencode({'zone': self.zone})}"

    @property
    def headers(self) -> Mapping[str, str]:
        """The token."""
        return {"auth-token": self.token}

    def signals(self, found: Any, arrived: int) -> Sequence[Signal]:
        """One object, or any of the lists data, history and forecast; ValueError when none is of use."""
        top = mapping(found, "answer")
        zone = top.get("zone", self.zone)
        if zone != self.zone:
            raise ValueError(f"zone: found {quoted(zone)}; expected {self.zone!r}")
        made = []
        for name, tier in (("data", None), ("history", None), ("forecast", FORECAST)):
            for one in sequence(top.get(name, []), name):
                entry = {**top, **mapping(one, name)}
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
    """MW by fuel, and what they should add up to where that is said: version 3's breakdown, or version 4's mix."""
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
