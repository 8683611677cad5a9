"""Modbus RTU, on a serial line (pseudo-terminal) and over TCP: a late answer is never accepted for the next request.

The slaves' registers hold their own addresses, so an answer that belongs to another request shows.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from wattgram_drivers.device import Table
from wattgram_drivers.driver_errors import BadAnswer, BusDown, DriverError, NoAnswer, Refused
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import leaping_loop, served_buses
from tests.support import misbehaving_device as bad
from tests.support.served_buses import Peer, right, words

LIMIT = 0.3  # time-out of one answer in these tests, seconds; a busy machine takes a tenth to answer
with_peer = partial(served_buses.with_peer, limit=LIMIT)


def serial(behaviour: bad.Behaviour) -> Peer:
    return bad.Slave(behaviour)


def over_tcp(behaviour: bad.Behaviour) -> Peer:
    return bad.Server(behaviour, rtu=True)


both = pytest.mark.parametrize("wire", [serial, over_tcp])
Wire = Callable[[bad.Behaviour], Peer]


@both
def test_registers_come_as_bytes_of_the_wire(wire: Wire) -> None:
    async def work(bus: Bus) -> None:
        assert await bus.read(1, "holding", 0x0102, 2) == bytes.fromhex("0102 0103")
        assert await bus.read(247, "input", 65535, 1) == b"\xff\xff"
        assert len(await bus.read(1, "holding", 0, 125)) == 250

    with_peer(wire(bad.honest), work)


@both
def test_an_answer_in_single_bytes_is_whole(wire: Wire) -> None:
    with_peer(wire(bad.in_pieces), right)


@both
def test_a_refusal_has_its_exception_code(wire: Wire) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(Refused) as caught:
            await bus.read(1, "holding", 0, 1)
        assert caught.value.code == 2
        await right(bus)

    with_peer(wire(bad.first(bad.refuses(2))), work)


@both
@pytest.mark.parametrize(
    "behaviour",
    [
        bad.wrong_function,
        bad.unknown_function,
        bad.refuses_another_function,
        bad.short,
        bad.long_byte_count,
        bad.odd_bytes,
        bad.garbage,
        bad.cut,
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_and_the_next_read_is_right(
    wire: Wire, behaviour: bad.Behaviour
) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(BadAnswer, match=r"unit 1 holding 100\.\.102"):
            await bus.read(1, "holding", 100, 3)
        await right(bus, 200)

    with_peer(wire(bad.first(behaviour)), work)


@both
def test_noise_before_an_answer_is_skipped(wire: Wire) -> None:
    with_peer(wire(bad.garbage_first), right)


@both
def test_an_echo_of_the_request_is_skipped(wire: Wire) -> None:
    """Two-wire adapters may receive their own request."""
    with_peer(wire(lambda request: [bad.Step(data=request.frame(request.pdu) + request.right())]), right)


@both
def test_the_answer_of_another_unit_is_rejected(wire: Wire) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 100, 3)
        await right(bus, 200)

    with_peer(wire(bad.first(bad.wrong_unit)), work)


def test_one_late_answer_shifts_nothing() -> None:
    """For requests of 350, 100, 50, 60, 70, 80 pymodbus 3.16.1 returns time-out, 350, 100, 50, 60, 70."""
    for lateness in (1.01, 1.2, 1.5, 2.5, 4.0):

        async def work(bus: Bus) -> None:
            with pytest.raises(NoAnswer):
                await bus.read(1, "holding", 350, 1)
            answered = 0
            for address in (100, 50, 60, 70, 80):
                try:
                    await right(bus, address, 1)
                    answered += 1
                except (NoAnswer, BadAnswer):
                    continue
            assert answered >= 1  # a unit that works again is believed again

        with_peer(bad.Server(bad.first(bad.late(lateness * LIMIT)), rtu=True, in_order=True), work)


def test_a_late_answer_costs_one_probe() -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 350, 1)
        for address, count in ((100, 1), (50, 2), (60, 1), (70, 2), (80, 3)):
            await right(bus, address, count)

    server = bad.Server(bad.first(bad.late(1.1 * LIMIT)), rtu=True, in_order=True)
    with_peer(server, work)
    assert len(server.requests) == 7  # six reads and the question whose answer cannot be mistaken
    assert server.requests[1].count != 1


@both
def test_a_probe_separates_requests_of_equal_shape(wire: Wire) -> None:
    """Otherwise a second copy of the first answer, at any time, could be accepted as the second answer."""

    async def work(bus: Bus) -> None:
        await right(bus, 100, 2)
        await right(bus, 100, 2)  # the same registers: a copy would be right as well
        await right(bus, 200, 2)
        await right(bus, 300, 2, unit=2)

    peer = wire(bad.honest)
    with_peer(peer, work)
    requests = [(request.unit, request.address, request.count) for request in peer.requests]
    assert requests == [(1, 100, 2), (1, 100, 2), (1, 200, 1), (1, 200, 2), (2, 300, 2)]


def test_a_copy_that_comes_during_the_next_request_is_not_its_answer() -> None:
    def behaviour(request: bad.Request) -> list[bad.Step]:
        if request.number == 0:
            return [bad.Step(data=request.right()), bad.Step(0.05, request.right())]
        return [bad.Step(0.1, request.right())]

    async def work(bus: Bus) -> None:
        for address in (350, 100, 50):
            await right(bus, address, 1)

    with_peer(bad.Server(behaviour, rtu=True, in_order=True), work)


@both
def test_a_late_exception_is_not_accepted_for_the_next_request(wire: Wire) -> None:
    """Otherwise the reader would learn a good register as a hole."""

    def behaviour(request: bad.Request) -> list[bad.Step]:
        delay = 1.3 * LIMIT if request.number == 0 else 0.3 * LIMIT
        return [bad.Step(delay, bad.refuses(2)(request)[0].data if request.number == 0 else request.right())]

    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 100, 2)
        for address in (200, 300, 400):
            try:
                await right(bus, address, 2)
            except (NoAnswer, BadAnswer):
                continue
        await right(bus, 500, 2)

    with_peer(wire(behaviour), work)


def test_a_unit_that_refuses_the_probe_is_asked_with_the_other_function() -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 100, 2)
        with pytest.raises(Refused) as caught:
            await bus.read(1, "holding", 200, 2)
        assert caught.value.code == 2

    server = bad.Server(bad.first(bad.silent, bad.refuses(2)), rtu=True)
    with_peer(server, work)
    # the read, its probe with fewer registers, the probe with function 4, and the read that may be believed
    assert [request.code for request in server.requests] == [3, 3, 4, 3]


def test_a_late_answer_of_one_unit_does_not_hold_up_another() -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(NoAnswer):
            await bus.read(9, "holding", 350, 1)
        for count in (1, 2, 3):
            await right(bus, 100, count, unit=2)

    server = bad.Server(bad.by_unit({9: bad.late(1.5 * LIMIT), 2: bad.late(0.3 * LIMIT)}), rtu=True)
    with_peer(server, work)
    assert [request.unit for request in server.requests] == [9, 2, 2, 2]


@both
def test_a_cancelled_read_leaves_the_bus_usable(wire: Wire) -> None:
    async def work(bus: Bus) -> None:
        read = asyncio.create_task(bus.read(1, "holding", 350, 1))
        await asyncio.sleep(0.02)
        read.cancel()
        with pytest.raises(asyncio.CancelledError):
            await read
        for address in (100, 50, 60):
            await right(bus, address, 1)

    with_peer(wire(bad.first(bad.late(0.05))), work)


@both
def test_doubled_answers_do_no_harm(wire: Wire) -> None:
    async def work(bus: Bus) -> None:
        for address in (350, 100, 50, 60):
            await right(bus, address, 1)

    with_peer(wire(bad.doubled), work)


def test_repeated_answers_of_a_unit_are_detected() -> None:
    """Each second answer arrives while the bus waits for the answer to the next request."""

    async def work(bus: Bus) -> None:
        await right(bus, 350, 1)
        await asyncio.sleep(0.08)  # the first doubled answer reveals the unit
        for address in (100, 50, 60, 70):
            await right(bus, address, 1)

    def behaviour(request: bad.Request) -> list[bad.Step]:
        return [bad.Step(0.03, request.right()), bad.Step(0.05, request.right())]

    with_peer(bad.Server(behaviour, rtu=True), work)


@pytest.mark.parametrize("seed", range(200))
@pytest.mark.slow(0.1)
def test_no_sequence_of_faults_gives_a_wrong_value(seed: int) -> None:
    """Late, cut, doubled, foreign, refused, silent, in any sequence; a unit answers in turn, however late."""
    dice = random.Random(seed)
    faults = [
        *[bad.honest] * 6,
        bad.silent,
        bad.late(0.03),
        bad.late(0.06),
        bad.late(0.3),
        bad.cut,
        bad.doubled,
        bad.doubled_after(dice, 0.1),
        bad.wrong_unit,
        bad.wrong_function,
        bad.short,
        bad.garbage,
        bad.garbage_first,
        bad.refuses(2),
        bad.refuses(6),
        bad.in_pieces,
        bad.resets,
    ]

    async def main() -> int:
        good = 0
        async with bad.Server(bad.thrown(dice, faults), rtu=True, in_order=True) as server:
            bus = Bus(parse(server.url), timeout=0.02)
            for _ in range(100):
                table: Table = dice.choice(["holding", "input"])
                unit, address, count = dice.choice([1, 2]), dice.randrange(900), dice.choice([1, 1, 2])
                try:
                    data = await bus.read(unit, table, address, count)
                except DriverError:
                    continue
                assert words(data) == list(range(address, address + count))
                good += 1
            await bus.close()
        return good

    assert leaping_loop.run(main()) >= 5  # the bus recovers; most requests meet a fault or its aftermath


@pytest.mark.parametrize(("baudrate", "characters"), [(300, 3.5), (1200, 3.5)])
def test_requests_keep_the_silent_interval(baudrate: int, characters: float) -> None:
    """3.5 characters of 11 bits before each request (Modbus over Serial Line V1.02, 2.5.1.1)."""

    async def work(bus: Bus) -> None:
        for count in range(1, 5):
            await right(bus, 100, count)

    slave = bad.Slave(bad.honest)
    with_peer(slave, work, settings=f"?baudrate={baudrate}")
    assert len(slave.quiet) == 4
    # the slave notes the time before its write, the master when it reads
    assert min(slave.quiet[1:]) >= characters * 11 / baudrate - 0.001


def test_a_device_may_need_a_longer_silent_interval() -> None:
    async def work(bus: Bus) -> None:
        for address in range(3):
            await bus.read(1, "holding", address, 1, delay=0.06)

    slave = bad.Slave(bad.honest)
    with_peer(slave, work, settings="?baudrate=115200")
    assert min(slave.quiet[1:]) >= 0.06 - 0.001


@pytest.mark.slow(2)
def test_a_line_that_is_never_silent_is_an_error() -> None:
    """1.2 s of noise without a pause, four time-outs long."""

    async def work(bus: Bus) -> None:
        with pytest.raises(DriverError):
            await bus.read(1, "holding", 0, 1)
        with pytest.raises(BadAnswer, match="no silence of"):
            await bus.read(2, "holding", 0, 1)
        await asyncio.sleep(1.0)
        await right(bus, unit=3)

    def babble(request: bad.Request) -> list[bad.Step]:
        return [bad.Step(0.005 * turn, b"\x55\xaa") for turn in range(240)]

    with_peer(bad.Slave(bad.first(babble)), work)


def test_an_unplugged_line_is_a_bus_that_is_down() -> None:
    async def main() -> None:
        slave = bad.Slave(bad.silent)
        await slave.start()
        bus = Bus(parse(slave.url), timeout=3600.0)
        read = asyncio.create_task(bus.read(1, "holding", 0, 1))
        await bad.until(lambda: bool(slave.requests))
        await slave.stop()
        with pytest.raises(BusDown, match="connection lost"):
            await read
        assert not bus.connected
        with pytest.raises(BusDown):
            await bus.connect()

    asyncio.run(main())


def test_a_missing_line_is_a_bus_that_is_down(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(BusDown, match="no-line"):
            await Bus(parse(f"rtu://{tmp_path}/no-line")).connect()

    asyncio.run(main())


def test_a_line_has_one_master() -> None:
    async def main() -> None:
        async with bad.Slave(bad.honest) as slave:
            bus, second = Bus(parse(slave.url)), Bus(parse(slave.url))
            await right(bus)
            with pytest.raises(BusDown, match="lock"):
                await second.connect()
            await bus.close()
            await second.connect()
            await second.close()

    asyncio.run(main())


@pytest.mark.parametrize("unit", [0, 248, 255])
def test_unit_numbers_invalid_on_a_serial_line_are_not_requested(unit: int) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(ValueError, match="allowed: 1 to 247"):
            await bus.read(unit, "holding", 0, 1)

    with_peer(bad.Slave(bad.honest), work)


LIBMODBUS_SLAVE = """
#include <modbus.h>
#include <stdio.h>

