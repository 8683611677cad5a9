"""The 43 claims of the two articles as data: a paraphrase of each claim, and its indicator if a site can measure it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, get_args

from .dated_rules import in_mainland

Shown = Literal["status", "number", "manual", "context"]
"""status: a value with a state, on track or off track. number: a value without a state. manual: a manual entry.
context: nothing measurable."""

Period = Literal["month", "year"]

ARTICLES = {
    "A": "7th Western China International Fair forum, Chongqing, 23 May 2025",
    "B": "Zeng Gang on Chongqing's path to carbon neutrality, financial summit 2021",
}


OWN, NONE = "the site's own", "none"
"""Default targets in words, of a goal with a state and of a number."""

PATHS = "the site's own target or path"
"""Source of a target by the site's path."""

ABROAD: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("A03", "A05", "A12", "A16", "A18", "B06", "B09"), (OWN, "")),
        **dict.fromkeys(("A11", "A14", "A15", "A22", "A25", "B03", "B08", "B13", "B14", "B15"), (NONE, "")),
        **dict.fromkeys(("A07", "B18"), ("the site's own path from its baseline", PATHS)),
        "B02": (PATHS, f"{PATHS}; method ISO 50006 / IPMVP"),
        **dict.fromkeys(("B04", "B10"), ("the site's own path", PATHS)),
        "B11": (
            "the configured efficiency curve at the loads that occurred, or the site's own",
            "maker's or site's curve",
        ),
        "B16": ("not above the site's peak", ""),
    }
)
"""Default target and source of the claims outside of mainland China, where rules and numbers of China mean nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim. says: the paraphrase. indicator, unit: "" if nothing is measurable.

    formula: of the indicator. period: calendar period of the indicator. target, source: the default target in words
    and its source; "" for none.
    """

    id: str
    says: str
    indicator: str
    formula: str
    unit: str
    period: Period
    shown: Shown
    target: str
    source: str

    @property
    def article(self) -> str:
        """Name of the article that contains the claim."""
        return ARTICLES[self.id[0]]

    def in_zone(self, zone: str) -> Claim:
        """Return the claim with the default target of a grid zone."""
        if in_mainland(zone) or self.id not in ABROAD:
            return self
        target, source = ABROAD[self.id]
        return replace(self, target=target, source=source)


@cache
def claims() -> tuple[Claim, ...]:
    """Return all claims in their order. ValueError: the shipped table is damaged."""
    text = files("wattgram.config.goals_table").joinpath("claims.csv").read_text(encoding="utf-8")
    rows: Iterable[dict[str, Any]] = csv.DictReader(text.splitlines())
    found = tuple(Claim(**row) for row in rows)
    for claim in found:
        if claim.shown not in get_args(Shown) or claim.period not in get_args(Period) or claim.id[0] not in ARTICLES:
            raise ValueError(f"claims.csv: {claim.id}: found shown {claim.shown!r}, period {claim.period!r}")
    return found
