"""How the pieces of an indicator say that a number is not there, and how the last of them answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from math import isfinite

from wattgram.config.goals_table.goals_settings import ManualEntry

from .day import Stretch
from .finding import Finding, MissingValue
from .indicator import Facility

Find = Callable[[Stretch, Facility], Finding]


class MissingInput(Exception):
    """A number that an indicator needs is not there: what is missing, and what to add to have it. Never retried."""

    def __init__(self, what: str, add: str = "") -> None:
        super().__init__(what)
        self.missing = MissingValue(what, add)


def as_finding(find: Find) -> Find:
    """The same, answering Missing for a Lack and for a value that is no number."""

    @wraps(find)
    def answer(stretch: Stretch, facility: Facility) -> Finding:
        try:
            found = find(stretch, facility)
        except MissingInput as error:
            return error.missing
        if isinstance(found, MissingValue):
            return found
        if not isfinite(found.value):
            return MissingValue(f"the numbers of {stretch.name} are too large or too small: {found.arithmetic}")
        return replace(found, extras=tuple(extra for extra in found.extras if isfinite(extra.value)))

    return answer


def quotient(part: float, whole: float, why: str) -> float:
    """part / whole; Lack with the reason where the whole is not above 0."""
    if not whole > 0.0:
        raise MissingInput(why)
    return part / whole


def shown(value: float) -> str:
    """A number as it stands in a formula: ten digits, so that a person gets the same result."""
    return f"{value:.10g}"


def entry_source(entry: ManualEntry) -> str:
    """Who answers for a manual entry."""
    return f"manual entry of {entry.name}, {entry.entered.isoformat()}, {entry.document}"


def days_text(days: int) -> str:
    """A number of days in words."""
    return f"{days} day{'' if days == 1 else 's'}"
