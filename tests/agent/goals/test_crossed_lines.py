"""Crossings of entry lines: one event each, across rounds, restarts and rounds without a value."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from wattgram.goals.crossed_lines import CROSSED, CrossedLines
from wattgram.store.spool import Spool

PILOT, NATIONAL = "pilot entry line of 2026", "national entry line of 2026"

Rounds = Sequence[Mapping[str, Mapping[str, float]]]


def run_of_a_daemon(path: Path, rounds: Rounds, state: bytes | None = None) -> list[tuple[str, str, str]]:
    """Return the events of one run of the daemon over the spool of a folder."""
    events: list[tuple[str, str, str]] = []

    async def run() -> None:
        spool = Spool(path, max_size=100_000_000, keep=1e9, sinks=[])
        await spool.open()
        try:
            if state is not None:
                spool.put_state(CROSSED, state)
                await spool.sync()
            lines = CrossedLines(spool, lambda *told: events.append(told))
            for shares in rounds:
                await lines.report(shares)
            await spool.sync()
        finally:
            await spool.close()

    asyncio.run(run())
    return events


def event(line: str) -> tuple[str, str, str]:
    return ("", "entry line crossed", f"A14: above the {line}")


def above(**shares: float) -> dict[str, dict[str, float]]:
    names = {"pilot": PILOT, "national": NATIONAL}
    return {"A14": {names[name]: share for name, share in shares.items()}, "A02": {}}


def test_a_crossing_is_one_event_across_rounds_and_restarts(tmp_path: Path) -> None:
    assert run_of_a_daemon(tmp_path, [above(pilot=0.99), above(pilot=1.0), above(pilot=1.2)]) == [event(PILOT)]
    assert run_of_a_daemon(tmp_path, [above(pilot=1.1), above(pilot=1.1)]) == []
    assert run_of_a_daemon(tmp_path, [above(pilot=0.9)]) == []
    assert run_of_a_daemon(tmp_path, [above(pilot=1.0)]) == [event(PILOT)]


def test_a_second_line_does_not_repeat_the_first(tmp_path: Path) -> None:
    rounds = [above(pilot=1.1, national=0.9), above(pilot=2.0, national=1.0), above(pilot=2.0, national=0.5)]
    assert run_of_a_daemon(tmp_path, rounds) == [event(PILOT), event(NATIONAL)]


def test_a_projection_beside_the_line_is_one_crossing(tmp_path: Path) -> None:
    rounds = [above(pilot=share) for share in (1.0, 0.99, 1.01, 0.95, 1.0)]
    assert run_of_a_daemon(tmp_path, rounds) == [event(PILOT)]


def test_a_round_without_a_value_ends_no_crossing(tmp_path: Path) -> None:
    assert run_of_a_daemon(tmp_path, [above(pilot=1.1), {}, {"A02": {}}, above(pilot=1.1)]) == [event(PILOT)]
    assert run_of_a_daemon(tmp_path, [{}, above(pilot=1.1)]) == []


def test_each_year_has_its_own_crossing(tmp_path: Path) -> None:
    next_year = {"A14": {"pilot entry line of 2027": 1.5}}
    assert run_of_a_daemon(tmp_path, [above(pilot=1.1), next_year, next_year]) == [
        event(PILOT),
        event("pilot entry line of 2027"),
    ]


@pytest.mark.parametrize("state", [b"{", b"[]", b"1", b'{"A14": 3}', b"\xff"])
def test_damaged_state_begins_anew(tmp_path: Path, state: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert run_of_a_daemon(tmp_path, [above(pilot=1.1)], state) == [event(PILOT)]
    assert "not readable" in caplog.text
