"""What an account leaves out while the mix of the load or a fuel is unknown (METHOD-SITE 8.2, 9.1); numbers by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.oracle.records import record
from tests.oracle.steps import floats
from tests.oracle.test_ledger import BEHIND, GRID, HYBRID, ROOF, day, hour, kilo
from tests.oracle.wiring import Device


def test_a_load_that_is_known_by_a_terminal_is_balanced_by_what_is_unaccounted() -> None:
    """METHOD-SITE 8.2: noon, T 4.8, P 8, import 2 kW, export 0; the battery is silent and never heard again."""
    powers = {"in": 2, "roof": {"bridge": "4.8", "dc": 8}, "cells": -3}
    account = hour(day(powers, (GRID, HYBRID, BEHIND), silences={"cells": ((0, 3600),)}))
    assert kilo(account, "import", "load", "unaccounted") == pytest.approx([2, 6.8, -4.8])
    assert (account.priced_load, account.intensity) == (None, None)
    told = record(account)
    assert not {"emission", "emission_intensity", "pv_energy", "battery_charge_energy"} & set(told)
    assert told["unaccounted_emission"] == pytest.approx(2 * 558.1)


def test_an_intensity_is_that_of_the_load_with_a_known_mix() -> None:
    """As above, but the battery answers for half an hour: 1 kWh of the grid and 3.9 of PV, 1.5 charged."""
    powers = {"in": 2, "roof": {"bridge": "4.8", "dc": 8}, "cells": -3}
    account = hour(day(powers, (GRID, HYBRID, BEHIND), silences={"cells": ((1800, 3600),)}))
    assert kilo(account, "load", "pv", "unaccounted") == pytest.approx([6.8, 3.9, -2.4])
    assert float(account.intensity or 0) == pytest.approx(558.1 / 4.9)


def test_scope_1_is_absent_while_its_fuel_is_unknown() -> None:
    """METHOD-SITE 9.1: a genset of 10 kW at 762 g/kWh that is silent throughout; then for half an hour."""
    genset = Device("diesel", "genset", factor=Fraction(762), counters=False)
    for silence, expected in ((3600, None), (1800, 3810)):
        made = day({"in": 100, "diesel": 10}, (GRID, genset), silences={"diesel": ((0, silence),)})
        account = hour(made)
        assert account.scope1 == expected
        assert record(account).get("scope1") == expected
    boiler = Device("boiler", "fuel", factor=Fraction(2162))
    assert hour(day({"in": 1, "boiler": 1}, (GRID, boiler), silences={"boiler": ((0, 3600),)})).scope1 is None


def test_the_carbon_of_an_export_is_unaccounted_while_the_mix_is_unknown() -> None:
    """METHOD-SITE 9.1: an export of 20 kW beside a genset of 30 kW at 762 g/kWh, and PV that is unknown."""
    genset, roof = Device("diesel", "genset", factor=Fraction(762)), replace(ROOF, counters=False)
    powers = {"in": -20, "diesel": 30, "roof": 10}
    account = hour(day(powers, (GRID, genset, roof), silences={"roof": ((0, 3600),)}))
    assert kilo(account, "export", "unaccounted") == [20, 10]
    assert floats(account.carbon["export"], account.carbon["unaccounted"]) == [0, 22_860]
