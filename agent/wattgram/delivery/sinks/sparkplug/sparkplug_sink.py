"""The sink `[mqtt.sparkplug]`: the gateway as a Sparkplug B edge node, with its own connection and last will.

The specification demands QoS 0, so the broker acknowledges no message. The sink sends a ping behind the data instead:
the broker reads in order, and its answer confirms the data.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wattgram.base import toml_table
from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.base.record import Record
from wattgram.base.refusal import SinkRefusal
from wattgram.base.toml_table import Table
from wattgram.base.watchdog import Pulse
from wattgram.config.load import Config
from wattgram.delivery.sinks.client_identity import ClientIdentity
from wattgram.delivery.sinks.sink import SINK_STEP
from wattgram.mqtt.mqtt_session import MqttSession
from wattgram.mqtt.mqtt_settings import MqttConfig, client_id_of, direct_address
from wattgram.mqtt.reason_classes import WITHOUT_REFUSALS_QOS0

from .edge_node import NAMESPACE, EdgeNode
from .metrics import MS
from .payload import asks_rebirth
from .session_number import SessionNumbers

if TYPE_CHECKING:
    from wattgram.mqtt.mqtt_connection import MqttConnection

log = logging.getLogger(__name__)

SPARKPLUG_TIMEOUT = 5.0
"""Longest time for a connection, and for the answer to a ping, s."""

MOST_COMMAND = 16_384
"""Largest command or state from a host, bytes."""

MOST_UNUSABLE = 10
"""Most unusable messages that the log reports."""

REBIRTH_PERIOD = 1.0
"""Shortest time between births that hosts ask for, s."""

HOST_WAIT = 30.0
"""Longest wait on a connection for the primary host before the next attempt, s."""

SESSION_FILE = "sparkplug-bdseq"
"""File name in the directory of the spool."""


@dataclass(frozen=True, slots=True)
class SparkplugConfig:
    """Names of the gateway's edge node. `host`: the primary host without which no data is sent, None for none."""

    group: str
    node: str
    host: str | None = None


def read(table: Table, directory: Path) -> SparkplugConfig:
    """Read `[mqtt.sparkplug]`; mistakes go to the table."""
    name = toml_table.matching(r"[^/#+\x00]{1,128}", "1 to 128 characters without /, # and +")
    names = SparkplugConfig(
        group=table.take("group", name, toml_table.REQUIRED) or "",
        node=table.take("node", name, toml_table.REQUIRED) or "",
        host=table.take("host", name, None),
    )
    table.done()
    return names


def made(settings: SparkplugConfig, config: Config, clock: Clock) -> SparkplugSink:
    """Make the sink of [mqtt.sparkplug]."""
    assert config.mqtt is not None  # the table is inside [mqtt]
    return SparkplugSink(config, config.mqtt, settings, clock)


