"""An HTML file for paper: one that runs no script and loads nothing, and how numbers stand in it."""

from __future__ import annotations

from html import escape
from importlib.resources import files

NARROW = "\N{NARROW NO-BREAK SPACE}"


def document(title: str, style: str, body: str, language: str = "en") -> str:
    """The whole file; ASCII, so that it is right whatever a terminal or a web server takes it for.

    `style` comes after that of every document (paper.css). What is in `body` from outside is already escaped.
    """
    common = files("wattgram.formats").joinpath("html_page.css").read_text(encoding="utf-8")
    whole = (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>\n{common}{style}</style></head>\n<body>{body}</body></html>\n"
    )
    return whole.encode("ascii", "xmlcharrefreplace").decode("ascii")


def number(value: float | None, decimals: int) -> str:
    """A number with narrow spaces between thousands; "-" where there is none."""
    return "-" if value is None else f"{value:z,.{decimals}f}".replace(",", NARROW)


def percent(value: float | None) -> str:
    """A share in percent; "-" where there is none."""
    return "-" if value is None else f"{value:.1%}".replace("%", f"{NARROW}%")
