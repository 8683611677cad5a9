"""Devices served over real connections: values read by other masters, bytes on the wire, faults."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import shutil
import struct
import subprocess
import tty
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from math import inf, isnan, nan, prod
from pathlib import Path

import pytest
from wattgram_drivers import catalogue
from wattgram_drivers.device import Device, DeviceLimits, Direction, Register, Table, Type, WordOrder
from wattgram_drivers.driver_errors import BadAnswer, NoAnswer, Refused
from wattgram_drivers.endpoint import Endpoint, parse
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.reader import Reader
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.faults import Faults
from wattgram_drivers.simulated.register_encoding import encode
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served
from wattgram_drivers.sunspec import walk

from tests.support.register_memory import HandClock, decode

ANYWHERE = parse("tcp://127.0.0.1:0", listen=True)


def register(
    quantity: str = "active_power_total",
    address: int = 0,
    kind: Type = "u16",
    *,
    table: Table = "holding",
    order: WordOrder = "big",
    scale: Fraction = Fraction(1),
    invalid: tuple[int, ...] = (),
    scale_address: int | None = None,
    factors: tuple[str, ...] = (),
) -> Register:
    return Register(quantity, address, table, kind, order, scale, scale_address, factors, invalid)


def device(*registers: Register, limits: DeviceLimits = DeviceLimits()) -> Device:  # noqa: B008 - frozen
    return Device("toy", "Acme", "Toy", "meter", registers, limits)


METER = device(
    register("voltage_l1n", 10, "f32"),
    register("frequency", 12, scale=Fraction(1, 100)),
    register("active_power_total", 20, "i32", order="little", invalid=(0x80000000,)),
    register("active_energy_import", 5, "u64", table="input", scale=Fraction(10)),
)
VALUES = {"voltage_l1n": 230.0, "frequency": 50.02, "active_power_total": -2.0, "active_energy_import": 1230.0}


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        # two's complement and IEEE 754 patterns by hand
        ("u16", 65535.0, [0xFFFF]),
        ("i16", -1.0, [0xFFFF]),
        ("i16", -32768.0, [0x8000]),
        ("u32", 65536.0, [1, 0]),
        ("i32", -2.0, [0xFFFF, 0xFFFE]),
        ("u64", 2.0**48, [1, 0, 0, 0]),
        ("i64", -1.0, [0xFFFF] * 4),
        ("f32", 230.0, [0x4366, 0x0000]),
        ("f32", -0.15625, [0xBE20, 0x0000]),
        ("f64", 1.0, [0x3FF0, 0, 0, 0]),
        # clamped to the range
        ("u16", 70000.0, [0xFFFF]),
        ("u16", -5.0, [0]),
        ("i16", 40000.0, [0x7FFF]),
        ("i32", -1e12, [0x8000, 0]),
        ("u64", 1e30, [0xFFFF] * 4),
        ("i16", -inf, [0x8000]),
        ("f32", 1e39, [0x7F7F, 0xFFFF]),
        # not available, where the map says nothing: a float has NaN, an integer only 0
        ("f32", nan, [0x7FC0, 0]),
        ("f64", nan, [0x7FF8, 0, 0, 0]),
        ("u16", nan, [0]),
    ],
)
def test_a_value_becomes_the_words_of_its_type(kind: Type, value: float, words: list[int]) -> None:
    assert encode(register(kind=kind), value) == words
    assert encode(register(kind=kind, order="little"), value) == words[::-1]


def test_scales_are_undone() -> None:
    tenth = register(kind="u16", scale=Fraction(1, 10))
    assert encode(tenth, 230.1) == [2301]
    assert encode(register(kind="u32", scale=Fraction(1000)), 5_000_400.0) == [0, 5000]
    assert encode(register(kind="i16"), -5000.0, exponent=1) == [0x10000 - 500]
    assert encode(register(kind="i16"), 49.98, exponent=-2) == [4998]
    assert encode(tenth, 230.1, factor=3.0) == [767]
    assert encode(replace(tenth, offset=1000), 21.5) == [1215]
    assert encode(replace(tenth, direction=Direction(7)), -21.5) == [215]


def test_not_available_has_the_maps_pattern_and_no_value_takes_it() -> None:
    sunspec_int16 = register(kind="i16", invalid=(0x8000,))
    assert encode(sunspec_int16, nan) == [0x8000]
    assert encode(sunspec_int16, -40000.0) == [0x8001]
    huawei = register(kind="u32", invalid=(0xFFFFFFFF,))
    assert encode(huawei, nan) == [0xFFFF, 0xFFFF]
    assert encode(huawei, 1e12) == [0xFFFF, 0xFFFE]
    assert encode(register(kind="u32", invalid=(0,)), 0.0) == [0, 0]  # a SunSpec counter at 0 is not supported


def served(
    work: Callable[[Simulator, Bus], Awaitable[None]],
    units: Mapping[int, Served] | None = None,
    endpoint: Endpoint = ANYWHERE,
) -> None:
    """Serve METER as unit 1, or these units, and read them with our own master."""

    async def main() -> None:
        simulator = Simulator(endpoint, units or {1: Served(METER, lambda: VALUES)})
        bus = Bus(await simulator.start(), timeout=2.0)
        try:
            await work(simulator, bus)
        finally:
            await bus.close()
            await simulator.stop()

    asyncio.run(main())


def words(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 2}H", data))


async def check_meter(bus: Bus) -> None:
    assert words(await bus.read(1, "holding", 10, 3)) == [0x4366, 0, 5002]
    assert words(await bus.read(1, "holding", 20, 2)) == [0xFFFE, 0xFFFF]
    assert words(await bus.read(1, "input", 5, 4)) == [0, 0, 0, 123]
    assert words(await bus.read(1, "holding", 11, 2)) == [0, 5002]  # from the middle of a value


@pytest.mark.parametrize("scheme", ["tcp", "rtutcp"])
def test_a_device_is_served_over_tcp(scheme: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        assert simulator.endpoint.port > 0
        await check_meter(bus)

    served(work, endpoint=parse(f"{scheme}://127.0.0.1:0", listen=True))


def test_a_device_is_served_on_a_serial_line(tmp_path: Path) -> None:
    socat = shutil.which("socat")
    assert socat, "socat is needed"
    ends = [tmp_path / "master", tmp_path / "unit"]

    async def main() -> None:
        simulator = Simulator(parse(f"rtu://{ends[1]}"), {1: Served(METER, lambda: VALUES)})
        await simulator.start()
        bus = Bus(parse(f"rtu://{ends[0]}"), timeout=2.0)
        await check_meter(bus)
        with pytest.raises(NoAnswer):
            await bus.read(2, "holding", 10, 3, timeout=0.05)  # a missing unit on a line does not answer
        await check_meter(bus)
        await bus.close()
        await simulator.stop()

    with subprocess.Popen(
        [socat, "-d", "-d", *(f"pty,raw,echo=0,link={end}" for end in ends)],
        stderr=subprocess.PIPE,
        text=True,
    ) as line:
        assert line.stderr is not None
        while "starting data transfer loop" not in line.stderr.readline():
            continue
        try:
            asyncio.run(main())
        finally:
            line.kill()


def test_mbpoll_reads_the_same() -> None:
    """An independent master: `-t 3:float` and `-B` read a big-endian float from input or `-t 4` holding."""
    mbpoll = shutil.which("mbpoll")
    assert mbpoll, "mbpoll is needed"

    async def work(simulator: Simulator, bus: Bus) -> None:
        async def poll(*arguments: str) -> str:
            process = await asyncio.create_subprocess_exec(
                mbpoll,
                "-m",
                "tcp",
                "-p",
                str(simulator.endpoint.port),
                "-a",
                "1",
                "-0",
                "-1",
                "-q",
                *arguments,
                "127.0.0.1",
                stdout=subprocess.PIPE,
            )
            output, _ = await process.communicate()
            return output.decode()

        assert "[12]: \t5002" in await poll("-r", "12", "-t", "4")
        assert "[10]: \t230" in await poll("-r", "10", "-t", "4:float", "-B")
        assert "[8]: \t123" in await poll("-r", "8", "-t", "3")
        assert "[20]: \t-2" in await poll("-r", "20", "-t", "4:int")

    served(work)


def test_holes_are_filled_and_the_rest_is_refused() -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        assert words(await bus.read(1, "holding", 12, 8)) == [5002, 0, 0, 0, 0, 0, 0, 0]
        assert words(await bus.read(2, "holding", 12, 1)) == [5002]
        for unit, table, address, count in (
            (1, "holding", 9, 2),
            (1, "holding", 21, 2),
            (1, "input", 10, 1),
            (2, "holding", 12, 2),
        ):
            with pytest.raises(Refused) as caught:
                await bus.read(unit, "input" if table == "input" else "holding", address, count)
            assert caught.value.code == 2

    served(work, {1: Served(METER, lambda: VALUES), 2: Served(METER, lambda: VALUES, fill=False)})


def test_a_device_refuses_more_registers_than_it_can() -> None:
    short = device(register("frequency", 0, "u64"), limits=DeviceLimits(max_registers=2))

    async def work(simulator: Simulator, bus: Bus) -> None:
        await bus.read(1, "holding", 0, 2)
        with pytest.raises(Refused) as caught:
            await bus.read(1, "holding", 0, 3)
        assert caught.value.code == 3

    served(work, {1: Served(short, dict)})


def test_a_missing_unit_on_tcp_gets_the_exception_of_a_gateway() -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        with pytest.raises(Refused) as caught:
            await bus.read(9, "holding", 10, 1)
        assert caught.value.code == 11

    served(work)


@pytest.mark.parametrize(
    "pdu",
    [
        # write single coil, single register, coils, registers; mask write; read and write; read coils
        "05 000a ff00",
        "06 000a 0001",
        "0f 000a 0001 01 01",
        "10 000a 0001 02 0001",
        "16 000a 0000 ffff",
        "17 000a 0001 000a 0001 02 0001",
        "01 000a 0001",
    ],
)
def test_only_the_two_read_functions_exist(pdu: str) -> None:
    """The exception of a function that the server lacks is its code + 0x80 and 01 (specification, section 7)."""
    body = bytes.fromhex(pdu)

    async def work(simulator: Simulator, bus: Bus) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.endpoint.port)
        writer.write(struct.pack(">HHHB", 77, 0, len(body) + 1, 1) + body)
        assert await reader.readexactly(9) == struct.pack(">HHHBBB", 77, 0, 3, 1, body[0] | 0x80, 1)
        writer.close()
        await check_meter(bus)

    served(work)


def test_the_words_of_one_request_are_of_one_moment() -> None:
    moments = itertools.count(1)
    pair = device(register("active_energy_import", 0, "u32"), register("active_energy_export", 2, "u32"))

    def values() -> Mapping[str, float]:
        moment = next(moments) * 65537.0  # the same number in both words
        return {"active_energy_import": moment, "active_energy_export": moment}

    async def work(simulator: Simulator, bus: Bus) -> None:
        for moment in range(1, 6):
            assert words(await bus.read(1, "holding", 0, 4)) == [moment] * 4

    served(work, {1: Served(pair, values)})


def test_scale_registers_and_factors_are_undone() -> None:
    scaled = device(
        register("active_power_total", 0, "i16", scale_address=1),
        register("voltage_l1n", 2, "u16", scale_address=3, invalid=(0xFFFF,)),
        register("ct_ratio", 4),
        register("current_l1", 5, scale=Fraction(1, 10), factors=("ct_ratio",)),
    )
    readings = {"active_power_total": -110_000.0, "voltage_l1n": 230.0, "ct_ratio": 40.0, "current_l1": 600.0}

    async def work(simulator: Simulator, bus: Bus) -> None:
        # -110,000 / 10^2; 0x8000 is SunSpec's "not implemented", so the voltage has no scale;
        # 600 / 40 / 0.1
        assert words(await bus.read(1, "holding", 0, 6)) == [0x10000 - 1100, 2, 0xFFFF, 0x8000, 40, 150]
        # a ratio that the source does not know is 1
        assert words(await bus.read(2, "holding", 4, 2)) == [1, 6000]

    alone = {"current_l1": 600.0}
    constants = {1: 2, 3: 0x8000}
    served(work, {1: Served(scaled, lambda: readings, constants), 2: Served(scaled, lambda: alone, constants)})


def test_faults_come_and_go() -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.faults[1] = Faults(silent=True)
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 10, 1, timeout=0.05)
        simulator.faults[1] = Faults(exception=6)
        with pytest.raises(Refused) as caught:
            await bus.read(1, "holding", 10, 1)
        assert caught.value.code == 6
        simulator.faults[1] = Faults(sleeping=True)
        assert words(await bus.read(1, "holding", 10, 2)) == [0x7FC0, 0]
        assert words(await bus.read(1, "holding", 20, 2)) == [0, 0x8000]
        del simulator.faults[1]
        await check_meter(bus)

    served(work)


def test_a_late_answer_keeps_its_own_transaction_id() -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.faults[1] = Faults(late=0.06)
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 12, 1, timeout=0.03)
        assert words(await bus.read(1, "holding", 10, 1)) == [0x4366]

    served(work)


def test_two_requests_in_one_piece_are_both_answered() -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.endpoint.port)
        # transactions 7 and 8: one register from 12 (50.02 Hz), one from 10 (the high word of 230.0)
        writer.write(bytes.fromhex("0007 0000 0006 01 03 000c 00010008 0000 0006 01 03 000a 0001"))
        assert await reader.readexactly(22) == bytes.fromhex("0007 0000 0005 01 03 02 138a0008 0000 0005 01 03 02 4366")
        writer.close()

    served(work)


def test_the_same_seed_gives_the_same_faults() -> None:
    async def struck(seed: int) -> list[bool]:
        faults = {1: Faults(exception=4, shares={"exception": 0.5})}
        simulator = Simulator(ANYWHERE, {1: Served(METER, lambda: VALUES)}, faults, seed=seed)
        bus = Bus(await simulator.start(), timeout=10.0)
        refused = []
        for _ in range(30):
            try:
                await bus.read(1, "holding", 10, 1)
                refused.append(False)
            except Refused:
                refused.append(True)
        await bus.close()
        await simulator.stop()
        return refused

    first = asyncio.run(struck(7))
    assert asyncio.run(struck(7)) == first
    assert asyncio.run(struck(8)) != first


def test_a_late_answer_on_rtu_is_never_accepted() -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.faults[1] = Faults(late=0.06)
        for address, word in ((12, 5002), (10, 0x4366), (21, 0xFFFF)):
            try:
                assert words(await bus.read(1, "holding", address, 1, timeout=0.03)) == [word]
            except (NoAnswer, BadAnswer):
                continue
        assert words(await bus.read(1, "holding", 10, 1)) == [0x4366]

    served(work, endpoint=parse("rtutcp://127.0.0.1:0", listen=True))


def test_an_address_in_use_is_an_error() -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        with pytest.raises(OSError, match="cannot be served"):
            await Simulator(simulator.endpoint, {}).start()

    served(work)


def test_after_the_stop_the_address_is_free_again() -> None:
    async def main() -> None:
        simulator = Simulator(ANYWHERE, {1: Served(METER, lambda: VALUES)})
        endpoint = await simulator.start()
        bus = Bus(endpoint, timeout=2.0)
        await check_meter(bus)
        await simulator.stop()
        again = Simulator(endpoint, {1: Served(METER, lambda: VALUES)})
        assert await again.start() == endpoint
        await check_meter(bus)
        await bus.close()
        await again.stop()

    asyncio.run(main())


def test_refusals_write_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        with pytest.raises(Refused):
            await bus.read(1, "holding", 9, 1)
        with pytest.raises(Refused):
            await bus.read(9, "holding", 9, 1)

    with caplog.at_level(logging.INFO):
        served(work)
    assert not caplog.records


def test_a_pseudo_terminal_serves_too() -> None:
    async def main() -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        simulator = Simulator(parse(f"rtu://{os.ttyname(slave)}"), {17: Served(METER, lambda: VALUES)})
        await simulator.start()
        # unit 17, function 3, register 12, 1 of them; checksums by hand with the specification's algorithm
        os.write(master, bytes.fromhex("11 03 000c 0001 4699"))
        answer = b""
        while len(answer) < 7:
            await asyncio.sleep(0.001)
            os.set_blocking(master, False)
            try:
                answer += os.read(master, 32)
            except BlockingIOError:
                continue
        assert answer[:5] == bytes.fromhex("11 03 02 138a")
        await simulator.stop()
        os.close(master)
        os.close(slave)

    asyncio.run(main())


@pytest.mark.parametrize("name", [driver for driver in catalogue.names() if driver != catalogue.SUNSPEC])
def test_served_values_equal_read_values(name: str) -> None:
    """Every device of the catalogue, each register with a distinct raw number: wire, plan, decode and back."""
    shipped = catalogue.load(name)
    toy = replace(shipped, limits=replace(shipped.limits, request_delay=0.0))
    values: dict[str, float] = {}
    scales = {row.scale_address for row in toy.registers}
    negative = {row.direction.address: row.direction.negative for row in toy.registers if row.direction}
    for number, row in enumerate(sorted(toy.registers, key=lambda row: len(row.factors)), 1):
        raw = 0 if row.address in scales else number / 64 if row.encoding == "four-quadrant" else number
        if row.address in negative:  # all values are positive, and so are the directions of the magnitudes
            raw = number & ~negative[row.address]
        values[row.quantity] = raw * float(row.scale) * prod(values[factor] for factor in row.factors)

    async def work(simulator: Simulator, bus: Bus) -> None:
        reader = Reader(toy, 1)
        found = decode(reader, await reader.read(bus, HandClock()))
        assert found == {quantity: pytest.approx(value, rel=1e-6) for quantity, value in values.items()}

    served(work, {1: Served(toy, lambda: values)})


@pytest.mark.parametrize("power", [-2500.0, 2500.0])
@pytest.mark.parametrize(("name", "word"), [("solis_hybrid_33xxx", "battery_direction"), ("sungrow_sh_hybrid", "")])
def test_a_direction_is_served_with_its_magnitude(name: str, word: str, power: float) -> None:
    device = catalogue.load(name)

    async def work(simulator: Simulator, bus: Bus) -> None:
        reader = Reader(device, 1)
        found = decode(reader, await reader.read(bus, HandClock()))
        assert found["battery_power"] == power
        assert found["battery_current"] == power / 500
        assert word not in found or (found[word] == 0) == (power < 0)

    served(work, {1: Served(device, lambda: {"battery_power": power, "battery_current": power / 500})})


def test_a_sunspec_chain_is_found_and_read() -> None:
    toy, constants = sunspec_serve.chain((103,), "Acme", "Roof 110", "SN-1")
    values = {"active_power_total": 84_000.0, "frequency": 49.98}

    async def work(simulator: Simulator, bus: Bus) -> None:
        found = await walk.discover(lambda table, address, count: bus.read(1, table, address, count))
        assert found.serial == "SN-1"
        reader = Reader(found, 1)
        read = decode(reader, await reader.read(bus, HandClock()))
        assert read["active_power_total"] == 84_000.0
        assert read["frequency"] == pytest.approx(49.98, abs=0.005)
        assert isnan(read["energy_total"])

    served(work, {1: Served(toy, lambda: values, constants)})
