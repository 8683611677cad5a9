"""`wattgram run` on a faster clock: the whole daemon as a separate process.

    python -m tests.soak.gateway CONFIG START SPEED SEED

START is the clock's first time, UTC ns.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from wattgram.base.clock import Clock
from wattgram.daemon import daemon
from wattgram.daemon.process_setup import begin, prepare
from wattgram.delivery.configuration import load


async def run(path: Path, clock: Clock, seed: int) -> None:
    """Until SIGTERM, in a process that is set up as `wattgram run` does."""
    begin()
    stop = daemon.stop_on_signals()
    async with daemon.assembled(load(path), clock, seed) as parts:
        prepare()
        await daemon.run(parts, stop)


def main() -> int:
    """The command."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s", stream=sys.stderr)
    path, start, speed, seed = sys.argv[1:]
    asyncio.run(run(Path(path), Clock(int(start), float(speed)), int(seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
