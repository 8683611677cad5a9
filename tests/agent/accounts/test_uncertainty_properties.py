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

from tests.support.uncertain_sites import HOUR, QUARTER, START, accuracy, books_of, drive, meter, site, windows

DEVICES = (
    meter("incomer", "grid", accuracy=accuracy(1.0), rated_power=400e3),
    meter("roof", "pv", accuracy=accuracy(3.0), rated_power=100e3),
    meter("store", "battery", accuracy=accuracy(3.0, 0.01), rated_power=50e3),
)
NAMES = ("incomer", "roof", "store")

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
        {"version": 2},
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
