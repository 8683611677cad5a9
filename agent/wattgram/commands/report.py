"""`wattgram report`: options and formats of the energy and carbon ledger."""

from __future__ import annotations

import argparse

from wattgram.base.clock import Clock
from wattgram.base.period import PeriodOption, parse_period
from wattgram.delivery.configuration import load
from wattgram.formats.language import translate

from .arguments import add_config, add_format, add_lang, check_period, language, option_type

EXAMPLE = "wattgram report -c site.toml --period 2026-11-01..2026-11-30 --format html > november.html"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, --period, --format and --lang."""
    add_config(parser)
    parser.add_argument(
        "--period",
        type=option_type(parse_period),
        default=PeriodOption("day"),
        metavar="day|month|year|FROM..TO",
        help="one row for each stored day (default), month or year; or the interval FROM..TO: local dates, "
        "TO included, or times such as 2026-11-01T06:00:00Z",
    )
    add_format(parser, "csv", "html")
    add_lang(parser)


def run(options: argparse.Namespace) -> int:
    """Print the ledger."""
    from wattgram.reports import report_html, site_report

    config = load(options.config)
    check_period(options.period, config.site.timezone)
    report = site_report.report(config, options.period, Clock().time())
    if options.format == "csv":
        print(site_report.as_csv(report), end="")
    elif options.format == "json":
        print(site_report.as_json(report))
    elif options.format == "html":
        print(report_html.page(report, language(options)), end="")
    else:
        print(site_report.as_table(report, translate(language(options))))
    return 0
