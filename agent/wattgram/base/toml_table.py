"""Reader of a TOML table: takes the keys, and collects mistakes with place, found and allowed."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .secret import SecretFile, checked_secret
from .untrusted import content

SUPPLIED_FILE_BYTES = 4 << 20
"""Largest size of a file that a configuration names, bytes."""

Parser = Callable[[object], Any]
"""Converts a TOML value, or raises ValueError with "found ...; allowed: ..."."""

REQUIRED = object()
"""Default of a key that must be present."""


class Table:
    """A table at a place in a file. `take` checks the value of a key; `done` reports the keys that nothing took."""

    def __init__(self, file: str, place: str, data: Mapping[str, Any], mistakes: list[str]) -> None:
        self.file = file
        self.place = place
        self.data = data
        self.mistakes = mistakes
        self._taken: list[str] = []
        self._ignored: set[str] = set()

    def rename(self, place: str) -> None:
        """Set the name of this table for later mistakes."""
        self.place = place

    def mistake(self, key: str, what: str) -> None:
        """Add a mistake at a key; "" for the whole table."""
        where = ".".join(part for part in (self.place, key) if part)
        self.mistakes.append(f"{self.file}: {where}: {what}")

    def take(self, key: str, parser: Parser, default: Any) -> Any:
        """Return the value of a key, the default when the key is missing, None when the value is a mistake."""
        self._taken.append(key)
        if key not in self.data:
            if default is REQUIRED:
                self.mistake(key, "missing; this key is required")
                return None
            return default
        try:
            return parser(self.data[key])
        except ValueError as error:
            self.mistake(key, str(error))
            return None

    def table(self, key: str, *, required: bool = False) -> Table:
        """Return the table of a key, an empty table when the key is missing."""
        found = self.take(key, table, REQUIRED if required else {})
        return Table(self.file, self._below(key), found or {}, self.mistakes if found is not None else [])

    def tables(self, key: str, *, required: bool = False) -> list[Table]:
        """Return the tables of an array of tables."""
        found = self.take(key, listed(table), REQUIRED if required else [])
        return [
            Table(self.file, f"{self._below(key)}[{number}]", data, self.mistakes)
            for number, data in enumerate(found or [], start=1)
        ]

    def ignore(self, key: str) -> None:
        """Skip a key in `done`: a better message has already reported that the key is not allowed here."""
        self._ignored.add(key)

    def done(self) -> None:
        """Report the unknown keys."""
        for key in self.data:
            if key not in self._taken and key not in self._ignored:
                self.mistake(key, f"unknown key{nearest(key, self._taken)}; allowed: {', '.join(sorted(self._taken))}")

    def _below(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return `, nearest: 'x'` when an allowed word is similar, else ""."""
    near = difflib.get_close_matches(word, list(allowed), 1, 0.5)
    return f", nearest: {near[0]!r}" if near else ""


