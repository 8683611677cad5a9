"""Two-wire adapters that receive what they send: an echo is never taken for an answer.

Sources: libmodbus 34, 380 and 818, goburrow/modbus 66. The units' registers hold their own addresses.
"""

from __future__ import annotations

import asyncio
import struct

import pytest
from wattgram_drivers.device import Table
from wattgram_drivers.driver_errors import DriverError, NoAnswer, Refused
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import misbehaving_device as bad
from tests.support.served_buses import LIMIT, with_peer

REQUESTS: list[tuple[int, Table, int, int]] = [
    (1, "holding", 0x0300, 22),  # 01 03 03 00 00 16 c5 80: as an answer, three bytes and a right checksum
    (4, "holding", 688, 1),  # 04 03 02 b0 00 01 84 00: its first 7 bytes are a valid answer, b000
    (4, "input", 689, 1),  # 04 04 02 b1 00 01 60 00, likewise
    (19, "input", 512, 1),  # 13 04 02 00 00 01 33 00, likewise
    (83, "holding", 512, 1),  # 53 03 02 00 00 01 88 00, likewise
    (3, "holding", 0x0302, 1),  # without its first byte it begins like the answer
    (1, "holding", 0x0400, 2),
    (1, "input", 0, 125),
]


def rtu_frame(request: bad.Request) -> bytes:
    return request.frame(request.pdu)


def echoing(*cuts: int, lost: int = 0, pause: float = 0.05, answer: bad.Behaviour = bad.honest) -> bad.Behaviour:
    """The request comes back in pieces that end at `cuts`, without its first `lost` bytes, and then the answer."""

    def act(request: bad.Request) -> list[bad.Step]:
        echo = rtu_frame(request)
        ends = [lost, *cuts, len(echo)]
        steps = [bad.Step(pause * place, echo[ends[place] : ends[place + 1]]) for place in range(len(ends) - 1)]
        return [*steps, *(bad.Step(pause * len(ends) + step.delay, step.data) for step in answer(request))]

    return act


async def right(bus: Bus, request: tuple[int, Table, int, int]) -> None:
    unit, table, address, count = request
    data = await bus.read(unit, table, address, count)
    assert list(struct.unpack(f">{count}H", data)) == list(range(address, address + count))


async def all_right(bus: Bus) -> None:
    for _ in range(2):
        for request in REQUESTS:
            await right(bus, request)


@pytest.mark.parametrize("cuts", [(), (1,), (3,), (5,), (7,), (1, 2, 3, 4, 5, 6, 7)])
def test_an_echo_is_discarded_whole_and_in_pieces(cuts: tuple[int, ...]) -> None:
    with_peer(bad.Server(echoing(*cuts), rtu=True), all_right)


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_an_echo_without_its_beginning_is_discarded(lost: int) -> None:
    """The adapter begins to receive while it sends."""
    with_peer(bad.Server(echoing(lost=lost), rtu=True), all_right)


def test_echo_and_answer_in_one_piece_are_told_apart() -> None:
    with_peer(bad.Server(lambda request: [bad.Step(data=rtu_frame(request) + request.right())], rtu=True), all_right)


@pytest.mark.parametrize("cuts", [(), (3,), (7,)])
def test_an_echo_without_an_answer_is_no_answer(cuts: tuple[int, ...]) -> None:
    async def work(bus: Bus) -> None:
        for unit, table, address, count in REQUESTS:
            with pytest.raises(NoAnswer):
                await bus.read(unit, table, address, count)

    with_peer(bad.Server(echoing(*cuts, answer=bad.silent), rtu=True), work)


@pytest.mark.parametrize("size", [4, 5, 6, 7])
def test_a_part_of_an_echo_is_no_answer(size: int) -> None:
    async def work(bus: Bus) -> None:
        for unit, table, address, count in REQUESTS:
            with pytest.raises(DriverError):
                await bus.read(unit, table, address, count)

    for part in (slice(size), slice(-size, None)):

        def behaviour(request: bad.Request, part: slice = part) -> list[bad.Step]:
            return [bad.Step(data=rtu_frame(request)[part])]

        with_peer(bad.Server(behaviour, rtu=True), work)


@pytest.mark.parametrize("late", [1.01, 1.3, 2.0])
@pytest.mark.parametrize("cuts", [(), (3,), (7,)])
def test_the_echo_of_an_earlier_request_is_no_answer(late: float, cuts: tuple[int, ...]) -> None:
    """The first request gets its echo after the time-out, while the next one waits; then the unit answers."""

    def behaviour(request: bad.Request) -> list[bad.Step]:
        if request.number == 0:
            return [
                bad.Step(late * LIMIT + step.delay, step.data) for step in echoing(*cuts, answer=bad.silent)(request)
            ]
        return [bad.Step(0.9 * LIMIT, request.right())]

    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(4, "holding", 688, 1)
        for address in (100, 200, 300):
            try:
                await right(bus, (4, "holding", address, 1))
            except DriverError:
                continue

    with_peer(bad.Server(behaviour, rtu=True), work)


def test_an_exception_after_an_echo_is_read() -> None:
    async def work(bus: Bus) -> None:
        for unit, table, address, count in REQUESTS:
            with pytest.raises(Refused) as caught:
                await bus.read(unit, table, address, count)
            assert caught.value.code == 2

    with_peer(bad.Server(echoing(answer=bad.refuses(2)), rtu=True), work)


def test_noise_before_an_echo_costs_nothing() -> None:
    def behaviour(request: bad.Request) -> list[bad.Step]:
        return [bad.Step(data=b"\x00\xff" + rtu_frame(request)), bad.Step(0.05, request.right())]

    async def work(bus: Bus) -> None:
        for request in REQUESTS:
            await right(bus, request)

    with_peer(bad.Server(behaviour, rtu=True), work)


def test_registers_that_hold_a_request_are_read() -> None:
    """The answer to registers 0 to 3 contains the bytes of the request itself."""

    def behaviour(request: bad.Request) -> list[bad.Step]:
        return [bad.Step(data=request.frame(bytes((3, 8)) + rtu_frame(request)))]

    async def work(bus: Bus) -> None:
        assert await bus.read(1, "holding", 0, 4) == bytes.fromhex("0103 0000 0004 4409")

    with_peer(bad.Server(behaviour, rtu=True), work)


def test_an_echo_on_a_serial_line_is_discarded() -> None:
    async def main() -> None:
        async with bad.Slave(echoing(3)) as slave:
            bus = Bus(parse(slave.url), timeout=5.0)
            for request in REQUESTS[:4]:
                await right(bus, request)
            await bus.close()

    asyncio.run(main())


def test_a_whole_answer_that_came_before_its_request_is_discarded() -> None:
    """A serial server delivers what came on the line before the client did."""

    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(1, "input", 0, 36)

    body = bytes((1, 4, 72)) + 72 * b"A"
    with_peer(bad.Server(bad.silent, rtu=True, greeting=body + bad.crc16(body)), work)
