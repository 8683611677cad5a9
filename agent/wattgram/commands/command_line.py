"""Parser of the command line: the command, and its options by the module of the command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from wattgram import __version__
from wattgram.base.toml_table import nearest

from .command_table import COMMANDS, Command


class CommandParser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def parse(arguments: Sequence[str]) -> tuple[Command, argparse.Namespace]:
    """Return the called command and its options, with the name of the command as `name`.

    SystemExit after help (0) or a mistake (2).
    """
    parser = CommandParser(
        prog="wattgram",
        description="Reads PV inverters and industrial meters over Modbus and computes the site's CO2 intensity.",
        epilog="example: wattgram demo --seconds 20",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wattgram {__version__}")
    called = next((argument for argument in arguments if not argument.startswith("-")), "")
    if called and called not in COMMANDS:
        parser.error(f"found command {called!r}{nearest(called, COMMANDS)}; allowed: {', '.join(COMMANDS)}")
    command = COMMANDS[called].load() if called else None
    subparsers = parser.add_subparsers(title="commands", dest="name", required=True, metavar="COMMAND")
    for name, entry in COMMANDS.items():
        command_parser = subparsers.add_parser(
            name,
            help=entry.summary,
            description=entry.summary[0].upper() + entry.summary[1:] + ".",
            allow_abbrev=False,
        )
        command_parser.add_argument("-v", "--verbose", action="store_true", help="log details to stderr")
        if command is not None and name == called:
            command_parser.epilog = f"example: {command.EXAMPLE}"
            command.add_options(command_parser)
    options = parser.parse_args(arguments)
    assert command is not None  # without a command, parse_args has ended the process
    return command, options
