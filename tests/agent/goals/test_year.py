"""A simulated year of the factory; expected values are hand calculations from the simulator's own ledger."""

from __future__ import annotations

import asyncio
import faulthandler
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from wattgram.config.goals_table.claims import claims
from wattgram.config.load import Config
from wattgram.delivery.configuration import load
from wattgram.goals.evaluate import evaluate, judged
from wattgram.goals.stored_days import days
from wattgram.goals.terms.day import Day
from wattgram.goals.terms.finding import IndicatorValue, MissingValue
from wattgram.goals.terms.outcome import GoalOutcome
from wattgram.store.history import History

from tests.support.approximate import near
from tests.support.command_runs import called
from tests.support.factory_year import QUARTER, configured, live, local
from tests.support.goal_cards import IDS
from tests.support.goal_days import calculated, day, entry
from tests.support.goal_values_by_hand import BY_HAND, DECEMBER, OWN, TARGETS, distance, even, gross, mix, power_factor
from tests.support.year_ledger import Span, quarters

pytestmark = [pytest.mark.nightly(part="year"), pytest.mark.slow(180)]  # for all of them

FIRST, NEXT = date(2025, 1, 1), date(2026, 1, 1)
PERIOD_OPTION = ("--period", "2025-01-01..2025-12-31")
EXACT = 1e-4
"""Relative tolerance to the hand calculation: a tenth of the documented 0.1 %."""

CONTEXT = {"A01", "A06", "A08", "B01", "B17"}
EARLIER = {"A05", "B16"}
"""Claims without a measurement, and claims that need earlier years."""

WITHOUT_STATUS = ("A16", "A18")
"""Claims whose tonnes cover only December, so that they have no status over the year."""


@dataclass(frozen=True, slots=True)
class Year:
    """The simulated year: configuration file, ledger of the year, and the cards as of its end."""

    path: Path
    config: Config
    whole: Span
    cards: Mapping[str, GoalOutcome]

    def by_hand(self, claim: str) -> float:
        """Return the hand calculation over the claim's own period: the year, or December."""
        period = next(described.period for described in claims() if described.id == claim)
        return BY_HAND[claim](self.whole if period == "year" else self.whole.of(*DECEMBER))


def run_year(path: Path, step: int) -> Year:
    """Simulate the year with power that changes each `step` s."""
    faulthandler.cancel_dump_traceback_later()  # this is no hang: 35 040 quarters of an hour compute for three minutes
    truth = asyncio.run(live(path, FIRST, NEXT, step))
    config = load(path)
    whole = Span(truth, list(quarters(truth)), FIRST, NEXT - timedelta(days=1))
    return Year(path, config, whole, {outcome.claim.id: outcome for outcome in evaluate(config, None, local(NEXT))})


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    return run_year(configured(tmp_path_factory.mktemp("year")), QUARTER)


def test_every_measurable_goal_is_expected(year: Year) -> None:
    assert {name for name, outcome in year.cards.items() if outcome.measured} == {*BY_HAND, "A20"}
    assert {name for name, outcome in year.cards.items() if outcome.finding is None} == CONTEXT
    factor = power_factor(year.whole.of(*DECEMBER))
    missing = {
        name: outcome.finding.what for name, outcome in year.cards.items() if isinstance(outcome.finding, MissingValue)
    }
    assert missing == {
        "A05": "no day of 2025 is also stored a year before",
        "B16": "consecutive full years: found 1, required 3",
        "B11": f"no genset, CHP or boiler with measured output and metered fuel in 2025-12; power factor {factor:.3f}",
    }
    assert list(year.cards) == IDS


@pytest.mark.parametrize("claim", BY_HAND)
def test_the_value_of_a_goal_is_that_of_the_hand_calculation(year: Year, claim: str) -> None:
    outcome = year.cards[claim]
    assert outcome.value == pytest.approx(year.by_hand(claim), rel=EXACT)
    assert outcome.coverage == pytest.approx(1.0, abs=EXACT)


@pytest.mark.parametrize("claim", TARGETS)
def test_the_target_and_the_state_of_a_goal_are_those_of_the_hand_calculation(year: Year, claim: str) -> None:
    """The period is over, so the path is at the target; a value up to 2 % worse is on the path (METHOD 6.1)."""
    outcome, expected = year.cards[claim], TARGETS[claim]
    assert outcome.target is not None
    assert (outcome.target.value, outcome.path) == (near(expected.value), near(expected.value))
    assert outcome.better == expected.better
    assert outcome.state == ("on track" if expected.keeps(year.by_hand(claim)) else "off track")


def test_goals_without_a_target_have_the_state_manual_entry_or_context(year: Year) -> None:
    states = {name: outcome.state for name, outcome in year.cards.items() if name in BY_HAND and name not in TARGETS}
    entered = {"A23", "A24", "A25", "B12", "B15"}
    states.pop("A10")  # its target is that of an even charging, as below
    assert states == {name: "manual entry" if name in entered else "context only" for name in states}


