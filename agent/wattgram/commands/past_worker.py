"""A simulated past in a process of its own, beside a running daemon: `python -m wattgram.commands.past_worker`.

stdin: pickled configuration, parts and period. stdout: pickled records that a later process appends to its store.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.config.http_table import HttpConfig
from wattgram.config.load import Config
from wattgram.simulation.machines import SitePart

from .simulated_past import PAST_STEP, PastPeriod, SimulatedPast, simulated_event

NICE = 10
"""Niceness of the process: the demonstration has priority."""

APPENDED = ("emission", "day")
"""Kinds of the records: a replay takes the instants of the store in their order, and these come too late."""


async def computed(config: Config, parts: Sequence[SitePart], period: PastPeriod) -> list[Record]:
    """Return the windows and days of a past. ChildProcessError if the process fails; cancelling ends the process."""
    request = pickle.dumps((replace(config, mqtt=None, sinks={}, http=HttpConfig()), tuple(parts), period))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        answer, _ = await process.communicate(request)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ChildProcessError(f"the simulated history ended with exit code {process.returncode}")
    records: list[Record] = pickle.loads(answer)  # noqa: S301 - from our own child, over a pipe
    return records


def records_of(config: Config, parts: Sequence[SitePart], period: PastPeriod) -> list[Record]:
    """Return the windows and days of a past, and the event about it; without ticks, instants and state."""
    # The first instant after a day closes it.
    past = SimulatedPast(config, parts, PastPeriod(period.begin, period.end + PAST_STEP * NS))
    records: dict[tuple[object, int], Record] = {}
    while past.reached < past.period.end:
        for record in past.advance():
            wanted = record.series.kind in APPENDED and ("window", "tick") not in record.series.tags
            if wanted and record.time < period.end:
                records[record.series, record.time] = record  # a day is written again each hour
    return [*records.values(), simulated_event(config.site.name, period)]


def main() -> int:
    """Compute once and return the exit code."""
    with suppress(PermissionError):  # a sandbox may forbid a change of priority
        os.nice(NICE)
    config, parts, period = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent, over a pipe
    sys.stdout.buffer.write(pickle.dumps(records_of(config, parts, period)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
