"""Every command as a process: results on stdout, messages on stderr, one line for each mistake, the exit code."""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bucket
from tests.support.command_runs import Ended, called, started, wattgram
from tests.support.misbehaving_device import Behaviour, Request, Step, honest, refuses, silent
from tests.support.running_site import Registers, configuration, device, one_device
from tests.support.servers import Broker, free_port, program, request
from tests.support.topics import INVERTER_VALUES, METER, METER_VALUES, inverter

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

SUNSPEC = {
    40000: 0x5375,
    40001: 0x6E53,  # marker "SunS"
    40002: 1,
    40003: 66,  # model 1, 66 registers
    40004: 0x4143,
    40005: 0x4D45,  # Mn: "ACME"
    40020: 0x4932,
    40021: 0x3030,  # Md: "I200"
    40070: 103,
    40071: 50,  # model 103, three-phase inverter, 50 registers
    40080: 2305,
    40083: 0xFFFF,  # PhVphA 2305, V_SF -1: 230.5 V
    40084: 4200,
    40085: 1,  # W 4200, W_SF 1: 42000 W
    40086: 5001,
    40087: 0xFFFE,  # Hz 5001, Hz_SF -2: 50.01 Hz
    40094: 0x000F,
    40095: 0x4240,  # WH 0x000F4240: 1000000 Wh
    40103: 0x8000,  # TmpCab: not implemented
    40122: 0xFFFF,
    40123: 0,  # end
}
SUNSPEC_VALUES = {
    "voltage_l1n": 230.5,
    "active_power_total": 42000.0,
    "frequency": 50.01,
    "energy_total": 1000000.0,
}


def row(table: str, first: str) -> list[str]:
    """Return the cells of a row."""
    return next(line for line in table.splitlines() if line.startswith(f"{first} ")).split()


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


@pytest.mark.parametrize(
    ("driver", "unit", "words", "values", "absent"),
    [
        ("eastron_sdm630", 1, METER, METER_VALUES, ""),
        ("huawei_sun2000", 1, inverter(0), INVERTER_VALUES | {"voltage_l1n": 230.1}, "insulation_resistance"),
        ("sunspec", 126, SUNSPEC, SUNSPEC_VALUES, "temperature_internal"),
    ],
)
@pytest.mark.slow(2)
def test_read_shows_the_registers_values(
    driver: str, unit: int, words: dict[int, int], values: dict[str, float], absent: str
) -> None:
    with device(Registers(words)) as server:
        call = ["read", server.url, "--driver", driver, "--unit", str(unit)]
        answer, table = wattgram(*call, "--format", "json"), wattgram(*call, "--raw")
    assert answer.code == 0
    read = json.loads(answer.out)
    assert set(read) == {"time", "driver", "quality", "values"}
    assert (read["driver"], read["quality"]) == (driver, "good")
    assert read["time"].endswith("Z")
    assert {name: read["values"][name] for name in values} == values
    assert absent not in read["values"]
    assert table.code == 0
    for name, value in values.items():
        assert float(row(table.out, name)[1]) == value
    assert not absent or row(table.out, absent)[1] == "-"


def test_raw_words_stand_beside_their_value() -> None:
    with device(Registers(METER)) as server:
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630", "--raw")
    assert row(ended.out, "active_energy_import") == [
        "active_energy_import",
        "1234500",
        "Wh",
        "input",
        "72",
        "449a",
        "5000",
    ]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (refuses(2), ["exception 2", "is this the right driver?"]),
        (refuses(11), ["exception 11", "the gateway answers"]),
        (silent, ["no answer within 1 s", "check the unit"]),
    ],
    ids=["illegal address", "gateway", "silent"],
)
@pytest.mark.slow(3)
def test_read_reports_an_error_in_one_line_with_advice(behaviour: object, words: list[str]) -> None:
    with device(behaviour) as server:  # type: ignore[arg-type]  # parametrize loses the type
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert [word for word in words if word not in ended.err] == [], ended.err


def test_reading_an_absent_device_reports_a_refused_connection() -> None:
    ended = wattgram("read", f"tcp://127.0.0.1:{free_port()}", "--driver", "sunspec")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert "connection refused" in ended.err
    assert "check the port" in ended.err


def polled(port: int, *options: str) -> float:
    """Return the value that mbpoll, an independent Modbus master, reads."""
    command = [program("mbpoll", "mbpoll"), "-0", "-1", "-q", "-p", str(port), *options, "127.0.0.1"]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return float(next(line for line in output.splitlines() if line.startswith("[")).split()[1])


