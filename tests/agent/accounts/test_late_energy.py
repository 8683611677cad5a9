"""Late energy, which belongs to totals only; sums by hand."""

from __future__ import annotations

import json
from math import nan

import pytest
from wattgram.accounts.late_energy import MIN_SECONDS, LateEnergy


def test_late_energy_is_due_at_once_for_the_shortest_time() -> None:
    late_energy = LateEnergy(2, [0])
    assert not late_energy.due
    late_energy.add(1, 50.0, 0.0, 7.0)
    late_energy.add(1, 5.0, 1.0)
    assert late_energy.due
    assert late_energy.take() == (MIN_SECONDS, [0.0, 0.0, 55.0, 1.0], [0.0, 7.0])
    assert not late_energy.due


def test_energy_without_an_incomer_waits_for_the_incomers_late_energy() -> None:
    late_energy = LateEnergy(2, [0])
    late_energy.add_unbalanced(60.0, [nan, nan, 10.0, 0.0], [nan, 3.0])
    assert not late_energy.due
    late_energy.add(1, 2.0, 0.0)
    assert late_energy.take() == (MIN_SECONDS, [0.0, 0.0, 2.0, 0.0], [0.0, 0.0])
    late_energy.add(0, 100.0, 4.0)
    assert late_energy.take() == (60.0, [100.0, 4.0, 10.0, 0.0], [0.0, 3.0])
    assert late_energy.seconds == 0.0


def test_taking_a_share_leaves_the_rest() -> None:
    late_energy = LateEnergy(1, [0])
    late_energy.add_unbalanced(3600.0, ())
    late_energy.add(0, 80.0, 0.0)
    assert late_energy.take(0.25) == (900.0, [20.0, 0.0], [0.0])
    assert late_energy.take() == (2700.0, [60.0, 0.0], [0.0])


def test_the_state_survives_a_restart_and_another_sites_state_is_refused() -> None:
    late_energy, restored = LateEnergy(1, [0]), LateEnergy(1, [0])
    late_energy.add(0, 80.0, 1.0)
    restored.restore(json.loads(json.dumps(late_energy.dump())))
    assert restored.take() == (MIN_SECONDS, [80.0, 1.0], [0.0])
    for invalid in (None, [], "x", LateEnergy(2, [0]).dump(), [nan, [0.0, 0.0], [0.0, 0.0], [0.0], [0.0]]):
        with pytest.raises(ValueError, match="expected the late energy"):
            restored.restore(invalid)
