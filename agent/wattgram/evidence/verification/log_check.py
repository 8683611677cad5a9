"""Checks of a log in itself and against checkpoints from outside: signatures, tree, order and form of the entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wattgram.evidence.log_entry import LogEntry
from wattgram.evidence.log_files import LogFiles
from wattgram.evidence.merkle import leaf_hash, tree_root
from wattgram.evidence.signed_note import SignedNote, TreeHead, VerifierKey, checkpoint_note, first_origin

from .verdict import VerificationResult


class CheckedLog:
    """A log whose checkpoint, tree and entries were checked; the differences are findings of `result`.

    head: head of the log, None if the checkpoint is unreadable. good: whether the signature and the tree are right.
    """

    def __init__(self, files: LogFiles, keys: Sequence[VerifierKey], result: VerificationResult) -> None:
        self.head: TreeHead | None = None
        self.good = False
        self.place = files.place
        self._files = files
        self._keys = keys
        self._result = result
        self._hashes: list[bytes] = []
        before = result.found
        try:
            note = checkpoint_note(files.checkpoint())
            self.head = TreeHead.of(note.text)
        except ValueError as error:
            result.add("checkpoint unreadable", f"{files.place}: {error}")
            return
        self._check_signature(note, "checkpoint of the log")
        self._check_tree(self.head)
        self.good = result.found == before

    @property
    def site(self) -> str:
        """Site of the log, by its origin."""
        parts = self.head.origin.split("/") if self.head else []
        return parts[1] if len(parts) == 3 and parts[0] == "wattgram" else ""

    def entries(self) -> Iterator[tuple[int, LogEntry]]:
        """Yield index and content of the readable entries; each of the others is a finding."""
        size, origin = (self.head.size, self.head.origin) if self.head else (0, "")
        begun: dict[int, int] = {}
        for index, encoded in enumerate(self._files.entries(size)):
            if encoded is None:
                continue  # the check of the tree has reported it
            try:
                entry = LogEntry.decoded(encoded)
                self._check_place(index, entry, begun)
            except (ValueError, KeyError, TypeError, OverflowError) as error:
                self._result.add("entry unreadable", f"entry {index} of {origin}: {error}")
                continue
            yield index, entry

    def entry(self, index: int) -> LogEntry:
        """Return a readable entry by its index."""
        size = self.head.size if self.head else 0  # the name of a partial bundle has the size of the whole log
        encoded = next(self._files.entries(size, index), None)
        return LogEntry.decoded(encoded or b"{}")

    def check_anchor(self, text: str, name: str) -> None:
        """Compare the log with a checkpoint from outside."""
        try:
            note = checkpoint_note(text)
            anchor = TreeHead.of(note.text)
        except ValueError as error:
            self._result.add("checkpoint unreadable", f"{name}: {error}")
            return
        assert self.head is not None  # the caller compares readable logs
        if self._check_signature(note, name) and self.check_extends(anchor, name):
            self._result.anchors.append(f"{name}: {anchor.origin}, {anchor.size} of {self.head.size} entries")

    def check_extends(self, anchor: TreeHead, name: str) -> bool:
        """Return whether the log extends a head of the same origin; a finding if not."""
        assert self.head is not None  # the caller compares readable logs
        if anchor.size > self.head.size:
            missing = anchor.size - self.head.size
            detail = f"{name} has {anchor.size} entries, the log has {self.head.size}: the last {missing} are missing"
            self._result.add("tail cut", detail)
        elif self._hashes and tree_root(self._hashes[: anchor.size]) != anchor.root:
            detail = f"{name} has another tree of the first {anchor.size} entries: forged, or two gateways use one key"
            self._result.add("two heads of one log", detail)
        else:
            return True
        return False

    def _check_signature(self, note: SignedNote, name: str) -> bool:
        """Return whether a known key has signed a checkpoint; a finding if not."""
        origin = TreeHead.of(note.text).origin
        known = [VerifierKey(origin, key.public) for key in self._keys if is_log_of(origin, key)]
        try:
            if any([note.signed_by(key) for key in known]):  # noqa: C419 - a wrong signature beside a right one counts
                return True
        except ValueError as error:
            self._result.add("forged signature", f"{name}: {error}")
            return False
        names = ", ".join(f"{each.name} {each.number.hex()}" for each in note.signatures)
        self._result.add("signed by another key", f"{name} of {origin}: found {names}; not the given key")
        return False

    def _check_tree(self, head: TreeHead) -> None:
        """Compare the entries with the tree; name the first entry that does not fit."""
        hashes, found = [*self._files.hashes(head.size)], self._result.found
        for index, (encoded, expected) in enumerate(zip(self._files.entries(head.size), hashes, strict=True)):
            if encoded is None:
                self._result.add("entry missing", f"entry {index} of {head.origin}")
                return
            self._hashes.append(leaf_hash(encoded))
            if expected is not None and self._hashes[-1] != expected and self._result.found == found:
                self._result.add("entry changed", f"entry {index} of {head.origin} does not fit its hash in the tree")
        if tree_root(self._hashes) != head.root and self._result.found == found:
            self._result.add("tree changed", f"the entries of {head.origin} do not lead to the root of the checkpoint")

    def _check_place(self, index: int, entry: LogEntry, begun: dict[int, int]) -> None:
        """Check site and references of an entry. begun: quarters with the index of their first entry."""
        if entry.site != self.site:
            raise ValueError(f"an entry of the site {entry.site!r:.80}")
        if entry.amends is not None and entry.amends >= index:
            raise ValueError(f"amends entry {entry.amends}, which comes later")
        if entry.kind in ("quarter", "amend") and entry.amends is not None:
            if begun.get(entry.quarter) != entry.amends:
                raise ValueError(f"amends entry {entry.amends}, which did not begin this quarter")
        elif entry.kind == "quarter":
            if entry.quarter in begun:
                raise ValueError(f"begins a quarter that entry {begun[entry.quarter]} began")
            begun[entry.quarter] = index


def is_log_of(origin: str, key: VerifierKey) -> bool:
    """Return whether an origin is the name of a key, or of a log before or after the log with this name."""
    return first_origin(origin) == first_origin(key.name)