def text(value: object) -> str:
    """Check a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"found {value!r}; allowed: a text in quotes")
    return value


def flag(value: object) -> bool:
    """Check a boolean."""
    if not isinstance(value, bool):
        raise ValueError(f"found {value!r}; allowed: true or false")
    return value


def table(value: object) -> dict[str, Any]:
    """Check a table."""
    if not isinstance(value, dict):
        raise ValueError(f"found {value!r}; allowed: a table")
    return value


def whole(low: int, high: int) -> Parser:
    """Return a parser of whole numbers from low to high."""

    def parser(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"found {value!r}; allowed: a whole number from {low} to {high}")
        return value

    return parser


def number(low: float, high: float) -> Parser:
    """Return a parser of numbers from low to high."""

    def parser(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"found {value!r}; allowed: a number from {low:g} to {high:g}")
        return float(value)

    return parser


def bounded(parser: Callable[[object], float], low: float, high: float, allowed: str) -> Parser:
    """Return `parser` with the limits low and high; `allowed` describes the limits."""

    def checked(value: object) -> float:
        made = parser(value)
        if not isfinite(made) or not low <= made <= high:
            raise ValueError(f"found {value!r}; allowed: {allowed}")
        return made

    return checked


def choice(allowed: Sequence[str], what: str = "") -> Parser:
    """Return a parser of allowed words; `what` describes the words when a message cannot list them all."""

    def parser(value: object) -> str:
        if value in allowed:
            return str(value)
        words = what if what and len(allowed) > 12 else ", ".join(allowed)
        raise ValueError(f"found {value!r}{nearest(str(value), allowed)}; allowed: {words}")

    return parser


def matching(pattern: str, allowed: str) -> Parser:
    """Return a parser of strings that match a pattern; `allowed` describes the pattern."""

    def parser(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(f"found {value!r}; allowed: {allowed}")
        return value

    return parser


def listed(parser: Parser) -> Parser:
    """Return a parser of lists; `parser` converts each item."""

    def parse_list(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"found {value!r}; allowed: a list")
        return [parser(item) for item in value]

    return parse_list


def address(ports: Mapping[str, int]) -> Parser:
    """Return a parser of addresses to (scheme, host, port). `ports`: the allowed schemes with their default ports.

    An address has no login, query or fragment, which may contain a secret: a message about them repeats no address.
    """

    def parser(value: object) -> tuple[str, str, int]:
        allowed = " or ".join(f"{scheme}://HOST[:PORT]" for scheme in ports)
        given = text(value)
        if "@" in given:
            raise ValueError(
                f"found a user or password in the address; allowed: {allowed}, with user and password in their own keys"
            )
        if "?" in given or "#" in given:
            raise ValueError(
                f"found a query (?) or a fragment (#) in the address; allowed: {allowed}, with a secret in its own key"
            )
        try:
            parts = urlsplit(given)
            scheme, host, port = parts.scheme, parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"found {value!r}; allowed: {allowed}") from error
        if scheme not in ports or not host:
            raise ValueError(f"found {value!r}{nearest(scheme, ports)}; allowed: {allowed}")
        return scheme, host, port or ports[scheme]

    return parser


def listen(value: object) -> str:
    """Check HOST:PORT; "" turns the listener off."""
    if value == "":
        return ""
    try:
        parts = urlsplit(f"//{text(value)}")
        good = bool(parts.hostname) and parts.port is not None and not parts.path
    except ValueError:
        good = False
    if not good:
        raise ValueError(f'found {value!r}; allowed: HOST:PORT such as "127.0.0.1:8380", or "" to turn it off')
    return str(value)


def file(directory: Path) -> Parser:
    """Return a parser of readable files.

    A relative path starts at systemd's credentials directory, else at `directory`.
    """

    def parser(value: object) -> Path:
        path = Path(os.environ.get("CREDENTIALS_DIRECTORY") or directory) / text(value)
        try:
            content(path, SUPPLIED_FILE_BYTES)
        except OSError as error:
            raise ValueError(f"found {str(path)!r}, {error.strerror}; allowed: a file that can be read") from error
        except ValueError as error:
            raise ValueError(f"{str(path)!r}: {error}") from error
        return path

    return parser


def secret(directory: Path) -> Parser:
    """Return a parser of secrets, which stand in the environment or in a file, never in the configuration.

    A secret of a file is a `SecretFile`. No message repeats anything but the name of a variable or of a file.
    """
    allowed = 'allowed: { env = "NAME" } or { file = "PATH" }'

    def parser(value: object) -> str:
        if isinstance(value, str):
            raise ValueError(f"found a secret in the file; {allowed}")
        if not isinstance(value, dict) or len(value) != 1 or not {"env", "file"} & value.keys():
            found = "another table" if isinstance(value, dict) else "another value"
            raise ValueError(f"found {found}, which is not shown because it may contain a secret; {allowed}")
        name = value.get("env", value.get("file"))
        if not isinstance(name, str) or not name:
            raise ValueError(f"found no name in quotes; {allowed}")
        return _secret_variable(name, allowed) if "env" in value else _secret_file(directory, name)

    return parser


def _secret_variable(name: str, allowed: str) -> str:
    # A word that is no usual name of a variable may be the secret itself.
    shown = f"environment variable {name!r}" if re.fullmatch("[A-Z_][A-Z0-9_]*", name) else "environment variable"
    found = os.environ.get(name) if "\0" not in name and "=" not in name else None
    if not found:
        raise ValueError(f"{shown} is not set; {allowed}")
    try:
        return checked_secret(found)
    except ValueError as error:
        raise ValueError(f"{shown}: {error}") from None


def _secret_file(directory: Path, name: str) -> SecretFile:
    path = Path(os.environ.get("CREDENTIALS_DIRECTORY") or directory) / name
    try:
        return SecretFile(path)
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}; allowed: a file with the secret") from None
