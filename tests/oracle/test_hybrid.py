"""A hybrid's split against the tables of METHOD-SITE 8.2, typed from the page, and properties of every state."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.oracle.hybrid import Registers, Share, Terminal, battery_power, cause, residual_is_a_loss, shared, split
from tests.oracle.steps import Number, exact

TABLE = """
noon, charging           | 4.8   | 8.0 | -3.0 | 2.0  | 7.8  | 0    | 3.0  | 6.8
night                    | 4.75  | 0   | 5.0  | 1.0  | 0    | 4.75 | 0    | 5.75
evening, both            | 4.8   | 2.0 | 3.0  | 1.0  | 1.92 | 2.88 | 0    | 5.8
charged from the grid    | -4.25 | 0   | -4.0 | 10.0 | 0    | 0    | 4.25 | 5.75
grid and PV charge       | -3.2  | 1.0 | -4.0 | 10.0 | 1.0  | 0    | 4.2  | 6.8
standby                  | -0.03 | 0   | 0    | 1.0  | 0    | 0    | 0    | 1.0
P unknown, charging      | 5.0   | -   | -3.0 | 0    | 8.0  | 0    | 3.0  | 5.0
P unknown, discharging   | 5.0   | -   | 2.0  | 0    | 3.0  | 2.0  | 0    | 5.0
"""
"""Name, T, P, B, import, pv, discharge, charge, load in kW: the first table of oracles of METHOD-SITE 8.2."""

PORTS = """
PV feeds the backup port             | 2.8   | 2.0 | 4.8   | 5.0 | 0    | 1.0 | 4.8 | 0   | 0    | 5.8
grid passes through and charges      | -3.05 | 2.0 | -1.05 | 0   | -1.0 | 4.0 | 0   | 0   | 1.05 | 2.95
battery carries part of the backup   | -1.0  | 2.0 | 1.0   | 0   | 1.05 | 1.5 | 0   | 1.0 | 0    | 2.5
island                               | 0     | 2.0 | 2.0   | 0   | 2.1  | 0   | 0   | 2.0 | 0    | 2.0
"""
"""Name, grid port, backup, T, P, B, import, pv, discharge, charge, load in kW: the second table."""


def rows(table: str) -> list[tuple[str, list[Fraction | None]]]:
    """Return the rows of a table: name, and values in W."""
    found = []
    for line in table.strip().splitlines():
        name, *cells = (cell.strip() for cell in line.split("|"))
        found.append((name, [None if cell == "-" else exact(cell) * 1000 for cell in cells]))
    return found


def flows(share: Share) -> tuple[Number, Number, Number]:
    """Return pv, discharge, charge of a split that is known."""
    assert share.pv is not None
    assert share.discharge is not None
    assert share.charge is not None
    return share.pv, share.discharge, share.charge


@pytest.mark.parametrize(("name", "row"), rows(TABLE), ids=lambda found: found if isinstance(found, str) else "")
def test_a_bridge_is_split_as_the_table_says(name: str, row: list[Fraction | None]) -> None:
    t, p, b, imported, *expected, load = row
    terminal = Terminal("bridge", "" if p is None else "pv")
    found = shared(terminal, (Registers(bridge=t, dc=p),), b)
    assert list(flows(found)) == expected
    pv, discharge, charge = flows(found)
    assert imported is not None
    assert imported + pv + discharge - charge == load


@pytest.mark.parametrize(("name", "row"), rows(PORTS), ids=lambda found: found if isinstance(found, str) else "")
def test_the_ports_add_up_to_the_terminal(name: str, row: list[Fraction | None]) -> None:
    grid_port, backup, t, p, b, imported, *expected, load = row
    found = shared(Terminal("ports", backup=True), (Registers(grid_port=grid_port, backup_power=backup, dc=p),), b)
    assert found.net == t
    assert list(flows(found)) == expected
    pv, discharge, charge = flows(found)
    assert imported is not None
    assert imported + pv + discharge - charge == load


powers = st.integers(-20_000, 20_000).map(Fraction)


@given(powers, st.none() | powers.map(abs), powers, st.none() | st.just(Fraction(10_000)))
@settings(max_examples=500)
@example(Fraction(5), Fraction(0), Fraction(0), None)  # P + B = 0: pv = T
def test_the_split_adds_up_to_the_terminal_and_never_runs_backwards(
    t: Fraction, p: Fraction | None, b: Fraction, rated: Fraction | None
) -> None:
    found = split(t, p, b, rated)
    if found.contradiction:
        assert t < 0 <= b
        assert not found.known
        assert found.net == t
        return
    pv, discharge, charge = flows(found)
    assert min(pv, discharge, charge) >= 0
    assert charge == 0 or discharge == 0
    assert pv - charge + discharge == found.net
    assert found.net == (0 if t < 0 <= b else t)


@given(st.integers(0, 20_000), st.integers(-20_000, 20_000), st.integers(0, 100))
@settings(max_examples=500)
def test_a_conversion_loss_costs_neither_pv_nor_charge_more_than_itself(p: int, b: int, percent: int) -> None:
    """With T = P + B - loss, and the loss at most 10 %, each share is within the loss of its DC power."""
    loss = Fraction(max(p, abs(b)) * percent, 1000)
    t = p + b - loss
    found = split(t, Fraction(p), Fraction(b))
    assume(found.known and not t < 0 <= b)
    pv, discharge, charge = flows(found)
    assert p - loss <= pv <= p
    assert max(b, 0) - loss <= discharge <= max(b, 0)
    assert max(-b, 0) <= charge <= max(-b, 0) + loss


def test_own_consumption_is_load_up_to_two_percent_of_rated_power() -> None:
    assert split(Fraction(-100), Fraction(0), Fraction(0)).net == 0
    assert split(Fraction(-101), Fraction(0), Fraction(0)).contradiction
    assert split(Fraction(-600), Fraction(0), Fraction(0), Fraction(30_000)).net == 0
    assert split(Fraction(-601), Fraction(0), Fraction(0), Fraction(30_000)).contradiction


def test_a_small_battery_power_counts_as_zero() -> None:
    assert battery_power(Terminal(), Fraction(-49)) == 0
    assert battery_power(Terminal(), Fraction(-50)) == -50
    assert battery_power(Terminal(battery_rated=Fraction(10_000)), Fraction(99)) == 0
    assert battery_power(Terminal(battery_rated=Fraction(10_000)), Fraction(100)) == 100
    assert battery_power(Terminal(), None) is None


def test_dc_power_of_both_gives_pv_without_the_battery() -> None:
    """P = net - B: 5 kW of net DC power while 3 kW charge are 8 kW of PV."""
    found = shared(
        Terminal("bridge", "net"),
        (Registers(Fraction(4800), dc=Fraction(5000), battery=Fraction(-3000)),),
        Fraction(-3000),
    )
    assert flows(found) == (7800, 0, 3000)


def test_without_a_register_the_terminal_is_pv_and_battery_and_estimated() -> None:
    found = shared(Terminal("dc"), (Registers(dc=Fraction(8000), battery=Fraction(-3000)),), Fraction(-3000))
    assert found.net == 5000
    assert found.estimated
    assert flows(found) == (8000, 0, 3000)


@pytest.mark.parametrize(
    ("terminal", "registers"),
    [
        (Terminal("grid_port", backup=True), Registers(grid_port=Fraction(1000), dc=Fraction(1000))),
        (Terminal("grid_port"), Registers(grid_port=Fraction(0), dc=Fraction(1000), off_grid=True)),
        (Terminal("ports"), Registers(grid_port=Fraction(1000), dc=Fraction(1000))),
        (Terminal("bridge"), Registers(dc=Fraction(1000))),
        (Terminal("dc"), Registers(battery=Fraction(1000))),
    ],
)
def test_the_terminal_is_unknown_where_a_port_is(terminal: Terminal, registers: Registers) -> None:
    assert shared(terminal, (registers,), Fraction(0)) == Share(None)


def test_an_unknown_battery_leaves_the_terminal_known() -> None:
    assert shared(Terminal(), (Registers(Fraction(4800), dc=Fraction(8000)),), None) == Share(Fraction(4800))


def test_inverters_on_the_same_battery_are_a_single_node() -> None:
    """Two inverters, 2.4 kW of terminal and 4 kW of PV each, 3 kW into the battery: the row "noon, charging"."""
    registers = Registers(Fraction(2400), dc=Fraction(4000))
    assert flows(shared(Terminal(), (registers, registers), Fraction(-3000))) == (7800, 0, 3000)


@pytest.mark.parametrize(
    ("p", "b", "t", "backup", "expected"),
    [
        (8000, -3000, 4800, None, ""),  # 200 Wh of loss
        (5000, 0, 2800, 2000, "T is the grid port"),  # the first row of the ports: 4.8 - 2.0, r = 2.2
        (8000, 3000, 4800, None, "the battery's sign"),  # charging read as discharging, r = 6.2
        (5000, -3000, 4800, None, "DC power is net"),  # r = -2.8
        (4000, 0, 4200, None, "registers computed from one another"),  # r = -0.2, beyond 1 % of 10 kWh
        (900, 0, 100, None, ""),  # moves less than a tenth of rated energy
    ],
)
def test_a_residual_names_its_likely_cause(p: int, b: int, t: int, backup: int | None, expected: str) -> None:
    power = Fraction(p), Fraction(b), Fraction(t)
    rated = Fraction(10_000)
    assert residual_is_a_loss(*power, rated) == (not expected)
    assert cause(*power, None if backup is None else Fraction(backup), rated) == expected
