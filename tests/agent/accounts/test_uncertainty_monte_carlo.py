"""The published uncertainties against a Monte Carlo of the readings: METHOD-SITE 11, oracle (c).

Each draw takes an error of every part of every measuring chain, uniform within its limits and the same all day, and
accounts for the changed readings. The hybrid is split again in each draw. Twice the standard deviation is U.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator
from math import cos, nan, pi, sin
from statistics import stdev
from typing import NamedTuple

import pytest
from wattgram.accounts.hybrid_split import limits_of, split_power
from wattgram.grid.table import FactorTable
from wattgram_ext.intensity import OUTPUTS, Accounts

from tests.support.uncertain_sites import HOUR, START, accuracy, books_of, drive, meter, site, windows

NAMES = ("load_energy", "emission", "emission_intensity", "scope2_location", "scope2_market")
INCOMER = ((0.01, 0.025 * 400e3), (0.005, 0.0))
SECOND = ((0.02, 0.0),)
TERMINAL = ((0.03, 0.0),)
STORE = ((0.03, 0.01 * 60e3),)
GENSET = ((0.02, 0.0),)
FUEL = (0.07, 0.07)
GRID, RESIDUAL, SPLIT = 0.08, 0.15, 0.03


class Truth(NamedTuple):
    """Readings of an hour, W: incomers, terminal, strings and cells of a hybrid, battery, genset; g/kWh."""

    first: float
    second: float
    terminal: float
    strings: float
    cells: float
    store: float
    genset: float
    intensity: float


def day() -> Iterator[Truth]:
    """Yield the hours of a day: sun, export at noon, both batteries charging by day and discharging by night."""
    for hour in range(24):
        sun = max(0.0, sin(pi * (hour - 6) / 12.0))
        strings = 100e3 * sun
        cells = -25e3 * sun if sun > 0.3 else 12e3
        store = -20e3 if 10 <= hour < 15 else 9e3 if hour >= 18 else 0.0
        terminal = 0.96 * (strings + cells)
        first = 60e3 + 30e3 * cos(pi * hour / 8.0) - 1.1 * terminal
        yield Truth(first, 35e3, terminal, strings, cells, store, 15e3 if 8 <= hour < 20 else 0.0, 420.0 + 15.0 * hour)


DAY = tuple(day())


def shares(terminal: float, strings: float, cells: float, error: float = 0.0) -> tuple[float, float]:
    """Return PV and battery at the busbar, with an error of the split."""
    split = split_power(terminal, strings, cells, limits_of(None, None))
    moved = error * SPLIT * min(split.pv, abs(split.battery))
    return split.pv + moved, split.battery - moved


def published() -> dict[str, float]:
    """Return the day as the books publish it."""
    devices = (
        meter("first", "grid", accuracy=accuracy(1.0, 0.025, current=accuracy(0.5).meter), rated_power=400e3),
        meter("second", "grid", accuracy=accuracy(2.0)),
        meter("hybrid", "pv", accuracy=accuracy(3.0)),
        meter("cells", "battery", behind=("hybrid",)),
        meter("store", "battery", rated_power=60e3),
        meter("genset", "genset", accuracy=accuracy(2.0)),
    )
    books = books_of(site(*devices, tick=HOUR, factor_uncertainty=GRID))
    rows = []
    for truth in (*DAY, DAY[0]):
        pv, cells = shares(truth.terminal, truth.strings, truth.cells)
        rows.append(
            {
                "first": truth.first,
                "second": truth.second,
                "hybrid": pv,
                "cells": cells,
                "store": truth.store,
                "genset": truth.genset,
            }
        )
    [found] = windows(drive(books, START, rows, HOUR, [truth.intensity for truth in (*DAY, DAY[0])]), "1d")
    return found


def draws(count: int, seed: int) -> Iterator[tuple[float, ...]]:
    """Yield the numbers of the day with drawn errors."""
    chance = random.Random(seed)

    def error(parts: tuple[tuple[float, float], ...]) -> Callable[[float], float]:
        drawn = [(share * chance.uniform(-1.0, 1.0), offset) for share, offset in parts]

        def changed(power: float) -> float:
            sign = (power > 0.0) - (power < 0.0)
            return power + sign * sum(share * (abs(power) + offset) for share, offset in drawn)

        return changed

    for _ in range(count):
        first, second, terminal = error(INCOMER), error(SECOND), error(TERMINAL)
        store, genset = error(STORE), error(GENSET)
        split, grid = chance.uniform(-1.0, 1.0), 1.0 + GRID * chance.uniform(-1.0, 1.0)
        official, residual = 1.0 + GRID * chance.uniform(-1.0, 1.0), 1.0 + RESIDUAL * chance.uniform(-1.0, 1.0)
        fuel = 1.0 + sum(limit * chance.uniform(-1.0, 1.0) for limit in FUEL)
        accounts = Accounts(
            ["grid", "grid", "pv", "battery", "battery", "genset"],
            [0.0, 0.0, 0.0, 0.0, 0.0, 762.0 * fuel],
            official_factor=500.0 * official,
            residual_factor=FactorTable.shipped().residual("CN-CQ", START) * residual,
            windows=1,
            pools=[0, 0, 0, 0, 1, 0],
            batteries=[(0.95, 0.95, 0.0, 0.0, True), (0.95, 0.95, 0.0, 0.0, True)],
        )
        block = array("d")
        for truth in DAY:
            pv, cells = shares(terminal(truth.terminal), truth.strings, truth.cells, split)
            powers = first(truth.first), second(truth.second), pv, cells, store(truth.store), genset(truth.genset)
            block.extend((float(HOUR), truth.intensity * grid, nan, *powers))
        accounts.step(block.tobytes())
        outputs = memoryview(accounts.window(0, 86400.0)).cast("d")
        yield tuple(outputs[OUTPUTS.index(name)] for name in NAMES)


def compare(count: int, tolerance: float) -> None:
    found = published()
    assert str(found["uncertainty_basis"]) == "assumed"
    for name, numbers in zip(NAMES, zip(*draws(count, 11), strict=True), strict=True):
        assert sum(numbers) / count == pytest.approx(found[name], rel=0.01), name
        assert found[f"{name}_uncertainty"] == pytest.approx(2.0 * stdev(numbers), rel=tolerance), name


@pytest.mark.slow(2)
def test_uncertainties_of_a_day_agree_with_some_draws() -> None:
    compare(600, 0.08)


@pytest.mark.nightly(part="days")
@pytest.mark.slow(20)
def test_uncertainties_of_a_day_agree_with_a_monte_carlo_of_10000_draws() -> None:
    compare(10_000, 0.03)
