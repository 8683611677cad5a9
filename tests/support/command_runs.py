"""The commands as a user calls them: what they print where, and how they end.

`wattgram` and `started` are real processes. `called` runs a command in this process, which takes a hundredth of the
time; it is for the many calls that a command refuses or answers from its own tables.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from wattgram.__main__ import main

from tests.support.servers import START, STOP, wait_for


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `err` is without the lines of progress, which appear after ten seconds of a busy machine."""

    code: int
    out: str
    err: str


def without_progress(err: str) -> str:
    """Return what a command wrote to stderr without its lines of progress."""
    return re.sub(r"^\d+ of \d+: .*\n", "", err, flags=re.MULTILINE)


def row(table: str, first: str) -> list[str]:
    """Return the cells of the row of a printed table that begins with `first`."""
    return next(line for line in table.splitlines() if line.startswith(f"{first} ")).split()


def wattgram(*arguments: str, cwd: Path | None = None) -> Ended:
    """Run a command to its end."""
    process = subprocess.run(
        [sys.executable, "-m", "wattgram", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * START,
        check=False,
    )
    return Ended(process.returncode, process.stdout, without_progress(process.stderr))


def called(*arguments: str, cwd: Path | None = None) -> Ended:
    """Run a command to its end in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        chdir(cwd or Path.cwd()),
        patch.dict(os.environ, {"COLUMNS": "80"}),  # as where there is no terminal
    ):
        try:
            code = main(arguments)
        except SystemExit as end:  # argparse's own answers
            code = int(end.code or 0)
    out.seek(0)
    return Ended(code, out.read(), err.getvalue())


class Started:
    """A command that runs until a signal ends it; its output goes to files in `folder`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wattgram", *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def says(self, pattern: str) -> re.Match[str]:
        """Return the first match in the command's stderr, as soon as it is there."""
        (match,) = wait_for(
            lambda: list(re.finditer(pattern, self._err.read_text()))[:1], START, f"{pattern!r} on stderr"
        )
        return match

    def has_said(self, text: str) -> bool:
        """Return whether a text is in the command's stderr."""
        return text in self._err.read_text()

    def ended(self, number: signal.Signals | None = None) -> Ended:
        """Its end, by a signal where one is given."""
        if number is not None and self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(2 * START)
        return Ended(code, self._out.read_text(), without_progress(self._err.read_text()))

    def kill(self) -> None:
        """Kill the command."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Started]:
    """A command that runs while the block lasts."""
    folder.mkdir(exist_ok=True)
    process = Started(folder, *arguments)
    try:
        yield process
    finally:
        process.kill()
