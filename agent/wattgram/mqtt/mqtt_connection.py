"""Reaching a broker, of MQTT 5 or 3.1.1, with its certificates and its ways to fail. The one client of aiomqtt.

aiomqtt connects and listens. Who publishes takes the connected socket out of its hands, see `publish`.
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
from wattgram.base.tls import tls_context

from .mqtt_session import MqttSession, SessionTerms
from .mqtt_settings import MqttConfig

log = logging.getLogger(__name__)

CONNECTION_TIMEOUT = 5.0
"""Seconds for a connection, and for an answer on it."""

KEEPALIVE = 15
"""Seconds between two signs of life, where the broker does not want others."""

WINDOW = 100
"""Messages that wait for their acknowledgement at once, where the broker does not want fewer."""

QUEUE = 80
"""Messages that may wait to be taken out of `heard`."""

NOT_THIS_VERSION = frozenset({1, 0x84})
"""A broker's refusal of the protocol version, in the words of 3.1.1 and of 5."""

LOGIN = frozenset({0x86, 0x87})
"""Its refusal of who connects; paho gives those of 3.1.1 the numbers of 5."""

SUBACK_REFUSAL = 0x80
"""The lowest code of a refusal in a SUBACK, of either version."""

MESSAGE_HEAD = 4096
"""Bytes that a message's topic and properties may have beside its payload."""

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311


@dataclass(frozen=True, slots=True)
class Message:
    """What was heard; a retained one was published before we listened, nobody knows when."""

    payload: bytes
    retained: bool


class Broker:
    """A broker to connect to; remembers which version of MQTT it knows."""

    def __init__(self, config: MqttConfig, timeout: float = CONNECTION_TIMEOUT) -> None:
        self.protocol = V5
        self.where = f"{config.host}:{config.port}"
        self._config = config
        self._timeout = timeout

    async def connect(
        self, *, will: tuple[str, bytes] | None = None, retained: bool = True, largest: int = 0
    ) -> MqttConnection:
        """A connection by MQTT 5, or by 3.1.1 where the broker knows no 5. SinkError when there is none.

        `will`: topic and payload of a last will; such a connection has the configuration's client_id. `retained`: it.
        `largest`: bytes of a payload that a broker of version 5 may send here, 0 any.
        """
        config = self._config
        tls = await tls_context(config.ca, config.cert, config.key) if config.tls else None
        last = aiomqtt.Will(*will, qos=1, retain=retained) if will else None
        connection = self._made(self.protocol, last, largest, tls)
        try:
            return await _entered(connection)
        except aiomqtt.MqttError as error:
            first = error
        code = _code(first)
        # Some brokers refuse a version that they do not know in its own words, some by silence or a closed connection,
        # which may as well mean trouble; so only the words are remembered.
        said, silent = code in NOT_THIS_VERSION, code is None and connection.reached
        if self.protocol is V5 and (said or silent):
            try:
                connection = await _entered(self._made(V311, last, largest, tls))
            except aiomqtt.MqttError as second:
                log.debug("mqtt: nor by 3.1.1: %s", second)
                first = second if said else first
            else:
                if said:
                    self.protocol = V311
                log.info("mqtt: by version 3.1.1, which cannot tell why a message is refused; by 5: %s", first)
                return connection
        raise SinkError(f"{self.where}: {_reason(first)}") from first

    async def listen(self, topic: str, largest: int) -> AsyncIterator[Message]:
        """What is published on a topic, until the connection ends with a SinkError.

        A broker of version 5 keeps what is larger than `largest` bytes to itself; of another one the end is missing.
        """
        connection = await self.connect(largest=largest)
        try:
            async for message in connection.heard(topic, largest):
                yield message
        except SinkError as error:
            raise SinkError(f"{self.where}: {error}") from error
        finally:
            connection.abandon()

    def _made(
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
            password=config.password,
            identifier=config.client_id if will else None,
            will=will,
            max_queued_incoming_messages=QUEUE,
            properties=properties if largest and protocol is V5 else None,
            tls_context=tls,
        )


