"""The sink `[mqtt]`: a JSON message per record with QoS 1, and a last will."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from wattgram.base.clock import Clock
from wattgram.base.encoders import Messages
from wattgram.base.errors import RefusalsOnly, SinkError
from wattgram.base.record import Record, Series
from wattgram.base.refusal import RefusalKind, SinkRefusal
from wattgram.base.watchdog import Pulse
from wattgram.config.load import Config
from wattgram.mqtt.mqtt_connection import Broker, MqttConnection
from wattgram.mqtt.mqtt_session import MqttSession
from wattgram.mqtt.mqtt_settings import MqttConfig, client_id_of, direct_address
from wattgram.mqtt.packets import Acknowledgement
from wattgram.mqtt.reason_classes import WITHOUT_REFUSALS, publish_refusal

from .client_identity import ClientIdentity
from .retained_topics import RetainedMessages, RetainedTopics
from .sink import SINK_STEP

if TYPE_CHECKING:
    from .homeassistant.announcer import Announcer

log = logging.getLogger(__name__)

MQTT_TIMEOUT = 5.0
"""Longest time for a connection, and longest time without an acknowledgement while some are due, s."""

MOST_REFUSALS = 20
"""Refusals without an accepted message since the connection began, after which the rest of a batch is not sent."""

RETAINED = ("goal", "seal")
"""Kinds of rare records: the broker retains the last message for new subscribers."""


def made(settings: MqttConfig, config: Config, clock: Clock) -> MqttSink:
    """Make the sink of [mqtt]."""
    announcer = None
    if settings.homeassistant is not None:
        from .homeassistant.announcer import Announcer  # noqa: PLC0415 - memory that only Home Assistant needs
        from .homeassistant.discovery import Discovery  # noqa: PLC0415 - as above

        topic = f"{settings.prefix}/{config.site.name}"
        announcer = Announcer(Discovery(config, settings.homeassistant, topic))
    return MqttSink(settings, config.site.name, announcer)


_Encoded = tuple[bytes, bytes]
"""Topic and payload."""


class _Batch:
    """Records as messages, and the answer to each. accepts: whether the broker has accepted a record."""

    retain = False

    def __init__(
        self,
        records: Sequence[Record],
        replayed: int,
        encoded: Callable[[Record, bool], _Encoded],
        kept: RetainedTopics,
        pulse: Pulse,
        *,
        accepts: bool,
    ) -> None:
        self.accepts = accepts
        self.taken: list[int] = []
        self.refused: dict[int, SinkRefusal] = {}
        self._left = iter(enumerate(records))
        self._topics: dict[int, bytes] = {}
        self._replayed = replayed
        self._encoded = encoded
        self._kept = kept
        self._retained: set[int] = set()
        self._refusals = 0
        self._pulse = pulse

    def next(self) -> tuple[int, bytes, bytes] | None:
        """Return the next record that fits a message; None after too many refusals."""
        if self.stopped:
            return None
        for index, record in self._left:
            try:
                topic, payload = self._encoded(record, index < self._replayed)
            except ValueError as error:
                reason = f"not writable as a message: {error}"
                self.refused[index] = SinkRefusal(reason, RefusalKind.UNWRITABLE)
            else:
                self._topics[index] = topic
                self.retain = record.series.kind in RETAINED
                if self.retain:
                    self._kept.note_sent(topic.decode(), payload)
                    self._retained.add(index)
                return index, topic, payload
        return None

    def acknowledged(self, number: int, answer: Acknowledgement) -> None:
        """Note whether the record is accepted or refused."""
        self._pulse.within(SINK_STEP)
        topic = self._topics.pop(number)
        if answer.code:
            self.refused[number] = publish_refusal(topic.decode(), answer)
            self._refusals += 1
            return
        self.taken.append(number)
        self.accepts = True
        if number in self._retained:
            self._kept.note_accepted(topic.decode())

    @property
    def stopped(self) -> bool:
        """Whether the rest is not sent: the broker refused the first messages and accepted none."""
        return not self.accepts and self._refusals >= MOST_REFUSALS


class MqttSink:
    """Publishes to a broker; the README has the contract of topics."""

    name = "mqtt"
    limit = 1000

    def __init__(self, config: MqttConfig, site: str, announcer: Announcer | None = None) -> None:
        """`announcer`: announces the topics to Home Assistant, None without discovery."""
        self.identity = ClientIdentity(client_id_of(config, site), direct_address(config))
        self._broker = Broker(replace(config, client_id=self.identity.client_id), MQTT_TIMEOUT)
        self._announcer = announcer
        self._topic = f"{config.prefix}/{site}"
        self._topics: dict[Series, bytes] = {}
        self._kept = RetainedTopics(self._topic, announcer, announcer.topics[0] if announcer else "")
        self._messages = Messages()
        self.pulse = Pulse(f"deliver {self.name}")
        self._client: MqttConnection | None = None
        self._session: MqttSession | None = None
        self._status_refused = ""
        self._accepts = False  # whether the broker accepted a record since `open`

    async def probe(self) -> str:
        """Log in with another client id and without a will, so that a running daemon keeps its connection."""
        connection = await self._broker.connect()
        try:
            remark = "" if connection.session().version5 else WITHOUT_REFUSALS
            await connection.disconnect()
        finally:
            connection.abandon()
        return remark

    async def open(self) -> None:
        """Connect with a last will and publish `online`; SinkError when the broker is unavailable or refuses."""
        self._accepts = False
        async with self.identity.attempt():
            client = self._client = await self._broker.connect(will=(f"{self._topic}/status", b"offline"))
        try:
            self._session = client.session()
            self.identity.begin(self._session)
            refused = await self._publish_status(self._session, b"online", MQTT_TIMEOUT)
            await self._publish_steps(self._session, self._kept.again(), MQTT_TIMEOUT)
            self._kept.note_restored()
            self._kept.watch(self._session, asyncio.get_running_loop().time())
            if self._announcer is not None:
                self._announcer.refused(await self._session.subscribe(self._announcer.topics, self._kept, MQTT_TIMEOUT))
                self._announcer.begin()
                await self._announce(self._session)
        except SinkError as error:
            raise SinkError(f"{self._broker.where}: {error}") from error
        if refused and refused != self._status_refused:
            log.warning("mqtt: the broker refuses %s/status: %s", self._topic, refused)
        self._status_refused = refused

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, SinkRefusal]:
        """Publish records with a window of unacknowledged messages; return the refusals."""
        if self._session is None:
            raise SinkError(f"{self._broker.where}: not connected")
        batch = _Batch(records, replayed, self._encoded, self._kept, self.pulse, accepts=self._accepts)
        try:
            if changed := self._kept.due(asyncio.get_running_loop().time()):
                await self._publish_steps(self._session, changed, MQTT_TIMEOUT)
            if self._announcer is not None:
                self._announcer.note(records)
                await self._announce(self._session)
            await self._session.publish(batch, MQTT_TIMEOUT)
        except SinkError as error:
            reason = f"{self._broker.where}: {error}"
            raise SinkError(reason, taken=batch.taken, refused=batch.refused, unavailable=error.unavailable) from error
        finally:
            self._accepts = batch.accepts
        if batch.stopped and len(batch.taken) + len(batch.refused) < len(records):
            reason = f"{self._broker.where}: {next(reversed(batch.refused.values())).reason}"
            raise RefusalsOnly(reason, taken=batch.taken, refused=batch.refused)
        return batch.refused

    async def close(self) -> None:
        """Publish `offline` and disconnect."""
        client, self._client = self._client, None
        session, self._session = self._session, None
        try:
            if session is not None:
                await self.identity.end(session)
                await self._publish_status(session, b"offline", 1.0)
                session.disconnect()
        except SinkError as error:
            log.debug("mqtt: unclean end: %s", error)
        finally:
            if client is not None:
                client.abandon()

    def topic(self, record: Record) -> str:
        """Return the topic of a record."""
        series = record.series
        match series.kind:
            case "device":
                return f"{self._topic}/device/{series.tag('device')}"
            case "emission" if series.tag("window") != "tick":
                return f"{self._topic}/emission/{series.tag('window')}"
            case "goal":
                return f"{self._topic}/goal/{series.tag('goal')}"
        return f"{self._topic}/{series.kind}"

    async def _publish_status(self, session: MqttSession, status: bytes, limit: float) -> str:
        """Publish the status; return the reason of a refusal, "" for none."""
        topic = f"{self._topic}/status"
        await self._publish_retained(session, message := RetainedMessages({topic: status}), limit)
        return message.refused.get(topic, "")

    async def _publish_retained(self, session: MqttSession, messages: RetainedMessages, limit: float) -> None:
        """Publish retained messages, and note those that the broker accepts."""
        for topic, payload in messages.messages.items():
            self._kept.note_sent(topic, payload)
        await self._publish_steps(session, messages, limit)
        for topic in messages.messages.keys() - messages.refused.keys():
            self._kept.note_accepted(topic)

    async def _publish_steps(self, session: MqttSession, messages: RetainedMessages, limit: float) -> None:
        """Publish retained messages; each answer is a step, because a slow broker takes minutes for hundreds."""
        messages.on_answer = partial(self.pulse.within, SINK_STEP)
        await session.publish(messages, limit)

    async def _announce(self, session: MqttSession) -> None:
        """Publish due announcements, before their records."""
        assert self._announcer is not None
        if announcement := self._announcer.due():
            await self._publish_retained(session, announcement, MQTT_TIMEOUT)
            self._announcer.refused(announcement.refused)

    def _encoded(self, record: Record, replayed: bool) -> _Encoded:
        """Return topic and payload; ValueError for a record that does not fit a message."""
        topic = self._topics.get(record.series)
        if topic is None:
            topic = self._topics[record.series] = _checked(self.topic(record))
        return topic, self._messages.message(record, replayed=replayed)


def _checked(topic: str) -> bytes:
    """Return the bytes of a topic; ValueError for a topic without publication (MQTT 5, 4.7)."""
    encoded = topic.encode()
    if any(character in topic for character in "+#\0") or len(encoded) > 0xFFFF:
        raise ValueError(f"topic {topic[:200]!r}, expected one without + # and NUL, of 65535 bytes at most")
    return encoded
