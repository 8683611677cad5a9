"""Reading one TOML table: known keys are taken out, mistakes are collected with place, found and allowed."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Parser = Callable[[object], Any]
"""Turns a TOML value into ours, or raises ValueError with "found ...; allowed: ..."."""

REQUIRED = object()
"""A default that makes a missing key a mistake."""


class Table:
    """A table at a place in a file. What a key may hold is told as it is taken; `done` reports the rest."""

    def __init__(self, file: str, place: str, data: Mapping[str, Any], mistakes: list[str]) -> None:
        self.file = file
        self.place = place
        self.data = data
        self.mistakes = mistakes
        self._known: list[str] = []
        self._ignored: set[str] = set()

    def rename(self, place: str) -> None:
        """Name this table better in later mistakes."""
        self.place = place

    def mistake(self, key: str, what: str) -> None:
        """Add a mistake at a key, "" for the table itself."""
        where = ".".join(part for part in (self.place, key) if part)
        self.mistakes.append(f"{self.file}: {where}: {what}")

    def take(self, key: str, parser: Parser, default: Any) -> Any:
        """The value of a key, the default when it is missing, None when it is a mistake."""
        self._known.append(key)
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
        """The table of that name, an empty one when it is missing."""
        found = self.take(key, table, REQUIRED if required else {})
        return Table(self.file, self._below(key), found or {}, self.mistakes if found is not None else [])

    def tables(self, key: str, *, required: bool = False) -> list[Table]:
        """The tables of an array of tables."""
        found = self.take(key, listed(table), REQUIRED if required else [])
        return [
            Table(self.file, f"{self._below(key)}[{number}]", one, self.mistakes)
            for number, one in enumerate(found or [], start=1)
        ]

    def ignore(self, key: str) -> None:
        """Say nothing in `done` about a key that is not allowed here: it has been told of in better words."""
        self._ignored.add(key)

    def done(self) -> None:
        """Report the keys that nobody asked for."""
        for key in self.data:
            if key not in self._known and key not in self._ignored:
                self.mistake(key, f"unknown key{nearest(key, self._known)}; allowed: {', '.join(sorted(self._known))}")

    def _below(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`, nearest: 'x'` when an allowed word is near, else nothing."""
    near = difflib.get_close_matches(word, list(allowed), 1, 0.5)
    return f", nearest: {near[0]!r}" if near else ""


def text(value: object) -> str:
    """A string."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"found {value!r}; allowed: a text")
    return value


def flag(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"found {value!r}; allowed: true or false")
    return value


def table(value: object) -> dict[str, Any]:
    """A table."""
    if not isinstance(value, dict):
        raise ValueError(f"found {value!r}; allowed: a table")
    return value


def whole(low: int, high: int) -> Parser:
    """A whole number from low to high."""

    def parser(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"found {value!r}; allowed: a whole number from {low} to {high}")
        return value

    return parser


def number(low: float, high: float) -> Parser:
    """A number from low to high."""

    def parser(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"found {value!r}; allowed: a number from {low:g} to {high:g}")
        return float(value)

    return parser


def bounded(parser: Callable[[object], float], low: float, high: float, allowed: str) -> Parser:
    """What `parser` makes, from low to high; `allowed` says these limits in words."""

    def checked(value: object) -> float:
        made = parser(value)
        if not isfinite(made) or not low <= made <= high:
            raise ValueError(f"found {value!r}; allowed: {allowed}")
        return made

    return checked


def choice(allowed: Sequence[str], what: str = "") -> Parser:
    """One of some words; `what` describes them where they are too many to list."""

    def parser(value: object) -> str:
        if value in allowed:
            return str(value)
        words = what if what and len(allowed) > 12 else ", ".join(allowed)
        raise ValueError(f"found {value!r}{nearest(str(value), allowed)}; allowed: {words}")

    return parser


def matching(pattern: str, allowed: str) -> Parser:
    """A text that matches a pattern; `allowed` says it in words."""

    def parser(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(f"found {value!r}; allowed: {allowed}")
        return value

    return parser


def listed(parser: Parser) -> Parser:
    """A list of what `parser` takes."""

    def of_all(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"found {value!r}; allowed: a list")
        return [parser(one) for one in value]

    return of_all


def address(ports: Mapping[str, int]) -> Parser:
    """(scheme, host, port) of an address whose scheme is one of `ports`, with their default ports."""

    def parser(value: object) -> tuple[str, str, int]:
        allowed = " or ".join(f"{scheme}://HOST[:PORT]" for scheme in ports)
        try:
            parts = urlsplit(text(value))
            scheme, host, port = parts.scheme, parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"found {value!r}; allowed: {allowed}") from error
        if parts.password is not None or parts.username is not None:
            raise ValueError(f"found a user in the address; allowed: {allowed}, with its secrets in keys of their own")
        if scheme not in ports or not host:
            raise ValueError(f"found {value!r}{nearest(scheme, ports)}; allowed: {allowed}")
        return scheme, host, port or ports[scheme]

    return parser


def listen(value: object) -> str:
    """HOST:PORT, or "" for not at all."""
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
    """A file that can be read; a relative path starts at systemd's credentials directory, else at `directory`."""

    def parser(value: object) -> Path:
        path = Path(os.environ.get("CREDENTIALS_DIRECTORY") or directory) / text(value)
        try:
            with path.open("rb"):
                return path
        except OSError as error:
            raise ValueError(f"found {str(path)!r}, {error.strerror}; allowed: a file that can be read") from error

    return parser


def secret(directory: Path) -> Parser:
    """A secret from the environment or a file, never from the configuration itself."""
    allowed = 'allowed: { env = "NAME" } or { file = "PATH" }'

    def parser(value: object) -> str:
        if isinstance(value, str):
            raise ValueError(f"found a secret in the file; {allowed}")
        if not isinstance(value, dict) or len(value) != 1 or not {"env", "file"} & value.keys():
            raise ValueError(f"found {value!r}; {allowed}")
        if "env" in value:
            name = text(value["env"])
            if not os.environ.get(name):
                raise ValueError(f"environment variable {name!r} is not set; {allowed}")
            return os.environ[name]
        path: Path = file(directory)(value["file"])
        return path.read_text(encoding="utf-8").strip()

    return parser
