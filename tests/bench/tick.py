"""Accounts.step at 50 channels against the same sums in NumPy and in plain C (tick.c).

NumPy gets one tick a call, as the daemon works. C is called in a C loop: ours is measured against it with one
tick a call, where the interpreter's share is seen, and with a block of ticks.
"""

from __future__ import annotations

import ctypes
import struct
import subprocess
import tempfile
from collections.abc import Callable
from math import isclose, isnan, nan
from pathlib import Path
from statistics import median
from timeit import Timer

import numpy as np
import numpy.typing as npt
from wattgram_ext.intensity import OUTPUTS, Accounts

Row = npt.NDArray[np.float64]

ROLES = ["grid", *["pv"] * 20, "battery", *["genset"] * 2, *["load"] * 26]
FACTORS = [0.0, *[41.0] * 20, 0.0, *[800.0] * 2, *[0.0] * 26]
GROUPS = {"grid": 0, "pv": 1, "battery": 2, "genset": 3, "load": 4}  # of tick.c
BLOCK = 1000
REPEATS = 31
SHARED = 30
"""Outputs of all three implementations, the first ones: up to `coverage`. Only ours has the others."""


def row(i: int) -> list[float]:
    """One row: power that moves a little, the battery in turn charging and discharging."""
    powers = [100e3 + i, *[5e3 + i] * 20, 20e3 * (-1 if i // 50 % 2 else 1), 10e3, 12e3, *[8e3] * 26]
    return [1.0, 558.1, 0.342, *powers]


class Numpy:
    """The accounts of tick.c in vectorised NumPy, each role's channels as one slice."""

    def __init__(self) -> None:
        self.before = np.full(len(ROLES), np.nan)
        self.factors = np.array(FACTORS) / 1000
        role = np.array([GROUPS[name] for name in ROLES])
        self.masks = np.array([role == group for group in range(5)], dtype=float)
        self.production = (role == 1) | (role == 3)
        self.store = np.zeros(4)
        self.last = np.full(3, np.nan)  # carbon, clean and own energy per Wh of the last stock
        self.sums = np.zeros(25)

    def step(self, row: Row) -> Row:
        hours, grid, clean = row[0] / 3600, row[1] / 1000, row[2]
        now = np.where(np.abs(row[3:]) <= 1e12, row[3:], np.nan)
        mean = np.where(np.isnan(self.before), now, np.where(np.isnan(now), self.before, (self.before + now) / 2))
        self.before = now
        there = ~np.isnan(mean)
        mean = np.where(there, mean, 0.0)
        mean = np.where(self.production, np.maximum(mean, 0.0), mean)
        net, pv, battery, genset, meters = self.masks @ mean
        pv_carbon, genset_carbon = (self.masks @ (mean * self.factors))[[1, 3]]
        measured = self.masks @ there
        bought, sold, discharge, charge = max(net, 0.0), max(-net, 0.0), max(battery, 0.0), max(-battery, 0.0)
        load = bought + pv + genset + discharge - sold - charge
        needed = discharge * hours / 0.95
        known = min(needed, self.store[0])
        # Energy beyond the stock is that of the last stock, or of the grid before the first one (METHOD-SITE 9.6).
        last = np.array([grid, clean, 0.0]) if np.isnan(self.last[0]) else self.last
        mix = self.store[1:] / self.store[0] if self.store[0] > 0 else last
        drawn = mix / np.array([0.95, 1.0, 1.0])
        total = np.array([bought * grid + pv_carbon + genset_carbon, bought * clean + pv, pv]) + discharge * drawn
        to_load, to_store, to_export = np.outer(np.array([load, charge, sold]) / (load + charge + sold), total)
        coverage = measured[:4].sum() / self.masks[:4].sum()
        flows = np.array([load, bought, sold, pv, genset, discharge, charge, meters - load])
        carbon = np.array(
            [
                to_load[0],
                genset_carbon,
                bought * grid,
                bought * 0.6096,
                (to_load[2] + sold) * grid - to_export[0],
            ]
        )
        out = np.full(SHARED, np.nan)
        out[:8] = flows
        out[8:16] = flows * hours
        out[16:20] = to_load[0] / load * 1000, row[1], nan, to_load[0]
        if discharge > 0 or self.store[0] > 0:
            out[18] = drawn[0] * 1000
        out[20:25] = carbon * hours
        out[26:30] = to_load[1] / load, 1 - to_export[2] / pv, to_load[2] / load, coverage
        rates = np.array(
            [
                bought * grid + pv_carbon + genset_carbon,
                to_export[0],
                discharge * drawn[0],
                (needed - known) * mix[0] / hours,
                to_load[1],
                to_load[2],
                to_export[2],
                pv,
            ]
        )
        times = np.array([row[1], 1.0, coverage, 1.0]) * row[0]
        self.sums += np.concatenate((flows * hours, carbon * hours, rates * hours, times))
        if known > 0:
            self.last = mix
            self.store = self.store * (1 - known / self.store[0])
        self.store = self.store + np.array([charge * 0.95, to_store[0], *(to_store[1:] * 0.95)]) * hours
        return out


class PlainC:
    """tick.c, compiled by cc -O3."""

    def __init__(self, folder: str, roles: list[str], factors: list[float], most: int) -> None:
        library = Path(folder, "tick.so")
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O3", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
        self.code = ctypes.CDLL(str(library))
        self.roles = (ctypes.c_int * len(roles))(*(GROUPS[name] for name in roles))
        self.factors = (ctypes.c_double * len(roles))(*(factor / 1000 for factor in factors))
        self.state = ctypes.create_string_buffer(self.code.state_size())
        first = struct.pack(f"{len(roles)}d", *[nan] * len(roles))
        before = ctypes.addressof(self.state) + self.code.state_size() - 64 * 8  # State's last part
        ctypes.memmove(before, first, len(first))
        self.out = ctypes.create_string_buffer(SHARED * 8 * most)

    def run(self, block: bytes, rows: int, *, rewind: bool = False) -> bytes:
        """So many rows; with rewind the first one again and again."""
        self.code.ticks(
            self.state,
            len(self.roles),
            self.roles,
            self.factors,
            block,
            self.out,
            ctypes.c_long(rows),
            int(rewind),
        )
        return self.out.raw


def agree(name: str, ours: bytes, theirs: bytes) -> None:
    """Assert that two implementations give the same shared outputs; otherwise their times are not comparable."""
    found = np.frombuffer(ours).reshape(-1, len(OUTPUTS))[:, :SHARED]
    other = np.frombuffer(theirs).reshape(-1, SHARED)[: len(found)]
    for i, (one, two) in enumerate(zip(found.flat, other.flat, strict=True)):
        if not (isclose(one, two, rel_tol=1e-9, abs_tol=1e-6) or (isnan(one) and isnan(two))):
            raise SystemExit(f"tick: {name} does not agree in {OUTPUTS[i % SHARED]} of row {i // SHARED}: {one} {two}")


def accounts() -> Callable[[bytes], bytes]:
    return Accounts(ROLES, FACTORS, windows=5, residual_factor=609.6).step


def compare(plain: PlainC, numpy: Numpy, blocks: list[bytes]) -> None:
    """Assert that all implementations agree over the rows, one a block."""
    expected = accounts()(b"".join(blocks))
    agree("NumPy", expected, b"".join(numpy.step(np.frombuffer(values)).tobytes() for values in blocks))
    agree("C", expected, plain.run(b"".join(blocks), len(blocks)))


def main() -> None:
    rows = [row(i) for i in range(BLOCK)]
    blocks = [struct.pack(f"{len(values)}d", *values) for values in rows]
    block = b"".join(blocks)
    with tempfile.TemporaryDirectory() as folder:
        numpy, plain = Numpy(), PlainC(folder, ROLES, FACTORS, BLOCK)
        compare(plain, numpy, blocks)
        step, first = accounts(), blocks[0]
        numbers = np.frombuffer(first)
        one_by_one = Timer(lambda: step(first))
        vectorised = Timer(lambda: numpy.step(numbers))
        in_c = Timer(lambda: plain.run(first, BLOCK, rewind=True))
        whole = Timer(lambda: step(block))
        whole_in_c = Timer(lambda: plain.run(block, BLOCK))
        times = [
            (
                one_by_one.timeit(2000) / 2000,
                vectorised.timeit(50) / 50,
                in_c.timeit(2) / (2 * BLOCK),
                whole.timeit(2) / (2 * BLOCK),
                whole_in_c.timeit(2) / (2 * BLOCK),
            )
            for _ in range(REPEATS)
        ]
    ours, peer, c, ours_in_block, c_in_block = (median(column) * 1e9 for column in zip(*times, strict=True))
    print(f"tick 50 channels: {peer / ours:.0f}x NumPy ({ours:.0f}, {peer:.0f} ns), goal at least 20x")
    print(f"tick a call: {ours / c:.2f}x plain C's time ({ours:.0f}, {c:.0f} ns), goal at most 1.5x")
    print(
        f"tick in blocks of {BLOCK}: {ours_in_block / c_in_block:.2f}x plain C's time "
        f"({ours_in_block:.0f}, {c_in_block:.0f} ns), goal at most 1.5x"
    )


if __name__ == "__main__":
    main()
