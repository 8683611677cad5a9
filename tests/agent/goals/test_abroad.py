"""Outside of mainland China no card has a rule, a limit, a price or a factor of China."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from wattgram.config.goals_table.claims import ABROAD, ARTICLES, claims
from wattgram.goals.indicators import INDICATORS

from tests.agent.goals.test_carbon import FIFTH, emission_day, goals_with_process
from tests.agent.goals.test_steel import BURNER, ENERGY, arc_furnace, furnace_day
from tests.support.goal_days import entry, found, lacking, plant, year
from tests.support.goal_factory import FIRST, day, month, site
from tests.support.goal_factory import found as measured

CHINESE = re.compile(
    r"13,?000|26,?000|34\.2|35\.2|62\.36|40\.36|70\.76|CNY|GB[ /]|NDRC|MIIT|Chongqing|plan\b|2060|278|40/40|district|"
    r"Shuidian|CO2 per GDP"
)
"""Rules, standards, prices and places of China, as METHOD 1 and the goals name them."""


@pytest.mark.parametrize("zone", ["DE", "GB", "SG", "US-EGRID-CAMX", "MY-GRID-PEN", "HK", "CNX"])
def test_no_default_target_abroad_names_a_rule_of_china(zone: str) -> None:
    shown = [claim.in_zone(zone) for claim in claims()]
    assert [claim.id for claim in shown if CHINESE.search(f"{claim.target}; {claim.source}")] == []
    assert {claim.shown for claim in shown} == {claim.shown for claim in claims()}


@pytest.mark.parametrize("zone", ["CN", "CN-SC", "CN-CQ"])
def test_in_china_the_default_targets_stay(zone: str) -> None:
    assert [claim.in_zone(zone) for claim in claims()] == list(claims())
    assert ABROAD.keys() <= {claim.id for claim in claims() if claim.indicator}
    assert set(ARTICLES) == {"A", "B"}


def test_a_product_has_no_class_abroad() -> None:
    furnace = month([day(FIRST, furnace_day(39_000.0))])
    assert "class 1 of GB 21256" in measured(ENERGY.find(furnace, site(arc_furnace(), [BURNER]))).note
    abroad = measured(ENERGY.find(furnace, replace(site(arc_furnace(), [BURNER]), grid_zone="DE")))
    assert (abroad.note, [extra.name for extra in abroad.extras]) == ("", [])
    assert {goal for goal, indicator in INDICATORS.items() if indicator.elsewhere} == {
        "A14", "A22", "A25", "B08", "B14", "B15",
    }  # fmt: skip


def test_bought_heat_needs_a_factor_of_the_site_abroad() -> None:
    """0.11 tCO2/GJ is China's (GB/T 32150): 500 GJ a year, half of them until the first of July."""
    heat = entry("heat", 500, "2026-01-01", "2026-12-31", "GJ")
    stretch = year(2026, emission_day(), over=FIFTH)
    net = INDICATORS["A02"]
    goals = goals_with_process(0, heat)
    assert lacking(net.find(stretch, plant(goals=goals, zone="DE"))) == (
        "no factor of heat is known of zone DE; set [goals] heat_factor, the tCO2/GJ of the heat by its supplier"
    )
    own = found(net.find(stretch, plant(goals=replace(goals, heat_factor=0.06), zone="DE")))
    none = found(net.find(stretch, plant(goals=goals_with_process(0), zone="DE")))
    china = found(net.find(stretch, plant(goals=goals)))
    assert (own.value - none.value) / (china.value - none.value) == pytest.approx(0.06 / 0.11)
    assert "GB/T" not in str(own.inputs)
    nothing = goals_with_process(0, entry("heat", 0, "2026-01-01", "2026-12-31", "GJ"))
    assert found(net.find(stretch, plant(goals=nothing, zone="DE"))).value == none.value


def test_a_total_of_unlike_parts_says_so() -> None:
    stretch = year(2026, emission_day(), over=FIFTH)
    unlike = found(INDICATORS["A02"].find(stretch, plant(goals=goals_with_process(20), zone="DE", basis="lifecycle")))
    assert "the import counts with its life cycle" in unlike.note
    alike = found(INDICATORS["A02"].find(stretch, plant(goals=goals_with_process(20), zone="DE")))
    assert "life cycle" not in alike.note
