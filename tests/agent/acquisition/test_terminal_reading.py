"""Terminal power and DC side of a reading (METHOD-SITE 8.2): which register a map's alternatives give."""

from __future__ import annotations

from math import isnan, nan

import pytest
from wattgram.acquisition.terminal_reading import TerminalPower, as_wired, quantities_of, terminal_power
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Terminal
from wattgram_drivers.endpoint import parse

from tests.support.sunspec_chains import COMMON_66, END, INVERTER, MARKER, discover, written

PORTS = Terminal(grid_port=("port",), backup_power=("beside",))
ALONE = Terminal(grid_port=("port",))
BRIDGE = Terminal(bridge=("bridge", "other"), grid_port=("port",), backup_power=("beside",))
BARE = Terminal(pv_power=(("p1", "p2"), ("p1",)), battery_power=(("b", "-c"),))

# kW, METHOD-SITE 8.2, second table: grid port, backup, T.
PORT_STATES = [(2.8, 2.0, 4.8), (-3.05, 2.0, -1.05), (-1.0, 2.0, 1.0), (0.0, 2.0, 2.0)]


@pytest.mark.parametrize(("port", "backup", "total"), PORT_STATES)
def test_grid_port_and_backup_port_add_up_to_the_terminal(port: float, backup: float, total: float) -> None:
    found = terminal_power(PORTS, {"port": port, "beside": backup}, nan, nan)
    assert found.power == pytest.approx(total)
    assert not found.estimated


def test_the_bridge_is_preferred_and_the_first_of_its_registers() -> None:
    values = {"port": 1.0, "beside": 2.0, "other": 4.0}
    assert terminal_power(BRIDGE, values, nan, nan).power == 4.0
    assert terminal_power(BRIDGE, values | {"bridge": 5.0}, nan, nan).power == 5.0
    assert isnan(terminal_power(BRIDGE, values | {"bridge": nan}, 3.0, 1.0).power)  # withheld is not missing


def test_a_grid_port_alone_is_the_terminal_unless_loads_stand_on_the_backup_port() -> None:
    assert terminal_power(ALONE, {"port": 3.0}, nan, nan).power == 3.0
    assert isnan(terminal_power(ALONE, {"port": 3.0}, nan, nan, backup=True).power)
    assert isnan(terminal_power(PORTS, {"port": 3.0}, nan, nan, backup=True).power)  # the port's register is not read


def test_without_any_register_the_dc_side_is_an_estimate() -> None:
    assert terminal_power(BARE, {}, 8.0, -3.0) == TerminalPower(5.0, estimated=True)
    assert isnan(terminal_power(BARE, {}, 8.0, nan).power)


def test_the_quantities_of_a_terminal_are_read_whatever_was_chosen() -> None:
    assert quantities_of(BARE) == ("p1", "p2", "b", "c")
    assert quantities_of(BRIDGE) == ("bridge", "other", "port", "beside")


@pytest.mark.parametrize("driver", ["sunspec:battery", "sunspec:inverter"])
def test_the_ac_power_of_a_hybrid_is_not_the_power_of_its_battery(driver: str) -> None:
    # METHOD-SITE 8.2: model 124 has no power, so B is unknown. T = 4.8 kW at noon is not a discharge of 4.8 kW.
    words = (
        *MARKER,
        *COMMON_66,
        *written(103, {**INVERTER, "W": 4_800.0}),
        *written(124, {"ChaState_SF": 0, "ChaState": 63}),
        *END,
    )
    found = discover(words, driver=driver)
    alone = DeviceConfig("store", "battery", driver, None, parse("tcp://127.0.0.1:502"), 1)
    inside = DeviceConfig("store", "battery", driver, None, parse("tcp://127.0.0.1:502"), 1, in_inverter=True)
    assert as_wired(found, alone).roles["battery"].power[0] == ("active_power_total",)
    reads = as_wired(found, inside).roles["battery"]
    assert reads.power == ()
    assert not {"energy_export", "energy_total"} & {name for pair in reads.energy for name in pair}


@pytest.mark.parametrize("driver", ["huawei_luna2000", "goodwe_et", "sungrow_sh_hybrid", "solaredge_battery_1"])
def test_a_battery_register_stays_the_power_of_a_battery_in_an_inverter(driver: str) -> None:
    inside = DeviceConfig("store", "battery", driver, None, parse("tcp://127.0.0.1:502"), 1, in_inverter=True)
    assert as_wired(load(driver), inside).roles["battery"] == load(driver).roles["battery"]
