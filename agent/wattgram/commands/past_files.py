"""The spool of a simulated past: written beside its place, and moved there when it is complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from wattgram.base.errors import SpoolError
from wattgram.config.load import Config
from wattgram.simulation.machines import SitePart
from wattgram.store.spool import Spool

from .progress import Progress
from .simulated_past import PastPeriod, SimulatedPast, past_period, write_past


async def create_past(
    config: Config, parts: Iterable[SitePart], now: int, days: float, seed: int, progress: Progress
) -> PastPeriod:
    """Write a past of so many days, up to `now` in UTC ns, as the new spool of a configuration; return its period.

    An interrupted past leaves no spool. SpoolError: the directory has files already, or cannot be written.
    """
    folder = config.spool.path
    unfinished = folder.with_name(f".{folder.name}-simulated")
    try:
        _check_empty(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)  # of a killed process
        past = SimulatedPast(config, parts, past_period(now, days, config), seed)
        try:
            await _write(config, past, unfinished, progress)
            if folder.is_dir():
                folder.rmdir()
            os.rename(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise SpoolError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return past.period


def _check_empty(folder: Path) -> None:
    """Raise SpoolError if a directory has files: measured and simulated history must never be mixed."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SpoolError(f"{folder}: found files; allowed for a simulated history: a new or empty directory")


async def _write(config: Config, past: SimulatedPast, folder: Path, progress: Progress) -> None:
    spool = Spool(folder, max_size=config.spool.max_size, keep=config.spool.keep, sinks=())
    await spool.open()
    try:
        await spool.sync()  # a disk that cannot be written is an error here
        await write_past(past, spool, lambda reached: progress.step("simulating history, days"))
    finally:
        await spool.close()
