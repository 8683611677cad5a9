"""Every command as a process: results on stdout, messages on stderr, one line for each mistake, the exit code."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_runs import Ended, called, row, started, wattgram
from tests.support.misbehaving_device import honest
from tests.support.running_site import configuration, device, one_device
from tests.support.servers import free_port, request

PRESENT = (
    "demo",
    "run",
    "check",
    "scan",
    "read",
    "drivers",
    "zones",
    "simulate",
    "report",
    "goals",
    "replay",
    "export",
    "top",
)


def refused(ended: Ended, *words: str) -> None:
    """Check exit code 2, an empty stdout, and one line on stderr with all the words."""
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert [word for word in words if word not in ended.err] == [], ended.err


@pytest.mark.parametrize("command", PRESENT)
def test_the_help_of_a_command_ends_with_an_example(command: str) -> None:
    ended = called(command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert f"example: wattgram {command}" in ended.out


def test_the_list_of_commands_is_complete() -> None:
    ended = called("--help")
    assert ended.code == 0
    assert "example: wattgram demo" in ended.out
    assert [word for word in PRESENT if not re.search(rf"^    {word} ", ended.out, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["COMMAND"]),
        (["drvers"], ["found command 'drvers'", "nearest: 'drivers'", "allowed: demo, run, check"]),
        (["drivers", "eastron_sdm360"], ["'eastron_sdm360'", "nearest: 'eastron_sdm630'", "huawei_sun2000"]),
        (["drivers", "--formt", "json"], ["--formt"]),
        (["drivers", "--format", "jsn"], ["'jsn'", "nearest: 'json'", "allowed: table, json"]),
        (["run"], ["-c"]),
        (["run", "-c", "/no/such/file.toml"], ["/no/such/file.toml", "No such file"]),
        (["read", "tcp://127.0.0.1:1"], ["--driver"]),
        (["read", "tpc://127.0.0.1:1", "--driver", "sunspec"], ["'tpc'", "tcp://host:502", "did you mean 'tcp'"]),
        (["read", "tcp://127.0.0.1:1", "--driver", "sunspek"], ["'sunspek'", "nearest: 'sunspec'"]),
        (["read", "tcp://127.0.0.1:1", "--driver", "sunspec", "--unit", "256"], ["found 256", "0 to 255"]),
        (["read", "rtu:///dev/ttyUSB0", "--driver", "sunspec", "--unit", "0"], ["--unit 0", "1 to 247"]),
        (["simulate"], ["neither", "NAME", "-c FILE"]),
        (["simulate", "sunspec", "-c", "site.toml"], ["both"]),
        (["simulate", "sunspec", "--role", "gird"], ["'gird'", "nearest: 'grid'", "battery"]),
        (["simulate", "sunspec", "--fault", "slient"], ["'slient'", "nearest: 'silent'", "late=SECONDS"]),
        (["simulate", "sunspec", "--fault", "late=nan"], ["'late=nan'", "late=SECONDS"]),
        (["simulate", "sunspec", "--fault", "roof:silent"], ["'roof'", "allowed: sunspec"]),
        (["simulate", "sunspec", "--fault", "sunspek:silent"], ["'sunspek'", "nearest: 'sunspec'"]),
        (["simulate", "sunspec", "--fault", "wrong_unit"], ["'wrong_unit'", "nearest: 'wrong-unit'"]),
        (
            ["simulate", "sunspec", "--fault", "reboot=30s"],
            ["'reboot=30s'", "nearest: 'rebooting'", "rebooting=SECONDS"],
        ),
        (["simulate", "sunspec", "--fault", "late"], ["'late'", "late=SECONDS", "500ms"]),
        (["simulate", "sunspec", "--fault", "late=0"], ["'late=0'", "late=SECONDS"]),
        (["simulate", "sunspec", "--fault", "busy=30sec"], ["'busy=30sec'", "busy=SECONDS", "30s"]),
        (["simulate", "sunspec", "--fault", "busy=25h"], ["'busy=25h'", "up to 24h"]),
        (["simulate", "sunspec", "--fault", "exception=0"], ["'exception=0'", "exception=CODE", "1 to 255"]),
        (["simulate", "sunspec", "--fault", "silent=1"], ["'silent=1'", "allowed: silent: answers nothing"]),
        (["simulate", "sunspec", "--fault", "short=0"], ["'short=0'", "short[=REGISTERS]", "1 to 125"]),
        (["simulate", "sunspec", "--fault", "one-client=kik"], ["'one-client=kik'", "one-client[=kick|refuse]"]),
        (["simulate", "sunspec", "--fault", "garbled@"], ["share ''", "'garbled@'", "10% or 0.1"]),
        (["simulate", "sunspec", "--fault", "garbled@110%"], ["share '110%'", "10% or 0.1"]),
        (["simulate", "sunspec", "--fault", "garbled@0"], ["share '0'", "10% or 0.1"]),
        (
            ["simulate", "sunspec", "--listen", "rtu:///dev/ttyUSB0", "--fault", "half-open"],
            ["'half-open' on rtu", "allowed: on tcp or rtutcp"],
        ),
        (
            ["simulate", "sunspec", "--listen", "rtutcp://127.0.0.1:1", "--fault", "wrong-transaction@1%"],
            ["'wrong-transaction@1%' on rtutcp", "allowed: on tcp"],
        ),
        (["simulate", "sunspec", "--listen", "tcp:/127.0.0.1"], ["tcp:/127.0.0.1"]),
        (["simulate", "sunspec", "--plant", "hybrid"], ["both", "--plant NAME"]),
        (["simulate", "--plant", "hybird"], ["'hybird'", "nearest: 'hybrid'", "allowed: standard, hybrid"]),
        (["simulate", "--plant", "hybrid", "--listen", "rtu:///dev/ttyUSB0"], ["rtu:///dev/ttyUSB0", "4 ports"]),
        (["simulate", "--plant", "hybrid", "--listen", "tcp://127.0.0.1:65535"], ["65535", "4 ports"]),
        (["simulate", "--plant", "hybrid", "--fault", "roof:silent"], ["'roof'", "allowed: incomer, roof-east"]),
        (["demo", "--plant", "solar"], ["'solar'", "allowed: standard, hybrid"]),
        (["demo", "--seconds", "-1"], ["'-1'", "0.1"]),
        (["demo", "--http", "8380"], ["'8380'", "HOST:PORT"]),
        (["demo", "--http", "0.0.0.0:8380"], ["'0.0.0.0:8380'", "loopback"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_ends_with_one_line_of_found_and_allowed_words(arguments: list[str], words: list[str]) -> None:
    refused(called(*arguments), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["COMMAND"]),
        (["drivers", "--format", "jsn"], ["'jsn'", "nearest: 'json'", "allowed: table, json"]),
        (["run", "-c", "/no/such/file.toml"], ["/no/such/file.toml", "No such file"]),
        (["simulate", "sunspec", "--fault", "slient"], ["'slient'", "nearest: 'silent'", "late=SECONDS"]),
    ],
    ids=["no command", "wrong option", "wrong file", "wrong value"],
)
@pytest.mark.slow(1)
def test_the_process_of_a_wrong_call_ends_in_the_same_way(arguments: list[str], words: list[str]) -> None:
    refused(wattgram(*arguments), *words)


def test_the_catalogue_is_a_table_and_a_json_list() -> None:
    table, answer = wattgram("drivers"), wattgram("drivers", "--format", "json")
    assert (table.code, table.err, answer.code, answer.err) == (0, "", 0, "")
    listed = json.loads(answer.out)
    assert [set(entry) for entry in listed] == [{"name", "vendor", "model", "quantities", "transports"}] * len(listed)
    meter = next(entry for entry in listed if entry["name"] == "eastron_sdm630")
    assert (meter["vendor"], meter["model"]) == ("Eastron", "SDM630")
    assert "active_power_total" in meter["quantities"]
    assert set(meter["transports"]) == {"tcp", "rtu", "rtutcp"}
    for entry in listed:
        cells = row(table.out, entry["name"])
        assert str(len(entry["quantities"])) in cells
        assert cells[-len(entry["transports"]) :] == entry["transports"]


def test_one_map_shows_where_each_quantity_stands_and_its_source() -> None:
    ended = called("drivers", "huawei_sun2000")
    assert ended.code == 0
    assert ended.out.startswith("Huawei SUN2000 (inverter)\n")
    assert "\nsource: " in ended.out
    # Register list of the SUN2000: voltage of phase A at holding register 32069, one word, 0.1 V.
    cells = row(ended.out, "voltage_l1n")
    assert (cells[:2], cells[-4:]) == (["voltage_l1n", "V"], ["3", "32069", "u16", "0.1"])
    (entry,) = json.loads(called("drivers", "huawei_sun2000", "--format", "json").out)
    assert entry["name"] == "huawei_sun2000"
    assert "active_power_total" in row(called("drivers", "sunspec").out, "active_power_total")


def test_a_closed_output_pipe_is_not_an_error() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        process = subprocess.run(
            [sys.executable, "-m", "wattgram", "drivers", "sunspec"],
            stdout=ours.fileno(),
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (process.returncode, process.stderr) == (0, b"")


@pytest.mark.slow(2)
def test_simulate_serves_a_configuration_with_the_requested_faults(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    devices = one_device("incomer", "grid", "eastron_sdm630", ports[0])
    devices += one_device("hall", "load", "eastron_sdm630", ports[0], unit=2)
    devices += one_device("press", "load", "eastron_sdm630", ports[0], unit=3, invert=True)
    devices += one_device("roof", "pv", "sunspec", ports[1], unit=126)
    path = tmp_path / "wattgram.toml"
    path.write_text(configuration(tmp_path, devices))
    with started(tmp_path / "simulate", "simulate", "-c", str(path), "--fault", "hall:exception=4") as simulated:
        simulated.says("hall: ")
        ended = wattgram("check", "-c", str(path), "--live")
        assert simulated.ended(signal.SIGTERM).code == 0
    assert ended.code == 1
    assert row(ended.out, "incomer")[1:3] == ["grid", "answers"]
    assert row(ended.out, "roof")[1:3] == ["pv", "answers"]
    assert row(ended.out, "press")[1:3] == ["load", "answers"]
    assert float(row(ended.out, "press")[3]) > 0  # the meter is reversed, as its configuration states
    assert row(ended.out, "hall")[1:4] == ["load", "no", "answer"]
    assert "finding: hall: " in ended.out
    assert "exception 4 (device failure)" in ended.out


def test_an_address_in_use_cannot_be_simulated() -> None:
    with device(honest) as server:
        ended = wattgram("simulate", "sunspec", "--listen", server.url)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"wattgram simulate: {server.url}: cannot be served: in use")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_daemon_ends_with_0_when_stopped_and_130_when_interrupted(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    port = free_port()
    devices = one_device("incomer", "grid", "eastron_sdm630", free_port())
    path = tmp_path / "wattgram.toml"
    path.write_text(configuration(tmp_path, devices, http=f"127.0.0.1:{port}"))
    with started(tmp_path / "run", "run", "-c", str(path)) as daemon:
        daemon.says("1 devices? on 1 bus")
        assert request(f"http://127.0.0.1:{port}/api/now")[0] == 200
        ended = daemon.ended(number)
    assert (ended.code, ended.out) == (code, "")
    assert "Traceback" not in ended.err
