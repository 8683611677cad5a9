"""Client ids: one for each site, one event for two clients of an id, and pauses between their attempts."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import pytest
from wattgram.base.errors import SinkError
from wattgram.commands.run import started_by_hand
from wattgram.daemon import daemon
from wattgram.delivery.sinks import client_identity, topic_watch
from wattgram.delivery.sinks.client_identity import (
    CLIENT_ID_IN_USE,
    LONGEST_TAKEOVER_WAIT,
    SHORT_CONNECTION,
    SUSPICIOUS_ENDS,
    TAKEOVER_WAIT,
    UNDISTURBED,
    ClientIdentity,
    IdentifiedSink,
)
from wattgram.delivery.sinks.mqtt_sink import MqttSink
from wattgram.delivery.sinks.retained_topics import UNWATCHED_PERIOD, RetainedTopics
from wattgram.mqtt.mqtt_session import MqttSession
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.mqtt.packets import TAKEN_OVER

from tests.support.brokers import Broker, subscriber
from tests.support.records import reading

STATUS = "wattgram/works/status"


class Noted:
    """Events that a sink publishes."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def event(self, device: str, event: str, detail: str) -> None:
        self.events.append((event, detail))


def identity() -> tuple[ClientIdentity, Noted]:
    noted = Noted()
    found = ClientIdentity("wattgram-works", chance=random.Random(1))
    found.events = noted
    return found, noted


def test_a_second_client_of_the_id_is_one_event_and_growing_pauses() -> None:
    found, noted = identity()
    assert found.pause == 0.0
    limits = []
    for _ in range(6):
        found.note(20.0, TAKEN_OVER, closed=False)
        limits.append(min(LONGEST_TAKEOVER_WAIT, TAKEOVER_WAIT * 2 ** (found.losses - 1)))
        assert 0.75 * limits[-1] <= found.pause <= limits[-1]
    assert limits == [5, 10, 20, 40, 45, 45]
    ((event, detail),) = noted.events
    assert event == CLIENT_ID_IN_USE
    assert detail.startswith("another client uses the client_id 'wattgram-works'")
    found.note(UNDISTURBED, 0, closed=False)
    assert found.pause == 0.0


async def failing(found: ClientIdentity) -> None:
    async with found.attempt():
        raise SinkError("connection refused")


def test_short_connections_that_close_without_a_reason_mean_another_client() -> None:
    found, noted = identity()
    for _ in range(SUSPICIOUS_ENDS - 1):
        found.note(5.0, 0, closed=True)
    with pytest.raises(SinkError):
        asyncio.run(failing(found))  # the broker itself was absent
    for _ in range(SUSPICIOUS_ENDS - 1):
        found.note(5.0, 0, closed=True)
    found.note(SHORT_CONNECTION, 0, closed=True)
    for _ in range(SUSPICIOUS_ENDS - 1):
        found.note(5.0, 0, closed=True)
        found.note(5.0, 0, closed=False)  # an answer was due: perhaps a message was the cause
    assert (found.pause, found.losses, noted.events) == (0.0, 0, [])
    for _ in range(3):
        found.note(5.0, 0, closed=True)
    assert found.pause > 0.0
    assert found.losses == SUSPICIOUS_ENDS + 2
    ((_, detail),) = noted.events
    assert detail.startswith("perhaps another client uses the client_id 'wattgram-works'")


def test_a_run_by_hand_yields_after_three_losses_and_says_why() -> None:
    sink = SimpleNamespace(identity=identity()[0])
    assert isinstance(sink, IdentifiedSink)

    async def work() -> daemon.Stop:
        stop = daemon.Stop()
        parts = cast(daemon.Parts, SimpleNamespace(deliveries=[SimpleNamespace(sink=sink)]))
        daemon.yield_to_others(parts, stop)
        for _ in range(2):
            sink.identity.note(20.0, TAKEN_OVER, closed=False)
            assert not stop.is_set()
        sink.identity.note(20.0, TAKEN_OVER, closed=False)
        assert stop.is_set()
        return stop

    fault = asyncio.run(work()).fault
    assert "another client uses the client_id 'wattgram-works'" in fault
    assert fault.endswith("this run ends, because it was started by hand")


@pytest.mark.parametrize(
    ("environment", "pid", "by_hand"),
    [
        ({}, 4711, True),
        ({"INVOCATION_ID": "of the terminal's own unit"}, 4711, True),
        ({"NOTIFY_SOCKET": "/run/systemd/notify"}, 4711, False),
        ({"SYSTEMD_EXEC_PID": "4711"}, 4711, False),
        ({"SYSTEMD_EXEC_PID": "4000"}, 4711, True),
        ({}, 1, False),
        ({"container": "podman"}, 7, False),
    ],
)
def test_only_a_run_of_a_person_is_by_hand(environment: dict[str, str], pid: int, by_hand: bool) -> None:
    assert started_by_hand(environment, pid) == by_hand


async def writing(sink: MqttSink) -> None:
    """Write until the connection ends."""
    while True:
        await sink.write([reading(2)], 0)
        await asyncio.sleep(0.02)


