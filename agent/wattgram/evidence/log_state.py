"""State of the log in the spool's folder: one file, replaced as a whole; its replacement is the commit of a seal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NamedTuple

from wattgram.store.disk import sync_folder
from wattgram.store.regular_files import own_opener

from .sealed_json import JsonObject

STATE_FILE = "state.json"


class SpoolCursor(NamedTuple):
    """Sealed records of the spool: all up to number `low`, and up to `high` those outside the quarter `open`."""

    low: int
    high: int
    open: int

    def is_sealed(self, number: int, quarter: int) -> bool:
        """Return whether the record with a number in the spool is sealed."""
        return number <= self.low or (number <= self.high and quarter != self.open)


@dataclass(frozen=True, slots=True)
class LogState:
    """State at the last commit.

    origin: name of the log. folder: its folder. size: entries. note: last checkpoint. vkey: key that signed it. cursor:
    sealed records. configuration: settings by name, of the last `config` entry. digests: of the same entry.
    corrections: of the past, at the same start. both_until: UTC ns until which a replaced key signs, too.
    """

    origin: str
    folder: str
    size: int
    note: str
    vkey: str
    cursor: SpoolCursor
    configuration: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, object] = field(default_factory=dict)
    corrections: tuple[JsonObject, ...] = ()
    both_until: int = 0

    def write(self, folder: Path) -> None:
        """Replace the state in a folder, and wait until it is on disk."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        replace_file(folder / STATE_FILE, json.dumps(found, ensure_ascii=True).encode())

    @classmethod
    def read(cls, folder: Path) -> LogState | None:
        """Return the state of a folder, None if there is none. ValueError: not readable as a state."""
        try:
            found = json.loads((folder / STATE_FILE).read_bytes())
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise ValueError(str(error)) from error
        try:
            found["cursor"] = SpoolCursor(*map(int, found["cursor"]))
            found["corrections"] = tuple(found.get("corrections", ()))
            return cls(**found)
        except (TypeError, KeyError) as error:
            raise ValueError(f"{folder / STATE_FILE}: {error}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file as a whole, and wait until it is on disk."""
    part = path.with_name(f"{path.name}.part")
    with open(part, "wb", opener=own_opener) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    sync_folder(path.parent)
