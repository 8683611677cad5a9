"""Heat, standard coal and CO2 of a unit of metered fuel: METHOD 1.2 and factors of the site, by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.goals.quantities.fuel_heat import electric, worth
from wattgram.goals.terms.missing import MissingInput

from tests.support.goal_factory import FIRST, GAS, MASS, entry, meter, site

LAST = date(2026, 11, 30)


def test_natural_gas_by_the_cubic_metre() -> None:
    # METHOD 1.2: 389.31 GJ per 10 000 Nm3 = 38.931 MJ = 10.81417 kWh, 1.2143 kgce, 2162 g
    fuel = worth("gas", site(devices=[meter("gas", "fuel", GAS, fuel="natural_gas")]), FIRST)
    assert (fuel.unit, fuel.coal, fuel.carbon) == ("m3", 1.2143, 2162.0)
    assert fuel.heat == pytest.approx(10.81417, abs=5e-6)
    assert fuel.source == "natural gas, 389.31 GJ per 10 000 Nm3, GB/T 32151.34-2024 table C.1"


def test_diesel_by_the_kilogram() -> None:
    # 43.0 GJ/t = 11.94444 kWh/kg; / (29.3076 / 3.6) kWh = 43.0 / 29.3076 = 1.46720 kgce; x 266.8 g/kWh = 3186.78 g
    fuel = worth("oil", site(devices=[meter("oil", "fuel", MASS, fuel="diesel")]), FIRST)
    assert fuel.unit == "kg"
    assert (fuel.heat, fuel.coal, fuel.carbon) == pytest.approx((11.94444, 1.46720, 3186.78), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        # g/unit / g/kWh of the fuel: 2668 / 266.8 = 10 kWh of an assumed diesel, 3406 / 340.6 = 10 kWh of coal
        ("genset", {"fuel_factor": 2668.0}, (10.0, 36.0 / 29.3076, 2668.0)),
        ("genset", {"fuel": "coal", "fuel_factor": 3406.0}, (10.0, 36.0 / 29.3076, 3406.0)),
        ("chp", {"fuel_factor": 2162.0}, (38.931 / 3.6, 1.2143, 2162.0)),
    ],
)
def test_a_fuel_meter_has_the_fuel_of_its_genset(
    kind: str, settings: dict[str, Any], expected: tuple[float, ...]
) -> None:
    devices = [meter("set", kind, fuel_meter="gas", **settings), meter("gas", "fuel", GAS)]
    fuel = worth("gas", site(devices=devices), FIRST)
    assert (fuel.heat, fuel.coal, fuel.carbon) == pytest.approx(expected)


def test_an_entry_goes_before_every_table() -> None:
    # 9.9 kWh/m3 by the supplier's analysis: 9.9 x 3.6 / 29.3076 = 1.216067 kgce, x 199.9 = 1979.01 g
    goals = GoalsConfig(entries=(entry("fuel_heat:gas", 9.9, FIRST, LAST, unit="kWh/m3"),))
    fuel = worth("gas", site(goals, [meter("gas", "fuel", GAS, fuel="natural_gas")]), FIRST)
    assert (fuel.heat, fuel.coal, fuel.carbon) == pytest.approx((9.9, 1.216067, 1979.01))
    assert fuel.entry == fuel.source == "manual entry of Li Na, 2026-12-02, weighbridge log"
    without_fuel = worth("gas", site(goals, [meter("gas", "fuel", GAS)]), FIRST)
    assert (without_fuel.heat, without_fuel.carbon) == (9.9, None)


def test_electricity_is_0_1229_kgce() -> None:
    assert electric(1000.0) == pytest.approx(122.9)


@pytest.mark.parametrize(
    ("devices", "what"),
    [
        ([], "gas counts no fuel"),
        ([meter("gas", "fuel")], "gas counts no fuel"),
        ([meter("gas", "fuel", "endress_hauser_promass83_scanbuffer")], "gas counts no fuel"),
        ([meter("gas", "fuel", GAS)], "the heat of a m3 of the fuel of gas is unknown"),
        ([meter("gas", "fuel", GAS, fuel="diesel")], "the heat of a m3 of diesel is unknown"),
        ([meter("gas", "fuel", MASS, fuel="coal")], "the heat of a kg of coal is unknown"),
    ],
)
def test_an_unknown_fuel_is_reported(devices: list[DeviceConfig], what: str) -> None:
    with pytest.raises(MissingInput, match=what):
        worth("gas", site(devices=devices), FIRST)
