"""The 43 claims of the two articles as data: a paraphrase of each claim, and its indicator if a site can measure it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

Shown = Literal["status", "number", "manual", "context"]
"""status: a value with a state, on track or off track. number: a value without a state. manual: a manual entry.
context: nothing measurable."""

Period = Literal["month", "year"]

ARTICLES = {
    "A": "7th Western China International Fair forum, Chongqing, 23 May 2025",
    "B": "Zeng Gang on Chongqing's path to carbon neutrality, financial summit 2021",
}


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
