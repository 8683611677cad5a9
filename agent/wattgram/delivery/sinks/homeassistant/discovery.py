"""Discovery messages of Home Assistant's MQTT integration: a retained message per device, and one for the site.

Format: home-assistant.io, MQTT integration, "Device discovery payload", for Home Assistant 2024.12 and later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from math import ceil

from wattgram import __version__
from wattgram.base.record import Series
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.load import Config
from wattgram.config.sparse_fields import is_sparse

from .entity import Entity, of_quantity, of_site

Options = dict[str, object]

SITE_OBJECT = "site"
DEVICE_PREFIX = "device-"

MESSAGE_DELAY = 60.0
"""Longest delay of a message before Home Assistant hides the value, s."""

EXPIRE_INTERVALS = 3
"""Number of intervals of a device or the balance after which a value expires (SPEC 6.9)."""

WINDOW_SECONDS = {"15m": 900.0, "1d": 86_400.0}


def announcement_base(prefix: str, topic: str) -> str:
    """Return the common start of a site's announcements; `prefix`, `topic`: as of `Discovery`."""
    return f"{prefix}/device/{re.sub('[^a-zA-Z0-9_-]', '-', topic)}"


class Discovery:
    """The announcements of a configured site; the same after every restart."""

    def __init__(self, config: Config, prefix: str, topic: str) -> None:
        """`prefix`: of Home Assistant's discovery. `topic`: common start of the topics of wattgram."""
        self._config = config
        self._devices = {device.name: device for device in config.devices}
        self._topic = topic
        self._unique = f"wattgram/{topic}"
        self._base = announcement_base(prefix, topic)
        self.birth = f"{prefix}/status"
        self.own = f"{self._base}/+/config"

    def topic(self, name: str) -> str:
        """Return the topic of an announcement: of a device by its `name_of`, or of SITE_OBJECT."""
        return f"{self._base}/{name}/config"

    def name_in(self, topic: str) -> str | None:
        """Return the name in the topic of an announcement, None for another topic."""
        found = re.fullmatch(f"{re.escape(self._base)}/([^/]+)/config", topic)
        return found[1] if found else None

    def configured(self, name: str) -> bool:
        """Return whether a name is SITE_OBJECT or belongs to a configured device."""
        return name == SITE_OBJECT or (
            name.startswith(DEVICE_PREFIX) and name.removeprefix(DEVICE_PREFIX) in self._devices
        )

    def name_of(self, series: Series) -> str | None:
        """Return the name of the announcement of a series; None for a series without fields, or not of a device."""
        if series.kind != "device" or not series.fields or series.tag("device") not in self._devices:
            return None
        return DEVICE_PREFIX + series.tag("device")

    def site(self) -> dict[str, Options]:
        """Return the entities of the site by id."""
        found: dict[str, Options] = {}
        roles = frozenset(device.role for device in self._config.devices)
        for window, entities in of_site(roles, uncertain=self._config.accounts.uncertainty).items():
            tick = window == "tick"
            topic = f"{self._topic}/emission" if tick else f"{self._topic}/emission/{window}"
            seconds = EXPIRE_INTERVALS * self._config.site.tick if tick else 2.0 * WINDOW_SECONDS[window]
            for entity in entities:
                name = entity.field if tick else f"{window}_{entity.field}"
                found[name] = self._entity(entity, f"{SITE_OBJECT}/{name}", seconds) | {"state_topic": topic}
        return found

    def device(self, series: Series) -> dict[str, Options]:
        """Return the entities of a device by quantity."""
        config = self._devices[series.tag("device")]
        found: dict[str, Options] = {}
        for quantity in series.fields:
            entity = of_quantity(quantity, slow=is_sparse(config, quantity), shown=bool(config.quantities))
            interval = config.slow_interval or config.interval if entity.sparse else config.interval
            found[quantity] = self._entity(
                entity, f"{DEVICE_PREFIX}{config.name}/{quantity}", EXPIRE_INTERVALS * interval
            )
        return found

    def payload(self, name: str, entities: Mapping[str, Options], gone: Iterable[str] = ()) -> bytes:
        """Return the message of an announcement. `gone`: entity ids of an earlier announcement to remove."""
        available: list[Options] = [{"topic": f"{self._topic}/status"}]
        site = {"identifiers": [f"{self._unique}/{SITE_OBJECT}"], "name": self._config.site.name}
        message: Options = {"device": site | {"manufacturer": "wattgram", "model": "site"}}
        if name != SITE_OBJECT:
            config = self._devices[name.removeprefix(DEVICE_PREFIX)]
            topic = f"{self._topic}/device/{config.name}"
            alive = "{{ 'offline' if value_json.get('quality') == 'stale' else 'online' }}"
            available.append({"topic": topic, "value_template": alive})
            message = {"device": self._described(config), "state_topic": topic}
        message["origin"] = {"name": "wattgram", "sw_version": __version__}
        message["availability"] = available
        message["availability_mode"] = "all"
        message["components"] = {**{entity: {"platform": "sensor"} for entity in gone}, **entities}
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()

    def _entity(self, entity: Entity, name: str, seconds: float) -> Options:
        return {
            **entity.options(),
            "unique_id": f"{self._unique}/{name}",
            "expire_after": ceil(seconds + self._config.spool.sync + MESSAGE_DELAY),
        }

    def _described(self, config: DeviceConfig) -> Options:
        known = config.device
        return {
            "identifiers": [f"{self._unique}/{DEVICE_PREFIX}{config.name}"],
            "name": f"{self._config.site.name} {config.name}",
            "manufacturer": known.vendor if known else "SunSpec",
            "model": known.model if known else config.driver,
            "via_device": f"{self._unique}/{SITE_OBJECT}",
        }