class MqttConnection(aiomqtt.Client):
    """One connection. Never used a second time: paho would send what an earlier one had queued."""

    def __init__(self, timeout: float, protocol: aiomqtt.ProtocolVersion, **options: Any) -> None:
        self._talk = _Talk()
        super().__init__(logger=self._talk, timeout=timeout, protocol=protocol, keepalive=KEEPALIVE, **options)
        self._client.connect_timeout = timeout  # of TCP and TLS, which aiomqtt does not pass on
        self._version5 = protocol is V5
        self._granted: Any = None
        self.reached = False

    def line(self) -> MqttSession:
        """What publishes from now on, on the broker's terms; SinkError when it takes no QoS 1 or is gone again."""
        sock, terms = self._client.socket(), self._terms()
        if not isinstance(sock, socket.socket) or self._disconnected.done():
            raise SinkError(self._because("connection closed as soon as it was there"))
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)
        if self._misc_task is not None:
            self._misc_task.cancel()
        return MqttSession(sock, terms)

    async def heard(self, topic: str, largest: int) -> AsyncIterator[Message]:
        """What is published on a topic, at most one byte more than `largest`, until the connection ends: SinkError."""
        try:
            reasons = await self.subscribe(topic, qos=1)
            if any(getattr(reason, "value", reason) >= SUBACK_REFUSAL for reason in reasons):
                raise SinkError(f"the broker refuses the topic {topic!r}")
            async for message in self.messages:
                payload = bytes(message.payload or b"")
                yield Message(payload[: largest + 1], message.retain)
        except aiomqtt.MqttError as error:
            raise SinkError(self._because(str(error))) from error

    async def leave(self) -> None:
        """Disconnect in order; the socket is still to be abandoned."""
        try:
            await self.__aexit__(None, None, None)
        except aiomqtt.MqttError as error:
            log.debug("mqtt: unclean end: %s", error)

    def abandon(self) -> None:
        """Let go of the socket, whatever state it is in; nothing is heard of it after."""
        self._client.on_disconnect = None
        self._client._sock_close()  # paho's own ways to close first want to write
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # seen, so that asyncio does not report it as forgotten

    def _because(self, what: str) -> str:
        """What happened, with paho's reason where it gave one."""
        return f"{what} ({self._talk.last})" if self._talk.last else what

    def _terms(self) -> SessionTerms:
        """MQTT 5, 3.2.2.3: what the broker's CONNACK grants, and what holds where it says nothing."""

        def granted(name: str, otherwise: int) -> int:
            return int(getattr(self._granted, name, otherwise))

        if not granted("MaximumQoS", 1):
            raise SinkError("the broker takes no QoS 1, so it cannot say what it has")
        window = min(WINDOW, granted("ReceiveMaximum", WINDOW))
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
        else:  # which aiomqtt would sit out until its time-out
            text = self._because("connection closed before the broker answered")
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


class _Talk(logging.Logger):
    """What paho says: the last line is often the only reason there is; the log gets it when debugging."""

    def __init__(self) -> None:
        super().__init__("paho", logging.WARNING)
        self.last = ""

    def handle(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.last = record.getMessage()
        log.debug("mqtt: paho: %s", self.last)


async def _entered(connection: MqttConnection) -> MqttConnection:
    try:
        return await connection.__aenter__()
    except BaseException:
        connection.abandon()
        raise


def _code(error: aiomqtt.MqttError) -> int | None:
    """The broker's reason code, where it was the broker."""
    code = getattr(error, "rc", None)
    return getattr(code, "value", code)


def _reason(error: aiomqtt.MqttError) -> str:
    below = error.__context__  # which aiomqtt turns into text
    if isinstance(below, OSError):
        return cause(below)
    return f"{error}; are username, password and certificate right?" if _code(error) in LOGIN else str(error)
