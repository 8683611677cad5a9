"""Every state from days given by hand, and the calendar of periods."""

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
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.goals.evaluate import evaluate, judged
from wattgram.goals.stored_days import days
from wattgram.goals.targets import milestone
from wattgram.goals.terms.day import Day
from wattgram.goals.terms.finding import IndicatorValue
from wattgram.goals.terms.outcome import GoalOutcome
from wattgram.store.history import History

from tests.support.approximate import near
from tests.support.goal_days import ZONE, at, day, device, entry, extras
from tests.support.stored_history import quarters, stored, utc, window

PLANT = (device("incomer", "grid"), device("roof", "pv"), device("hall", "load", "building"))


def site(goals: GoalsConfig | None = None, folder: Path = Path("nowhere")) -> Config:
    grid = GridConfig("CN-CQ")
    return Config(SiteConfig("works", ZONE), PLANT, SpoolConfig(folder), grid, goals=goals or GoalsConfig())


def shares(first: str, *consumed: float, covered: float = 86400.0) -> list[Day]:
    """Return consecutive days with 100 kWh of PV each, of which `consumed` kWh were used on the site."""
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
    outcomes = judged(site(goals), parse_period(period) if period else None, at(over), days)
    return next(outcome for outcome in outcomes if outcome.claim.id == goal)


NOVEMBER = "2026-11-01..2026-11-30"


def test_an_outcome_on_track_has_path_projection_and_needed_value() -> None:
    """30 % of the PV energy used over 15 of 30 days, target 20 %: the remaining days need 10 %."""
    outcome = card("A12", shares("2026-11-01", *[30.0] * 15), "2026-11-16", NOVEMBER)
    assert (outcome.state, outcome.value, outcome.target and outcome.target.value, outcome.path) == (
        "on track",
        30.0,
        20.0,
        20.0,
    )
    assert (outcome.projection, outcome.needed, outcome.coverage) == (30.0, near(10.0), 1.0)
    assert (outcome.period, outcome.start, outcome.end, outcome.as_of) == (
        NOVEMBER,
        at("2026-11-01"),
        at("2026-12-01"),
        at("2026-11-16"),
    )
    assert [each.as_of for each in outcome.evaluations] == [at(f"2026-11-{number:02}") for number in range(3, 17)]


def test_the_state_off_track_takes_two_evaluations_in_a_row() -> None:
    """21 % on nine days, then 0: 18.9 % after ten days is more than 2 % below 20 %, and again a day later."""
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
def test_the_state_not_enough_data_has_a_reason(days: list[Day], over: str, why: str) -> None:
    outcome = card("A12", days, over, NOVEMBER)
    assert outcome.state == "not enough data"
    if days:
        assert outcome.why == why
        assert outcome.value == 30.0  # the value is shown nevertheless


def test_without_a_target_there_is_no_status_and_the_reason_names_the_setting() -> None:
    entered = (entry("process_emission", 0.0, "2026-01-01", "2026-12-31"),)
    begin = date(2026, 1, 1)
    days = [day((begin + timedelta(number)).isoformat(), scope1=0.0, scope2_location=1000.0) for number in range(90)]
    outcome = card("A02", days, "2026-04-01", goals=GoalsConfig(entries=entered))
    assert outcome.state == "context only"
    assert outcome.value == pytest.approx(90.0)
    assert outcome.why == "a number without a light: the site has set no target and no path"
    assert "[goals.target] A02" in outcome.add


def test_a_manual_entry_names_its_author_and_expires() -> None:
    entered = (entry("rnd_share", 3.1, "2026-01-01", "2026-12-31", "%", "2026-10-15"),)
    outcome = card("A23", [], "2026-11-16", goals=GoalsConfig(entries=entered))
    assert (outcome.state, outcome.value, outcome.target) == ("manual entry", 3.1, None)
    assert "Li Wei" in outcome.why
    assert card("A23", [], "2027-11-16", goals=GoalsConfig(entries=entered)).state == "not enough data"


