"""Hostile databases, grid services, brokers and devices: each costs less than 16 MB, and no request half a second."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC

import pytest
from wattgram.base.clock import Clock
from wattgram.base.errors import FeedError, SinkError
from wattgram.delivery.sinks import influx_client, mqtt_sink
from wattgram.delivery.sinks.influx_sink import InfluxConfig, InfluxSink
from wattgram.delivery.sinks.mqtt_sink import MqttSink
from wattgram.grid.feed import Feed
from wattgram.grid.mix import Factors
from wattgram.grid.sources import fetch
from wattgram.grid.sources.mqtt_source import MqttSource
from wattgram.grid.sources.supplied_values import ValueTerms
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram_drivers.driver_errors import DriverError
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.peers.attacks import HTTP_ATTACKS, MODBUS_ATTACKS, MQTT_ATTACKS, RTU_ATTACKS
from tests.peers.toll import LONGEST_TURN, MOST_MEMORY, toll
from tests.support.grid_signals import utc
from tests.support.records import readings

NOW = utc("2026-06-01T12:00:00+00:00")


async def to_database(port: int) -> None:
    sink = InfluxSink(InfluxConfig(f"http://127.0.0.1:{port}", "plant", "energy", "t0ken"))
    for _ in range(3):  # a connection is used again, if the server leaves it open
        await sink.open()
        try:
            await sink.write(readings(1, 2), 0)
        finally:
            await sink.close()


async def to_service(port: int) -> None:
    await fetch.get(f"http://127.0.0.1:{port}/mix", {}, NOW)


async def to_broker(port: int) -> None:
    sink = MqttSink(MqttConfig("127.0.0.1", port, homeassistant="homeassistant"), "works")
    try:
        await sink.open()
        await sink.write(readings(1, 300), 0)
    finally:
        async with asyncio.timeout(5.0):
            await sink.close()


async def to_topic(port: int) -> None:
    clock = Clock()
    terms = ValueTerms("", Factors.shipped("china", "direct"), "share", UTC, 900.0)
    feed = Feed("mqtt grid/mix", clock)
    source = MqttSource(feed, MqttConfig("127.0.0.1", port), "grid/mix", terms, clock, random.Random(1))
    async with asyncio.timeout(1.0):
        await source.run()


def to_device(scheme: str) -> Callable[[int], Awaitable[None]]:
    async def work(port: int) -> None:
        bus = Bus(parse(f"{scheme}://127.0.0.1:{port}"), timeout=0.3, chance=random.Random(1))
        try:
            for _ in range(3):
                with suppress(DriverError):  # the first of endless answers is right
                    await bus.read(1, "holding", 0, 2)
                await asyncio.sleep(0.05)
        finally:
            await bus.close()

    work.__name__ = scheme
    return work


PEERS = [
    *((name, to_database) for name in HTTP_ATTACKS),
    *((name, to_service) for name in HTTP_ATTACKS),
    *((name, to_broker) for name in MQTT_ATTACKS),
    *((name, to_topic) for name in MQTT_ATTACKS),
    *((name, to_device("tcp")) for name in MODBUS_ATTACKS),
    *((name, to_device("rtutcp")) for name in (*RTU_ATTACKS, *MODBUS_ATTACKS)),
]


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time-outs: the limits of size must hold without them."""
    monkeypatch.setattr(influx_client, "REQUEST_TIMEOUT", 0.5)
    monkeypatch.setattr(fetch, "FETCH_TIMEOUT", 0.5)
    monkeypatch.setattr(mqtt_sink, "MQTT_TIMEOUT", 0.3)


@pytest.mark.slow(1)
@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize(("name", "work"), PEERS, ids=[f"{work.__name__}-{name}" for name, work in PEERS])
def test_a_hostile_server_costs_little(
    ports: Mapping[str, int], name: str, work: Callable[[int], Awaitable[None]]
) -> None:
    async def attacked() -> None:
        async with toll() as cost:
            try:
                await work(ports[name])
            except (SinkError, FeedError, TimeoutError) as error:
                print(name, work.__name__, error)
        print(f"{cost.memory / 1e6:.1f} MB, {cost.turn:.3f} s")
        assert cost.memory < MOST_MEMORY
        assert cost.turn < LONGEST_TURN

    asyncio.run(asyncio.wait_for(attacked(), 60))
