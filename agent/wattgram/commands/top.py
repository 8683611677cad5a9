"""`wattgram top`: options of the terminal view."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from wattgram.base.secret import SecretFile
from wattgram.base.toml_table import address
from wattgram.config.http_table import LOOPBACK

from .arguments import UsageError, option_type
from .state_stream import states

EXAMPLE = "wattgram top"

RECONNECT_PAUSE = 2.0
"""Seconds before the stream is opened again."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add URL and --token-file."""
    parser.add_argument(
        "url",
        nargs="?",
        type=option_type(_gateway_url),
        default=f"http://{LOOPBACK}",
        metavar="URL",
        help="URL of the live page of the gateway (default: %(default)s)",
    )
    parser.add_argument("--token-file", type=Path, metavar="PATH", help="file with the token of [http]")


def run(options: argparse.Namespace) -> int:
    """Show the state of a gateway until Ctrl-C."""
    try:
        from rich.console import Console

        from .terminal_view import watch
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed: {sys.executable} -m pip install rich") from error

    console = Console()
    if not console.is_terminal:
        raise UsageError("found an output that is not a terminal; allowed: a terminal (programs read /api/now)")
    try:
        token = SecretFile(options.token_file).text() if options.token_file else None
    except ValueError as error:
        raise UsageError(f"--token-file: {options.token_file}: {error}") from error
    watch(states(options.url, token, lambda: time.sleep(RECONNECT_PAUSE)), options.url, console)
    return 0


def _gateway_url(value: object) -> str:
    address({"http": 80, "https": 443})(value)
    return str(value)