@pytest.mark.server
def test_a_broker_ends_the_earlier_connection_of_a_site(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_identity, "TAKEOVER_WAIT", 0.0)

    async def work() -> list[tuple[str, str]]:
        first, second = (MqttSink(MqttConfig("127.0.0.1", broker.port), "works") for _ in range(2))
        noted = Noted()
        first.identity.events = noted
        for _ in range(3):
            await first.open()
            await first.write([reading(1)], 0)
            await second.open()
            # mosquitto 2.0 closes without a reason.
            with pytest.raises(SinkError, match=r"another client has logged in|closed the connection|connection lost"):
                await writing(first)
            await first.close()
            await second.close()
        assert first.identity.losses == 3
        return noted.events

    ((event, detail),) = asyncio.run(asyncio.wait_for(work(), 60))
    assert event == CLIENT_ID_IN_USE
    assert "'wattgram-works'" in detail


@pytest.mark.server
def test_a_broker_that_restarts_often_is_no_other_client(broker: Broker) -> None:
    async def work() -> int:
        sink = MqttSink(MqttConfig("127.0.0.1", broker.port), "works")
        for _ in range(SUSPICIOUS_ENDS + 1):
            await sink.open()
            await sink.write([reading(1)], 0)
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(2 * client_identity.PROBE_DELAY)
            with suppress(SinkError):
                await sink.write([reading(2)], 0)
            await asyncio.to_thread(broker.start)
            await sink.close()
        return sink.identity.losses

    assert asyncio.run(asyncio.wait_for(work(), 60)) == 0


class Relay:
    """A TCP relay that can stop to relay, without closing a connection: a network that is gone."""

    def __init__(self, port: int) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self._port = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        pairs = ((reader, far_writer), (far_reader, writer))
        self.tasks += [asyncio.create_task(_copy(*pair)) for pair in pairs]

    def stop(self) -> None:
        """Relay nothing more of the present connections."""
        for task in self.tasks:
            task.cancel()
        self.tasks.clear()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()


@pytest.mark.slow(7)
@pytest.mark.server
def test_the_status_is_online_after_a_half_open_connection(broker: Broker) -> None:
    async def work() -> list[tuple[str, str]]:
        relay = Relay(broker.port)
        server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
        sink = MqttSink(MqttConfig("127.0.0.1", server.sockets[0].getsockname()[1]), "works")
        with subscriber(broker, STATUS) as subscription:
            await sink.open()
            await sink.write([reading(1)], 0)
            relay.stop()
            with pytest.raises(SinkError):
                await sink.write([reading(2)], 0)
            await sink.close()
            # The broker still holds the old connection. The new one has its client id, so the old will comes first.
            await sink.open()
            await sink.write([reading(2)], 0)
            found = await asyncio.to_thread(subscription.wait, 3)
            await sink.close()
        server.close()
        return found

    found = asyncio.run(asyncio.wait_for(work(), 60))
    assert [payload for _, payload in found] == ["online", "offline", "online"]


class Session:
    """A session that answers subscriptions as told."""

    def __init__(self, code: int | None) -> None:
        self.code, self.end_reason = code, ""
        self.answers: list[asyncio.Future[int]] = []

    def request(self, topics: tuple[str, ...], handler: object) -> list[asyncio.Future[int]]:
        self.answers = [asyncio.get_running_loop().create_future() for _ in topics]
        for answer in self.answers:
            if self.code is not None:
                answer.set_result(self.code)
        return self.answers


def kept() -> RetainedTopics:
    topics = RetainedTopics("wattgram/works", None, "homeassistant/status")
    for topic, payload in {STATUS: b"online", "wattgram/works/goal/A12": b"42"}.items():
        topics.note_sent(topic, payload)
        topics.note_accepted(topic)
    return topics


def test_the_status_is_repeated_while_the_own_topics_cannot_be_watched(caplog: pytest.LogCaptureFixture) -> None:
    async def due(code: int | None) -> list[set[str]]:
        topics, session = kept(), Session(code)
        topics.watch(cast(MqttSession, session), 100.0)
        await asyncio.sleep(0)
        found = [topics.due(100.0 + wait) for wait in (0.0, UNWATCHED_PERIOD, 1.5 * UNWATCHED_PERIOD)]
        return [set(each.messages) if each else set() for each in found]

    assert asyncio.run(due(1)) == [set(), set(), set()]
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(due(0x87)) == [set(), {STATUS}, set()]
    assert "the broker refuses the subscription to wattgram/works/status: not authorised" in caplog.text
    assert asyncio.run(due(None)) == [set(), {STATUS}, set()]


def test_a_subscription_without_an_answer_is_tried_again() -> None:
    async def work() -> list[bool]:
        topics, asked = kept(), []
        for time in (0.0, 10.0, 20.0, 30.0, 20.0 + topic_watch.UNANSWERED_PAUSE):
            session = Session(None)
            topics.watch(cast(MqttSession, session), time)
            asked.append(bool(session.answers))
            session.end_reason = "the broker closed the connection"
            for answer in session.answers:
                answer.set_result(0)  # as the end of a session does
            await asyncio.sleep(0)
        return asked

    assert asyncio.run(work()) == [True, True, False, False, True]


def test_a_start_of_home_assistant_repeats_the_retained_topics() -> None:
    topics = kept()
    topics.received("homeassistant/status", b"offline", False)
    topics.received("homeassistant/status", b"online", True)  # of before the connection
    assert topics.due(0.0) is None
    topics.received("homeassistant/status", b"online", False)
    due = topics.due(0.0)
    assert due is not None
    assert due.messages == {STATUS: b"online", "wattgram/works/goal/A12": b"42"}