def test_mbpoll_and_wattgram_read_the_same_value_from_a_simulated_meter(tmp_path: Path) -> None:
    port = free_port()
    listen = f"tcp://127.0.0.1:{port}"
    with started(tmp_path / "simulate", "simulate", "eastron_sdm630", "--listen", listen, "--unit", "5") as simulated:
        simulated.says(f"eastron_sdm630 as grid at {listen} unit 5")
        ours = json.loads(wattgram("read", listen, "--driver", "eastron_sdm630", "--unit", "5", "--format", "json").out)
        theirs = polled(port, "-a", "5", "-t", "3:float", "-B", "-r", "342")
        ended = simulated.ended(signal.SIGINT)
    # mbpoll prints kWh with six digits; the energy counted between the two reads is far below the sixth digit.
    assert ours["values"]["active_energy_total"] == pytest.approx(1000 * theirs, rel=1e-5)
    assert theirs > 0
    assert (ended.code, ended.out) == (130, "")


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


def serial_line(count: int) -> str:
    """Return the configuration of meters on one line; only the power is read."""
    return "".join(
        f'[[device]]\nname = "meter-{unit}"\nrole = "load"\ndriver = "eastron_sdm630"\nunit = {unit}\n'
        f'url = "rtu:///dev/ttyUSB0?baudrate=9600&parity=E"\nquantities = ["active_power_total"]\n'
        for unit in range(1, count + 1)
    )


@pytest.mark.parametrize(("count", "fits"), [(9, True), (10, False)])
def test_an_overloaded_line_is_a_finding(tmp_path: Path, count: int, fits: bool) -> None:
    # Hand calculation, 9600 baud 8E1, 11 bits a character: a request of 8 and an answer of 5 + 2 x 2 characters take
    # 17 x 11 / 9600 = 19.479 ms, the silence after it 3.5 x 11 / 9600 = 4.010 ms, the meter's own pause 60 ms (its
    # manual), its turnaround 20 ms (assumed): 103.490 ms a meter and second.
    path = tmp_path / "wattgram.toml"
    path.write_text(configuration(tmp_path, serial_line(count)))
    ended, table = called("check", "-c", str(path), "--format", "json"), called("check", "-c", str(path))
    report = json.loads(ended.out)
    assert set(report) == {"ok", "buses", "findings"}
    (bus,) = report["buses"]
    assert set(bus) == {"url", "busy_share", "requests"}
    assert bus["requests"] == count
    assert bus["busy_share"] == pytest.approx(0.103490 * count, rel=1e-4)
    assert bus["url"].startswith("rtu:///dev/ttyUSB0")
    assert (report["ok"], report["findings"] == []) == (fits, fits)
    assert ended.code == table.code == (0 if fits else 1)
    assert table.out.rstrip().endswith("\nok" if fits else "not ok: 1 finding")
    assert fits or "the plan needs 103% of the time; intervals 1.1 times as long would fit" in table.out
    assert fits == ("the plan needs 93% of the time, which leaves little room" in table.out)


def checked(tmp_path: Path, devices: str) -> tuple[dict[str, Any], str]:
    """Return the report of `check` as JSON and as a table."""
    path = tmp_path / "wattgram.toml"
    path.write_text(configuration(tmp_path, devices))
    ended, table = called("check", "-c", str(path), "--format", "json"), called("check", "-c", str(path))
    assert (ended.code, ended.err) == (table.code, table.err)
    return json.loads(ended.out), table.out


def meters(count: int, more: str = "") -> str:
    """Return the configuration of meters on one line at 9600 baud; all quantities are read every two seconds."""
    return "".join(
        f'[[device]]\nname = "meter-{unit}"\nrole = "load"\ndriver = "eastron_sdm630"\nunit = {unit}\n'
        f'url = "rtu:///dev/ttyUSB0?baudrate=9600&parity=E"\ninterval = "2s"\n{more}\n'
        for unit in range(1, count + 1)
    )


def test_a_plan_with_slow_quantities_is_shown_with_and_without_them(tmp_path: Path) -> None:
    # Hand calculation of tests/drivers/test_plan.py: 652.291667 ms for everything, 516.718750 ms without the counters
    # from 342 on. Every 2 s, once a minute in full: 3 x (516.718750 / 2000 + 135.572917 / 60000) = 0.781857;
    # everything every time: 3 x 652.291667 / 2000 = 0.978438.
    report, table = checked(tmp_path, meters(3, 'slow_interval = "1min"'))
    (bus,) = report["buses"]
    assert set(bus) == {"url", "busy_share", "requests"}
    assert (bus["requests"], report["findings"]) == (12, [])
    assert bus["busy_share"] == pytest.approx(0.781857, rel=1e-5)
    assert row(table, "rtu:///dev/ttyUSB0?baudrate=9600&parity=E&stopbits=1&bytesize=8")[1:] == ["12", "78.2%", "97.8%"]
    # Everything at once takes 3 x 0.652 = 1.96 s and so fits the two seconds.
    assert "note: rtu" not in table


