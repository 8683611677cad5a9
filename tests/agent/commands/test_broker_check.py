"""What `check --live` says about a broker: rights and terms, with mosquitto."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from wattgram.commands.broker_check import BrokerReport, broker_report
from wattgram.mqtt.mqtt_connection import V5, V311
from wattgram.mqtt.mqtt_settings import MqttConfig

from tests.support.brokers import Broker, mosquitto, subscriber
from tests.support.certificates import Certificates

pytestmark = pytest.mark.server

TOPIC = "wattgram/works/check"
NONE = "none arrived within 1 s; perhaps the user may not read there"
USERS = {"both": "b", "writer": "w", "stranger": "s"}
ACL = """
user both
topic readwrite wattgram/works/#
user writer
topic write wattgram/works/#
user stranger
topic write wattgram/elsewhere/#
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with three logins of different rights."""
    with mosquitto(tmp_path_factory.mktemp("broker"), users=USERS, acl=ACL) as broker:
        yield broker


def report(broker: Broker, user: str | None = None, protocol: int = V5, arrival: float = 60.0) -> BrokerReport:
    tls = broker.tls
    settings = MqttConfig(
        "127.0.0.1",
        broker.port,
        tls=tls is not None,
        username=user,
        password=USERS[user] if user else None,
        ca=tls.ca if tls else None,
        cert=tls.client_cert if tls else None,
        key=tls.client_key if tls else None,
    )
    return asyncio.run(broker_report(settings, "works", protocol, arrival))


@pytest.mark.parametrize("protocol", [V5, V311])
def test_a_received_message_proves_the_right_to_publish(guarded: Broker, protocol: int) -> None:
    found = report(guarded, "both", protocol)
    assert found.findings == []
    assert found.notes == [f"a message to {TOPIC} was accepted, and a second client received the message"]
    assert "wattgram-works-check" in guarded.log


def test_a_user_without_the_right_to_read_may_publish(guarded: Broker) -> None:
    found = report(guarded, "writer", arrival=1.0)
    assert found.findings == []
    assert found.notes == [f"a message to {TOPIC} was accepted; no second client received the message: {NONE}"]


def test_a_forbidden_topic_is_a_finding_in_mqtt_5_and_unknown_in_3_1_1(guarded: Broker) -> None:
    found = report(guarded, "stranger")
    assert found.findings == [
        f"the broker refuses {TOPIC}: not authorised (0x87); may this user publish there?",
    ]
    older = report(guarded, "stranger", V311, 1.0)
    assert older.findings == []
    assert older.notes == [
        f"unknown whether this user may publish {TOPIC}: MQTT 3.1.1 reports no refusals, and no second client received "
        f"the message: {NONE}"
    ]


def test_narrow_terms_are_told_and_no_message_stays(tmp_path: Path, tls: Certificates) -> None:
    extra = "max_packet_size 1000\nmax_inflight_messages 5"
    with mosquitto(tmp_path, tls=tls, client_certificate=True, config_extra=extra) as broker:
        found = report(broker)
        assert found.findings == []
        assert found.notes == [
            "the broker takes 5 unacknowledged messages at a time (Receive Maximum); a backlog takes long",
            "the broker takes packets of 1000 bytes at most (Maximum Packet Size) and refuses larger ones; "
            "a message of a device with 200 values has 8192",
            f"a message to {TOPIC} was accepted, and a second client received the message",
        ]
        with subscriber(broker, "wattgram/#") as heard:
            broker.publish("wattgram/end", "x")
            assert heard.wait(1) == [("wattgram/end", "x")]


def test_a_broker_that_retains_nothing_is_a_finding(tmp_path: Path) -> None:
    with mosquitto(tmp_path, config_extra="retain_available false") as broker:
        assert report(broker).findings == [
            "the broker retains no messages, so it refuses status, goals and seal; allow retained messages"
        ]
