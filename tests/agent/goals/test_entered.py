"""Manual entries by elapsed days, and the calendar of years."""

from __future__ import annotations

import pytest
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig
from wattgram.goals.indicators.entered import amount, amount_if_any
from wattgram.goals.indicators.years import part_of_year
from wattgram.goals.terms.missing import MissingInput
from wattgram.goals.terms.yearly_path import fallen

from tests.support.goal_days import entry, period, plant, untargeted, wanted, year

WHOLE = entry("process_emission", 365, "2026-01-01", "2026-12-31")


@pytest.mark.parametrize(
    ("over", "tonnes"), [("2026-01-11", 10.0), ("2026-01-11T12:00", 10.5), ("2027-01-01", 365.0), ("2027-05-01", 365.0)]
)
def test_an_entry_counts_by_elapsed_days(over: str, tonnes: float) -> None:
    entered = amount("process_emission", year(2026, over=over), plant(goals=GoalsConfig(entries=(WHOLE,))))
    assert entered.value == pytest.approx(tonnes)
    assert sum(operand.value for operand in entered.inputs) == pytest.approx(tonnes)


def test_a_later_entry_replaces_an_earlier_entry() -> None:
    # 5 days of 1 t, 26 days of 52 / 26 = 2 t, 28 days of 1 t: 85 t until 1 March
    correction = entry("process_emission", 52, "2026-01-06", "2026-01-31", entered="2026-02-01")
    site = plant(goals=GoalsConfig(entries=(WHOLE, correction)))
    entered = amount("process_emission", year(2026, over="2026-03-01"), site)
    assert entered.value == pytest.approx(85.0)
    assert [operand.source.rpartition(", ")[2] for operand in entered.inputs] == ["33 of 365 days", "form 7"]


def test_a_day_without_an_entry_leaves_the_amount_unknown() -> None:
    january = entry("process_emission", 31, "2026-01-01", "2026-01-31")
    site = plant(goals=GoalsConfig(entries=(january,)))
    assert amount("process_emission", year(2026, over="2026-02-01"), site).value == pytest.approx(31.0)
    with pytest.raises(MissingInput, match='no entry "process_emission" for 2026-02-01'):
        amount("process_emission", year(2026, over="2026-02-02"), site)


def test_an_optional_amount_without_any_entry_is_0() -> None:
    assert amount_if_any("heat", year(2026), plant()).value == 0.0
    stale = GoalsConfig(entries=(entry("heat", 31, "2025-01-01", "2025-01-31", "GJ"),))
    with pytest.raises(MissingInput, match='no entry "heat" for 2026-01-01'):
        amount_if_any("heat", year(2026), plant(goals=stale))


def test_the_part_of_a_period_in_its_year() -> None:
    assert part_of_year(year(2028), plant()) == 1.0
    assert part_of_year(period("2028-02-01", "2028-03-01"), plant()) == pytest.approx(29 / 366)


def test_a_baseline_falls_by_the_path_of_the_site() -> None:
    falls = [
        wanted(fallen(base, "net CO2", 2026, "A02"))
        for base in (Baseline(1000.0, 2024, -0.039), Baseline(1000.0, 2024, -0.5))
    ]
    assert [target.value for target in falls] == [pytest.approx(923.521), 250.0]  # 1000 x 0.961^2, 1000 x 0.5^2
    assert falls[1].source == "net CO2 of 2024 x 0.25; site choice, -50 % a year"
    assert "add yearly" in untargeted(fallen(Baseline(1000.0, 2024), "net CO2", 2026, "A02"))
