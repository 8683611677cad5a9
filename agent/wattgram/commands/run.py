"""`wattgram run`: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import os
import time

from wattgram.base.clock import Clock
from wattgram.base.notify import Supervisor
from wattgram.delivery.configuration import load

from .arguments import INTERRUPTED, add_config

EXAMPLE = "wattgram run -c /etc/wattgram/wattgram.toml"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c."""
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Run the daemon until SIGTERM or SIGINT."""
    config = load(options.config)
    # systemd's watchdog ends a blocked process with SIGABRT; the journal then shows where each thread was.
    faulthandler.enable()

    async def work() -> int:
        from wattgram.daemon import daemon
        from wattgram.daemon.process_setup import begin, prepare
        from wattgram.timekeeping.kernel_clock import KernelClock

        begin()
        stop = daemon.stop_on_signals()
        with contextlib.closing(Supervisor.from_environment(os.environ, os.getpid())) as supervisor:
            clock, carried = Clock(), None
            while not stop.is_set():
                begun = daemon.assembled(config, clock, time.time_ns(), supervisor, KernelClock(), carried)
                async with begun as parts:
                    if carried is None:
                        prepare()
                    await daemon.run(parts, stop)
                if (carried := parts.spool.carried) is None:
                    break  # a directory that is replaced, by a disk that was mounted late, begins another turn
        return INTERRUPTED if stop.interrupted else 0

    return asyncio.run(work())
