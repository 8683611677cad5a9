"""The transparency log of a site in the folder of its spool: append, sign, commit.

Order of the writes: entries and tiles, the state, the checkpoint. The state is the commit; a checkpoint leaves the
gateway after it, so a published size is always on disk.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wattgram.base.clock import NS
from wattgram.base.units import rfc3339
from wattgram.store.regular_files import FOLDER_MODE, own_opener

from .log_entry import LogEntry, entries_of
from .log_files import CHECKPOINT_FILE, LogFiles
from .log_state import LogState, SpoolCursor, replace_file
from .sealed_json import JsonObject
from .sealed_terms import SealedTerms
from .signed_note import SignerKey, TreeHead, VerifierKey, checkpoint_note, first_origin, signed
from .signing_keys import BOTH_KEYS, SigningKeys
from .tile_tree import TileTree

LOG_FOLDER = "log"
"""Folder of the log in the spool's folder."""

QUARTERS_FILE = "quarters"
"""Number of the quarter of each entry that begins a quarter, else -1: 8 bytes an entry, made again when it is wrong."""

_QUARTER_ROW = struct.Struct("<q")


def log_bytes(spool: Path) -> int:
    """Return the size of all logs in the folder of a spool, bytes; 0 if there is none or it cannot be read."""
    try:
        return sum(path.stat().st_size for path in (spool / LOG_FOLDER).rglob("*") if path.is_file())
    except OSError:
        return 0


