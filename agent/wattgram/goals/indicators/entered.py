"""What people enter: an amount for a time, of which a period has the part of those days that are over."""

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
    """An amount, in the unit of its entries, and the entries behind it."""

    value: float
    inputs: tuple[Input, ...]
    by: str


def amount(what: str, stretch: Stretch, facility: Facility) -> EnteredAmount:
    """The part of entries that is of the time which is over: each spreads evenly over its own days.

    Lack as soon as one day has no entry; a later entry takes the place of an earlier one on the days of both.
    """
    entries = [entry for entry in facility.goals.entries if entry.what == what]
    end = min(stretch.end, stretch.as_of)
    day, last = local(stretch.start, facility), local(end - 1, facility)
    taken: dict[ManualEntry, float] = {}
    while day <= last and end > stretch.start:
        entry = facility.goals.entry(what, day)
        if entry is None:
            raise missing(what, str(day))
        until = min([entry.last, last, *(entry.first - timedelta(days=1) for entry in entries if entry.first > day)])
        taken[entry] = taken.get(entry, 0.0) + (until - day).days + 1
        if until == last:
            after = midnight(last + timedelta(days=1), facility)
            taken[entry] -= (after - end) / (after - midnight(last, facility))
        day = until + timedelta(days=1)
    if not taken:
        raise missing(what, stretch.name)
    inputs = tuple(_input(entry, days) for entry, days in taken.items())
    return EnteredAmount(
        sum(operand.value for operand in inputs),
        inputs,
        "; ".join(dict.fromkeys(entry_source(entry) for entry in taken)),
    )


def amount_if_any(what: str, stretch: Stretch, facility: Facility) -> EnteredAmount:
    """The same of what many sites do not have: nothing where nobody ever entered any."""
    if any(entry.what == what for entry in facility.goals.entries):
        return amount(what, stretch, facility)
    return EnteredAmount(0.0, (), "")


def latest(what: str, stretch: Stretch, facility: Facility) -> ManualEntry:
    """The entry about the last day that has begun; Lack when there is none."""
    day = local(min(stretch.end, stretch.as_of) - 1, facility)
    entry = facility.goals.entry(what, day)
    if entry is None:
        raise missing(what, str(day))
    return entry


def missing(what: str, when: str) -> MissingInput:
    """What a site lacks when nobody entered a number about a day or a period."""
    return MissingInput(
        f'no entry "{what}" about {when}',
        f'add [[goals.entry]] with what = "{what}" for that time; 0 where the site has none',
    )


def _input(entry: ManualEntry, days: float) -> Input:
    whole = (entry.last - entry.first).days + 1
    part = "" if days == whole else f", {days:g} of {whole} days"
    return Input(entry.what, entry.value * days / whole, entry.unit, entry_source(entry) + part)
