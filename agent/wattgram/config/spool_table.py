"""The table `[spool]`: the settings of the durable buffer and their reader."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wattgram.base import toml_table, units
from wattgram.base.toml_table import Table


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    """Settings of the spool: its directory, its largest size in bytes, s of history, s between syncs.

    refused_size: limit of the refused records, bytes.
    """

    path: Path
    max_size: int = 2**30
    keep: float = 30 * 86400.0
    sync: float = 1.0
    refused_size: int = 2**24


def read(table: Table) -> SpoolConfig:
    """Read `[spool]`; mistakes go to the table."""
    spool = SpoolConfig(
        path=Path(table.take("path", toml_table.text, None) or state_directory()),
        max_size=int(table.take("max_size", toml_table.bounded(units.size, 2**22, 2**50, "4MiB and up"), 2**30) or 0),
        keep=table.take("keep", toml_table.bounded(units.duration, 3600.0, 3.2e8, "1h to 10 years"), 30 * 86400.0)
        or 0.0,
        sync=table.take("sync", toml_table.bounded(units.duration, 0.1, 60.0, "100ms to 1min"), 1.0) or 0.0,
        refused_size=int(
            table.take("refused_size", toml_table.bounded(units.size, 2**16, 2**40, "64KiB to 1TiB"), 2**24) or 0
        ),
    )
    table.done()
    return spool


def state_directory() -> Path:
    """Return the directory of the state without a configured one: that of systemd, else that of the user."""
    if systemd := os.environ.get("STATE_DIRECTORY"):
        return Path(systemd.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "wattgram"
