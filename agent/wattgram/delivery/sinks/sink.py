"""The interface of a sink, and of the file that makes a sink.

A sink opens, writes and closes. It never buffers records and never retries: `delivery` does both, out of the spool.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from wattgram.base.clock import Clock
from wattgram.base.record import Record
from wattgram.base.refusal import SinkRefusal
from wattgram.base.toml_table import Table
from wattgram.base.watchdog import Pulse
from wattgram.config.load import Config

from . import SINKS

SINK_STEP = 120.0
"""Longest time of one step with a sink, real s: names may resolve slowly, and time-outs add up."""


class Sink(Protocol):
    """A receiver of batches of records."""

    name: str
    """Name of the sink's position in the spool."""
    limit: int
    """Largest number of records in a batch."""
    pulse: Pulse
    """Each request of a write is a step of at most SINK_STEP."""

    async def probe(self) -> str:
        """Test connection and login without leaving data on the server; SinkError with the reason of a failure.

        Return a remark for the operator, "" for none.
        """

    async def open(self) -> None:
        """Connect; SinkError when the server is unavailable."""

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, SinkRefusal]:
        """Deliver records; return when the sink has answered for all of them.

        The result contains the refusals, by index; all other records are accepted. The sink reports answers and does
        not judge: `delivery` decides whether a refusal counts against a record. The first `replayed` records were read
        before an outage ended.

        SinkError lists the records with an answer; the caller retries the rest. RefusalsOnly: the first records were
        refused and none accepted, so the rest was not sent.
        """

    async def close(self) -> None:
        """Disconnect; never raises for a lost connection."""


class SinkModule(Protocol):
    """The file of a sink.

    A library that takes memory is imported where a sink is made, so that commands which only read the configuration
    do without.
    """

    def read(self, table: Table, directory: Path) -> object:
        """Read the table of the sink; relative files are in `directory`; mistakes go to the table.

        The file of the sink mqtt has no reader: [mqtt] is the broker connection, which grid sources share.
        """

    def made(self, settings: Any, config: Config, clock: Clock) -> Sink:
        """Make a sink; `settings` are what `read` returned."""


def sink_module(table: str) -> SinkModule:
    """Import the file of a sink by the name of its table."""
    return cast(SinkModule, import_module(SINKS[table]))
