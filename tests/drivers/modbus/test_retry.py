"""A read whose connection was used before and fails is sent once more on a new connection.

The servers' registers hold their own addresses. Reports of such servers: home-assistant/core 93447 and 101982,
grid-x/modbus 97, libmodbus 503, STM32 Modbus servers that close after each answer.
"""

from __future__ import annotations

import asyncio
import random
from typing import Literal

import pytest
from wattgram_drivers.driver_errors import BusDown, DriverError, NoAnswer
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad
from tests.support.served_buses import LIMIT, right, with_peer

either = pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtutcp"])


@either
@pytest.mark.parametrize("delay", [0.0, 0.001, 0.003, 0.006, 0.05])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_server_that_closes_after_each_answer_gives_every_value(
    rtu: bool, delay: float, end: Literal["close", "reset"]
) -> None:
    """The end arrives before the next request is sent, with it, or while its answer is waited for."""

    def behaviour(request: bad.Request) -> list[bad.Step]:
        return [bad.Step(data=request.right()), bad.Step(delay, end=end)]

    async def work(bus: Bus) -> None:
        for number in range(40):
            await right(bus, 10 * number, 1 + number % 2)

    server = bad.Server(behaviour, rtu=rtu)
    with_peer(server, work)
    assert server.most_open == 1


@either
@pytest.mark.parametrize("fault", [bad.resets, bad.closes, bad.silent, bad.cut_off])
def test_a_connection_that_was_dropped_while_idle_costs_no_reading(rtu: bool, fault: bad.Behaviour) -> None:
    """After 2 s without a request the server drops the connection at the next request; a request every 5 s."""

    async def work(bus: Bus) -> None:
        for number in range(20):
            await right(bus, 10 * number)
            await asyncio.sleep(5.0)

    server = bad.Server(bad.after_idle(2.0, fault), rtu=rtu)
    with_peer(server, work)
    assert server.connections == 20
    assert server.most_open == 1


@pytest.mark.parametrize("answers", [1, 2, 3, 7])
@pytest.mark.parametrize("fault", [bad.resets, bad.closes, bad.silent])
def test_a_server_that_gives_up_after_some_answers_gives_every_value(answers: int, fault: bad.Behaviour) -> None:
    async def work(bus: Bus) -> None:
        for number in range(40):
            await right(bus, 10 * number)

    server = bad.Server(bad.on_connection(lambda number: bad.honest if number < answers else fault))
    with_peer(server, work)
    assert server.connections == -(-40 // answers)


@either
@pytest.mark.parametrize("fault", [bad.resets, bad.closes, bad.silent])
def test_a_read_is_sent_twice_at_most(rtu: bool, fault: bad.Behaviour) -> None:
    async def work(bus: Bus) -> None:
        await right(bus, 100)
        with pytest.raises((BusDown, NoAnswer)):
            await bus.read(1, "holding", 200, 2)

    server = bad.Server(bad.first(bad.honest, fault), rtu=rtu)
    with_peer(server, work)
    assert [request.address for request in server.requests] == [100, 200, 200]
    assert server.connections == 2


@pytest.mark.parametrize("fault", [bad.resets, bad.closes, bad.silent])
def test_a_read_that_fails_on_a_new_connection_is_not_repeated(fault: bad.Behaviour) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises((BusDown, NoAnswer)):
            await bus.read(1, "holding", 200, 2)

    server = bad.Server(fault)
    with_peer(server, work)
    assert len(server.requests) == server.connections == 1


@pytest.mark.parametrize("fault", [bad.cut, bad.garbage, bad.wrong_unit, bad.refuses(4), bad.refuses(11), bad.wrong_id])
def test_a_read_that_got_bytes_is_not_repeated(fault: bad.Behaviour) -> None:
    async def work(bus: Bus) -> None:
        await right(bus, 100)
        with pytest.raises(DriverError):
            await bus.read(1, "holding", 200, 2)

    server = bad.Server(bad.first(bad.honest, fault))
    with_peer(server, work)
    assert len(server.requests) == 2


def test_no_request_is_repeated_after_the_deadline() -> None:
    async def work(bus: Bus) -> None:
        await right(bus, 100)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 200, 2, deadline=began + LIMIT)
        assert loop.time() - began == pytest.approx(LIMIT)
        assert not bus.connected  # the next read has a new connection
        await right(bus, 300)

    server = bad.Server(bad.on_connection(lambda number: bad.silent if number == 1 else bad.honest))
    with_peer(server, work)
    assert [request.address for request in server.requests] == [100, 200, 300]


def test_a_repeated_read_ends_with_the_deadline() -> None:
    async def work(bus: Bus) -> None:
        await right(bus, 100)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 200, 2, deadline=began + 1.5 * LIMIT)
        assert loop.time() - began == pytest.approx(1.5 * LIMIT)

    server = bad.Server(bad.first(bad.honest, bad.silent))
    with_peer(server, work)
    assert len(server.requests) == 3


def test_the_pause_after_connecting_is_kept_on_the_new_connection() -> None:
    async def work(bus: Bus) -> None:
        await bus.connect(1.0)
        await right(bus, 100)
        await asyncio.sleep(5.0)
        began = asyncio.get_running_loop().time()
        await right(bus, 200)
        assert server.requests[-1].time - began >= 1.0

    server = bad.Server(bad.after_idle(2.0, bad.resets))
    with_peer(server, work)
    assert server.connections == 2


