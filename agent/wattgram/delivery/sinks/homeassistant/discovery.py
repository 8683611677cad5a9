"""Discovery messages of Home Assistant's MQTT integration: one retained message a device, another for the site.

Form: home-assistant.io, MQTT integration, "Device discovery payload"; Home Assistant 2024.12 and later know it.
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
from wattgram.config.sparse_fields import seldom

from .entity import Entity, of_quantity, of_site

Options = dict[str, object]

SITE_OBJECT = "site"
DEVICE_PREFIX = "device-"

MESSAGE_DELAY = 60.0
"""Seconds that a message may take on its way before the value is not shown any more."""

EXPIRE_INTERVALS = 3
"""Of a device or the balance, after which a value is not alive (SPEC 6.9)."""

LENGTH = {"15m": 900.0, "1d": 86_400.0}


class Discovery:
    """What Home Assistant is told of a configured site; the same after every restart."""

    def __init__(self, config: Config, prefix: str, topic: str) -> None:
        """`prefix`: of Home Assistant's discovery. `topic`: what our topics begin with."""
        self._config = config
        self._devices = {one.name: one for one in config.devices}
        self._topic = topic
        self._unique = f"wattgram/{topic}"
        self._base = f"{prefix}/device/{re.sub('[^a-zA-Z0-9_-]', '-', topic)}"
        self.birth = f"{prefix}/status"
        self.own = f"{self._base}/+/config"

    def topic(self, name: str) -> str:
        """Where the announcement of a device is, by its `name_of`, or of SITE."""
        return f"{self._base}/{name}/config"

    def name_in(self, topic: str) -> str | None:
        """The reverse; None for another topic."""
        found = re.fullmatch(f"{re.escape(self._base)}/([^/]+)/config", topic)
        return found[1] if found else None

    def configured(self, name: str) -> bool:
        """Whether it is SITE or belongs to a device of the configuration."""
        return name == SITE_OBJECT or (
            name.startswith(DEVICE_PREFIX) and name.removeprefix(DEVICE_PREFIX) in self._devices
        )

    def name_of(self, series: Series) -> str | None:
        """Whose announcement a series calls for, None when for none: not read yet, or not a device's."""
        if series.kind != "device" or not series.fields or series.tag("device") not in self._devices:
            return None
        return DEVICE_PREFIX + series.tag("device")

    def site(self) -> dict[str, Options]:
        """The site's entities by id."""
        made: dict[str, Options] = {}
        for window, entities in of_site(frozenset(one.role for one in self._config.devices)).items():
            tick = window == "tick"
            topic = f"{self._topic}/emission" if tick else f"{self._topic}/emission/{window}"
            length = EXPIRE_INTERVALS * self._config.site.tick if tick else 2.0 * LENGTH[window]
            for one in entities:
                name = one.field if tick else f"{window}_{one.field}"
                made[name] = self._entity(one, f"{SITE_OBJECT}/{name}", length) | {"state_topic": topic}
        return made

    def device(self, series: Series) -> dict[str, Options]:
        """A device's entities by quantity."""
        config = self._devices[series.tag("device")]
        made: dict[str, Options] = {}
        for quantity in series.fields:
            entity = of_quantity(quantity, slow=seldom(config, quantity), shown=bool(config.quantities))
            interval = config.slow_interval or config.interval if entity.kept else config.interval
            made[quantity] = self._entity(
                entity, f"{DEVICE_PREFIX}{config.name}/{quantity}", EXPIRE_INTERVALS * interval
            )
        return made

    def payload(self, name: str, entities: Mapping[str, Options], gone: Iterable[str] = ()) -> bytes:
        """The message; `gone`: ids that an earlier one had and nothing has any more, told once to be forgotten."""
        available: list[Options] = [{"topic": f"{self._topic}/status"}]
        site = {"identifiers": [f"{self._unique}/{SITE_OBJECT}"], "name": self._config.site.name}
        made: Options = {"device": site | {"manufacturer": "wattgram", "model": "site"}}
        if name != SITE_OBJECT:
            config = self._devices[name.removeprefix(DEVICE_PREFIX)]
            topic = f"{self._topic}/device/{config.name}"
            alive = "{{ 'offline' if value_json.get('quality') == 'stale' else 'online' }}"
            available.append({"topic": topic, "value_template": alive})
            made = {"device": self._described(config), "state_topic": topic}
        made["origin"] = {"name": "wattgram", "sw_version": __version__}
        made["availability"] = available
        made["availability_mode"] = "all"
        made["components"] = {**{one: {"platform": "sensor"} for one in gone}, **entities}
        return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()

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
