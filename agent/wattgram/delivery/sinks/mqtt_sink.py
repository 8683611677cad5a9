"""MQTT: one JSON message a record, QoS 1, a last will."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wattgram.base.clock import Clock
from wattgram.base.encoders import Messages
from wattgram.base.errors import SinkError
from wattgram.base.record import Record, Series
from wattgram.base.watchdog import Pulse
from wattgram.config.load import Config
from wattgram.mqtt.mqtt_connection import Broker, MqttConnection
from wattgram.mqtt.mqtt_session import MqttSession
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.mqtt.packets import PACKET_TOO_LARGE, Acknowledgement

from .sink import SINK_STEP

if TYPE_CHECKING:
    from .homeassistant.announcer import Announcer  # which a site without Home Assistant need not carry

log = logging.getLogger(__name__)

MQTT_TIMEOUT = 5.0
"""Seconds for a connection, and without any acknowledgement while messages wait for theirs."""

FINAL = frozenset({0x87, 0x90, PACKET_TOO_LARGE, 0x99})
"""MQTT 5 reasons that will not change by trying again: not authorised, topic name invalid, packet too large, payload
format invalid."""

REASON_HINTS = {0x87: "may this user publish there?"}

REFUSED_FOR_NOW = 20
"""Refusals for now in a batch after which no more of it is sent."""

RETAINED = ("goal",)
"""Kinds that come so seldom that who subscribes wants to have the last one at once."""


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


class _Status:
    """Whether the gateway is there, as one message."""

    retain = True

    def __init__(self, topic: bytes, payload: bytes) -> None:
        self.answer = Acknowledgement()
        self._left = [(0, topic, payload)]

    def next(self) -> tuple[int, bytes, bytes] | None:
        """The message, once."""
        return self._left.pop() if self._left else None

    def answered(self, number: int, answer: Acknowledgement) -> None:
        """Keep what the broker said."""
        self.answer = answer


class _Batch:
    """Records as messages, and what became of each."""

    retain = False

    def __init__(
        self, records: Sequence[Record], replayed: int, encoded: Callable[[Record, bool], _Encoded], pulse: Pulse
    ) -> None:
        self.taken: list[int] = []
        self.refused: dict[int, str] = {}
        self.doubted: dict[int, str] = {}
        self._left = iter(enumerate(records))
        self._topics: dict[int, bytes] = {}
        self._replayed = replayed
        self._encoded = encoded
        self._pulse = pulse

    def next(self) -> tuple[int, bytes, bytes] | None:
        """The next record that can be a message; none while the broker refuses one after the other."""
        if len(self.doubted) >= REFUSED_FOR_NOW:
            return None
        for index, record in self._left:
            try:
                topic, payload = self._encoded(record, index < self._replayed)
            except ValueError as error:
                self.refused[index] = f"not writable as a message: {error}"
            else:
                self._topics[index] = topic
                self.retain = record.series.kind in RETAINED
                return index, topic, payload
        return None

    def answered(self, number: int, answer: Acknowledgement) -> None:
        """Whether the record is delivered, refused for good, or may be taken later."""
        self._pulse.within(SINK_STEP)
        topic = self._topics.pop(number)
        if not answer.code:
            self.taken.append(number)
            return
        hint = REASON_HINTS.get(answer.code)
        reason = f"{topic.decode()}: {answer}{f'; {hint}' if hint else ''}"
        (self.refused if answer.code in FINAL else self.doubted)[number] = reason


class MqttSink:
    """A broker; see the contract of topics in the README."""

    name = "mqtt"
    limit = 1000

    def __init__(self, config: MqttConfig, site: str, announcer: Announcer | None = None) -> None:
        """`announcer`: tells Home Assistant what is published here."""
        self._broker = Broker(config, MQTT_TIMEOUT)
        self._announcer = announcer
        self._topic = f"{config.prefix}/{site}"
        self._topics: dict[Series, bytes] = {}
        self._messages = Messages()
        self.pulse = Pulse(f"deliver {self.name}")
        self._client: MqttConnection | None = None
        self._line: MqttSession | None = None
        self._status_refused = ""

    async def probe(self) -> None:
        """Log in with a name and without a will of its own, so that a daemon that runs meanwhile is not disturbed."""
        connection = await self._broker.connect()
        try:
            await connection.leave()
        finally:
            connection.abandon()

    async def open(self) -> None:
        """Connect, announce the last will and `online`; SinkError when the broker is away or refuses."""
        client = self._client = await self._broker.connect(will=(f"{self._topic}/status", b"offline"))
        try:
            self._line = client.line()
            refused = await self._say(self._line, b"online", MQTT_TIMEOUT)
            if self._announcer is not None:
                self._announcer.refused(
                    await self._line.subscribe(self._announcer.topics, self._announcer, MQTT_TIMEOUT)
                )
                self._announcer.begin()
                await self._announce(self._line)
        except SinkError as error:
            raise SinkError(f"{self._broker.where}: {error}") from error
        if refused and refused != self._status_refused:
            log.warning("mqtt: the broker refuses %s/status: %s", self._topic, refused)
        self._status_refused = refused

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Publish with a window of unacknowledged messages; refused are those that the broker will never take."""
        if self._line is None:
            raise SinkError(f"{self._broker.where}: not connected")
        batch = _Batch(records, replayed, self._encoded, self.pulse)
        failed, itself = "", False
        try:
            if self._announcer is not None:
                self._announcer.note(records)
                await self._announce(self._line)
            await self._line.publish(batch, MQTT_TIMEOUT)
        except SinkError as error:
            failed, itself = str(error), error.itself
        if batch.doubted and not failed:
            failed = f"refused for now: {next(iter(batch.doubted.values()))}"
        if failed:
            failed = f"{self._broker.where}: {failed}"
            raise SinkError(failed, taken=batch.taken, refused=batch.refused, doubted=batch.doubted, itself=itself)
        return batch.refused

    async def close(self) -> None:
        """Say `offline` and disconnect."""
        client, self._client = self._client, None
        line, self._line = self._line, None
        try:
            if line is not None:
                await self._say(line, b"offline", 1.0)
                line.goodbye()
        except SinkError as error:
            log.debug("mqtt: unclean end: %s", error)
        finally:
            if client is not None:
                client.abandon()

    def topic(self, record: Record) -> str:
        """Where a record is published."""
        series = record.series
        match series.kind:
            case "device":
                return f"{self._topic}/device/{series.tag('device')}"
            case "emission" if series.tag("window") != "tick":
                return f"{self._topic}/emission/{series.tag('window')}"
            case "goal":
                return f"{self._topic}/goal/{series.tag('goal')}"
        return f"{self._topic}/{series.kind}"

    async def _say(self, line: MqttSession, status: bytes, patience: float) -> str:
        """Publish the status; why the broker refuses it, "" when it does not."""
        mail = _Status(f"{self._topic}/status".encode(), status)
        await line.publish(mail, patience)
        return str(mail.answer) if mail.answer.code else ""

    async def _announce(self, line: MqttSession) -> None:
        """Publish what is due to Home Assistant before the records that it is about."""
        assert self._announcer is not None
        if mail := self._announcer.due():
            await line.publish(mail, MQTT_TIMEOUT)
            self._announcer.refused(mail.refused)

    def _encoded(self, record: Record, replayed: bool) -> _Encoded:
        """Topic and payload; ValueError when it cannot be a message."""
        topic = self._topics.get(record.series)
        if topic is None:
            topic = self._topics[record.series] = _checked(self.topic(record))
        return topic, self._messages.message(record, replayed=replayed)


def _checked(topic: str) -> bytes:
    """A topic that may be published to (MQTT 5, 4.7); ValueError."""
    encoded = topic.encode()
    if any(one in topic for one in "+#\0") or len(encoded) > 0xFFFF:
        raise ValueError(f"topic {topic[:200]!r}, expected one without + # and NUL, of 65535 bytes at most")
    return encoded
