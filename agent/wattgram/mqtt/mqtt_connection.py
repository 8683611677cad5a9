"""Connections to a broker of MQTT 5 or 3.1.1, with certificates and errors. The only client of aiomqtt.

aiomqtt connects and subscribes. For publishing, an MqttSession takes over the connected socket.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from wattgram.base.errors import SinkError
from wattgram.base.network_errors import cause
from wattgram.base.secret import revealed
from wattgram.base.tls import tls_context

from .mqtt_session import MqttSession, SessionTerms
from .mqtt_settings import MqttConfig

log = logging.getLogger(__name__)

CONNECTION_TIMEOUT = 5.0
"""Longest time for a connection, and for an answer, s."""

KEEPALIVE = 15
"""Default time between two pings, s."""

INFLIGHT_WINDOW = 100
"""Largest number of unacknowledged messages; a broker may demand fewer."""

QUEUE = 80
"""Largest number of received messages that `messages_of` has not yielded yet."""

NOT_THIS_VERSION = frozenset({1, 0x84})
"""Codes with which a broker refuses the protocol version, in 3.1.1 and in 5."""

LOGIN = frozenset({0x86, 0x87})
"""Codes with which a broker refuses the login; paho maps those of 3.1.1 to those of 5."""

SUBACK_REFUSAL = 0x80
"""Lowest code of a refusal in a SUBACK, of both versions."""

MESSAGE_HEAD = 4096
"""Allowance for the topic and the properties of a message, bytes."""

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. A retained message was published at an unknown time before the subscription."""

    payload: bytes
    retained: bool


class Broker:
    """A broker to connect to. `protocol`: MQTT version of the next attempt."""

    def __init__(self, config: MqttConfig, timeout: float = CONNECTION_TIMEOUT) -> None:
        self.protocol = V5
        self.where = f"{config.host}:{config.port}"
        self._config = config
        self._timeout = timeout

    async def connect(
        self, *, will: tuple[str, bytes] | None = None, retained: bool = True, largest: int = 0
    ) -> MqttConnection:
        """Connect with MQTT 5, or with 3.1.1 to a broker without 5. SinkError for a failure.

        `will`: topic and payload of a last will; the connection then has the client_id of the configuration.
        `retained`: whether the will is retained. `largest`: largest payload from a broker of version 5, bytes, 0 for
        any.
        """
        config = self._config
        tls = await tls_context(config.ca, config.cert, config.key, config.key_password) if config.tls else None
        last = aiomqtt.Will(*will, qos=1, retain=retained) if will else None
        connection = self._connection(self.protocol, last, largest, tls)
        try:
            return await _entered(connection)
        except aiomqtt.MqttError as error:
            first = error
        code = _code(first)
        # A broker refuses an unknown version with a code, or with silence or a closed connection. The latter may have
        # another cause, so only a code changes the version for good.
        refused, silent = code in NOT_THIS_VERSION, code is None and connection.reached
        if self.protocol is V5 and (refused or silent):
            try:
                connection = await _entered(self._connection(V311, last, largest, tls))
            except aiomqtt.MqttError as second:
                log.debug("mqtt: version 3.1.1 fails, too: %s", second)
                first = second if refused else first
            else:
                if refused:
                    self.protocol = V311
                log.info(
                    "mqtt: connected with version 3.1.1, which has no reasons for refused messages; version 5: %s",
                    first,
                )
                return connection
        raise SinkError(f"{self.where}: {_reason(first)}") from first

    async def listen(self, topic: str, largest: int) -> AsyncIterator[Message]:
        """Yield the messages of a topic until the connection ends with a SinkError.

        A broker of version 5 does not send payloads above `largest` bytes; those of another broker are cut off.
        """
        connection = await self.connect(largest=largest)
        try:
            async for message in connection.messages_of(topic, largest):
                yield message
        except SinkError as error:
            raise SinkError(f"{self.where}: {error}") from error
        finally:
            connection.abandon()

    def _connection(
        self,
        protocol: aiomqtt.ProtocolVersion,
        will: aiomqtt.Will | None,
        largest: int,
        tls: ssl.SSLContext | None,
    ) -> MqttConnection:
        config = self._config
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves this one untyped
        if largest:
            properties.MaximumPacketSize = largest + MESSAGE_HEAD
        return MqttConnection(
            self._timeout,
            protocol,
            hostname=config.host,
            port=config.port,
            username=config.username,
            password=revealed(config.password),
            identifier=config.client_id if will else None,
            will=will,
            max_queued_incoming_messages=QUEUE,
            properties=properties if largest and protocol is V5 else None,
            tls_context=tls,
        )


