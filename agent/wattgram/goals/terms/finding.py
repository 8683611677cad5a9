"""Result of an indicator: a value with its arithmetic, or the missing input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Input:
    """One input of an indicator: name, value, unit and source."""

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class SecondaryValue:
    """An additional value of an indicator, such as self-sufficiency for self-consumption."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class LineShare:
    """A projection compared with an entry line. name: of the line and its period. share: projection / line."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class IndicatorValue:
    """A value in the indicator's unit, with the data to recompute it by hand.

    arithmetic: the formula with the numbers of the inputs. coverage: share of the time for which the inputs are
    available, if it is below the coverage of the balance. entry: source of a manual entry, "" for a metered value.
    uncertainty: expanded, k = 2, in the indicator's unit, None if unknown (METHOD-SITE 11). lines: entry lines that the
    value's projection is compared with.
    """

    value: float
    inputs: tuple[Input, ...]
    arithmetic: str
    extras: tuple[SecondaryValue, ...] = ()
    coverage: float = 1.0
    entry: str = ""
    note: str = ""
    uncertainty: float | None = None
    lines: tuple[LineShare, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingValue:
    """No value. what: the missing input. add: the remedy, in the configuration or on the site."""

    what: str
    add: str = ""


Finding = IndicatorValue | MissingValue
