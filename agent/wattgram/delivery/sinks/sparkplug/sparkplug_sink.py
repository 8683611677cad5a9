"""Sparkplug B: the gateway as an edge node, on a connection and with a last will of its own.

Data goes with QoS 0, as the specification demands, so no message is acknowledged. What the broker has is known all the
same: it reads in order, and answers a ping behind the data.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace

from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.base.record import Record
from wattgram.base.watchdog import Pulse
from wattgram.config.load import Config
from wattgram.delivery.sinks.sink import SINK_STEP
from wattgram.mqtt.mqtt_connection import Broker, MqttConnection
from wattgram.mqtt.mqtt_session import MqttSession
from wattgram.mqtt.mqtt_settings import MqttConfig

from .edge_node import NAMESPACE, EdgeNode
from .metrics import MS
from .payload import asks_rebirth
from .session_number import SessionNumbers
from .sparkplug_settings import SparkplugConfig

log = logging.getLogger(__name__)

SPARKPLUG_TIMEOUT = 5.0
"""Seconds for a connection, and for the answer to a ping behind the data."""

HOST_WAIT = 30.0
"""Seconds on a connection for the primary host to come, before it is made anew."""

SESSION_FILE = "sparkplug-bdseq"
"""In the spool's directory."""


class SparkplugSink:
    """A broker with Sparkplug hosts behind it. Commands are not obeyed, but for the one to be born again."""

    name = "sparkplug"
    limit = 200

    def __init__(self, config: Config, broker: MqttConfig, names: SparkplugConfig, clock: Clock) -> None:
        named = replace(broker, client_id=f"{broker.client_id}-sparkplug") if broker.client_id else broker
        self._broker = Broker(named, SPARKPLUG_TIMEOUT)
        self._edge = EdgeNode(config, names)
        self._numbers = SessionNumbers(config.spool.path / SESSION_FILE)
        self._clock = clock
        self._command = self._edge.topic("NCMD")
        self._host = names.host
        self._state = f"{NAMESPACE}/STATE/{names.host}"
        self._online = asyncio.Event()
        self._state_time = float("-inf")  # ms, of the last word of the primary host that counts
        self.pulse = Pulse(f"deliver {self.name}")
        self._client: MqttConnection | None = None
        self._line: MqttSession | None = None
        self._number = 0
        self._told: set[str] = set()

    async def probe(self) -> None:
        """Log in with a name and without a will of its own, so that a daemon that runs meanwhile is not disturbed."""
        connection = await self._broker.connect()
        try:
            await connection.leave()
        finally:
            connection.abandon()

    async def open(self) -> None:
        """Connect with the death as last will, listen, wait for the primary host if there is one, be born."""
        self._number = await asyncio.to_thread(self._numbers.following)
        will = self._edge.topic("NDEATH"), self._edge.death(self._now(), self._number)
        client = self._client = await self._broker.connect(will=will, retained=False)
        self._online.clear()
        self._state_time = float("-inf")
        try:
            line = self._line = client.line()
            topics = (self._command, self._state) if self._host else (self._command,)
            for topic, reason in (await line.subscribe(topics, self, SPARKPLUG_TIMEOUT)).items():
                if topic not in self._told:
                    log.warning("sparkplug: the broker refuses to let us listen to %s: %s", topic, reason)
                    self._told.add(topic)
            if self._host:
                await self._wait_for_host(line)
            self._edge.begin(self._now(), self._number, line.send)
            await line.arrived(SPARKPLUG_TIMEOUT)
        except SinkError as error:
            raise SinkError(f"{self._broker.where}: {error}", itself=error.itself) from error
        except ValueError as error:
            raise SinkError(f"{self._broker.where}: the birth cannot be sent: {error}") from error

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Send, and wait until the broker has read it all; refused are those that are too large for it."""
        if self._line is None:
            raise SinkError(f"{self._broker.where}: not connected")
        if self._host and not self._online.is_set():
            raise SinkError(f"{self._broker.where}: the primary host {self._host!r} is offline", itself=True)
        self.pulse.within(SINK_STEP)
        try:
            refused = self._edge.tell(records, replayed, self._now())
            await self._line.arrived(SPARKPLUG_TIMEOUT)
        except SinkError as error:
            raise SinkError(f"{self._broker.where}: {error}", itself=error.itself) from error
        except ValueError as error:
            raise SinkError(f"{self._broker.where}: a birth cannot be sent: {error}") from error
        return refused

    async def close(self) -> None:
        """Die, so that hosts know at once, and disconnect."""
        client, self._client = self._client, None
        line, self._line = self._line, None
        try:
            if line is not None:
                self._die(line)
        finally:
            if client is not None:
                client.abandon()

    def heard(self, topic: str, payload: bytes, retained: bool) -> None:
        """A command, or a word of the primary host's about itself."""
        try:
            if topic == self._state and self._host:
                self._of_host(payload)
            elif topic == self._command and not retained and asks_rebirth(payload):
                log.info("sparkplug: a host asks for the births")
                self._edge.rebirth(self._now())
        except (ValueError, RecursionError) as error:
            log.warning("sparkplug: %s: unusable message: %s", topic, error)

    def _of_host(self, payload: bytes) -> None:
        """Its state; one that is older than the last does not count [operational-behavior-edge-node-termination]."""
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
            if self._line is not None:
                self._die(self._line)

    async def _wait_for_host(self, line: MqttSession) -> None:
        try:
            async with asyncio.timeout(HOST_WAIT):
                await self._online.wait()
        except TimeoutError:
            await line.arrived(SPARKPLUG_TIMEOUT)
            raise SinkError(f"the primary host {self._host!r} is not online", itself=True) from None

    def _die(self, line: MqttSession) -> None:
        """End the session; a broker of version 3.1.1 does not publish a last will when it is left in order."""
        self._edge.end()
        if not line.version5:
            line.send(self._edge.topic("NDEATH").encode(), self._edge.death(self._now(), self._number))
        line.goodbye(will=True)

    def _now(self) -> int:
        return self._clock.time() // MS
