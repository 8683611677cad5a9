"""A counter corrects the power after it has moved, and not while it stands still."""

from __future__ import annotations

import json
from math import nan

import pytest
from wattgram.counters.metering import MeteredStep
from wattgram.counters.reconcile import Channel, Energies
from wattgram.counters.trust import CorrectedChannel

NS = 1_000_000_000


def run(corrected: CorrectedChannel, instants: list[tuple[float, float]]) -> tuple[CorrectedChannel, list[float]]:
    """Return the energy of each second, Wh, from pairs of power in W and counted Wh."""
    energies = []
    begin = corrected.channel.time or 0
    for number, (power, amount) in enumerate(instants, 1):
        metered = MeteredStep(amount, nan, resolution=(1.0, 0.0))
        corrected, result = corrected.advance(begin + number * NS, power, metered)
        energies.append(result.positive)
    return corrected, energies


def test_a_counter_that_never_moves_corrects_nothing() -> None:
    _, energies = run(CorrectedChannel(Channel(1.0)), [(3600.0, 0.0)] * 100)
    assert energies[1:] == [1.0] * 99


def test_a_moving_counter_corrects_from_its_second_step() -> None:
    # 1 Wh a second by power; the counter steps by 20 Wh each tenth second: 2 Wh a second.
    instants = [(3600.0, 20.0 if number % 10 == 5 else 0.0) for number in range(200)]
    corrected, energies = run(CorrectedChannel(Channel(1.0)), instants)
    assert energies[1:15] == [1.0] * 14  # the first step, in second 5, began before the first reading
    assert sum(energies[16:]) + corrected.channel.positive.outstanding == pytest.approx(2.0 * 184, abs=20.0)


def test_a_stopped_counter_is_ignored_after_three_steps() -> None:
    # Steps of 4 Wh a quarter of the time, like the power; then it stands still while 1 Wh a second flows.
    moving = [(3600.0, 4.0 if number % 4 == 0 else 0.0) for number in range(40)]
    corrected, _ = run(CorrectedChannel(Channel(1.0)), moving)
    corrected, energies = run(corrected, [(3600.0, 0.0)] * 200)
    assert sum(energies) >= 200 - 3 * 4.0 - 4.0  # only the energy before the first steps is lost
    assert energies[-100:] == [1.0] * 100


def after_a_gap(power: float, forward: float, backward: float, *, flowed: float = 0.0) -> Energies:
    """Return the energies of the instant after a gap of an hour, with what the counters counted in it, Wh.

    power: W before and after the gap. flowed: W that flowed backwards before, and that the counter did not count.
    """
    resolution = (1.0, 1.0)
    corrected = CorrectedChannel(Channel(1.0))
    for second in range(1, 10):
        watts = -flowed if second < 4 else power
        metered = MeteredStep(max(watts, 0.0), 0.0, resolution=resolution)
        corrected, _ = corrected.advance(second * NS, watts, metered)
    told = MeteredStep(forward, backward, "estimated", resolution)
    _, energies = corrected.advance(3610 * NS, power, told)
    return energies


def test_a_counter_that_moves_for_the_first_time_in_a_gap_tells_the_gap() -> None:
    """METHOD-SITE 9.3: a site that never exported exports 400 Wh while its incomer is silent."""
    energies = after_a_gap(2.0, 100.0, 400.0)
    assert (energies.late_positive, energies.late_negative) == (100.0, 400.0)
    assert energies.told == (True, True)


def test_a_counter_that_stood_still_in_a_gap_and_before_tells_zero() -> None:
    """METHOD-SITE 9.4: a counter that has not moved is 0 Wh, not unknown."""
    energies = after_a_gap(0.0, 0.0, 0.0)
    assert (energies.late_positive, energies.late_negative) == (0.0, 0.0)
    assert energies.told == (True, True)


def test_a_counter_that_stood_still_while_power_flowed_tells_no_gap() -> None:
    energies = after_a_gap(2.0, 100.0, 400.0, flowed=36e3)
    assert energies.late_negative == 0.0
    assert energies.told == (True, False)


def test_what_power_told_before_is_no_part_of_the_first_movement_in_a_gap() -> None:
    """Less than a step flowed before: 0.2 Wh in the two intervals between three readings, 0.05 Wh in the one after."""
    assert after_a_gap(2.0, 100.0, 400.0, flowed=360.0).late_negative == pytest.approx(400.0 - 0.25, abs=0.001)


def test_a_restart_changes_nothing() -> None:
    instants = [(3600.0, 4.0 if number % 3 == 0 else 0.0) for number in range(60)]
    _, whole = run(CorrectedChannel(Channel(1.0)), instants)
    first, before = run(CorrectedChannel(Channel(1.0)), instants[:31])
    kept = CorrectedChannel(Channel(1.0)).restored(json.loads(json.dumps(first.dump())))
    _, after = run(kept, instants[31:])
    assert before + after == whole or before[1:] + after == whole[1:]


@pytest.mark.parametrize("dumped", [None, [], [[], [], []], "x", [1, 2, 3]])
def test_an_invalid_state_is_refused(dumped: object) -> None:
    with pytest.raises(ValueError, match="expected a channel's state"):
        CorrectedChannel(Channel(1.0)).restored(dumped)
