"""Modbus TCP headers that lie: transaction ids, lengths, frames before the request; and what a device may tolerate.

Sources: tmodbus 146 (exception of 9 bytes whose header states 4), Growatt_ModbusTCP 351 (an answer on connection),
sunsynk 680 (id + 1), pymodbus 2709 (swapped bytes of the id) and 2831 (id 0), j2mod 157 (length one too small),
pymodbus 1851 (length that counts the header).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import Callable

import pytest
from wattgram_drivers.driver_errors import BadAnswer, DriverError, NoAnswer, Refused
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.modbus.link import TcpLink

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad
from tests.support.served_buses import LIMIT, Tolerated, right, with_peer

WRONG_IDS: dict[str, Callable[[int], int]] = {
    "zero": lambda number: 0,
    "one": lambda number: 1,
    "next": lambda number: number + 1,
    "before": lambda number: number - 1,
    "swapped": lambda number: number >> 8 | (number & 0xFF) << 8,
    "constant": lambda number: 0x1234,
}
wrong_ids = pytest.mark.parametrize("change", WRONG_IDS.values(), ids=WRONG_IDS)


GREETING = bytes.fromhex("0001 0000 004b 01 04 48") + 72 * b"A"


@pytest.mark.parametrize("pause", [0.0, 0.2])
@pytest.mark.parametrize("tolerated", [(), ("transaction-id",), ("length",), ("transaction-id", "length")])
def test_an_answer_that_came_before_its_request_is_no_answer(pause: float, tolerated: Tolerated) -> None:
    """A data logger sends an answer of 36 input registers to each client, and then nothing."""

    async def work(bus: Bus) -> None:
        await bus.connect()
        await asyncio.sleep(pause)
        for _ in range(5):
            with pytest.raises(NoAnswer):
                await bus.read(1, "input", 0, 36)

    with_peer(bad.Server(bad.silent, greeting=GREETING), work, tolerated=tolerated)


@pytest.mark.parametrize("tolerated", [(), ("transaction-id",), ("length",), ("transaction-id", "length")])
@pytest.mark.parametrize(
    "greeting",
    [GREETING, 3 * GREETING, GREETING[:40], b"\0", b"\0\0\0\0\0\0\0\0", b"Welcome\r\n", GREETING + b"\xc1\xc2"],
)
def test_what_came_before_the_request_does_not_disturb_its_answer(greeting: bytes, tolerated: Tolerated) -> None:
    async def work(bus: Bus) -> None:
        await bus.connect()
        await asyncio.sleep(0.2)
        if len(greeting) == 40:  # the rest of this frame never comes, so the answer cannot be found
            with pytest.raises(DriverError):
                await bus.read(1, "input", 0, 36)
        else:
            assert len(await bus.read(1, "input", 0, 36)) == 72

    with_peer(bad.Server(bad.honest, greeting=greeting), work, tolerated=tolerated)


@pytest.mark.parametrize("size", [3159, 4097, 20_000, 65_000])
@pytest.mark.parametrize("junk", [False, True])
def test_thousands_of_bytes_before_the_first_request_are_discarded(size: int, junk: bool) -> None:
    """A data logger repeats what it buffered for an earlier client to each new one, up to 64 KiB."""
    greeting = size * b"A" if junk else (size // len(GREETING) * GREETING)

    async def work(bus: Bus) -> None:
        for address in (100, 200):
            await bus.connect()
            await asyncio.sleep(0.2)
            await right(bus, address)
        await bus.close()
        await bus.connect()
        await asyncio.sleep(0.2)
        await right(bus)

    with_peer(bad.Server(bad.honest, greeting=greeting), work)


def test_a_server_that_floods_each_connection_is_an_error() -> None:
    server = bad.Server(bad.honest, greeting=200_000 * b"A")
    told = []

    async def work(bus: Bus) -> None:
        for _ in range(3):
            try:
                await bus.connect()
                await asyncio.sleep(0.2)
                await bus.read(1, "holding", 100, 3)
            except DriverError as error:
                told.append(str(error))
                await bus.close()

    with_peer(server, work)
    assert len(told) == 3


def test_the_message_of_a_flood_names_the_number_of_bytes() -> None:
    async def main() -> str:
        wire = TcpLink(parse("tcp://127.0.0.1:502"))
        wire.feed(65_536 * b"A")
        assert wire.reason == ""
        wire.feed(4_464 * b"A")
        return wire.reason

    assert asyncio.run(main()) == "70000 bytes received without a request; allowed: 65536"


def test_the_rest_of_a_frame_that_began_before_the_request_is_discarded() -> None:
    def behaviour(request: bad.Request) -> list[bad.Step]:
        if request.number == 0:
            frame = request.frame(request.registers(1000))
            return [bad.Step(1.1 * LIMIT, frame[:9]), bad.Step(1.5 * LIMIT, frame[9:])]
        return [bad.Step(0.8 * LIMIT, request.right())]

    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 0, 2)
        await asyncio.sleep(0.2 * LIMIT)
        await right(bus, 100, 2)

    with_peer(bad.Server(behaviour), work)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 6, 11, 40, 254, 255, 0x0104, 0xFFFF])
@pytest.mark.parametrize("then", [b"", b"\0", b"\0\0", bytes(3), bytes(8), bytes(250), b"\xc2\xc1"])
def test_an_exception_is_read_whatever_length_its_header_states(length: int, then: bytes) -> None:
    """Exception 2 as 9 bytes, with zeros or an RTU checksum behind it; the next answers are right."""

    async def work(bus: Bus) -> None:
        for number in range(5):
            with pytest.raises(Refused) as caught:
                await bus.read(1, "input", 7, 2)
            assert caught.value.code == 2
            await right(bus, 100 + number)

    server = bad.Server(bad.in_turn(bad.refuses_with_length(length, then=then), bad.honest))
    with_peer(server, work)
    assert server.connections == 1
    assert len(server.requests) == 10


@pytest.mark.parametrize("length", [0, 2, 3, 4, 5, 11, 254, 0xFFFF])
@pytest.mark.parametrize("padding", [b"", b"\0", b"\0\0", bytes(8)])
def test_a_late_exception_in_one_segment_with_the_answer_is_discarded(length: int, padding: bytes) -> None:
    held: list[bytes] = []

    def behaviour(request: bad.Request) -> list[bad.Step]:
        if request.number == 0:
            held.append(bad.refuses_with_length(length, then=padding)(request)[0].data)
            return []
        return [bad.Step(data=held.pop() + request.right())] if held else [bad.Step(data=request.right())]

    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 7, 2)
        await right(bus, 100, 3)
        await right(bus, 200, 3)

    server = bad.Server(behaviour)
    with_peer(server, work)
    assert server.connections == 1


@pytest.mark.parametrize("pieces", [1, 2, 5, 7, 8])
def test_an_exception_in_pieces_is_read(pieces: int) -> None:
    def behaviour(request: bad.Request) -> list[bad.Step]:
        frame = bad.refuses_with_length(4)(request)[0].data
        return [bad.Step(data=frame[:pieces]), bad.Step(0.1, frame[pieces:])]

    async def work(bus: Bus) -> None:
        with pytest.raises(Refused):
            await bus.read(1, "holding", 7, 2)

    with_peer(bad.Server(behaviour), work)


@pytest.mark.parametrize("surplus", [-9, -6, -3, -2, -1, 1, 2, 3, 6, 100, 240, 300])
@pytest.mark.parametrize("tolerated", [(), ("transaction-id",)])
def test_a_normal_answer_whose_header_lies_is_refused_and_named(surplus: int, tolerated: Tolerated) -> None:
    """Registers 100 to 102: byte count 6, so the header must state 9."""

    async def work(bus: Bus) -> None:
        with pytest.raises(BadAnswer, match=rf"states {9 + surplus & 0xFFFF} bytes.*needs 9") as caught:
            await bus.read(1, "holding", 100, 3)
        assert caught.value.fault == "length"
        await right(bus, 200)

    with_peer(bad.Server(bad.first(bad.with_length(surplus))), work, tolerated=tolerated)


@pytest.mark.parametrize("surplus", [-5, -3, -1, 1, 2, 3, 6, 100, 240, 300])
@pytest.mark.parametrize("tolerated", [("length",), ("transaction-id", "length")])
def test_a_tolerated_length_is_not_compared(surplus: int, tolerated: Tolerated) -> None:
    async def work(bus: Bus) -> None:
        for number in range(20):
            await right(bus, 100 + number, 1 + number % 4)

    server = bad.Server(bad.with_length(surplus))
    with_peer(server, work, tolerated=tolerated)
    assert server.connections == 1


@pytest.mark.parametrize("counted", [False, True], ids=["not counted", "counted"])
@pytest.mark.parametrize("tolerated", [("length",), ("transaction-id", "length")])
def test_a_gateway_that_leaves_the_checksum_in_its_frames_can_be_tolerated(counted: bool, tolerated: Tolerated) -> None:
    def behaviour(request: bad.Request) -> list[bad.Step]:
        (step,) = bad.with_length(2 * counted)(request)
        return [bad.Step(data=step.data + b"\xc2\xc1")]

    async def work(bus: Bus) -> None:
        for number in range(20):
            await right(bus, 100 + number, 1 + number % 4)

    with_peer(bad.Server(behaviour), work, tolerated=tolerated)


@wrong_ids
def test_a_wrong_transaction_id_is_refused_and_named(change: Callable[[int], int]) -> None:
    async def work(bus: Bus) -> None:
        for _ in range(3):
            with pytest.raises(NoAnswer, match=r"an answer came with transaction id \d+ instead of \d+") as caught:
                await bus.read(1, "holding", 100, 3)
            assert caught.value.fault == "transaction-id"
            request = server.requests[-1]
            assert request.transaction is not None
            assert f"id {change(request.transaction) & 0xFFFF} instead of {request.transaction}" in str(caught.value)

    server = bad.Server(bad.with_id(change))
    with_peer(server, work)


@wrong_ids
def test_a_wrong_transaction_id_of_an_exception_is_refused_and_named(change: Callable[[int], int]) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer) as caught:
            await bus.read(1, "holding", 100, 3)
        assert caught.value.fault == "transaction-id"

    with_peer(bad.Server(bad.with_id(change, bad.refuses(2))), work)


@wrong_ids
def test_a_late_answer_with_a_wrong_id_is_not_taken_for_the_next(change: Callable[[int], int]) -> None:
    """Each answer comes while the next request waits."""

    async def work(bus: Bus) -> None:
        for number in range(50):
            with pytest.raises(DriverError):
                await bus.read(1, "holding", 10 * number, 3)

    with_peer(bad.Server(bad.with_id(change, bad.late(1.3 * LIMIT))), work)


def test_a_late_answer_is_not_named_as_a_wrong_id() -> None:
    async def work(bus: Bus) -> None:
        for number in range(3):
            with pytest.raises(NoAnswer) as caught:
                await bus.read(1, "holding", 10 * number, 3)
            assert caught.value.fault == ""

    with_peer(bad.Server(bad.late(1.3 * LIMIT)), work)


@wrong_ids
@pytest.mark.parametrize("tolerated", [("transaction-id",), ("transaction-id", "length")])
def test_a_tolerated_transaction_id_is_not_compared(change: Callable[[int], int], tolerated: Tolerated) -> None:
    async def work(bus: Bus) -> None:
        for number in range(40):
            await right(bus, 10 * number, 1 + number % 2)

    server = bad.Server(bad.with_id(change))
    with_peer(server, work, tolerated=tolerated)
    assert server.connections == 1


@pytest.mark.parametrize("tolerated", [("transaction-id",), ("transaction-id", "length")])
@pytest.mark.parametrize(
    "fault", [bad.wrong_unit, bad.wrong_function, bad.short, bad.odd_bytes, bad.refuses_another_function]
)
def test_unit_function_and_byte_count_are_compared_in_any_case(fault: bad.Behaviour, tolerated: Tolerated) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(DriverError):
            await bus.read(1, "holding", 100, 3)
        await right(bus, 200)

    with_peer(bad.Server(bad.first(fault)), work, tolerated=tolerated)


def test_a_length_that_lies_is_told_of_the_request_and_no_other_table_is_read() -> None:
    """Only the length is wrong, and only the transaction id is tolerated. The meter has input registers alone."""
    server = bad.Server(bad.with_length(2))
    told = []

    async def work(bus: Bus) -> None:
        for address in (0, 52, 0, 52):
            with pytest.raises(BadAnswer) as caught:
                await bus.read(1, "input", address, 36)
            told.append(str(caught.value))

    with_peer(server, work, tolerated=("transaction-id",))
    assert {request.code for request in server.requests} == {4}
    for address, error in zip((0, 52, 0, 52), told, strict=True):
        assert f"input {address}..{address + 35}: the header states" in error


def test_a_tolerated_unit_that_refuses_registers_is_read_again_afterwards() -> None:
    """Exceptions, and a request without an answer, leave no doubt that costs the next readings."""
    server = bad.Server(bad.in_turn(bad.silent, bad.refuses(2), bad.refuses(2), bad.honest))

    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 100, 3)
        for _ in range(12):
            with contextlib.suppress(Refused, NoAnswer):
                await right(bus, 200)
        assert {request.code for request in server.requests} == {3}

    with_peer(server, work, tolerated=("transaction-id",))


def test_a_tolerance_is_for_one_unit() -> None:
    async def work(bus: Bus) -> None:
        await right(bus)
        with pytest.raises(NoAnswer):
            await right(bus, unit=2)

    with_peer(bad.Server(bad.with_id(lambda number: 0)), work, tolerated=("transaction-id",))


@wrong_ids
@pytest.mark.parametrize("lateness", [0.7, 1.05, 1.5, 2.2, 5.0])
def test_a_late_answer_of_a_tolerated_unit_is_not_taken_for_the_next(
    change: Callable[[int], int], lateness: float
) -> None:
    async def work(bus: Bus) -> None:
        good = 0
        for number in range(40):
            try:
                await right(bus, 10 * number, 2)
                good += 1
            except DriverError:
                await asyncio.sleep(lateness * LIMIT * (number % 3))
        assert good >= 10

    late = bad.with_id(change, bad.late(lateness * LIMIT))
    prompt = bad.with_id(change)
    with_peer(
        bad.Server(bad.in_turn(prompt, prompt, late, prompt, prompt), in_order=True),
        work,
        tolerated=("transaction-id",),
    )


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.slow(0.1)
def test_no_sequence_of_faults_of_a_tolerated_unit_gives_a_wrong_value(seed: int) -> None:
    """Answers of a gateway without transaction ids or right lengths: late, doubled, cut, foreign, in any order."""
    dice = random.Random(seed)
    change = dice.choice(list(WRONG_IDS.values()))
    faults = [
        *[bad.honest] * 8,
        bad.silent,
        bad.late(0.3 * LIMIT),
        bad.late(1.2 * LIMIT),
        bad.late(4 * LIMIT),
        bad.doubled,
        bad.doubled_after(dice, LIMIT),
        bad.wrong_unit,
        bad.short,
        bad.wrong_function,
        bad.cut_off,
        bad.refuses(6),
        bad.resets,
        bad.closes,
    ]

    async def main() -> int:
        good = 0
        async with bad.Server(bad.with_id(change, bad.thrown(dice, faults)), in_order=True) as server:
            bus = Bus(parse(server.url), timeout=LIMIT, chance=dice)
            bus.tolerate(1, ("transaction-id", "length"))
            for _ in range(100):
                address, count = dice.randrange(900), dice.choice([1, 1, 2, 2, 10])
                try:
                    data = await bus.read(1, "holding", address, count)
                except DriverError:
                    continue
                assert list(struct.unpack(f">{count}H", data)) == list(range(address, address + count))
                good += 1
            await bus.close()
        return good

    assert leaping_loop.run(main()) > 10


def test_lines_without_headers_have_nothing_to_tolerate() -> None:
    for url in ("rtutcp://127.0.0.1:1", "rtu:///dev/ttyUSB0", "ascii:///dev/ttyUSB0"):
        faults: Tolerated = ("length",)
        with pytest.raises(ValueError, match="allowed: tcp, udp, tls"):
            Bus(parse(url)).tolerate(1, faults)


def test_a_wrong_unit_is_named() -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(BadAnswer, match="unit 2 answered, requested unit 1") as caught:
            await bus.read(1, "holding", 100, 3)
        assert caught.value.fault == "unit"

    with_peer(bad.Server(bad.wrong_unit), work)


def test_a_wrong_unit_behind_a_serial_server_is_named() -> None:
    async def main() -> None:
        async with bad.Server(bad.wrong_unit, rtu=True) as server:
            bus = Bus(parse(server.url), timeout=LIMIT)
            with pytest.raises(NoAnswer, match=r"no answer within 0\.5 s; unit 2 answered instead of unit 1") as caught:
                await bus.read(1, "holding", 100, 3)
            assert caught.value.fault == "unit"
            await bus.close()

    leaping_loop.run(main())


def test_ids_of_two_buses_differ() -> None:
    first = []
    for _ in range(8):
        server = bad.Server(bad.honest)

        async def main(server: bad.Server = server) -> None:
            async with server:
                bus = Bus(parse(server.url))
                await right(bus)
                await bus.close()

        leaping_loop.run(main())
        first.append(server.requests[0].transaction)
    assert len(set(first)) > 4  # of 65,025
