"""The whole configuration: one TOML file becomes a Config, or a list of all mistakes in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wattgram.base.errors import ConfigError
from wattgram.base.toml_table import Table
from wattgram.base.toml_text import parsed
from wattgram.base.untrusted import content, decoded
from wattgram.mqtt import mqtt_settings
from wattgram.mqtt.mqtt_settings import MqttConfig

from . import (
    accounts_table,
    correction_table,
    devices_table,
    evidence_table,
    grid_table,
    http_table,
    invoice_table,
    role_check,
    site_table,
    spool_table,
)
from .accounts_table import AccountsConfig
from .correction_table import CorrectionConfig
from .devices_table import DeviceConfig
from .evidence_table import EvidenceConfig
from .goals_table.goals_settings import GoalsConfig
from .grid_table import GridConfig
from .http_table import HttpConfig
from .invoice_table import InvoiceConfig
from .site_table import SiteConfig
from .spool_table import SpoolConfig

CONFIG_BYTES = 2 << 20
"""Largest size of a configuration file, bytes: 500 devices are 100 kB."""

TableReader = Callable[[Table, Path], object]
"""Makes the settings of a table; relative files are in the directory; mistakes go to the table."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, without mistakes.

    `mqtt`: the broker, which sinks and grid sources share. `sinks`: settings of the other sinks, by the name of their
    table, such as influxdb or mqtt.sparkplug. `corrections`: in the order of their time.
    """

    site: SiteConfig
    devices: tuple[DeviceConfig, ...]
    spool: SpoolConfig
    grid: GridConfig
    mqtt: MqttConfig | None = None
    sinks: Mapping[str, object] = field(default_factory=dict)
    http: HttpConfig = field(default_factory=HttpConfig)
    maps: Path | None = None
    goals: GoalsConfig = field(default_factory=GoalsConfig)
    accounts: AccountsConfig = field(default_factory=AccountsConfig)
    evidence: EvidenceConfig = field(default_factory=EvidenceConfig)
    corrections: tuple[CorrectionConfig, ...] = ()
    invoices: tuple[InvoiceConfig, ...] = ()


def load(path: Path, sinks: Mapping[str, TableReader]) -> Config:
    """Read a configuration file; ConfigError with all its mistakes. `sinks`: as in `read`."""
    try:
        text = decoded(content(path, CONFIG_BYTES))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except ValueError as error:
        raise ConfigError([f"{path}: {error}"]) from error
    return read(text, path, sinks)


def read(text: str, path: Path, sinks: Mapping[str, TableReader]) -> Config:
    """Make a Config from TOML text; ConfigError with all its mistakes.

    `path` is the name of the file in mistakes; relative files and devices.d are in its directory. `sinks`: readers of
    the sinks' tables by name; "mqtt.NAME" is a table inside [mqtt].
    """
    try:
        data = parsed(text)
    except ValueError as error:
        raise ConfigError([f"{path}: {error}"]) from error
    mistakes: list[str] = []
    directory = path.parent
    top = Table(str(path), "", data, mistakes)
    maps = directory / "devices.d"
    maps_or_none = maps if maps.is_dir() else None
    site = site_table.read(top.table("site", required=True))
    grid = grid_table.read(top.table("grid"), directory, site, _spool_path(data), broker="mqtt" in data)
    of_devices = top.tables("device", required=True)
    devices = devices_table.read(of_devices, maps_or_none, grid.netting)
    inside = {name.removeprefix("mqtt."): reader for name, reader in sinks.items() if name.startswith("mqtt.")}
    broker = top.table("mqtt")
    tables = {name: top.table(name) for name in sinks if "." not in name}
    mqtt, settings = mqtt_settings.read(broker, directory, inside) if "mqtt" in data else (None, {})
    of_sinks = {f"mqtt.{name}": found for name, found in settings.items()}
    of_sinks |= {name: sinks[name](table, directory) for name, table in tables.items() if name in data}
    spool = spool_table.read(top.table("spool"))
    devices = role_check.checked(of_devices, devices, spool.path, site.name)
    http = http_table.read(top.table("http"), directory)
    accounts = accounts_table.read(top.table("accounts"))
    evidence = evidence_table.read(top.table("evidence"), directory)
    corrections = correction_table.read(top.tables("correction"), devices, site.timezone, spool.path, site.name)
    invoices = invoice_table.read(top.tables("invoice"), devices, site.timezone, directory)
    aims = top.table("goals")
    goals = _goals(aims, devices, directory) if "goals" in data else GoalsConfig()
    top.done()
    if mistakes:
        raise ConfigError(mistakes)
    return Config(
        site, devices, spool, grid, mqtt, of_sinks, http, maps_or_none, goals, accounts, evidence, corrections, invoices
    )


def _spool_path(data: Mapping[str, Any]) -> Path:
    """Return the folder of the spool; mistakes in its table are reported in their turn."""
    spool = data.get("spool")
    return spool_table.read(Table("", "spool", spool if isinstance(spool, dict) else {}, [])).path


def _goals(table: Table, devices: Sequence[DeviceConfig], directory: Path) -> GoalsConfig:
    from .goals_table import goals_reader, meters  # noqa: PLC0415 - 1 MB that only a site with [goals] needs

    stored = {name for battery in devices if battery.role == "battery" for name in battery.behind}
    known = {
        device.name: meters.GoalMeter(
            device.role,
            devices_table.counted_unit(device) if device.role in devices_table.AMOUNTS else "",
            frozenset(device.quantities or device.device.quantities) if device.device else None,
            device.name in stored,  # many maps of string inverters have a terminal, for models with a battery
        )
        for device in devices
        if device.name
    }
    return goals_reader.read(table, known, directory)
