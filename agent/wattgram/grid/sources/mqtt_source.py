"""A topic on which the site, or somebody for it, tells the grid's intensity or mix."""

from __future__ import annotations

import random
from math import inf

from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.base.watchdog import Pulse
from wattgram.grid.feed import Feed
from wattgram.grid.signal import Signal
from wattgram.mqtt.mqtt_connection import Broker, Message
from wattgram.mqtt.mqtt_settings import MqttConfig

from . import profile
from .supplied_values import ValueTerms, signals

MESSAGE_BYTES = 65_536
"""Bytes of a message at most."""

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0


class MqttSource:
    """Listens to one topic of a broker; values have tier 1, or 2 when they are marked as estimated."""

    def __init__(
        self, feed: Feed, broker: MqttConfig, topic: str, terms: ValueTerms, clock: Clock, chance: random.Random
    ) -> None:
        self.feed = feed
        self.pulse = Pulse(f"grid {feed.name}", vital=False)
        self._broker = Broker(broker)
        self._topic = topic
        self._terms = terms
        self._clock = clock
        self._chance = chance

    async def run(self) -> None:
        """Listen until cancelled."""
        wait = FIRST_WAIT
        while True:
            self.pulse.within(inf)  # nobody knows when the next message comes
            try:
                async for message in self._broker.listen(self._topic, MESSAGE_BYTES):
                    wait = FIRST_WAIT
                    self.take(message)
            except SinkError as error:
                self.feed.failed(str(error))
            except Exception as error:  # noqa: BLE001 - a source must not end the daemon, whatever it sent
                self.feed.failed(f"internal error, {type(error).__name__}", error)
            await self.pulse.sleep(self._clock, wait * self._chance.uniform(0.75, 1.25))
            wait = min(LONGEST_WAIT, 2.0 * wait)

    def take(self, message: Message) -> None:
        """A message becomes signals; one that cannot be read changes nothing but the state."""
        try:
            self.feed.put(self._signals(message))
        except ValueError as error:
            self.feed.failed(f"unusable message: {error}")

    def _signals(self, message: Message) -> list[Signal]:
        if len(message.payload) > MESSAGE_BYTES:
            raise ValueError(f"found more than {MESSAGE_BYTES} bytes")
        entries = profile.from_json(message.payload)
        if message.retained and any(entry.time is None for entry in entries):
            raise ValueError("found a retained message without a time, so nobody knows how old it is")
        good, bad = signals(entries, self._terms, self._clock.time(), live=True)
        if bad:
            raise ValueError(bad[0])
        return good
