"""Rows of the accounts one at a time, for tests by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import nan
from typing import Any

from wattgram_ext.intensity import DETAILS, OUTPUTS, Accounts

CHONGQING = 558.1  # g/kWh, METHOD 2.2, 2023
HOUR = 3600.0


def unpack(row: bytes) -> dict[str, float]:
    """Return a row of outputs by name."""
    return dict(zip(OUTPUTS, struct.unpack(f"{len(OUTPUTS)}d", row), strict=True))


def step(
    accounts: Accounts,
    *powers: float,
    seconds: float = HOUR,
    grid: float = CHONGQING,
    clean: float = nan,
    more: Sequence[float] = (),
) -> dict[str, float]:
    """One row; `more` are its columns behind the powers."""
    rows = [seconds, grid, clean, *powers, *more]
    return unpack(accounts.step(struct.pack(f"{len(rows)}d", *rows)))


def details(accounts: Accounts, index: int = 0) -> dict[str, float]:
    """Return the details of a window by name."""
    return dict(zip(DETAILS, struct.unpack(f"{len(DETAILS)}d", accounts.details(index)), strict=True))


def site(*roles: str, factor: float = 0.0, method: str = "proportional", windows: int = 0) -> Accounts:
    """Return accounts of channels with these roles."""
    return Accounts(roles, [factor] * len(roles), method=method, windows=windows)


def battery(**more: Any) -> Accounts:
    """Return accounts of a grid and a battery of 10 kWh with a state of charge."""
    return Accounts(["grid", "battery"], [0, 0], columns=["soc"], capacity=10e3, windows=1, **more)


def counting(*roles: str, **more: Any) -> Accounts:
    """Return accounts of channels with counters and one window."""
    return Accounts(roles, [0.0] * len(roles), columns=["energy"], windows=1, **more)
