"""The 43 claims of the two articles, as data: what each says in our words and what of it a site can measure."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

Shown = Literal["status", "number", "manual", "context"]
"""status: with a light; number: a value without one; manual: only people can enter it; context: nothing to measure."""

Period = Literal["month", "year"]

ARTICLES = {
    "A": "7th Western China International Fair forum, Chongqing, 23 May 2025",
    "B": "Zeng Gang on Chongqing's path to carbon neutrality, financial summit 2021",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim. `says`: in our own words. indicator, unit: "" where nothing is measured.

    formula: how the indicator comes about. period: the calendar period that it is measured over. target, source: the
    default target in words and where it is from; "" where there is none.
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
        """The article that it is from."""
        return ARTICLES[self.id[0]]


@cache
def claims() -> tuple[Claim, ...]:
    """All of them, in their order; ValueError when the shipped table is damaged."""
    text = files("wattgram.config.goals_table").joinpath("claims.csv").read_text(encoding="utf-8")
    rows: Iterable[dict[str, Any]] = csv.DictReader(text.splitlines())
    found = tuple(Claim(**row) for row in rows)
    for claim in found:
        if claim.shown not in get_args(Shown) or claim.period not in get_args(Period) or claim.id[0] not in ARTICLES:
            raise ValueError(f"claims.csv: {claim.id}: found shown {claim.shown!r}, period {claim.period!r}")
    return found
