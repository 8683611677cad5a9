"""MQTT: one JSON message a record, QoS 1, a last will. The one client of aiomqtt.

aiomqtt makes connections; what a sink publishes goes through `publish`, which gets the connected socket.

`MqttSink.listen` is the other direction, what somebody publishes for us. It is here because this file alone knows how
to reach a broker of either version, with its certificates and its ways to fail.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ..config import MqttConfig
from ..errors import SinkError
from ..lines import Messages
from ..record import Record, Series
from .cause import cause
from .certificates import verifying
from .publish import TOO_LARGE, Answer, Line, Terms

log = logging.getLogger(__name__)

TIMEOUT = 5.0
"""Seconds for a connection, and without any acknowledgement while messages wait for theirs."""

KEEPALIVE = 15
"""Seconds between two signs of life, where the broker does not want others."""

WINDOW = 100
"""Messages that wait for their acknowledgement at once, where the broker does not want fewer."""

QUEUE = 80
"""Messages that may wait to be taken out of `listen`."""

FINAL = frozenset({0x87, 0x90, TOO_LARGE, 0x99})
"""MQTT 5 reasons that will not change by trying again: not authorised, topic name invalid, packet too large, payload
format invalid."""

HINTS = {0x87: "may this user publish there?"}

DOUBTS = 20
"""Refusals for now in a batch after which no more of it is sent."""

NOT_THIS_VERSION = frozenset({1, 0x84})
"""A broker's refusal of the protocol version, in the words of 3.1.1 and of 5."""

REFUSED = 0x80
"""The lowest code of a refusal in a SUBACK, of either version."""

HEAD = 4096
"""Bytes that a message's topic and properties may have beside its payload."""

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311

_Encoded = tuple[bytes, bytes]
"""Topic and payload."""


class _Talk(logging.Logger):
    """What paho says: the last line is often the only reason there is; the log gets it when debugging."""

    def __init__(self) -> None:
        super().__init__("paho", logging.WARNING)
        self.last = ""

    def handle(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.last = record.getMessage()
        log.debug("mqtt: paho: %s", self.last)


class _Connection(aiomqtt.Client):
    """One connection. Never used a second time: paho would send what an earlier one had queued."""

    def __init__(self, **options: Any) -> None:
        self._talk = _Talk()
        super().__init__(logger=self._talk, timeout=TIMEOUT, keepalive=KEEPALIVE, **options)
        self._client.connect_timeout = TIMEOUT  # of TCP and TLS, which aiomqtt does not pass on
        self._version5 = options["protocol"] is V5
        self._granted: Any = None
        self.reached = False

    def line(self) -> Line:
        """What publishes from now on, on the broker's terms; SinkError when it takes no QoS 1 or is gone again."""
        sock, terms = self._client.socket(), self._terms()
        if not isinstance(sock, socket.socket) or self._disconnected.done():
            raise SinkError(self.because("connection closed as soon as it was there"))
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)
        if self._misc_task is not None:
            self._misc_task.cancel()
        return Line(sock, terms)

    def because(self, what: str) -> str:
        """What happened, with paho's reason where it gave one."""
        return f"{what} ({self._talk.last})" if self._talk.last else what

    def abandon(self) -> None:
        """Let go of the socket, whatever state it is in; nothing is heard of it after."""
        self._client.on_disconnect = None
        self._client._sock_close()  # paho's own ways to close first want to write
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # seen, so that asyncio does not report it as forgotten

    def _terms(self) -> Terms:
        """MQTT 5, 3.2.2.3: what the broker's CONNACK grants, and what holds where it says nothing."""

        def granted(name: str, otherwise: int) -> int:
            return int(getattr(self._granted, name, otherwise))

        if not granted("MaximumQoS", 1):
            raise SinkError("the broker takes no QoS 1, so it cannot say what it has")
        window = min(WINDOW, granted("ReceiveMaximum", WINDOW))
        keepalive = granted("ServerKeepAlive", KEEPALIVE) or KEEPALIVE
        return Terms(self._version5, window, granted("MaximumPacketSize", 0), keepalive)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self._granted = properties
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        self.reached = True
        super()._on_socket_open(client, userdata, sock)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        if self._connected.done():
            super()._on_disconnect(client, userdata, flags, reason_code, properties)
        else:  # which aiomqtt would sit out until its time-out
            text = self.because("connection closed before the broker answered")
            self._connected.set_exception(aiomqtt.MqttError(text))

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        def register() -> None:
            if sock.fileno() >= 0:  # it may be closed by the time the loop comes to it
                self._loop.add_writer(sock.fileno(), self._writable)

        self._loop.call_soon_threadsafe(register)

    def _writable(self) -> None:
        try:
            self._client.loop_write()
        except OSError as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)


