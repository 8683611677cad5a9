"""A report and the files of its spool: closed, open, damaged, foreign, and beside the daemon."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from pathlib import Path

import pytest
from wattgram.base.errors import HistoryError
from wattgram.base.record import Record
from wattgram.store.history import History

from tests.support.command_runs import wattgram
from tests.support.report_quarters import KWH, contents, figures, loads, report_of
from tests.support.running_site import configuration, daemon, one_device
from tests.support.servers import free_port, request, wait_for
from tests.support.stored_history import held, quarters, stored, utc, window


def test_reading_a_closed_spool_changes_and_creates_no_file(two_sources: Path) -> None:
    before = contents(two_sources)
    report_of(two_sources)
    assert contents(two_sources) == before
    assert sorted(before) == ["journal", "spool.db"]


def test_an_open_spool_is_read_including_its_write_ahead_log(tmp_path: Path) -> None:
    async def read_open_spool() -> dict[str, float | None]:
        async with held(tmp_path / "spool", quarters("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", KWH)) as spool:
            assert (tmp_path / "spool" / "spool.db-wal").stat().st_size > 0
            before = sorted(contents(tmp_path / "spool"))
            first = loads(report_of(tmp_path / "spool"))
            assert first == {"2026-06-01": 4.0}
            spool.append(window("15m", utc("2026-06-01T11:00:00Z"), KWH))
            await spool.sync()
            assert sorted(contents(tmp_path / "spool")) == before
            return loads(report_of(tmp_path / "spool"))

    assert asyncio.run(read_open_spool()) == {"2026-06-01": 5.0}


def test_a_record_with_a_wrong_checksum_is_omitted_and_counted(two_sources: Path) -> None:
    db = sqlite3.connect(two_sources / "spool.db")
    with db:
        db.execute("UPDATE record SET time = time + 1 WHERE seq = 1")
    db.close()
    site_report = report_of(two_sources)
    assert figures(site_report.total)["load_energy_kwh"] == 30.0
    assert "1 damaged records are omitted" in site_report.notes


def test_a_directory_without_a_history_is_reported_in_one_line(tmp_path: Path, two_sources: Path) -> None:
    foreign, empty, other = tmp_path / "foreign", tmp_path / "empty", tmp_path / "other"
    for folder in (foreign, empty, other):
        folder.mkdir()
    (foreign / "spool.db").write_bytes(b"no database at all" * 100)
    sqlite3.connect(other / "spool.db").execute("CREATE TABLE series (name TEXT)").connection.close()
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "spool.db").write_bytes((two_sources / "spool.db").read_bytes())
    (torn / "spool.db-wal").write_bytes(b"x" * 100)
    for folder, words in {
        tmp_path / "missing": "no such directory",
        two_sources / "spool.db": "no such directory",
        empty: "no history of wattgram there (spool.db is missing)",
        foreign: "not a history of wattgram",
        other: "not a history of wattgram",
        torn: "its spool.db-shm is missing",
    }.items():
        with pytest.raises(HistoryError, match=re.escape(words)) as caught:
            History(folder, "works").stored()
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
    assert sorted(path.name for path in torn.iterdir()) == ["spool.db", "spool.db-wal"]


def test_windows_of_another_site_are_not_read(tmp_path: Path) -> None:
    spool = stored(tmp_path / "spool", [window("15m", utc("2026-06-01T10:00:00Z"), KWH, site="mill")])
    with pytest.raises(HistoryError, match="nothing of site 'works' is stored; stored are 'mill'"):
        report_of(spool)


def test_windows_are_sorted_and_start_in_the_period(tmp_path: Path) -> None:
    records: list[Record] = list(quarters("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", KWH))
    spool = stored(tmp_path / "spool", reversed(records))
    windows = History(spool, "works").windows("15m", records[1].time, records[3].time)
    assert [found.time for found in windows] == [records[1].time, records[2].time]
    assert list(History(spool, "works").windows("1h", 0, 2**62)) == []


@pytest.mark.server
def test_a_report_works_beside_the_daemon_and_after_a_kill(tmp_path: Path) -> None:
    stored(tmp_path / "spool", quarters("2026-06-01T04:00:00Z", "2026-06-01T05:00:00Z", KWH))
    page = f"127.0.0.1:{free_port()}"
    devices = one_device("incomer", "grid", "eastron_sdm630", free_port())
    with daemon(tmp_path, configuration(tmp_path, devices, http=page)) as running:
        wal = tmp_path / "spool" / "spool.db-wal"
        wait_for(lambda: wal.exists() and wal.stat().st_size > 0, 30, "the daemon's first commit")
        wait_for(lambda: "live page on" in running.log, 30, "the page")
        call = ("report", "-c", str(running.path), "--period", "2026-06-01..2026-06-01", "--format", "json")
        with_daemon = wattgram(*call)
        assert (with_daemon.code, with_daemon.err) == (0, "")
        assert json.loads(with_daemon.out)["total"]["load_energy_kwh"] == 4.0
        assert request(f"http://{page}/api/now")[0] == 200
        running.kill()
        assert wal.stat().st_size > 0
        before = contents(tmp_path / "spool")
        after_kill = wattgram(*call)
        assert (after_kill.code, json.loads(after_kill.out)["rows"]) == (0, json.loads(with_daemon.out)["rows"])
        assert contents(tmp_path / "spool") == before
        running.start()
        wait_for(lambda: running.log.count("1 devices on 1 buses") == 2, 30, "the daemon after the report")
    assert "in use" not in running.log
