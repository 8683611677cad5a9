"""Missing inputs of indicators: the exception, its conversion to a finding, and texts of findings."""

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
    """An input of an indicator is missing. what: the input. add: the remedy. A retry does not help."""

    def __init__(self, what: str, add: str = "") -> None:
        super().__init__(what)
        self.missing = MissingValue(what, add)


def as_finding(find: Find) -> Find:
    """Decorate `find`: return MissingValue instead of raising MissingInput, and for a value or an input that is not
    finite: a value of 0 by an infinite input is none.
    """

    @wraps(find)
    def answer(stretch: Stretch, facility: Facility) -> Finding:
        try:
            found = find(stretch, facility)
        except MissingInput as error:
            return error.missing
        if isinstance(found, MissingValue):
            return found
        if not all(isfinite(number) for number in (found.value, *(operand.value for operand in found.inputs))):
            return MissingValue(f"the numbers of {stretch.name} give no finite result: {found.arithmetic}")
        return replace(found, extras=tuple(extra for extra in found.extras if isfinite(extra.value)))

    return answer


def quotient(part: float, whole: float, why: str, add: str = "wait for more data, or check the readings") -> float:
    """Return part / whole. Raise MissingInput with the reason `why` if the whole is not above 0."""
    if not whole > 0.0:
        raise MissingInput(why, add)
    return part / whole


def shown(value: float) -> str:
    """Return a number of a formula as text, with ten digits, so that a recomputation gives the same result."""
    return f"{value:.10g}"


def entry_source(entry: ManualEntry) -> str:
    """Return the source of a manual entry: person, day and document."""
    return f"manual entry of {entry.name}, {entry.entered.isoformat()}, {entry.document}"


def days_text(days: int) -> str:
    """Return a number of days as text."""
    return f"{days} day{'' if days == 1 else 's'}"