class _Status:
    """The one retained message: whether the gateway is there."""

    retain = True

    def __init__(self, topic: bytes, payload: bytes) -> None:
        self.answer = Answer()
        self._left = [(0, topic, payload)]

    def next(self) -> tuple[int, bytes, bytes] | None:
        """The message, once."""
        return self._left.pop() if self._left else None

    def answered(self, number: int, answer: Answer) -> None:
        """Keep what the broker said."""
        self.answer = answer


class _Batch:
    """Records as messages, and what became of each."""

    retain = False

    def __init__(self, records: Sequence[Record], replayed: int, encoded: Callable[[Record, bool], _Encoded]) -> None:
        self.taken: list[int] = []
        self.refused: dict[int, str] = {}
        self.doubted: dict[int, str] = {}
        self._left = iter(enumerate(records))
        self._topics: dict[int, bytes] = {}
        self._replayed = replayed
        self._encoded = encoded

    def next(self) -> tuple[int, bytes, bytes] | None:
        """The next record that can be a message; none while the broker refuses one after the other."""
        if len(self.doubted) >= DOUBTS:
            return None
        for index, record in self._left:
            try:
                topic, payload = self._encoded(record, index < self._replayed)
            except ValueError as error:
                self.refused[index] = f"not writable as a message: {error}"
            else:
                self._topics[index] = topic
                return index, topic, payload
        return None

    def answered(self, number: int, answer: Answer) -> None:
        """Whether the record is delivered, refused for good, or may be taken later."""
        topic = self._topics.pop(number)
        if not answer.code:
            self.taken.append(number)
            return
        hint = HINTS.get(answer.code)
        reason = f"{topic.decode()}: {answer}{f'; {hint}' if hint else ''}"
        (self.refused if answer.code in FINAL else self.doubted)[number] = reason


@dataclass(frozen=True, slots=True)
class Message:
    """What was heard; a retained one was published before we listened, nobody knows when."""

    payload: bytes
    retained: bool


