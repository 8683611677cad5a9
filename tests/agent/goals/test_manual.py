"""Manual entries: METHOD 6.2 A23 and A24, with their author; they expire after their period."""

from __future__ import annotations

from datetime import date

import pytest
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.goals.indicators.manual import INDICATORS

from tests.support.goal_factory import entry, found, missing, site, year

JANUARY, DECEMBER = date(2026, 1, 1), date(2026, 12, 31)


@pytest.mark.parametrize(("claim", "what", "unit"), [("A23", "rnd_share", "%"), ("A24", "trained_staff", "persons")])
def test_an_entry_is_shown_with_its_author(claim: str, what: str, unit: str) -> None:
    goals = GoalsConfig(entries=(entry(what, 3.5, JANUARY, DECEMBER, date(2026, 2, 3), unit),))
    so_far = year(2026, [], over=date(2026, 6, 1))
    finding = found(INDICATORS[claim].find(so_far, site(goals)))
    assert (finding.value, finding.entry) == (3.5, "manual entry of Li Na, 2026-02-03, weighbridge log")
    assert finding.inputs[0].unit == unit
    assert finding.inputs[0].source.endswith("for 2026-01-01 to 2026-12-31")
    assert INDICATORS[claim].target(so_far, site(goals)) is None


def test_the_latest_entry_counts() -> None:
    goals = GoalsConfig(
        entries=(
            entry("trained_staff", 12, JANUARY, DECEMBER, date(2026, 9, 1)),
            entry("trained_staff", 9, JANUARY, DECEMBER, date(2026, 2, 1)),
        )
    )
    assert found(INDICATORS["A24"].find(year(2026, []), site(goals))).value == 12.0


def test_an_entry_expires_after_its_period() -> None:
    half = entry("rnd_share", 3.5, JANUARY, date(2026, 6, 30))
    goals = GoalsConfig(entries=(half,))
    assert found(INDICATORS["A23"].find(year(2026, [], over=date(2026, 7, 1)), site(goals))).value == 3.5
    expired = missing(INDICATORS["A23"].find(year(2026, [], over=date(2026, 7, 2)), site(goals)))
    assert expired.what == "no entry rnd_share for 2026-07-01; the last entry expired on 2026-06-30"


def test_without_an_entry_there_is_no_number() -> None:
    missing_entry = missing(INDICATORS["A24"].find(year(2026, []), site()))
    assert missing_entry.what == "no entry trained_staff for 2026-12-31"
    assert missing_entry.add == (
        'add [[goals.entry]] with what = "trained_staff", value in persons, period, name, entered and document'
    )
