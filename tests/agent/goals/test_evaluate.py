"""Every state by a site whose days are given by hand, and the calendar behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st
from wattgram.base.errors import HistoryError
from wattgram.base.period import parse_period
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig, Milestone
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.goals.evaluate import evaluate, judged
from wattgram.goals.targets import milestone
from wattgram.goals.terms.day import Day
from wattgram.goals.terms.finding import IndicatorValue
from wattgram.goals.terms.outcome import GoalOutcome

from tests.support.approximate import near
from tests.support.goal_days import ZONE, at, day, device, entry
from tests.support.stored_history import quarters, stored, utc, window

PLANT = (device("incomer", "grid"), device("roof", "pv"), device("hall", "load", "building"))


def site(goals: GoalsConfig | None = None, folder: Path = Path("nowhere")) -> Config:
    return Config(SiteConfig("works", ZONE), PLANT, SpoolConfig(folder), goals=goals or GoalsConfig())


def shares(first: str, *consumed: float, covered: float = 86400.0) -> list[Day]:
    """Days in a row in which the roof made 100 kWh, of which so many were used on the site."""
    begin = date.fromisoformat(first)
    return [
        day(
            (begin + timedelta(number)).isoformat(),
            covered=covered,
            pv_energy=100.0,
            load_energy=400.0,
            self_consumption__part=used,
            self_consumption__whole=100.0,
            self_sufficiency__part=used,
            self_sufficiency__whole=400.0,
        )
        for number, used in enumerate(consumed)
    ]


def card(goal: str, days: Sequence[Day], over: str, period: str = "", goals: GoalsConfig | None = None) -> GoalOutcome:
    found = judged(site(goals), parse_period(period) if period else None, at(over), days)
    return next(one for one in found if one.claim.id == goal)


NOVEMBER = "2026-11-01..2026-11-30"


def test_on_track_with_path_projection_and_what_is_needed() -> None:
    """30 % of the PV energy used over 15 of 30 days, 20 % wanted: the rest may have 10 %. No light is on the wall."""
    one = card("A12", shares("2026-11-01", *[30.0] * 15), "2026-11-16", NOVEMBER)
    assert (one.state, one.value, one.target and one.target.value, one.path) == ("on track", 30.0, 20.0, 20.0)
    assert (one.projection, one.needed, one.coverage) == (30.0, near(10.0), 1.0)
    assert (one.period, one.start, one.end, one.as_of) == (
        NOVEMBER,
        at("2026-11-01"),
        at("2026-12-01"),
        at("2026-11-16"),
    )
    assert [each.as_of for each in one.evaluations] == [at(f"2026-11-{number:02}") for number in range(3, 17)]


def test_off_track_takes_two_evaluations_in_a_row() -> None:
    """21 % on nine days, then nothing: 18.9 % after ten is more than 2 % below 20 %, and so it is one day later."""
    days = shares("2026-11-01", *[21.0] * 9, 0.0, 0.0)
    states = [card("A12", days[:end], f"2026-11-{end + 1:02}", NOVEMBER).state for end in (9, 10, 11)]
    assert states == ["on track", "on track", "off track"]
    first = card("A12", days[:10], "2026-11-11", NOVEMBER)
    assert first.why == "worse than the path now; off track after two consecutive evaluations with this result"


@pytest.mark.parametrize(
    ("days", "over", "why"),
    [
        (shares("2026-11-01", *[30.0] * 15, covered=0.89 * 86400.0), "2026-11-16", "coverage 89.0%, below 90%"),
        (shares("2026-11-01", 30.0, 30.0), "2026-11-03", "6.7% of the period has elapsed, below 10%"),
        ([], "2026-11-16", "no PV was measured in this period"),
    ],
)
def test_not_enough_data_says_why(days: list[Day], over: str, why: str) -> None:
    one = card("A12", days, over, NOVEMBER)
    assert one.state == "not enough data"
    if days:
        assert one.why == why
        assert one.value == 30.0  # it is shown all the same


def test_without_a_target_there_is_no_light_and_the_card_says_how_to_set_one() -> None:
    entered = (entry("process_emission", 0.0, "2026-01-01", "2026-12-31"),)
    begin = date(2026, 1, 1)
    days = [day((begin + timedelta(number)).isoformat(), scope1=0.0, scope2_location=1000.0) for number in range(90)]
    one = card("A02", days, "2026-04-01", goals=GoalsConfig(entries=entered))
    assert one.state == "not enough data"
    assert one.value == pytest.approx(90.0)
    assert one.why == "no target; set [goals.target] A02 = ... in tCO2/a"


def test_manual_entry_names_who_and_runs_out() -> None:
    entered = (entry("rnd_share", 3.1, "2026-01-01", "2026-12-31", "%", "2026-10-15"),)
    one = card("A23", [], "2026-11-16", goals=GoalsConfig(entries=entered))
    assert (one.state, one.value, one.target) == ("manual entry", 3.1, None)
    assert "Li Wei" in one.why
    assert card("A23", [], "2027-11-16", goals=GoalsConfig(entries=entered)).state == "not enough data"


def test_context_has_no_light_and_a_number_without_a_target_neither() -> None:
    assert card("A06", [], "2026-11-16").state == "context only"
    days = [replace(one, sums={**one.sums, "grid_export_energy": 0.0}) for one in shares("2026-11-01", *[1.0] * 15)]
    one = card("A21", days, "2026-11-16")
    assert (one.state, one.target) == ("context only", None)


def test_a_total_has_a_path_that_grows_and_a_share_of_the_target_where_the_period_is_shorter() -> None:
    """13,000 t in 365 days are 1068.5 t in 30; half of them on the path after 15 days. 40 t a day are 600 t by then."""
    entered = (entry("process_emission", 0.0, "2026-01-01", "2026-12-31"),)
    days = [day(f"2026-11-{number:02}", scope1=0.0, scope2_location=40_000.0) for number in range(1, 16)]
    one = card("A14", days, "2026-11-16", NOVEMBER, GoalsConfig(entries=entered))
    assert one.value == pytest.approx(600.0)
    assert one.target is not None
    assert one.target.value == pytest.approx(13_000.0 * 30 / 365)
    assert one.path == pytest.approx(13_000.0 * 15 / 365)
    assert one.projection == pytest.approx(1200.0)
    assert one.needed == pytest.approx(13_000.0 * 30 / 365 - 600.0)
    assert one.state == "off track"


def test_the_distance_is_the_largest_and_off_track_as_soon_as_one_goal_is() -> None:
    """A12: 15 % used of 20 % wanted is 25 % worse than its path."""
    one = card("A20", shares("2026-11-01", *[15.0] * 15), "2026-11-16", NOVEMBER)
    assert (one.state, one.value, one.why) == ("off track", near(25.0), "off track: A12")
    assert isinstance(one.finding, IndicatorValue)
    good = card("A20", shares("2026-11-01", *[25.0] * 15), "2026-11-16", NOVEMBER)
    assert (good.state, good.value) == ("on track", near(-25.0))
    assert card("A20", [], "2026-11-16").state == "not enough data"


def test_a_site_may_set_targets_and_milestones() -> None:
    days = shares("2026-11-01", *[30.0] * 15)
    own = card("A12", days, "2026-11-16", NOVEMBER, GoalsConfig(targets={"A12": 35.0}))
    assert own.target is not None
    assert (own.state, own.target.value, own.target.source) == ("off track", 35.0, "set by the site")
    steps = GoalsConfig(milestones={"A12": (Milestone(2030, 50.0),)}, baselines={"A12": Baseline(20.0, 2025)})
    assert [milestone(steps, "A12", year) for year in (2024, 2025, 2026, 2030, 2031)] == [20.0, 20.0, 26.0, 50.0, 50.0]
    on = card("A12", days, "2026-11-16", NOVEMBER, steps)
    assert on.target is not None
    assert (on.state, on.target.value) == ("on track", 26.0)


def test_what_was_before_the_site_began_to_count_does_not_count() -> None:
    days = [*shares("2026-11-01", *[0.0] * 10), *shares("2026-11-11", *[30.0] * 10)]
    goals = GoalsConfig(since=date(2026, 11, 11))
    one = card("A12", days, "2026-11-21", NOVEMBER, goals)
    assert (one.value, one.state, one.start, one.coverage) == (30.0, "on track", at("2026-11-11"), 1.0)


def test_all_claims_are_shown_in_their_order_whatever_is_stored(tmp_path: Path) -> None:
    """Also before anything is stored, and while another site's history is there it says so."""
    ids = [*(f"A{number:02}" for number in range(1, 26)), *(f"B{number:02}" for number in range(1, 19))]
    assert [one.claim.id for one in judged(site(), None, at("2026-11-16"), [])] == ids
    empty = stored(tmp_path / "empty")
    found = evaluate(site(folder=empty), None, at("2026-11-16"))
    assert [one.claim.id for one in found] == ids
    assert {one.state for one in found} == {"not enough data", "context only"}
    windows = quarters("2026-11-01T00:00:00+08:00", "2026-11-02T00:00:00+08:00", {"load_energy": 1.0})
    other = stored(tmp_path / "other", windows)
    elsewhere = replace(site(folder=other), site=SiteConfig("elsewhere", ZONE))
    with pytest.raises(HistoryError, match="nothing of site 'elsewhere' is stored; stored are 'works'"):
        evaluate(elsewhere, None, at("2026-11-16"))


