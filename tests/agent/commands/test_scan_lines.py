"""`wattgram scan` of serial lines: the settings that it tries, in which order, and what answers."""

from __future__ import annotations

import asyncio
import io
import os
import termios
import tty
from collections.abc import Sequence

import pytest
from wattgram.commands import device_scan
from wattgram.commands.device_scan import Row, Scan, parse_target
from wattgram_drivers.driver_errors import BusDown
from wattgram_drivers.endpoint import parse
from wattgram_drivers.simulated.simulator import Simulator

from tests.support import misbehaving_device as bad
from tests.support.scanned_devices import DEVICES, identifiable, scan_of


def settings(url: str) -> list[str]:
    return [f"{line.baudrate} 8{line.parity}{line.stopbits}" for line in parse_target(url, DEVICES.values()).endpoints]


def test_settings_in_the_url_of_a_line_are_fixed_and_the_others_are_tried() -> None:
    free = settings("rtu:///dev/ttyUSB0")
    # SDM, Growatt, GoodWe ...; Siemens, Finder, Vaisala; WAGO, Inepro; Schneider and the standard; Eastron; SolarEdge
    assert free[:4] == ["9600 8N1", "19200 8N2", "9600 8E1", "19200 8E1"]
    assert {"19200 8N1", "115200 8N1", "2400 8N1", "38400 8N1"} <= set(free)
    assert settings("rtu:///dev/ttyUSB0?baudrate=4800") == ["4800 8N1", "4800 8E1", "4800 8O1"]
    assert settings("rtu:///dev/ttyUSB0?baudrate=9600&parity=E") == ["9600 8E1"]
    assert settings("rtu:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=2") == ["9600 8N2"]
    assert settings("rtu:///dev/ttyUSB0?parity=E")[:2] == ["9600 8E1", "19200 8E1"]


SPEEDS = {getattr(termios, f"B{speed}"): speed for speed in (2400, 9600, 19200, 38400, 115200)}


class Line:
    """A line whose unit answers at one speed and number of stop bits; `requests` has the settings at each request.

    A pseudo-terminal keeps the speed and the stop bits of its other end. It has no parity and accepts any.
    """

    def __init__(self, unit: int, speed: int, stopbits: int) -> None:
        self.slave = bad.Slave(self.act)
        self.requests: list[tuple[int, int, int]] = []
        self._wanted = (speed, stopbits, unit)

    def act(self, request: bad.Request) -> Sequence[bad.Step]:
        end = os.open(self.slave.path, os.O_RDWR | os.O_NOCTTY)
        try:
            attributes = termios.tcgetattr(end)
        finally:
            os.close(end)
        speed, stopbits = SPEEDS.get(attributes[5], 0), 2 if attributes[2] & termios.CSTOPB else 1
        self.requests.append((speed, stopbits, request.unit))
        if self.requests[-1] != self._wanted:
            return []
        return bad.refuses(2)(request)


@pytest.mark.slow(4)
def test_a_lines_settings_are_tried_in_order_until_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_scan, "SCAN_TURNAROUND", 0.1)
    monkeypatch.setattr(device_scan, "LINE_UNITS", range(1, 6))
    output = io.StringIO()

    async def main() -> tuple[Line, Scan]:
        line = Line(unit=1, speed=2400, stopbits=1)
        async with line.slave as slave:
            scan = scan_of(parse_target(slave.url, DEVICES.values()), None, output)
            await scan.run()
        return line, scan

    line, scan = asyncio.run(main())
    tried = list(dict.fromkeys((speed, stopbits) for speed, stopbits, _ in line.requests))
    # 9600 8N1, 19200 8N2, 9600 8E1, 19200 8E1, 2400 8N1; a pseudo-terminal takes any parity and has none
    assert tried == [(9600, 1), (19200, 2), (19200, 1), (2400, 1)]
    ((place, unit, known),) = scan.found
    assert (place.baudrate, place.parity, place.stopbits, unit) == (2400, "N", 1, 1)
    assert known.answer == "exception 2 (illegal address)"
    assert {unit for _, _, unit in line.requests} == {1, 2, 3, 4, 5}, (
        "the other units are tried at the setting that answered"
    )
    assert {(speed, stopbits) for speed, stopbits, unit in line.requests if unit in (4, 5)} == {(2400, 1)}
    assert "2400 8N1 found" in output.getvalue()


@pytest.mark.slow(1)
def test_a_line_is_swept_at_every_setting_when_the_likely_units_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_scan, "SCAN_TURNAROUND", 0.05)
    monkeypatch.setattr(device_scan, "LINE_UNITS", range(1, 6))

    async def main() -> tuple[Line, Scan]:
        line = Line(unit=5, speed=9600, stopbits=1)
        async with line.slave as slave:
            scan = scan_of(parse_target(f"{slave.url}?baudrate=9600&parity=N", DEVICES.values()), None)
            await scan.run()
            assert not await silent(slave.url)
        return line, scan

    async def silent(url: str) -> list[Row]:
        scan = scan_of(parse_target(f"{url}?baudrate=38400", DEVICES.values()), [5])
        await scan.run()
        return scan.found

    line, scan = asyncio.run(main())
    assert [unit for _, unit, _ in scan.found] == [5]
    assert {speed for speed, _, _ in line.requests} == {9600, 38400}


def test_a_meter_on_a_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_scan, "SCAN_TURNAROUND", 0.1)

    async def main() -> list[Row]:
        loop = asyncio.get_running_loop()
        (server, server_line), (client, client_line) = os.openpty(), os.openpty()
        for source, sink, line in ((server, client, server_line), (client, server, client_line)):
            tty.setraw(line)
            loop.add_reader(source, copy, source, sink)
        simulator = Simulator(parse(f"rtu://{os.ttyname(server_line)}"), {7: identifiable(DEVICES["eastron_sdm630"])})
        await simulator.start()
        try:
            url = f"rtu://{os.ttyname(client_line)}?baudrate=9600&parity=N"
            scan = scan_of(parse_target(url, DEVICES.values()), range(6, 9))
            await scan.run()
            return scan.found
        finally:
            await simulator.stop()
            for end in (server, client):
                loop.remove_reader(end)
            for end in (server, server_line, client, client_line):
                os.close(end)

    def copy(source: int, sink: int) -> None:
        os.write(sink, os.read(source, 4096))

    assert [(unit, known.driver) for _, unit, known in asyncio.run(main())] == [(7, "eastron_sdm630")]


def test_a_line_that_cannot_be_opened_is_down() -> None:
    with pytest.raises(BusDown):
        asyncio.run(scan_of(parse_target("rtu:///dev/nothing-there", DEVICES.values()), None).run())
