"""Tables of texts for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from unicodedata import combining, east_asian_width


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return a table whose columns fit their widest cell. right: indices of right-aligned columns."""
    widths = [max(shown_width(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            _padding(cell, width) + cell if column in right else cell + _padding(cell, width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(head), line(["-" * width for width in widths]), *(line(row) for row in rows)])


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of words for a page; external texts are escaped."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table class=words><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"


def printable(text: str) -> str:
    """Return an external text with "?" for control characters, which a terminal would execute."""
    return "".join(character if character.isprintable() else "?" for character in text)


def shown_width(text: str) -> int:
    """Return the width of a text on a terminal, characters: a Chinese character has the width of two (UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)


def _padding(cell: str, width: int) -> str:
    return " " * (width - shown_width(cell))
