"""The gateway as a Sparkplug edge node at a real broker, heard by a host that believes nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.config.load import Config
from wattgram.daemon.daemon import sinks
from wattgram.delivery.configuration import read
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks.sparkplug import sparkplug_sink
from wattgram.delivery.sinks.sparkplug.sparkplug_sink import SparkplugConfig, SparkplugSink
from wattgram.mqtt.mqtt_connection import V311
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.store.spool import Spool

from tests.support.records import NOW, readings, until
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.scripted_broker import packet
from tests.support.servers import Broker, Certificates, Heard, mosquitto, subscriber, wait_for
from tests.support.tahu import Host, Payload
from tests.support.topics import METER, METER_VALUES

MS = 1_000_000
COMMAND = "spBv1.0/plant/NCMD/gateway-7"
STATE = "spBv1.0/STATE/scada"
REBIRTH = Payload(timestamp=1)
REBIRTH.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)


class Hearing:
    """A host behind a subscription of its own; it has heard what was told up to now."""

    def __init__(self, heard: Heard) -> None:
        self.host = Host()
        self._heard = heard
        self._count = 0

    def __call__(self) -> Host:
        # A line that is being written has no end yet; it is there the next time.
        text = "".join(line for line in self._heard._output.read_text().splitlines(keepends=True) if line[-1] == "\n")
        for line in text.splitlines()[self._count :]:
            topic, qos, retained, payload = line.split(" ")
            self._count += 1
            if "/NCMD/" in topic or "/STATE/" in topic:
                continue
            assert retained == "0", "payloads-nbirth-retain and all the others"
            assert qos == "0" or "/NDEATH/" in topic, "payloads-ddata-qos and the others"
            self.host.hear(topic, bytes.fromhex(payload))
        return self.host

    def verbs(self) -> list[str]:
        return [f"{one.verb} {one.device}".strip() for one in self().said]

    def values(self, name: str = "active_power_total") -> list[float]:
        """What was told of a value, in the order in which it was."""
        return [one.value for said in self().said for one in said.metrics if one.name == name and one.value is not None]


@contextmanager
def hosting(broker: Broker, **more: Any) -> Iterator[Hearing]:
    with subscriber(broker, "spBv1.0/#", form="%q %r %x", **more) as heard:
        yield Hearing(heard)


def made(url: str, folder: Path, host: str = "") -> Config:
    text = '[site]\nname = "works"\n[[device]]\nname = "incomer"\nrole = "grid"\ndriver = "sunspec"\nurl = "tcp://h"\n'
    text += f'[spool]\npath = "{folder}"\n[mqtt]\nurl = "{url}"\n'
    text += f'sparkplug = {{ group = "plant", node = "gateway-7"{host and f", host = {host!r}"} }}\n'
    return read(text.replace("'", '"'), Path("site.toml"))


def to(broker: Broker, folder: Path, host: str = "", **more: Any) -> SparkplugSink:
    config = made(broker.url, folder, host)
    assert config.mqtt is not None
    _, sink = sinks(replace(config, mqtt=replace(config.mqtt, **more)))
    assert isinstance(sink, SparkplugSink)
    return sink


def made_for(folder: Path, port: int) -> tuple[Config, MqttConfig, SparkplugConfig]:
    config = made(f"mqtt://127.0.0.1:{port}", folder)
    assert config.mqtt is not None
    names = config.sinks["mqtt.sparkplug"]
    assert isinstance(names, SparkplugConfig)
    return config, config.mqtt, names


class Kept(SparkplugSink):
    """One whose network may be away longer than its broker."""

    away = False

    async def open(self) -> None:
        if self.away:
            raise SinkError("no network")
        await super().open()


@asynccontextmanager
async def connected(sink: SparkplugSink) -> AsyncIterator[SparkplugSink]:
    try:
        await sink.open()
        yield sink
    finally:
        await sink.close()


def run(work: Any) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


# births, data, deaths


def test_readings_arrive_in_order_with_their_time_and_the_end_is_a_death(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        async with connected(to(broker, tmp_path)) as sink:
            assert await sink.write(readings(1, 300), 100) == {}

    with hosting(broker) as hearing:
        run(work())
        wait_for(lambda: hearing.verbs()[-1:] == ["NDEATH"], 20, "a death")
        host = hearing()
    assert hearing.values() == [float(number) for number in range(1, 301)]
    assert [(one.value, one.time) for _, one in host.history if one.name == "active_power_total"] == [
        (float(number), NOW // MS + 1000 * number) for number in range(1, 101)
    ]
    assert not host.online
    assert host.said[-1]["bdSeq"] == 0


def test_every_connection_has_the_next_number_also_after_a_restart(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        sink = to(broker, tmp_path)
        for _ in range(2):
            async with connected(sink):
                pass

    with hosting(broker) as hearing:
        run(work())
        run(work())
        wait_for(lambda: len(hearing.verbs()) >= 8, 20, "four births and deaths")
    assert [(one.verb, one["bdSeq"]) for one in hearing().said] == [
        (verb, number) for number in range(4) for verb in ("NBIRTH", "NDEATH")
    ]


def test_by_version_3_the_death_is_published_before_leaving(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        sink = to(broker, tmp_path)
        sink._broker.protocol = V311
        async with connected(sink):
            await sink.write(readings(1, 3), 0)

    with hosting(broker) as hearing:
        run(work())
        wait_for(lambda: hearing.verbs()[-1:] == ["NDEATH"], 20, "a death")
    # 3.14.4 of MQTT 3.1.1: the broker discards the will of a client that disconnects, so there is one death only.
    assert hearing.verbs() == ["NBIRTH", "DBIRTH incomer", "DDATA incomer", "DDATA incomer", "NDEATH"]


def test_a_host_that_asks_gets_all_births_at_once(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        async with connected(to(broker, tmp_path)) as sink:
            await sink.write(readings(1, 3), 0)
            with hosting(broker) as late:
                broker.publish(COMMAND, REBIRTH.SerializeToString())
                # Nothing is written meanwhile: the births do not wait for the next reading.
                await until(lambda: late.verbs() == ["NBIRTH", "DBIRTH incomer"])
                assert late().current["incomer", "active_power_total"].value == 3.0
                await sink.write(readings(4, 4), 0)
                await until(lambda: late.values() == [3.0, 4.0])
                assert late().number == 0

    run(work())


def test_other_commands_and_garbage_change_nothing(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    other = Payload(timestamp=1)
    other.metrics.add(name="Node Control/Reboot", datatype=11, boolean_value=True)
    other.metrics.add(alias=2, double_value=1.0)

    async def work() -> None:
        async with connected(to(broker, tmp_path)) as sink:
            await sink.write(readings(1, 1), 0)
            for one in (other.SerializeToString(), b"\xff" * 50, b"\x12\xff\xff\xff\x7f", b"HTTP/1.1 400"):
                broker.publish(COMMAND, one)
            broker.publish(COMMAND, REBIRTH.SerializeToString(), retain=True)
            await until(lambda: hearing.verbs().count("NBIRTH") == 2)  # published to one who listens, it is not old
            await sink.write(readings(2, 2), 0)
            await until(lambda: hearing.values() == [1.0, 1.0, 2.0])
        hearing.host = Host()
        async with connected(to(broker, tmp_path)) as sink:
            await sink.write(readings(3, 3), 0)
            await until(lambda: hearing.values() == [3.0])
        assert hearing.verbs().count("NBIRTH") == 1  # a command that the broker kept is for another time

    with hosting(broker) as hearing:
        run(work())
    assert len([one for one in caplog.records if "unusable message" in one.getMessage()]) == 3


def test_commands_that_the_broker_forbids_are_said_once_and_data_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = Host()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, body = await packet(reader)
                match first >> 4:
                    case 1:  # CONNECT
                        writer.write(b"\x20\x03\x00\x00\x00")
                    case 8:  # SUBSCRIBE; MQTT 5, 3.9.3: 0x87 is "not authorized"
                        writer.write(b"\x90\x04" + body[:2] + b"\x00\x87")
                    case 12:  # PINGREQ
                        writer.write(b"\xd0\x00")
                    case 3:
                        end = 2 + int.from_bytes(body[:2], "big")
                        host.hear(body[2:end].decode(), body[end + 1 :])
        writer.close()

    async def work() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            sink = SparkplugSink(*made_for(tmp_path, server.sockets[0].getsockname()[1]), Clock())
            for number in (1, 2):
                async with connected(sink):
                    await sink.write(readings(number, number), 0)

    run(work())
    assert [one["active_power_total"] for one in host.said if one.verb == "DBIRTH"] == [1.0, 2.0]
    (warned,) = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert warned == f"sparkplug: the broker refuses the subscription to {COMMAND}: not authorised (0x87)"


@pytest.mark.server
def test_over_tls_with_a_client_certificate(tmp_path: Path, tls: Certificates) -> None:
    async def work() -> None:
        files: dict[str, Any] = {"ca": tls.ca, "cert": tls.client_cert, "key": tls.client_key}
        async with connected(to(broker, tmp_path, **files)) as sink:
            for number in range(1, 2000, 250):
                assert await sink.write(readings(number, number + 249), 0) == {}

    with mosquitto(tmp_path, tls=tls, client_certificate=True) as broker, hosting(broker) as hearing:
        run(work())
        wait_for(lambda: len(hearing.values()) >= 2000, 20, "all values")
        assert hearing.values() == [float(number) for number in range(1, 2001)]


# links that end


def test_what_the_broker_did_not_read_is_not_taken(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparkplug_sink, "SPARKPLUG_TIMEOUT", 0.5)

    async def work() -> None:
        sink = to(broker, tmp_path)
        async with connected(sink):
            await sink.write(readings(1, 3), 0)
            broker.pause()
            with pytest.raises(SinkError, match=r"did not answer within 0\.5 s") as raised:
                await sink.write(readings(4, 6), 0)
            assert not raised.value.taken
            broker.resume()
            with pytest.raises(SinkError):
                await sink.write(readings(4, 6), 0)

    run(work())


@pytest.mark.server
def test_a_message_that_is_too_large_for_the_broker_is_refused_alone(tmp_path: Path) -> None:
    async def work() -> None:
        async with connected(to(broker, tmp_path)) as sink:
            await sink.write(readings(1, 1), 0)
            large = replace(readings(2, 2)[0], texts=("x" * 2000,))
            refused = await sink.write([large, *readings(3, 3)], 0)
            assert list(refused) == [0]
            assert "the broker takes 1000" in refused[0]

    # MQTT 5, 3.2.2.3.6: Maximum Packet Size.
    with mosquitto(tmp_path, config_extra="max_packet_size 1000") as broker, hosting(broker) as hearing:
        run(work())
        wait_for(lambda: hearing.values() == [1.0, 3.0], 20, "the others")


def test_through_an_outage_everything_arrives_and_what_waited_is_history(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattgram.delivery.delivery.FIRST_WAIT", 0.05)
    monkeypatch.setattr("wattgram.delivery.delivery.LONGEST_WAIT", 0.1)

    async def put(spool: Spool, first: int, last: int) -> None:
        for one in readings(first, last):
            spool.append(one)
        await spool.sync()

    async def work() -> None:
        spool = Spool(tmp_path / "spool", max_size=2**26, keep=1e6, sinks=["sparkplug"])
        await spool.open()
        sink = Kept(*made_for(tmp_path, broker.port), Clock())
        delivery = Delivery(sink, spool, Clock(), random.Random(1))
        task = asyncio.create_task(delivery.run())
        try:
            with hosting(broker) as hearing:
                await put(spool, 1, 20)
                await until(lambda: hearing.values() == [float(one) for one in range(1, 21)])
            sink.away = True
            broker.kill()
            await put(spool, 21, 600)
            await until(lambda: delivery.progress.state == "away")
            broker.start()
            with hosting(broker) as hearing:  # the host is there before the gateway is
                sink.away = False
                await until(lambda: spool.undelivered("sparkplug") == 0)
                await put(spool, 601, 620)
                await until(lambda: 620.0 in hearing.values())
                assert hearing.values() == [float(one) for one in range(21, 621)]
                history = [one.value for _, one in hearing().history if one.name == "active_power_total"]
                assert history == [float(one) for one in range(21, 601)]
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await spool.close()

    run(work())


# the primary host


def state(online: bool, time: int) -> str:
    return json.dumps({"online": online, "timestamp": time})


def test_nothing_is_born_before_the_primary_host_is_online(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        sink = to(broker, tmp_path, host="scada")
        monkeypatch.setattr(sparkplug_sink, "HOST_WAIT", 0.2)
        with pytest.raises(SinkError, match="the primary host 'scada' is not online") as raised:
            await sink.open()
        assert raised.value.unavailable
        await sink.close()
        monkeypatch.setattr(sparkplug_sink, "HOST_WAIT", 20.0)
        opening = asyncio.create_task(sink.open())
        await asyncio.to_thread(broker.publish, STATE, "[1]", retain=True)
        await asyncio.to_thread(broker.publish, STATE, state(False, 5), retain=True)
        await until(lambda: sink._state_time == 5)
        await asyncio.to_thread(broker.publish, STATE, state(True, 4), retain=True)  # older than what was said before
        await asyncio.sleep(0.1)
        assert not opening.done()
        assert "NBIRTH" not in hearing.verbs()
        await asyncio.to_thread(broker.publish, STATE, state(True, 5), retain=True)
        await opening
        await sink.write(readings(1, 1), 0)
        await until(lambda: hearing.values() == [1.0])
        await sink.close()

    with hosting(broker) as hearing:
        run(work())


def test_when_the_primary_host_goes_the_node_dies_and_keeps_what_it_has(tmp_path: Path, broker: Broker) -> None:
    broker.publish(STATE, state(True, 10), retain=True)

    async def work() -> None:
        sink = to(broker, tmp_path, host="scada")
        await sink.open()
        await sink.write(readings(1, 1), 0)
        broker.publish(STATE, state(False, 9), retain=True)  # of an earlier session of the host: it does not count
        await sink.write(readings(2, 2), 0)
        broker.publish(STATE, state(False, 10), retain=True)
        await until(lambda: hearing.verbs()[-1:] == ["NDEATH"])
        with pytest.raises(SinkError, match="the primary host 'scada' is offline") as raised:
            await sink.write(readings(3, 3), 0)
        assert raised.value.unavailable
        assert not raised.value.taken
        await sink.close()
        broker.publish(STATE, state(True, 11), retain=True)
        await sink.open()
        await sink.write(readings(3, 3), 1)
        await until(lambda: hearing.values() == [1.0, 2.0, 3.0])
        await sink.close()

    with hosting(broker) as hearing:
        run(work())


# the whole daemon


def current(hearing: Callable[[], Host], key: tuple[str, str]) -> bool:
    host = hearing()
    return key in host.current and bool(host.current[key].value)


@pytest.mark.slow(5)
def test_killed_the_broker_tells_its_death_and_the_next_life_has_the_next_number(
    tmp_path: Path, broker: Broker
) -> None:
    with device(Registers(METER)) as meter, hosting(broker) as hearing:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port)
        text = configuration(tmp_path, devices, mqtt=broker.url)
        text += 'sparkplug = { group = "plant", node = "gateway-7" }\n'
        with daemon(tmp_path, text) as running:
            wait_for(lambda: len(hearing.values("emission/load_power")) >= 2, 30, "the balance")
            assert hearing().number == 0
            running.kill()
            wait_for(lambda: not hearing().online, 30, "the death")
            # A death with another number would have left the host's node online.
            assert hearing().said[-1]["bdSeq"] == 0
            running.start()
            wait_for(lambda: hearing().number == 1, 30, "the next birth")
            # What was read before comes first, and is history.
            for key in (("incomer", "active_power_total"), ("", "emission/load_power")):
                wait_for(partial(current, hearing, key), 30, f"{key} of now")
            assert running.stop() == 0
        wait_for(lambda: not hearing().online, 30, "the end")
        host = hearing()
    shown = {name: one for (owner, name), one in host.current.items() if owner == "incomer"}
    assert {name: shown[name].value for name in METER_VALUES} == METER_VALUES
    assert shown["active_power_total"].unit == "W"
    site = {name: one.value for (owner, name), one in host.current.items() if not owner}
    # Hand calculation: all of the load is imported, at 558.1 g/kWh (CN-CQ 2023, direct): 12345 W x 558.1 / 1000.
    assert site["emission/emission_intensity"] == 558.1
    assert site["emission/emission_rate"] == pytest.approx(12.345 * 558.1)
