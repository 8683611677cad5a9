"""Evaluation of the claims from the stored history: value, path and state as of an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wattgram.base.errors import HistoryError
from wattgram.base.period import PeriodOption, window_start
from wattgram.config.correction_table import named
from wattgram.config.goals_table.claims import Claim, claims
from wattgram.config.grid_table import factor_table
from wattgram.config.load import Config
from wattgram.store.history import History

from .calendar import Calendar
from .distance import DISTANCE, distance
from .indicator_uncertainty import uncertainty
from .indicators import INDICATORS
from .state import BEGUN, ENOUGH, is_good, is_on_track, needed, path, projected, reachable
from .stored_days import stored_days
from .targets import target
from .terms.day import Day, Stretch
from .terms.finding import IndicatorValue, MissingValue
from .terms.indicator import Facility, Indicator, NoTarget, Target
from .terms.outcome import Evaluation, GoalOutcome
from .zone_facts import zone_book

UNLIKE_REMEDY = "set [grid] basis and method to those of the stored results, or run `wattgram replay`"
COVERAGE_REMEDY = "see the devices and events of this time: `wattgram report`, column coverage"
"""Remedies of stored windows of another basis, and of a low coverage."""


def evaluate(config: Config, asked: PeriodOption | None, now: int) -> list[GoalOutcome]:
    """Evaluate every claim in the requested period, else in its own period at `now`, UTC ns.

    HistoryError: no history, or only the history of another site. ValueError: as `PeriodOption.bounds`.
    """
    history = History(config.spool.path, config.site.name)
    if history.stored() is None and (others := [site for site in history.sites() if site != config.site.name]):
        raise HistoryError(
            f"{history.folder}: nothing of site {history.site!r} is stored; stored are {', '.join(map(repr, others))}"
        )
    as_of = window_start("15m", now, config.site.timezone)
    stored = stored_days(history, config, as_of)
    return judged(config, asked, as_of, stored.days, stored.unlike)


def judged(
    config: Config, asked: PeriodOption | None, as_of: int, stored: Sequence[Day], unlike: str = ""
) -> list[GoalOutcome]:
    """Evaluate every claim as of an instant, UTC ns, from the days of a site; unlike: as of `StoredDays`."""
    site = _Site(config, stored, unlike)
    found = [site.card(claim, asked, as_of) for claim in claims()]
    return [distance(card, found) if card.claim.id == DISTANCE else card for card in found]


class _Site:
    """Data of a site that all claims use."""

    def __init__(self, config: Config, stored: Sequence[Day], unlike: str) -> None:
        self._config = config
        self._calendar = Calendar(stored, config.site.timezone, config.goals.since)
        self._table = factor_table(config.grid, config.site.timezone)
        self._unlike = unlike

    def card(self, claim: Claim, asked: PeriodOption | None, as_of: int) -> GoalOutcome:
        """Return the outcome of one claim."""
        claim = claim.in_zone(self._config.grid.zone)
        span = self._calendar.span(claim, asked, as_of)
        stretch = self._calendar.stretch(span, as_of)
        card = GoalOutcome(
            claim, None, "context only", span.name, stretch.start, stretch.end, stretch.as_of, stretch.coverage
        )
        if claim.shown == "context" or claim.id == DISTANCE:
            return card
        indicator, facility = INDICATORS[claim.id], self._facility(stretch.as_of)
        if indicator.elsewhere and not facility.in_china:
            return replace(card, why=indicator.elsewhere.format(zone=facility.grid_zone))
        if indicator.variant is not None:
            variant = indicator.variant(facility)
            claim = replace(claim, indicator=variant.indicator, formula=variant.formula)
            card = replace(card, claim=claim)
        finding = indicator.find(stretch, facility)
        if isinstance(finding, MissingValue):
            return self._without_value(card, finding)
        corrections = named(self._config.corrections, stretch.start, stretch.as_of)
        card = replace(card, finding=finding, value=finding.value, better=indicator.better, corrections=corrections)
        card = replace(card, uncertainty=finding.uncertainty)
        if claim.shown == "manual":
            return replace(card, state="manual entry", coverage=1.0, why=finding.entry)
        card = replace(card, coverage=min(stretch.coverage, finding.coverage))
        return self._against_target(card, finding, indicator, stretch, facility)

    def _without_value(self, card: GoalOutcome, missing: MissingValue) -> GoalOutcome:
        """Return the card of a missing input; stored windows of another basis may be the cause."""
        if self._unlike:
            missing = MissingValue(f"{missing.what}; {self._unlike}", f"{missing.add}; {UNLIKE_REMEDY}".lstrip("; "))
        return replace(card, finding=missing, state="not enough data", why=missing.what, add=missing.add)

    def _against_target(
        self, card: GoalOutcome, finding: IndicatorValue, indicator: Indicator, stretch: Stretch, facility: Facility
    ) -> GoalOutcome:
        claim, total, elapsed_share = card.claim, indicator.total, stretch.elapsed_share
        wanted = target(claim, indicator, stretch, facility, self._calendar)
        if isinstance(wanted, NoTarget):
            if finding.entry:
                return replace(card, state="manual entry", why=finding.entry, add=wanted.add)
            return replace(card, why=f"a number without a light: {wanted.why}", add=wanted.add)
        card = replace(card, target=wanted, path=path(wanted.value, elapsed_share, total=total))
        if card.coverage < ENOUGH:
            why = f"coverage {card.coverage:.1%}, below {ENOUGH:.0%}"
            add = COVERAGE_REMEDY
            if self._unlike:
                why, add = f"{why}; {self._unlike}", UNLIKE_REMEDY
            return replace(card, state="not enough data", why=why, add=add)
        left = needed(finding.value, wanted.value, elapsed_share, total=total)
        card = replace(
            card,
            projection=projected(finding.value, elapsed_share, total=total),
            needed=left if left is not None and reachable(left, wanted.value, claim.unit) else None,
        )
        if elapsed_share < BEGUN:
            return replace(
                card,
                state="not enough data",
                why=f"{elapsed_share:.1%} of the period has elapsed, below {BEGUN:.0%}",
                add=f"wait until {BEGUN:.0%} of the period has elapsed",
            )
        return self._with_state(card, indicator, stretch)

    def _with_state(self, card: GoalOutcome, indicator: Indicator, stretch: Stretch) -> GoalOutcome:
        """Return the card with the state that follows from its evaluations."""
        assert card.target is not None and card.value is not None and card.path is not None  # noqa: PT018 - no test
        months, ends = self._calendar.evaluations(stretch)
        evaluations: dict[int, Evaluation] = {}
        for at in sorted({*months, *ends}):
            past = stretch.until(at)
            if isinstance(found := indicator.find(past, self._facility(at)), IndicatorValue):
                evaluations[at] = _compared(card.target, indicator, past.elapsed_share, at, found.value)
        goods = [evaluations[at].good for at in ends if at in evaluations]
        now = _compared(card.target, indicator, stretch.elapsed_share, stretch.as_of, card.value)
        evaluations.setdefault(now.as_of, now)
        # The current day counts only while fewer than two completed days are evaluated.
        on = is_on_track(goods if len(goods) > 1 else [evaluation.good for evaluation in evaluations.values()])
        if card.uncertainty is None:
            unsure = uncertainty(indicator, stretch, self._facility(stretch.as_of), card.value)
            card = replace(card, uncertainty=unsure)
        why = _why(now, on=on)
        if not on and card.needed is None and stretch.elapsed_share < 1.0:
            why += "; the rest of the period cannot reach the target"
        if card.within_uncertainty:
            why += "; within its uncertainty of the target"
        return replace(card, state="on track" if on else "off track", why=why, evaluations=tuple(evaluations.values()))

    def _facility(self, as_of: int) -> Facility:
        config = self._config
        zone = zone_book(config.grid, self._table, config.goals.zone_renewable, as_of - 1)
        return Facility(
            config.goals,
            config.devices,
            config.grid.zone,
            config.grid.basis,
            config.site.timezone,
            zone.renewable,
            lambda year: self._calendar.year(year, as_of),
            zone.average,
            zone.clean,
            zone.residual,
            config.grid.streams,
        )


def _compared(target: Target, indicator: Indicator, elapsed_share: float, as_of: int, value: float) -> Evaluation:
    """Return the comparison of a value with the path after a share of the period."""
    wanted = path(target.value, elapsed_share, total=indicator.total)
    start = None if target.start is None else path(target.start, elapsed_share, total=indicator.total)
    return Evaluation(as_of, value, wanted, is_good(value, wanted, indicator.better, start))


def _why(now: Evaluation, *, on: bool) -> str:
    """Return the reason of the state, and the present result if it differs."""
    if now.good == on:
        return (
            "on the path, within its tolerance, or better" if on else "worse than the path by more than its tolerance"
        )
    if on:
        return "worse than the path now; off track after two consecutive evaluations with this result"
    return "on the path now; on track after two consecutive evaluations with this result"
