"""`wattgram scan` with real connections: every map of the catalogue, units of a gateway, a network, a serial line."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import termios
import tty
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.base.clock import Clock
from wattgram.commands import device_scan, scan_output
from wattgram.commands.device_scan import Row, Scan, ScanTarget, merged, parse_target
from wattgram.commands.identify import IdentifiedDevice, catalogued
from wattgram.commands.progress import Progress
from wattgram.config.load import Config
from wattgram.delivery import configuration
from wattgram_drivers.device import Device, Mark, Register, Table
from wattgram_drivers.driver_errors import BusDown
from wattgram_drivers.endpoint import Endpoint, parse
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.faults import Faults
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad
from tests.support.command_runs import started, wattgram
from tests.support.leaping_loop import LeapClock
from tests.support.register_memory import HandClock
from tests.support.servers import free_port

# Simulated devices need no silence between requests, and no test waits for it.
DEVICES = {
    name: replace(device, limits=replace(device.limits, request_delay=0.0, connect_delay=0.0))
    for name, device in catalogued().items()
}
ANYWHERE = parse("tcp://127.0.0.1:0", listen=True)

# A three-phase load of 230 V and 10 A, power factor 0.9: 2070 W and 2300 VA a phase, 6210 W in all.
VALUES = {
    "frequency": 50.02,
    "active_power_total": 6210.0,
    "apparent_power_total": 6900.0,
    "rated_power": 110e3,
    **{f"voltage_{phase}n": 230.0 for phase in ("l1", "l2", "l3")},
    **{f"voltage_{line}": 398.4 for line in ("l1l2", "l2l3", "l3l1")},
    **{f"current_{phase}": 10.0 for phase in ("l1", "l2", "l3")},
    **{f"active_power_{phase}": 2070.0 for phase in ("l1", "l2", "l3")},
    **{f"apparent_power_{phase}": 2300.0 for phase in ("l1", "l2", "l3")},
    **{f"power_factor_{of}": 0.9 for of in ("total", "l1", "l2", "l3")},
}

TEXTS = {
    # Texts of devices whose map has a pattern, from the documents of manufacturers and users.
    "abb_b21_b23_b24": "B23 ",
    "comap_intelilite": "InteliLite4-AMF 25",
    "deye_hybrid_3p": "2203051234",
    "deye_string": "2203051234",
    "fronius_sunspec_float": "Fronius",
    "fronius_sunspec_int_sf": "Fronius",
    "goodwe_dt": "9010KDTU000W0001",
    "goodwe_et": "9010KETU000W0001",
    "growatt_tl3x": "DL1.0",
    "growatt_tlx": "AL1.0",
    "huawei_dtsu666h": "SUN2000-100KTL-M1",
    "huawei_luna2000": "SUN2000-100KTL-M1",
    "huawei_sun2000": "SUN2000-100KTL-M1",
    "schneider_iem3155_iem3255": "iEM3155",
    "schneider_pm2xxx": "PM2230",
    "schneider_pm5110_pm5350": "PM5110",
    "siemens_pac3200_pac4200": "7KM2112-0BA00-3AA0",
    "socomec_countis_e2x_e3x": "SOCO",
    "sofar_g3": "SP1ES120N61234",
    "sofar_hyd_legacy": "SE1E1234",
    "sofar_string_legacy": "SA1ES1200001",
    "sofar_string_legacy_3mppt": "SA1ES1200001",
    "solaredge_battery_1": "SolarEdge",
    "solaredge_inverter": "SolarEdge",
    "solaredge_meter_1": "SolarEdge",
    "solis_hybrid_33xxx": "1031050123456789",
    "wirenboard_wb_mcm8": "WBMCM8",
}

UNIDENTIFIED = {
    # These devices have no marks and no grid values: only a person can identify them.
    "eastron_sdm72d_m",
    "endress_hauser_promass83_scanbuffer",
    "kamstrup_multical_403_603",
    "kamstrup_multical_legacy_301",
    "sick_marsic300",
    "siemens_sitrans_mass6000",
    "suto_s430_gasflow",
    "vaisala_mgp261",
}


def octets_of(device: Device, mark: Mark) -> bytes:
    """Return the octets that match a mark."""
    excerpt = mark.excerpt
    size = excerpt.length or 2 * excerpt.registers - excerpt.skip
    if mark.pattern:
        return TEXTS[device.name].encode()[:size].ljust(size, b"\0")
    return (mark.values or mark.ranges[0])[0].to_bytes(size, "big")


def identifiable(device: Device, values: Mapping[str, float] = VALUES) -> Served:
    """Return a device with the words of its marks as constants, without the registers at these addresses."""
    words: dict[tuple[Table, int], int] = {}
    for mark in device.identity.marks:
        excerpt = mark.excerpt
        block = bytearray(2 * excerpt.registers)
        octets = octets_of(device, mark)
        block[excerpt.skip : excerpt.skip + len(octets)] = octets
        for place in range(excerpt.registers):
            word = int.from_bytes(block[2 * place : 2 * place + 2], "big")
            words[excerpt.table, excerpt.address + place] = (
                words.get((excerpt.table, excerpt.address + place), 0) | word
            )
    free = [
        register
        for register in device.registers
        if not any((register.table, register.address + word) in words for word in range(register.words))
    ]
    # A table with marks only gets one more register, because the simulator serves tables with registers.
    others = {table for table, _ in words} - {register.table for register in free}
    ends = {table: max(address for of, address in words if of == table) for table in others}
    free += [Register("model_id", end + 1, table, "u16") for table, end in ends.items()]
    return Served(
        replace(device, registers=tuple(free)),
        lambda: values,
        {address: word for (_, address), word in words.items()},
    )


def scan_of(
    target: ScanTarget, units: Sequence[int] | None, output: io.StringIO | None = None, clock: Clock | None = None
) -> Scan:
    clock = clock or Clock()
    return Scan(target, units, DEVICES, clock, Progress(output or io.StringIO(), clock), silence=0.0)


async def scanned(place: Endpoint, units: Sequence[int] | None = None) -> list[Row]:
    scan = scan_of(ScanTarget(str(place), "host", (place,)), units, clock=LeapClock())
    await scan.run()
    return scan.found


def scanned_rows(served: Mapping[int, Served], units: Sequence[int] | None = None, **faults: Faults) -> list[Row]:
    async def main() -> list[Row]:
        simulator = Simulator(ANYWHERE, served, {int(unit[1:]): fault for unit, fault in faults.items()})
        place = await simulator.start()
        try:
            return await scanned(place, units)
        finally:
            await simulator.stop()

    return leaping_loop.run(main())


def test_every_map_with_marks_or_grid_values_is_identified() -> None:
    async def served(device: Device) -> list[IdentifiedDevice]:
        simulator = Simulator(ANYWHERE, {device.unit: identifiable(device)})
        place = await simulator.start()
        try:
            return [known for _, _, known in await scanned(place, [device.unit])]
        finally:
            await simulator.stop()

    async def main() -> dict[str, list[IdentifiedDevice]]:
        answers = await asyncio.gather(*(served(device) for device in DEVICES.values()))
        return dict(zip(DEVICES, answers, strict=True))

    drivers = {
        name: [known.driver for known in known_devices] for name, known_devices in leaping_loop.run(main()).items()
    }
    assert {name for name, identified in drivers.items() if name not in identified} == UNIDENTIFIED
    assert all(drivers[name] == [""] for name in UNIDENTIFIED)


def test_the_units_behind_a_gateway_are_found_and_described() -> None:
    chain, words = sunspec_serve.chain((103, 120), "ACME", "I200", "A1")
    rows = scanned_rows(
        {
            1: identifiable(DEVICES["eastron_sdm630"]),
            3: identifiable(DEVICES["huawei_sun2000"]),
            126: Served(chain, lambda: {**VALUES, "rated_power": 50e3}, words),
        }
    )
    assert [(unit, known.driver, known.vendor, known.model, known.serial) for _, unit, known in rows] == [
        (1, "eastron_sdm630", "Eastron", "SDM630", ""),
        (3, "huawei_sun2000", "Huawei", "SUN2000-100KTL-M1", ""),
        (126, "sunspec", "ACME", "I200", "A1"),
    ]
    assert [known.rated_power for _, _, known in rows] == [None, 110e3, 50e3]
    assert rows[0][2].also == ("eastron_sdm72d_m_v2", "eastron_sdm120"), "subsets of the same registers"


def test_an_inverter_with_its_battery_and_meter_is_three_devices_at_one_unit() -> None:
    names = ("huawei_sun2000", "huawei_luna2000", "huawei_dtsu666h")
    served = [identifiable(DEVICES[name]) for name in names]
    registers = {register.quantity: register for part in reversed(served) for register in part.device.registers}
    words = {address: word for part in served for address, word in part.constants.items()}
    whole = replace(served[0].device, registers=tuple(registers.values()))
    rows = scanned_rows({1: Served(whole, lambda: VALUES, words)}, [1])
    assert {(known.driver, known.kind) for _, _, known in rows} == {
        ("huawei_sun2000", "inverter"),
        ("huawei_luna2000", "battery"),
        ("huawei_dtsu666h", "meter"),
    }


def test_a_unit_without_a_fitting_map_is_listed_with_its_answer() -> None:
    ((_, unit, known),) = scanned_rows(
        {1: identifiable(DEVICES["eastron_sdm630"])}, range(1, 4), _1=Faults(exception=4)
    )
    assert (unit, known) == (1, IdentifiedDevice("", answer="exception 4 (device failure)"))


def test_a_unit_with_the_code_of_another_model_is_not_identified() -> None:
    device = DEVICES["eastron_sdm72d_m_v2"]
    other = identifiable(device)
    words = {address: 0x0079 if address == 0xFC02 else word for address, word in other.constants.items()}
    ((_, _, known),) = scanned_rows({1: Served(other.device, other.values, words)}, [1])
    assert known.driver != device.name, "the meter code is another"


def test_growatts_other_families_are_not_taken_for_the_string_inverters() -> None:
    # WIT, SPH-TL3 and MIC answer the registers of MID and MAX with another meaning (0xAHA/Growatt_ModbusTCP profiles).
    # Firmware AH1.0 is a MIC; without a text at 9 only the values speak, and they are plausible for all of these.
    for text in ("AH1.0", ""):
        served = identifiable(DEVICES["growatt_tl3x"])
        words = {
            9 + place: int.from_bytes(text.encode().ljust(10, b"\0")[2 * place :][:2], "big") for place in range(5)
        }
        rows = scanned_rows({1: replace(served, constants=words)}, [1])
        assert [known.driver for _, _, known in rows] == [""], text
    ((_, _, known),) = scanned_rows({1: identifiable(DEVICES["growatt_tl3x"])}, [1])
    assert known.driver == "growatt_tl3x"


def test_a_mark_of_one_word_counts_only_with_matching_values() -> None:
    device = DEVICES["carlogavazzi_em24_din"]
    ((_, _, known),) = scanned_rows({1: identifiable(device, {})}, [1])
    assert known == IdentifiedDevice("", also=(device.name,), answer="exception 2 (illegal address)")


def test_a_gateway_that_reports_absent_units_gets_one_request_a_unit_on_one_connection() -> None:
    async def main() -> None:
        async with bad.Server(bad.refuses(11)) as server:
            assert await scanned(parse(server.url), range(256)) == []
            assert [request.unit for request in server.requests] == list(range(256))
            assert {request.code for request in server.requests} == {3}, "it only reads"
            assert server.connections == 1

    leaping_loop.run(main())


def test_a_server_that_ignores_the_unit_is_one_device() -> None:
    async def main() -> None:
        async with bad.Server(bad.refuses(2)) as server:
            ((_, unit, known),) = await scanned(parse(server.url), range(1, 6))
            assert (unit, known.driver) == (1, "")

    leaping_loop.run(main())


def test_one_serial_number_is_one_device_and_two_meters_without_are_two() -> None:
    place, other = parse("tcp://10.0.0.1:502"), parse("tcp://10.0.0.2:502")
    first, second, without_serial = (
        IdentifiedDevice("a", serial="1"),
        IdentifiedDevice("a", serial="2"),
        IdentifiedDevice("a"),
    )
    rows = [
        (place, 1, first),
        (place, 2, first),
        (place, 3, second),
        (place, 4, without_serial),
        (place, 5, without_serial),
        (other, 1, first),
    ]
    assert merged(rows, {place: 9, other: 9}) == [row for row in rows if row != (place, 2, first)]
    everywhere = [(place, unit, without_serial) for unit in (1, 2, 3)]
    assert merged(everywhere, {place: 3}) == everywhere[:1]
    assert merged(everywhere, {place: 4}) == everywhere


def test_an_sma_inverter_reports_its_unit() -> None:
    inverter = identifiable(DEVICES["sma_native"])
    # at unit 1: serial number 3000123456, SUSyID 378, unit 77; no other register answers there
    words = {42109: 0xB2D0, 42110: 0x7840, 42111: 378, 42112: 77}
    address = Served(Device("x", "", "", "sensor", (Register("status", 42108, "holding", "u16"),)), dict, words)
    rows = scanned_rows({1: address, 77: inverter})
    assert [(unit, known.driver) for _, unit, known in rows] == [(1, ""), (77, "sma_native")]


def test_a_network_is_scanned_and_only_hosts_that_answer_are_listed() -> None:
    async def main() -> None:
        simulator = Simulator(parse("tcp://127.0.0.5:0", listen=True), {1: identifiable(DEVICES["janitza_umg96rm"])})
        place = await simulator.start()
        target = parse_target(f"tcp://127.0.0.4:{place.port}/30", DEVICES.values())
        assert [str(host) for host in target.endpoints] == [f"tcp://127.0.0.{end}:{place.port}" for end in (5, 6)]
        try:
            scan = scan_of(target, [1])
            await scan.run()
        finally:
            await simulator.stop()
        assert [(str(at), unit, known.driver) for at, unit, known in scan.found] == [
            (f"tcp://127.0.0.5:{place.port}", 1, "janitza_umg96rm")
        ]
        assert scan.opened == {place}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("tcp://10.0.0.0/16", "found 65536 addresses; allowed: at most 256, such as /24"),
        ("tcp://[fd00::]/64", "addresses; allowed: at most 256, such as /120"),
        ("tcp://plant/28", "allowed: a network such as tcp://10.0.0.0/28"),
        ("tcp://10.0.0.0/33", "allowed: a network such as tcp://10.0.0.0/28"),
        ("modbus://10.0.0.1", "scheme 'modbus' is not known"),
    ],
)
def test_a_wrong_target_is_reported(url: str, message: str) -> None:
    with pytest.raises(ValueError, match="allowed") as caught:
        parse_target(url, DEVICES.values())
    assert message in str(caught.value)


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
