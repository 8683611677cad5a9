"""SunSpec: roles of the members of a chain, and the terminals of inverters with a battery.

Model 714 has a type for each port (sunspec/models); the texts of model 160's modules are those of a Fronius GEN24
(evcc-io/evcc fronius-gen24.yaml reads modules 3 and 4 as charging and discharging).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import pytest
from wattgram_drivers.device import Device, Terminal
from wattgram_drivers.map_roles import complete, parts
from wattgram_drivers.sunspec.member_roles import StorageFacts, battery_counters

from tests.support.sunspec_chains import COMMON_66, END, INVERTER, MARKER, discover, modules, ports, read, written

EMPTY_124 = (124, 24, *[0xFFFF] * 24)
STORAGE = written(124, {"ChaState_SF": 0, "ChaState": 63})
METER = written(203, {"W_SF": 0, "W": 7.0, "TotWh_SF": 0, "TotWhImp": 9.0})


def inverter(power: float) -> tuple[int, ...]:
    return written(103, {**INVERTER, "W": power})


def chain(*models: Sequence[int]) -> tuple[int, ...]:
    return (*MARKER, *COMMON_66, *(word for model in models for word in model), *END)


def terminal_of(words: Sequence[int]) -> Terminal:
    terminal = discover(words, driver="sunspec:inverter").terminal
    assert terminal is not None
    return terminal


def power(words: Sequence[int], driver: str, role: str) -> float:
    """Return the power of a member in a role."""
    values = read(words, driver)
    present = [name for name, value in values.items() if not isnan(value)]
    return sum(
        factor * values[name] for name, factor in parts(complete(device(words, driver).roles[role].power, present))
    )


def device(words: Sequence[int], driver: str) -> Device:
    return discover(words, driver=driver)


def test_a_string_inverter_produces_and_has_no_battery() -> None:
    found = device(chain(inverter(5_000.0), modules(3_000, 2_100)), "sunspec:inverter")
    assert [*found.roles] == ["pv", "wind", "hydro"]
    assert found.roles["pv"].energy[0] == ("energy_total", "")
    assert found.terminal is None


def test_a_meter_has_every_electrical_role_and_a_weather_station_one() -> None:
    meter = device(chain(METER), "sunspec:meter")
    assert {*meter.roles} == {"pv", "wind", "hydro", "genset", "chp", "battery", "grid", "load", "ev"}
    assert power(chain(METER), "sunspec:meter", "grid") == 7.0
    station = device(chain(written(307, {"TmpAmb": 20.0})), "sunspec:sensor")
    assert [*station.roles] == ["weather"]


def test_a_model_701_may_be_any_generator() -> None:
    found = device(chain(written(701, {"W_SF": 0, "W": 4_000.0})), "sunspec:inverter")
    assert [*found.roles] == ["pv", "wind", "hydro", "genset", "chp", "battery"]
    assert ("energy_export", "energy_import") in found.roles["pv"].energy


def test_an_inverter_whose_battery_models_have_no_value_has_no_terminal() -> None:
    # A public dump of an SMA inverter without a battery: model 124 holds only "not implemented".
    assert device(chain(inverter(5_000.0), EMPTY_124, modules(3_000, 2_100)), "sunspec:inverter").terminal is None


GEN24 = chain(
    inverter(4_800.0),
    STORAGE,
    modules(5_000, 3_000, 3_000, 0, texts=("MPPT 1", "MPPT 2", "StCha 3", "StDisCha 4")),
)


def test_the_modules_of_a_fronius_are_pv_charging_and_discharging() -> None:
    terminal = terminal_of(GEN24)
    assert terminal.bridge == ("active_power_total",)
    assert terminal.pv_power == (("dc_power_1", "dc_power_2"),)
    assert terminal.battery_power == (("dc_power_4", "-dc_power_3"),)
    assert terminal.battery_energy == (("dc_energy_4", "dc_energy_3"),)
    assert power(GEN24, "sunspec:battery", "battery") == -3_000.0
    assert power(GEN24, "sunspec:inverter", "pv") == 4_800.0
    battery = device(GEN24, "sunspec:battery")
    assert "dc_power_1" not in battery.quantities, "PV is not the battery's"
    assert "battery_soc" in battery.quantities


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_ports_of_a_model_714_are_known_by_their_type(order: tuple[int, int]) -> None:
    typed = [(0, 8_000), (1, -3_000)]
    ac_side = written(701, {"W_SF": 0, "W": 4_800.0})
    words = chain(ac_side, written(713, {"Pct_SF": 0, "SoC": 63}), ports(*(typed[number] for number in order)))
    terminal = terminal_of(words)
    pv, battery = (f"dc_power_{order.index(number) + 1}" for number in (0, 1))
    assert terminal.pv_power == ((pv,),)
    assert terminal.battery_power == ((battery,),)
    assert terminal.energy[0] == ("energy_export", "energy_import")
    assert power(words, "sunspec:battery", "battery") == -3_000.0
    assert power(words, "sunspec:inverter", "pv") == 4_800.0


def test_a_battery_of_model_802_has_its_own_power_and_leaves_all_modules_to_pv() -> None:
    bank = written(802, {"SoC_SF": 0, "SoC": 40, "W_SF": 0, "W": 3_000.0})
    words = chain(inverter(4_800.0), modules(1_500, 500), bank)
    terminal = terminal_of(words)
    assert terminal.battery_power == (("battery_power",),)
    assert terminal.pv_power == (("dc_power_1", "dc_power_2"),)
    assert power(words, "sunspec:battery", "battery") == 3_000.0


def test_a_battery_without_a_power_is_a_terminal_with_an_unknown_battery() -> None:
    # Models 124 and 713 have no power, and modules without a text no use.
    terminal = terminal_of(chain(inverter(4_800.0), STORAGE, modules(3_000, 2_100)))
    assert terminal.bridge == ("active_power_total",)
    assert terminal.battery_power == ()


def test_an_inverter_whose_modules_are_a_battery_alone_may_have_the_role_battery() -> None:
    words = chain(inverter(-3_000.0), modules(0), STORAGE)
    assert power(words, "sunspec:inverter", "battery") == -3_000.0


def test_an_inverter_whose_ports_are_all_a_batterys_gives_its_ac_power_as_the_battery() -> None:
    # A public dump of an OutBack inverter: models 701 and 713, and a model 714 whose one port is of the type ESS.
    ac_side = written(701, {"W_SF": 0, "W": -3_200.0})
    words = chain(ac_side, written(713, {"Pct_SF": 0, "SoC": 63}), ports((1, -3_000)))
    assert power(words, "sunspec:battery", "battery") == -3_200.0, "the busbar sees the AC side"
    assert device(words, "sunspec:inverter").terminal is None
    assert device(words, "sunspec:battery").roles["battery"].energy[0] == ("energy_export", "energy_import")


def test_the_ac_side_with_a_battery_and_no_modules_is_a_terminal_for_pv_and_the_batterys_power_for_a_battery() -> None:
    # Whether PV stands behind the same bridge does not show in models 103 and 124: the role says what the AC power is.
    words = chain(inverter(-3_000.0), STORAGE)
    assert power(words, "sunspec:battery", "battery") == power(words, "sunspec:inverter", "battery") == -3_000.0
    terminal = terminal_of(words)
    assert (terminal.bridge, terminal.pv_power, terminal.battery_power) == (("active_power_total",), (), ())


def test_the_signs_of_a_battery_are_measurements_of_its_models_and_no_settings() -> None:
    # Model 120 has battery ratings too, also of an inverter without a battery.
    rated = written(120, {"WHRtg_SF": 0, "WHRtg": 0, "MaxChaRte_SF": 0, "MaxChaRte": 0})
    signs = ("battery_soc", "battery_voltage", "battery_available_ah")
    assert terminal_of(chain(inverter(0.0), rated, STORAGE)).battery_signs == signs
    assert terminal_of(chain(inverter(0.0), STORAGE)).battery_signs == (*signs, "battery_max_charge_power")
    energy = written(713, {"Pct_SF": 0, "SoC": 63, "WH_SF": 0, "WHRtg": 9_000})
    found = terminal_of(chain(written(701, {"W_SF": 0, "W": 0.0}), energy))
    assert {"battery_soc", "battery_available_energy", "battery_capacity"} <= {*found.battery_signs}


def test_several_batteries_have_no_common_counter() -> None:
    assert battery_counters(StorageFacts(ports=("pv", "battery", "battery"))) == ()
    assert battery_counters(StorageFacts(ports=("battery",))) == (("dc_energy_injected_1", "dc_energy_absorbed_1"),)
