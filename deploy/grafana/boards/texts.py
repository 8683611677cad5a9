"""Texts of the dashboards by key, in both languages, from `texts/*.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Language = Literal["en", "zh"]

LANGUAGES: tuple[Language, ...] = ("en", "zh")

FOLDER = Path(__file__).resolve().parents[1] / "texts"


@cache
def _file(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of a file in a language. Each entry of a file is a list in the order of LANGUAGES."""

    name: str
    language: Language

    def __call__(self, *keys: str) -> str:
        """Return the text at a path of keys, such as ("intensity", "title"). KeyError names the missing path."""
        found: Any = _file(self.name)
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                raise KeyError(f"texts/{self.name}.toml has no {'.'.join(keys)}")
            found = found[key]
        if len(found) != len(LANGUAGES):
            raise KeyError(
                f"texts/{self.name}.toml: {'.'.join(keys)}: expected {len(LANGUAGES)} texts, found {found!r}"
            )
        return str(found[LANGUAGES.index(self.language)])

    def keys(self, *keys: str) -> tuple[str, ...]:
        """Return the keys at a path, in order."""
        found: Any = _file(self.name)
        for key in keys:
            found = found[key]
        return tuple(found)
