"""The sink `[mqtt.sparkplug]`: its settings, its reader and its factory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wattgram.base import toml_table
from wattgram.base.clock import Clock
from wattgram.base.toml_table import Table
from wattgram.config.load import Config
from wattgram.delivery.sinks.sink import Sink


@dataclass(frozen=True, slots=True)
class SparkplugConfig:
    """Names of the gateway's edge node. `host`: the primary host without which no data is sent, None for none."""

    group: str
    node: str
    host: str | None = None


def read(table: Table, directory: Path) -> SparkplugConfig:
    """Read `[mqtt.sparkplug]`; mistakes go to the table."""
    name = toml_table.matching(r"[^/#+\x00]{1,128}", "1 to 128 characters without /, # and +")
    names = SparkplugConfig(
        group=table.take("group", name, toml_table.REQUIRED) or "",
        node=table.take("node", name, toml_table.REQUIRED) or "",
        host=table.take("host", name, None),
    )
    table.done()
    return names


def made(settings: SparkplugConfig, config: Config, clock: Clock) -> Sink:
    """Make the sink of [mqtt.sparkplug]."""
    from .sparkplug_sink import SparkplugSink  # noqa: PLC0415 - 16 MB that reading the settings does not need

    assert config.mqtt is not None  # the table is inside [mqtt]
    return SparkplugSink(config, config.mqtt, settings, clock)
