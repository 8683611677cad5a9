"""A quarter, an hour, a day and a month are computed again from the exported fields alone."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from math import isclose
from pathlib import Path

import pytest
from wattgram.base.record import ALL_WINDOWS

from tests.support.audited_site import HOUR, TICK, AuditedSite, hourly
from tests.support.command_runs import called
from tests.support.recomputed import Recomputed, exported, numbers
from tests.support.stored_history import utc

BEGIN = utc("2027-03-26T22:00:00+00:00")
"""An hour before the local midnight that begins the 27th; the 28th has 23 hours."""

KINDS = "configuration,instant,late,emission"
ALL_OF = {"15m": 400, "1h": 90, "1d": 4, "1mo": 1}
"""Least number of windows that the story has."""


async def story(folder: Path) -> None:
    """Five days: a silent incomer over midnight, a restart with another factor, a replay of the grid's past."""
    end = BEGIN + 124 * HOUR
    first = AuditedSite(folder, BEGIN, hourly(BEGIN, end, (500.0, 300.0, 420.5)), 41.0, 23 * 3600.0)
    await first.begin()
    first.go(12 * 24)
    first.silent = frozenset({"incomer"})
    first.go(16)  # 80 min over midnight
    first.silent = frozenset()
    first.go(12 * 10 + 5)
    await first.end()
    now = first.clock.time()
    second = AuditedSite(folder, now + 40 * 60 * 10**9, hourly(BEGIN, end, (480.0, 310.0, 600.0)), 45.0, first.elapsed)
    second.counted = first.counted | {("incomer", 1): first.counted["incomer", 1] + 6000.0}
    await second.begin()
    second.go(12 * 83)
    await second.spool.sync()
    changed = BEGIN + 20 * HOUR
    await second.revision.revise(changed, changed + 9 * HOUR, ALL_WINDOWS)
    second.go(20)
    await second.end()


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the exported CSV of the story."""
    folder = tmp_path_factory.mktemp("audit")
    asyncio.run(story(folder))
    ended = called("export", "-c", str(written(folder)), "--kind", KINDS)
    assert ended.code == 0, ended.err
    return ended.out


def written(folder: Path) -> Path:
    """Write a configuration that names the spool; an export needs no more of it."""
    path = folder / "site.toml"
    path.write_text(
        f'[site]\nname = "works"\ntimezone = "Europe/Berlin"\n[spool]\npath = "{folder}"\n'
        '[[device]]\nname = "incomer"\nrole = "grid"\ndriver = "eastron_sdm630"\nurl = "tcp://10.0.0.1:502"\n'
    )
    return path


def published(text: str, window: str) -> Iterator[tuple[datetime, dict[str, float]]]:
    for row in exported(text):
        if row["kind"] == "emission" and row["window"] == window:
            yield datetime.fromisoformat(row["time"]), numbers(row)


@pytest.mark.slow(20)
@pytest.mark.parametrize("window", ["15m", "1h", "1d", "1mo"])
def test_each_window_follows_from_the_exported_fields(audit: str, window: str) -> None:
    told = dict(published(audit, window))
    assert len(told) >= ALL_OF[window]
    computed = dict(Recomputed(audit).windows(window))
    wrong = {}
    for begin, fields in told.items():
        for name, value in computed[begin].items():
            found = fields.get(name)
            if found is None or not isclose(value, found, rel_tol=1e-9, abs_tol=1e-6):
                wrong[begin.isoformat(), name] = (value, found)
    assert not wrong


def test_the_story_has_what_it_is_about(audit: str) -> None:
    rows = list(csv.DictReader(io.StringIO(audit, newline="")))
    assert (
        sum(row["kind"] == "late" for row in rows) == 5 + 3
    )  # 60 min after the last power held, 40 min of the restart
    assert sum(row["kind"] == "configuration" for row in rows) == 2
    days = dict(published(audit, "1d"))
    assert datetime(2027, 3, 27, 23, tzinfo=UTC) in days  # the 28th, of 23 hours
    assert any(fields["estimated_energy"] > 0 for fields in days.values())
    assert {numbers["revision"] for _, numbers in published(audit, "15m")} > {0.0, 1.0}
    assert all(fields["battery_discharge_energy"] > 0 for fields in list(days.values())[1:])
    assert TICK < 900