@either
def test_a_silent_unit_behind_a_gateway_costs_one_new_connection(rtu: bool) -> None:
    """Unit 9 answers once and then no more; units 1 to 8 and 10 answer always, in rounds every second."""
    rounds = 30

    async def work(bus: Bus) -> None:
        loop = asyncio.get_running_loop()
        for number in range(rounds):
            start = loop.time()
            for unit in range(1, 11):
                if unit == 9 and number > 0:
                    with pytest.raises(NoAnswer):
                        await bus.read(9, "holding", 100, 1, timeout=0.1)
                else:
                    await right(bus, 100 + number, 1 + number % 2, unit)
            await asyncio.sleep(start + 1.0 - loop.time())

    server = bad.Server(bad.by_unit({9: bad.opening(bad.honest, bad.silent)}), rtu=rtu)
    with_peer(server, work)
    assert server.connections <= 2


@pytest.mark.parametrize("silent_unit", [1, 5, 10])
def test_a_unit_that_falls_silent_is_told_apart_from_its_connection(silent_unit: int) -> None:
    """Every 10 s a round over ten units. The silence of one of them is tried on one new connection, and never again."""
    rounds = 20

    def behaviour(request: bad.Request) -> list[bad.Step]:
        mute = request.unit == silent_unit and request.time - server.requests[0].time > 45.0
        return [] if mute else [bad.Step(0.002, request.right())]

    async def work(bus: Bus) -> None:
        loop = asyncio.get_running_loop()
        for number in range(rounds):
            start = loop.time()
            for unit in range(1, 11):
                try:
                    await right(bus, 100 + number, 1, unit)
                except NoAnswer:
                    assert unit == silent_unit
            await asyncio.sleep(start + 10.0 - loop.time())

    server = bad.Server(behaviour)
    with_peer(server, work)
    assert server.connections <= 2


def test_units_that_never_answered_cost_no_new_connection() -> None:
    """A scan: one unit answers, all others are absent."""

    async def work(bus: Bus) -> None:
        await right(bus, 100)
        for unit in range(2, 30):
            with pytest.raises(NoAnswer):
                await bus.read(unit, "holding", 100, 1)
        await right(bus, 200)

    server = bad.Server(bad.by_unit({1: bad.honest}, bad.silent))
    with_peer(server, work)
    assert server.connections == 1


def test_a_connection_that_died_is_found_by_the_second_unit_at_the_latest() -> None:
    """A gateway forgets its connection between two rounds: at most one unit loses a reading."""
    dead: list[int] = []

    def behaviour(request: bad.Request) -> list[bad.Step]:
        return [] if request.connection in dead else [bad.Step(0.002, request.right())]

    async def work(bus: Bus) -> None:
        lost = 0
        for number in range(10):
            for unit in range(1, 11):
                try:
                    await right(bus, 100 + number, 1, unit)
                except NoAnswer:
                    lost += 1
            dead.append(server.connections)
            await asyncio.sleep(0.1)
        assert lost <= 9

    server = bad.Server(behaviour)
    with_peer(server, work)
    assert server.most_open == 1


@pytest.mark.parametrize("pause", [0.0, 0.04, 0.2])
def test_a_server_that_refuses_connections_for_a_moment_costs_no_reading(pause: float) -> None:
    """It has one connection, and listens again only when it has cleared the old one away (SolarEdge)."""

    async def main() -> None:
        server = bad.Server(bad.answers_then_closes)
        await server.start()
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[None]] = []

        async def away() -> None:
            await server.stop()
            await asyncio.sleep(pause)
            await server.start()

        def behaviour(request: bad.Request) -> list[bad.Step]:
            loop.call_later(0.002, lambda: tasks.append(loop.create_task(away())))
            return [bad.Step(data=request.right())]

        server.behaviour = behaviour
        bus = Bus(parse(server.url), timeout=LIMIT)
        for number in range(10):
            await right(bus, 10 * number)
            await asyncio.sleep(0.01)
        await bus.close()
        await asyncio.gather(*tasks)
        await server.stop()
        assert server.connections == 10

    leaping_loop.run(main())


def test_a_closed_bus_repeats_nothing() -> None:
    async def main() -> None:
        async with bad.Server(bad.first(bad.honest, bad.silent)) as server:
            bus = Bus(parse(server.url), timeout=3600.0)
            await right(bus, 100)
            read = asyncio.create_task(bus.read(1, "holding", 0, 1))
            await bad.until(lambda: len(server.requests) == 2)
            await bus.close()
            with pytest.raises(BusDown, match="closed by us"):
                await read
            assert server.connections == 1

    asyncio.run(main())


def test_tasks_that_share_a_bus_share_its_new_connection() -> None:
    async def work(bus: Bus) -> None:
        for number in range(5):
            await asyncio.gather(*(right(bus, 100 * unit + number, 1, unit) for unit in range(1, 6)))
            await asyncio.sleep(5.0)

    server = bad.Server(bad.after_idle(2.0, bad.resets))
    with_peer(server, work)
    assert server.connections == 5
    assert server.most_open == 1


@either
@pytest.mark.parametrize("seed", range(20))
def test_late_answers_belong_to_no_request_on_a_new_connection(rtu: bool, seed: int) -> None:
    """The server answers in turn, a third of the answers late; behind a serial server the line is the same."""
    dice = random.Random(seed)

    def behaviour(request: bad.Request) -> list[bad.Step]:
        return [bad.Step(dice.choice([0.0, 0.0, dice.uniform(0.5, 3.0) * LIMIT]), request.right())]

    async def work(bus: Bus) -> None:
        good = 0
        for number in range(60):
            try:
                await right(bus, 7 * number, 1 + number % 2)
                good += 1
            except DriverError:
                continue
        assert good >= 5

    with_peer(bad.Server(behaviour, rtu=rtu, in_order=True), work)
