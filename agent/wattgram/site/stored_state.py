"""State of a site's stages in the spool, committed with the records that it belongs to (docs/formats/state.md)."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from wattgram.base.occurrence import Occurrence
from wattgram.store.spool import Spool

log = logging.getLogger(__name__)

STATE, ENERGY, COUNTERS, PUBLISHED, DAYS, JUDGED = "site", "energy", "counters", "told", "days", "judged"
"""Pieces of state in the spool; `STATE` is binary, the others are JSON."""

RESTARTED = {
    STATE: "accounts began anew",
    ENERGY: "energies began anew",
    COUNTERS: "counters began anew",
    PUBLISHED: "times began anew",
    DAYS: "days began anew",
    JUDGED: "judgements began anew",
}
"""Event for a piece of state that cannot be read."""


class SavedStage(Protocol):
    """Stage whose state survives a restart."""

    def dump(self) -> Any:
        """Return the state for a restart; None if it has not changed since the last call."""
        ...

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; AttributeError, KeyError, TypeError or ValueError if the state is invalid."""
        ...


class StageGroup:
    """Stages that share a piece of state, each under its key. optional: keys that older versions did not store."""

    def __init__(self, stages: Mapping[str, SavedStage], optional: Collection[str] = ()) -> None:
        self._stages = stages
        self._optional = frozenset(optional)

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible."""
        return {key: stage.dump() for key, stage in self._stages.items()}

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; the errors are the stages' errors."""
        for key, stage in self._stages.items():
            if key in dumped or key not in self._optional:
                stage.restore(dumped[key])


class StoredState:
    """Pieces of state by name, in the order of their restoration."""

    def __init__(self, spool: Spool, pieces: Mapping[str, SavedStage]) -> None:
        self._spool = spool
        self._pieces = pieces

    def save(self) -> None:
        """Store every piece that has changed; the next commit contains it."""
        for name, stage in self._pieces.items():
            if (dumped := stage.dump()) is not None:
                self._spool.put_state(name, dumped if name == STATE else json.dumps(dumped).encode())

    async def restore(self) -> list[Occurrence]:
        """Restore every stored piece; return an event for each piece that cannot be read."""
        occurrences = []
        for name, stage in self._pieces.items():
            if (stored := await self._spool.state(name)) is None:
                continue
            try:
                stage.restore(stored if name == STATE else json.loads(stored))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                occurrences.append(restarted(name, str(error)))
        return occurrences


class PublishingStage(Protocol):
    """Stage with times that were published."""

    def note_published(self, dumped: Any) -> None:
        """Add the published times of a dump; KeyError, TypeError or ValueError if the dump is invalid."""
        ...


def note_published(state: Mapping[str, bytes], order: PublishingStage, windows: PublishingStage) -> None:
    """Add the instants and windows that were published from another directory, by its pieces of state."""
    try:
        dumped = json.loads(state.get(PUBLISHED, b"null"))
        if dumped is not None:
            order.note_published(dumped["order"])
            windows.note_published(dumped["windows"])
    except (KeyError, TypeError, ValueError) as error:
        log.warning("the times published from the other directory are not readable: %s", error)


def restarted(name: str, error: str) -> Occurrence:
    """Return the event about a piece that cannot be read."""
    log.warning("%s: %s", RESTARTED[name], error)
    return Occurrence(RESTARTED[name], error)
