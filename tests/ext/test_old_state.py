"""The state of accounts: continued, refused, and of older versions as these versions dumped it."""

from __future__ import annotations

import base64
import struct
import zlib
from math import nan

import pytest
from wattgram_ext.intensity import Accounts

from tests.support.account_rows import CHONGQING, HOUR, site, step, unpack


def test_accounts_continue_where_they_were() -> None:
    first, second = site("grid", "battery", windows=1), site("grid", "battery", windows=1)
    step(first, 10e3, -5e3)
    second.restore(first.state())
    assert second.stock() == first.stock()
    assert step(second, 0, 3e3) == pytest.approx(step(first, 0, 3e3), nan_ok=True)
    assert second.state() == first.state()


def test_a_foreign_or_damaged_state_is_refused_and_changes_nothing() -> None:
    accounts = site("grid", "battery", windows=1)
    step(accounts, 10e3, -5e3)
    state = accounts.state()
    foreign = [
        (site("battery", "grid", windows=1).state(), "other channels"),
        (site("grid", windows=1).state(), "other channels"),
        (site("grid", "battery", windows=2).state(), "2 windows"),
        (state[:-1], "windows"),
        (state[:10], "not one of these"),
        (b"", "not one of these"),
        (b"x" * len(state), "not one of these"),
        (state[:8] + struct.pack("I", 99) + state[12:], "version 99"),
        (state[:32] + struct.pack("d", nan) + state[40:], "damaged"),
        (state[:32] + struct.pack("d", -1.0) + state[40:], "damaged"),
    ]
    for bad, named in foreign:
        with pytest.raises(ValueError, match=named):
            accounts.restore(bad)
    assert accounts.state() == state


STATE_OF_VERSION_2 = (
    "c-jjOaSw9zbvI;UU|?VcVh}x@S4|s8F&t34=O7+ia`A8TZik&O7IjPbUU!Hox#&87?_~#`-*OI{zMrvYKmrHW|8W2_em-?T7H9bR6~gy9iz"
    ">eNKA7Kd;K_kqK=TtaucF8=XuAR7pStCs4^*(=!ZQaHak+J<<^e&E-mVvOoW47_0UbWG;0ua;!=j%ke6xRUj$nqwRtK!~C>YtG<1-{3bUa2)"
    "4?b_9;)l`1??Ti0U2uBVTXzvv{wy?oU%2iN2h2y}`)@m-h>I-2NOuyz{O7v;tpg}sFS`8#RbKof3g2Ue9V9&~tZ~3fkAhJ!3P!=ODW5MNz*-"
    ")6T!zqDFB|{|+jD~"
)
"""Dumped by the version before flows of the time without a load: an hour of import 40 kW, PV 60 at 41 g/kWh, wind 10 at
11 g/kWh, charge 30, sub-meter 50, with 558.1 g/kWh; window 0 began then; half an hour later import is -20 and the
battery discharges 20 kW."""


def test_accounts_continue_from_a_state_of_version_2() -> None:
    accounts = Accounts(["grid", "pv", "wind", "battery", "load"], [0, 41.0, 11.0, 0, 0], windows=2, columns=["energy"])
    state = zlib.decompress(base64.b85decode(STATE_OF_VERSION_2))
    accounts.restore(state)
    with pytest.raises(ValueError, match="windows"):
        accounts.restore(state[:-8])
    # By hand: 45 kWh of import, 90 of PV, 15 of wind; 30 + 2.5 charged; 80 + 37.5 used
    window = unpack(accounts.window(1, 2 * HOUR))
    for name, kwh in (("grid_import", 45), ("pv", 90), ("generation", 15), ("battery_charge", 32.5), ("load", 117.5)):
        assert window[f"{name}_energy"] == pytest.approx(kwh * 1e3)
        assert window[f"{name}_power"] == pytest.approx(kwh * 1e3 / 1.5)
    assert window["unaccounted_energy"] == pytest.approx(0, abs=1e-9)
    assert window["grid_import_emission"] == pytest.approx(45 * 558.1)
    # the first hour's mix is (40 x 558.1 + 60 x 41 + 10 x 11) / 110, the second's (5 x 558.1 + 30 x 41 + 5 x 11) / 40
    charged = 30 * (40 * 558.1 + 2570) / 110 + 2.5 * (5 * 558.1 + 1285) / 40
    assert window["battery_charge_emission"] == pytest.approx(charged)
    assert accounts.stock() == pytest.approx((0.95 * 32.5e3, charged))
    assert unpack(accounts.window(0, HOUR))["load_energy"] == pytest.approx(37.5e3)
    # the powers of the last instant are the beginning of the next interval: a mean of 20 and 40 kW of PV
    row = step(accounts, -20e3, 20e3, 10e3, 20e3, 50e3, more=[nan] * 10)
    assert row["pv_power"] == pytest.approx(40e3)
    assert len(accounts.state()) > len(state)


