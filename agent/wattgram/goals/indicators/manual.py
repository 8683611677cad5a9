"""Indicators from manual entries: R&D share of revenue and trained staff (A23, A24)."""

from __future__ import annotations

from wattgram.base.period import local_day
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input
from wattgram.goals.terms.indicator import Facility, Indicator
from wattgram.goals.terms.missing import Find, MissingInput, as_finding, entry_source, shown


def entered(what: str, unit: str) -> Find:
    """Return a function that finds the entry for the current or last day; MissingValue if it is absent or expired."""

    @as_finding
    def find(stretch: Stretch, facility: Facility) -> IndicatorValue:
        day = local_day(max(stretch.start, min(stretch.end, stretch.as_of) - 1), facility.timezone)
        current = facility.goals.entry(what, day)
        if current is None:
            older = [entry.last for entry in facility.goals.entries if entry.what == what and entry.last < day]
            expired = f"; the last entry expired on {max(older)}" if older else ""
            add = f'add [[goals.entry]] with what = "{what}", value in {unit}, period, name, entered and document'
            raise MissingInput(f"no entry {what} for {day}{expired}", add)
        entry = entry_source(current)
        return IndicatorValue(
            current.value,
            (Input(what, current.value, unit, f"{entry}, for {current.first} to {current.last}"),),
            f"{shown(current.value)} {unit}, as entered",
            entry=entry,
        )

    return find


INDICATORS: dict[str, Indicator] = {
    "A23": Indicator(entered("rnd_share", "%")),
    "A24": Indicator(entered("trained_staff", "persons")),
}
