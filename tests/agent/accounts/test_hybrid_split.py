"""The split of a hybrid's terminal. Expected values: oracles of METHOD-SITE 8.2, and hand calculations."""

from __future__ import annotations

from math import inf, isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.accounts.hybrid_split import HybridLimits, HybridSplit, limits_of, split_energy, split_power

from tests.support.hybrid_states import HYBRID_STATES

KW = 1000.0
LIMITS = HybridLimits()

powers = st.floats(-20_000.0, 20_000.0)
strings = st.one_of(st.just(nan), st.floats(-200.0, 20_000.0))
amounts = st.one_of(st.just(0.0), st.floats(0.0, 20_000.0))


@pytest.mark.parametrize("case", HYBRID_STATES)
def test_a_state_of_the_method_is_shared_out_as_its_table_says(case: str) -> None:
    terminal, pv, battery, imported, produced, discharge, charge, load = (KW * value for value in HYBRID_STATES[case])
    split = split_power(terminal, pv, battery, LIMITS)
    assert split[:3] == pytest.approx((produced, discharge, charge), abs=1e-9)
    assert imported + split.pv + split.discharge - split.charge == pytest.approx(load, abs=1e-9)


@pytest.mark.parametrize("case", HYBRID_STATES)
def test_the_energies_of_a_steady_hour_are_shared_out_alike(case: str) -> None:
    terminal, pv, battery, _, *expected, _ = (KW * value for value in HYBRID_STATES[case])
    split = split_energy(max(terminal, 0), max(-terminal, 0), pv, max(battery, 0), max(-battery, 0), 1.0, LIMITS)
    assert split[:3] == pytest.approx(expected, abs=1e-9)


def test_small_battery_powers_are_noise() -> None:
    assert split_power(1000.0, 1000.0, 49.0, LIMITS) == HybridSplit(1000.0, 0.0, 0.0)
    assert split_power(1000.0, 1000.0, -49.0, LIMITS) == HybridSplit(1000.0, 0.0, 0.0)
    assert split_power(1000.0, 1000.0, -51.0, LIMITS).charge == 0.0  # min(T - B, max(P, T)) = T
    assert split_power(1000.0, 1100.0, -51.0, LIMITS) == HybridSplit(1051.0, 0.0, 51.0)
    large = limits_of(None, 100_000.0)  # 1 % of 100 kW
    assert split_power(20_000.0, 20_000.0, 990.0, large).discharge == 0.0
    assert split_power(20_000.0, 20_000.0, 1010.0, large).discharge > 0.0


def test_negative_pv_counts_as_zero() -> None:
    assert split_power(4750.0, -30.0, 5000.0, LIMITS) == HybridSplit(0.0, 4750.0, 0.0)
    assert split_power(-4250.0, -30.0, -4000.0, LIMITS) == HybridSplit(0.0, 0.0, 4250.0)


def test_without_any_dc_power_the_terminal_is_pv() -> None:
    assert split_power(700.0, 0.0, 0.0, LIMITS) == HybridSplit(700.0, 0.0, 0.0)


def test_pv_never_exceeds_its_dc_power_while_the_battery_is_charged_from_it() -> None:
    # T - B = 8.3 kW is more than the strings' 8 kW: a battery reading that is a little ahead.
    assert split_power(4800.0, 8000.0, -3500.0, LIMITS) == HybridSplit(8000.0, 0.0, 3200.0)


@pytest.mark.parametrize(
    ("rated", "drawn", "contradictory"),
    [(None, 100.0, False), (None, 101.0, True), (50_000.0, 1000.0, False), (50_000.0, 1001.0, True)],
)
def test_own_consumption_is_at_most_2_percent_of_rated_power_or_100_w(
    rated: float | None, drawn: float, contradictory: bool
) -> None:
    for battery in (0.0, 30.0, 3000.0):
        split = split_power(-drawn, 0.0, battery, limits_of(rated, None))
        assert split.contradictory == contradictory
        assert isnan(split.pv) == isnan(split.discharge) == isnan(split.charge) == contradictory
        energy = split_energy(0.0, drawn / 4, 0.0, battery / 4, 0.0, 0.25, limits_of(rated, None))
        assert energy.contradictory == contradictory


