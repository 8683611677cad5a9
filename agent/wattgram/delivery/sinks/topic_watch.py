"""The subscription to the gateway's own retained topics, which shows when another client has changed them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from wattgram.mqtt.mqtt_session import MessageHandler, MqttSession
from wattgram.mqtt.packets import REFUSAL_CODE, Acknowledgement

log = logging.getLogger(__name__)

MOST_UNANSWERED_LOOKS = 2
"""Connections in a row that may end without an answer to the subscription."""

UNANSWERED_PAUSE = 3600.0
"""Time without the subscription afterwards, s: some brokers end the connection of a client that may not subscribe."""


class TopicWatch:
    """Subscribes on each connection, without waiting. since: time of the last connection, s.

    active: whether the broker accepted the subscriptions of the connection; True before the first connection.
    """

    def __init__(self) -> None:
        self.active = True
        self.since = 0.0
        self._left = 0  # subscriptions without an answer
        self._unanswered = 0
        self._paused_until = float("-inf")
        self._refusal = ""

    def begin(self, session: MqttSession, topics: Sequence[str], handler: MessageHandler, now: float) -> None:
        """Subscribe to topics on a new connection; `now`: monotonic, s."""
        self._unanswered = self._unanswered + 1 if self._left else 0
        if self._unanswered >= MOST_UNANSWERED_LOOKS:
            self._unanswered, self._paused_until = 0, now + UNANSWERED_PAUSE
            log.info("mqtt: the broker ends connections with a subscription; the status is published once a minute")
        self.active, self.since, self._left = False, now, 0
        if now < self._paused_until:
            return
        self._left = len(topics)
        for topic, answer in zip(topics, session.request(topics, handler), strict=True):
            answer.add_done_callback(partial(self._answered, session, topic))

    def _answered(self, session: MqttSession, topic: str, answer: asyncio.Future[int]) -> None:
        if session.end_reason or answer.cancelled():
            return
        self._left -= 1
        if (code := answer.result()) < REFUSAL_CODE:
            self.active = not self._left
            return
        self._left = -1  # never active on this connection
        if (reason := str(Acknowledgement(code))) != self._refusal:
            self._refusal = reason
            log.warning(
                "mqtt: the broker refuses the subscription to %s: %s; allow it, so that a late "
                "last will of an earlier connection is noticed at once",
                topic,
                reason,
            )
