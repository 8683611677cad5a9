"""Registers that a device copies from its counter rarely: once a minute, a quarter of an hour, an hour, a day.

The energy of each copy is calculated beside each case; the register shows floor(energy) in its counts.
"""

from __future__ import annotations

import json
from dataclasses import replace
from math import isnan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.counters.counter import Counter, CounterStep, State, step
from wattgram.counters.metering import MeteredStep, Metering, counters_of
from wattgram_drivers.catalogue import load

T0 = 1_790_000_000 * NS
LEVEL = 25_567_540.0
IMPORT, EXPORT = "active_energy_import", "active_energy_export"


def copied(power: float, second: float, period: float, phase: float, count: float = 10.0) -> float:
    """Return the register at a time: the energy of the last copy, Wh in whole counts."""
    last = (second + phase) // period * period
    return LEVEL + power * last / 3600.0 // count * count


def run(
    counter: Counter, values: list[float], state: State | None = None, start: int = T0
) -> tuple[State, list[CounterStep]]:
    """Return the last state and the result of each value, an interval apart."""
    steps = []
    for number, value in enumerate(values):
        state, result = step(counter, state, value, start + int(number * counter.interval * NS))
        steps.append(result)
    assert state is not None
    return state, steps


def readings(period: float, interval: float, power: float, periods: float = 4.5, phase: float = 0.7) -> list[float]:
    """Return the readings of some periods; the first copy comes 0.3 periods after the first reading."""
    return [
        copied(power, number * interval, period, phase * period) for number in range(int(periods * period / interval))
    ]


@pytest.mark.parametrize("rated", [100e3, 40e3, 10e6])
@pytest.mark.parametrize(("period", "interval"), [(60, 1), (900, 10), (3600, 10), (3600, 900), (86_400, 60)])
def test_a_copy_is_neither_a_glitch_nor_another_meter_and_its_energy_is_counted_once(
    rated: float, period: float, interval: float
) -> None:
    # 36 kW, 36 kWh in each hourly copy; the first copy comes 18 min after the first reading.
    meter = Counter(IMPORT, 10.0, 32, rated, interval=interval)
    values = readings(period, interval, 36e3)
    state, steps = run(meter, values)
    assert [result.event for result in steps if result.event] == []
    assert {result.verdict for result in steps} <= {"good", "held", "estimated"}
    assert sum(result.amount for result in steps) == values[-1] - values[0]
    # The copies after the second are accepted at once.
    later = steps[int(1.5 * period / interval) + 1 :]
    assert {result.verdict for result in later} == {"good"}
    assert state.refresh.period == pytest.approx(period, abs=interval) or interval * 4 >= period


def test_a_higher_load_than_in_the_hour_before_is_accepted_within_rated_power() -> None:
    # 10 kW for three hours, then 110 kW: 1.2 x 100 kW allow 120 kWh in a copy of an hour.
    meter = Counter(IMPORT, 10.0, 32, 100e3, interval=10.0)
    hours = [LEVEL, LEVEL + 10e3, LEVEL + 20e3, LEVEL + 30e3, LEVEL + 140e3, LEVEL + 250e3]
    _, steps = run(meter, [value for value in hours for _ in range(360)])
    assert [result.amount for result in steps if result.amount] == [20e3, 10e3, 110e3, 110e3]
    assert [result.event for result in steps if result.event] == []


def test_an_hour_without_energy_does_not_lengthen_the_period() -> None:
    meter = Counter(IMPORT, 10.0, 32, 100e3, interval=10.0)
    hours = [0, 36, 72, 108, 108, 108, 144, 180]
    state, steps = run(meter, [LEVEL + 1000.0 * hour for hour in hours for _ in range(360)])
    assert sum(result.amount for result in steps) == 180e3
    assert [result.event for result in steps if result.event] == []
    assert state.refresh.period == 3600.0


def test_a_spike_of_a_copied_register_is_a_glitch() -> None:
    meter = Counter(IMPORT, 10.0, 32, 100e3, interval=10.0)
    values = readings(3600.0, 10.0, 36e3)
    state, _ = run(meter, values)
    later = T0 + len(values) * 10 * NS
    # Five hours of 1.2 x 100 kW are 600 kWh, more than any copy.
    _, steps = run(meter, [values[-1] + 600e3, *[values[-1]] * 300, values[-1] + 36e3], state, later)
    assert [result.verdict for result in steps] == ["glitch", *["good"] * 301]
    assert [result.event for result in steps if result.event] == ["glitch"]
    assert sum(result.amount for result in steps) == 36e3


