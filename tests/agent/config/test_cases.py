"""Every wrong configuration under tests/cases stops `run` and `check` with exactly the lines in its error.txt."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CASES = sorted(Path(__file__).parents[2].joinpath("cases").iterdir())


def ended(case: Path, command: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command over a case's configuration."""
    process = subprocess.run(
        [sys.executable, "-m", "wattgram", command, "-c", "wattgram.toml"],
        cwd=case,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return process.returncode, process.stdout, process.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_configuration_ends_check_and_run_with_one_line_a_mistake(case: Path) -> None:
    expected = 2, "", (case / "error.txt").read_text()
    with ThreadPoolExecutor(2) as two:
        assert list(two.map(lambda command: ended(case, command), ("check", "run"))) == [expected, expected]


def test_there_are_cases() -> None:
    assert len(CASES) >= 28
