"""Keeps Home Assistant's picture of the site up to date on a connection: what is due to be announced, and forgotten.

What was announced by earlier runs is read back from the broker, which keeps it: no state of our own can be lost.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from wattgram.base.record import Record, Series
from wattgram.mqtt.packets import Acknowledgement

from .discovery import SITE_OBJECT, Discovery, Options

log = logging.getLogger(__name__)


class Announcement:
    """Retained messages to publish, in the order in which they became due."""

    retain = True

    def __init__(self, due: dict[str, bytes]) -> None:
        self.refused: dict[str, str] = {}
        self._topics = list(due)
        self._left = iter([(number, topic.encode(), payload) for number, (topic, payload) in enumerate(due.items())])

    def next(self) -> tuple[int, bytes, bytes] | None:
        """The next one."""
        return next(self._left, None)

    def answered(self, number: int, answer: Acknowledgement) -> None:
        """Keep what the broker said."""
        if answer.code:
            self.refused[self._topics[number]] = str(answer)


class Announcer:
    """Listens to Home Assistant and to what the broker keeps of us; collects what is due."""

    def __init__(self, discovery: Discovery) -> None:
        self._discovery = discovery
        self._known: dict[str, dict[str, Options]] = {SITE_OBJECT: discovery.site()}
        self._series: set[Series] = set()
        self._gone: dict[str, list[str]] = {}
        self._due: dict[str, bytes] = {}
        self._told: set[str] = set()

    @property
    def topics(self) -> tuple[str, str]:
        """To listen to."""
        return self._discovery.birth, self._discovery.own

    def begin(self) -> None:
        """Everything that is known is due: a connection is there, or Home Assistant has started."""
        for name in self._known:
            self._owe(name)

    def note(self, records: Iterable[Record]) -> None:
        """What these records show for the first time is due."""
        for series in {one.series for one in records} - self._series:
            self._series.add(series)
            name = self._discovery.name_of(series)
            if name is not None:
                self._known[name] = self._discovery.device(series)
                self._owe(name)

    def heard(self, topic: str, payload: bytes, retained: bool) -> None:
        """Home Assistant has started, or an earlier run has announced something."""
        if topic == self._discovery.birth:
            if payload == b"online" and not retained:  # a retained one is no news: we have just announced everything
                self.begin()
            return
        name = self._discovery.name_in(topic)
        if not retained or not payload or name is None:
            return
        if not self._discovery.configured(name):
            log.info("mqtt: %s is not in the configuration any more: Home Assistant forgets it", name)
            self._due[topic] = b""
            return
        self._gone[name] = _entities(payload)
        if name in self._known and not self._known[name].keys() >= set(self._gone[name]):
            self._owe(name)

    def due(self) -> Announcement | None:
        """What is to be published now."""
        due, self._due = self._due, {}
        return Announcement(due) if due else None

    def refused(self, refused: dict[str, str]) -> None:
        """Tell once of each topic that the broker refuses."""
        for topic, reason in refused.items():
            if topic not in self._told:
                log.warning("mqtt: the broker refuses %s: %s; Home Assistant may not see all", topic, reason)
        self._told.update(refused)

    def _owe(self, name: str) -> None:
        entities = self._known[name]
        gone = [one for one in self._gone.get(name, ()) if one not in entities]
        self._due[self._discovery.topic(name)] = self._discovery.payload(name, entities, gone)


def _entities(payload: bytes) -> list[str]:
    """Ids of what an earlier announcement had, without those that it only told to be forgotten."""
    try:
        found = json.loads(payload)["components"]
        return [str(name) for name, options in found.items() if len(options) > 1]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []  # somebody else's words: what we announce replaces them
