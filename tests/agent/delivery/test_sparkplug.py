"""The gateway as a Sparkplug edge node at a real broker, with a host that checks every rule."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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

from tests.support.brokers import Broker, ReceivedMessages, mosquitto, subscriber
from tests.support.certificates import Certificates
from tests.support.deliveries import connected
from tests.support.records import NOW, readings, until
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.scripted_broker import packet
from tests.support.servers import wait_for
from tests.support.tahu import Host, Payload
from tests.support.topics import METER, METER_VALUES

MS = 1_000_000
COMMAND = "spBv1.0/plant/NCMD/gateway-7"
STATE = "spBv1.0/STATE/scada"
REBIRTH = Payload(timestamp=1)
REBIRTH.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)


class ListeningHost:
    """A host with its own subscription; a call reads the messages up to now and returns the host."""

    def __init__(self, subscription: ReceivedMessages) -> None:
        self.host = Host()
        self._subscription = subscription
        self._count = 0

    def __call__(self) -> Host:
        # An incomplete line is read by the next call.
        text = "".join(
            line for line in self._subscription._output.read_text().splitlines(keepends=True) if line[-1] == "\n"
        )
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
        return [f"{message.verb} {message.device}".strip() for message in self().said]

    def values(self, name: str = "active_power_total") -> list[float]:
        """Return the values of a metric in the order of their messages."""
        return [
            metric.value
            for message in self().said
            for metric in message.metrics
            if metric.name == name and metric.value is not None
        ]


@contextmanager
def listening_host(broker: Broker, **more: Any) -> Iterator[ListeningHost]:
    with subscriber(broker, "spBv1.0/#", form="%q %r %x", **more) as subscription:
        yield ListeningHost(subscription)


def site_config(url: str, folder: Path, host: str = "") -> Config:
    text = '[grid]\nzone = "CN-CQ"\n'
    text += '[site]\nname = "works"\n[[device]]\nname = "incomer"\nrole = "grid"\ndriver = "sunspec"\nurl = "tcp://h"\n'
    text += f'[spool]\npath = "{folder}"\n[mqtt]\nurl = "{url}"\n'
    text += f'sparkplug = {{ group = "plant", node = "gateway-7"{host and f", host = {host!r}"} }}\n'
    return read(text.replace("'", '"'), Path("site.toml"))


def to(broker: Broker, folder: Path, host: str = "", **more: Any) -> SparkplugSink:
    config = site_config(broker.url, folder, host)
    assert config.mqtt is not None
    _, sink = sinks(replace(config, mqtt=replace(config.mqtt, **more)))
    assert isinstance(sink, SparkplugSink)
    return sink


def sink_settings(folder: Path, port: int) -> tuple[Config, MqttConfig, SparkplugConfig]:
    config = site_config(f"mqtt://127.0.0.1:{port}", folder)
    assert config.mqtt is not None
    names = config.sinks["mqtt.sparkplug"]
    assert isinstance(names, SparkplugConfig)
    return config, config.mqtt, names


class NetworkedSink(SparkplugSink):
    """A sink whose network may be down longer than its broker."""

    network_down = False

    async def open(self) -> None:
        if self.network_down:
            raise SinkError("no network")
        await super().open()


def run(work: Any) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


# births, data, deaths


def test_readings_arrive_in_order_with_their_time_and_a_death_ends_the_session(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        async with connected(to(broker, tmp_path)) as sink:
            assert await sink.write(readings(1, 300), 100) == {}

    with listening_host(broker) as listener:
        run(work())
        wait_for(lambda: listener.verbs()[-1:] == ["NDEATH"], 20, "a death")
        host = listener()
    assert listener.values() == [float(number) for number in range(1, 301)]
    assert [(metric.value, metric.time) for _, metric in host.history if metric.name == "active_power_total"] == [
        (float(number), NOW // MS + 1000 * number) for number in range(1, 101)
    ]
    assert not host.online
    assert host.said[-1]["bdSeq"] == 0


def test_every_connection_has_the_next_session_number_also_after_a_restart(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        sink = to(broker, tmp_path)
        for _ in range(2):
            async with connected(sink):
                pass

    with listening_host(broker) as listener:
        run(work())
        run(work())
        wait_for(lambda: len(listener.verbs()) >= 8, 20, "four births and deaths")
    assert [(message.verb, message["bdSeq"]) for message in listener().said] == [
        (verb, number) for number in range(4) for verb in ("NBIRTH", "NDEATH")
    ]


def test_with_mqtt_3_1_1_the_death_is_published_before_the_disconnect(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        sink = to(broker, tmp_path)
        sink._broker.protocol = V311
        async with connected(sink):
            await sink.write(readings(1, 3), 0)

    with listening_host(broker) as listener:
        run(work())
        wait_for(lambda: listener.verbs()[-1:] == ["NDEATH"], 20, "a death")
    # 3.14.4 of MQTT 3.1.1: the broker discards the will of a client that disconnects, so there is one death only.
    assert listener.verbs() == ["NBIRTH", "DBIRTH incomer", "DDATA incomer", "DDATA incomer", "NDEATH"]


def test_a_rebirth_command_is_answered_with_all_births_at_once(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        async with connected(to(broker, tmp_path)) as sink:
            await sink.write(readings(1, 3), 0)
            with listening_host(broker) as late:
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
            for payload in (other.SerializeToString(), b"\xff" * 50, b"\x12\xff\xff\xff\x7f", b"HTTP/1.1 400"):
                broker.publish(COMMAND, payload)
            broker.publish(COMMAND, REBIRTH.SerializeToString(), retain=True)
            await until(
                lambda: listener.verbs().count("NBIRTH") == 2
            )  # retained, but published to a subscriber: it is current
            await sink.write(readings(2, 2), 0)
            await until(lambda: listener.values() == [1.0, 1.0, 2.0])
        listener.host = Host()
        async with connected(to(broker, tmp_path)) as sink:
            await sink.write(readings(3, 3), 0)
            await until(lambda: listener.values() == [3.0])
        assert listener.verbs().count("NBIRTH") == 1  # a retained command is outdated

    with listening_host(broker) as listener:
        run(work())
    assert len([log_record for log_record in caplog.records if "unusable message" in log_record.getMessage()]) == 3


def test_a_forbidden_command_subscription_is_logged_once_and_data_continues(
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
            sink = SparkplugSink(*sink_settings(tmp_path, server.sockets[0].getsockname()[1]), Clock())
            for number in (1, 2):
                async with connected(sink):
                    await sink.write(readings(number, number), 0)

    run(work())
    assert [message["active_power_total"] for message in host.said if message.verb == "DBIRTH"] == [1.0, 2.0]
    (warning,) = [log_record.getMessage() for log_record in caplog.records if log_record.levelno == logging.WARNING]
    assert warning == f"sparkplug: the broker refuses the subscription to {COMMAND}: not authorised (0x87)"


@pytest.mark.server
def test_tls_with_a_client_certificate(tmp_path: Path, tls: Certificates) -> None:
    async def work() -> None:
        files: dict[str, Any] = {"ca": tls.ca, "cert": tls.client_cert, "key": tls.client_key}
        async with connected(to(broker, tmp_path, **files)) as sink:
            for number in range(1, 2000, 250):
                assert await sink.write(readings(number, number + 249), 0) == {}

    with mosquitto(tmp_path, tls=tls, client_certificate=True) as broker, listening_host(broker) as listener:
        run(work())
        wait_for(lambda: len(listener.values()) >= 2000, 20, "all values")
        assert listener.values() == [float(number) for number in range(1, 2001)]


# links that end


def test_records_that_the_broker_did_not_read_are_not_taken(
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
            assert "the broker takes 1000" in refused[0].reason

    # MQTT 5, 3.2.2.3.6: Maximum Packet Size.
    with mosquitto(tmp_path, config_extra="max_packet_size 1000") as broker, listening_host(broker) as listener:
        run(work())
        wait_for(lambda: listener.values() == [1.0, 3.0], 20, "the others")


def test_after_an_outage_every_record_arrives_and_the_backlog_is_history(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattgram.delivery.delivery.FIRST_WAIT", 0.05)
    monkeypatch.setattr("wattgram.delivery.delivery.LONGEST_WAIT", 0.1)

    async def put(spool: Spool, first: int, last: int) -> None:
        for record in readings(first, last):
            spool.append(record)
        await spool.sync()

    async def work() -> None:
        spool = Spool(tmp_path / "spool", max_size=2**26, keep=1e6, sinks=["sparkplug"])
        await spool.open()
        sink = NetworkedSink(*sink_settings(tmp_path, broker.port), Clock())
        delivery = Delivery(sink, spool, Clock(), random.Random(1))
        task = asyncio.create_task(delivery.run())
        try:
            with listening_host(broker) as listener:
                await put(spool, 1, 20)
                await until(lambda: listener.values() == [float(number) for number in range(1, 21)])
                await until(lambda: spool.undelivered("sparkplug") == 0)
            sink.network_down = True
            broker.kill()
            await put(spool, 21, 600)
            await until(lambda: delivery.progress.state == "away")
            broker.start()
            with listening_host(broker) as listener:  # the host is connected before the gateway
                sink.network_down = False
                await until(lambda: spool.undelivered("sparkplug") == 0)
                await put(spool, 601, 620)
                await until(lambda: 620.0 in listener.values())
                assert listener.values() == [float(number) for number in range(21, 621)]
                history = [metric.value for _, metric in listener().history if metric.name == "active_power_total"]
                assert history == [float(number) for number in range(21, 601)]
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
        await asyncio.to_thread(broker.publish, STATE, state(True, 4), retain=True)  # older than the last state
        await asyncio.sleep(0.1)
        assert not opening.done()
        assert "NBIRTH" not in listener.verbs()
        await asyncio.to_thread(broker.publish, STATE, state(True, 5), retain=True)
        await opening
        await sink.write(readings(1, 1), 0)
        await until(lambda: listener.values() == [1.0])
        await sink.close()

    with listening_host(broker) as listener:
        run(work())


def test_when_the_primary_host_goes_offline_the_node_dies_and_keeps_its_records(tmp_path: Path, broker: Broker) -> None:
    broker.publish(STATE, state(True, 10), retain=True)

    async def work() -> None:
        sink = to(broker, tmp_path, host="scada")
        await sink.open()
        await sink.write(readings(1, 1), 0)
        broker.publish(STATE, state(False, 9), retain=True)  # of an earlier session of the host: ignored
        await sink.write(readings(2, 2), 0)
        broker.publish(STATE, state(False, 10), retain=True)
        await until(lambda: listener.verbs()[-1:] == ["NDEATH"])
        with pytest.raises(SinkError, match="the primary host 'scada' is offline") as raised:
            await sink.write(readings(3, 3), 0)
        assert raised.value.unavailable
        assert not raised.value.taken
        await sink.close()
        broker.publish(STATE, state(True, 11), retain=True)
        await sink.open()
        await sink.write(readings(3, 3), 1)
        await until(lambda: listener.values() == [1.0, 2.0, 3.0])
        await sink.close()

    with listening_host(broker) as listener:
        run(work())


# the whole daemon


def current(listener: Callable[[], Host], key: tuple[str, str]) -> bool:
    host = listener()
    return key in host.current and bool(host.current[key].value)


@pytest.mark.slow(5)
def test_after_a_kill_the_broker_publishes_the_death_and_the_next_session_has_the_next_number(
    tmp_path: Path, broker: Broker
) -> None:
    with device(Registers(METER)) as meter, listening_host(broker) as listener:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter.port)
        text = configuration(tmp_path, devices, mqtt=broker.url)
        text += 'sparkplug = { group = "plant", node = "gateway-7" }\n'
        with daemon(tmp_path, text) as running:
            wait_for(lambda: len(listener.values("emission/load_power")) >= 2, 30, "the balance")
            assert listener().number == 0
            running.kill()
            wait_for(lambda: not listener().online, 30, "the death")
            # A death with another number would have left the host's node online.
            assert listener().said[-1]["bdSeq"] == 0
            running.start()
            wait_for(lambda: listener().number == 1, 30, "the next birth")
            # The earlier readings come first, as history.
            for key in (("incomer", "active_power_total"), ("", "emission/load_power")):
                wait_for(partial(current, listener, key), 30, f"{key} of now")
            assert running.stop() == 0
        wait_for(lambda: not listener().online, 30, "the end")
        host = listener()
    metrics = {name: metric for (owner, name), metric in host.current.items() if owner == "incomer"}
    assert {name: metrics[name].value for name in METER_VALUES} == METER_VALUES
    assert metrics["active_power_total"].unit == "W"
    site = {name: metric.value for (owner, name), metric in host.current.items() if not owner}
    # Hand calculation: all of the load is imported, at 558.1 g/kWh (CN-CQ 2023, direct): 12345 W x 558.1 / 1000.
    assert site["emission/emission_intensity"] == 558.1
    assert site["emission/emission_rate"] == pytest.approx(12.345 * 558.1)
