"""A grid source: an MQTT topic on which the site publishes the grid's intensity or mix."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import tzinfo
from math import inf
from typing import TYPE_CHECKING, ClassVar

from wattgram.base import toml_table, units
from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.base.fair_share import FairShare
from wattgram.base.toml_table import Table
from wattgram.base.watchdog import Pulse
from wattgram.grid.feed import Feed
from wattgram.grid.signal import Signal
from wattgram.mqtt.mqtt_settings import MqttConfig

from . import grid_source, profile
from .grid_source import SourceParts
from .source_settings import SourceConfig, SourceTerms
from .supplied_values import ValueTerms, read_timezone, read_unit, signals

if TYPE_CHECKING:
    from wattgram.mqtt.mqtt_connection import Message

MESSAGE_BYTES = 65_536
"""Largest size of a message, bytes."""

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class MqttSourceSettings:
    """Settings of an MQTT source. step: s for which a value is valid. timezone: of times without an offset.

    unit: of a mix.
    """

    default_factors: ClassVar[str] = ""
    computes_mean: ClassVar[bool] = False

    topic: str
    step: float
    timezone: tzinfo
    unit: str

    @property
    def detail(self) -> str:
        """The topic."""
        return self.topic

    @property
    def period(self) -> float:
        """Period of a value, s."""
        return self.step


def read(table: Table, terms: SourceTerms) -> MqttSourceSettings:
    """Read the keys of an MQTT source; mistakes go to the table."""
    if not terms.broker:
        table.mistake("", "needs a broker; allowed: with the table [mqtt]")
    topic = table.take("topic", toml_table.matching(r"[^#+\x00]+", "a topic without # and +"), toml_table.REQUIRED)
    step = table.take("step", toml_table.bounded(units.duration, 1.0, 86400.0, "1s to 1d"), 900.0)
    return MqttSourceSettings(topic or "", step or 900.0, read_timezone(table, terms.zone), read_unit(table))


def made(config: SourceConfig, settings: MqttSourceSettings, parts: SourceParts) -> MqttSource:
    """Make an MQTT source."""
    assert parts.broker is not None  # `read` reports a missing [mqtt]
    terms = ValueTerms(config.name, parts.factors, settings.unit, settings.timezone, settings.step)
    feed = grid_source.feed(config, parts.clock)
    return MqttSource(feed, parts.broker, settings.topic, terms, parts.clock, parts.chance)


class MqttSource:
    """Subscribes to one topic of a broker; values have tier 1, or tier 2 when they are marked as estimated."""

    def __init__(
        self, feed: Feed, broker: MqttConfig, topic: str, terms: ValueTerms, clock: Clock, chance: random.Random
    ) -> None:
        from wattgram.mqtt.mqtt_connection import Broker  # noqa: PLC0415 - memory that reading the settings does not need

        self.feed = feed
        self.pulse = Pulse(f"grid {feed.name}", vital=False)
        self._broker = Broker(broker)
        self._topic = topic
        self._terms = terms
        self._clock = clock
        self._chance = chance

    async def run(self) -> None:
        """Receive messages until cancelled."""
        wait, share, loop = FIRST_WAIT, FairShare(), asyncio.get_running_loop()
        while True:
            self.pulse.within(inf)  # the next message may come at any time
            try:
                async for message in self._broker.listen(self._topic, MESSAGE_BYTES):
                    wait = FIRST_WAIT
                    begin = loop.time()
                    # In a thread: the largest message takes a tenth of a second, on a small board half a second.
                    self._put(await asyncio.to_thread(self._read, message))
                    await asyncio.sleep(share.pause(begin, loop.time()))
            except SinkError as error:
                self.feed.failed(str(error))
            except Exception as error:  # noqa: BLE001 - a source must not end the daemon, whatever the broker sent
                self.feed.failed(f"internal error, {type(error).__name__}", error)
            await self.pulse.sleep(self._clock, wait * self._chance.uniform(0.75, 1.25))
            wait = min(LONGEST_WAIT, 2.0 * wait)

    def take(self, message: Message) -> None:
        """Put the signals of a message into the feed; an unusable message changes only the state."""
        self._put(self._read(message))

    def _read(self, message: Message) -> list[Signal] | ValueError:
        try:
            return self._signals(message)
        except ValueError as error:
            return error

    def _put(self, found: list[Signal] | ValueError) -> None:
        try:
            if isinstance(found, ValueError):
                raise found
            self.feed.put(found)
        except ValueError as error:
            self.feed.failed(f"unusable message: {error}")

    def _signals(self, message: Message) -> list[Signal]:
        if len(message.payload) > MESSAGE_BYTES:
            raise ValueError(f"found more than {MESSAGE_BYTES} bytes")
        entries = profile.from_json(message.payload)
        if message.retained and any(entry.time is None for entry in entries):
            raise ValueError("found a retained message without a time; its age is unknown")
        good, bad = signals(entries, self._terms, self._clock.time(), live=True)
        if bad:
            raise ValueError(bad[0])
        return good
