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
from .state import BEGUN, ENOUGH, is_good, is_on_track, needed, path, projected
from .stored_days import days
from .targets import target
from .terms.day import Day, Stretch
from .terms.finding import IndicatorValue, MissingValue
from .terms.indicator import Facility, Indicator
from .terms.outcome import Evaluation, GoalOutcome


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
    return judged(config, asked, as_of, days(history, config, as_of))


def judged(config: Config, asked: PeriodOption | None, as_of: int, stored: Sequence[Day]) -> list[GoalOutcome]:
    """Evaluate every claim as of an instant, UTC ns, from the days of a site."""
    site = _Site(config, stored)
    found = [site.card(claim, asked, as_of) for claim in claims()]
    return [distance(card, found) if card.claim.id == DISTANCE else card for card in found]


class _Site:
    """Data of a site that all claims use."""

    def __init__(self, config: Config, stored: Sequence[Day]) -> None:
        self._config = config
        self._calendar = Calendar(stored, config.site.timezone, config.goals.since)
        self._table = factor_table(config.grid, config.site.timezone)

    def card(self, claim: Claim, asked: PeriodOption | None, as_of: int) -> GoalOutcome:
        """Return the outcome of one claim."""
        span = self._calendar.span(claim, asked, as_of)
        stretch = self._calendar.stretch(span, as_of)
        card = GoalOutcome(
            claim, None, "context only", span.name, stretch.start, stretch.end, stretch.as_of, stretch.coverage
        )
        if claim.shown == "context" or claim.id == DISTANCE:
            return card
        indicator, facility = INDICATORS[claim.id], self._facility(stretch.as_of)
        finding = indicator.find(stretch, facility)
        if isinstance(finding, MissingValue):
            return replace(card, finding=finding, state="not enough data", why=finding.what)
        corrections = named(self._config.corrections, stretch.start, stretch.as_of)
        card = replace(card, finding=finding, value=finding.value, better=indicator.better, corrections=corrections)
        if claim.shown == "manual":
            return replace(card, state="manual entry", coverage=1.0, why=finding.entry)
        card = replace(card, coverage=min(stretch.coverage, finding.coverage))
        return self._against_target(card, finding, indicator, stretch, facility)

    def _against_target(
        self, card: GoalOutcome, finding: IndicatorValue, indicator: Indicator, stretch: Stretch, facility: Facility
    ) -> GoalOutcome:
        claim, total, elapsed_share = card.claim, indicator.total, stretch.elapsed_share
        wanted = target(claim, indicator, stretch, facility, self._calendar)
        if wanted is None:
            if finding.entry:
                return replace(card, state="manual entry", why=finding.entry)
            if claim.shown == "number":
                return replace(card, state="context only", why="the number has no target")
            why = f"no target; set [goals.target] {claim.id} = ... in {claim.unit}"
            return replace(card, state="not enough data", why=why)
        card = replace(
            card,
            target=wanted,
            path=path(wanted.value, elapsed_share, total=total),
            projection=projected(finding.value, elapsed_share, total=total),
            needed=needed(finding.value, wanted.value, elapsed_share, total=total),
        )
        if card.coverage < ENOUGH:
            return replace(card, state="not enough data", why=f"coverage {card.coverage:.1%}, below {ENOUGH:.0%}")
        if elapsed_share < BEGUN:
            return replace(
                card, state="not enough data", why=f"{elapsed_share:.1%} of the period has elapsed, below {BEGUN:.0%}"
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
                wanted = path(card.target.value, past.elapsed_share, total=indicator.total)
                evaluations[at] = Evaluation(at, found.value, wanted, is_good(found.value, wanted, indicator.better))
        goods = [evaluations[at].good for at in ends if at in evaluations]
        now = Evaluation(stretch.as_of, card.value, card.path, is_good(card.value, card.path, indicator.better))
        evaluations.setdefault(now.as_of, now)
        # The current day counts only while fewer than two completed days are evaluated.
        on = is_on_track(goods if len(goods) > 1 else [evaluation.good for evaluation in evaluations.values()])
        unsure = uncertainty(indicator, stretch, self._facility(stretch.as_of), card.value)
        card = replace(card, uncertainty=unsure)
        why = _why(card, now, on=on)
        if card.within_uncertainty:
            why += "; within its uncertainty of the target"
        return replace(card, state="on track" if on else "off track", why=why, evaluations=tuple(evaluations.values()))

    def _facility(self, as_of: int) -> Facility:
        config = self._config
        renewable = config.goals.zone_renewable
        return Facility(
            config.goals,
            config.devices,
            config.grid.zone,
            config.grid.basis,
            config.site.timezone,
            self._table.renewable(config.grid.zone, as_of - 1) if renewable is None else renewable,
            lambda year: self._calendar.year(year, as_of),
        )


def _why(card: GoalOutcome, now: Evaluation, *, on: bool) -> str:
    """Return the reason of the state, and the present result if it differs."""
    if now.good == on:
        return "on the path, within 2 %, or better" if on else "more than 2 % worse than the path"
    if on:
        return "worse than the path now; off track after two consecutive evaluations with this result"
    return "on the path now; on track after two consecutive evaluations with this result"
