"""CSV files beside the configuration. They are read as a whole at the start, and each wrong line is reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .errors import ConfigError
from .toml_table import nearest
from .untrusted import columns, content, quoted

MOST_MISTAKES = 10
"""Mistakes to report for one file: a wrong export has a mistake in each line."""


def rows(path: Path, names: Sequence[str], largest: int, most: int) -> dict[int, dict[str, str]]:
    """Return the cells of each line by column name, by line number. ConfigError when the columns are not `names`.

    `largest`, `most`: largest size of the file in bytes and in rows.
    """
    try:
        head, lines = columns(content(path, largest))
        _check(head, names)
        found = dict(lines)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except ValueError as error:
        raise ConfigError([f"{path}: {error}"]) from error
    if len(found) > most:
        raise ConfigError([f"{path}: found {len(found)} rows; allowed: at most {most}"])
    return found


def read_rows(
    path: Path, names: Sequence[str], take: Callable[[Mapping[str, str]], None], *, largest: int, most: int
) -> None:
    """Call `take` with the cells of each line. ConfigError: one line for each ValueError that `take` raises."""
    mistakes = []
    for place, cells in rows(path, names, largest, most).items():
        try:
            take(cells)
        except ValueError as error:
            mistakes.append(f"{path}: line {place}: {error}")
    if mistakes:
        raise ConfigError(first_mistakes(path, mistakes, "lines are wrong"))


def first_mistakes(path: Path, mistakes: list[str], rest: str) -> list[str]:
    """Return the first mistakes and the number of the others, in the words of `rest`."""
    more = [f"{path}: {len(mistakes) - MOST_MISTAKES} more {rest}"] if len(mistakes) > MOST_MISTAKES else []
    return [*mistakes[:MOST_MISTAKES], *more]


def _check(head: Sequence[str], names: Sequence[str]) -> None:
    allowed = ", ".join(names)
    for name in head:
        if name not in names:
            raise ValueError(f"line 1: found {quoted(name)}{nearest(name, names)}; allowed: {allowed}")
    for name in names:
        if name not in head:
            raise ValueError(f"line 1: {name} missing; allowed: {allowed}")
