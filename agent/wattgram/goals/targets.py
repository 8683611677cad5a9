"""Target of a claim: the site's own target, else its milestones, else the default."""

from __future__ import annotations

from math import isfinite

from wattgram.config.goals_table.claims import Claim
from wattgram.config.goals_table.goals_settings import GoalsConfig

from .calendar import Calendar
from .terms.day import Stretch
from .terms.indicator import Facility, Indicator, NoTarget, Target


def target(
    claim: Claim, indicator: Indicator, stretch: Stretch, facility: Facility, calendar: Calendar
) -> Target | NoTarget:
    """Return the target at the end of a stretch, in the indicator's unit, or the reason why there is none.

    The target of a total applies to the claim's own period. A shorter stretch has a share of it, by time.
    """
    goals = facility.goals
    wanted: Target | NoTarget | None = indicator.unjudged(facility)
    if wanted is not None:
        return wanted
    if claim.id in goals.targets:
        wanted = Target(goals.targets[claim.id], "set by the site", own=True)
    elif claim.id in goals.milestones:
        year = int(calendar.natural("year", stretch.end).name)
        wanted = Target(milestone(goals, claim.id, year), f"the site's milestones, at the end of {year}", own=True)
    else:  # the default target of a number is information only
        wanted = None if claim.shown == "number" else indicator.target(stretch, facility)
    if wanted is None:
        add = "" if claim.shown == "number" else f"set [goals.target] {claim.id} in {claim.unit or 'its unit'}"
        return NoTarget("the number has no target" if claim.shown == "number" else "the site has set no target", add)
    if isinstance(wanted, Target) and not isfinite(wanted.value):
        return NoTarget(f"the target is not finite: {wanted.source}", f"set [goals.target] {claim.id} in {claim.unit}")
    if isinstance(wanted, NoTarget) or not indicator.total:
        return wanted
    natural = calendar.natural(claim.period, stretch.end)
    share = (stretch.end - stretch.start) / (natural.end - natural.start)
    if share == 1.0:
        return wanted
    source = f"{wanted.source}, x {share:.4g} of a {claim.period}"
    return Target(wanted.value * share, source, wanted.own, None if wanted.start is None else wanted.start * share)


def milestone(goals: GoalsConfig, claim: str, year: int) -> float:
    """Return the value at the end of a year, linear between baseline and milestones (METHOD 6, A20).

    Before the first point the value of the first point applies, after the last point that of the last point. KeyError:
    no milestones.
    """
    points = [(point.year, point.value) for point in goals.milestones[claim]]
    if claim in goals.baselines:
        points.append((goals.baselines[claim].year, goals.baselines[claim].value))
    points.sort()
    before = [point for point in points if point[0] <= year]
    after = [point for point in points if point[0] > year]
    if not before or not after:
        return (before or after)[-1 if before else 0][1]
    (begin, first), (end, last) = before[-1], after[0]
    return first + (last - first) * (year - begin) / (end - begin)