int main(int argc, char **argv) {
    modbus_t *ctx = modbus_new_rtu(argv[1], 9600, 'N', 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, 1000, 1000);
    uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
    int length;
    for (int i = 0; i < 1000; i++)
        map->tab_registers[i] = i;
    modbus_set_slave(ctx, 17);
    if (modbus_connect(ctx))
        return 1;
    puts("ready");
    fflush(stdout);
    while ((length = modbus_receive(ctx, query)) >= 0)
        if (length > 0)
            modbus_reply(ctx, query, length, map);
    return 0;
}
"""


def test_answers_of_libmodbus_are_read_on_a_line(tmp_path: Path) -> None:
    """An independent slave: libmodbus on the other end of a socat line."""
    source, program = tmp_path / "slave.c", tmp_path / "slave"
    source.write_text(LIBMODBUS_SLAVE)
    compiler, socat = shutil.which("cc"), shutil.which("socat")
    assert compiler, "a C compiler and libmodbus-dev are needed"
    assert socat, "socat is needed"
    subprocess.run([compiler, "-I/usr/include/modbus", "-o", program, source, "-lmodbus"], check=True)
    ends = [tmp_path / "master", tmp_path / "unit"]

    async def main() -> None:
        bus = Bus(parse(f"rtu://{ends[0]}"), timeout=2.0)
        for address, count in itertools.product((0, 300), (1, 2, 125)):
            await right(bus, address, count, unit=17)
        with pytest.raises(Refused) as caught:
            await bus.read(17, "holding", 999, 2)
        assert caught.value.code == 2
        await right(bus, 5, 5, unit=17)
        await bus.close()

    line = subprocess.Popen(
        [socat, "-d", "-d", *(f"pty,raw,echo=0,link={end}" for end in ends)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert line.stderr is not None
    while "starting data transfer loop" not in line.stderr.readline():
        continue
    slave = subprocess.Popen([program, ends[1]], stdout=subprocess.PIPE, text=True)
    try:
        assert slave.stdout is not None
        assert slave.stdout.readline() == "ready\n"
        asyncio.run(main())
    finally:
        for process in (slave, line):
            process.kill()
            process.communicate()
