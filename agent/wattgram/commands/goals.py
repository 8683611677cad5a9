"""`wattgram goals`: options and formats of the claims."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from wattgram.base.clock import Clock
from wattgram.base.period import parse_period
from wattgram.base.toml_table import choice
from wattgram.delivery.configuration import load
from wattgram.formats.language import translate

from .arguments import UsageError, add_config, add_format, add_lang, check_period, language, option_type

EXAMPLE = "wattgram goals -c site.toml --explain A12"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, --period, --explain, --format and --lang."""
    add_config(parser)
    parser.add_argument(
        "--period",
        type=option_type(parse_period),
        metavar="day|month|year|FROM..TO",
        help="the current day, month or year, or the interval FROM..TO as in `wattgram report` (default: the period "
        "of each claim)",
    )
    parser.add_argument(
        "--explain",
        type=option_type(_claim_id),
        metavar="ID",
        help="one claim, such as A12, with all inputs to compute it again by hand; with --format table or json",
    )
    add_format(parser, "csv", "html")
    add_lang(parser)


def run(options: argparse.Namespace) -> int:
    """Print the claims, or the computation of one claim."""
    from wattgram.goals.cards import explain, html, text
    from wattgram.goals.cards.about import about
    from wattgram.goals.cards.translated import translated
    from wattgram.goals.cards.words import CARD_WORDS
    from wattgram.goals.evaluate import evaluate

    if options.explain and options.format not in ("table", "json"):
        raise UsageError(f"found --explain with --format {options.format}; allowed with it: table, json")
    config, now = load(options.config), Clock().time()
    if options.period:
        check_period(options.period, config.site.timezone)
    lang = language(options)
    people = options.format in ("table", "html")
    cards = [translated(card, lang, units=people) for card in evaluate(config, options.period, now)]
    if options.explain:
        card = next(card for card in cards if card.claim.id == options.explain)
        if options.format == "json":
            print(explain.as_json(card, about(config, now)))
        else:
            print(explain.explain(card, about(config, now), translate(lang)))
    elif options.format == "csv":
        print(text.as_csv(cards), end="")
    elif options.format == "json":
        print(text.as_json(cards))
    elif options.format == "html":
        print(html.page(cards, about(config, now), CARD_WORDS[lang]), end="")
    else:
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else text.TABLE_WIDTH
        colour = terminal and not os.environ.get("NO_COLOR")
        print(text.as_table(cards, colour=colour, width=width, say=translate(lang)))
    return 0


def _claim_id(value: object) -> str:
    """Parse the id of a claim, in upper or lower case."""
    from wattgram.config.goals_table.claims import claims

    return str(choice([claim.id for claim in claims()])(str(value).upper()))
