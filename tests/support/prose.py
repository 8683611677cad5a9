"""How plain the documentation is: the share of pronouns on each page, and whether the page has an example.

A sentence that names its subject needs few pronouns, and a reader whose first language is not English needs them
least of all. Run it over pages: python -m tests.support.prose README.md docs/*.md
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RELATIVE = frozenset(("what", "who", "which", "whose"))
PERSONAL = frozenset(("it", "its", "they", "them", "those", "that", "one"))

MOST_RELATIVE, MOST_PERSONAL = 6.0, 42.0
"""Occurrences per 1,000 words above which a page is rewritten."""

FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
NOT_PROSE = re.compile(r"`[^`]*`|<!--.*?-->|!\[[^\]]*\]|\]\([^)]*\)|https?://\S+", re.DOTALL)
WORD = re.compile("[A-Za-z]+(?:['\u2019][a-z]+)?")


@dataclass(frozen=True, slots=True)
class Prose:
    """A page's words, its pronouns per 1,000 words, and whether the page has a block of code."""

    words: int
    relative: float
    personal: float
    example: bool


def measured(text: str) -> Prose:
    """Return the figures of a Markdown page. Code, link targets and addresses are no prose."""
    words = [word.lower() for word in WORD.findall(NOT_PROSE.sub(" ", FENCE.sub(" ", text)))]
    thousands = max(1, len(words)) / 1000

    def share(pronouns: frozenset[str]) -> float:
        return sum(word.partition("'")[0].partition("\u2019")[0] in pronouns for word in words) / thousands

    return Prose(len(words), share(RELATIVE), share(PERSONAL), bool(FENCE.search(text)))


def main(paths: Sequence[str]) -> int:
    """Print a line a page; 1 when a page is above a limit or lacks an example."""
    bad = 0
    for path in paths:
        page = measured(Path(path).read_text(encoding="utf-8"))
        good = page.relative < MOST_RELATIVE and page.personal < MOST_PERSONAL and page.example
        bad += not good
        print(
            f"{'ok ' if good else 'BAD'} {path}: {page.words} words; what/who/which/whose {page.relative:.1f}, "
            f"it/that/one/... {page.personal:.1f} per 1,000; example {'yes' if page.example else 'no'}"
        )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
