"""Heat and CO2 of a unit of each fuel, by hand from the tables of its source."""

from __future__ import annotations

import pytest
from wattgram.config.fuel_properties import FUEL_CARBON, FUELS, carbon_of, heat_of


@pytest.mark.parametrize(
    ("fuel", "unit", "heat", "carbon"),
    [
        # GJ per 10 000 Nm3 / 36 = kWh/Nm3; kg/GJ = tC/GJ x 1000 x 0.99 x 44/12
        ("natural_gas", "m3", 10.8142, 2162.0),  # METHOD 1.2
        ("blast_furnace_gas", "m3", 33.0 / 36, 3.3 * 257.004),
        ("coke_oven_gas", "m3", 173.854 / 36, 17.3854 * 43.923),
        ("converter_gas", "m3", 84.0 / 36, 8.4 * 180.048),
        # IPCC 2006: GJ/t / 3.6 = kWh/kg, x kg/GJ
        ("diesel", "kg", 43.0 / 3.6, 43.0 * 74.1),
        ("coke", "kg", 28.2 / 3.6, 28.2 * 107.0),
        ("lpg", "kg", 47.3 / 3.6, 47.3 * 63.1),
        ("heavy_oil", "kg", 40.4 / 3.6, 40.4 * 77.4),
        ("gasoline", "kg", 44.3 / 3.6, 44.3 * 69.3),
        ("wood", "kg", 15.6 / 3.6, 15.6 * 112.0),
    ],
)
def test_a_unit_has_the_heat_and_the_carbon_of_its_source(fuel: str, unit: str, heat: float, carbon: float) -> None:
    assert heat_of(fuel, unit) == pytest.approx(heat, rel=1e-5)
    assert carbon_of(fuel, unit) == pytest.approx(carbon, rel=3e-4)  # FUEL_CARBON has a decimal of g/kWh


@pytest.mark.parametrize("fuel", FUELS)
def test_a_meter_of_heat_has_the_factor_of_the_heat(fuel: str) -> None:
    assert carbon_of(fuel, "Wh") == pytest.approx(FUEL_CARBON[fuel] / 1000)


@pytest.mark.parametrize(("fuel", "unit"), [("coal", "kg"), ("diesel", "m3"), ("natural_gas", "1"), ("", "m3")])
def test_a_unit_without_a_source_has_no_default(fuel: str, unit: str) -> None:
    assert carbon_of(fuel, unit) is None
    assert heat_of(fuel, unit) is None


def test_the_process_gases_agree_with_the_ipcc() -> None:
    # IPCC 2006 volume 2 chapter 1 table 1.4: 260, 44.4 and 182 kg/GJ
    for fuel, per_gj in (("blast_furnace_gas", 260.0), ("coke_oven_gas", 44.4), ("converter_gas", 182.0)):
        assert FUEL_CARBON[fuel] == pytest.approx(3.6 * per_gj, rel=0.012)


def test_only_wood_is_biogenic() -> None:
    assert [fuel for fuel, properties in FUELS.items() if properties.biogenic] == ["wood"]
