"""Options that several commands share, and parsers of option values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from wattgram.base import period, toml_table
from wattgram.formats.language import LANGUAGES, language_of
from wattgram.simulation.plant_names import PLANTS

YEAR = 365.0
"""Days of a year of simulated history."""

MOST_HISTORY = 5 * 365
"""Most days of simulated history: a year takes some seconds."""

INTERRUPTED = 130
"""Exit code of a command after SIGINT, as of a shell."""


class UsageError(Exception):
    """A wrong call of a command. The message says what was found and what is allowed."""


def option_type(parser: toml_table.Parser) -> Callable[[str], Any]:
    """Return a parser of configuration values as the `type` of an option."""

    def parse(text: str) -> Any:
        try:
            return parser(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def choice(words: Sequence[str]) -> Callable[[str], Any]:
    """Return the type of an option whose value is an allowed word."""
    return option_type(toml_table.choice(words))


def several(words: Sequence[str]) -> Callable[[str], Any]:
    """Return the type of an option whose value is a list of allowed words with commas.

    The result is a tuple in the order of `words`.
    """

    def parser(value: object) -> tuple[str, ...]:
        names = [name.strip() for name in str(value).split(",")]
        for name in names:
            if name not in words:
                raise ValueError(f"found {name!r}{toml_table.nearest(name, words)}; allowed: {', '.join(words)}")
        return tuple(name for name in words if name in names)

    return option_type(parser)


def whole(low: int, high: int) -> Callable[[str], Any]:
    """Return the type of an option whose value is a whole number from low to high."""
    checked = toml_table.whole(low, high)
    return option_type(lambda value: checked(int(str(value)) if str(value).isdecimal() else value))


def number(low: float, high: float) -> Callable[[str], Any]:
    """Return the type of an option whose value is a number from low to high."""

    def parser(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = -1.0
        if not low <= number <= high:
            raise ValueError(f"found {value!r}; allowed: a number from {low:g} to {high:g}")
        return number

    return option_type(parser)


def add_devices(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add --device with names and commas, also several times; `meaning`: help text."""
    parser.add_argument(
        "--device",
        type=lambda text: text.split(","),
        action="extend",
        default=[],
        metavar="NAME,...",
        help=meaning,
    )


def add_format(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add --format with table, json and `more` formats."""
    formats = ("table", "json", *more)
    parser.add_argument(
        "--format", type=choice(formats), default="table", metavar="|".join(formats), help="default: table"
    )


def add_lang(parser: argparse.ArgumentParser) -> None:
    """Add --lang. `language` returns the value."""
    parser.add_argument(
        "--lang",
        type=choice(LANGUAGES),
        metavar="|".join(LANGUAGES),
        help="language of the texts (default: zh if the locale is Chinese, else en; JSON and CSV: en)",
    )


def language(options: argparse.Namespace) -> str:
    """Return --lang, else the language of the locale for people, and English for other programs."""
    if options.lang:
        return str(options.lang)
    return LANGUAGES[0] if options.format in ("json", "csv") else language_of(os.environ)


def add_config(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add -c."""
    parser.add_argument("-c", "--config", type=Path, required=required, metavar="FILE", help="the TOML configuration")


def add_plant(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add --plant. default: the plant without the option."""
    described = "; ".join(f"{name}: {summary}" for name, summary in PLANTS.items())
    parser.add_argument(
        "--plant",
        type=choice(tuple(PLANTS)),
        default=default,
        metavar="NAME",
        help=f"simulated factory; {described}" + (f" (default: {default})" if default else ""),
    )


def add_history(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add --history; its value is a number of days, None without the option."""
    parser.add_argument("--history", type=option_type(_days), metavar="LENGTH", help=meaning)


def _days(value: object) -> float:
    """Parse a length such as `1y` or `60d`; ValueError."""
    text = str(value)
    number, unit = text[:-1], text[-1:]
    days = int(number) * {"y": int(YEAR), "d": 1}[unit] if number.isdecimal() and unit in ("y", "d") else -1
    if not 0 <= days <= MOST_HISTORY:
        raise ValueError(f"found {text!r}; allowed: a number of years or days up to 5y, such as 1y or 60d")
    return float(days)


def add_unit(parser: argparse.ArgumentParser) -> None:
    """Add --unit."""
    parser.add_argument("--unit", type=whole(0, 255), metavar="N", help="Modbus address (default: the device's)")


def add_period_ends(parser: argparse.ArgumentParser) -> None:
    """Add --from and --to; `period_ends` returns their values."""
    for option, dest, default in (("--from", "since", "the first stored instant"), ("--to", "until", "now")):
        parser.add_argument(
            option,
            dest=dest,
            type=option_type(period.parse_period_end),
            metavar="TIME",
            help=f"a local day ({'from its beginning' if dest == 'since' else 'to its end'}), or a time such as "
            f"2026-11-01T06:00:00Z (default: {default})",
        )


def period_ends(options: argparse.Namespace, zone: ZoneInfo) -> tuple[int | None, int | None]:
    """Return --from and --to, UTC ns. UsageError when the end is not after the beginning."""
    since = None if options.since is None else period.instant(options.since, zone)
    until = None if options.until is None else period.instant(options.until, zone, last=True)
    if since is not None and until is not None and until <= since:
        raise UsageError(f"found --from {options.since} --to {options.until}; allowed: an end after the beginning")
    return since, until


def check_period(option: period.PeriodOption, zone: ZoneInfo) -> None:
    """Check --period. UsageError when its end is not after its beginning."""
    try:
        option.bounds(zone)
    except ValueError as error:
        raise UsageError(str(error)) from error
