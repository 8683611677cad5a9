"""The table `[mqtt]`: a broker and how the gateway speaks to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SparkplugConfig:
    """Whom this gateway is among Sparkplug's edge nodes; `host`: the primary host without which nothing is sent."""

    group: str
    node: str
    host: str | None = None


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """A broker; `homeassistant`: what Home Assistant's discovery topics begin with, None without discovery."""

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
    sparkplug: SparkplugConfig | None = None
