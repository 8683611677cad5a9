"""Default targets, entry lines and prices of the site's zone, each as long as its rule is valid."""

from __future__ import annotations

from datetime import date

from wattgram.config.goals_table.dated_rules import DatedRule, expiry, last_expired, rule_of
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility, NoTarget, Target
from wattgram.goals.terms.missing import MissingInput

from .years import local

NOTHING_OWN = "nothing of the site makes it differ from its grid: no own production, storage or certificates"
"""Why a site has no light for what its grid alone gives."""


def last_day(stretch: Stretch, facility: Facility) -> date:
    """Return the last local day of a period: a rule must be valid on it."""
    return local(max(stretch.start, stretch.end - 1), facility)


def rule(name: str, stretch: Stretch, facility: Facility) -> DatedRule | None:
    """Return the rule of the zone that is valid at the end of a period; None without one."""
    return rule_of(name, facility.grid_zone, last_day(stretch, facility))


def why_none(name: str, stretch: Stretch, facility: Facility) -> str:
    """Return why no rule is valid."""
    return expiry(name, facility.grid_zone, last_day(stretch, facility))


def ruled(name: str, claim: str, stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the rule as the target of a claim."""
    found = rule(name, stretch, facility)
    if found is None:
        return NoTarget(why_none(name, stretch, facility), f"set [goals.target] {claim}")
    return Target(found.value, found.cited)


def price(stretch: Stretch, facility: Facility, name: str) -> Input:
    """Return the price of CO2, CNY/t: the site's own, else the rule's. MissingInput: none for this time."""
    if facility.goals.price is not None:
        return Input("price", facility.goals.price, "CNY/t", "[goals] price")
    found = rule(name, stretch, facility)
    if found is None:
        shipped = last_expired(name, facility.grid_zone, last_day(stretch, facility))
        why = (
            why_none(name, stretch, facility)
            if shipped is None
            else f"the shipped mean of {shipped.value:g} CNY/t was valid to {shipped.last}"
        )
        raise MissingInput(
            f"no price of CO2 for {stretch.name}: {why}", "set [goals] price, the price of a tonne in CNY"
        )
    return Input("price", found.value, "CNY/t", found.cited)