def test_context_claims_and_numbers_without_a_target_have_no_status() -> None:
    assert card("A06", [], "2026-11-16").state == "context only"
    days = [replace(each, sums={**each.sums, "grid_export_energy": 0.0}) for each in shares("2026-11-01", *[1.0] * 15)]
    outcome = card("A21", days, "2026-11-16")
    assert (outcome.state, outcome.target) == ("context only", None)


def test_a_total_has_a_growing_path_and_a_shorter_period_has_its_share_of_the_target() -> None:
    """13,000 t in 365 days are 1068.5 t in 30 days; the path after 15 days is half. 40 t a day are 600 t by then."""
    entered = (entry("process_emission", 0.0, "2026-01-01", "2026-12-31"),)
    days = [day(f"2026-11-{number:02}", scope1=0.0, scope2_location=40_000.0) for number in range(1, 16)]
    goals = GoalsConfig(entries=entered, targets={"A14": 13_000.0})
    outcome = card("A14", days, "2026-11-16", NOVEMBER, goals)
    assert outcome.value == pytest.approx(600.0)
    assert outcome.target is not None
    assert outcome.target.value == pytest.approx(13_000.0 * 30 / 365)
    assert outcome.path == pytest.approx(13_000.0 * 15 / 365)
    assert outcome.projection == pytest.approx(1200.0)
    assert outcome.needed == pytest.approx(13_000.0 * 30 / 365 - 600.0)
    assert outcome.state == "off track"


def test_the_distance_is_the_largest_of_all_goals_with_a_target_of_the_site() -> None:
    """A12: 15 % used with a target of 20 % is 25 % worse than its path."""
    own = GoalsConfig(targets={"A12": 20.0})
    outcome = card("A20", shares("2026-11-01", *[15.0] * 15), "2026-11-16", NOVEMBER, own)
    assert (outcome.state, outcome.value, outcome.why) == ("off track", near(25.0), "off track: A12")
    assert isinstance(outcome.finding, IndicatorValue)
    good = card("A20", shares("2026-11-01", *[25.0] * 15), "2026-11-16", NOVEMBER, own)
    assert (good.state, good.value) == ("on track", near(-25.0))
    by_rule = card("A20", shares("2026-11-01", *[15.0] * 15), "2026-11-16", NOVEMBER)
    assert by_rule.state == "not enough data"
    assert "[goals.target]" in by_rule.add


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


def test_days_before_the_setting_since_do_not_count() -> None:
    days = [*shares("2026-11-01", *[0.0] * 10), *shares("2026-11-11", *[30.0] * 10)]
    goals = GoalsConfig(since=date(2026, 11, 11))
    outcome = card("A12", days, "2026-11-21", NOVEMBER, goals)
    assert (outcome.value, outcome.state, outcome.start, outcome.coverage) == (30.0, "on track", at("2026-11-11"), 1.0)


def test_all_claims_are_shown_in_order_whatever_is_stored(tmp_path: Path) -> None:
    """All claims are shown without a stored window; a history of another site is reported."""
    ids = [*(f"A{number:02}" for number in range(1, 26)), *(f"B{number:02}" for number in range(1, 19))]
    assert [outcome.claim.id for outcome in judged(site(), None, at("2026-11-16"), [])] == ids
    empty = stored(tmp_path / "empty")
    outcomes = evaluate(site(folder=empty), None, at("2026-11-16"))
    assert [outcome.claim.id for outcome in outcomes] == ids
    assert {outcome.state for outcome in outcomes} == {"not enough data", "context only"}
    windows = quarters("2026-11-01T00:00:00+08:00", "2026-11-02T00:00:00+08:00", {"load_energy": 1.0})
    other = stored(tmp_path / "other", windows)
    elsewhere = replace(site(folder=other), site=SiteConfig("elsewhere", ZONE))
    with pytest.raises(HistoryError, match="nothing of site 'elsewhere' is stored; stored are 'works'"):
        evaluate(elsewhere, None, at("2026-11-16"))