def test_the_target_of_charging_is_its_even_spread(year: Year) -> None:
    outcome = year.cards["A10"]
    assert outcome.target is not None
    assert outcome.target.value == pytest.approx(even(year.whole), rel=EXACT)
    assert outcome.state == ("on track" if year.by_hand("A10") >= 0.98 * even(year.whole) else "off track")


def test_the_distance_is_that_of_the_worst_goal(year: Year) -> None:
    by_hand = {claim: year.by_hand(claim) for claim in OWN}
    outcome = year.cards["A20"]
    assert outcome.value == pytest.approx(distance(by_hand), rel=EXACT)
    assert outcome.state == "off track"


def test_the_command_gives_the_same_values_for_the_whole_year(year: Year) -> None:
    ended = called("goals", "-c", str(year.path), *PERIOD_OPTION, "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    cards = {card["goal"]: card for card in json.loads(ended.out)}
    assert list(cards) == IDS
    by_hand = {claim: formula(year.whole) for claim, formula in BY_HAND.items()}
    expected = by_hand | {"A20": distance({name: by_hand[name] for name in OWN})}
    values = {name: card["value"] for name, card in cards.items() if card["value"] is not None}
    assert values == pytest.approx(expected, rel=EXACT)
    # The tonnes of December are known for 31 of 365 days.
    for name in WITHOUT_STATUS:
        assert (cards[name]["state"], cards[name]["coverage"]) == ("not enough data", pytest.approx(31 / 365))


def test_an_explained_goal_can_be_recalculated(year: Year) -> None:
    call = ("goals", "-c", str(year.path), *PERIOD_OPTION, "--explain", "A12")
    text, answer = called(*call), called(*call, "--format", "json")
    assert [(ended.code, ended.err) for ended in (text, answer)] == [(0, "")] * 2
    card = json.loads(answer.out)
    assert calculated(card["arithmetic"]) == pytest.approx(card["value"], rel=1e-9)
    assert card["value"] == pytest.approx(BY_HAND["A12"](year.whole), rel=EXACT)
    assert card["arithmetic"] in text.out
    generated = year.whole.kwh("roof-east", "roof-west")
    assert {operand["name"]: operand["value"] for operand in card["inputs"]}["own renewables"] == pytest.approx(
        generated, rel=EXACT
    )


def earlier_days(calendar_year: int) -> list[Day]:
    """Return days of an earlier year: 2500 kWh at 480 g/kWh, 30 kg of fuel, and 2000 kWh imported at 558.1 g/kWh."""
    sums = {
        "load_energy": 2500.0,
        "emission": 1200.0,
        "scope1": 30.0,
        "scope2_location": 1116.2,
        "grid_intensity.part": 2000.0 * 558.1,
        "grid_intensity.whole": 2000.0,
    }
    begin = date(calendar_year, 1, 1)
    length = (date(calendar_year + 1, 1, 1) - begin).days
    return [day((begin + timedelta(number)).isoformat(), sums=sums) for number in range(length)]


def test_earlier_years_give_the_goals_that_compare_years(year: Year) -> None:
    """2023: 365 x 1146.2 kg + 60 t; 2024: 366 x 1146.2 kg + 50 t. 2025 is compared with the same days of 2024."""
    over = local(NEXT)
    stored = days(History(year.config.spool.path, year.config.site.name), year.config, over)
    cards = {
        outcome.claim.id: outcome
        for outcome in judged(
            with_earlier_entries(year.config), None, over, [*earlier_days(2023), *earlier_days(2024), *stored]
        )
    }
    assert cards["A05"].value == pytest.approx(100.0 * (mix(year.whole) - 480.0) / 480.0, rel=EXACT)
    assert cards["B16"].value == pytest.approx(gross(year.whole) - 20.0, rel=EXACT)
    extras = {extra.name: extra.value for extra in finding_of(cards["B16"]).extras}
    assert extras["peak year"] == 2025
    target = cards["B16"].target
    assert target is not None
    assert target.value == pytest.approx(365 * 1.1462 + 60.0)
    assert {outcome.claim.id for outcome in cards.values() if outcome.measured} == {*BY_HAND, *EARLIER, "A20"}


def with_earlier_entries(config: Config) -> Config:
    """Return the configuration with manual entries for the earlier years."""
    entered = [
        entry(what, value, f"{entry_year}-01-01", f"{entry_year}-12-31", unit)
        for entry_year, process in ((2023, 60.0), (2024, 50.0))
        for what, value, unit in (
            ("process_emission", process, "tCO2e"),
            ("captured_stored", 0.0, "tCO2"),
            ("heat", 0.0, "GJ"),
        )
    ]
    return replace(config, goals=replace(config.goals, entries=(*config.goals.entries, *entered)))


def finding_of(card: GoalOutcome) -> IndicatorValue:
    assert isinstance(card.finding, IndicatorValue), card
    return card.finding
