"""Energy that belongs to totals alone; sums by hand."""

from __future__ import annotations

import json
from math import nan

import pytest
from wattgram.accounts.late_energy import LEAST, LateEnergy


def test_late_energy_is_due_at_once_and_has_hardly_any_time() -> None:
    arrears = LateEnergy(2, [0])
    assert not arrears.due
    arrears.late(1, 50.0, 0.0, 7.0)
    arrears.late(1, 5.0, 1.0)
    assert arrears.due
    assert arrears.take() == (LEAST, [0.0, 0.0, 55.0, 1.0], [0.0, 7.0])
    assert not arrears.due


def test_what_the_others_told_without_an_incomer_waits_for_what_it_says() -> None:
    arrears = LateEnergy(2, [0])
    arrears.wait(60.0, [nan, nan, 10.0, 0.0], [nan, 3.0])
    assert not arrears.due
    arrears.late(1, 2.0, 0.0)
    assert arrears.take() == (LEAST, [0.0, 0.0, 2.0, 0.0], [0.0, 0.0])
    arrears.late(0, 100.0, 4.0)
    assert arrears.take() == (60.0, [100.0, 4.0, 10.0, 0.0], [0.0, 3.0])
    assert arrears.seconds == 0.0


def test_a_share_leaves_the_rest() -> None:
    arrears = LateEnergy(1, [0])
    arrears.wait(3600.0, ())
    arrears.late(0, 80.0, 0.0)
    assert arrears.take(0.25) == (900.0, [20.0, 0.0], [0.0])
    assert arrears.take() == (2700.0, [60.0, 0.0], [0.0])


def test_it_outlives_the_process_and_refuses_what_is_not_its_own() -> None:
    arrears, again = LateEnergy(1, [0]), LateEnergy(1, [0])
    arrears.late(0, 80.0, 1.0)
    again.restore(json.loads(json.dumps(arrears.dump())))
    assert again.take() == (LEAST, [80.0, 1.0], [0.0])
    for wrong in (None, [], "x", LateEnergy(2, [0]).dump(), [nan, [0.0, 0.0], [0.0, 0.0], [0.0], [0.0]]):
        with pytest.raises(ValueError, match="arrears"):
            again.restore(wrong)