STATE_OF_VERSION_3 = (
    "c-jjOaSw9zbvI;YU|?VYVn!eqI<nE6fgI5B*a4M)*?~0u1k@|6aX_JQiKEj87C~sAw-9>PH3yR1v!K%fg-@!#2!+?#s}S1ZJaOjw{Dr#XGphQmAN"
    "ci)e>?!D8E>MhJNp#Ezwq1vg%6`yHeffm;5&AApz%Fc_&K7)N5OW~_(3<HP&_H@allTmalk82YI++5qhJ(_f>AIEMgf*~-j8~edNk{W0|5HdO?m"
)
"""Dumped by the version before fuel and the history of the battery: an hour of import 40 kW, one PV 60 and another 20
with 41 g/kWh, 558.1 g/kWh of the grid; an hour in which the PV of 60 kW was unknown. The window has both."""


def test_accounts_continue_from_a_state_of_version_3() -> None:
    accounts = Accounts(["grid", "pv", "pv", "load"], [0, 41.0, 41.0, 0], windows=1, columns=["energy"])
    state = zlib.decompress(base64.b85decode(STATE_OF_VERSION_3))
    accounts.restore(state)
    with pytest.raises(ValueError, match="windows"):
        accounts.restore(state[:-8])
    # By hand: 40 + 40 kWh of import, 60 + 20 + 20 of PV; the load of the first hour is 120
    window = unpack(accounts.window(0, 2 * HOUR))
    assert window["grid_import_energy"] == pytest.approx(80e3)
    assert window["grid_import_power"] == pytest.approx(40e3)
    assert window["pv_energy"] == pytest.approx(100e3)
    assert window["pv_power"] == pytest.approx(80e3)  # of the hour in which both were known
    assert window["load_energy"] == pytest.approx(120e3)
    assert window["unaccounted_energy"] == pytest.approx(60e3)
    assert window["emission"] == pytest.approx(40 * 558.1 + 80 * 41)
    # The counter of the silent PV then says 60 kWh: the load of the second hour is 120 kWh, too
    late = [HOUR, CHONGQING, nan, *[0.0] * 4, 0.0, 0.0, 60e3, nan, 0.0, nan, 0.0, nan]
    accounts.late(struct.pack("15d", *late))
    window = unpack(accounts.window(0, 2 * HOUR))
    assert window["load_energy"] == pytest.approx(240e3)
    assert window["pv_power"] == pytest.approx(80e3)
    assert window["unaccounted_energy"] == pytest.approx(0, abs=1e-9)
    assert window["emission"] == pytest.approx(2 * (40 * 558.1 + 80 * 41))


STATE_OF_VERSION_4 = (
    "c-jjOaSw9zbvI;TU|;}YMj$RT-V!D(-1O>Y_DcsjAh>t%nnQW$CH3@~XW+ET&Ohy6Za=hVKn5L;9T<oKK6i;zhYl3hIH1tD#L;Pqr4YK~FoZt4l|1{Y4"
    "PfDQ_9|BQ9EiMt-JL#fA>swg9Z<p(osT7)>llJ&TkJe<j~ag;?Bnme*%N7U(cZ)u1Rld_kgS6ot0Tm`zo_P+^WpZtg^Pdu00jS^IH3CL1B8F)qeD#pp|"
    "261ZyZp>EjGi|Uj>2CZZN+g{3i;H%N=I_!XWNd*aHy{JB+FxX#UwVXU_D@xsH)8GSc6#-rxbVKV>f@{Ty|`O2f>@B~M0pjRI<b3AO`cZ^7Qtupb4ZU=)"
    "mkQGnSl{!tI%Up@eBcN_o!NduM?"
)
"""Dumped by the version of one busbar and one pool: an hour of import 40 kW, PV 60 at 41 g/kWh, and two batteries that
charge 20 and 10 kW, with 558.1 g/kWh; an hour in which they discharge 2 and 1 kW; an hour as the first, in which PV was
unknown. The window has all; the efficiency of a round trip is 0.85."""


