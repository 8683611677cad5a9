"""Uncertainty of a row of the ledger: hand calculations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from wattgram.accounts.ledger_uncertainty import UncertainPart, added, uncertain_parts

HOUR = 3_600_000_000_000


@dataclass(frozen=True)
class Stored:
    kind: str
    start: int
    end: int
    covered: float
    fields: Mapping[str, float | int | str]


def hour(index: int, load: float, emission: float, unsure: float, basis: str = "stated") -> Stored:
    """Return an hour with an uncertainty of the load and of the emission, Wh and g, and of 20 g/kWh."""
    fields: dict[str, float | str] = {
        "load_energy": load,
        "emission": emission,
        "emission_intensity": 1000.0 * emission / load,
        "load_energy_uncertainty": unsure,
        "emission_uncertainty": 2.0 * unsure,
        "emission_intensity_uncertainty": 20.0,
        "uncertainty_basis": basis,
    }
    return Stored("1h", index * HOUR, (index + 1) * HOUR, 3600.0, fields)


def test_uncertainties_of_hours_are_added_because_errors_stay() -> None:
    hours = [hour(0, 1000.0, 500.0, 10.0), hour(1, 3000.0, 900.0, 30.0, "assumed")]
    row = added(uncertain_parts(hours, 7200.0))
    assert row.numbers["load_energy"] == 4000.0
    assert row.uncertainties["load_energy_uncertainty"] == 40.0
    assert row.uncertainties["emission_uncertainty"] == 80.0
    # I = 1400 g / 4 kWh = 350; (1 x 20 + 3 x 20) / 4 = 20, and (|500 - 350| x 10 + |300 - 350| x 30) / 4000 = 0.75
    assert row.numbers["emission_intensity"] == pytest.approx(350.0)
    assert row.uncertainties["emission_intensity_uncertainty"] == pytest.approx(20.75)
    assert row.assumed
    assert not added(uncertain_parts(hours[:1], 3600.0)).assumed


def test_a_longer_window_takes_the_place_of_its_parts() -> None:
    hours = [hour(index, 1000.0, 500.0, 10.0) for index in range(24)]
    day = Stored("1d", 0, 24 * HOUR, 86400.0, {"load_energy": 24e3, "load_energy_uncertainty": 150.0})
    assert added(uncertain_parts([*hours, day], 86400.0)).uncertainties == {"load_energy_uncertainty": 150.0}
    # a day that covers less than its hours is not the whole row
    short = Stored("1d", 0, 24 * HOUR, 43200.0, day.fields)
    assert uncertain_parts([*hours, short], 86400.0) == []


def test_a_part_without_an_uncertainty_leaves_the_sum_without_one() -> None:
    unknown = UncertainPart({"load_energy": 1000.0, "scope2_location": 5.0}, {"scope2_location_uncertainty": 1.0})
    row = added([UncertainPart({"load_energy": 500.0}, {"load_energy_uncertainty": 5.0}), unknown])
    assert row.uncertainties == {"scope2_location_uncertainty": 1.0}
    assert added([]) == UncertainPart({}, {})


def test_a_part_without_the_number_adds_nothing() -> None:
    known = UncertainPart({"emission": 500.0}, {"emission_uncertainty": 5.0})
    assert added([known, UncertainPart({}, {})]).uncertainties == {"emission_uncertainty": 5.0}
