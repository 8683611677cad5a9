"""The table `[mqtt]`: the settings of the broker connection, which sinks and grid sources share, and their reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wattgram.base import toml_table
from wattgram.base.proxies import ProxyKeys, read_proxy
from wattgram.base.tls import check_key
from wattgram.base.toml_table import Table

TOPIC = r"[^/#+\x00][^#+\x00]*"
"""Pattern of a topic prefix."""

HOME_ASSISTANT = "homeassistant"
"""Home Assistant's own default of its discovery prefix."""


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """Settings of a broker. `homeassistant`: prefix of Home Assistant's discovery topics, None without discovery."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    prefix: str = "wattgram"
    client_id: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    homeassistant: str | None = None
    key_password: str | None = field(default=None, repr=False)
    proxy: ProxyKeys | None = None


def client_id_of(settings: MqttConfig, site: str) -> str:
    """Return the client id of a site's connection: a fixed one, so that a broker ends the earlier connection."""
    return settings.client_id or f"wattgram-{site}"


def direct_address(settings: MqttConfig) -> tuple[str, int] | None:
    """Return host and port of the broker, None for a broker behind a proxy."""
    return None if settings.proxy and settings.proxy.address else (settings.host, settings.port)


def read(
    table: Table, directory: Path, inside: Mapping[str, Callable[[Table, Path], object]]
) -> tuple[MqttConfig, dict[str, object]]:
    """Read `[mqtt]` and the tables inside [mqtt]; mistakes go to the table.

    Relative files are in `directory`. `inside`: readers of the tables inside, by name; their results have the same
    names.
    """
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
        key_password=table.take("key_password", toml_table.secret(directory), None),
        proxy=read_proxy(table, directory),
    )
    tables = {name: table.table(name) for name in inside}
    settings = {name: inside[name](found, directory) for name, found in tables.items() if name in table.data}
    if mqtt.password is not None and mqtt.username is None:
        table.mistake("username", "missing; a password needs one")
    if (mqtt.cert is None) != (mqtt.key is None):
        table.mistake("key" if mqtt.key is None else "cert", "missing; a client certificate needs cert and key")
    if mqtt.key_password is not None and mqtt.key is None and "key" not in table.data:
        table.mistake("key_password", "found without key; allowed: with the key that it opens")
    if mqtt.cert is not None and mqtt.key is not None and ("key_password" not in table.data or mqtt.key_password):
        try:
            check_key(mqtt.cert, mqtt.key, mqtt.key_password)
        except ValueError as error:
            table.mistake("key", str(error))
    if not mqtt.tls and (mqtt.ca or mqtt.cert):
        table.mistake("url", "found mqtt:// with certificates; allowed: mqtts:// when ca, cert or key is given")
    table.done()
    return mqtt, settings


def _homeassistant(value: object) -> str | None:
    if isinstance(value, bool):
        return HOME_ASSISTANT if value else None
    if not isinstance(value, str) or not re.fullmatch(TOPIC, value) or value.endswith("/"):
        raise ValueError(f"found {value!r}; allowed: true, false, or Home Assistant's discovery prefix")
    return value
