"""Windows of the compiled accounts and refused arguments."""

from __future__ import annotations

import struct
from math import isnan, nan

import pytest
from wattgram_ext.intensity import CLOSED, Accounts

from tests.support.account_rows import CHONGQING, HOUR, site, step, unpack


def test_a_window_that_ends_in_a_block_gives_its_row_and_restarts() -> None:
    accounts = Accounts(["grid"], [0], columns=["ends"], windows=2)
    rows = [(HOUR, CHONGQING, nan, 1e3, ends, 0.0) for ends in (0.0, 2 * HOUR, 0.0)]
    accounts.step(b"".join(struct.pack("6d", *row) for row in rows))
    closed = struct.unpack(f"{len(CLOSED)}d", accounts.closed())
    found = dict(zip(CLOSED, closed, strict=True))
    assert (found["row"], found["window"], found["load_energy"], found["coverage"]) == (1, 0, 2e3, 1)
    assert unpack(accounts.window(0, HOUR))["load_energy"] == 1e3
    assert unpack(accounts.window(1, 3 * HOUR))["load_energy"] == 3e3
    accounts.step(b"")
    assert accounts.closed() == b""


def test_a_window_is_a_ratio_of_sums() -> None:
    accounts = site("grid", windows=2)
    step(accounts, 1e3, seconds=0)
    step(accounts, 1e3, seconds=900, grid=1000)  # 250 Wh, 250 g
    step(accounts, 9e3, seconds=0)
    step(accounts, 9e3, seconds=900, grid=200)  # 2250 Wh, 450 g
    window = unpack(accounts.window(1, HOUR))
    assert window["emission_intensity"] == pytest.approx(700 / 2.5)
    assert window["grid_intensity"] == pytest.approx(700 / 2.5)
    assert window["load_power"] == pytest.approx(5e3)
    assert window["load_energy"] == pytest.approx(2500)
    assert window["emission_rate"] == pytest.approx(1400)
    assert window["coverage"] == 0.5
    accounts.reset(1)
    assert isnan(unpack(accounts.window(1, HOUR))["load_energy"])
    assert unpack(accounts.window(0, HOUR))["load_energy"] == pytest.approx(2500)


def test_without_import_a_windows_grid_intensity_is_the_mean_over_time() -> None:
    accounts = site("grid", "pv", windows=1)
    step(accounts, -1e3, 2e3, seconds=900, grid=100)
    step(accounts, -1e3, 2e3, seconds=2700, grid=500)
    assert unpack(accounts.window(0, HOUR))["grid_intensity"] == pytest.approx(400)


def test_wrong_accounts_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="channel 0: role 'roof'"):
        site("roof")
    with pytest.raises(ValueError, match="factors: 1"):
        Accounts(["grid", "pv"], [0])
    with pytest.raises(ValueError, match="channel 0: factor nan"):
        site("pv", factor=nan)
    with pytest.raises(ValueError, match="method: 'fair'"):
        site("grid", method="fair")
    with pytest.raises(ValueError, match="charge_efficiency"):
        Accounts(["grid"], [0], charge_efficiency=0)
    with pytest.raises(ValueError, match="windows"):
        site("grid", windows=-1)
    with pytest.raises(ValueError, match="residual_factor"):
        Accounts(["grid"], [0], residual_factor=-1.0)
    with pytest.raises(ValueError, match="channel 0: group 'steel'"):
        Accounts(["load"], [0], groups=["steel"])
    with pytest.raises(ValueError, match="groups: 2"):
        Accounts(["load"], [0], groups=["", ""])
    with pytest.raises(ValueError, match="columns: 'fuel'"):
        Accounts(["grid"], [0], columns=["fuel"])
    with pytest.raises(ValueError, match="'soc' twice"):
        Accounts(["grid"], [0], columns=["soc", "soc"], capacity=1)
    with pytest.raises(ValueError, match="capacity"):
        Accounts(["grid"], [0], columns=["soc"])
    with pytest.raises(ValueError, match="hour"):
        Accounts(["grid"], [0], columns=["certificates"], windows=1)
    with pytest.raises(ValueError, match="hour: 1"):
        Accounts(["grid"], [0], windows=1, hour=1)
    with pytest.raises(ValueError, match="self_discharge: 1"):
        Accounts(["grid"], [0], self_discharge=1)
    with pytest.raises(IndexError):
        site("grid", windows=1).details(1)
    with pytest.raises(ValueError, match="window of 0"):
        site("grid", windows=1).window(0, 0)
    with pytest.raises(IndexError):
        site("grid", windows=1).window(1, 1)
    with pytest.raises(IndexError):
        site("grid", windows=1).reset(-1)


def test_blocks_are_whole_rows() -> None:
    accounts = site("grid", "pv")
    assert accounts.step(b"") == b""
    for length in range(1, 40):
        with pytest.raises(ValueError, match="expected rows of 40"):
            accounts.step(bytes(length))
