"""Accounts of hybrids whose split is unknown (METHOD-SITE 8.2, 9.1); numbers by hand.

The channels are an incomer, PV and battery of a hybrid, and its terminal; powers of 8.2 in kW.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import inf, isnan, nan

import pytest
from wattgram_ext.intensity import Accounts

from tests.support.account_rows import CHONGQING, HOUR, details, step, unpack

UNPRICED = (
    "pv_power",
    "pv_energy",
    "battery_discharge_power",
    "battery_charge_energy",
    "emission",
    "emission_rate",
    "emission_intensity",
    "avoided",
    "clean_share",
    "self_consumption",
    "self_sufficiency",
    "pv_emission",
    "grid_export_emission",
    "battery_charge_emission",
    "battery_discharge_emission",
    "battery_intensity",
    "battery_loss_energy",
    "battery_loss_emission",
    "battery_stock_energy",
    "battery_stock_emission",
)
ROLES = ("grid", "pv", "battery", "terminal")


def hybrid(*more: str, columns: Sequence[str] = (), groups: Sequence[str] | None = None) -> Accounts:
    """Return accounts of one hybrid, and of further channels."""
    roles = [*ROLES, *more]
    terminals = [-1, 3, 3, -1, *[-1] * len(more)]
    return Accounts(roles, [0.0] * len(roles), terminals=terminals, windows=1, columns=columns, groups=groups)


def lacks(row: dict[str, float]) -> tuple[float, float]:
    """Return what the balance of METHOD-SITE 12 lacks, Wh and g."""
    flows = ("grid_import", "pv", "generation", "battery_discharge", "grid_export", "battery_charge", "unaccounted")
    known = {name: row[name] for kind in ("energy", "emission") for flow in flows if (name := f"{flow}_{kind}")}
    known |= {"load_energy": row["load_energy"], "load_emission": row["emission"]}
    known = {name: 0.0 if isnan(number) else number for name, number in known.items()}
    sums = []
    for kind in ("energy", "emission"):
        inflow = sum(known[f"{name}_{kind}"] for name in flows[:4])
        sums.append(inflow - sum(known[f"{name}_{kind}"] for name in (*flows[4:], "load")))
    return sums[0], sums[1]


def test_the_load_is_known_by_the_terminal_and_nothing_that_needs_the_mix() -> None:
    # noon: import 2, T 4.8: load 6.8 kW, whatever P and B are
    row = step(hybrid(), 2e3, nan, nan, 4.8e3)
    assert (row["load_power"], row["load_energy"]) == (6.8e3, 6.8e3)
    assert row["grid_import_power"] == 2e3
    assert row["grid_import_emission"] == row["scope2_location"] == pytest.approx(2 * 558.1)
    assert (row["grid_export_power"], row["grid_intensity"]) == (0.0, CHONGQING)
    assert row["coverage"] == pytest.approx(1 / 3)
    assert [name for name in UNPRICED if not isnan(row[name])] == []
    # T comes from no flow that is known: its energy is unaccounted, and so is the carbon that no flow takes
    assert row["unaccounted_energy"] == -4.8e3
    assert row["unaccounted_emission"] == pytest.approx(2 * 558.1)


def test_a_terminal_that_draws_power_lowers_the_load() -> None:
    row = step(hybrid(), 10e3, nan, nan, -4.25e3)  # charged from the grid
    assert (row["load_power"], row["unaccounted_energy"]) == (5.75e3, 4.25e3)


def test_a_window_has_all_of_the_load_and_the_mix_of_its_known_part() -> None:
    # An hour at noon with the split, an hour without, at twice the import
    accounts = hybrid()
    known = step(accounts, 2e3, 7.8e3, -3e3, nan)
    step(accounts, 4e3, nan, nan, 4.8e3, seconds=0)
    step(accounts, 4e3, nan, nan, 4.8e3)
    window = unpack(accounts.window(0, 2 * HOUR))
    assert (window["load_energy"], window["load_power"]) == (6.8e3 + 8.8e3, 7.8e3)
    for name in ("emission", "emission_intensity", "avoided", "clean_share", "self_sufficiency"):
        assert window[name] == pytest.approx(known[name]), name
    assert window["emission_rate"] == pytest.approx(known["emission"])  # of the hour with a mix
    assert (window["pv_energy"], window["pv_power"]) == (7.8e3, 7.8e3)
    assert window["grid_import_energy"] == 6e3
    assert window["coverage"] == pytest.approx((1 + 1 / 3) / 2)
    assert window["unaccounted_energy"] == -4.8e3
    assert lacks(window) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert details(accounts)["carbon_free_share"] == pytest.approx(known["clean_share"])


def test_a_window_without_any_mix_tells_the_load_and_no_carbon_of_it() -> None:
    accounts = hybrid("load", groups=["", "", "", "", "industry"])
    for _ in range(7):
        step(accounts, 0.1e3, nan, nan, 4.8e3, 1e3, seconds=0.7)
    window, parts = unpack(accounts.window(0, 4.9)), details(accounts)
    assert window["load_power"] == pytest.approx(4.9e3)
    assert [name for name in ("emission", "emission_intensity", "emission_rate", "avoided") if window[name] == 0] == []
    assert isnan(window["emission"])
    assert parts["industry_energy"] == pytest.approx(1e3 * 4.9 / 3600)
    assert parts["rest_energy"] == pytest.approx(3.9e3 * 4.9 / 3600)
    assert isnan(parts["industry_emission"])
    assert window["residual_power"] == pytest.approx(-3.9e3)


def test_nothing_is_counted_twice_where_the_split_is_lost_and_found() -> None:
    # one end of the first and of the last interval has the split, which is taken for the whole interval
    accounts = hybrid()
    step(accounts, 2e3, 7.8e3, -3e3, nan, seconds=0)
    found = [
        step(accounts, 2e3, *powers)["load_power"]
        for powers in [(nan, nan, 4.8e3), (nan, nan, 4.8e3), (7.8e3, -3e3, nan), (7.8e3, -3e3, nan)]
    ]
    assert found == [6.8e3] * 4


def test_the_counters_of_the_terminal_replace_its_power() -> None:
    accounts = hybrid(columns=["energy"])
    unknown = [nan] * 4
    step(accounts, 2e3, nan, nan, 4.8e3, seconds=0, more=[nan] * 8)
    row = step(accounts, 2e3, nan, nan, 4.8e3, more=[2e3, 0.0, *unknown, 5.1e3, 0.2e3])
    assert row["load_energy"] == pytest.approx(6.9e3)
    assert row["unaccounted_energy"] == pytest.approx(-4.9e3)
    # Counters of the split say that it is known, although it is lost at the end
    row = step(accounts, 2e3, nan, nan, 4.8e3, more=[2e3, 0.0, 7.8e3, 0.0, 0.0, 3e3, nan, nan])
    assert (row["load_energy"], row["pv_energy"], row["unaccounted_energy"]) == (6.8e3, 7.8e3, 0.0)


def test_a_hybrid_without_a_terminal_leaves_the_load_unknown() -> None:
    row = step(hybrid(), 2e3, nan, nan, nan)
    assert isnan(row["load_power"])
    assert row["unaccounted_energy"] == 2e3


def test_an_island_is_known_by_its_terminal() -> None:
    accounts = Accounts(["pv", "battery", "terminal"], [0.0] * 3, terminals=[2, 2, -1], windows=1)
    row = step(accounts, nan, nan, 2e3)
    assert (row["load_power"], row["coverage"]) == (2e3, 0.0)
    assert unpack(accounts.window(0, HOUR))["load_energy"] == 2e3


def test_two_hybrids_are_known_apart() -> None:
    roles = ["grid", "pv", "battery", "terminal", "pv", "battery", "terminal"]
    accounts = Accounts(roles, [0.0] * 7, terminals=[-1, 3, 3, -1, 6, 6, -1], windows=1)
    row = step(accounts, 1e3, nan, nan, 4.8e3, 3e3, -1e3, nan)
    assert row["load_power"] == pytest.approx(7.8e3)
    assert isnan(row["pv_power"])
    assert unpack(accounts.window(0, HOUR))["pv_energy"] == 3e3
    assert row["unaccounted_energy"] == pytest.approx(-4.8e3)


def test_a_load_below_zero_is_a_fault_by_the_terminal_as_well() -> None:
    accounts = hybrid()
    row = step(accounts, 1e3, nan, nan, -4e3)
    assert isnan(row["load_power"])
    assert unpack(accounts.window(0, HOUR))["coverage"] == 0
    assert step(accounts, 4e3, nan, nan, -4.01e3, seconds=0)["load_power"] == 0  # noise


def test_late_energy_of_an_incomer_settles_the_load_by_the_terminal_without_a_mix() -> None:
    # The incomer is silent for 600 s of a quarter, and the split is unknown in 300 s of these; PV 7.8, charge 3, T 4.8
    accounts = hybrid(columns=["energy"])
    none, split = [nan, nan], [1.3e3 / 2, 0.0, 0.0, 0.5e3 / 2]
    step(accounts, 2e3, 7.8e3, -3e3, nan, seconds=0, more=[nan] * 8)
    step(accounts, 2e3, 7.8e3, -3e3, nan, seconds=300, more=[2e3 / 12, 0.0, *split, *none])
    step(accounts, nan, 7.8e3, -3e3, nan, seconds=0, more=[nan] * 8)
    step(accounts, nan, 7.8e3, -3e3, nan, seconds=300, more=[*none, *split, *none])
    step(accounts, nan, nan, nan, 4.8e3, seconds=0, more=[nan] * 8)
    only = step(accounts, nan, nan, nan, 4.8e3, seconds=300, more=[*none, *none, *none, 0.4e3, 0.0])
    assert isnan(only["load_power"])
    accounts.late(struct.pack("15d", 600.0, CHONGQING, nan, *[0.0] * 4, 2e3 / 6, 0.0, *[0.0] * 6))
    window = unpack(accounts.window(0, 900.0))
    assert window["load_energy"] == pytest.approx(6.8e3 / 4)
    assert window["load_power"] == pytest.approx(6.8e3)
    assert window["emission_intensity"] == pytest.approx(558.1 * 2 / 9.8)  # of the 300 s with a mix
    assert window["pv_power"] == pytest.approx(7.8e3)
    assert window["pv_energy"] == pytest.approx(2 * 0.65e3)
    assert window["unaccounted_energy"] == pytest.approx(-0.4e3)
    assert window["coverage"] == pytest.approx((300 + 300 + 100) / 900)
    assert lacks(window) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_a_battery_beside_the_hybrid_stores_the_mix_of_the_known_inflows() -> None:
    # import 4, T 4.8, another battery takes 2: its carbon is the grid's, and its power is in no published flow
    accounts = hybrid("battery")
    row = step(accounts, 4e3, nan, nan, 4.8e3, -2e3)
    assert row["load_power"] == pytest.approx(6.8e3)
    assert isnan(row["battery_charge_power"])
    assert accounts.stock() == pytest.approx((1900, 2 * 558.1))
    window = unpack(accounts.window(0, HOUR))
    assert window["battery_charge_energy"] == 2e3
    assert lacks(window) == pytest.approx((0.0, 0.0), abs=1e-9)


@pytest.mark.parametrize(
    ("roles", "terminals"),
    [
        (["grid", "pv"], [0, 0]),
        (["grid", "pv"], [-1]),
        (["grid", "terminal"], [1, -1]),
        (["pv", "terminal"], [2, -1]),
        (["pv", "terminal"], [-2, -1]),
    ],
)
def test_terminals_that_cannot_be_are_refused(roles: list[str], terminals: list[int]) -> None:
    with pytest.raises(ValueError, match="terminal"):
        Accounts(roles, [0.0] * len(roles), terminals=terminals)


CELLS = ("battery_discharge_power", "battery_charge_power", "battery_discharge_energy", "battery_charge_energy")


def unnamed(**settings: object) -> Accounts:
    """Return accounts of an incomer and an inverter whose battery has no channel: pv and terminal."""
    return Accounts(["grid", "pv", "terminal"], [0.0] * 3, terminals=[-1, 2, -1], windows=1, **settings)  # type: ignore[arg-type]  # settings of any type


@pytest.mark.parametrize(
    ("pv", "terminal", "charge"),
    [(4.8e3, nan, 0.0), (4.8e3, inf, 0.0), (nan, nan, 0.0), (nan, inf, nan), (nan, 4.8e3, nan)],
    ids=["pv known", "pv known, marked", "silent, no battery", "silent, marked", "terminal known"],
)
def test_a_marked_terminal_makes_charge_and_discharge_unknown(pv: float, terminal: float, charge: float) -> None:
    accounts = unnamed()
    row = step(accounts, 2e3, pv, terminal)
    window = unpack(accounts.window(0, HOUR))
    expected = pytest.approx([charge] * 4, nan_ok=True)
    assert [row[name] for name in CELLS] == expected
    assert [window[name] for name in CELLS] == expected
    assert row["grid_import_energy"] == 2e3
    assert isnan(row["load_power"]) == (isnan(pv) and not terminal < inf)


def test_the_end_with_a_known_terminal_is_the_interval_of_a_marked_one() -> None:
    accounts = unnamed()
    step(accounts, 2e3, nan, 4.8e3, seconds=0)
    assert step(accounts, 2e3, nan, inf)["load_power"] == 6.8e3
    assert isnan(step(accounts, 2e3, nan, inf)["load_power"])
    assert step(accounts, 2e3, nan, 4.8e3)["load_power"] == 6.8e3


def test_a_marked_terminal_of_one_busbar_makes_the_charge_of_the_site_unknown() -> None:
    roles = ["grid", "pv", "terminal", "grid", "battery"]
    accounts = Accounts(roles, [0.0] * 5, terminals=[-1, 2, -1, -1, -1], busbars=[0, 0, 0, 1, 1], windows=1)
    assert step(accounts, 2e3, nan, nan, 1e3, -500.0)["battery_charge_power"] == 500.0
    assert isnan(step(accounts, 2e3, nan, inf, 1e3, -500.0)["battery_charge_power"])


@pytest.mark.parametrize(("terminal", "charge"), [(0.0, 0.0), (nan, nan)])
def test_late_energy_does_not_tell_the_battery_of_a_marked_terminal(terminal: float, charge: float) -> None:
    # An hour in which nothing answers; then the incomer's counter tells 2 kWh, and the inverter stays unknown
    accounts = unnamed(columns=("energy",))
    energies = [nan] * 6
    step(accounts, nan, nan, inf, *energies)
    accounts.late(struct.pack("12d", HOUR, CHONGQING, 0.0, 0.0, nan, terminal, 2e3, 0.0, 0.0, 0.0, 0.0, 0.0))
    window = unpack(accounts.window(0, HOUR))
    assert window["grid_import_energy"] == 2e3
    assert window["battery_charge_energy"] == pytest.approx(charge, nan_ok=True)
