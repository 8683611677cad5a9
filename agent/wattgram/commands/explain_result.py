"""`wattgram explain`: options and formats of the derivation of one result."""

from __future__ import annotations

import argparse

from wattgram.base import period
from wattgram.base.record import ALL_WINDOWS
from wattgram.delivery.configuration import load
from wattgram.formats.language import translate

from .arguments import add_config, add_format, add_lang, choice, language, option_type

EXAMPLE = "wattgram explain -c site.toml 2026-11-30T12:00:00Z --window 15m"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add TIME, -c, --window, --format and --lang."""
    parser.add_argument(
        "time",
        type=option_type(period.parse_period_end),
        metavar="TIME",
        help="a time such as 2026-11-01T06:00:00Z, or a local day such as 2026-11-01, which means its begin",
    )
    add_config(parser)
    parser.add_argument(
        "--window",
        type=choice(ALL_WINDOWS),
        default="15m",
        metavar="|".join(ALL_WINDOWS),
        help="the result: a tick, quarter of an hour, hour, day or month (default: 15m)",
    )
    add_format(parser)
    add_lang(parser)


def run(options: argparse.Namespace) -> int:
    """Print the derivation. Exit code 1 if a number is not the published one."""
    from wattgram.reports import derivation_text
    from wattgram.reports.derive import derive

    config = load(options.config)
    derivation = derive(config, period.instant(options.time, config.site.timezone), options.window)
    say = translate(language(options))
    if options.format == "json":
        print(derivation_text.as_json(derivation, say))
    else:
        print(derivation_text.as_text(derivation, config.site.timezone, say))
    return 1 if derivation.differing else 0
