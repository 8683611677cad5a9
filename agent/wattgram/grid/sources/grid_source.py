"""What every kind of grid source has in common: its interface, the common keys, and how a source is made."""

from __future__ import annotations

import random
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from wattgram.base import toml_table, units
from wattgram.base.clock import Clock
from wattgram.base.toml_table import Table
from wattgram.base.watchdog import Pulse
from wattgram.grid.feed import MOST_SIGNALS, Feed
from wattgram.grid.mix import SETS, Factors
from wattgram.mqtt.mqtt_settings import MqttConfig

from . import SOURCES
from .source_settings import LateSettings, SourceConfig, SourceSettings, SourceTerms

USUAL_MAX_AGE = 7200.0
"""Default of the key `max_age`, s (METHOD 3.4)."""


class GridSource(Protocol):
    """A running source."""

    feed: Feed
    pulse: Pulse

    async def run(self) -> None:
        """Put signals into the feed until cancelled."""


@dataclass(frozen=True, slots=True)
class SourceParts:
    """What a running source needs beside its settings. broker: None without a table [mqtt]."""

    factors: Factors
    broker: MqttConfig | None
    clock: Clock
    chance: random.Random


class SourceModule(Protocol):
    """The file of a kind of source.

    A library that takes memory is imported where a source is made, so that commands which only read the configuration
    do without.
    """

    def read(self, table: Table, terms: SourceTerms) -> SourceSettings:
        """Read the keys of this kind; mistakes go to the table."""

    def made(self, config: SourceConfig, settings: Any, parts: SourceParts) -> GridSource:
        """Make a source; `settings` are what `read` returned."""


def read(table: Table, terms: SourceTerms) -> SourceConfig | None:
    """Read one [[grid.source]]; mistakes go to the table. None for an unknown kind."""
    kind = table.take("kind", toml_table.choice(list(SOURCES)), toml_table.REQUIRED)
    if kind is None:
        return None
    table.rename(f"{table.place} ({kind})")
    max_age = table.take("max_age", toml_table.bounded(units.duration, 0.0, 3.2e7, "0s to 1 year"), None)
    level = table.take("level", toml_table.choice(["feed", "official"]), "feed")
    factors = table.take("factors", toml_table.choice(list(SETS)), None)
    settings = source_module(kind).read(table, terms)
    mean = None
    if not settings.computes_mean:
        mean = table.take("mean_g_per_kwh", toml_table.number(1.0, 2000.0), None)
        if level == "official" and "mean_g_per_kwh" not in table.data:
            table.mistake("mean_g_per_kwh", 'missing; level "official" needs the mean of the source over the last year')
        if level == "feed" and "mean_g_per_kwh" in table.data:
            table.mistake("mean_g_per_kwh", 'found with level "feed"; allowed: with level = "official"')
    table.done()
    factors = factors or settings.default_factors or terms.factors
    if max_age is None:
        max_age = settings.default_max_age if isinstance(settings, LateSettings) else USUAL_MAX_AGE
    return SourceConfig(kind, settings, max_age, level or "feed", mean, factors)


def made(
    config: SourceConfig, basis: str, broker: MqttConfig | None, clock: Clock, chance: random.Random
) -> GridSource:
    """Make a source of its settings, ready to run."""
    parts = SourceParts(Factors.shipped(config.factors, basis), broker, clock, chance)
    return source_module(config.kind).made(config, config.settings, parts)


def feed(config: SourceConfig, clock: Clock, *, most: int = MOST_SIGNALS, keeps: bool = False) -> Feed:
    """Make the empty feed of a source; `most` and `keeps` as of `Feed`."""
    return Feed(config.name, clock, max_age=config.max_age, mean=config.mean, most=most, keeps=keeps)


def source_module(kind: str) -> SourceModule:
    """Import the file of a kind of source."""
    return cast(SourceModule, import_module(SOURCES[kind]))
