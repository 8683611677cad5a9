"""What a hostile peer costs the attacked process: memory, and processor time between two turns of the loop.

Processor time does not depend on what else the machine does, so a busy machine fails no test.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import ROOT

MOST_MEMORY = 16_000_000
"""Most bytes that a peer may cost."""

LONGEST_TURN = 0.5
"""Longest processor time of the loop between two turns, s: a request may be as much late."""

BEAT = 0.005
"""Time between two turns of the measuring task, s."""


@dataclass
class Toll:
    """memory: growth of the largest resident size, bytes. turn: longest processor time between two turns, s."""

    memory: int = 0
    turn: float = 0.0


@asynccontextmanager
async def toll() -> AsyncIterator[Toll]:
    """Measure what the block costs."""
    _forget_peak()
    found = Toll()
    before = memory_of("VmRSS")
    beating = asyncio.create_task(_beat(found), name="beat")
    await asyncio.sleep(BEAT)
    try:
        yield found
    finally:
        beating.cancel()
        found.memory = max(0, memory_of("VmHWM") - before)


async def _beat(found: Toll) -> None:
    last = time.thread_time()
    while True:
        await asyncio.sleep(BEAT)
        now = time.thread_time()
        found.turn, last = max(found.turn, now - last), now


def _forget_peak() -> None:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew (proc(5))


def memory_of(name: str, process: int | str = "self") -> int:
    """Return a size of a process by its name in proc(5), bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def attackers(**ports: int) -> Iterator[Mapping[str, int]]:
    """Serve attacks at these ports, else all, in a process of their own; yield the port of each."""
    command = [sys.executable, "-m", "tests.peers.attacks", *(f"{name}={port}" for name, port in ports.items())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
