"""Retained messages of the gateway: published again after a reconnect, and after another client has changed them.

A broker without a disk loses them at its restart, and the last will of an earlier connection can come late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wattgram.mqtt.mqtt_session import MessageHandler, MqttSession
from wattgram.mqtt.packets import Acknowledgement

from .topic_watch import TopicWatch

RESTORE_PERIOD = 10.0
"""Shortest time between two corrections of foreign messages, s: two gateways of one name must not flood a broker."""

UNWATCHED_PERIOD = 60.0
"""Time between two repetitions of the status while the own topics cannot be watched, s."""

MOST_ATTEMPTS = 3
"""Most connections in a row that may end during the repetition of the messages. The next one goes without."""

BIRTH = b"online"
"""Home Assistant's status after its start: it has forgotten what is not retained."""


class RetainedMessages:
    """Retained messages to publish, in their order. messages: by topic. refused: reason of each refused topic.

    on_answer: called at each answer of the broker.
    """

    retain = True

    def __init__(self, messages: Mapping[str, bytes]) -> None:
        self.messages = dict(messages)
        self.refused: dict[str, str] = {}
        self.on_answer: Callable[[], None] | None = None
        self._topics = list(messages)
        self._messages = iter(
            [(number, topic.encode(), payload) for number, (topic, payload) in enumerate(messages.items())]
        )

    def next(self) -> tuple[int, bytes, bytes] | None:
        """Return the next message."""
        return next(self._messages, None)

    def acknowledged(self, number: int, answer: Acknowledgement) -> None:
        """Keep a refusal of the broker."""
        if self.on_answer is not None:
            self.on_answer()
        if answer.code:
            self.refused[self._topics[number]] = str(answer)


def own_topics(site: str) -> tuple[str, ...]:
    """Return the filters of the retained topics of a site, its status first. `site`: begin of the site's topics."""
    return f"{site}/status", f"{site}/seal", f"{site}/goal/+"


class RetainedTopics:
    """Last retained messages of a site, and the topics that another client has changed since.

    topics: filters of the site's own topics, to subscribe to. All other messages also go to the other handler.
    """

    def __init__(self, site: str, other: MessageHandler | None, birth: str = "") -> None:
        """`site`: begin of the site's topics. `birth`: topic of Home Assistant's status, "" for none."""
        self._birth = birth
        self._watch = TopicWatch()
        self.topics = own_topics(site)
        self._prefix = f"{site}/"
        self._other = other
        self._sent: dict[str, bytes] = {}
        self._last: dict[str, bytes] = {}  # accepted by the broker
        self._changed: set[str] = set()
        self._attempts = 0
        self._restored = float("-inf")  # s

    def note_sent(self, topic: str, payload: bytes) -> None:
        """Note a message before it is sent: the broker may return it before its acknowledgement."""
        self._sent[topic] = payload

    def note_accepted(self, topic: str) -> None:
        """Note that the broker has accepted the sent message of a topic."""
        self._last[topic] = self._sent[topic]

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a message: a last message that another client has replaced or removed becomes due."""
        if topic == self._birth and payload == BIRTH and not retained:
            self._changed.update(topic for topic in self._last if topic.startswith(self._prefix))
        if topic in self._last and payload not in (self._last[topic], self._sent[topic]):
            self._changed.add(topic)
        if self._other is not None and not topic.startswith(self._prefix):
            self._other.received(topic, payload, retained)

    def again(self) -> RetainedMessages:
        """Return the last goals and seal, for a new connection.

        None of them if MOST_ATTEMPTS connections ended before `note_restored`: a broker may end the connection of a
        client that it does not allow a topic any more, and the records must still go on. The next connection tries
        again.
        """
        self._attempts += 1
        if self._attempts > MOST_ATTEMPTS:
            return RetainedMessages({})
        own = {topic: payload for topic, payload in self._last.items() if topic.startswith(self._prefix)}
        own.pop(self.topics[0], None)  # the status has been published
        return RetainedMessages(own)

    def note_restored(self) -> None:
        """Note that the messages of `again` have reached the broker."""
        self._attempts = 0
        self._changed.clear()

    def watch(self, session: MqttSession, now: float) -> None:
        """Subscribe to the own topics on a new connection, without waiting. `now`: monotonic, s."""
        self._watch.begin(session, self.topics, self, now)

    def due(self, now: float) -> RetainedMessages | None:
        """Return the last messages of changed topics; None for none, or too soon after the last time. `now`: s.

        While the topics cannot be watched, the status is repeated: a last will may have replaced it.
        """
        if not self._watch.active and now - max(self._restored, self._watch.since) >= UNWATCHED_PERIOD:
            self._changed.add(self.topics[0])
        if not self._changed or now - self._restored < RESTORE_PERIOD:
            return None
        self._restored = now
        changed, self._changed = self._changed, set()
        due = {topic: self._last[topic] for topic in sorted(changed) if topic in self._last}
        return RetainedMessages(due) if due else None
