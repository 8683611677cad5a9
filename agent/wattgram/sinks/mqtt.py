"""MQTT: one JSON message a record, QoS 1, a last will. The one client of aiomqtt.

aiomqtt is kept for the connection; acknowledgements are read from paho itself, because a broker's "not authorised"
reaches aiomqtt's callers as success, and a message that waits for its acknowledgement when the link drops would
stall for the whole time-out.

`MqttSink.listen` is the other direction, what somebody publishes for us. It is here because this file alone knows how
to reach a broker of either version, with its certificates and its ways to fail.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ..config import MqttConfig
from ..errors import SinkError
from ..lines import Messages
from ..record import Record
from ..watchdog import Pulse
from . import STEP

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)

TIMEOUT = 5.0
"""Seconds for a connection, and for the acknowledgement of a window of messages."""

WINDOW = 20
"""Messages that wait for their acknowledgement at once."""

FINAL = frozenset({0x87, 0x90, 0x99})
"""MQTT 5 reasons that will not change by trying again: not authorised, topic name invalid, payload format invalid."""

NOT_THIS_VERSION = frozenset({1, 0x84})
"""A broker's refusal of the protocol version, in the words of 3.1.1 and of 5."""

REFUSED = 0x80
"""The lowest code of a refusal in a SUBACK, of either version."""

HEAD = 4096
"""Bytes that a message's topic and properties may have beside its payload."""

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311


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
        super().__init__(logger=self._talk, timeout=TIMEOUT, **options)
        self._client.connect_timeout = TIMEOUT  # of TCP and TLS, which aiomqtt does not pass on
        self.reached = False
        self._acknowledged: dict[int, asyncio.Future[ReasonCode]] = {}

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[ReasonCode]:
        """Send with QoS 1; the future gets the broker's reason code.

        SinkError when the link is down, ValueError for an impossible topic.
        """
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != 0:
            raise SinkError(f"cannot send: {paho.error_string(info.rc)}")
        acknowledged = asyncio.get_running_loop().create_future()
        self._acknowledged[info.mid] = acknowledged
        return acknowledged

    def lost(self) -> asyncio.Future[None]:
        """Done when the connection ends."""
        return self._disconnected

    def because(self, what: str) -> str:
        """What happened, with paho's reason where it gave one."""
        return f"{what} ({self._talk.last})" if self._talk.last else what

    def abandon(self) -> None:
        """Let go of the socket, whatever state it is in; nothing is heard of it after."""
        self._client.on_disconnect = None
        self._client._sock_close()  # paho's own ways to close first want to write
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # seen, so that asyncio does not report it as forgotten

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        acknowledged = self._acknowledged.pop(mid, None)
        if acknowledged is not None and not acknowledged.done():
            acknowledged.set_result(reason_code)

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


@dataclass(frozen=True, slots=True)
class Message:
    """What was heard; a retained one was published before we listened, nobody knows when."""

    payload: bytes
    retained: bool


