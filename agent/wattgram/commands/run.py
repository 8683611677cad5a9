"""`wattgram run`: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import os
import sys
import time
from collections.abc import Mapping

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
                    if started_by_hand(os.environ, os.getpid()):
                        daemon.yield_to_others(parts, stop)
                    await daemon.run(parts, stop)
                if (carried := parts.spool.carried) is None:
                    break  # a directory that is replaced, by a disk that was mounted late, begins another turn
        if stop.fault:
            print(f"wattgram: {stop.fault}", file=sys.stderr)
            return 1
        return INTERRUPTED if stop.interrupted else 0

    return asyncio.run(work())


def started_by_hand(environment: Mapping[str, str], pid: int) -> bool:
    """Return whether a person started this process: neither systemd nor a container runs it as its service."""
    served = "NOTIFY_SOCKET" in environment or environment.get("SYSTEMD_EXEC_PID") == str(pid)
    contained = pid == 1 or "container" in environment or "KUBERNETES_SERVICE_HOST" in environment
    return not served and not contained
