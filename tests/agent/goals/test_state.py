"""On track or off track: the band of 2 %, two evaluations in a row, and noise (METHOD 6.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.goals.state import is_good, is_on_track, needed, path, projected, reachable
from wattgram.goals.terms.indicator import Better

BETTER = st.sampled_from(["lower", "higher"])


@pytest.mark.parametrize(
    ("value", "target", "better", "good"),
    [
        (558.1, 558.1, "lower", True),
        (569.2, 558.1, "lower", True),  # 558.1 x 1.02 = 569.262
        (569.3, 558.1, "lower", False),
        (19.6, 20.0, "higher", True),
        (19.59, 20.0, "higher", False),
        (-29.0, -30.0, "lower", False),  # converters return energy: 2 % of -30 is 0.6
        (-29.5, -30.0, "lower", True),
        (0.0, 0.0, "higher", True),
        (-1.0, 0.0, "higher", False),
    ],
)
def test_a_value_within_2_percent_is_on_the_path(value: float, target: float, better: Better, good: bool) -> None:
    assert is_good(value, target, better) is good


@pytest.mark.parametrize(
    ("goods", "on_track"),
    [
        ([True], True),
        ([False], False),
        ([True, False], True),
        ([False, False], False),
        ([True, False, False], False),
        ([False, False, True], False),
        ([False, False, True, True], True),
        ([False, False, True, False, True], False),
        ([], True),
    ],
)
def test_two_evaluations_in_a_row_change_the_state_and_a_single_evaluation_does_not(
    goods: list[bool], on_track: bool
) -> None:
    assert is_on_track(goods) is on_track


@given(st.floats(1e-3, 1e6), st.lists(st.floats(-0.0199, 0.0199), min_size=1, max_size=40), BETTER)
def test_noise_within_the_band_never_changes_the_state(target: float, noise: list[float], better: Better) -> None:
    goods = [is_good(target * (1.0 + deviation), target, better) for deviation in noise]
    assert all(is_on_track(goods[:end]) for end in range(1, len(goods) + 1))


@given(
    st.booleans(),
    st.lists(st.integers(2, 9), min_size=1, max_size=6),
    st.floats(1.0, 1e3),
    BETTER,
)
def test_single_outliers_never_change_the_state(good: bool, runs: list[int], target: float, better: Better) -> None:
    """Each outlier is a single evaluation between two or more of the other kind, at any distance."""
    sign = 1.0 if (better == "higher") == good else -1.0
    values: list[float] = []
    for run in runs:
        values += [target * (1.0 + 0.5 * sign)] * run + [target * (1.0 - 0.9 * sign)]
    goods = [is_good(value, target, better) for value in values]
    assert all(is_on_track(goods[:end]) is good for end in range(2, len(goods) + 1))


@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_the_state_changes_only_when_the_last_two_evaluations_agree(goods: list[bool]) -> None:
    for end in range(3, len(goods) + 1):
        before, now = is_on_track(goods[: end - 1]), is_on_track(goods[:end])
        if before != now:
            assert goods[end - 1] == goods[end - 2] == now


def test_the_path_of_a_total_grows_and_the_path_of_a_ratio_does_not() -> None:
    assert path(13_000.0, 0.25, total=True) == 3250.0
    assert path(34.2, 0.25, total=False) == 34.2


def test_the_projection_and_the_value_needed_in_the_rest_of_the_period() -> None:
    """A quarter of the year with 4000 t of 13,000 t: 16,000 t by its end, and 9000 t remain for the rest.

    A ratio of 30 % over a quarter: for 34.2 % the rest must have (34.2 - 30 x 0.25) / 0.75 = 35.6 %.
    """
    assert projected(4000.0, 0.25, total=True) == 16_000.0
    assert needed(4000.0, 13_000.0, 0.25, total=True) == 9000.0
    assert projected(30.0, 0.25, total=False) == 30.0
    assert needed(30.0, 34.2, 0.25, total=False) == pytest.approx(35.6)
    assert projected(0.0, 0.0, total=True) is None
    assert needed(1.0, 2.0, 1.0, total=True) is None


@pytest.mark.parametrize(
    ("value", "target", "better", "start", "good"),
    [
        (1.0, 0.99, "lower", 1.0, False),  # a wanted change of 1 %: a site that changes nothing is off the path
        (0.994, 0.99, "lower", 1.0, True),  # more than half of the change
        (0.996, 0.99, "lower", 1.0, False),
        (84.0, 86.0, "higher", 84.0, False),  # 2 points more than the baseline; 2 % would be 1.72 points
        (85.1, 86.0, "higher", 84.0, True),
        (431.0 * 1.019, 431.0, "lower", 450.0, True),  # half of 4.2 % is more than 2 %
        (28.1, 28.2, "higher", 28.2, False),  # A10: charging that is spread evenly is no shifting
    ],
)
def test_the_tolerance_ends_halfway_to_a_site_that_changes_nothing(
    value: float, target: float, better: Better, start: float, good: bool
) -> None:
    assert is_good(value, target, better, start) is good


@given(st.floats(1.0, 1e6), st.floats(-0.5, 0.5).filter(bool))
def test_a_site_that_changes_nothing_is_never_on_its_path(base: float, change: float) -> None:
    better: Better = "higher" if change > 0.0 else "lower"
    assert not is_good(base, base * (1.0 + change), better, base) or base * (1.0 + change) == base


@pytest.mark.parametrize(
    ("wanted", "target", "unit", "possible"),
    [
        (106.1, 36.0, "%", False),  # no share is above 100 %
        (-534.8, 36.0, "%", False),
        (48.0, 36.0, "%", True),
        (-644_753.0, 431.0, "tCO2/a", False),
        (9000.0, 13_000.0, "tCO2/a", True),
        (-31.0, -28.0, "kgce/t", True),  # a converter gives energy back
    ],
)
def test_no_period_is_asked_for_more_than_it_can_have(wanted: float, target: float, unit: str, possible: bool) -> None:
    assert reachable(wanted, target, unit) is possible
