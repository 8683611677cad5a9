"""Retained messages: again after a reconnect, and after another client has changed them; rules of their repetition."""

from __future__ import annotations

import asyncio
import json

import pytest
from wattgram.base.record import Record, Series, record
from wattgram.delivery.sinks import retained_topics
from wattgram.delivery.sinks.mqtt_sink import MqttSink
from wattgram.delivery.sinks.retained_topics import MOST_ATTEMPTS, RESTORE_PERIOD, RetainedTopics
from wattgram.mqtt.mqtt_settings import MqttConfig

from tests.support.brokers import Broker, subscriber
from tests.support.records import NOW, reading

STATUS, SEAL, GOAL = (f"wattgram/works/{topic}" for topic in ("status", "seal", "goal/A12"))
_SEAL = Series("seal", (("site", "works"),), ("size",), ("size",), ("checkpoint", "key_id"))
_GOAL = Series("goal", (("site", "works"), ("goal", "A12")), ("value",), (), ("state",))


def seal(size: float) -> Record:
    return record(_SEAL, NOW, {"checkpoint": "c", "key_id": "k", "size": size})


def goal(value: float) -> Record:
    return record(_GOAL, NOW, {"value": value, "state": "on track"})


def retained(broker: Broker, number: int = 3) -> dict[str, str]:
    """Return the first messages of a new subscriber, by topic."""
    with subscriber(broker, "wattgram/works/status", "wattgram/works/seal", "wattgram/works/goal/#") as late:
        return dict(late.wait(number))


@pytest.mark.server
def test_a_broker_that_lost_its_retained_messages_gets_them_again(broker: Broker) -> None:
    async def work() -> dict[str, str]:
        sink = MqttSink(MqttConfig("127.0.0.1", broker.port), "works")
        await sink.open()
        await sink.write([seal(6.0), goal(41.0), reading(1), seal(7.0), goal(42.0)], 0)
        broker.kill()  # without a disk
        await sink.close()
        await asyncio.to_thread(broker.start)
        await sink.open()
        found = await asyncio.to_thread(retained, broker)
        await sink.close()
        return found

    found = asyncio.run(asyncio.wait_for(work(), 60))
    assert found[STATUS] == "online"
    assert json.loads(found[SEAL])["size"] == 7
    assert json.loads(found[GOAL])["value"] == 42.0


@pytest.mark.server
def test_a_message_that_another_client_changed_is_published_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retained_topics, "RESTORE_PERIOD", 0.0)

    foreign = {STATUS: "offline", SEAL: "forged", GOAL: "other"}  # a late last will, two forgeries

    async def work() -> dict[str, str]:
        sink = MqttSink(MqttConfig("127.0.0.1", broker.port), "works")
        await sink.open()
        with subscriber(broker, *foreign) as subscription:
            await sink.write([seal(7.0), goal(42.0)], 0)
            for topic, payload in foreign.items():
                broker.publish(topic, payload, retain=True)
            while True:
                await sink.write([reading(1)], 0)
                messages = subscription.messages()
                last = dict(messages)
                if foreign.items() <= set(messages) and not foreign.items() & last.items():
                    break
                await asyncio.sleep(0.02)
        found = await asyncio.to_thread(retained, broker)
        await sink.close()
        return found

    found = asyncio.run(asyncio.wait_for(work(), 60))
    assert found[STATUS] == "online"
    assert json.loads(found[SEAL])["size"] == 7
    assert json.loads(found[GOAL])["value"] == 42.0


def accepted(topics: RetainedTopics, topic: str, payload: bytes) -> None:
    topics.note_sent(topic, payload)
    topics.note_accepted(topic)


def test_own_messages_and_topics_of_an_earlier_process_are_no_change() -> None:
    topics = RetainedTopics("wattgram/works", None)
    topics.received(SEAL, b"of an earlier process", True)
    accepted(topics, SEAL, b"1")
    topics.note_sent(SEAL, b"2")
    topics.received(SEAL, b"2", False)  # before the acknowledgement
    topics.note_accepted(SEAL)
    topics.received(SEAL, b"2", False)
    assert topics.due(0.0) is None
    topics.received(SEAL, b"1", False)
    due = topics.due(0.0)
    assert due is not None
    assert due.messages == {SEAL: b"2"}
    topics.received(SEAL, b"", False)  # removed
    due = topics.due(RESTORE_PERIOD)
    assert due is not None
    assert due.messages == {SEAL: b"2"}


def test_two_gateways_of_one_name_correct_each_other_once_a_period() -> None:
    topics = RetainedTopics("wattgram/works", None)
    accepted(topics, STATUS, b"online")
    topics.received(STATUS, b"offline", False)
    assert topics.due(100.0) is not None
    topics.received(STATUS, b"offline", False)
    assert topics.due(100.0 + RESTORE_PERIOD / 2) is None
    assert topics.due(100.0 + RESTORE_PERIOD) is not None


def test_a_connection_that_ends_at_a_repeated_message_is_not_tried_for_ever() -> None:
    topics = RetainedTopics("wattgram/works", None)
    accepted(topics, GOAL, b"42")
    accepted(topics, STATUS, b"online")
    accepted(topics, "homeassistant/device/wattgram-works/site/config", b"{}")  # its announcer repeats it
    for _ in range(MOST_ATTEMPTS):
        assert topics.again().messages == {GOAL: b"42"}
    assert topics.again().messages == {}
    accepted(topics, GOAL, b"43")
    topics.note_restored()
    assert topics.again().messages == {GOAL: b"43"}
