"""RTU slaves on a line that takes real wire time: `paced_slaves.c`, compiled, in a separate process."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


@dataclass(slots=True)
class Tally:
    """The figures of the slaves, after their end. `smallest` in s, `seconds` from first request to last byte."""

    requests: int = 0
    early: int = 0
    smallest: float = 0.0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Slaves:
    """Open `path` as the line."""

    path: str
    tally: Tally = field(default_factory=Tally)


@contextlib.contextmanager
def slaves(directory: Path, baudrate: int, silence: float) -> Iterator[Slaves]:
    """Slaves of every address; `silence` in s is what they want before a request. The tally is there at the end."""
    program = directory / "slaves"
    if not program.exists():
        compiler = shutil.which("cc") or "gcc"
        subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", str(program), str(SOURCE)], check=True)
    process = subprocess.Popen(
        [str(program), str(baudrate), str(round(silence * 1e6))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    running = Slaves(process.stdout.readline().strip())
    try:
        yield running
    finally:
        output, _ = process.communicate(timeout=60)
    requests, early, smallest, octets, seconds = output.split()
    running.tally = Tally(int(requests), int(early), int(smallest) / 1e6, int(octets), float(seconds))