def test_a_reset_and_another_meter_are_told_apart_from_a_copy() -> None:
    meter = Counter(IMPORT, 10.0, 32, 100e3, interval=10.0)
    values = readings(3600.0, 10.0, 36e3)
    state, _ = run(meter, values)
    later = T0 + len(values) * 10 * NS
    _, reset = run(meter, [value for value in (12e3, 48e3, 84e3) for _ in range(360)], state, later)
    assert [result.event for result in reset if result.event] == ["reset"]
    assert sum(result.amount for result in reset) == 84e3
    _, other = run(meter, [value for value in (91e6, 91e6 + 36e3, 91e6 + 72e3) for _ in range(360)], state, later)
    assert [result.event for result in other if result.event] == ["exchange"]
    assert sum(result.amount for result in other) == 72e3


def test_a_register_that_follows_its_counter_again_has_no_period() -> None:
    meter = Counter(IMPORT, 10.0, 32, 100e3, interval=10.0)
    values = readings(3600.0, 10.0, 36e3)
    values += [values[-1] + 100.0 * number for number in range(1, 20)]
    state, _ = run(meter, values)
    assert state.refresh.period == 0.0


def test_the_period_survives_a_restart_and_an_older_state_has_none() -> None:
    meter = Counter(IMPORT, 10.0, 32, 100e3, interval=10.0)
    state, _ = run(meter, readings(3600.0, 10.0, 36e3))
    assert State.load(json.loads(json.dumps(state.dump()))) == state
    older = State.load(json.loads(json.dumps(state.dump()[:4])))
    assert older == replace(state, refresh=older.refresh)
    assert older.refresh.period == 0.0


def test_a_copied_register_says_nothing_between_its_copies() -> None:
    meter = Metering()
    meter.set_counters(counters_of(load("eastron_sdm630"), "grid", rated_power=100e3, interval=10.0), {})
    steps: list[MeteredStep] = []
    for number, value in enumerate(readings(3600.0, 10.0, 36e3)):
        steps.append(meter.take({IMPORT: value, EXPORT: 0.0}, {}, T0 + number * 10 * NS))
    # The first copy, after 0.3 h, is held. Its energy is counted with the second, after 1.3 h.
    counted = {number: taken.positive for number, taken in enumerate(steps) if taken.positive > 0.0}
    assert counted == {468: 72e3, 828: 36e3, 1188: 36e3, 1548: 36e3}
    assert all(isnan(taken.positive) for taken in steps[469:828])
    # The export, which never moves, is copied with the import.
    assert {taken.negative for taken in steps[:468]} == {0.0}
    assert all(isnan(taken.negative) for taken in steps[468:])
    assert {taken.quality for taken in steps[:468]} == {"good", "estimated"}
    assert steps[-1].refresh == 3600.0


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=12),
    st.sampled_from([60.0, 900.0, 3600.0]),
    st.sampled_from([1.0, 3.0, 30.0]),
    st.sampled_from([1.0, 10.0, 1000.0]),
    st.floats(0.0, 0.99),
    st.sampled_from([60e3, 10e6]),
)
def test_any_load_within_rated_power_is_counted_once_whatever_the_period(
    shares: list[float], period: float, per_interval: float, count: float, phase: float, limit: float
) -> None:
    """For any loads up to the rated power, counted and held energy are what the register shows."""
    interval = period / 60.0 * per_interval
    meter = Counter(IMPORT, count, 32, limit, interval=interval)
    energies = [LEVEL // count * count]
    for share in shares:
        energies.append(energies[-1] + share * 60e3 * period / 3600.0)
    shown = [energy // count * count for energy in energies]
    values = [
        shown[int((number * interval / period) + phase)] for number in range(int((len(shares) - 1) * period / interval))
    ]
    state, steps = run(meter, values)
    held = state.held
    assert sum(result.amount for result in steps) + (held.last - state.value if held else 0.0) == values[-1] - values[0]
    assert [result.event for result in steps if result.event] == []
