"""Announcements for Home Assistant on a connection: due ones, and removals of outdated ones.

The broker retains the announcements of earlier runs. The announcer reads them back and needs no stored state.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from wattgram.base.record import Record, Series
from wattgram.base.untrusted import document
from wattgram.delivery.sinks.retained_topics import RetainedMessages

from .discovery import SITE_OBJECT, Discovery, Options

log = logging.getLogger(__name__)

MOST_REMOVALS, LONGEST_NAME = 1000, 200
"""Most outdated announcements that wait for their removal, and the longest name of one, characters: any client can
retain further ones. The next connection brings the rest."""


class Announcer:
    """Receives Home Assistant's status and the retained announcements; collects due announcements."""

    def __init__(self, discovery: Discovery) -> None:
        self._discovery = discovery
        self._announced: dict[str, dict[str, Options]] = {SITE_OBJECT: discovery.site()}
        self._series: set[Series] = set()
        self._earlier: dict[str, list[str]] = {}
        self._due: dict[str, bytes] = {}
        self._logged: set[str] = set()

    @property
    def topics(self) -> tuple[str, str]:
        """Topics to subscribe to."""
        return self._discovery.birth, self._discovery.own

    def begin(self) -> None:
        """Make all announcements due: after a connection, or a start of Home Assistant."""
        for name in self._announced:
            self._make_due(name)

    def note(self, records: Iterable[Record]) -> None:
        """Make announcements of new series due."""
        for series in {record.series for record in records} - self._series:
            self._series.add(series)
            name = self._discovery.name_of(series)
            if name is not None:
                self._announced[name] = self._discovery.device(series)
                self._make_due(name)

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take Home Assistant's status, or an announcement of an earlier run."""
        if topic == self._discovery.birth:
            # A retained status is from before the connection, which has announced everything already.
            if payload == b"online" and not retained:
                self.begin()
            return
        name = self._discovery.name_in(topic)
        if not retained or not payload or name is None:
            return
        if not self._discovery.configured(name):
            if len(self._due) >= MOST_REMOVALS or len(name) > LONGEST_NAME:
                return
            log.info("mqtt: %s is not in the configuration any more: Home Assistant removes it", name)
            self._due[topic] = b""
            return
        self._earlier[name] = _entities(payload)
        if name in self._announced and not self._announced[name].keys() >= set(self._earlier[name]):
            self._make_due(name)

    def due(self) -> RetainedMessages | None:
        """Return the due messages."""
        due, self._due = self._due, {}
        return RetainedMessages(due) if due else None

    def refused(self, refused: dict[str, str]) -> None:
        """Log each refused topic once."""
        for topic, reason in refused.items():
            if topic not in self._logged and len(self._logged) < MOST_REMOVALS:
                log.warning("mqtt: the broker refuses %s: %s; Home Assistant may lack entities", topic, reason)
        if len(self._logged) < MOST_REMOVALS:
            self._logged.update(refused)

    def _make_due(self, name: str) -> None:
        entities = self._announced[name]
        gone = [entity for entity in self._earlier.get(name, ()) if entity not in entities]
        self._due[self._discovery.topic(name)] = self._discovery.payload(name, entities, gone)


def _entities(payload: bytes) -> list[str]:
    """Return the entity ids of an earlier announcement, without its removals."""
    try:
        found = document(payload)["components"]
        return [str(name) for name, options in found.items() if len(options) > 1]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []  # not an announcement of wattgram: the next announcement replaces it
