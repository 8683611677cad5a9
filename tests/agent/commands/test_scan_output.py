"""The output of `wattgram scan`: table, blocks, JSON, progress, advice and exit codes."""

from __future__ import annotations

import asyncio
import io
import json
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from wattgram.commands import device_scan, scan_output
from wattgram.commands.device_scan import Row, parse_target
from wattgram.commands.identify import IdentifiedDevice
from wattgram.commands.progress import Progress
from wattgram.config.load import Config
from wattgram.delivery import configuration
from wattgram_drivers.endpoint import parse
from wattgram_drivers.simulated.simulator import Simulator

from tests.support import misbehaving_device as bad
from tests.support.command_runs import started, wattgram
from tests.support.register_memory import HandClock
from tests.support.scanned_devices import ANYWHERE, DEVICES, identifiable, scan_of
from tests.support.servers import free_port


def configured(rows: Sequence[Row]) -> Config:
    return configuration.read(
        '[grid]\nzone = "CN-CQ"\n[site]\nname = "works"\n\n' + scan_output.blocks(rows), Path("wattgram.toml")
    )


def test_blocks_load_with_unique_names_and_guessed_roles() -> None:
    line = parse("rtu:///dev/ttyUSB0?baudrate=19200&parity=E")
    host = parse("tcp://[fd00::7]:1502")
    hostile = 'x"]\n[mqtt]\nurl = "mqtt://evil"\x1b[2J'
    rows = [
        (line, 1, IdentifiedDevice("eastron_sdm630", "Eastron", "SDM630", "", "meter", also=("eastron_sdm120",))),
        (line, 2, IdentifiedDevice("eastron_sdm630", "Eastron", "SDM630", "", "meter")),
        (host, 1, IdentifiedDevice("huawei_sun2000", "Huawei", hostile, hostile, "inverter", 110e3)),
        (host, 1, IdentifiedDevice("huawei_luna2000", "Huawei", "LUNA2000", "", "battery")),
        (host, 126, IdentifiedDevice("sunspec", hostile, "I" * 90, "", "inverter")),
        (parse("tcp://h:502"), 126, IdentifiedDevice("sunspec", hostile, "I" * 90, "", "inverter", 12345.6)),
        (host, 3, IdentifiedDevice("", answer="exception 4")),
    ]
    loaded = configured(rows)
    assert loaded.mqtt is None
    devices = loaded.devices
    assert [(device.driver, device.endpoint, device.unit) for device in devices] == [
        (known.driver, place, unit) for place, unit, known in rows[:-1]
    ]
    assert [device.role for device in devices] == ["grid", "load", "pv", "battery", "pv", "pv"]
    assert [device.rated_power for device in devices] == [None, None, 110e3, None, None, 12346.0]
    assert len({device.name for device in devices}) == 6
    text = scan_output.blocks(rows)
    assert text.count("check it") == 6
    assert 'driver = "eastron_sdm630"   # also fits: eastron_sdm120' in text


@pytest.mark.slow(8)
def test_the_found_devices_are_a_table_blocks_and_json(tmp_path: Path) -> None:
    async def main() -> None:
        simulator = Simulator(
            ANYWHERE, {1: identifiable(DEVICES["huawei_sun2000"]), 2: identifiable(DEVICES["abb_b21_b23_b24"])}
        )
        place = await simulator.start()
        try:
            plain = await asyncio.to_thread(wattgram, "scan", str(place), "--units", "1-2")
            answer = await asyncio.to_thread(wattgram, "scan", str(place), "--units", "1-2", "--format", "json")
        finally:
            await simulator.stop()
        assert (plain.code, answer.code) == (0, 0)
        assert json.loads(answer.out) == [
            {
                "url": str(place),
                "unit": unit,
                "driver": driver,
                "vendor": vendor,
                "model": model,
                "serial": "",
            }
            for unit, driver, vendor, model in (
                (1, "huawei_sun2000", "Huawei", "SUN2000-100KTL-M1"),
                (2, "abb_b21_b23_b24", "ABB", "B23"),
            )
        ]
        table, _, blocks = plain.out.partition("\n\n")
        assert table.splitlines()[0].split() == ["url", "unit", "driver", "vendor", "model", "serial", "remark"]
        file = tmp_path / "wattgram.toml"
        file.write_text(f'[grid]\nzone = "CN-CQ"\n[site]\nname = "works"\n\n{blocks}')
        assert [device.driver for device in configuration.load(file).devices] == ["huawei_sun2000", "abb_b21_b23_b24"]
        assert "\r" not in plain.err, "no bar where there is no terminal"

    asyncio.run(main())


@pytest.mark.slow(4)
def test_ctrl_c_prints_the_devices_found_so_far(tmp_path: Path) -> None:
    def act(request: bad.Request) -> Sequence[bad.Step]:
        return bad.refuses(4)(request) if request.unit == 1 else []

    async def main() -> None:
        async with bad.Server(act) as server:
            with started(tmp_path / "scan", "scan", server.url, "--units", "1-247", "--format", "json") as process:
                await asyncio.wait_for(bad.until(lambda: any(request.unit == 2 for request in server.requests)), 60)
                ended = await asyncio.to_thread(process.ended, signal.SIGINT)
        assert ended.code == 130
        (entry,) = json.loads(ended.out)
        assert (entry["unit"], entry["driver"]) == (1, "")
        assert "Traceback" not in ended.err

    asyncio.run(main())


@pytest.mark.slow(4)
def test_a_refused_connection_is_a_failure_and_a_wrong_call_a_usage_error() -> None:
    closed = wattgram("scan", f"tcp://127.0.0.1:{free_port()}")
    assert closed.code == 1
    assert "nothing listens" in closed.err
    for arguments, message in (
        (["tcp://10.0.0.0/8"], "at most 256"),
        (["tcp://10.0.0.1", "--units", "9-3"], "allowed: A-B such as 1-20"),
        (["rtu:///dev/ttyUSB0", "--units", "0-9"], "found --units 0 on rtu; allowed: 1 to 247"),
        ([], "URL"),
    ):
        ended = wattgram("scan", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert message in ended.err


@pytest.mark.slow(5)
def test_an_empty_scan_is_no_failure_and_comes_with_advice() -> None:
    async def main() -> None:
        async with bad.Server(bad.refuses(11)) as server:
            plain = await asyncio.to_thread(wattgram, "scan", server.url)
            answer = await asyncio.to_thread(wattgram, "scan", server.url, "--format", "json")
        assert (plain.code, plain.out, answer.code, json.loads(answer.out)) == (0, "", 0, [])
        assert "nothing found (1 of 1 hosts opened the port); check that Modbus TCP is enabled" in plain.err

    asyncio.run(main())
    line = parse_target("rtu:///dev/ttyUSB0", DEVICES.values())
    advice = device_scan.advice(line, scan_of(line, None))
    assert "A and B are not swapped" in advice
    assert "baud rate and parity" in advice


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal_and_elsewhere_a_line_now_and_then() -> None:
    clock = HandClock()
    terminal, file = Terminal(), io.StringIO()
    bar, quiet = Progress(terminal, clock), Progress(file, clock)
    bar.total = quiet.total = 4
    for number in range(4):
        bar.step(f"unit {number}")
        quiet.step(f"unit {number}")
        clock.seconds += 4.0
    bar.clear()
    # 4 s apart, a line every 10 s at most: the fourth step comes at 12 s
    assert file.getvalue() == "4 of 4: unit 3\n"
    drawn = terminal.getvalue().split("\r")
    assert drawn[2] == "[############............] 2/4 unit 1"
    assert drawn[-2].strip() == "", "the bar is removed"
