"""Modbus TCP against servers that misbehave: accepted answers are correct, and no wait exceeds its limit.

The servers' registers hold their own addresses; refusals' names are those of the Modbus specification.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import socket
from functools import partial

import pytest
from wattgram_drivers.driver_errors import BadAnswer, BusDown, DriverError, NoAnswer, Refused
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.modbus.mbap import Mbap
from wattgram_drivers.modbus.pdu import ReadRequest

from tests.support import leaping_loop, libmodbus, served_buses
from tests.support import misbehaving_device as bad
from tests.support.served_buses import right, words

LIMIT = 0.15  # time-out of one answer in these tests, seconds
with_peer = partial(served_buses.with_peer, limit=LIMIT)


def test_registers_come_as_bytes_of_the_wire() -> None:
    async def work(bus: Bus) -> None:
        assert await bus.read(1, "holding", 0x0102, 2) == bytes.fromhex("0102 0103")
        assert await bus.read(255, "input", 65535, 1) == b"\xff\xff"
        assert len(await bus.read(0, "holding", 0, 125)) == 250

    server = bad.Server(bad.honest)
    with_peer(server, work)
    # PDU of a read: function, address, count (Modbus Application Protocol V1.1b3, section 6.3)
    assert server.requests[0].pdu == bytes.fromhex("03 0102 0002")
    assert server.requests[1].pdu == bytes.fromhex("04 ffff 0001")
    assert server.connections == 1


def test_an_answer_in_single_bytes_is_whole() -> None:
    with_peer(bad.Server(bad.in_pieces), right)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 10, 11, 77])
def test_an_exception_answer_is_a_refusal_with_its_code(code: int) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(Refused) as caught:
            await bus.read(7, "input", 5, 2)
        assert caught.value.code == code
        assert f"exception {code} (" in str(caught.value)
        assert "unit 7 input 5..6" in str(caught.value)
        assert bus.connected

    with_peer(bad.Server(bad.refuses(code)), work)


@pytest.mark.parametrize(
    "behaviour",
    [
        bad.wrong_unit,
        bad.wrong_function,
        bad.unknown_function,
        bad.refuses_another_function,
        bad.short,
        bad.odd_bytes,
        bad.long_byte_count,
        bad.garbage,
        bad.garbage_first,
        bad.long_header,
        bad.huge_header,
        bad.cut,
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_and_the_next_read_is_right(behaviour: bad.Behaviour) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(BadAnswer, match=r"unit 1 holding 100\.\.102"):
            await bus.read(1, "holding", 100, 3)
        await right(bus, 200)

    with_peer(bad.Server(bad.first(behaviour)), work)


@pytest.mark.parametrize("behaviour", [bad.garbage, bad.huge_header, bad.long_header, bad.cut, bad.spliced])
def test_a_connection_without_frame_boundaries_is_reopened(behaviour: bad.Behaviour) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(BadAnswer):
            await bus.read(1, "holding", 100, 3)
        assert not bus.connected
        await right(bus)

    server = bad.Server(bad.first(behaviour))
    with_peer(server, work)
    assert server.connections == 2


@pytest.mark.parametrize("behaviour", [bad.wrong_id, bad.id_zero])
def test_an_answer_with_another_transaction_id_is_rejected(behaviour: bad.Behaviour) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer, match=r"no answer within 0\.15 s"):
            await bus.read(1, "holding", 100, 3)
        await right(bus, 200)

    server = bad.Server(bad.first(behaviour))
    with_peer(server, work)
    assert server.connections == 1


@pytest.mark.parametrize("seed", range(5))
def test_transaction_ids_begin_at_random_and_do_not_repeat_for_65025_requests(seed: int) -> None:
    """No id is 0, which faulty servers send, or the id before plus 1, with which others answer."""
    framing = Mbap(random.Random(seed))
    request = ReadRequest(1, 3, 0, 1)
    ids = [int.from_bytes(framing.frame(request)[:2], "big") for _ in range(65025)]
    assert len(set(ids)) == 65025
    assert all(number >> 8 and number & 0xFF for number in ids)
    assert all(after != before + 1 for before, after in itertools.pairwise(ids))
    assert ids[0] != int.from_bytes(Mbap(random.Random(seed + 1)).frame(request)[:2], "big")


@pytest.mark.parametrize("behaviour", [bad.resets, bad.closes])
def test_the_end_of_a_connection_during_a_request_is_reported_at_once(behaviour: bad.Behaviour) -> None:
    async def main() -> None:
        async with bad.Server(bad.first(behaviour)) as server:
            bus = Bus(parse(server.url), timeout=3600.0)  # waiting for the time-out would hang the test
            with pytest.raises(BusDown, match="connection lost"):
                await bus.read(1, "holding", 100, 3)
            assert not bus.connected
            await right(bus)
            assert server.connections == 2
            await bus.close()

    asyncio.run(main())


def test_a_server_that_closes_after_each_answer_is_connected_to_again() -> None:
    async def work(bus: Bus) -> None:
        for address in (1, 2, 3):
            await right(bus, address)
            await bad.until(lambda: not bus.connected)

    server = bad.Server(bad.answers_then_closes)
    with_peer(server, work)
    assert server.connections == 3


def test_late_answers_are_discarded_by_their_transaction_id() -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 350, 1)
        for address in (100, 50, 60, 70, 80):
            await right(bus, address, 1)

    with_peer(bad.Server(bad.first(bad.late(1.2 * LIMIT)), in_order=True), work)


def test_doubled_answers_do_no_harm() -> None:
    async def work(bus: Bus) -> None:
        for address in (350, 100, 50, 60):
            await right(bus, address, 1)

    with_peer(bad.Server(bad.doubled), work)


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.slow(0.1)
def test_no_sequence_of_faults_gives_a_wrong_value(seed: int) -> None:
    """Whole frames and heads of frames in any order; TCP itself keeps the bytes of one frame together."""
    dice = random.Random(seed)
    faults = [
        *[bad.honest] * 6,
        bad.silent,
        bad.late(0.03),
        bad.late(0.08),
        bad.late(0.5),
        bad.wrong_unit,
        bad.short,
        bad.wrong_function,
        bad.wrong_id,
        bad.id_zero,
        bad.doubled,
        bad.doubled_after(dice, 0.1),
        bad.cut_off,
        bad.garbage,
        bad.refuses(6),
        bad.resets,
        bad.closes,
        bad.long_byte_count,
    ]

    async def main() -> int:
        good = 0
        async with bad.Server(bad.thrown(dice, faults)) as server:
            bus = Bus(parse(server.url), timeout=0.04)
            for _ in range(100):
                address, count = dice.randrange(900), dice.choice([1, 1, 2, 2, 10])
                try:
                    data = await bus.read(1, "holding", address, count)
                except DriverError:
                    continue
                assert words(data) == list(range(address, address + count))
                good += 1
            await bus.close()
        return good

    assert leaping_loop.run(main()) > 20  # a third of the dice's faces are harmless


def test_a_failed_first_connection_is_retried_later() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        bus = Bus(parse(f"tcp://127.0.0.1:{port}"), timeout=LIMIT)
        with pytest.raises(BusDown, match="cannot be opened"):
            await bus.connect()
        with pytest.raises(BusDown, match=f"tcp://127.0.0.1:{port}"):
            await bus.read(1, "holding", 0, 1)
        assert not bus.connected
        async with bad.Server(bad.honest, port=port):
            await bus.connect()
            assert bus.connected
            await right(bus)
            await bus.close()
            assert not bus.connected

    asyncio.run(main())


def test_a_host_that_has_no_address_is_a_bus_that_is_down() -> None:
    async def main() -> None:
        with pytest.raises(BusDown, match="no-such-host"):
            await Bus(parse("tcp://no-such-host.invalid")).connect()

    asyncio.run(main())


def test_connecting_twice_makes_one_connection() -> None:
    async def work(bus: Bus) -> None:
        await asyncio.gather(bus.connect(), bus.connect(), right(bus), right(bus, 7))

    server = bad.Server(bad.honest)
    with_peer(server, work)
    assert server.connections == 1


def test_a_bus_waits_after_connecting_and_between_requests() -> None:
    async def main() -> None:
        async with bad.Server(bad.answers_then_closes) as server:
            loop = asyncio.get_running_loop()
            bus = Bus(parse(server.url), timeout=LIMIT)
            start = loop.time()
            await bus.connect(0.05)
            await right(bus)
            assert server.requests[0].time - start >= 0.05
            await bad.until(lambda: not bus.connected)
            start = loop.time()
            await right(bus)  # opens the connection anew: the device's delay holds again
            assert server.requests[1].time - start >= 0.05
            await bus.close()
        async with bad.Server(bad.honest) as server:
            bus = Bus(parse(server.url), timeout=LIMIT)
            for _ in range(3):
                await bus.read(1, "holding", 0, 1, delay=0.04)
            times = [request.time for request in server.requests]
            assert all(after - before >= 0.04 for before, after in itertools.pairwise(times))
            await bus.close()

    asyncio.run(main())


def test_a_new_connection_is_closed_after_three_silent_requests() -> None:
    async def work(bus: Bus) -> None:
        await bus.connect()
        for _ in range(3):
            assert bus.connected
            with pytest.raises(NoAnswer):
                await bus.read(1, "holding", 0, 1, timeout=0.02)
        assert not bus.connected
        await right(bus)

    server = bad.Server(lambda request: bad.honest(request) if request.number == 3 else [])
    with_peer(server, work)
    assert server.connections == 2


def test_a_dead_unit_behind_a_gateway_delays_the_others_by_one_time_out() -> None:
    async def work(bus: Bus) -> None:
        results = await asyncio.gather(
            *(bus.read(unit, "holding", 10 * unit, 1) for unit in (1, 9, 2, 3)), return_exceptions=True
        )
        assert isinstance(results[1], NoAnswer)
        assert [words(r) for r in results if isinstance(r, bytes)] == [[10], [20], [30]]

    server = bad.Server(bad.by_unit({9: bad.silent}))
    with_peer(server, work)
    # the dead unit got one request, so the others waited for one time-out
    assert [request.unit for request in server.requests] == [1, 9, 2, 3]


def test_a_cancelled_read_leaves_the_bus_usable() -> None:
    async def work(bus: Bus) -> None:
        read = asyncio.create_task(bus.read(1, "holding", 350, 1))
        await asyncio.sleep(0.02)
        read.cancel()
        with pytest.raises(asyncio.CancelledError):
            await read
        for address in (100, 50, 60):
            await right(bus, address, 1)

    server = bad.Server(bad.first(bad.late(0.05)), in_order=True)
    with_peer(server, work)
    assert server.connections == 1


def test_closing_ends_a_read_at_once() -> None:
    async def main() -> None:
        async with bad.Server(bad.silent) as server:
            bus = Bus(parse(server.url), timeout=3600.0)
            read = asyncio.create_task(bus.read(1, "holding", 0, 1))
            await bad.until(lambda: bool(server.requests))
            await bus.close()
            with pytest.raises(BusDown, match="closed by us"):
                await read

    asyncio.run(main())


def test_a_server_that_sends_without_end_is_disconnected() -> None:
    async def work(bus: Bus) -> None:
        await right(bus)
        with pytest.raises((BusDown, BadAnswer)):
            await bus.read(1, "holding", 0, 1)
        assert not bus.connected

    with_peer(bad.Server(bad.in_turn(bad.honest, bad.babbling)), work)


@pytest.mark.parametrize(
    ("unit", "address", "count", "words_of_message"),
    [
        (256, 0, 1, "unit 256; allowed: 0 to 255"),
        (-1, 0, 1, "unit -1; allowed"),
        (1, 0, 0, "0 registers in one request; allowed: 1 to 125"),
        (1, 0, 126, "126 registers"),
        (1, -1, 1, "allowed: 0 to 65535"),
        (1, 65535, 2, "registers 65535..65536; allowed: 0 to 65535"),
    ],
)
def test_an_invalid_modbus_request_is_not_sent(unit: int, address: int, count: int, words_of_message: str) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(ValueError, match=words_of_message):
            await bus.read(unit, "holding", address, count)

    server = bad.Server(bad.honest)
    with_peer(server, work)
    assert not server.requests


def test_the_modbus_library_writes_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def work(bus: Bus) -> None:
        for _ in range(4):
            with pytest.raises(DriverError):
                await bus.read(1, "holding", 0, 1)

    faults = bad.in_turn(bad.garbage, bad.long_byte_count, bad.resets, bad.wrong_unit)
    with caplog.at_level(logging.INFO):
        with_peer(bad.Server(faults), work)
    assert not caplog.records


def test_answers_of_libmodbus_are_read() -> None:
    async def main(port: int) -> None:
        bus = Bus(parse(f"tcp://127.0.0.1:{port}"), timeout=2.0)
        for count in (1, 2, 20, 124, 125):
            assert words(await bus.read(1, "holding", 300, count)) == list(range(300, 300 + count))
            assert words(await bus.read(1, "input", 7, count)) == [60000 - 7 - i for i in range(count)]
        with pytest.raises(Refused) as caught:
            await bus.read(1, "holding", 999, 2)
        assert caught.value.code == 2
        await right(bus, 998, 2)
        await bus.close()

    with libmodbus.server() as port:
        asyncio.run(main(port))
