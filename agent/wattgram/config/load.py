"""One TOML file becomes a Config; every mistake in it is one line, and nothing starts with a mistake."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from wattgram_drivers import catalogue, endpoint
from wattgram_drivers.device import Device, Kind
from wattgram_drivers.driver_errors import MapError
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.plan import is_slow

from wattgram.base import toml_table, units
from wattgram.base.errors import ConfigError
from wattgram.base.toml_table import Table
from wattgram.counters import frozen_device
from wattgram.counters.metering import counter_unit
from wattgram.grid.sources import source_settings
from wattgram.grid.sources.source_settings import SourceConfig
from wattgram.grid.table import FactorTable
from wattgram.mqtt.mqtt_settings import MqttConfig, SparkplugConfig

from . import green_certificates, role_keys
from .goals_table.goals_settings import GoalsConfig
from .green_certificates import CertificatesConfig
from .role_keys import BatteryConfig, EmissionConfig

ROLES = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev", "production", "capture", "fuel")
LOOPBACK = "127.0.0.1:8380"
TOPIC = r"[^/#+\x00][^#+\x00]*"
HOME_ASSISTANT = "homeassistant"
"""What its discovery topics begin with unless its owner says otherwise."""

KIND_OF_ROLE: Mapping[str, Kind] = {
    **dict.fromkeys(("grid", "load", "ev"), "meter"),
    **dict.fromkeys(("pv", "wind", "hydro", "genset", "chp"), "inverter"),
    "battery": "battery",
}
"""Which member of a SunSpec unit a role means when its driver names none."""

AMOUNTS = ("production", "capture", "fuel")
"""Roles that count an amount, not energy."""

GROUPS = ("industry", "power", "building", "transport")


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """The place: its name in tags and topics, its local time, the period of its balance in s."""

    name: str
    timezone: ZoneInfo
    tick: float = 1.0


@dataclass(frozen=True, slots=True)
class GridConfig:
    """Which factor stands for the grid; `factor` in g/kWh replaces the zone's; `sources` are asked before, in order."""

    zone: str = "CN-CQ"
    basis: str = "direct"
    method: str = "proportional"
    factor: float | None = None
    sources: tuple[SourceConfig, ...] = ()
    certificates: CertificatesConfig | None = None


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """A device and where it is. `device` is its map, None for a SunSpec device, which tells about itself.

    With a `slow_interval` the quantities in `slow`, or where it is empty those that change slowly by the vocabulary,
    are read once in that many seconds only. `frozen_after`: seconds after which values that all stand still while power
    flows are not believed. `battery` is about role battery, `emission` about those that produce.
    """

    name: str
    role: str
    driver: str
    device: Device | None
    endpoint: Endpoint
    unit: int
    interval: float = 1.0
    invert: bool = False
    rated_power: float | None = None
    group: str = ""
    quantities: tuple[str, ...] = ()
    timeout: float | None = None
    slow_interval: float | None = None
    slow: tuple[str, ...] = ()
    frozen_after: float = frozen_device.FROZEN
    battery: BatteryConfig = field(default_factory=BatteryConfig)
    emission: EmissionConfig = field(default_factory=EmissionConfig)


@dataclass(frozen=True, slots=True)
class InfluxConfig:
    """A database that takes InfluxDB's v2 write call."""

    url: str
    org: str
    bucket: str
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    """The durable buffer: a directory, bytes at most, seconds of history, seconds between syncs."""

    path: Path
    max_size: int = 2**30
    keep: float = 30 * 86400.0
    sync: float = 1.0


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The live page: where it listens ("" = not at all) and the token that another than loopback demands.

    `cors`: the origin whose pages may read here too, None for no other.
    """

    listen: str = LOOPBACK
    token: str | None = field(default=None, repr=False)
    cors: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, without mistakes."""

    site: SiteConfig
    devices: tuple[DeviceConfig, ...]
    spool: SpoolConfig
    grid: GridConfig = GridConfig()
    mqtt: MqttConfig | None = None
    influxdb: InfluxConfig | None = None
    http: HttpConfig = HttpConfig()
    maps: Path | None = None
    goals: GoalsConfig = field(default_factory=GoalsConfig)


