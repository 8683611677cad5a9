"""What a claim is measured against: the site's own target, its milestones, or the default."""

from __future__ import annotations

from wattgram.config.goals_table.claims import Claim
from wattgram.config.goals_table.goals_settings import GoalsConfig

from .calendar import Calendar
from .terms.day import Stretch
from .terms.indicator import Facility, Indicator, Target


def target(
    claim: Claim, indicator: Indicator, stretch: Stretch, facility: Facility, calendar: Calendar
) -> Target | None:
    """The target at the end of a stretch, in the indicator's unit; None where nobody set one.

    A total's target is that of the claim's own period; of a shorter stretch it has the share that its time has.
    """
    goals = facility.goals
    wanted: Target | None
    if claim.id in goals.targets:
        wanted = Target(goals.targets[claim.id], "set by the site")
    elif claim.id in goals.milestones:
        year = int(calendar.natural("year", stretch.end).name)
        wanted = Target(milestone(goals, claim.id, year), f"the site's milestones, at the end of {year}")
    elif claim.shown == "number":
        return None  # what a default says beside it is information
    else:
        wanted = indicator.target(stretch, facility)
    if wanted is None or not indicator.total:
        return wanted
    natural = calendar.natural(claim.period, stretch.end)
    share = (stretch.end - stretch.start) / (natural.end - natural.start)
    return (
        wanted if share == 1.0 else Target(wanted.value * share, f"{wanted.source}, x {share:.4g} of a {claim.period}")
    )


def milestone(goals: GoalsConfig, claim: str, year: int) -> float:
    """The value at the end of a year on the straight lines from the baseline through the milestones (METHOD 6, A20).

    Before the first point it is the first one's, after the last the last one's. KeyError without milestones.
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
