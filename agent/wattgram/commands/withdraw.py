"""`wattgram withdraw`: remove what the broker retains of a site that has ended, or of an earlier name of a site."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from dataclasses import replace

from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.config.load import Config
from wattgram.delivery.configuration import load
from wattgram.mqtt.mqtt_settings import TOPIC

from .arguments import UsageError, add_config

EXAMPLE = "wattgram withdraw -c site.toml --site works-old"


SITE_NAME = r"[a-z0-9-]{1,64}"
"""Pattern of a site's name (SPEC 4)."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, --site, --prefix and --force."""
    add_config(parser)
    parser.add_argument("--site", metavar="NAME", help="an earlier name of the site (default: the name in [site])")
    parser.add_argument("--prefix", metavar="TOPIC", help="an earlier prefix of the topics (default: that of [mqtt])")
    parser.add_argument("--force", action="store_true", help="also if the status of the site is online")


def run(options: argparse.Namespace) -> int:
    """Print the removed topics; return 1 if the broker refuses one, is unavailable, or the site is online."""
    from wattgram.delivery.sinks.withdrawal import StillOnline, withdraw

    config = load(options.config)
    if config.mqtt is None:
        raise UsageError(f"{options.config}: found no [mqtt]; allowed: a configuration with a broker")
    site = options.site or config.site.name
    for name, value, pattern in (("--site", site, SITE_NAME), ("--prefix", options.prefix, TOPIC)):
        if value is not None and not re.fullmatch(pattern, value):
            raise UsageError(f"{name}: found {value!r}; allowed: a name as in the configuration, without + and #")
    settings = replace(config.mqtt, prefix=options.prefix or config.mqtt.prefix)
    of_node = options.site is None and options.prefix is None
    try:
        done = asyncio.run(withdraw(settings, site, force=options.force, death=_death(config) if of_node else None))
    except (SinkError, StillOnline) as error:
        print(f"wattgram: {error}", file=sys.stderr)
        return 1
    for topic in done.removed:
        print(topic)
    for topic, reason in done.refused.items():
        print(f"wattgram: the broker refuses {topic}: {reason}", file=sys.stderr)
    print(f"{len(done.removed)} retained topics removed", file=sys.stderr)
    return 1 if done.refused else 0


def _death(config: Config) -> tuple[str, bytes] | None:
    """Return topic and payload of the death of the Sparkplug node, None without a node that was ever born."""
    from wattgram.delivery.sinks.sparkplug.sparkplug_sink import SparkplugConfig, last_death

    names = config.sinks.get("mqtt.sparkplug")
    return last_death(config, names, Clock()) if isinstance(names, SparkplugConfig) else None
