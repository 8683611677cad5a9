"""Ten devices keep their period beside hostile servers and beside a hostile unit; each server's own readings count.

The time leaps, so nothing here depends on the speed of the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import BusPoller
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad
from tests.support.leaping_loop import LeapClock

SECONDS = 60  # of each test, with a reading every second
TIMEOUT = 0.1

METER = load("eastron_sdm630")
POWER = next(register for register in METER.registers if register.quantity == "active_power_total")

GREETING = bytes.fromhex("0001 0000 004b 01 04 48") + 72 * b"A"

HOSTILE: dict[str, bad.Server] = {
    "closes after each answer": bad.Server(bad.answers_then_closes),
    "closes at once": bad.Server(bad.closes),
    "resets after idle": bad.Server(bad.after_idle(0.5, bad.resets)),
    "silent after idle": bad.Server(bad.after_idle(0.5, bad.silent)),
    "silent after three answers": bad.Server(
        bad.on_connection(lambda number: bad.honest if number < 3 else bad.silent)
    ),
    "silent": bad.Server(bad.silent),
    "sends an answer on connection": bad.Server(bad.silent, greeting=GREETING),
    "greets": bad.Server(bad.honest, greeting=b"hello\r\n"),
    "transaction id 0": bad.Server(bad.with_id(lambda number: 0)),
    "transaction id + 1": bad.Server(bad.with_id(lambda number: number + 1)),
    "length too long": bad.Server(bad.with_length(3)),
    "length too short": bad.Server(bad.with_length(-2)),
    "long exceptions": bad.Server(bad.refuses_with_length(4)),
    "device failure": bad.Server(bad.refuses(4)),
    "busy": bad.Server(bad.refuses(6)),
    "garbage": bad.Server(bad.garbage),
    "babbles": bad.Server(bad.babbling),
    "wrong unit": bad.Server(bad.wrong_unit),
    "cut": bad.Server(bad.cut),
    "doubled": bad.Server(bad.doubled),
    "late": bad.Server(bad.late(1.5 * TIMEOUT)),
}


class Tally:
    """Counts the readings of each device, with the power that it would publish."""

    def __init__(self) -> None:
        self.readings: dict[str, int] = {}

    def take(self, source: Source, reading: Reading) -> None:
        words = reading.image[:4]
        assert words == POWER.address.to_bytes(2, "big") + (POWER.address + 1).to_bytes(2, "big")
        self.readings[source.config.name] = self.readings.get(source.config.name, 0) + 1


def config(url: str, name: str, unit: int, interval: float = 1.0) -> DeviceConfig:
    return DeviceConfig(
        name,
        "load",
        METER.name,
        METER,
        parse(url),
        unit,
        interval=interval,
        timeout=TIMEOUT,
        quantities=("active_power_total",),
    )


def poller(configs: list[DeviceConfig], tally: Tally) -> BusPoller:
    clock = LeapClock()
    sources = [Source(each, "works", clock.monotonic()) for each in configs]
    return BusPoller(Bus(configs[0].endpoint), sources, tally, clock, random.Random(1))


async def polled(pollers: list[BusPoller], seconds: float) -> None:
    tasks = [asyncio.create_task(line.run()) for line in pollers]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_ten_devices_keep_their_period_beside_all_hostile_servers() -> None:
    tally = Tally()

    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(bad.Server(bad.honest))
            for server in HOSTILE.values():
                await stack.enter_async_context(server)
            ten = poller([config(gateway.url, f"m{unit}", unit) for unit in range(1, 11)], tally)
            others = [poller([config(server.url, name, 1)], tally) for name, server in HOSTILE.items()]
            await polled([ten, *others], SECONDS + 0.5)
            assert gateway.connections == 1
            assert all(server.most_open <= 1 for server in HOSTILE.values())

    leaping_loop.run(run())
    for unit in range(1, 11):
        assert SECONDS - 1 <= tally.readings[f"m{unit}"] <= SECONDS + 1
    whole = {
        "closes after each answer",
        "resets after idle",
        "silent after idle",
        "silent after three answers",
        "greets",
        "doubled",
    }
    for name in HOSTILE:
        assert tally.readings.get(name, 0) >= (SECONDS - 1 if name in whole else 0), name
        assert name in whole or tally.readings.get(name, 0) == 0, name


UNITS: dict[str, bad.Behaviour] = {
    "silent": bad.silent,
    "silent every second time": bad.in_turn(bad.honest, bad.silent),
    "silent after ten answers": bad.silent,
    "resets": bad.resets,
    "closes": bad.closes,
    "lies about its length": bad.with_length(3),
    "wrong id": bad.with_id(lambda number: 0),
    "wrong unit": bad.wrong_unit,
    "long exceptions": bad.refuses_with_length(4),
    "busy": bad.refuses(6),
    "device failure": bad.refuses(4),
    "garbage": bad.garbage,
    "late": bad.late(1.5 * TIMEOUT),
}


@pytest.mark.parametrize("fault", UNITS)
def test_ten_devices_keep_their_period_beside_a_hostile_unit_of_their_gateway(fault: str) -> None:
    """Unit 99 answers ten times and then misbehaves; a device may miss three of sixty readings because of it."""
    tally = Tally()
    good = iter(range(10))

    def behaviour(request: bad.Request) -> list[bad.Step]:
        if request.unit != 99 or next(good, None) is not None:
            return [bad.Step(0.001, request.right())]
        return list(UNITS[fault](request))

    async def run() -> bad.Server:
        async with bad.Server(behaviour) as server:
            configs = [config(server.url, f"m{unit}", unit) for unit in range(1, 11)]
            await polled([poller([*configs, config(server.url, "hostile", 99)], tally)], SECONDS + 0.5)
            return server

    server = leaping_loop.run(run())
    for unit in range(1, 11):
        assert tally.readings[f"m{unit}"] >= SECONDS - 3
    assert server.most_open == 1
    if fault == "silent":
        assert server.connections <= 2, "a silent unit does not cost a connection for each request"


def test_a_tolerated_device_is_read_beside_nine_others() -> None:
    tally = Tally()
    broken = bad.with_id(lambda number: number + 1, bad.with_length(2))

    async def run() -> None:
        async with bad.Server(bad.by_unit({99: broken})) as server:
            configs = [config(server.url, f"m{unit}", unit) for unit in range(1, 10)]
            tolerated = replace(config(server.url, "broken", 99), tolerate=("transaction-id", "length"))
            await polled([poller([*configs, tolerated], tally)], SECONDS + 0.5)
            assert server.connections == 1

    leaping_loop.run(run())
    assert {name: count >= SECONDS - 1 for name, count in tally.readings.items()} == {
        **{f"m{unit}": True for unit in range(1, 10)},
        "broken": True,
    }


@pytest.mark.parametrize("fault", [bad.resets, bad.closes, bad.silent])
@pytest.mark.parametrize("timeout", [TIMEOUT, 1.0])
def test_a_connection_dropped_after_two_idle_seconds_costs_no_reading(fault: bad.Behaviour, timeout: float) -> None:
    """All quantities of a meter every 5 s, 20 times."""
    readings: list[Reading] = []

    class Whole:
        def take(self, source: Source, reading: Reading) -> None:
            readings.append(reading)

    async def run() -> None:
        clock = LeapClock()
        async with bad.Server(bad.after_idle(2.0, fault)) as server:
            whole = replace(config(server.url, "meter", 1, 5.0), quantities=(), timeout=timeout)
            line = BusPoller(Bus(whole.endpoint), [Source(whole, "works", 0.0)], Whole(), clock, random.Random(1))
            await polled([line], 103.0)

    leaping_loop.run(run())
    assert len(readings) == 20
    assert all(reading.valid.count(1) == len(reading.valid) for reading in readings)