def test_a_year_that_is_over_has_the_grid_of_its_own_time() -> None:
    """All imported: 34.2 % by Chongqing's weights of 2025, also as of the midnight with which 2026 begins (35.2 %)."""
    sums = {"load_energy": 100.0, "grid_import_energy": 100.0, "self_sufficiency__part": 0.0}
    one = card("A03", [day("2025-12-31", sums=sums)], "2026-01-01", "2025-12-31..2025-12-31")
    assert one.value == pytest.approx(34.2)


def test_days_come_from_their_own_windows_and_today_from_its_quarters(tmp_path: Path) -> None:
    """Yesterday 500 kWh by the day's window, of which the quarters know 480; today 12 h of 20 kWh."""
    yesterday = [
        *quarters("2026-11-14T00:00:00+08:00", "2026-11-15T00:00:00+08:00", {"load_energy": 5000.0, "emission": 1.0}),
        window("1d", utc("2026-11-14T00:00:00+08:00"), {"load_energy": 500e3, "emission": 1.0}),
    ]
    today = quarters(
        "2026-11-15T00:00:00+08:00", "2026-11-15T12:00:00+08:00", {"load_energy": 5000.0, "emission": 2792.5}
    )
    config = site(folder=stored(tmp_path / "spool", [*yesterday, *today]))
    found = evaluate(config, parse_period("2026-11-15..2026-11-15"), at("2026-11-15T12:07"))
    (one,) = [one for one in found if one.claim.id == "A04"]
    assert one.value == pytest.approx(558.5)
    assert (one.as_of, one.coverage) == (at("2026-11-15T12:00"), 1.0)
    both = evaluate(config, parse_period("2026-11-14..2026-11-15"), at("2026-11-15T12:07"))
    (one,) = [one for one in both if one.claim.id == "A04"]
    assert one.value == pytest.approx((1.0 + 48 * 2792.5) / (500.0 + 240.0))


NOISE = st.lists(st.floats(-0.4, 0.4), min_size=20, max_size=40)


@settings(max_examples=40, deadline=None)
@any_of(NOISE, st.booleans())
@pytest.mark.slow(2)
def test_noise_of_days_does_not_turn_a_goal_that_is_clearly_on_one_side(noise: list[float], good: bool) -> None:
    """Days at 40 % or 10 % of 20 % wanted, each off by up to two fifths: the light never turns."""
    middle = 40.0 if good else 10.0
    days = shares("2026-11-01", *(middle * (1.0 + one) for one in noise))
    period = f"2026-11-01..{(date(2026, 11, 1) + timedelta(len(noise) - 1)).isoformat()}"
    for end in range(max(5, len(noise) // 5), len(noise) + 1, 3):
        over = (date(2026, 11, 1) + timedelta(end)).isoformat()
        assert card("A12", days[:end], over, period).state == ("on track" if good else "off track")
