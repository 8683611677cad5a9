"""A history whose records lack the digests, written by an older version, and the records after the update."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.accounts.same_results import same_record
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.site.revision import Revision

from tests.support.command_runs import called
from tests.support.running_site import configuration, one_device
from tests.support.stored_history import QUARTER, stored, utc, window
from tests.support.wired_sites import WiredSite, device

BEGIN = utc("2026-06-01T00:00:00Z")
DIGESTS = ("factor_digest", "config_digest")


def newer(found: Record, digest: str) -> Record:
    """Return the record as a version with digests writes it."""
    series = replace(found.series, texts=(*found.series.texts, *DIGESTS))
    return Record(series, found.time, found.values, (*found.texts, digest, digest))


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    """Return the configuration of a site that was updated at noon; its eleventh hour was computed again afterwards."""
    path = tmp_path / "site.toml"
    path.write_text(configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", 502)))
    fields = {"load_energy": 1000.0, "emission": 500.0, "load_power": 4000.0}
    quarters = [window("15m", BEGIN + number * QUARTER, fields) for number in range(96)]
    older, later = quarters[:48], [newer(quarter, "0123456789abcdef") for quarter in quarters[48:]]
    again = window("15m", BEGIN + 44 * QUARTER, fields | {"emission": 600.0, "revision": 1})
    stored(tmp_path / "spool", [*older, *later, newer(again, "0123456789abcdef")])
    return path


def test_a_report_sums_over_both_and_counts_a_revised_quarter_once(config_path: Path) -> None:
    """96 kWh in 96 quarters; 95 of 500 g and one of 600 g are 48.1 kg."""
    ended = called("report", "-c", str(config_path), "--period", "2026-06-01..2026-06-02", "--format", "json")
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)["rows"]
    assert sum(row["load_energy_kwh"] for row in rows) == pytest.approx(96.0)
    assert sum(row["emission_kg"] for row in rows) == pytest.approx(48.1)


def test_an_export_has_one_row_for_each_quarter(config_path: Path) -> None:
    ended = called("export", "-c", str(config_path), "--window", "15m")
    rows = list(csv.DictReader(io.StringIO(ended.out, newline="")))
    assert len(rows) == len({row["time"] for row in rows}) == 96
    revised = [row for row in rows if row["revision"] == "1"]
    assert [(row["emission [g]"], row["config_digest"]) for row in revised] == [("600.0", "0123456789abcdef")]
    assert rows[0]["config_digest"] == ""
    every = called("export", "-c", str(config_path), "--window", "15m", "--all")
    assert len(every.out.splitlines()) == 1 + 97


def test_a_quarter_of_an_older_version_is_explained_without_its_terms(config_path: Path) -> None:
    ended = called("explain", "-c", str(config_path), "2026-06-01T00:00:00Z")
    assert "none: an older version" in ended.out


def test_terms_that_change_no_number_are_no_revision() -> None:
    found = window("15m", BEGIN, {"emission": 1.0})
    assert same_record(newer(found, "a" * 16), found)
    assert same_record(newer(found, "a" * 16), newer(found, "b" * 16))
    assert not same_record(newer(window("15m", BEGIN, {"emission": 2.0}), "a" * 16), found)
    other = Record(found.series, found.time, found.values, ("another source", found.texts[1]))
    assert not same_record(newer(other, "a" * 16), found)


def test_a_replay_of_an_older_history_publishes_nothing_again(tmp_path: Path) -> None:
    """The stored ticks and windows lose their digests, as if an older version had written them."""
    site = WiredSite(
        tmp_path, device("incomer", "grid"), tick=60.0, grid=f'[grid]\nzone = "CN-CQ"\n[spool]\npath = "{tmp_path}"\n'
    )
    append = site.spool.append

    def without_digests(record: Record) -> None:
        found = record
        if found.series.kind == "emission":
            texts = [name for name in found.series.texts if name not in DIGESTS]
            series = replace(found.series, texts=tuple(texts))
            append(Record(series, found.time, found.values, tuple(str(found[name]) for name in texts)))
        else:
            append(found)

    site.spool.append = without_digests  # type: ignore[method-assign]  # as the older version
    asyncio.run(site.spool.open())
    asyncio.run(site.site.restore())
    site.shows("incomer", active_power_total=2000.0)
    site.read()
    site.run(65)
    asyncio.run(site.spool.sync())
    since = site.clock.time() - 3600 * 10**9
    replay = asyncio.run(Revision(site.site, site.spool, site.clock).revise(since, site.clock.time(), ALL_WINDOWS))
    assert replay.counts.computed["15m"] > 3
    assert sum(replay.counts.changed.values()) == 0
