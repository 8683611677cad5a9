"""What an indicator found: a number with its arithmetic, or what is missing to have one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Input:
    """One number that went into an indicator: what it is, its value and unit, and where it is from."""

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class SecondaryValue:
    """A second number beside an indicator's own, such as self-sufficiency beside self-consumption."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class IndicatorValue:
    """A value in the indicator's unit, with all that is needed to compute it again by hand.

    arithmetic: the formula with the inputs' numbers in it. coverage: share of the time for which the inputs are
    known, where that is less than the balance's. entry: the manual entry that it rests on, "" when it is metered.
    """

    value: float
    inputs: tuple[Input, ...]
    arithmetic: str
    extras: tuple[SecondaryValue, ...] = ()
    coverage: float = 1.0
    entry: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class MissingValue:
    """No value: what is missing, and what to add to the configuration or the site to get one."""

    what: str
    add: str = ""


Finding = IndicatorValue | MissingValue
