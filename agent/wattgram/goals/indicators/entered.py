"""Amounts of manual entries in a period: an amount is spread evenly over its days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from wattgram.config.goals_table.goals_settings import ManualEntry
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, entry_source

from .years import local, midnight


@dataclass(frozen=True, slots=True)
class EnteredAmount:
    """An amount in the unit of its entries. inputs: the entries. by: their sources."""

    value: float
    inputs: tuple[Input, ...]
    by: str


def amount(what: str, stretch: Stretch, facility: Facility) -> EnteredAmount:
    """Return the share of entries in the elapsed time; each entry is spread evenly over its days.

    An entry with a later day of entry replaces an earlier entry on their common days. MissingInput: a day has no entry.
    """
    entries = [entry for entry in facility.goals.entries if entry.what == what]
    end = min(stretch.end, stretch.as_of)
    day, last = local(stretch.start, facility), local(end - 1, facility)
    days_of: dict[ManualEntry, float] = {}
    while day <= last and end > stretch.start:
        entry = facility.goals.entry(what, day)
        if entry is None:
            raise missing(what, str(day))
        until = min([entry.last, last, *(entry.first - timedelta(days=1) for entry in entries if entry.first > day)])
        days_of[entry] = days_of.get(entry, 0.0) + (until - day).days + 1
        if until == last:
            after = midnight(last + timedelta(days=1), facility)
            days_of[entry] -= (after - end) / (after - midnight(last, facility))
        day = until + timedelta(days=1)
    if not days_of:
        raise missing(what, stretch.name)
    inputs = tuple(_input(entry, days) for entry, days in days_of.items())
    return EnteredAmount(
        sum(operand.value for operand in inputs),
        inputs,
        "; ".join(dict.fromkeys(entry_source(entry) for entry in days_of)),
    )


def amount_if_any(what: str, stretch: Stretch, facility: Facility) -> EnteredAmount:
    """Return the amount of an optional input: 0 if the site has no such entry at all."""
    if any(entry.what == what for entry in facility.goals.entries):
        return amount(what, stretch, facility)
    return EnteredAmount(0.0, (), "")


def latest(what: str, stretch: Stretch, facility: Facility) -> ManualEntry:
    """Return the entry for the current or last day of the period. MissingInput: none."""
    day = local(min(stretch.end, stretch.as_of) - 1, facility)
    entry = facility.goals.entry(what, day)
    if entry is None:
        raise missing(what, str(day))
    return entry


def missing(what: str, when: str) -> MissingInput:
    """Return the error of a missing entry for a day or a period."""
    return MissingInput(
        f'no entry "{what}" for {when}',
        f'add [[goals.entry]] with what = "{what}" for this time; 0 if the site has none',
    )


def _input(entry: ManualEntry, days: float) -> Input:
    whole = (entry.last - entry.first).days + 1
    part = "" if days == whole else f", {days:g} of {whole} days"
    return Input(entry.what, entry.value * days / whole, entry.unit, entry_source(entry) + part)