def load(path: Path) -> Config:
    """Read a configuration; ConfigError with every mistake in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: byte {error.start}: found no UTF-8; allowed: TOML in UTF-8"]) from error
    return read(text, path)


def read(text: str, path: Path) -> Config:
    """A Config from TOML text; `path` names it in mistakes and is where relative files and maps are looked for."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: not TOML: {error}"]) from error
    mistakes: list[str] = []
    top = Table(str(path), "", data, mistakes)
    maps = path.parent / "devices.d"
    maps_or_none = maps if maps.is_dir() else None
    site = _site(top.table("site", required=True))
    grid = _grid(top.table("grid"), path.parent, site.timezone, broker="mqtt" in data)
    devices = _devices(top.tables("device", required=True), maps_or_none)
    broker, database = top.table("mqtt"), top.table("influxdb")
    mqtt = _mqtt(broker, path.parent) if "mqtt" in data else None
    influxdb = _influxdb(database, path.parent) if "influxdb" in data else None
    spool = _spool(top.table("spool"))
    http = _http(top.table("http"), path.parent)
    aims = top.table("goals")
    goals = _goals(aims, devices, path.parent) if "goals" in data else GoalsConfig()
    top.done()
    if mistakes:
        raise ConfigError(mistakes)
    return Config(site, devices, spool, grid, mqtt, influxdb, http, maps_or_none, goals)


def _site(table: Table) -> SiteConfig:
    name = table.take("name", toml_table.matching(r"[a-z0-9-]{1,64}", "1 to 64 of a-z, 0-9 and -"), toml_table.REQUIRED)
    zones = toml_table.choice(sorted(available_timezones()), "a name of the IANA zone database")
    zone = table.take("timezone", zones, "UTC")
    tick = table.take("tick", toml_table.bounded(units.duration, 0.1, 900.0, "100ms to 15min"), 1.0)
    if tick and abs(900.0 / tick - round(900.0 / tick)) > 1e-9:
        table.mistake("tick", f'found {tick:g}s; allowed: a part of 15 minutes, such as "1s", "5s" or "1min"')
    table.done()
    return SiteConfig(name or "", ZoneInfo(zone or "UTC"), tick or 1.0)


def _grid(table: Table, directory: Path, zone: ZoneInfo, *, broker: bool) -> GridConfig:
    factors = FactorTable.shipped()
    basis = table.take("basis", toml_table.choice(["direct", "lifecycle"]), "direct")
    sources = (source_settings.read(one, directory, basis, zone, broker=broker) for one in table.tables("source"))
    grid = GridConfig(
        zone=table.take("zone", toml_table.choice(factors.zones, "a zone of the shipped table"), "CN-CQ"),
        basis=basis,
        method=table.take("method", toml_table.choice(["proportional", "local-first"]), "proportional"),
        factor=table.take("factor_g_per_kwh", toml_table.number(0.0, 2000.0), None),
        sources=tuple(one for one in sources if one is not None),
        certificates=_certificates(table.table("certificates"), directory, zone)
        if "certificates" in table.data
        else None,
    )
    table.done()
    return grid


def _certificates(table: Table, directory: Path, zone: ZoneInfo) -> CertificatesConfig | None:
    path = table.take("path", toml_table.text, toml_table.REQUIRED)
    factor = table.take("factor_g_per_kwh", toml_table.number(0.0, 2000.0), 0.0)
    table.done()
    if not path:
        return None
    try:
        green_certificates.read(directory / path, zone)
    except ConfigError as error:
        table.mistakes += error.mistakes
    return CertificatesConfig(directory / path, factor or 0.0)


def _devices(tables: Sequence[Table], maps: Path | None) -> tuple[DeviceConfig, ...]:
    devices: list[DeviceConfig] = []
    names: set[str] = set()
    lines: dict[str, Endpoint] = {}
    for table in tables:
        device = _device(table, maps)
        if device.name in names:
            table.mistake("name", f"found {device.name!r} a second time; allowed: one name a device")
        names.add(device.name)
        where = device.endpoint
        if where is not None and lines.setdefault(where.key, where) != where:
            table.mistake(
                "url",
                f"found {str(where)!r}; allowed: the settings of the other devices on this line, "
                f"{str(lines[where.key])!r}",
            )
        devices.append(device)
    _one_pool(tables, devices)
    return _with_fuel_meters(tables, devices)


def _one_pool(tables: Sequence[Table], devices: Sequence[DeviceConfig]) -> None:
    """Report the batteries without a capacity when others have one."""
    batteries = [table for table, one in zip(tables, devices, strict=True) if one.role == "battery"]
    if any("capacity" in table.data for table in batteries):
        for table in batteries:
            if "capacity" not in table.data:
                table.mistake("capacity", "missing; batteries are one pool, so each has a capacity or none has")


def _with_fuel_meters(tables: Sequence[Table], devices: Sequence[DeviceConfig]) -> tuple[DeviceConfig, ...]:
    named = {one.name: one.role for one in devices}
    counted = {one.name: _counted(one) for one in devices if one.role == "fuel"}
    owners: dict[str, str] = {}
    return tuple(
        replace(one, emission=role_keys.metered(table, one.emission, one.role, named, counted, owners))
        for table, one in zip(tables, devices, strict=True)
    )


