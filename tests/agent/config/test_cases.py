"""Every wrong configuration under tests/cases ends `run` and `check` with exactly the lines in its error.txt."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_runs import Ended, called, wattgram

CASES = sorted(Path(__file__).parents[2].joinpath("cases").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_configuration_ends_check_and_run_with_one_line_a_mistake(case: Path) -> None:
    expected = Ended(2, "", (case / "error.txt").read_text())
    for command in ("check", "run"):
        assert called(command, "-c", "wattgram.toml", cwd=case) == expected


@pytest.mark.parametrize("command", ["check", "run"])
def test_the_process_ends_in_the_same_way(command: str) -> None:
    case = CASES[0]
    expected = Ended(2, "", (case / "error.txt").read_text())
    assert wattgram(command, "-c", "wattgram.toml", cwd=case) == expected


def test_there_are_cases() -> None:
    assert len(CASES) >= 28
