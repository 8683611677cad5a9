"""TOML text to tables, with every fault in one line."""

from __future__ import annotations

import tomllib
from typing import Any

DEEPEST = 32
"""Most levels of tables and lists: wattgram uses five, and a message can represent these."""


def parsed(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text, with or without a byte order mark. ValueError: one line with the fault."""
    try:
        found = tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as error:  # also a number with too many digits
        raise ValueError(f"not TOML: {' '.join(str(error).split())}") from error
    level: list[Any] = [found]
    for _ in range(DEEPEST):
        level = [each for value in level for each in _inside(value)]
        if not level:
            return found
    raise ValueError(_TOO_DEEP)


_TOO_DEEP = f"not TOML for wattgram: found tables or lists of more than {DEEPEST} levels"


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