def _counted(one: DeviceConfig) -> str | None:
    """The unit in which a device counts what its role names, "" when it does not, None when its driver is a mistake."""
    if one.device is None:
        return "" if catalogue.is_sunspec(one.driver) else None
    return counter_unit(one.device, one.role, one.quantities)


def _goals(table: Table, devices: Sequence[DeviceConfig], directory: Path) -> GoalsConfig:
    from .goals_table import goals_reader, meters  # noqa: PLC0415 - 1 MB that a site without goals of its own need not carry

    known = {
        one.name: meters.GoalMeter(
            one.role,
            _counted(one) if one.role in AMOUNTS else "",
            frozenset(one.quantities or one.device.quantities) if one.device else None,
        )
        for one in devices
        if one.name
    }
    return goals_reader.read(table, known, directory)


def _device(table: Table, maps: Path | None) -> DeviceConfig:
    spelling = toml_table.matching(r"[a-z0-9][a-z0-9_-]{0,63}", "1 to 64 of a-z, 0-9, - and _")
    name = table.take("name", spelling, toml_table.REQUIRED)
    if name:
        table.rename(f"{table.place} ({name})")
    role = table.take("role", toml_table.choice(ROLES), toml_table.REQUIRED)
    driver = table.take("driver", _driver(maps), toml_table.REQUIRED)
    device: Device | None = None
    if driver and not catalogue.is_sunspec(driver):
        try:
            device = catalogue.load(driver, maps)
        except MapError as error:
            for mistake in error.mistakes:
                table.mistake("driver", mistake)
    where: Endpoint = table.take("url", _url, toml_table.REQUIRED)
    default_unit = device.unit if device else 1
    highest = 247 if where is not None and not where.addressed else 255
    unit = table.take("unit", toml_table.whole(0 if highest == 255 else 1, highest), default_unit)
    known = toml_table.choice(device.quantities, "a quantity of the driver") if device else toml_table.text
    made = DeviceConfig(
        name=name or "",
        role=role or "",
        driver=driver or "",
        device=device,
        endpoint=where,
        unit=unit if unit is not None else 1,
        interval=table.take("interval", toml_table.bounded(units.duration, 0.1, 86400.0, "100ms to 1d"), 1.0) or 1.0,
        invert=table.take("invert", toml_table.flag, False),
        rated_power=table.take("rated_power", toml_table.bounded(units.power, 1.0, 1e10, "1 W to 10000 MW"), None),
        group=table.take("group", toml_table.choice(GROUPS), ""),
        quantities=tuple(table.take("quantities", toml_table.listed(known), ()) or ()),
        timeout=table.take("timeout", toml_table.bounded(units.duration, 0.01, 60.0, "10ms to 1min"), None),
        slow_interval=table.take(
            "slow_interval", toml_table.bounded(units.duration, 0.1, 86400.0, "100ms to 1d"), None
        ),
        slow=tuple(table.take("slow", toml_table.listed(known), ()) or ()),
        frozen_after=table.take("frozen_after", toml_table.bounded(units.duration, 60.0, 604800.0, "1min to 7d"), None)
        or frozen_device.FROZEN,
        battery=role_keys.battery(table) if role == "battery" else BatteryConfig(),
        emission=role_keys.emission(table, role),
    )
    role_keys.refuse_others(table, role)
    _two_speeds(table, made)
    table.done()
    return made


def _driver(maps: Path | None) -> toml_table.Parser:
    listed = toml_table.choice([*catalogue.names(maps), *catalogue.SUNSPEC_MEMBERS], "a driver of `wattgram drivers`")
    return lambda value: value if isinstance(value, str) and catalogue.is_sunspec(value) else listed(value)


def _two_speeds(table: Table, device: DeviceConfig) -> None:
    """What cannot be about fast and slow quantities."""
    found = table.data.get("slow_interval")
    if found is None:
        if "slow" in table.data:
            table.mistake("slow", 'found without slow_interval; allowed: with one, such as slow_interval = "1min"')
        return
    if device.slow_interval is not None:
        times = device.slow_interval / device.interval
        if times < 1.0 - 1e-9 or abs(times - round(times)) > 1e-9 * times:
            nearest = device.interval * max(1, round(times))
            table.mistake(
                "slow_interval",
                f"found {found!r}, nearest: '{nearest:g}s'; allowed: a whole multiple of the interval, "
                f"which is {device.interval:g}s",
            )
    if table.data.get("slow") == []:
        table.mistake("slow", "found []; allowed: at least one quantity, or no slow at all")
    if device.device is None:
        return
    offered = device.quantities or device.device.quantities
    slow = device.slow or tuple(name for name in offered if is_slow(name))
    if offered and set(offered) <= set(slow):
        table.mistake(
            "slow_interval", f"found with slow quantities only; allowed: interval = {found!r} without slow_interval"
        )