class MqttSink:
    """A broker; see the contract of topics in the README."""

    name = "mqtt"
    limit = 500

    def __init__(self, config: MqttConfig, site: str) -> None:
        self._config = config
        self._topic = f"{config.prefix}/{site}"
        self._messages = Messages()
        self.pulse = Pulse(f"deliver {self.name}")
        self._client: _Connection | None = None
        self._protocol = V5

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
        reasons = await self._acknowledged({0: client.send(f"{self._topic}/status", b"online", retain=True)})
        for reason in reasons.values():
            log.warning("mqtt: the broker refuses %s/status: %s", self._topic, reason)

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Publish in windows; refused are those that the broker will never take."""
        client = self._client
        if client is None:
            raise SinkError("not connected")
        refused: dict[int, str] = {}
        for start in range(0, len(records), WINDOW):
            waiting: dict[int, asyncio.Future[ReasonCode]] = {}
            self.pulse.within(STEP)
            try:
                for index, record in enumerate(records[start : start + WINDOW], start):
                    try:
                        payload = self._messages.message(record, replayed=index < replayed)
                        waiting[index] = client.send(self.topic(record), payload)
                    except ValueError as error:
                        refused[index] = f"not writable as a message: {error}"
                refused |= await self._acknowledged(waiting)
            except SinkError as error:
                error.accepted = start
                error.refused = {index: reason for index, reason in refused.items() if index < start}
                raise
        return refused

    async def close(self) -> None:
        """Say `offline` and disconnect."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            if not client.lost().done():
                await asyncio.wait([client.send(f"{self._topic}/status", b"offline", retain=True)], timeout=1.0)
                await client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, SinkError, OSError) as error:
            log.debug("mqtt: unclean end: %s", error)
        finally:
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
                raise SinkError(f"{self._config.host}:{self._config.port}: the broker refuses the topic {topic!r}")
            async for message in connection.messages:
                payload = bytes(message.payload or b"")
                yield Message(payload[: largest + 1], message.retain)
        except aiomqtt.MqttError as error:
            raise SinkError(f"{self._config.host}:{self._config.port}: {connection.because(str(error))}") from error
        finally:
            connection.abandon()

    async def _connect(self, *, lasting: bool = True, largest: int = 0) -> _Connection:
        """A connection by MQTT 5, or by 3.1.1 where the broker knows no 5; it takes packets of `largest`, 0 any."""
        connection = self._connection(self._protocol, lasting, largest)
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
                connection = await _entered(self._connection(V311, lasting, largest))
            except aiomqtt.MqttError as second:
                log.debug("mqtt: nor by 3.1.1: %s", second)
                first = second if said else first
            else:
                if said:
                    self._protocol = V311
                log.info("mqtt: by version 3.1.1, which cannot tell why a message is refused; by 5: %s", first)
                return connection
        raise SinkError(f"{self._config.host}:{self._config.port}: {first}") from first

    def _connection(self, protocol: aiomqtt.ProtocolVersion, lasting: bool, largest: int) -> _Connection:
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
            keepalive=15,
            max_queued_outgoing_messages=4 * WINDOW,
            max_queued_incoming_messages=4 * WINDOW,
            properties=properties if largest and protocol is V5 else None,
            tls_context=self._tls_context(),
        )

    async def _acknowledged(self, waiting: dict[int, asyncio.Future[ReasonCode]]) -> dict[int, str]:
        """Wait for all; the reason by index of those refused for good. SinkError for anything to try again."""
        client = self._client
        assert client is not None  # only called between open and close
        loop, lost = asyncio.get_running_loop(), client.lost()
        deadline = loop.time() + TIMEOUT
        pending: set[asyncio.Future[Any]] = {one for one in waiting.values() if not one.done()}
        while pending:
            if lost.done():
                raise SinkError(client.because("connection lost before the broker acknowledged"))
            left = deadline - loop.time()
            done, pending = await asyncio.wait(
                {*pending, lost}, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
            )
            pending.discard(lost)
            if not done and pending:
                raise SinkError(f"the broker did not acknowledge within {TIMEOUT:g} s")
        reasons = {index: one.result() for index, one in waiting.items() if one.result().is_failure}
        for reason in reasons.values():
            if reason.value not in FINAL:
                raise SinkError(f"the broker refuses for now: {reason}")
        return {index: f"{reason} (0x{reason.value:02x})" for index, reason in reasons.items()}

    def _tls_context(self) -> ssl.SSLContext | None:
        """Read anew for each connection, since certificates are renewed; SinkError names the files."""
        config = self._config
        if not config.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=config.ca)
            if config.cert is not None:
                context.load_cert_chain(config.cert, config.key)
        except OSError as error:
            files = ", ".join(str(one) for one in (config.ca, config.cert, config.key) if one)
            raise SinkError(f"{files}: {error}") from error
        return context


async def _entered(connection: _Connection) -> _Connection:
    try:
        return await connection.__aenter__()
    except BaseException:
        connection.abandon()
        raise