class MqttConnection(aiomqtt.Client):
    """A connection, for one use only: paho would send the queue of the earlier use."""

    def __init__(self, timeout: float, protocol: aiomqtt.ProtocolVersion, **options: Any) -> None:
        self._paho_log = _PahoLog()
        super().__init__(logger=self._paho_log, timeout=timeout, protocol=protocol, keepalive=KEEPALIVE, **options)
        self._client.connect_timeout = timeout  # of TCP and TLS; aiomqtt does not set it
        self._version5 = protocol is V5
        self._granted: Any = None
        self.reached = False

    def session(self) -> MqttSession:
        """Hand the socket over to a session; SinkError for a broker without QoS 1, or a lost connection."""
        sock, terms = self._client.socket(), self._terms()
        if not isinstance(sock, socket.socket) or self._disconnected.done():
            raise SinkError(self._with_reason("connection closed immediately"))
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)
        if self._misc_task is not None:
            self._misc_task.cancel()
        return MqttSession(sock, terms)

    async def messages_of(self, topic: str, largest: int) -> AsyncIterator[Message]:
        """Yield the messages of a topic until the connection ends with a SinkError.

        A payload is cut off one byte behind `largest`.
        """
        try:
            reasons = await self.subscribe(topic, qos=1)
            if any(getattr(reason, "value", reason) >= SUBACK_REFUSAL for reason in reasons):
                raise SinkError(f"the broker refuses the topic {topic!r}")
            async for message in self.messages:
                payload = bytes(message.payload or b"")
                yield Message(payload[: largest + 1], message.retain)
        except aiomqtt.MqttError as error:
            raise SinkError(self._with_reason(str(error))) from error

    async def disconnect(self) -> None:
        """Disconnect in order; `abandon` must follow."""
        try:
            await self.__aexit__(None, None, None)
        except aiomqtt.MqttError as error:
            log.debug("mqtt: unclean end: %s", error)

    def abandon(self) -> None:
        """Close the socket in any state, without further callbacks."""
        self._client.on_disconnect = None
        self._client._sock_close()  # paho's public methods try to write before they close
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # read, so that asyncio does not report an unread exception

    def _with_reason(self, what: str) -> str:
        """Return a description with paho's reason, if any."""
        return f"{what} ({self._paho_log.last})" if self._paho_log.last else what

    def _terms(self) -> SessionTerms:
        """Return the terms of the broker's CONNACK, with the defaults of the standard (MQTT 5, 3.2.2.3)."""

        def granted(name: str, default: int) -> int:
            return int(getattr(self._granted, name, default))

        if not granted("MaximumQoS", 1):
            raise SinkError("the broker does not support QoS 1, which delivery needs")
        window = min(INFLIGHT_WINDOW, granted("ReceiveMaximum", INFLIGHT_WINDOW))
        keepalive = granted("ServerKeepAlive", KEEPALIVE) or KEEPALIVE
        return SessionTerms(self._version5, window, granted("MaximumPacketSize", 0), keepalive)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self._granted = properties
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        self.reached = True
        super()._on_socket_open(client, userdata, sock)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        if self._connected.done():
            super()._on_disconnect(client, userdata, flags, reason_code, properties)
        else:  # aiomqtt would wait for its timeout
            text = self._with_reason("connection closed before the broker answered")
            self._connected.set_exception(aiomqtt.MqttError(text))

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        def register() -> None:
            if sock.fileno() >= 0:  # the socket may be closed before the loop runs this
                self._loop.add_writer(sock.fileno(), self._writable)

        self._loop.call_soon_threadsafe(register)

    def _writable(self) -> None:
        try:
            self._client.loop_write()
        except OSError as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)


class _PahoLog(logging.Logger):
    """Keeps the last line of paho's log, which is often the only reason of a failure."""

    def __init__(self) -> None:
        super().__init__("paho", logging.WARNING)
        self.last = ""

    def handle(self, record: logging.LogRecord) -> None:
        """Keep a line, and log it at debug level."""
        self.last = record.getMessage()
        log.debug("mqtt: paho: %s", self.last)


async def _entered(connection: MqttConnection) -> MqttConnection:
    try:
        return await connection.__aenter__()
    except BaseException:
        connection.abandon()
        raise


def _code(error: aiomqtt.MqttError) -> int | None:
    """Return the broker's reason code, None for an error without a broker's answer."""
    code = getattr(error, "rc", None)
    return getattr(code, "value", code)


def _reason(error: aiomqtt.MqttError) -> str:
    original = error.__context__  # aiomqtt keeps only its text
    if isinstance(original, OSError):
        return cause(original)
    return f"{error}; are username, password and certificate right?" if _code(error) in LOGIN else str(error)
