"""MQTT: one JSON message a record, QoS 1, a last will. The one client of aiomqtt.

aiomqtt is kept for the connection; acknowledgements are read from paho itself, because a broker's "not authorised"
reaches aiomqtt's callers as success, and a message that waits for its acknowledgement when the link drops would
stall for the whole time-out.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import aiomqtt

from ..config import MqttConfig
from ..errors import SinkError
from ..lines import Messages
from ..record import Record

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


class _Connection(aiomqtt.Client):
    """One connection. Never used a second time: paho would send what an earlier one had queued."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._acknowledged: dict[int, asyncio.Future[ReasonCode]] = {}

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[ReasonCode]:
        """Send with QoS 1; the future gets the broker's reason code. SinkError when the link is down."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != 0:
            raise SinkError(f"cannot send: {info.rc.name}")
        acknowledged = asyncio.get_running_loop().create_future()
        self._acknowledged[info.mid] = acknowledged
        return acknowledged

    def lost(self) -> asyncio.Future[None]:
        """Done when the connection ends."""
        return self._disconnected

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        acknowledged = self._acknowledged.pop(mid, None)
        if acknowledged is not None and not acknowledged.done():
            acknowledged.set_result(reason_code)


class MqttSink:
    """A broker; see the contract of topics in the README."""

    name = "mqtt"
    limit = 500

    def __init__(self, config: MqttConfig, site: str) -> None:
        self._config = config
        self._topic = f"{config.prefix}/{site}"
        self._messages = Messages()
        self._client: _Connection | None = None
        self._protocol = aiomqtt.ProtocolVersion.V5
        self._tls: ssl.SSLContext | None = None

    async def open(self) -> None:
        """Connect, announce the last will and `online`; SinkError when the broker is away or refuses."""
        config = self._config
        client = _Connection(
            hostname=config.host,
            port=config.port,
            username=config.username,
            password=config.password,
            identifier=config.client_id,
            protocol=self._protocol,
            will=aiomqtt.Will(f"{self._topic}/status", b"offline", qos=1, retain=True),
            timeout=TIMEOUT,
            keepalive=15,
            max_queued_outgoing_messages=4 * WINDOW,
            tls_context=self._tls_context(),
        )
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            self._other_version(error)
            raise SinkError(f"{config.host}:{config.port}: {error}") from error
        self._client = client
        reasons = await self._acknowledged([client.send(f"{self._topic}/status", b"online", retain=True)])
        for reason in reasons.values():
            log.warning("mqtt: the broker refuses %s/status: %s", self._topic, reason)

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Publish in windows; refused are those that the broker will never take."""
        client = self._client
        if client is None:
            raise SinkError("not connected")
        refused: dict[int, str] = {}
        for start in range(0, len(records), WINDOW):
            window = records[start : start + WINDOW]
            try:
                waiting = [
                    client.send(self.topic(record), self._messages.message(record, replayed=start + index < replayed))
                    for index, record in enumerate(window)
                ]
                reasons = await self._acknowledged(waiting)
            except SinkError as error:
                if not refused:
                    error.accepted = start
                raise
            refused |= {start + index: reason for index, reason in reasons.items()}
        return refused

    async def close(self) -> None:
        """Say `offline` and disconnect."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            if not client.lost().done():
                async with asyncio.timeout(TIMEOUT):
                    await asyncio.wait([client.send(f"{self._topic}/status", b"offline", retain=True)], timeout=1.0)
            await client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, SinkError, OSError, TimeoutError) as error:
            log.debug("mqtt: unclean end: %s", error)
        if client.lost().done():
            client.lost().exception()  # seen, so that asyncio does not report it as forgotten

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

    async def _acknowledged(self, waiting: list[asyncio.Future[ReasonCode]]) -> dict[int, str]:
        """Wait for all; the reason by index of those refused for good. SinkError for anything to try again."""
        client = self._client
        assert client is not None  # only called between open and close
        lost = client.lost()
        pending: set[asyncio.Future[Any]] = set(waiting)
        async with asyncio.timeout(TIMEOUT) as deadline:
            try:
                while pending:
                    done, pending = await asyncio.wait({*pending, lost}, return_when=asyncio.FIRST_COMPLETED)
                    pending.discard(lost)
                    if lost in done and pending:
                        raise SinkError("connection lost before the broker acknowledged")
            except asyncio.CancelledError as error:
                if deadline.expired():
                    raise SinkError(f"the broker did not acknowledge within {TIMEOUT:g} s") from error
                raise
        reasons = {index: one.result() for index, one in enumerate(waiting) if one.result().is_failure}
        for reason in reasons.values():
            if reason.value not in FINAL:
                raise SinkError(f"the broker refuses for now: {reason}")
        return {index: f"{reason} (0x{reason.value:02x})" for index, reason in reasons.items()}

    def _other_version(self, error: aiomqtt.MqttError) -> None:
        """Change the protocol version for the next attempt where this one may be the reason."""
        code = getattr(getattr(error, "rc", None), "value", getattr(error, "rc", None))
        unanswered = not isinstance(error, aiomqtt.exceptions.MqttCodeError) and "timed out" in str(error)
        if code in NOT_THIS_VERSION or unanswered:
            five, three = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311
            self._protocol = three if self._protocol is five else five

    def _tls_context(self) -> ssl.SSLContext | None:
        config = self._config
        if config.tls and self._tls is None:
            self._tls = ssl.create_default_context(cafile=config.ca)
            if config.cert is not None:
                self._tls.load_cert_chain(config.cert, config.key)
        return self._tls