def test_a_plan_that_leaves_no_room_is_noted(tmp_path: Path) -> None:
    report, table = checked(tmp_path, meters(4, 'slow_interval = "1min"').replace('"2s"', '"2500ms"'))
    # 4 x (0.516719 / 2.5 + 0.135573 / 60) = 0.835788
    assert report["buses"][0]["busy_share"] == pytest.approx(0.835788, rel=1e-5)
    assert report["findings"] == []
    assert "the plan needs 84% of the time, which leaves little room" in table


def test_a_reading_that_is_longer_than_another_devices_interval_is_noted(tmp_path: Path) -> None:
    mixed = meters(1) + meters(1, 'quantities = ["active_power_total"]').replace("meter-1", "quick").replace(
        "unit = 1", "unit = 2"
    ).replace('"2s"', '"500ms"')
    # 0.652 / 2 + 0.103490 / 0.5 = 53 %, but the big meter alone takes longer than the quick one's interval.
    report, table = checked(tmp_path, mixed)
    assert report["findings"] == []
    assert "everything of all devices at once takes 0.76 s, more than the shortest interval of 0.5 s" in table


def test_a_plan_that_cannot_fit_comes_with_the_changes_that_would_help(tmp_path: Path) -> None:
    # Everything of four meters every 2 s: 4 x 652.291667 / 2000 = 130 %. With slow_interval 1min 4 x (516.718750 / 2000
    # + 135.572917 / 60000) = 104 %; the power alone 4 x 103.489583 / 2000 = 21 %. At 19200 baud a character takes
    # 0.572917 ms, a request 13 of them + 3.5 of them + 80 ms = 89.453125 ms, so 4 x 89.453125 + 112 x 1.145833
    # = 486.145833 ms a meter: 97 %.
    report, table = checked(tmp_path, meters(4))
    (finding,) = report["findings"]
    assert "the plan needs 130% of the time; intervals 1.4 times as long would fit" in finding
    assert 'slow_interval = "60s" would need 104%' in finding
    assert "only the power of each device would need 21%" in finding
    assert "19200 baud would need 97%" in finding
    assert finding in table
    assert not report["ok"]


def test_check_live_reads_each_device_and_connects_to_the_broker(tmp_path: Path, broker: Broker) -> None:
    with device(Registers(METER)) as meter, device(Registers(inverter)) as roof:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port)
        devices += one_device("roof", "pv", "huawei_sun2000", roof.port)
        path = tmp_path / "wattgram.toml"
        path.write_text(configuration(tmp_path, devices, mqtt=broker.url))
        ended = wattgram("check", "-c", str(path), "--live")
    assert ended.code == 0, ended.out
    assert row(ended.out, "incomer") == ["incomer", "grid", "answers", "12.345", "kW"]
    assert row(ended.out, "roof") == ["roof", "pv", "answers", "50.000", "kW"]
    assert "note: mqtt: connected and authorized" in ended.out
    assert ended.out.endswith("\nok\n")
    assert "wattgram/works/status" not in broker.log  # a daemon that runs meanwhile stays `online`


def test_check_live_reports_absent_devices_and_sinks_and_checks_the_others(tmp_path: Path) -> None:
    absent, broker, database = free_port(), free_port(), free_port()
    with device(Registers(METER)) as meter:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port)
        devices += one_device("roof", "pv", "huawei_sun2000", absent)
        devices += one_device("roof-2", "pv", "huawei_sun2000", absent, unit=2)
        path = tmp_path / "wattgram.toml"
        influxdb = f'url = "http://127.0.0.1:{database}"\nbucket = "energy"'
        path.write_text(configuration(tmp_path, devices, mqtt=f"mqtt://127.0.0.1:{broker}", influxdb=influxdb))
        ended = wattgram("check", "-c", str(path), "--live", "--format", "json")
    report = json.loads(ended.out)
    assert (ended.code, report["ok"]) == (1, False)
    roof, other, mqtt, influx = report["findings"]
    assert roof.startswith(f"roof: tcp://127.0.0.1:{absent}: cannot be opened: connection refused")
    assert other == f"roof-2: not read: tcp://127.0.0.1:{absent} cannot be opened, see above"
    assert mqtt.startswith(f"mqtt: 127.0.0.1:{broker}: ")
    assert influx.startswith(f"influxdb: http://127.0.0.1:{database}: ")


