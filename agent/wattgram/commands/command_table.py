"""The table of the commands. A new command is one new module and one line here."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast


class Command(Protocol):
    """What the module of a command provides. `EXAMPLE`: a call for the end of `wattgram NAME --help`."""

    EXAMPLE: str

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments and options of the command."""
        ...

    def run(self, options: argparse.Namespace) -> int:
        """Run the command; return the exit code.

        UsageError, ConfigError, DriverError, SpoolError, HistoryError and OSError become one line on stderr.
        """
        ...


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A line of the table: full name of the module, and the summary for `wattgram --help`."""

    module: str
    summary: str

    def load(self) -> Command:
        """Import the module."""
        return cast(Command, import_module(self.module))


COMMANDS: Mapping[str, CommandEntry] = {
    "demo": CommandEntry("wattgram.commands.demo", "run a simulated factory with the real daemon and its live page"),
    "run": CommandEntry("wattgram.commands.run", "run the daemon: read devices, compute and publish until stopped"),
    "check": CommandEntry("wattgram.commands.check", "validate a configuration and print its poll plan"),
    "scan": CommandEntry(
        "wattgram.commands.scan",
        "find devices on a host, a network or a serial line, and print [[device]] blocks for the configuration",
    ),
    "read": CommandEntry("wattgram.commands.read", "read a device once"),
    "top": CommandEntry("wattgram.commands.top", "show devices, flows and sinks of a running gateway on the terminal"),
    "drivers": CommandEntry("wattgram.commands.drivers", "list the catalogue, or show one register map"),
    "zones": CommandEntry(
        "wattgram.commands.zones", "list the zones of the factor tables with g/kWh, clean share and source"
    ),
    "simulate": CommandEntry(
        "wattgram.commands.simulate", "serve simulated devices: all devices of a configuration, or one of the catalogue"
    ),
    "report": CommandEntry(
        "wattgram.commands.report",
        "print the energy and carbon ledger with coverage and provenance, from the stored history",
    ),
    "goals": CommandEntry(
        "wattgram.commands.goals",
        "print every claim of the two articles with its indicator, target and state, from the stored history",
    ),
    "replay": CommandEntry(
        "wattgram.commands.replay",
        "compute results again from stored readings, with current factors and late grid values",
    ),
    "explain": CommandEntry(
        "wattgram.commands.explain_result",
        "print how one result was computed, from the registers to the number, with arithmetic for a calculator",
    ),
    "correct": CommandEntry(
        "wattgram.commands.correct",
        "correct wrong values of the past, such as a wrong CT ratio, after showing what changes",
    ),
    "withdraw": CommandEntry(
        "wattgram.commands.withdraw", "remove what the broker retains of a site: announcements, status, goals, seal"
    ),
    "export": CommandEntry(
        "wattgram.commands.export",
        "write readings and results of the stored history as CSV, Parquet or line protocol",
    ),
    "seal": CommandEntry(
        "wattgram.commands.seal", "show the log of the site and its public key, write the log to a tar file"
    ),
    "verify": CommandEntry("wattgram.commands.verify", "compare exported records with the log of their gateway"),
}
"""The commands by name, in the order of `wattgram --help`. Only the module of the called command is imported."""
