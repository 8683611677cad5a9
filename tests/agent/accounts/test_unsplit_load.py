"""Hybrids whose split is unknown: the load is that of the split, and each window closes (METHOD-SITE 8.2, 12)."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from math import isnan, nan

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from wattgram.accounts.hybrid_split import limits_of, split_power
from wattgram_ext.intensity import Accounts

from tests.support.account_rows import CHONGQING, step, unpack

ROLES = ["grid", "pv", "battery", "terminal", "pv", "battery", "genset", "load"]
TERMINALS = [-1, 3, 3, -1, -1, -1, -1, -1]
INFLOWS = ("grid_import", "pv", "generation", "battery_discharge")
OUTFLOWS = ("load", "grid_export", "battery_charge", "unaccounted")

watts = st.floats(-20_000.0, 20_000.0)


def accounts(columns: Sequence[str] = (), method: str = "proportional") -> Accounts:
    """Return accounts of a hybrid with its terminal, beside PV, a battery, a genset and a sub-meter."""
    factors = [0.0, 41.0, 0.0, 0.0, 41.0, 0.0, 800.0, 0.0]
    return Accounts(ROLES, factors, terminals=TERMINALS, windows=2, columns=columns, method=method)


@settings(max_examples=500, deadline=None)
@given(watts, watts, watts, watts, st.floats(0.0, 20_000.0))
def test_the_load_is_that_of_the_same_site_with_a_known_split(
    terminal: float, strings: float, cells: float, imported: float, beside: float
) -> None:
    split = split_power(terminal, strings, cells, limits_of(None, None))
    assume(not split.contradictory)
    assume(split.pv - split.charge + split.discharge == pytest.approx(terminal))  # not the inverter's own consumption
    others = (beside, 0.0, 0.0, 0.0)
    right = step(accounts(), imported, split.pv, split.battery, nan, *others)
    found = step(accounts(), imported, nan, nan, terminal, *others)
    inflow = abs(imported) + beside + max(terminal, 0.0)
    if right["load_power"] > 0.02 * inflow:
        assert found["load_power"] == pytest.approx(right["load_power"], abs=1e-9 * inflow)
    told = {name: value for name, value in found.items() if not isnan(value) and name.startswith("grid_")}
    assert told == {name: right[name] for name in told}
    assert found["coverage"] < right["coverage"] == 1.0


def lacks(row: dict[str, float], kind: str) -> float:
    """Return what the balance of a window lacks (METHOD-SITE 12); kind: energy or emission. Absent is 0."""
    numbers = {name: row["emission" if name == "load_emission" else name] for name in names(kind)}
    known = {name: 0.0 if isnan(value) else value for name, value in numbers.items()}
    return sum(known[f"{name}_{kind}"] for name in INFLOWS) - sum(known[f"{name}_{kind}"] for name in OUTFLOWS)


def names(kind: str) -> list[str]:
    return [f"{name}_{kind}" for name in (*INFLOWS, *OUTFLOWS)]


def rows(chance: random.Random, count: int) -> list[bytes]:
    """Return random rows: the hybrid is split, unsplit or unknown, by powers or by counters, and others are missing."""
    found = []
    for _ in range(count):
        seconds = chance.choice([0.0, 1.0, 60.0, 900.0])
        powers = [chance.uniform(-2e4, 2e4) for _ in ROLES]
        energies = [chance.choice([nan, chance.uniform(0.0, 5e3)]) for _ in range(2 * len(ROLES))]
        state = chance.choice(["split", "unsplit", "unknown"])
        for channel in {"split": (3,), "unsplit": (1, 2), "unknown": (1, 2, 3)}[state]:
            powers[channel] = energies[2 * channel] = energies[2 * channel + 1] = nan
        if chance.random() < 0.3:
            channel = chance.choice([0, 4, 5, 6])
            powers[channel] = energies[2 * channel] = energies[2 * channel + 1] = nan
        found.append(struct.pack("27d", seconds, CHONGQING, 0.3, *powers, *energies))
    return found


def late(chance: random.Random) -> bytes:
    """Return a row of late energy: each channel known now or not."""
    powers = [chance.choice([0.0, 0.0, 0.0, nan]) for _ in ROLES]
    energies = [chance.choice([0.0, chance.uniform(0.0, 5e3)]) for _ in range(2 * len(ROLES))]
    return struct.pack("27d", chance.uniform(1.0, 900.0), CHONGQING, 0.3, *powers, *energies)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["proportional", "local-first"]))
def test_each_window_closes_in_energy_and_carbon_also_across_a_restart(seed: int, method: str) -> None:
    chance = random.Random(seed)
    books, again = (accounts(columns=["energy"], method=method) for _ in range(2))
    moved = 0.0
    stock = (0.0, 0.0)
    for _ in range(chance.randint(1, 6)):
        block = rows(chance, chance.randint(1, 4))
        for row in block:
            books.step(row)
        again.step(b"".join(block))
        if chance.random() < 0.5:
            settled = late(chance)
            books.late(settled)
            again.late(settled)
        if chance.random() < 0.3:
            books.abandon()
            again.abandon()
        restored = accounts(columns=["energy"], method=method)
        restored.restore(again.state())
        again = restored
        window = unpack(books.window(0, 3600.0))
        moved += sum(abs(window[name]) for name in names("energy") if not isnan(window[name])) + 1.0
        assert lacks(window, "energy") == pytest.approx(0.0, abs=1e-9 * moved)
        assert lacks(window, "emission") == pytest.approx(0.0, abs=1e-9 * moved)
        charge = [window[f"battery_{name}_energy"] for name in ("charge", "discharge", "loss")]
        if not any(map(isnan, charge)):
            stored = books.stock()[0] - stock[0]
            assert stored == pytest.approx(charge[0] - charge[1] - charge[2], abs=1e-9 * moved)
            carbon = [window[f"battery_{name}_emission"] for name in ("charge", "discharge", "loss")]
            stored = books.stock()[1] - stock[1]
            assert stored == pytest.approx(carbon[0] - carbon[1] - carbon[2], abs=1e-9 * moved)
        if not isnan(window["emission_intensity"]):
            assert 0.0 <= window["emission_intensity"] <= 1e6
        if chance.random() < 0.4:
            stock = books.stock()
            books.reset(0)
            again.reset(0)
    assert again.state() == books.state()
