"""Connections to a broker of MQTT 5 or 3.1.1, with certificates, proxy, and errors in words."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from wattgram.base.errors import SinkError
from wattgram.base.network_errors import TLS_ALERT, TLS_THERE, cause, handshake_cause
from wattgram.base.secret import revealed
from wattgram.base.tcp_connection import Proxy, open_socket
from wattgram.base.tls import tls_context

from .mqtt_session import MqttSession
from .mqtt_settings import MqttConfig
from .packets import CLOSED, LoginAnswer, connect
from .session_limits import LONGEST_MESSAGE, SessionTerms

log = logging.getLogger(__name__)

CONNECTION_TIMEOUT = 5.0
"""Longest time for a connection, and for an answer, s."""

KEEPALIVE = 15
"""Default time between two pings, s."""

INFLIGHT_WINDOW = 100
"""Largest number of unacknowledged messages; a broker may demand fewer."""

QUEUE = 80
"""Largest number of received messages that `messages_of` has not yielded yet; the oldest are discarded."""

NOT_THIS_VERSION = 0x84
"""Reason code with which a broker refuses the protocol version."""

LOGIN = frozenset({0x86, 0x87})
"""Reason codes with which a broker refuses the login."""

MESSAGE_HEAD = 4096
"""Allowance for the topic and the properties of a message, bytes."""

V5, V311 = 5, 4
"""Protocol versions in CONNECT (3.1.2.2)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. A retained message was published at an unknown time before the subscription."""

    payload: bytes
    retained: bool


class LoginFailed(SinkError):
    """A reached broker did not accept the login. code: of its answer, 0 without an answer."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Broker:
    """A broker to connect to. `protocol`: MQTT version of the next attempt."""

    def __init__(self, config: MqttConfig, timeout: float = CONNECTION_TIMEOUT, proxy: Proxy | None = None) -> None:
        self.protocol = V5
        self.where = f"{config.host}:{config.port}"
        self._config = config
        self._timeout = timeout
        self._proxy = proxy

    async def connect(
        self, *, will: tuple[str, bytes] | None = None, retained: bool = True, largest: int = 0
    ) -> MqttConnection:
        """Connect with MQTT 5, or with 3.1.1 to a broker without 5. SinkError for a failure.

        `will`: topic and payload of a last will; the connection then has the client_id of the configuration.
        `retained`: whether the will is retained. `largest`: largest payload from a broker of version 5, bytes, 0 for
        any.
        """
        config = self._config

        async def attempt(protocol: int) -> MqttConnection:
            request = connect(
                (config.client_id or "") if will else "",
                KEEPALIVE,
                version5=protocol == V5,
                login=(config.username, revealed(config.password)),
                will=will,
                retained=retained,
                largest=largest and largest + MESSAGE_HEAD,
            )
            sock = await self._socket()
            longest = largest + MESSAGE_HEAD if largest else LONGEST_MESSAGE
            return await _logged_in(sock, request, longest, self._timeout, version5=protocol == V5)

        try:
            try:
                return await attempt(self.protocol)
            except LoginFailed as error:
                first = error
            # A broker refuses an unknown version with a code, or with silence or a closed connection. The latter may
            # have another cause, so only a code changes the version for good.
            refused = first.code == NOT_THIS_VERSION
            if self.protocol != V5 or not (refused or not first.code):
                raise first
            try:
                connection = await attempt(V311)
            except SinkError as second:
                log.debug("mqtt: version 3.1.1 fails, too: %s", second)
                raise (second if refused else first) from second
        except SinkError as error:
            raise SinkError(f"{self.where}: {error}") from error
        if refused:
            self.protocol = V311
        log.info(
            "mqtt: connected with version 3.1.1, which has no reasons for refused messages; version 5: %s",
            first,
        )
        return connection

    async def listen(self, topic: str, largest: int) -> AsyncGenerator[Message, None]:
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

    async def _socket(self) -> socket.socket:
        """Return a connected socket, with TLS if configured. SinkError when the broker cannot be reached in time."""
        config = self._config
        tls = await tls_context(config.ca, config.cert, config.key, config.key_password) if config.tls else None
        try:
            async with asyncio.timeout(self._timeout):
                proxy = self._proxy or (config.proxy.proxy() if config.proxy else None)
                sock = await open_socket(config.host, config.port, proxy)
                return sock if tls is None else await _secured(sock, tls, config.host)
        except _HandshakeFailed as error:
            raise SinkError(str(error)) from error
        except OSError as error:  # also TimeoutError
            raise SinkError(cause(error)) from error


