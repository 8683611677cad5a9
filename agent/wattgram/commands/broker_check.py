"""Questions about a broker for `check --live`: rights for the site's topics, and the terms of the broker.

wattgram's own session publishes a message, as the daemon would, and gives the broker's reason for a refusal. A second
client, of the library aiomqtt, subscribes to the topic: a message that it receives was allowed, also with MQTT 3.1.1.

The only user of aiomqtt, which holds a packet of the length that the packet states. Therefore the daemon never loads
the library, and a broker is asked only after it has answered wattgram's own bounded login.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from wattgram.base.errors import SinkError
from wattgram.base.secret import revealed
from wattgram.base.tls import tls_context
from wattgram.mqtt.mqtt_connection import V5, Broker
from wattgram.mqtt.mqtt_settings import MqttConfig, client_id_of
from wattgram.mqtt.packets import REFUSAL_CODE, Acknowledgement, LoginAnswer
from wattgram.mqtt.reason_classes import publish_refusal

CHECK_TOPIC = "check"
"""Topic of the message, below the site's topics."""

ANSWER_TIMEOUT = 5.0
"""Longest time for one answer of the broker, s."""

ARRIVAL_TIMEOUT = 3.0
"""Longest time from an acknowledgement to the message at the second client, s."""

CHECK_TIMEOUT = 30.0
"""Longest time of all questions, s."""

MOST_RECEIVED = 16
"""Most messages that the second client holds; it discards further ones."""

LARGEST_RECEIVED = 4096
"""Largest packet that a broker of version 5 may send to the second client, bytes."""

FEW_MESSAGES = 10
"""Receive Maximum below which a backlog takes long: mosquitto has 20."""

LARGE_MESSAGE = 8192
"""Size of a message of a device with 200 values, bytes: 200 names and numbers of 40 characters."""

SECOND_CLIENT_ERRORS = (aiomqtt.MqttError, OSError, ValueError, LookupError, TypeError, struct.error)
"""What the library raises for a refusal, a lost connection, and bytes that are no MQTT."""


@dataclass(slots=True)
class BrokerReport:
    """Findings and notes about a broker, one line each."""

    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _CheckMessage:
    """The message: empty, which no broker retains. answer: of the broker, None without one."""

    def __init__(self, topic: str, *, retain: bool) -> None:
        self.answer: Acknowledgement | None = None
        self.retain = retain
        self._messages = iter([(0, topic.encode(), b"")])

    def next(self) -> tuple[int, bytes, bytes] | None:
        """Return the message once."""
        return next(self._messages, None)

    def acknowledged(self, number: int, answer: Acknowledgement) -> None:
        """Note the answer."""
        self.answer = answer


async def broker_report(
    settings: MqttConfig, site: str, protocol: int = V5, arrival: float = ARRIVAL_TIMEOUT
) -> BrokerReport:
    """Return what a broker says about the rights of the login and about its terms. The broker keeps no message.

    protocol: MQTT version of the first attempt. arrival: longest time from an acknowledgement to the second client, s.
    """
    report = BrokerReport()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            await _ask(settings, site, protocol, arrival, report)
    except TimeoutError:
        report.findings.append(f"the broker did not answer all questions within {CHECK_TIMEOUT:g} s")
    except SinkError as error:
        report.findings.append(str(error))
    return report


