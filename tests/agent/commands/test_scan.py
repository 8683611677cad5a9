"""`wattgram scan` with real connections: every map of the catalogue, units of a gateway, a network."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from wattgram.commands.device_scan import merged, parse_target
from wattgram.commands.identify import IdentifiedDevice
from wattgram_drivers.device import Device, Register
from wattgram_drivers.endpoint import parse
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.faults import Faults
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad
from tests.support.scanned_devices import (
    ANYWHERE,
    DEVICES,
    UNIDENTIFIED,
    VALUES,
    identifiable,
    scan_of,
    scanned,
    scanned_rows,
)


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
