"""Helpers of tests about gaps: a plant that runs, ends by kill -9 or in order, and begins again; what it stored."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.store.history import History

from .plants import Plant

FAR = 2**62
FLOWS_IN = ("grid_import", "pv", "generation", "battery_discharge")
FLOWS_OUT = ("grid_export", "battery_charge", "unaccounted")


def at(text: str) -> int:
    """Return a time in UTC, ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


def run_until(plant: Plant, until: int, tick: float, powers: Mapping[str, float], silent: tuple[str, ...] = ()) -> None:
    """Make ticks up to a time, without readings of the silent devices."""
    while plant.clock.now < until:
        plant.flow(tick, **powers)
        if speaking := [name for name in powers if name not in silent]:  # without a name, `read` reads all
            plant.read(*speaking)
        plant.site.tick(plant.clock.now)


async def opened(
    folder: Path, roles: Mapping[str, str], start: int, powers: Mapping[str, float] | None = None, **more: Any
) -> Plant:
    """Return a plant with its spool open, as a process begins. powers: that flow already, W; by default 0."""
    plant = Plant(folder, roles, start, **more)
    plant._powers |= powers or {}
    await plant.spool.open()
    await plant.site.restore()
    return plant


async def ended(plant: Plant, folder: Path, *, killed: bool) -> Path:
    """End the process, by kill -9 or in order; return the spool's folder as the next process finds it."""
    await plant.spool.sync()
    if not killed:
        await plant.spool.close()
        return folder
    left = folder.with_name(f"{folder.name}-left")
    shutil.copytree(folder, left)
    await plant.spool.close()
    return left


def windows(folder: Path, window: str) -> list[Record]:
    """Return the stored windows of a length, each in its highest revision."""
    return list(History(folder, "works").windows(window, 0, FAR))


def kwh(record: Record, name: str) -> float:
    """Return an energy of a window, kWh."""
    value = record.as_dict()[f"{name}_energy"]
    assert isinstance(value, float)
    return value / 1000.0


def assert_closing(folder: Path) -> None:
    """METHOD-SITE 12 in every published window, in energy and in carbon, to 1e-9."""
    for window in ("15m", "1h", "1d"):
        for record in windows(folder, window):
            fields = record.as_dict()
            for kind, load in (("energy", "load_energy"), ("emission", "emission")):
                parts_in = [float(fields.get(f"{name}_{kind}", 0.0)) for name in FLOWS_IN]
                parts_out = [float(fields.get(f"{name}_{kind}", 0.0)) for name in FLOWS_OUT]
                whole = sum(map(abs, parts_in + parts_out))
                assert sum(parts_in) == pytest.approx(
                    sum(parts_out) + float(fields.get(load, 0.0)), rel=1e-9, abs=1e-9 * whole
                )
