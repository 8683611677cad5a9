"""Texts of reports and goals in English or Chinese.

The English text is the key. `languages/zh_*.toml` have one line for each English text: "English" = "Chinese". Names in
braces are placeholders. The begin of the name says the kind:

any: anything, kept. text: anything, translated, too. time: begins with a digit. day_: a date. number: a number. Others
are kept and contain no semicolon. A text without a line remains English.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "zh")
"""Languages of reports and goals. The first one is the language of all JSON and CSV."""

HTML_LANGUAGE = {"en": "en", "zh": "zh-CN"}
"""Value of the attribute `lang` of a page."""

LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Variables of the environment that name the language; the first one that is set decides (POSIX)."""

SEPARATOR, CHINESE_SEPARATOR = "; ", "；"
PLACEHOLDER_KINDS = {"any": ".+?", "text": ".+?", "time": r"\d[^;]*?", "day_": r"[\d-]{10}", "number": r"[-+.,%\d]+"}
"""Allowed values of a placeholder by the begin of its name, as regular expressions."""

PLACEHOLDER = re.compile(r"\{(\w+)\}")

Translate = Callable[[str], str]
"""Return a complete English text in another language."""


def language_of(environment: Mapping[str, str]) -> str:
    """Return the language of an environment: "zh" if its locale begins with zh, else "en"."""
    locale = next((environment[name] for name in LOCALE_VARIABLES if environment.get(name)), "")
    return "zh" if locale.lower().startswith("zh") else "en"


def translate(language: str) -> Translate:
    """Return the translation of complete English texts to a language."""
    return _chinese if language == "zh" else str


@cache
def chinese_texts() -> dict[str, str]:
    """Return the Chinese texts by their English texts. ValueError: an English text has two lines."""
    found: dict[str, str] = {}
    folder = files("wattgram.formats").joinpath("languages")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            texts = tomllib.loads(file.read_text(encoding="utf-8"))
            if twice := found.keys() & texts.keys():
                raise ValueError(f"{file.name}: found a second line of {sorted(twice)[0]!r}")
            found |= texts
    return found


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Return the templates with placeholders, those with most fixed characters first."""
    keys = [key for key in chinese_texts() if PLACEHOLDER.search(key)]
    keys.sort(key=lambda key: -len(PLACEHOLDER.sub("", key)))
    return [(_pattern(key), chinese_texts()[key]) for key in keys]


def _pattern(key: str) -> re.Pattern[str]:
    """Return the expression that matches the texts of a template."""
    parts = PLACEHOLDER.split(key)
    for index, part in enumerate(parts):
        if index % 2:
            allowed = next((regex for kind, regex in PLACEHOLDER_KINDS.items() if part.startswith(kind)), "[^;]+?")
            parts[index] = f"(?P<{part}>{allowed})"
        else:
            parts[index] = re.escape(part)
    return re.compile("".join(parts), re.DOTALL)


@cache
def _matching(text: str) -> tuple[str, dict[str, str]] | None:
    """Return the Chinese template of a text and the values of its placeholders; None if no template matches."""
    for pattern, template in _templates():
        if match := pattern.fullmatch(text):
            return template, match.groupdict()
    return None


def _chinese(text: str) -> str:
    """Return a text in Chinese: by its line, by a template, or by its parts between semicolons; else as found."""
    if (known := chinese_texts().get(text)) is not None:
        return known
    if text.isascii() and not any(map(str.isalpha, text)):
        return text
    parts = text.split(SEPARATOR)
    for count in range(len(parts), 0, -1):
        if (known := _known(SEPARATOR.join(parts[:count]))) is not None:
            rest = parts[count:]
            return CHINESE_SEPARATOR.join([known, _chinese(SEPARATOR.join(rest))] if rest else [known])
    return CHINESE_SEPARATOR.join([parts[0], _chinese(SEPARATOR.join(parts[1:]))]) if len(parts) > 1 else text


def _known(text: str) -> str | None:
    """Return the Chinese text of a line or of a template; None without either."""
    if (known := chinese_texts().get(text)) is not None:
        return known
    if not (found := _matching(text)):
        return None
    template, values = found
    said = {name: _chinese(value) if name.startswith("text") else value for name, value in values.items()}
    return PLACEHOLDER.sub(lambda match: said[match[1]], template)