def test_an_unknown_terminal_or_battery_leaves_the_split_unknown() -> None:
    for terminal, battery in ((nan, 1000.0), (1000.0, nan)):
        split = split_power(terminal, 500.0, battery, LIMITS)
        assert all(isnan(value) for value in split[:3])
        assert not split.contradictory
    assert isnan(split_energy(nan, 0.0, 1.0, 1.0, 0.0, 1.0, LIMITS).pv)
    assert isnan(split_energy(1.0, nan, 1.0, 1.0, 0.0, 1.0, LIMITS).pv)
    assert isnan(split_energy(1.0, 0.0, 1.0, nan, 0.0, 1.0, LIMITS).pv)
    assert isnan(split_energy(1.0, 0.0, 1.0, 0.0, nan, 1.0, LIMITS).pv)


def test_an_interval_with_both_directions_of_the_battery_keeps_both() -> None:
    # Half an hour of 2 kW discharge (2.1 kW at the DC side), then half an hour of 3 kW from the grid (2.8 kW).
    split = split_energy(1000.0, 1500.0, 0.0, 1050.0, 1400.0, 1.0, LIMITS)
    assert split[:3] == pytest.approx((0.0, 1000.0, 1500.0))


def test_a_cloud_while_the_battery_charges_moves_no_energy_to_the_discharge() -> None:
    # Half an hour at T 2, P 6, B -4 kW, then half an hour at T -1, P 3, B -4 kW: pv 4.5 kWh, charge 4 kWh.
    split = split_energy(1000.0, 500.0, 4500.0, 0.0, 4000.0, 1.0, LIMITS)
    assert split[:3] == pytest.approx((4500.0, 0.0, 4000.0))


def test_own_consumption_at_dawn_is_load_beside_what_the_roof_delivers() -> None:
    assert split_energy(300.0, 20.0, 310.0, 0.0, 0.0, 1.0, LIMITS) == HybridSplit(300.0, 0.0, 0.0)


@settings(max_examples=500, deadline=None)
@given(powers, strings, powers, st.floats(1.0, 1e6))
def test_the_shares_add_up_to_the_terminal(terminal: float, pv: float, battery: float, rated: float) -> None:
    limits = limits_of(rated, rated)
    split = split_power(terminal, pv, battery, limits)
    if split.contradictory:
        assert terminal < -limits.own_use
        assert battery > -limits.noise
        return
    assert min(split[:3]) >= 0.0
    assert not (split.discharge and split.charge)
    net = split.pv - split.charge + split.discharge
    if terminal < 0.0 and battery > -limits.noise:
        assert net == 0.0  # own consumption: load, never a flow of PV or battery
    else:
        assert net == pytest.approx(terminal, rel=1e-9, abs=1e-9 * max(abs(battery), abs(pv) if pv > 0 else 0.0, 1.0))


@settings(max_examples=500, deadline=None)
@given(amounts, amounts, st.one_of(st.just(nan), amounts), amounts, amounts, st.sampled_from([1 / 3600, 0.25, 1.0]))
def test_the_shares_of_an_interval_add_up_to_its_counters(
    forward: float, backward: float, pv: float, discharge: float, charge: float, hours: float
) -> None:
    split = split_energy(forward, backward, pv, discharge, charge, hours, LIMITS)
    if split.contradictory:
        assert backward > LIMITS.own_use * hours
        assert charge < LIMITS.noise * hours
        return
    assert min(split[:3]) >= 0.0
    largest = max(forward, backward, discharge, charge, 0.0 if isnan(pv) else pv)
    net, counted = split.pv - split.charge + split.discharge, forward - backward
    if charge == 0.0 or charge < LIMITS.noise * hours:
        counted = forward  # what went in is own consumption
    assert net == pytest.approx(counted, rel=1e-9, abs=1e-9 * largest)


@settings(max_examples=500, deadline=None)
@given(st.floats(0.0, 20_000.0), powers, strings, powers)
def test_a_hybrid_invents_no_load(imported: float, terminal: float, pv: float, battery: float) -> None:
    limits = HybridLimits(own_use=inf)
    split = split_power(terminal, pv, battery, limits)
    load = imported + split.pv + split.discharge - split.charge
    own_use = -terminal if terminal < 0.0 and battery > -limits.noise else 0.0
    # The busbar sees the terminal alone: the load is import + T, and own consumption belongs to it.
    assert load == pytest.approx(imported + terminal + own_use, rel=1e-9, abs=1e-4)
