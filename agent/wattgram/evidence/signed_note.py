"""Signed notes and the keys that sign them (C2SP signed-note), and checkpoints (C2SP tlog-checkpoint)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from . import ed25519
from .merkle import HASH_SIZE

ED25519_TYPE = b"\x01"

MOST_NOTE_BYTES = 100_000
"""Limit of a note from outside."""

_SIGNATURE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)")

_AFTER = re.compile(r"-\d{8}T\d{6}Z$")

_ONE_LINE = re.compile(r"(\S+) (\d+) ([A-Za-z0-9+/=]{44})((?: +\u2014 [^\s+]+ [A-Za-z0-9+/=]+)+) *")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Public key with the name of its owner. text: C2SP vkey, NAME+KEYID+BASE64."""

    name: str
    public: bytes

    @property
    def number(self) -> bytes:
        """Key ID, 4 bytes."""
        return sha256(self.name.encode() + b"\n" + ED25519_TYPE + self.public).digest()[:4]

    @property
    def key_id(self) -> str:
        """Key ID, 8 hexadecimal digits."""
        return self.number.hex()

    @property
    def text(self) -> str:
        """The key as text for users and other programs."""
        return f"{self.name}+{self.key_id}+{b64encode(ED25519_TYPE + self.public).decode()}"

    @classmethod
    def of(cls, text: str) -> VerifierKey:
        """Return the key of a text; ValueError if the text is no Ed25519 verifier key."""
        name, encoded = _key_parts(text, "found {!r}; allowed: a verifier key NAME+KEYID+BASE64 of type Ed25519")
        found = cls(name, encoded)
        if text.split("+", 2)[1] != found.key_id:
            raise ValueError(f"found the key ID {text.split('+', 2)[1]!r}; the key {name} has {found.key_id}")
        return found


@dataclass(frozen=True, slots=True)
class SignerKey:
    """Private key with the name of its owner."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        """The public part."""
        return VerifierKey(self.name, ed25519.public_key(self.seed))

    @property
    def text(self) -> str:
        """The key as text, in the format of the Go module sumdb/note. It is a secret."""
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id}+{b64encode(ED25519_TYPE + self.seed).decode()}"

    @classmethod
    def of(cls, text: str) -> SignerKey:
        """Return the key of a text; ValueError, without the text, if the text is no private key."""
        form = "found no private key; allowed: PRIVATE+KEY+NAME+KEYID+BASE64 of type Ed25519"
        if not text.startswith("PRIVATE+KEY+"):
            raise ValueError(form)
        return cls(*_key_parts(text.removeprefix("PRIVATE+KEY+"), form))


class NoteSignature(NamedTuple):
    """A signature line of a note."""

    name: str
    number: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedNote:
    """Text of a note with its final newline, and the signatures."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def of(cls, note: str) -> SignedNote:
        """Return the note of a text; ValueError if the text is no signed note."""
        text, blank, lines = note.rpartition("\n\n")
        if not blank or not lines.endswith("\n") or len(note) > MOST_NOTE_BYTES:
            raise ValueError("no signed note: the blank line before the signatures is missing, or the last line end")
        if any(ord(character) < 32 and character != "\n" for character in note):
            raise ValueError("no signed note: a control character")
        return cls(text + "\n", tuple(_signature(line) for line in lines.removesuffix("\n").split("\n")))

    def signed_by(self, key: VerifierKey) -> bool:
        """Return whether the note has a right signature of a key; ValueError if the key's signature is wrong."""
        found = [each for each in self.signatures if (each.name, each.number) == (key.name, key.number)]
        for each in found:
            if not ed25519.is_signed(key.public, self.text.encode(), each.signature):
                raise ValueError(f"the signature of {key.name} with the key {key.key_id} is wrong")
        return bool(found)


def signed(text: str, keys: Sequence[SignerKey]) -> str:
    """Return a note: a text that ends with a newline, signed by each key."""
    lines = []
    for key in keys:
        signature = key.verifier.number + ed25519.sign(key.seed, text.encode())
        lines.append(f"\u2014 {key.name} {b64encode(signature).decode()}\n")
    return f"{text}\n{''.join(lines)}"


@dataclass(frozen=True, slots=True)
class TreeHead:
    """Head of a log: origin, number of entries, root of the tree."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Text of the checkpoint, without signatures."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def of(cls, text: str) -> TreeHead:
        """Return the head of a checkpoint's text; ValueError if the text is none. Extension lines are ignored."""
        lines = text.split("\n")
        if len(lines) < 4 or not all(lines[:3]) or not re.fullmatch(r"0|[1-9]\d{0,17}", lines[1]):
            raise ValueError("no checkpoint: origin, size and root are expected, a line each")
        return cls(lines[0], int(lines[1]), _decoded(lines[2], HASH_SIZE))


def first_origin(origin: str) -> str:
    """Return the name of the first log of a key; logs that follow it have the time of their begin in the name."""
    return _AFTER.sub("", origin)


def checkpoint_note(text: str) -> SignedNote:
    """Return the note of a checkpoint as text, also on one line: databases turn its line ends into spaces.

    ValueError if the text is no signed note.
    """
    if found := _ONE_LINE.fullmatch(text.strip().replace("\n", " ").replace("  ", " ")):
        origin, size, root, signatures = found.groups()
        lines = [f"\u2014 {line.strip()}\n" for line in signatures.split("\u2014")[1:]]
        return SignedNote.of(f"{origin}\n{size}\n{root}\n\n{''.join(lines)}")
    return SignedNote.of(text)


def _signature(line: str) -> NoteSignature:
    found = _SIGNATURE.fullmatch(line)
    if found is None:
        raise ValueError("no signed note: a line after the blank line is no signature")
    decoded = _decoded(found[2])
    return NoteSignature(found[1], decoded[:4], decoded[4:])


def _key_parts(text: str, message: str) -> tuple[str, bytes]:
    """Return name and key of NAME+KEYID+BASE64."""
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    try:
        decoded = _decoded(encoded, 1 + ed25519.PUBLIC_KEY_SIZE)
    except ValueError as error:
        raise ValueError(message.format(text)) from error
    if not re.fullmatch(r"[^\s+]+", name) or decoded[:1] != ED25519_TYPE:
        raise ValueError(message.format(text))
    return name, decoded[1:]


def _decoded(text: str, size: int | None = None) -> bytes:
    try:
        decoded = b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"found {text[:60]!r}, expected base64") from error
    if (size is not None and len(decoded) != size) or b64encode(decoded).decode() != text:
        raise ValueError(f"found {text[:60]!r}, expected the base64 of {size or 'some'} bytes")
    return decoded
