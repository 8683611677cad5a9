"""`wattgram goals` by its command line, over a stored history."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.agent.goals.test_text import CONTRACT
from tests.support.command_runs import called
from tests.support.goal_cards import IDS
from tests.support.markup import Read
from tests.support.running_site import START, configuration, one_device
from tests.support.servers import free_port
from tests.support.stored_history import quarters, stored

KWH = {"load_energy": 1000.0, "grid_import_energy": 1000.0, "emission": 500.0}
"""A window of 1 kWh, all imported at 500 g/kWh."""

STATES = {"on track", "off track", "not enough data", "context only", "manual entry"}  # SPEC 3


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    """Return the configuration of a site in Shanghai with an hour of windows on 1 June 2026."""
    stored(tmp_path / "spool", quarters("2026-06-01T04:00:00Z", "2026-06-01T05:00:00Z", KWH))
    return config_without_records(tmp_path)


def config_without_records(folder: Path) -> Path:
    path = folder / "site.toml"
    path.write_text(configuration(folder, one_device("incomer", "grid", "eastron_sdm630", free_port())))
    return path


def test_each_format_has_all_claims(config_path: Path) -> None:
    call = ("goals", "-c", str(config_path), "--period", "2026-06-01..2026-06-01")
    table, answer, sheet, page = (
        called(*call, "--format", format_name) for format_name in ("table", "json", "csv", "html")
    )
    assert [(ended.code, ended.err) for ended in (table, answer, sheet, page)] == [(0, "")] * 4
    documents = json.loads(answer.out)
    assert [document["goal"] for document in documents] == IDS
    assert all(list(document)[: len(CONTRACT)] == CONTRACT for document in documents)
    assert {document["state"] for document in documents} <= STATES
    assert [row["goal"] for row in csv.DictReader(io.StringIO(sheet.out))] == IDS
    assert "\n43 of 43 claims shown, " in table.out
    assert "\x1b" not in table.out
    assert Read(page.out).count("article") >= 43


def test_goals_and_report_are_chinese_on_request(config_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    call = ("-c", str(config_path), "--period", "2026-06-01..2026-06-01")
    assert "共 43 条主张" in called("goals", *call).out
    assert "指标      自发自用率" in called("goals", *call[:2], "--explain", "A12").out
    assert "43 of 43 claims shown" in called("goals", *call, "--lang", "en").out
    assert "覆盖率" in called("report", *call).out
    for command in ("goals", "report"):
        page = called(command, *call, "--format", "html").out
        assert '<html lang="zh-CN">' in page
        assert '<html lang="en">' in called(command, *call, "--format", "html", "--lang", "en").out


def test_json_is_english_unless_the_option_says_otherwise(config_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    call = ("goals", "-c", str(config_path), "--format", "json")
    english, chinese = (json.loads(called(*call, *more).out) for more in ((), ("--lang", "zh")))
    assert english[0]["claim"].startswith("Twelve provinces")
    assert chinese[0]["claim"].startswith("西部")
    kept = ("goal", "value", "unit", "state", "period")
    assert [[card[key] for key in kept] for card in chinese] == [[card[key] for key in kept] for card in english]
    assert [list(card) for card in chinese] == [list(card) for card in english]


def test_without_a_period_option_each_claim_has_its_own_period(config_path: Path) -> None:
    ended = called("goals", "-c", str(config_path), "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    # A year such as 2026 or a month such as 2026-11, by the clock of the test machine.
    assert {len(document["period"]) for document in json.loads(ended.out)} == {4, 7}


def test_a_single_claim_is_explained(config_path: Path) -> None:
    call = ("goals", "-c", str(config_path), "--period", "2026-06-01..2026-06-01", "--explain", "a04")
    text, answer = called(*call), called(*call, "--format", "json")
    assert [(ended.code, ended.err) for ended in (text, answer)] == [(0, "")] * 2
    assert text.out.startswith("A04  ")
    document = json.loads(answer.out)
    assert (document["goal"], document["extras"][0]["value"]) == ("A04", 500.0)  # 500 g of each kWh
    assert "claims.csv" in document["versions"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--explain", "A26"], ["'A26'", "nearest: 'A2", "allowed: A01, A02"]),
        (["--explain", "A12", "--format", "html"], ["--explain with --format html", "allowed with it: table, json"]),
        (["--period", "dya"], ["'dya'", "nearest: 'day'"]),
        (["--period", "2026-06-02..2026-06-01"], ["ends before it begins"]),
        (["--format", "cvs"], ["'cvs'", "nearest: 'csv'", "table, json, csv, html"]),
    ],
)
def test_a_wrong_call_is_reported_in_one_line(config_path: Path, options: list[str], words: list[str]) -> None:
    ended = called("goals", "-c", str(config_path), *options)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert [word for word in words if word not in ended.err] == [], ended.err


def test_a_site_without_records_is_reported_in_one_line(tmp_path: Path) -> None:
    ended = called("goals", "-c", str(config_without_records(tmp_path)))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"wattgram goals: {tmp_path / 'spool'}: no such directory; the first `wattgram run` creates it\n"
    )


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_output_on_a_terminal_has_colour_and_the_width_of_the_terminal(
    config_path: Path, environment: dict[str, str], coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 110))
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
    call = [sys.executable, "-m", "wattgram", "goals", "-c", str(config_path), "--period", "2026-06-01..2026-06-01"]
    process = subprocess.Popen(call, stdout=theirs, stderr=subprocess.PIPE, env=inherited | environment)
    os.close(theirs)
    output = b""
    while part := read_terminal(ours):
        output += part
    os.close(ours)
    assert process.wait(START) == 0
    text = output.decode()
    assert ("\x1b[90mcontext only\x1b[0m" in text) == coloured
    assert ("\x1b" in text) == coloured
    assert len(text.splitlines()[1]) <= 110  # the line under the names


def read_terminal(end: int) -> bytes:
    """Return output sent to a terminal; empty when its other end is closed, which Linux reports as an error."""
    try:
        return os.read(end, 65536)
    except OSError:
        return b""
