"""Removal of what the broker retains of a site that has ended: announcements, status, goals and seal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from wattgram.base.errors import WattgramError
from wattgram.mqtt.mqtt_connection import Broker
from wattgram.mqtt.mqtt_session import MqttSession
from wattgram.mqtt.mqtt_settings import HOME_ASSISTANT, MqttConfig

from .homeassistant.discovery import announcement_base
from .retained_topics import RetainedMessages, own_topics

WITHDRAWAL_TIMEOUT = 5.0
"""Longest time without an answer of the broker, s."""

QUIET = 0.3
"""Time without a further retained message after which all have arrived, s."""

MOST_TOPICS = 10_000
"""Most retained topics of a site."""

LONGEST_TOPIC, KEPT_PAYLOAD = 1000, 16
"""Longest topic that is removed, characters, and bytes of a payload that are kept: only the status is read."""


class StillOnline(WattgramError):
    """The gateway of the site is connected: it would publish again what is removed."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The removed topics, and the reason of each topic that the broker refuses."""

    removed: Sequence[str]
    refused: dict[str, str]


class _Retained:
    """The retained messages of a subscription, by topic."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a message."""
        if retained and payload and len(self.found) < MOST_TOPICS and len(topic) <= LONGEST_TOPIC:
            self.found[topic] = payload[:KEPT_PAYLOAD]


async def withdraw(settings: MqttConfig, site: str, *, force: bool, death: tuple[str, bytes] | None) -> Withdrawal:
    """Remove the retained topics of a site. SinkError: the broker is unavailable or refuses the subscription.

    `force`: also if the site is online, else StillOnline. `death`: topic and payload of a Sparkplug death to send.
    """
    connection = await Broker(settings, WITHDRAWAL_TIMEOUT).connect()
    try:
        session = connection.session()
        topic = f"{settings.prefix}/{site}"
        announced = f"{announcement_base(settings.homeassistant or HOME_ASSISTANT, topic)}/+/config"
        retained = _Retained()
        refused = await session.subscribe((*own_topics(topic), announced), retained, WITHDRAWAL_TIMEOUT)
        await _all_received(session, retained)
        if retained.found.get(f"{topic}/status") == b"online" and not force:
            raise StillOnline(
                f"{topic}/status is online: the gateway would publish again; stop the gateway, or add --force"
            )
        removal = RetainedMessages(dict.fromkeys(sorted(retained.found), b""))
        await session.publish(removal, WITHDRAWAL_TIMEOUT)
        if death is not None:
            session.send(death[0].encode(), death[1])
            await session.flush(WITHDRAWAL_TIMEOUT)
        session.disconnect()
        removed = [name for name in removal.messages if name not in removal.refused]
        return Withdrawal(removed, refused | removal.refused)
    finally:
        connection.abandon()


async def _all_received(session: MqttSession, retained: _Retained) -> None:
    """Wait until no further retained message comes: the broker sends some, and more after their acknowledgement."""
    count = -1
    while count != len(retained.found):
        count = len(retained.found)
        await session.flush(WITHDRAWAL_TIMEOUT)
        await asyncio.sleep(QUIET)
