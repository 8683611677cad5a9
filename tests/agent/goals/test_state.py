"""On track or off track: the band of 2 %, two evaluations in a row, and noise (METHOD 6.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.goals.state import is_good, is_on_track, needed, path, projected
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
