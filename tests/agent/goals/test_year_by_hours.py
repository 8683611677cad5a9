"""The tests of the simulated year, with meters that are read once an hour: all goals in half of the time."""

from __future__ import annotations

import pytest

from tests.agent.goals.test_year import (
    Year,
    lived,
    test_a_goals_value_is_the_hand_calculations,
    test_an_explained_goal_can_be_computed_again,
    test_every_measurable_goal_is_expected,
    test_goals_without_a_light_say_why,
    test_its_target_and_its_light_are_by_hand_too,
    test_the_command_says_the_same_of_the_whole_year,
    test_the_distance_is_that_of_the_goal_which_is_worst,
    test_years_before_give_the_goals_that_look_back,
)
from tests.support.factory_year import configured

pytestmark = pytest.mark.slow(1)  # a minute for all of them
__all__ = [
    "test_a_goals_value_is_the_hand_calculations",
    "test_an_explained_goal_can_be_computed_again",
    "test_every_measurable_goal_is_expected",
    "test_goals_without_a_light_say_why",
    "test_its_target_and_its_light_are_by_hand_too",
    "test_the_command_says_the_same_of_the_whole_year",
    "test_the_distance_is_that_of_the_goal_which_is_worst",
    "test_years_before_give_the_goals_that_look_back",
]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    return lived(configured(tmp_path_factory.mktemp("year"), interval="1h"), 3600)