class _HandshakeFailed(Exception):
    """TLS was not agreed; the message is the reason in words."""


class MqttConnection:
    """A connection with an accepted login. answer: of the broker to the login."""

    def __init__(self, sock: socket.socket, session: MqttSession) -> None:
        self._sock, self._session = sock, session
        self.answer = LoginAnswer(qos=0)  # until `begin`

    def begin(self, answer: LoginAnswer) -> None:
        """Begin the session with the terms of the broker's answer."""
        self.answer = answer
        window = min(INFLIGHT_WINDOW, answer.receive_maximum)
        terms = SessionTerms(self._session.version5, window, answer.largest, answer.keepalive or KEEPALIVE)
        self._session.begin(terms)

    def session(self) -> MqttSession:
        """Return the session; SinkError for a broker without QoS 1, or a lost connection."""
        if not self.answer.qos:
            raise SinkError("the broker does not support QoS 1, which delivery needs")
        if self._session.end_reason:
            raise SinkError(f"connection closed immediately: {self._session.end_reason}")
        return self._session

    async def messages_of(self, topic: str, largest: int) -> AsyncIterator[Message]:
        """Yield the messages of a topic until the connection ends with a SinkError.

        A payload is cut off one byte behind `largest`.
        """
        received = _ReceivedMessages(largest)
        session = self._session
        if await session.subscribe([topic], received, CONNECTION_TIMEOUT):
            raise SinkError(f"the broker refuses the topic {topic!r}")
        while True:
            while received.messages:
                yield received.messages.popleft()
            if session.end_reason:
                raise SinkError(session.end_reason)
            await asyncio.wait([received.arrival(), session.ended], return_when=asyncio.FIRST_COMPLETED)

    async def disconnect(self) -> None:
        """Disconnect in order; `abandon` must follow."""
        self._session.disconnect()

    def abandon(self) -> None:
        """Close the socket in any state."""
        self._session.end("abandoned")
        self._sock.close()


class _ReceivedMessages:
    """Received messages of a topic, the last QUEUE of them."""

    def __init__(self, largest: int) -> None:
        self.messages: deque[Message] = deque(maxlen=QUEUE)
        self._largest = largest
        self._arrival: asyncio.Future[None] | None = None

    def arrival(self) -> asyncio.Future[None]:
        """Return a future that is done at the next message."""
        self._arrival = asyncio.get_running_loop().create_future()
        return self._arrival

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a message."""
        self.messages.append(Message(payload[: self._largest + 1], retained))
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


async def _logged_in(
    sock: socket.socket, request: bytes, longest: int, limit: float, *, version5: bool
) -> MqttConnection:
    """Log in over a connected socket within `limit` s. LoginFailed when the broker refuses, or gives no answer."""
    session = MqttSession(sock, version5=version5, longest=longest)
    connection = MqttConnection(sock, session)
    try:
        answer = await session.login(request, limit)
    except SinkError as error:
        connection.abandon()
        encrypted = isinstance(sock, ssl.SSLSocket)
        raise LoginFailed(str(error) if encrypted else _described(str(error))) from error
    except BaseException:
        connection.abandon()
        raise
    if answer.code:
        connection.abandon()
        advice = "; are username, password and certificate right?" if answer.code in LOGIN else ""
        raise LoginFailed(f"{answer}{advice}", answer.code)
    connection.begin(answer)
    return connection


def _described(reason: str) -> str:
    """Return why a broker did not answer a login without TLS."""
    if f"type 0x{TLS_ALERT[0]:02x}" in reason:
        return f"{TLS_THERE} (mqtts://)"
    return f"{reason}; does the port need TLS (mqtts://)?" if reason == CLOSED else reason


async def _secured(sock: socket.socket, tls: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """Return a socket after the TLS handshake. _HandshakeFailed for a failure."""
    loop = asyncio.get_running_loop()
    try:
        secured = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        sock.close()
        raise
    try:
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(secured, loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(secured, loop.add_writer, loop.remove_writer)
            else:
                return secured
    except TimeoutError:
        secured.close()
        raise
    except OSError as error:
        secured.close()
        raise _HandshakeFailed(handshake_cause(error)) from error
    except BaseException:
        secured.close()
        raise


async def _ready(
    sock: socket.socket,
    add: Callable[[socket.socket, Callable[[], None]], None],
    remove: Callable[[socket.socket], bool],
) -> None:
    """Wait until a socket is ready for what `add` watches."""
    ready = asyncio.Event()
    add(sock, ready.set)
    try:
        await ready.wait()
    finally:
        remove(sock)