class _SecondClient:
    """A client of aiomqtt with a subscription to one topic. reason: why it has none, "" for a subscription."""

    def __init__(self, settings: MqttConfig, site: str, topic: str, *, version5: bool) -> None:
        self.reason = ""
        self._settings, self._site, self._topic, self._version5 = settings, site, topic, version5
        self._stack = AsyncExitStack()
        self._client: aiomqtt.Client | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._subscribe()
        except (SinkError, *SECOND_CLIENT_ERRORS) as error:
            self.reason = f"a second client cannot subscribe: {error}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(*SECOND_CLIENT_ERRORS):  # the questions are answered
            await self._stack.aclose()

    async def _subscribe(self) -> None:
        settings = self._settings
        if settings.proxy is not None and settings.proxy.proxy() is not None:
            self.reason = "a second client cannot use the proxy"
            return
        tls = await tls_context(settings.ca, settings.cert, settings.key, settings.key_password)
        client = aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.username,
            password=revealed(settings.password),
            identifier=f"{client_id_of(settings, self._site)}-check",
            protocol=aiomqtt.ProtocolVersion.V5 if self._version5 else aiomqtt.ProtocolVersion.V311,
            timeout=ANSWER_TIMEOUT,
            max_queued_incoming_messages=MOST_RECEIVED,
            properties=_bounded() if self._version5 else None,
            tls_context=tls if settings.tls else None,
        )
        await self._stack.enter_async_context(client)
        answers = await client.subscribe(self._topic, qos=1)
        if any((code.value if isinstance(code, ReasonCode) else code) >= REFUSAL_CODE for code in answers):
            self.reason = f"the user may not subscribe there ({', '.join(map(str, answers))})"
        else:
            self._client = client

    async def receives(self, limit: float) -> bool:
        """Return whether a message arrives within `limit` s; `reason` says why not.

        Retained messages do not count: somebody else may have published them.
        """
        if self._client is None:
            return False
        try:
            async with asyncio.timeout(limit):
                async for message in self._client.messages:
                    if not message.retain:
                        return True
        except TimeoutError:
            self.reason = f"none arrived within {limit:g} s; perhaps the user may not read there"
        except SECOND_CLIENT_ERRORS as error:
            self.reason = str(error)
        return False


def _bounded() -> Properties:
    """Return the properties of a login with a largest packet."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types there
    properties.MaximumPacketSize = LARGEST_RECEIVED
    return properties


async def _ask(settings: MqttConfig, site: str, protocol: int, arrival: float, report: BrokerReport) -> None:
    topic = f"{settings.prefix}/{site}/{CHECK_TOPIC}"
    broker = Broker(settings, ANSWER_TIMEOUT)
    broker.protocol = protocol
    connection = await broker.connect()
    try:
        session = connection.session()
        report.findings += _unsuitable(connection.answer)
        report.notes += _narrow(connection.answer)
        message = _CheckMessage(topic, retain=connection.answer.retains)
        async with _SecondClient(settings, site, topic, version5=session.version5) as second:
            try:
                await session.publish(message, ANSWER_TIMEOUT)
            except SinkError as error:
                report.findings.append(
                    f"no acknowledgement of a message to {topic}: {error}; may this user publish there?"
                )
                return
            if message.answer is not None and message.answer.code:
                report.findings.append(f"the broker refuses {publish_refusal(topic, message.answer).reason}")
                return
            received = await second.receives(arrival)
        report.notes.append(_accepted(topic, second, received=received, version5=session.version5))
        session.disconnect()
    finally:
        connection.abandon()


def _accepted(topic: str, second: _SecondClient, *, received: bool, version5: bool) -> str:
    """Return the note about an acknowledged message. In version 3.1.1 the acknowledgement proves nothing."""
    if received:
        return f"a message to {topic} was accepted, and a second client received the message"
    if version5:
        return f"a message to {topic} was accepted; no second client received the message: {second.reason}"
    return (
        f"unknown whether this user may publish {topic}: MQTT 3.1.1 reports no refusals, and no second client received "
        f"the message: {second.reason}"
    )


def _unsuitable(terms: LoginAnswer) -> Iterator[str]:
    if not terms.retains:
        yield "the broker retains no messages, so it refuses status, goals and seal; allow retained messages"


def _narrow(terms: LoginAnswer) -> Iterator[str]:
    if terms.receive_maximum < FEW_MESSAGES:
        count = terms.receive_maximum
        yield f"the broker takes {count} unacknowledged messages at a time (Receive Maximum); a backlog takes long"
    if 0 < terms.largest < LARGE_MESSAGE:
        yield (
            f"the broker takes packets of {terms.largest} bytes at most (Maximum Packet Size) and refuses larger ones; "
            f"a message of a device with 200 values has {LARGE_MESSAGE}"
        )
