"""Private keys of a site's log: made at the first start, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
from hashlib import sha256
from pathlib import Path

from wattgram.base.secret import SECRET_BYTES
from wattgram.base.untrusted import content, decoded
from wattgram.store.disk import sync_folder

from . import ed25519
from .signed_note import SignerKey

KEY_FILE = "seal-key"
"""Key of the log, in the folder of the spool."""

NEXT_KEY_FILE = "seal-key.new"
"""Key that replaces the present key at the next seal."""

OLD_KEY_FILE = "seal-key.old"
"""Replaced key, which signs beside the present key for a time."""

BOTH_KEYS = 30 * 86_400.0
"""Time in which a replaced key signs beside the new key, s."""


def log_name(site: str, seed: bytes) -> str:
    """Return the origin of a log: wattgram/SITE/KEYID with the first 4 bytes of the SHA-256 of its first public key."""
    return f"wattgram/{site}/{sha256(ed25519.public_key(seed)).hexdigest()[:8]}"


def new_key(name: str | None, site: str) -> SignerKey:
    """Return a new random key; `name`: origin of the log, None for a new log."""
    seed = secrets.token_bytes(ed25519.SEED_SIZE)
    return SignerKey(name or log_name(site, seed), seed)


def write_key(path: Path, key: SignerKey) -> None:
    """Write a key to a new file, which only the owner can read, and wait until the file is on disk."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, f"{key.text}\n".encode())
        if os.geteuid() == 0:  # a command of root makes a key for the daemon's user
            owner = path.parent.stat()
            os.fchown(handle, owner.st_uid, owner.st_gid)
        os.fsync(handle)
    finally:
        os.close(handle)
    part.rename(path)
    sync_folder(path.parent)


def read_key(path: Path) -> SignerKey | None:
    """Return the key of a file, None if there is no file. ValueError: no key; OSError: the file cannot be read."""
    try:
        return SignerKey.of(decoded(content(path, SECRET_BYTES)).strip())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


class SigningKeys:
    """Keys of a site in the folder of its spool, or a present key in a file of the operator. new: made just now."""

    def __init__(self, folder: Path, site: str, file: Path | None = None) -> None:
        """Read the keys; make the present key if there is none. ValueError or OSError: a key cannot be read.

        `file`: file of the operator; it must exist.
        """
        self._folder = folder
        self._site = site
        path = file or folder / KEY_FILE
        if file is None and not path.exists() and (folder / NEXT_KEY_FILE).exists():
            (folder / NEXT_KEY_FILE).rename(path)  # a crash came between the two names of a rotation
        found = read_key(path)
        self.new = found is None
        if found is None:
            if file is not None:
                raise ValueError(f"{file}: missing; wattgram makes a key only in the folder of the spool")
            found = new_key(None, site)
            write_key(path, found)
        self.present = found
        self.old = read_key(folder / OLD_KEY_FILE)
        self._replaceable = file is None

    def rotate(self) -> None:
        """Replace the present key by the next key, if there is one."""
        coming = read_key(self._folder / NEXT_KEY_FILE) if self._replaceable else None
        if coming is None:
            return
        (self._folder / KEY_FILE).rename(self._folder / OLD_KEY_FILE)
        (self._folder / NEXT_KEY_FILE).rename(self._folder / KEY_FILE)
        sync_folder(self._folder)
        self.old, self.present = self.present, coming

    def forget_old(self) -> None:
        """Delete the replaced key."""
        (self._folder / OLD_KEY_FILE).unlink(missing_ok=True)
        self.old = None

    def signers(self, origin: str) -> list[SignerKey]:
        """Return the keys that sign a checkpoint of a log, the present key first."""
        return [SignerKey(origin, key.seed) for key in (self.present, self.old) if key is not None]