def test_check_live_finds_a_token_that_the_database_rejects(tmp_path: Path, bucket: Bucket) -> None:
    with device(Registers(METER)) as meter:
        path = tmp_path / "wattgram.toml"
        for token, code in ((bucket.token, 0), ("wrong", 1)):
            (tmp_path / "token").write_text(token)
            influxdb = (
                f'url = "{bucket.write.url}"\norg = "plant"\nbucket = "{bucket.name}"\ntoken = {{ file = "token" }}'
            )
            devices = one_device("incomer", "grid", "eastron_sdm630", meter.port)
            path.write_text(configuration(tmp_path, devices, influxdb=influxdb))
            ended = wattgram("check", "-c", str(path), "--live")
            assert ended.code == code, ended.out
    assert "finding: influxdb: " in ended.out
    assert "HTTP 401" in ended.out
    assert bucket.rows("SELECT * FROM device") == []


def watts(power: float) -> dict[int, int]:
    """Return the registers of an SDM630 with an active power."""
    high, low = struct.unpack(">2H", struct.pack(">f", power))
    return METER | {52: high, 53: low}


@pytest.mark.parametrize(
    ("incomer", "hall", "words"),
    [
        (50e3, -20e3, "hall: -20.000 kW is against the role load; try invert = true"),
        (-50e3, 20e3, "balance: the load would be -50.000 kW; a meter is reversed"),
        (20e3, 50e3, "balance: the sub-meters count 50.000 kW of a load of 20.000 kW; a source is not metered"),
        (50e3, 20e3, ""),
    ],
)
@pytest.mark.slow(1)
def test_check_live_finds_a_reversed_meter(tmp_path: Path, incomer: float, hall: float, words: str) -> None:
    with device(Registers(watts(incomer))) as incomer_meter, device(Registers(watts(hall))) as hall_meter:
        devices = one_device("incomer", "grid", "eastron_sdm630", incomer_meter.port)
        devices += one_device("hall", "load", "eastron_sdm630", hall_meter.port)
        path = tmp_path / "wattgram.toml"
        path.write_text(configuration(tmp_path, devices))
        ended = wattgram("check", "-c", str(path), "--live")
    assert words in ended.out
    assert ended.code == (1 if words else 0)


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


def without(*spans: tuple[int, int]) -> Behaviour:
    """Answer as the meter, and refuse requests that contain a register of these spans (first, last)."""
    meter = Registers(METER)

    def answer(request: Request) -> Sequence[Step]:
        last = request.address + request.count - 1
        hit = any(request.address <= high and low <= last for low, high in spans)
        return refuses(2)(request) if hit else meter(request)

    return answer


def test_read_names_refused_registers_and_is_good_without_them() -> None:
    with device(without((342, 343))) as server:
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630", "--format", "json")
    assert ended.code == 0
    assert "refused: input 342-343: " in ended.err
    assert "exception 2" in ended.err
    assert json.loads(ended.out)["quality"] == "good"


def test_read_without_the_main_power_fails_and_says_which_value_is_missing() -> None:
    with device(without((52, 53), (12, 13))) as server:
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630", "--format", "json")
    assert ended.code == 1
    assert "missing: active_power_total" in ended.err
    read = json.loads(ended.out)
    assert (read["quality"], read["missing"]) == ("partial", ["active_power_total"])
    assert read["values"]["voltage_l1n"] == 230.5


def test_read_with_a_role_asks_for_the_power_of_that_role() -> None:
    with device(Registers(inverter(0))) as server:
        call = ["read", server.url, "--driver", "huawei_sun2000"]
        own, roof = wattgram(*call), wattgram(*call, "--role", "pv")
        incomer = wattgram(*call, "--role", "grid")
    assert (own.code, roof.code) == (0, 0)
    # The map has no register of the incomer.
    assert (incomer.code, incomer.err) == (
        2,
        "wattgram read: found --role grid; allowed with huawei_sun2000: pv, battery\n",
    )


def test_read_withholds_a_value_that_cannot_be_true_and_says_why() -> None:
    infinite = {**METER, 52: 0x7F80, 53: 0}  # active_power_total: an infinite float
    with device(Registers(infinite)) as server:
        ended = wattgram("read", server.url, "--driver", "eastron_sdm630", "--format", "json")
    assert ended.code == 1
    assert "withheld: active_power_total no number (input 52: 7f80 0000) is infinite" in ended.err
    read = json.loads(ended.out)
    assert read["quality"] == "implausible"
    assert read["withheld"][0]["register"] == "input 52"
    assert "active_power_total" not in read["values"]
