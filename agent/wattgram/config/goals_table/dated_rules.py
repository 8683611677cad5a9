"""Rules with a zone and a validity: default targets, entry lines and prices. Each expires with its plan."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

MAINLAND = "CN"
"""Zone of mainland China; its provinces and grids begin with CN- (Hong Kong, Macao and Taiwan do not)."""


@dataclass(frozen=True, slots=True)
class DatedRule:
    """A number that a plan or a rule sets. zone: "" for everywhere; CN includes its provinces.

    first, last: days of its validity; last is None while no end is known.
    """

    name: str
    zone: str
    value: float
    unit: str
    first: date
    last: date | None
    source: str

    @property
    def validity(self) -> str:
        """Return the time of the rule in words."""
        until = "" if self.last is None else f" to {self.last.isoformat()}"
        return f"valid from {self.first.isoformat()}{until}"

    @property
    def cited(self) -> str:
        """Return the source with the validity."""
        return f"{self.source}; {self.validity}"

    def holds_in(self, zone: str) -> bool:
        """Return whether the rule applies to a grid zone."""
        return self.zone in ("", zone) or zone.startswith(f"{self.zone}-")


@cache
def dated_rules() -> tuple[DatedRule, ...]:
    """Return the shipped rules. ValueError: the table is damaged."""
    text = files("wattgram.config.goals_table").joinpath("rules.csv").read_text(encoding="utf-8")
    return tuple(
        DatedRule(
            row["name"],
            row["zone"],
            float(row["value"]),
            row["unit"],
            date.fromisoformat(row["first"]),
            date.fromisoformat(row["last"]) if row["last"] else None,
            row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def rule_of(name: str, zone: str, day: date) -> DatedRule | None:
    """Return the rule of a zone that is valid on a day; None if there is none, or if it has expired."""
    for rule in dated_rules():
        if rule.name == name and rule.holds_in(zone) and rule.first <= day and (rule.last is None or day <= rule.last):
            return rule
    return None


def last_expired(name: str, zone: str, day: date) -> DatedRule | None:
    """Return the rule of a zone that expired last before a day; None if none has expired."""
    expired = [
        (rule.last, rule)
        for rule in dated_rules()
        if rule.name == name and rule.holds_in(zone) and rule.last is not None and rule.last < day
    ]
    return max(expired, key=lambda dated: dated[0])[1] if expired else None


def expiry(name: str, zone: str, day: date) -> str:
    """Return why no rule is valid: "no rule of zone ..." or "the rule expired on ..."."""
    if any(rule.name == name and rule.holds_in(zone) for rule in dated_rules()):
        expired = last_expired(name, zone, day)
        return f"the rule expired on {expired.last}" if expired else f"no rule is valid on {day.isoformat()}"
    return f"zone {zone} has no such rule"


def in_mainland(zone: str) -> bool:
    """Return whether a grid zone is in mainland China."""
    return zone == MAINLAND or zone.startswith(f"{MAINLAND}-")
