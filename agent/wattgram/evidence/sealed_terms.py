"""The terms of the results as the log seals them: settings by name, digests, corrections (METHOD-SITE 13).

The terms come from outside, as texts: a `configuration` record has the same texts, and each emission their digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import wattgram_drivers
import wattgram_ext

import wattgram
from wattgram import __version__
from wattgram.base.canonical import UNSET, Plain, canonical, changed_settings, flat, sha256_of
from wattgram.config.load import Config
from wattgram.formats.versions import table_hashes

from .sealed_json import JsonObject, sealed_text

MOST_SETTING = 300
"""Longest text of a setting in an entry, characters; of a longer text, the entry has the hash."""

FOLLOWING = "structure"
"""Settings that follow from the others and from the program. The digest covers them; the entry has no rows of them."""

_PROGRAM_FILES = (".py", ".so", ".toml", ".csv", ".json")


class NamedTerms(Protocol):
    """Terms without secrets: the texts of a `configuration` record, and all settings by name."""

    @property
    def config(self) -> str:
        """Canonical JSON of the effective configuration."""

    @property
    def factors(self) -> str:
        """Canonical JSON of the factors."""

    @property
    def settings(self) -> dict[str, Plain]:
        """Settings, factors and version of the program."""


@dataclass(frozen=True, slots=True)
class SealedTerms:
    """Terms at a start. settings: texts by name. digests: first row of the entry. corrections: of the past."""

    settings: Mapping[str, str] = field(default_factory=dict)
    digests: JsonObject = field(default_factory=dict)
    corrections: tuple[JsonObject, ...] = ()

    @classmethod
    def of(cls, terms: NamedTerms, config: Config) -> SealedTerms:
        """Return the terms of a running configuration."""
        named = {name: value for name, value in terms.settings.items() if name != FOLLOWING}
        settings = {_sealed(name): _sealed(text) for name, text in flat(named).items() if text != UNSET}
        corrections = tuple(
            {name: sealed_text(value) if isinstance(value, str) else value for name, value in each.as_json().items()}
            for each in config.corrections
        )
        return cls(settings, terms_digests(terms, config), corrections)

    def change_rows(self, before: Mapping[str, str]) -> list[JsonObject]:
        """Return the settings that differ from earlier ones, with both values; None for no value."""
        changes = changed_settings(before, self.settings)
        return [{"name": each.name, "from": each.before, "to": each.after} for each in changes]

    def correction_rows(self, before: tuple[JsonObject, ...]) -> list[JsonObject]:
        """Return the corrections that differ from earlier ones, with `change`: added or removed."""
        removed = [{"change": "removed", **each} for each in before if each not in self.corrections]
        return removed + [{"change": "added", **each} for each in self.corrections if each not in before]


def terms_digests(terms: NamedTerms, config: Config) -> JsonObject:
    """Return SHA-256 digests of all that decides on the results.

    configuration, factors: of the texts of the `configuration` record; the first digits are those of each emission.
    maps: of each device's register map. tables: of the factor tables. program: of all its files.
    """
    return {
        "configuration": sha256_of(terms.config),
        "factors": sha256_of(terms.factors),
        "maps": {
            device.name: sha256_of(canonical(device.driver_map or device.device))
            for device in config.devices
            if device.device
        },
        "tables": table_hashes("wattgram.grid"),
        "program": {"version": __version__, "sha256": _program_digest()},
    }


def _sealed(text: str) -> str:
    text = sealed_text(text)
    return text if len(text) <= MOST_SETTING else f"sha256:{sha256_of(text)}"


@cache
def _program_digest() -> str:
    """Return the digest of all files of the program: names and contents, in the order of the names."""
    found = sha256()
    for package in (wattgram, wattgram_drivers, wattgram_ext):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*")):
            if path.suffix in _PROGRAM_FILES and path.is_file():
                name = f"{package.__name__}/{path.relative_to(root).as_posix()}"
                found.update(f"{name} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()
