"""An HTML page for printing, without scripts and external resources, and the format of its numbers."""

from __future__ import annotations

from html import escape
from importlib.resources import files

NARROW = "\N{NARROW NO-BREAK SPACE}"


def document(title: str, style: str, body: str, language: str = "en") -> str:
    """Return the HTML file. It is pure ASCII, so that a wrong character set cannot damage it.

    style: CSS that follows the common html_page.css. body: HTML whose external texts are already escaped.
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
    """Return a number with narrow spaces between thousands; "-" for None."""
    return "-" if value is None else f"{value:z,.{decimals}f}".replace(",", NARROW)


def percent(value: float | None) -> str:
    """Return a share in percent; "-" for None."""
    return "-" if value is None else f"{value:.1%}".replace("%", f"{NARROW}%")
