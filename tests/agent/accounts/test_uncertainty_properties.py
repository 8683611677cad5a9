"""Properties of uncertainties: bounds, scale, and the same numbers after a restart from a checkpoint."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from math import isfinite, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.accounts.books import Books
from wattgram.accounts.same_results import same_state
from wattgram.accounts.uncertainty import UNCERTAIN
from wattgram.base.clock import NS

from tests.support.uncertain_sites import HOUR, QUARTER, START, accuracy, books_of, drive, meter, row_of, site, windows

DEVICES = (
    meter("incomer", "grid", accuracy=accuracy(1.0), rated_power=400e3),
    meter("roof", "pv", accuracy=accuracy(3.0), rated_power=100e3),
    meter("store", "battery", accuracy=accuracy(3.0, 0.01), rated_power=50e3),
)
NAMES = ("incomer", "roof", "store")

OFFSET_POWER = 0.02 * 630e3  # W
METERS = (
    meter("incomer", "grid", accuracy=accuracy(1.0, 0.02), rated_power=630e3),
    meter("fan", "genset", accuracy=accuracy(1.0, 0.02), rated_power=630e3),
)
TICK = 300

powers = st.tuples(st.floats(60e3, 300e3), st.floats(0.0, 100e3), st.floats(-50e3, 50e3))
days = st.lists(powers, min_size=9, max_size=9)


def rows(values: list[tuple[float, float, float]], scale: float = 1.0) -> list[dict[str, float]]:
    return [{name: scale * power for name, power in zip(NAMES, row, strict=True)} for row in values]


def uncertainties(window: dict[str, Any]) -> dict[str, float]:
    return {name: window[f"{name}_uncertainty"] for name in UNCERTAIN if f"{name}_uncertainty" in window}


@settings(max_examples=40, deadline=None)
@given(days)
def test_an_uncertainty_is_above_0_and_at_most_the_sum_of_the_limits(values: list[tuple[float, float, float]]) -> None:
    records = drive(books_of(site(*DEVICES)), START, rows(values))
    for window in windows(records, "15m") + windows(records, "1h"):
        found = uncertainties(window)
        assert all(isfinite(number) and number > 0.0 for number in found.values())
        assert found.keys() == {name for name in UNCERTAIN if name in window}
        moved = {
            name: window[f"{name}_energy"] for name in ("grid_import", "pv", "battery_discharge", "battery_charge")
        }
        limits = 0.01 * moved["grid_import"] + 0.03 * moved["pv"]
        limits += 0.03 * (moved["battery_discharge"] + moved["battery_charge"] + 0.01 * 50e3)  # at most an hour
        assert found["load_energy"] <= limits * (1.0 + 1e-6)
        assert found["scope2_location"] <= (0.01 + 1e-4) * window["scope2_location"] * (1.0 + 1e-6)


def quarter_with_late_energy(
    books: Books, ticks: list[tuple[float | None, float | None]], told: tuple[float, float]
) -> dict[str, Any]:
    """Return a quarter of ticks with the powers of incomer and fan, None for unknown, and late Wh of both."""
    nothing = {"incomer energy against": 0.0, "fan energy against": 0.0}
    rows_of = [
        row_of(books, float(TICK), {name: power for name, power in zip(("incomer", "fan"), tick, strict=True) if power})
        for tick in ticks
    ]
    seconds = float(TICK * sum(None in tick for tick in ticks))
    late = row_of(
        books, seconds, {"incomer": 0.0, "fan": 0.0, "incomer energy": told[0], "fan energy": told[1], **nothing}
    )
    times = [START + (index + 1) * TICK * NS for index in range(len(ticks))]
    terms = [books.terms(time, float(TICK)) for time in times]
    block = books.with_grid_terms(b"".join(rows_of), terms)
    settled = books.with_grid_terms(late, terms[-1:])
    [found] = windows(list(books.advance(times, block, terms, [(times[-1], settled)])), "15m")
    return found


readings = st.one_of(st.none(), st.floats(1e3, 600e3))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(readings, readings), min_size=3, max_size=3),
    st.tuples(st.floats(0.1, 50e3), st.floats(0.1, 50e3)),
)
def test_late_energy_is_at_most_as_unsure_as_its_limits(
    ticks: list[tuple[float | None, float | None]], told: tuple[float, float]
) -> None:
    # the limits of a quarter of an hour: 1 % of the energy and of 2 % of the rated power, 10 % of the late energy
    books = books_of(site(*METERS))
    found = quarter_with_late_energy(books, ticks, told)
    moved = found["grid_import_energy"] + found["generation_energy"]
    limits = 0.01 * (moved + 2 * OFFSET_POWER * QUARTER / HOUR) + 0.1 * sum(told)
    assert found["load_energy"] == pytest.approx(moved)
    assert 0.0 < found["load_energy_uncertainty"] <= limits * (1.0 + 1e-6)


def test_late_energy_of_a_known_time_has_no_offset_of_its_own() -> None:
    # 20 kW for a quarter and 1.24 Wh more by the counter; limits 1 % x (5001.24 Wh + 12.6 kW x 0.25 h) and 0.124 Wh
    books = books_of(site(METERS[0]))
    values = {"incomer": 20e3}
    end = START + QUARTER * NS
    terms = [books.terms(end, float(QUARTER))]
    rows = books.with_grid_terms(row_of(books, float(QUARTER), values), terms)
    told = {"incomer": 0.0, "incomer energy": 1.24, "incomer energy against": 0.0}
    late = books.with_grid_terms(row_of(books, 0.0, told), terms)
    [found] = windows(list(books.advance([end], rows, terms, [(end, late)])), "15m")
    assert found["load_energy"] == pytest.approx(5001.24)
    assert found["load_energy_uncertainty"] == pytest.approx(0.01 * (5001.24 + 3150.0) + 0.124, abs=0.15)


def test_a_checkpoint_within_a_quarter_keeps_the_known_time() -> None:
    whole, other = books_of(site(METERS[0])), books_of(site(METERS[0]))
    values = [{"incomer": 20e3}] * 2
    drive(whole, START, values, TICK)
    assert other.restore(whole.checkpoint_state())
    end = START + QUARTER * NS
    found = []
    for books in (whole, other):
        terms = [books.terms(end, float(TICK))]
        rows = books.with_grid_terms(row_of(books, float(TICK), {}), terms)
        told = {"incomer": 0.0, "incomer energy": 2e3, "incomer energy against": 0.0}
        late = books.with_grid_terms(row_of(books, float(QUARTER), told), terms)
        [window] = windows(list(books.advance([end], rows, terms, [(end, late)])), "15m")
        found.append(window["load_energy_uncertainty"])
    assert found[0] == pytest.approx(found[1])
    assert found[0] <= 0.01 * (20e3 * 600 / HOUR + 2e3 + OFFSET_POWER * QUARTER / HOUR) + 200.0 + 1e-6


@settings(max_examples=20, deadline=None)
@given(days, st.sampled_from([0.01, 10.0]))
def test_a_larger_plant_of_the_same_shape_is_as_sure(values: list[tuple[float, float, float]], scale: float) -> None:
    large = [replace(device, rated_power=scale * (device.rated_power or 0.0)) for device in DEVICES]
    [one] = windows(drive(books_of(site(*DEVICES)), START, rows(values)), "1h")[:1]
    [other] = windows(drive(books_of(site(*large)), START, rows(values, scale)), "1h")[:1]
    for name, number in uncertainties(one).items():
        factor = 1.0 if name == "emission_intensity" else scale
        assert other[f"{name}_uncertainty"] == pytest.approx(factor * number, rel=1e-6)


def after_two_hours(books: Books) -> list[dict[str, Any]]:
    """Return the rest of the day after two hours."""
    values = [
        {"incomer": 100e3 + 5e3 * hour, "roof": 30e3, "store": 10e3 if hour > 12 else -8e3} for hour in range(2, 26)
    ]
    return windows(drive(books, START + 2 * HOUR * NS, values, HOUR), "1d")


def begun() -> Books:
    """Return books after two hours with a battery that was charged."""
    books = books_of(site(*DEVICES))
    drive(books, START, [{"incomer": 90e3, "roof": 50e3, "store": -20e3}] * 8, QUARTER)
    return books


def test_a_checkpoint_continues_the_copies() -> None:
    whole, restarted = begun(), books_of(site(*DEVICES))
    state = whole.checkpoint_state()
    assert restarted.restore(state)
    assert same_state(restarted.checkpoint_state(), state)
    [right], [found] = after_two_hours(whole), after_two_hours(restarted)
    assert len(uncertainties(right)) == len(UNCERTAIN)
    assert uncertainties(found) == pytest.approx(uncertainties(right), rel=1e-9)
    assert found["uncertainty_basis"] == right["uncertainty_basis"]


def without(state: bytes, **changes: Any) -> bytes:
    """Return a state with changes in the part of the copies; None removes the part."""
    head, _, accounts = state.partition(b"\n")
    fields = json.loads(head)
    if changes:
        fields["uncertainty"] |= changes
    else:
        del fields["uncertainty"]
    return json.dumps(fields).encode() + b"\n" + accounts


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"version": 1},
        {"inputs": {}},
        {"inputs": {"grid factor": "AAAA"}},
        {"inputs": None},
        {"whole": 7},
    ],
)
def test_a_state_without_usable_copies_leaves_the_running_windows_alone(changes: dict[str, Any]) -> None:
    books = books_of(site(*DEVICES))
    assert books.restore(without(begun().checkpoint_state(), **changes))
    values = [{"incomer": 100e3, "roof": 30e3, "store": 5e3}] * 26
    records = drive(books, START + 2 * HOUR * NS, values, HOUR)
    assert [bool(uncertainties(window)) for window in windows(records, "1d")] == [False]
    assert all(uncertainties(window) for window in windows(records, "1h"))
    [day] = windows(records, "1d")
    assert day["load_energy"] > 0.0
    assert "uncertainty_basis" not in day


def test_a_damaged_number_is_no_uncertainty() -> None:
    state = begun().checkpoint_state()
    inputs = json.loads(state.partition(b"\n")[0])["uncertainty"]["inputs"]
    size = len(base64.b64decode(next(iter(inputs.values()))))
    not_numbers = base64.b64encode(b"\xff" * size).decode()
    books = books_of(site(*DEVICES))
    assert books.restore(without(state, inputs=dict.fromkeys(inputs, not_numbers)))
    assert not uncertainties(after_two_hours(books)[0])


def test_other_inputs_do_not_continue_the_copies() -> None:
    books = books_of(site(*(replace(device, accuracy=accuracy(1.0, group="all")) for device in DEVICES)))
    assert books.restore(begun().checkpoint_state())
    assert not uncertainties(after_two_hours(books)[0])


def test_an_unknown_load_has_no_uncertainty_and_known_flows_have() -> None:
    values = [{"incomer": 100e3, "roof": nan, "store": 0.0}] * 4
    [hour] = windows(drive(books_of(site(*DEVICES)), START, values), "1h")
    assert uncertainties(hour).keys() == {"scope2_location", "scope2_market"}
