"""Reading a configuration with the tables of all sinks."""

from __future__ import annotations

from pathlib import Path

from wattgram.base.toml_table import Table
from wattgram.config import load as whole
from wattgram.config.load import Config, TableReader

from .sinks import SINKS
from .sinks.sink import sink_module


def load(path: Path) -> Config:
    """Read a configuration file; ConfigError with all its mistakes."""
    return whole.load(path, _readers())


def read(text: str, path: Path) -> Config:
    """Make a Config from TOML text; ConfigError with all its mistakes.

    `path` is the name of the file in mistakes; relative files and devices.d are in its directory.
    """
    return whole.read(text, path, _readers())


def _readers() -> dict[str, TableReader]:
    """Return the readers of the sinks' tables; [mqtt] itself belongs to grid sources, too, and has its own reader."""
    return {table: _reader(table) for table in SINKS if table != "mqtt"}


def _reader(name: str) -> TableReader:
    def read_table(table: Table, directory: Path) -> object:
        return sink_module(name).read(table, directory)

    return read_table