def _url(value: object) -> Endpoint:
    return endpoint.parse(toml_table.text(value))


def _mqtt(table: Table, directory: Path) -> MqttConfig:
    address = table.take("url", toml_table.address({"mqtt": 1883, "mqtts": 8883}), toml_table.REQUIRED)
    scheme, host, port = address or ("mqtt", "", 0)
    mqtt = MqttConfig(
        host=host,
        port=port,
        tls=scheme == "mqtts",
        username=table.take("username", toml_table.text, None),
        password=table.take("password", toml_table.secret(directory), None),
        prefix=table.take("prefix", toml_table.matching(TOPIC, "a topic without # and +"), "wattgram"),
        client_id=table.take("client_id", toml_table.text, None),
        ca=table.take("ca", toml_table.file(directory), None),
        cert=table.take("cert", toml_table.file(directory), None),
        key=table.take("key", toml_table.file(directory), None),
        homeassistant=table.take("homeassistant", _homeassistant, None),
        sparkplug=_sparkplug(table.table("sparkplug")) if "sparkplug" in table.data else None,
    )
    if mqtt.password is not None and mqtt.username is None:
        table.mistake("username", "missing; a password needs one")
    if (mqtt.cert is None) != (mqtt.key is None):
        table.mistake("key" if mqtt.key is None else "cert", "missing; a client certificate needs cert and key")
    if not mqtt.tls and (mqtt.ca or mqtt.cert):
        table.mistake("url", "found mqtt:// with certificates; allowed: mqtts:// when ca, cert or key is given")
    table.done()
    return mqtt


def _homeassistant(value: object) -> str | None:
    if isinstance(value, bool):
        return HOME_ASSISTANT if value else None
    if not isinstance(value, str) or not re.fullmatch(TOPIC, value) or value.endswith("/"):
        raise ValueError(f"found {value!r}; allowed: true, false, or Home Assistant's discovery prefix")
    return value


def _sparkplug(table: Table) -> SparkplugConfig:
    name = toml_table.matching(r"[^/#+\x00]{1,128}", "1 to 128 characters without /, # and +")
    made = SparkplugConfig(
        group=table.take("group", name, toml_table.REQUIRED) or "",
        node=table.take("node", name, toml_table.REQUIRED) or "",
        host=table.take("host", name, None),
    )
    table.done()
    return made


def _influxdb(table: Table, directory: Path) -> InfluxConfig:
    address = table.take("url", toml_table.address({"http": 80, "https": 443}), toml_table.REQUIRED)
    influxdb = InfluxConfig(
        url=str(table.data.get("url", "")).rstrip("/") if address else "",
        org=table.take("org", toml_table.text, ""),
        bucket=table.take("bucket", toml_table.matching(r".+", "a bucket's name"), toml_table.REQUIRED) or "",
        token=table.take("token", toml_table.secret(directory), None),
        ca=table.take("ca", toml_table.file(directory), None),
    )
    table.done()
    return influxdb


def _spool(table: Table) -> SpoolConfig:
    spool = SpoolConfig(
        path=Path(table.take("path", toml_table.text, None) or state_directory()),
        max_size=int(table.take("max_size", toml_table.bounded(units.size, 2**22, 2**50, "4MiB and up"), 2**30) or 0),
        keep=table.take("keep", toml_table.bounded(units.duration, 3600.0, 3.2e8, "1h to 10 years"), 30 * 86400.0)
        or 0.0,
        sync=table.take("sync", toml_table.bounded(units.duration, 0.1, 60.0, "100ms to 1min"), 1.0) or 0.0,
    )
    table.done()
    return spool


def state_directory() -> Path:
    """Where state is kept when the configuration does not say: systemd's directory, else the user's."""
    if systemd := os.environ.get("STATE_DIRECTORY"):
        return Path(systemd.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "wattgram"


def _http(table: Table, directory: Path) -> HttpConfig:
    listen: str = table.take("listen", toml_table.listen, LOOPBACK)
    token: str | None = table.take("token", toml_table.secret(directory), None)
    origin = r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?"
    allowed = "one origin in small letters, such as https://scada.example, without a path"
    cors: str | None = table.take("cors", toml_table.matching(origin, allowed), None)
    if listen and token is None and not listen.startswith(("127.", "localhost:", "[::1]:")):
        table.mistake("token", f"missing; listening on {listen!r}, which is not loopback, needs one")
    table.done()
    return HttpConfig(listen or "", token, cors)
