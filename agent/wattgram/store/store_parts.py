"""The files of an open store, as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .database import Database
from .journal import JOURNAL_FILE, Journal
from .ring import Ring
from .space import Shares, Space
from .view import RINGS, SENT_RINGS


@dataclass(frozen=True, slots=True)
class StoreParts:
    """Database, journal, rings by name, and their room."""

    database: Database
    journal: Journal
    rings: Mapping[str, Ring]
    space: Space

    @classmethod
    def of(cls, folder: Path, max_size: int, beside: int, refused: int) -> StoreParts:
        """Return the closed parts of a directory. beside: bytes of another owner's files. OSError: no answer."""
        shares = Shares.of(folder, max_size)
        rings = {name: Ring(folder, name, kinds) for name, kinds in RINGS.items()}
        space = Space(folder, tuple(rings.values()), SENT_RINGS, shares.rings, shares.segment)
        space.beside = beside
        database = Database(folder, shares.database)
        database.limit_refused(refused)
        return cls(database, Journal(folder, shares.journal), rings, space)

    def move(self, folder: Path) -> None:
        """Use another path of the same directory."""
        self.database.folder = self.space.folder = folder
        self.journal.move(folder / JOURNAL_FILE)
        for ring in self.rings.values():
            ring.folder = folder
            for segment in ring.segments:
                segment.path = folder / segment.path.name

    def close(self) -> None:
        """Close the files."""
        self.journal.close()
        self.database.close()
