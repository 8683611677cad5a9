"""A configured grid source becomes one that runs."""

from __future__ import annotations

import random
from typing import Protocol
from zoneinfo import ZoneInfo

from wattgram.base.clock import Clock
from wattgram.base.watchdog import Pulse
from wattgram.grid.feed import MOST_SIGNALS, Feed
from wattgram.grid.mix import Factors
from wattgram.mqtt.mqtt_settings import MqttConfig

from . import electricitymaps, energycharts, ukgrid
from .file_source import MOST_FILE_VALUES, FileSource
from .source_settings import SourceConfig
from .supplied_values import ValueTerms
from .web_source import WebService, WebSource


class GridSource(Protocol):
    """One source at work."""

    feed: Feed
    pulse: Pulse

    async def run(self) -> None:
        """Bring signals into the feed until cancelled."""


def made(
    config: SourceConfig, basis: str, broker: MqttConfig | None, clock: Clock, chance: random.Random
) -> GridSource:
    """A configured source, ready to run."""
    kept = config.kind == "file"
    most = MOST_FILE_VALUES if kept else MOST_SIGNALS
    feed = Feed(config.name, clock, max_age=config.max_age, mean=config.mean, most=most, keeps=kept)
    factors = Factors.shipped(config.factors, basis)
    if config.kind == "file":
        assert config.path is not None  # a required key
        terms = ValueTerms(config.name, factors, config.unit, config.timezone or ZoneInfo("UTC"))
        return FileSource(feed, config.path, terms, clock, shape=config.level == "official")
    if config.kind == "mqtt":
        assert broker is not None  # checked with the key topic
        from .mqtt_source import MqttSource  # noqa: PLC0415 - 16 MB that a site without a broker need not carry

        terms = ValueTerms(config.name, factors, config.unit, config.timezone or ZoneInfo("UTC"), config.step)
        return MqttSource(feed, broker, config.topic, terms, clock, chance)
    return WebSource(feed, _shape(config, factors), clock, chance, config.interval, config.ca)


def _shape(config: SourceConfig, factors: Factors) -> WebService:
    if config.kind == "electricitymaps":
        return electricitymaps.ElectricityMaps(config.zone, factors, config.token or "", config.url, config.mix)
    if config.kind == "ukgrid":
        return ukgrid.UkGrid(factors, config.url, config.region)
    return energycharts.EnergyCharts(config.country, factors, config.url, not config.mix)