GRID_ONLY = (device("incomer", "grid"), device("hall", "load", "building"), device("charger", "ev"))


def test_a_factory_on_its_grid_alone_has_no_green_light() -> None:
    """An average factory: no own production, storage or certificates. Its grid is no merit."""
    sums = {
        "load_energy": 400.0,
        "grid_import_energy": 400.0,
        "emission": 223.24,
        "scope1": 0.0,
        "scope2_location": 223.24,
        "self_sufficiency.part": 0.0,
        "transport_energy": 40.0,
        "transport_emission": 22.324,
        "grid_intensity.part": 223_240.0,
        "grid_intensity.whole": 400.0,
        "clean_share.part": 130.0,
        "carbon_free_share.part": 130.0,
        "carbon_free_share.whole": 400.0,
    }
    stored_days = [day((date(2025, 1, 1) + timedelta(number)).isoformat(), sums=sums) for number in range(365 + 320)]
    goals = GoalsConfig(ev_consumption=0.18, entries=(entry("process_emission", 0, "2025-01-01", "2026-12-31"),))
    config = replace(site(goals), devices=GRID_ONLY)
    outcomes = {outcome.claim.id: outcome for outcome in judged(config, None, at("2026-11-17"), stored_days)}
    assert [name for name, outcome in outcomes.items() if outcome.state == "on track"] == []
    assert {name: outcomes[name].state for name in ("A03", "A04", "B05")} == dict.fromkeys(
        ("A03", "A04", "B05"), "context only"
    )
    assert all(outcomes[name].measured for name in ("A03", "A04", "B05"))


def test_a_site_begun_in_may_counts_from_its_first_stored_day() -> None:
    """As of 1 November, from 1 May on: the year has begun on its first stored day, so its coverage is full."""
    outcome = card("A12", shares("2026-05-01", *[30.0] * 184), "2026-11-01")
    assert (outcome.start, outcome.coverage, outcome.state) == (at("2026-05-01"), 1.0, "on track")


def test_a_low_coverage_gives_no_needed_amount_and_no_projection() -> None:
    outcome = card("A12", shares("2026-11-01", *[30.0] * 15, covered=0.8 * 86400.0), "2026-11-16", NOVEMBER)
    assert (outcome.value, outcome.needed, outcome.projection) == (30.0, None, None)
    assert outcome.add


def test_a_value_within_its_uncertainty_of_the_path_says_so() -> None:
    entered = (entry("process_emission", 0.0, "2026-01-01", "2026-12-31"),)
    sums = {
        "scope1": 0.0,
        "scope2_location": 1000.0,
        "scope2_location_uncertainty": 50.0,
    }
    days = [day(f"2026-11-{number:02}", sums=sums) for number in range(1, 16)]
    goals = GoalsConfig(entries=entered, targets={"A14": 30.0 * 365 / 30 * 1.03})
    outcome = card("A14", days, "2026-11-16", NOVEMBER, goals)
    assert (outcome.value, outcome.uncertainty) == (near(15.0), near(0.75))
    assert outcome.why.endswith("within its uncertainty of the target")


@pytest.mark.parametrize("zone", ["CN-SC", "DE"])
def test_another_zone_has_no_rule_of_chongqing(zone: str) -> None:
    config = replace(site(GoalsConfig(targets={})), grid=GridConfig(zone=zone))
    outcomes = judged(config, None, at("2026-11-16"), shares("2026-11-01", *[30.0] * 15))
    for outcome in outcomes:
        texts = (outcome.why, outcome.add, outcome.target.source if outcome.target else "")
        assert not any("Chongqing" in text or "CN-CQ" in text for text in texts), outcome.claim.id
    states = {outcome.claim.id: outcome for outcome in outcomes}
    if zone == "DE":
        for name in ("A22", "B08", "B14", "B15"):
            assert states[name].state == "context only"
            assert states[name].why == "the claim is about China's carbon markets; zone DE has none of them"


