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
from collections.abc import Mapping
from pathlib import Path

import pytest
from wattgram_drivers.device import DeviceLimits
from wattgram_drivers.driver_errors import BadAnswer, NoAnswer, Refused
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.simulated.faults import Faults
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served

from tests.support.served_buses import words
from tests.support.simulated_meter import ANYWHERE, METER, VALUES, device, register, served


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