@pytest.mark.parametrize("pools", [[0, 0, 0, 0], [0, 0, 0, 1]])
def test_accounts_continue_from_a_state_of_version_4(pools: list[int]) -> None:
    batteries = [(0.95, 0.95, capacity, 0.0, True) for capacity in (30e3, 10e3)[: 1 + pools[3]]]
    accounts = Accounts(
        ["grid", "pv", "battery", "battery"],
        [0, 41.0, 0, 0],
        windows=1,
        columns=["energy"],
        pools=pools,
        batteries=batteries,
    )
    state = zlib.decompress(base64.b85decode(STATE_OF_VERSION_4))
    accounts.restore(state)
    with pytest.raises(ValueError, match="windows"):
        accounts.restore(state[:-8])
    # By hand: 60 kWh charged, 3 discharged, half of the loss of 15 % at each; two pools share the stock by capacity
    energy = 60e3 * 0.85**0.5 - 3e3 / 0.85**0.5
    assert accounts.stock()[0] == pytest.approx(energy)
    if pools[3]:
        (first, first_carbon), (second, second_carbon) = accounts.stocks()
        assert (first, second) == pytest.approx((0.75 * energy, 0.25 * energy))
        assert first_carbon / first == pytest.approx(second_carbon / second)
    # The counter of PV says 60 kWh: the third hour is as the first, with a mix of 247.84 g/kWh
    late = [HOUR, CHONGQING, nan, *[0.0] * 4, 0.0, 0.0, 60e3, nan, *[0.0] * 4]
    accounts.late(struct.pack("15d", *late))
    window = unpack(accounts.window(0, 3 * HOUR))
    assert window["load_energy"] == pytest.approx(243e3)
    assert window["unaccounted_energy"] == pytest.approx(0, abs=1e-9)
    assert window["battery_charge_emission"] == pytest.approx(60 * 247.84)
    discharged = 3 * 247.84 / 0.85
    assert window["emission"] == pytest.approx(120 * 558.1 + 180 * 41 + discharged - 60 * 247.84)
    assert accounts.stock()[1] == pytest.approx(60 * 247.84 - discharged)
    step(accounts, 40e3, 60e3, -20e3, -10e3, seconds=0, more=[nan] * 8)
    with pytest.raises(ValueError, match="other channels"):  # it was of one busbar
        Accounts(["grid", "pv", "battery", "battery"], [0] * 4, windows=1, busbars=[0, 1, 0, 0]).restore(state)


STATE_WITH_HYBRID = (
    "c-jjOaSw9zbvI;TU|;}YMj+-i-4f0K0#|Q47=r-!UI#FL^949v#}G8zV&{2#24v9j*nxqTKw*so3XLv~OZ|aK4k+$BdzH5CBo>hC9-q4oM9E`"
    "O2a7kX@rMhDe}snLXH@fi-a6p5zvJ=&aQgXp0ae}Erx5;y=MHDjoH@hu<eCGDxW!`Z<~BWXK%sHC!()Y?BWnC_LQOY7^HI_@dOQ?NM@wIO9I(@"
    "CaPZfV7ha=a6pVsVFbYP&C>TBf*1mw%|2}sQfa$Ck4geGYWE%"
)
"""Dumped by the version before terminals: an hour of import 40 kW, PV 60 at 41 g/kWh, charge 30, sub-meter 50, with
558.1 g/kWh; an hour in which PV and battery were unknown; an instant with all powers. The window has both hours."""


def test_accounts_continue_from_a_state_of_version_4_with_a_terminal_more() -> None:
    # a hybrid, of which the older version had no channel for the terminal
    roles = ["grid", "pv", "battery", "terminal", "load"]
    accounts = Accounts(roles, [0, 41.0, 0, 0, 0], terminals=[-1, 3, 3, -1, -1], windows=1, columns=["energy"])
    state = zlib.decompress(base64.b85decode(STATE_WITH_HYBRID))
    accounts.restore(state)
    with pytest.raises(ValueError, match="windows"):
        accounts.restore(state[:-8])
    with pytest.raises(ValueError, match="other channels"):
        site(*roles[:3], roles[4], windows=1).restore(accounts.state())
    charged = 30 * (40 * 558.1 + 60 * 41) / 100
    assert accounts.stock() == pytest.approx((0.95 * 30e3, charged))
    window = unpack(accounts.window(0, 2 * HOUR))
    for name, kwh in (("grid_import", 80), ("pv", 60), ("battery_charge", 30), ("load", 70), ("unaccounted", 40)):
        assert window[f"{name}_energy"] == pytest.approx(kwh * 1e3), name
    # the powers of the last instant are the beginning of the next interval
    row = step(accounts, 20e3, 20e3, -10e3, nan, 50e3, more=[nan] * 10)
    assert (row["grid_import_power"], row["pv_power"], row["battery_charge_power"]) == (30e3, 40e3, 20e3)
    # The counters of the second hour tell PV 60 and charge 30 kWh: the late energy is that of a quarter that runs still
    late = [HOUR, CHONGQING, nan, *[0.0] * 5, 0.0, 0.0, 60e3, nan, 0.0, 30e3, nan, nan, 0.0, nan]
    accounts.late(struct.pack("18d", *late))
    window = unpack(accounts.window(0, 3 * HOUR))
    assert window["load_energy"] == pytest.approx(70e3 + 50e3 + 70e3)
    assert window["unaccounted_energy"] == pytest.approx(0, abs=1e-9)