def test_stored_results_of_another_basis_do_not_count(tmp_path: Path) -> None:
    """Ten days with the basis lifecycle; the site is now configured as direct. Energies count, carbon does not."""
    begin, end = "2026-11-01T00:00:00+08:00", "2026-11-11T00:00:00+08:00"
    windows = quarters(begin, end, {"load_energy": 5000.0, "emission": 1.0, "basis": "lifecycle"})
    outcomes = evaluate(site(folder=stored(tmp_path / "spool", windows)), parse_period(NOVEMBER), at("2026-11-11"))
    (outcome,) = [outcome for outcome in outcomes if outcome.claim.id == "A04"]
    assert outcome.state == "not enough data"
    assert "all stored results have another basis or method: 240 h with basis lifecycle" in outcome.why
    assert "set [grid] basis and method to those of the stored results, or run `wattgram replay`" in outcome.add


def test_past_days_are_read_from_day_windows_and_today_from_quarters(tmp_path: Path) -> None:
    """Yesterday 500 kWh by the day's window, 480 kWh by its quarters; today 12 h of 20 kWh."""
    yesterday = [
        *quarters("2026-11-14T00:00:00+08:00", "2026-11-15T00:00:00+08:00", {"load_energy": 5000.0, "emission": 1.0}),
        window("1d", utc("2026-11-14T00:00:00+08:00"), {"load_energy": 500e3, "emission": 1.0}),
    ]
    today = quarters(
        "2026-11-15T00:00:00+08:00", "2026-11-15T12:00:00+08:00", {"load_energy": 5000.0, "emission": 2792.5}
    )
    config = site(folder=stored(tmp_path / "spool", [*yesterday, *today]))
    outcomes = evaluate(config, parse_period("2026-11-15..2026-11-15"), at("2026-11-15T12:07"))
    (outcome,) = [outcome for outcome in outcomes if outcome.claim.id == "A04"]
    assert outcome.finding is not None
    assert extras(outcome.finding)["emission intensity"] == pytest.approx(558.5)
    assert (outcome.as_of, outcome.coverage) == (at("2026-11-15T12:00"), 1.0)
    both = evaluate(config, parse_period("2026-11-14..2026-11-15"), at("2026-11-15T12:07"))
    (outcome,) = [outcome for outcome in both if outcome.claim.id == "A04"]
    assert outcome.finding is not None
    assert extras(outcome.finding)["emission intensity"] == pytest.approx((1.0 + 48 * 2792.5) / (500.0 + 240.0))


NOISE = st.lists(st.floats(-0.4, 0.4), min_size=20, max_size=40)


@settings(max_examples=40, deadline=None)
@any_of(NOISE, st.booleans())
@pytest.mark.slow(2)
def test_daily_noise_does_not_change_the_state_of_a_goal_far_from_its_target(noise: list[float], good: bool) -> None:
    """Days at 40 % or 10 % with a target of 20 %, each with noise of up to two fifths: the state never changes."""
    middle = 40.0 if good else 10.0
    days = shares("2026-11-01", *(middle * (1.0 + deviation) for deviation in noise))
    period = f"2026-11-01..{(date(2026, 11, 1) + timedelta(len(noise) - 1)).isoformat()}"
    for end in range(max(5, len(noise) // 5), len(noise) + 1, 3):
        as_of = (date(2026, 11, 1) + timedelta(end)).isoformat()
        assert card("A12", days[:end], as_of, period).state == ("on track" if good else "off track")


def test_the_mean_load_is_over_the_time_with_a_load(tmp_path: Path) -> None:
    """A day of 2400 kWh in 12 h; its balance covers 18 h, as some channels are known without a load."""
    fields = {"load_energy": 2.4e6, "load_power": 200e3, "coverage": 0.75}
    windows = [window("1d", utc("2026-11-14T00:00:00+08:00"), fields)]
    config = site(folder=stored(tmp_path / "spool", windows))
    (stored_day,) = days(History(config.spool.path, "works"), config, at("2026-11-15"))
    assert (stored_day.sums["mean_load.part"], stored_day.sums["mean_load.whole"]) == (2.4e6, near(12.0))