class MqttSink:
    """A broker; see the contract of topics in the README."""

    name = "mqtt"
    limit = 1000

    def __init__(self, config: MqttConfig, site: str) -> None:
        self._config = config
        self._where = f"{config.host}:{config.port}"
        self._topic = f"{config.prefix}/{site}"
        self._topics: dict[Series, bytes] = {}
        self._messages = Messages()
        self._client: _Connection | None = None
        self._line: Line | None = None
        self._protocol = V5
        self._status_refused = ""

    async def probe(self) -> None:
        """Log in with a name and without a will of its own, so that a daemon that runs meanwhile is not disturbed."""
        connection = await self._connect(lasting=False)
        try:
            await connection.__aexit__(None, None, None)
        except aiomqtt.MqttError as error:
            log.debug("mqtt: unclean end: %s", error)
        finally:
            connection.abandon()

    async def open(self) -> None:
        """Connect, announce the last will and `online`; SinkError when the broker is away or refuses."""
        client = self._client = await self._connect()
        try:
            self._line = client.line()
            refused = await self._say(self._line, b"online", TIMEOUT)
        except SinkError as error:
            raise SinkError(f"{self._where}: {error}") from error
        if refused and refused != self._status_refused:
            log.warning("mqtt: the broker refuses %s/status: %s", self._topic, refused)
        self._status_refused = refused

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Publish with a window of unacknowledged messages; refused are those that the broker will never take."""
        if self._line is None:
            raise SinkError(f"{self._where}: not connected")
        batch = _Batch(records, replayed, self._encoded)
        failed = ""
        try:
            await self._line.publish(batch, TIMEOUT)
        except SinkError as error:
            failed = str(error)
        if batch.doubted and not failed:
            failed = f"refused for now: {next(iter(batch.doubted.values()))}"
        if failed:
            raise SinkError(f"{self._where}: {failed}", taken=batch.taken, refused=batch.refused, doubted=batch.doubted)
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

    async def listen(self, topic: str, largest: int) -> AsyncIterator[Message]:
        """What is published on a topic, until the connection ends with a SinkError.

        A broker of version 5 keeps what is larger than `largest` bytes to itself; of another one the end is missing.
        """
        connection = await self._connect(lasting=False, largest=largest)
        try:
            reasons = await connection.subscribe(topic, qos=1)
            if any(getattr(reason, "value", reason) >= REFUSED for reason in reasons):
                raise SinkError(f"{self._where}: the broker refuses the topic {topic!r}")
            async for message in connection.messages:
                payload = bytes(message.payload or b"")
                yield Message(payload[: largest + 1], message.retain)
        except aiomqtt.MqttError as error:
            raise SinkError(f"{self._where}: {connection.because(str(error))}") from error
        finally:
            connection.abandon()

    async def _connect(self, *, lasting: bool = True, largest: int = 0) -> _Connection:
        """A connection by MQTT 5, or by 3.1.1 where the broker knows no 5; it takes packets of `largest`, 0 any."""
        config = self._config
        tls = await verifying(config.ca, config.cert, config.key) if config.tls else None
        connection = self._connection(self._protocol, lasting, largest, tls)
        try:
            return await _entered(connection)
        except aiomqtt.MqttError as error:
            first = error
        code = getattr(getattr(first, "rc", None), "value", getattr(first, "rc", None))
        # Some brokers refuse a version that they do not know in its own words, some by silence or a closed connection,
        # which may as well mean trouble; so only the words are remembered.
        said, silent = code in NOT_THIS_VERSION, code is None and connection.reached
        if self._protocol is V5 and (said or silent):
            try:
                connection = await _entered(self._connection(V311, lasting, largest, tls))
            except aiomqtt.MqttError as second:
                log.debug("mqtt: nor by 3.1.1: %s", second)
                first = second if said else first
            else:
                if said:
                    self._protocol = V311
                log.info("mqtt: by version 3.1.1, which cannot tell why a message is refused; by 5: %s", first)
                return connection
        reason = first.__context__  # which aiomqtt turns into text
        raise SinkError(f"{self._where}: {cause(reason) if isinstance(reason, OSError) else first}") from first

    def _connection(
        self, protocol: aiomqtt.ProtocolVersion, lasting: bool, largest: int, tls: ssl.SSLContext | None
    ) -> _Connection:
        config = self._config
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves this one untyped
        if largest:
            properties.MaximumPacketSize = largest + HEAD
        will = aiomqtt.Will(f"{self._topic}/status", b"offline", qos=1, retain=True)
        return _Connection(
            hostname=config.host,
            port=config.port,
            username=config.username,
            password=config.password,
            identifier=config.client_id if lasting else None,
            protocol=protocol,
            will=will if lasting else None,
            max_queued_incoming_messages=QUEUE,
            properties=properties if largest and protocol is V5 else None,
            tls_context=tls,
        )

    async def _say(self, line: Line, status: bytes, patience: float) -> str:
        """Publish the status; why the broker refuses it, "" when it does not."""
        mail = _Status(f"{self._topic}/status".encode(), status)
        await line.publish(mail, patience)
        return str(mail.answer) if mail.answer.code else ""

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


async def _entered(connection: _Connection) -> _Connection:
    try:
        return await connection.__aenter__()
    except BaseException:
        connection.abandon()
        raise