def last_death(config: Config, names: SparkplugConfig, clock: Clock) -> tuple[str, bytes] | None:
    """Return topic and payload of the death of the last session, None for a node without a session."""
    number = SessionNumbers(config.spool.path / SESSION_FILE).last()
    if number is None:
        return None
    edge = EdgeNode(config, names.group, names.node)
    return edge.topic("NDEATH"), edge.death(clock.time() // MS, number)


class SparkplugSink:
    """Publishes to the Sparkplug hosts of a broker. The only supported command is the one for a rebirth."""

    name = "sparkplug"
    limit = 200

    def __init__(self, config: Config, broker: MqttConfig, names: SparkplugConfig, clock: Clock) -> None:
        from wattgram.mqtt.mqtt_connection import Broker  # noqa: PLC0415 - memory that reading the settings does not need

        client_id = f"{client_id_of(broker, config.site.name)}-sparkplug"
        self.identity = ClientIdentity(client_id, direct_address(broker))
        self._broker = Broker(replace(broker, client_id=self.identity.client_id), SPARKPLUG_TIMEOUT)
        self._edge = EdgeNode(config, names.group, names.node)
        self._numbers = SessionNumbers(config.spool.path / SESSION_FILE)
        self._clock = clock
        self._command = self._edge.topic("NCMD")
        self._host = names.host
        self._state = f"{NAMESPACE}/STATE/{names.host}"
        self._online = asyncio.Event()
        self._state_time = float("-inf")  # ms, of the last valid state of the primary host
        self.pulse = Pulse(f"deliver {self.name}")
        self._client: MqttConnection | None = None
        self._session: MqttSession | None = None
        self._number = 0
        self._logged: set[str] = set()
        self._unusable = 0  # unusable messages so far
        self._rebirth: asyncio.TimerHandle | None = None
        self._reborn = float("-inf")  # loop time of the last births that a host asked for, s

    async def probe(self) -> str:
        """Log in with another client id and without a will, so that a running daemon keeps its connection.

        With QoS 0 a broker of any version does not report a refusal.
        """
        connection = await self._broker.connect()
        try:
            await connection.disconnect()
        finally:
            connection.abandon()
        return WITHOUT_REFUSALS_QOS0

    async def open(self) -> None:
        """Connect with the death as last will, subscribe, wait for the primary host if any, and send the births."""
        self._number = await asyncio.to_thread(self._numbers.following)
        will = self._edge.topic("NDEATH"), self._edge.death(self._now(), self._number)
        async with self.identity.attempt():
            client = self._client = await self._broker.connect(will=will, retained=False)
        self._online.clear()
        self._state_time = float("-inf")
        try:
            session = self._session = client.session()
            self.identity.begin(session)
            topics = (self._command, self._state) if self._host else (self._command,)
            for topic, reason in (await session.subscribe(topics, self, SPARKPLUG_TIMEOUT)).items():
                if topic not in self._logged:
                    log.warning("sparkplug: the broker refuses the subscription to %s: %s", topic, reason)
                    self._logged.add(topic)
            if self._host:
                await self._wait_for_host(session)
            self._edge.begin(self._now(), self._number, session.send)
            await session.flush(SPARKPLUG_TIMEOUT)
        except SinkError as error:
            raise SinkError(f"{self._broker.where}: {error}", unavailable=error.unavailable) from error
        except ValueError as error:
            raise SinkError(f"{self._broker.where}: the birth cannot be sent: {error}") from error

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, SinkRefusal]:
        """Send records and wait until the broker has read them; return refusals of records that are too large."""
        if self._session is None:
            raise SinkError(f"{self._broker.where}: not connected")
        if self._host and not self._online.is_set():
            raise SinkError(f"{self._broker.where}: the primary host {self._host!r} is offline", unavailable=True)
        self.pulse.within(SINK_STEP)
        try:
            refused = self._edge.publish(records, replayed, self._now())
            await self._session.flush(SPARKPLUG_TIMEOUT)
        except SinkError as error:
            raise SinkError(f"{self._broker.where}: {error}", unavailable=error.unavailable) from error
        except ValueError as error:
            raise SinkError(f"{self._broker.where}: a birth cannot be sent: {error}") from error
        return refused

    async def close(self) -> None:
        """Send the death, so that hosts react at once, and disconnect."""
        if self._rebirth is not None:
            self._rebirth.cancel()
            self._rebirth = None
        client, self._client = self._client, None
        session, self._session = self._session, None
        try:
            if session is not None:
                await self.identity.end(session)
                self._die(session)
        finally:
            if client is not None:
                client.abandon()

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a command, or a state of the primary host."""
        try:
            if topic == self._state and self._host:
                self._take_state(_bounded(payload))
            elif topic == self._command and not retained and asks_rebirth(_bounded(payload)):
                self._ask_rebirth()
        except (ValueError, RecursionError) as error:
            self._unusable += 1
            if self._unusable <= MOST_UNUSABLE:  # any client can send them without an end
                log.warning("sparkplug: %s: unusable message: %s", topic, error)

    def _ask_rebirth(self) -> None:
        """Send the births, at once or after the rest of REBIRTH_PERIOD: any client can ask without an end."""
        if self._rebirth is None:
            loop = asyncio.get_running_loop()
            wait = self._reborn + REBIRTH_PERIOD - loop.time()
            if wait <= 0.0:
                self._give_birth()
            else:
                self._rebirth = loop.call_later(wait, self._give_birth)

    def _give_birth(self) -> None:
        log.info("sparkplug: a host asks for the births")
        self._rebirth = None
        self._reborn = asyncio.get_running_loop().time()
        self._edge.rebirth(self._now())

    def _take_state(self, payload: bytes) -> None:
        """Take a state of the primary host, unless it is older [operational-behavior-edge-node-termination]."""
        found = json.loads(payload)
        if not isinstance(found, dict) or not isinstance(found.get("online"), bool):
            raise ValueError(f"found {payload[:80]!r}, expected online and timestamp")
        time = found.get("timestamp")
        if not isinstance(time, int | float) or time < self._state_time:
            return
        self._state_time = time
        if found["online"]:
            self._online.set()
        elif self._online.is_set():
            self._online.clear()
            if self._session is not None:
                self._die(self._session)

    async def _wait_for_host(self, session: MqttSession) -> None:
        try:
            async with asyncio.timeout(HOST_WAIT):
                await self._online.wait()
        except TimeoutError:
            await session.flush(SPARKPLUG_TIMEOUT)
            raise SinkError(f"the primary host {self._host!r} is not online", unavailable=True) from None

    def _die(self, session: MqttSession) -> None:
        """End the session; after an orderly end a broker of version 3.1.1 does not publish the last will."""
        self._edge.end()
        if not session.version5:
            session.send(self._edge.topic("NDEATH").encode(), self._edge.death(self._now(), self._number))
        session.disconnect(will=True)

    def _now(self) -> int:
        return self._clock.time() // MS


def _bounded(payload: bytes) -> bytes:
    """Return a payload; ValueError above MOST_COMMAND."""
    if len(payload) > MOST_COMMAND:
        raise ValueError(f"found more than {MOST_COMMAND} bytes")
    return payload
