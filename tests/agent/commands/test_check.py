"""`wattgram check` as a process: plans that do not fit, and --live with real devices, a broker and a database."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bucket
from tests.support.brokers import Broker
from tests.support.command_runs import called, row, wattgram
from tests.support.running_site import Registers, configuration, device, one_device
from tests.support.servers import free_port
from tests.support.topics import METER, inverter


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
    assert "note: mqtt: a message to wattgram/works/check was accepted" in ended.out
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
            # The database behind the proxy has no such settings, so nothing is known about its retention.
            assert ("so its retention is not checked" in ended.out) == (code == 0)
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
