"""Secrets: texts of the environment, or of a file that another program may replace at any time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Self

from .untrusted import content, decoded

log = logging.getLogger(__name__)

SECRET_BYTES = 16_384
"""Largest size of a secret's file, bytes: certificates of services and long tokens are smaller."""


class SecretFile(str):
    """A secret in a file: the text is the secret when the configuration was read, and `text` the present secret.

    The file is read at each use, so a new secret applies to the next connection or request.
    """

    path: Path
    _text: str
    _failed: str

    def __new__(cls, path: Path) -> Self:
        """Read the file; ValueError, without any of the content, for a file that contains no secret."""
        text = _read(path)
        made = super().__new__(cls, text)
        made.path, made._text, made._failed = path, text, ""
        return made

    def __repr__(self) -> str:
        return f"SecretFile({str(self.path)!r})"

    def text(self) -> str:
        """Return the secret: the content of the file, or while the file is unusable the last usable content."""
        try:
            self._text, failed = _read(self.path), ""
        except ValueError as error:
            failed = str(error)
        if failed != self._failed:
            log.log(
                logging.WARNING if failed else logging.INFO,
                "%s: %s",
                self.path,
                f"{failed}; wattgram goes on with the last secret" if failed else "usable again",
            )
        self._failed = failed
        return self._text


def revealed(secret: str | None) -> str | None:
    """Return the text of a secret at this moment, None for no secret. A SecretFile is read again."""
    return secret.text() if isinstance(secret, SecretFile) else secret


def checked_secret(text: str) -> str:
    """Return a secret without the white space around it; ValueError unless the rest is one line."""
    text = text.strip()
    if not text:
        raise ValueError("found no secret but white space")
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("found several lines or control characters; allowed: a secret on one line")
    return text


def _read(path: Path) -> str:
    """Return the secret of a file; ValueError with the reason, also for a file that cannot be opened."""
    try:
        data = content(path, SECRET_BYTES)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    return checked_secret(decoded(data))
