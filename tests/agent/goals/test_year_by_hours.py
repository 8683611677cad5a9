"""The tests of the simulated year, with meters that are read once an hour: all goals in half of the time."""

from __future__ import annotations

import pytest

from tests.agent.goals.test_year import (
    Year,
    run_year,
    test_an_explained_goal_can_be_recalculated,
    test_earlier_years_give_the_goals_that_compare_years,
    test_every_measurable_goal_is_expected,
    test_goals_without_a_target_have_the_state_manual_entry_or_context,
    test_the_command_gives_the_same_values_for_the_whole_year,
    test_the_distance_is_that_of_the_worst_goal,
    test_the_target_and_the_state_of_a_goal_are_those_of_the_hand_calculation,
    test_the_value_of_a_goal_is_that_of_the_hand_calculation,
)
from tests.support.factory_year import configured

pytestmark = pytest.mark.slow(1)  # a minute for all of them
__all__ = [
    "test_an_explained_goal_can_be_recalculated",
    "test_earlier_years_give_the_goals_that_compare_years",
    "test_every_measurable_goal_is_expected",
    "test_goals_without_a_target_have_the_state_manual_entry_or_context",
    "test_the_command_gives_the_same_values_for_the_whole_year",
    "test_the_distance_is_that_of_the_worst_goal",
    "test_the_target_and_the_state_of_a_goal_are_those_of_the_hand_calculation",
    "test_the_value_of_a_goal_is_that_of_the_hand_calculation",
]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    return run_year(configured(tmp_path_factory.mktemp("year"), interval="1h"), 3600)
