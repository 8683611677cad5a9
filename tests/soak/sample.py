"""Measures of a running daemon, from the kernel, its own metrics and the folder of its spool."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from tests.support.servers import request

MB = 1e6

ANSWER_LOOKS, ANSWER_PAUSE = 600, 0.1
"""Looks for the daemon's answer, and s between two."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure that must not grow by more than `limit` an hour."""

    name: str
    unit: str
    limit: float


RESIDENT = Measure("resident memory", "MB", 1.0)
OBJECTS = Measure("objects in use", "1000", 16.0)  # 1 MB an hour at 64 bytes each
HEAP = Measure("heap in use", "MB", 1.0)
FILES = Measure("open files", "", 0.5)
TASKS = Measure("tasks", "", 0.5)
THREADS = Measure("threads", "", 0.5)
STORED = Measure("spool on disk", "MB", 0.5)
WAITING = Measure("records undelivered", "", 60.0)
WRITTEN = Measure("bytes to disk", "kB/s", 5.0)

MEASURES = (RESIDENT, OBJECTS, HEAP, FILES, TASKS, THREADS, STORED, WAITING, WRITTEN)


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample: real seconds since the start, a value for each measure, and the daemon's own metrics."""

    time: float
    values: dict[Measure, float]
    metrics: dict[str, float]
    written: int


def sample(pid: int, page: str, spool: Path, live: Path, time: float, before: Sample | None) -> Sample:
    """Take a sample of the daemon; OSError when it has ended. Written bytes are a rate since `before`."""
    objects, heap = in_use(pid, live)
    process = Path(f"/proc/{pid}")
    metrics = metrics_of(page)
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    io = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
    written = int(io["write_bytes"])
    values = {
        RESIDENT: 1024 * float(status["VmRSS"].split()[0]) / MB,
        OBJECTS: objects / 1e3,
        HEAP: heap / MB,
        FILES: float(len(os.listdir(process / "fd"))),
        TASKS: metrics["tasks"],
        THREADS: float(status["Threads"]),
        STORED: sum(512 * path.stat().st_blocks for path in spool.iterdir()) / MB,
        WAITING: sum(value for name, value in metrics.items() if name.endswith("_undelivered")),
    }
    values[WRITTEN] = (written - before.written) / (time - before.time) / 1e3 if before else 0.0
    return Sample(time, values, metrics, written)


def in_use(pid: int, live: Path) -> tuple[int, int]:
    """Return the daemon's small objects, and the bytes of its heap; OSError when it does not answer."""
    live.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    for _ in range(ANSWER_LOOKS):
        with suppress(FileNotFoundError):
            objects, heap = live.read_text().split()
            return int(objects), int(heap)
        sleep(ANSWER_PAUSE)
    raise TimeoutError(f"{live.name}: no answer to SIGUSR1 within {ANSWER_LOOKS * ANSWER_PAUSE:g} s")


def metrics_of(page: str) -> dict[str, float]:
    """Return the metrics of /metrics by name without `wattgram_`; metrics with a label are left out."""
    status, body = request(f"{page}metrics")
    assert status == 200, f"/metrics was answered {status}"
    return {name: float(value) for name, value in re.findall(r"^wattgram_(\w+) (\S+)$", body.decode(), re.MULTILINE)}
