"""`wattgram run` on a faster clock: the whole daemon as a separate process.

    python -m tests.soak.gateway CONFIG START SPEED SEED LIVE

START is the clock's first time, UTC ns. On SIGUSR1 the memory that is in use goes to the file LIVE: small objects of
Python, and bytes of the C library's heap. The resident memory alone does not show it: pages of a heap are returned
only when all of a page is free.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
from pathlib import Path

from wattgram.base.clock import Clock
from wattgram.daemon import daemon
from wattgram.daemon.process_setup import begin, prepare
from wattgram.delivery.configuration import load


class HeapUse(ctypes.Structure):
    """struct mallinfo2 of malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def tell_memory(path: Path) -> None:
    """Write the objects and bytes that are in use; cycles of unused objects are removed first."""
    gc.collect()
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = HeapUse
    heap = library.mallinfo2()
    complete = path.with_suffix(".new")
    complete.write_text(f"{sys.getallocatedblocks()} {heap.uordblks + heap.hblkhd}")
    os.replace(complete, path)


async def run(path: Path, clock: Clock, seed: int, live: Path) -> None:
    """Until SIGTERM, in a process that is set up as `wattgram run` does."""
    begin()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell_memory, live)
    stop = daemon.stop_on_signals()
    async with daemon.assembled(load(path), clock, seed) as parts:
        prepare()
        await daemon.run(parts, stop)


def main() -> int:
    """The command."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s", stream=sys.stderr)
    path, start, speed, seed, live = sys.argv[1:]
    asyncio.run(run(Path(path), Clock(int(start), float(speed)), int(seed), Path(live)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