class TransparencyLog:
    """Log of a site. state: as of the last commit. restarted: why the log does not have the name of its key, or ""."""

    def __init__(
        self, spool: Path, site: str, boot: str, keys: SigningKeys, now: int, published: Sequence[str]
    ) -> None:
        """Open the log, or begin a log; `now` in UTC ns.

        `published`: checkpoints that left the gateway, as far as known; a log behind one of them is not continued.
        OSError: the files cannot be read or written now.
        """
        self.folder = spool / LOG_FOLDER
        self.folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        self.restarted = ""
        self._site = site
        self._boot = boot
        self._keys = keys
        self._quarters = array("q")  # of each entry the number of the quarter that it began, -1 for none
        self._waiting: list[bytes] = []
        self._stored: LogState | None = None
        self._known = [head for note in published if (head := self._own_head(note)) is not None]
        heads = [head for note in published if (head := _head_of(note)) is not None]
        own = f"wattgram/{site}/"
        self._strange = [head for head in heads if head.origin.startswith(own) and head not in self._known][-1:]
        try:
            self.state, self._tree = self._opened(now)
        except ValueError as error:
            self.restarted = str(error)
            self.state, self._tree = self._begun(now)

    @property
    def place(self) -> Path:
        """Folder with checkpoint and tiles."""
        return self.folder / self.state.folder

    @property
    def index(self) -> int:
        """Index of the next entry."""
        return self.state.size + len(self._waiting)

    @property
    def written(self) -> int:
        """Bytes of the pages written for tiles and entries by this process."""
        return self._tree.written

    def is_before(self, quarter: int) -> bool:
        """Return whether a quarter is earlier than all sealed quarters: its earlier records are not in the log."""
        first = min((number for number in self._quarters if number >= 0), default=-1)
        return quarter < first

    def quarter_index(self, quarter: int) -> int | None:
        """Return the index of the entry that began a quarter; None if there is none."""
        return self._quarters.index(quarter) if quarter in self._quarters else None

    def add(self, kind: str, quarter: int, rows: Sequence[JsonObject], amends: int | None = None) -> None:
        """Add the entry of some rows, or several entries if it would be too large; `commit` writes them."""
        begins, index = kind == "quarter" and amends is None, self.index
        for number, entry in enumerate(entries_of(kind, self._site, quarter, self._boot, amends, rows, index)):
            self._waiting.append(entry)
            self._quarters.append(quarter if begins and number == 0 else -1)

    def note_terms(self, quarter: int, terms: SealedTerms) -> None:
        """Add the entries of a start: digests and changed settings, and the corrections of the past that differ."""
        self.add("config", quarter, [terms.digests, *terms.change_rows(self.state.configuration)])
        self.add("correction", quarter, terms.correction_rows(self.state.corrections))

    def commit(self, now: int, cursor: SpoolCursor, terms: SealedTerms | None = None) -> str:
        """Write the added entries, and return the checkpoint of the log with them. OSError: open the log again.

        `terms`: of a start, None for those of the last commit.
        """
        self._keys.rotate()
        vkey = self._signers()[0].verifier.text
        rotated = bool(self.state.vkey) and vkey != self.state.vkey
        if rotated:
            self.add("key", cursor.open, [{"vkey": vkey, "before": self.state.vkey}])
        both_until = now + round(BOTH_KEYS * NS) if rotated else self.state.both_until
        if self._keys.old is not None and now > both_until:
            self._keys.forget_old()
        self._tree.append(self._waiting)
        self._write_quarters()
        signers = self._signers()
        head = TreeHead(self.state.origin, self._tree.size, self._tree.root())
        note = signed(head.text, signers)
        self.state = replace(
            self.state,
            size=head.size,
            note=note,
            vkey=vkey,
            cursor=cursor,
            configuration=self.state.configuration if terms is None else terms.settings,
            digests=self.state.digests if terms is None else terms.digests,
            corrections=self.state.corrections if terms is None else terms.corrections,
            both_until=both_until,
        )
        self.state.write(self.folder)
        replace_file(self.place / CHECKPOINT_FILE, note.encode())
        self._waiting = []
        return note

    def _opened(self, now: int) -> tuple[LogState, TileTree]:
        """Open the stored log. ValueError: the log cannot be continued."""
        state = self._stored = LogState.read(self.folder)
        if state is None:
            if not self._keys.new:
                raise ValueError("the key is older than the log")  # the name of the key's first log may be in use
            if self._strange:
                self._known = self._strange
                raise ValueError("key and log were lost: the spool or the broker has a checkpoint of another key")
            return self._begun(now)
        if (stored := _head_of(state.note)) is not None:
            self._known.append(stored)
        if self._is_key_replaced(state.vkey):
            raise ValueError("the key was lost or replaced, and the key before did not sign the new key")
        tree = TileTree(self.folder / state.folder, state.size)
        head = TreeHead.of(checkpoint_note(state.note).text)
        if (head.origin, head.size, head.root) != (state.origin, tree.size, tree.root()):
            raise ValueError("the stored tree does not fit its checkpoint")
        published = max((known.size for known in self._known if known.origin == state.origin), default=0)
        if published > state.size:
            raise ValueError(f"the log has {state.size} entries, but published {published}")
        for known in self._known:
            if known.origin == state.origin and known.size == state.size and known.root != head.root:
                raise ValueError(f"the log published another tree of {known.size} entries")
        self._read_quarters(self.folder / state.folder, state.size)
        return state, tree

    def _begun(self, now: int) -> tuple[LogState, TileTree]:
        """Begin a log. A log that follows an older log has the time in its name, and seals what the older one lacks."""
        base = first_origin(self._keys.present.name)
        origin = f"{base}-{rfc3339(now)[:19].replace('-', '').replace(':', '')}Z" if self.restarted else base
        folder = origin.rpartition("/")[2]
        (self.folder / folder).mkdir(mode=FOLDER_MODE, exist_ok=True)
        self._quarters = array("q")
        state = LogState(origin, folder, 0, "", "", SpoolCursor(0, 0, -1))
        if self._stored is not None:
            stored = self._stored
            state = replace(
                state, cursor=stored.cursor, configuration=stored.configuration, corrections=stored.corrections
            )
        return state, TileTree(self.folder / folder, 0)

    def _own_head(self, note: str) -> TreeHead | None:
        """Return the head of a checkpoint that a present key of this gateway has signed; None for another text."""
        head = _head_of(note)
        if head is None:
            return None
        try:
            known = [key.verifier for key in self._keys.signers(head.origin)]
            return head if any(checkpoint_note(note).signed_by(key) for key in known) else None
        except ValueError:
            return None

    def first_row(self) -> JsonObject:
        """Return the row of the first entry: the key, and the head of the log before, if there is one."""
        row: JsonObject = {"vkey": self._signers()[0].verifier.text}
        if self.restarted:
            older = max(self._known, key=lambda head: head.size, default=None)
            row["after"] = older.text if older else ""
            row["reason"] = self.restarted
            if self._stored is not None and self._is_key_replaced(self._stored.vkey):
                row["before"] = self._stored.vkey
        return row

    def _is_key_replaced(self, vkey: str) -> bool:
        """Return whether no present key is the key of the last commit: it was lost, or replaced without `--rotate`."""
        if not vkey:
            return False
        public = {key.verifier.public for key in self._keys.signers("")}
        return VerifierKey.of(vkey).public not in public

    def _signers(self) -> list[SignerKey]:
        return self._keys.signers(self.state.origin)

    def _read_quarters(self, place: Path, size: int) -> None:
        path = place / QUARTERS_FILE
        content = path.read_bytes() if path.exists() else b""
        numbers = (
            [number for (number,) in _QUARTER_ROW.iter_unpack(content[: size * _QUARTER_ROW.size])]
            if len(content) % 8 == 0
            else []
        )
        if len(numbers) < size:
            numbers = [_begun_quarter(entry) for entry in LogFiles.of_folder(place).entries(size)]
            replace_file(path, b"".join(map(_QUARTER_ROW.pack, numbers)))
        self._quarters = array("q", numbers)

    def _write_quarters(self) -> None:
        with open(self.place / QUARTERS_FILE, "ab", opener=own_opener) as file:
            file.truncate(self.state.size * _QUARTER_ROW.size)
            file.write(b"".join(map(_QUARTER_ROW.pack, self._quarters[self.state.size :])))
            file.flush()
            os.fsync(file.fileno())


def _begun_quarter(entry: bytes | None) -> int:
    """Return the number of the quarter that an entry begins, -1 for none."""
    if entry is None:
        return -1
    found = LogEntry.decoded(entry)
    return found.quarter if found.kind == "quarter" and found.amends is None else -1


def _head_of(note: str) -> TreeHead | None:
    try:
        return TreeHead.of(checkpoint_note(note).text)
    except ValueError:
        return None
