"""`wattgram drivers`: the catalogue, or one register map."""

from __future__ import annotations

import argparse
import json

from wattgram_drivers import catalogue, pages
from wattgram_drivers.sunspec import walk

from wattgram.formats.tables import table

from .arguments import add_format
from .device_arguments import load_device

EXAMPLE = "wattgram drivers eastron_sdm630"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add NAME and --format."""
    parser.add_argument("driver", nargs="?", metavar="NAME")
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Print the catalogue, or the register map of one driver."""
    if options.driver is not None:
        return _print_driver(options)
    entries = [_entry(name) for name in catalogue.names()]
    if options.format == "json":
        print(json.dumps(entries))
    else:
        rows = [
            (
                str(entry["name"]),
                str(entry["vendor"]),
                str(entry["model"]),
                str(len(_strings(entry["quantities"]))),
                " ".join(_strings(entry["transports"])),
            )
            for entry in entries
        ]
        print(table(("name", "vendor", "model", "quantities", "transports"), rows, right=(3,)))
    return 0


def _print_driver(options: argparse.Namespace) -> int:
    load_device(options.driver)  # an unknown name becomes a UsageError with the nearest name
    if options.format == "json":
        print(json.dumps([_entry(options.driver)]))
    else:
        print(pages.page(options.driver), end="")
    return 0


def _entry(name: str) -> dict[str, object]:
    device = load_device(name)
    if device is None:
        return {
            "name": name,
            "vendor": "any",
            "model": "SunSpec",
            "quantities": list(walk.quantities()),
            "transports": ["tcp", "rtu", "rtutcp"],
        }
    return {
        "name": name,
        "vendor": device.vendor,
        "model": device.model,
        "quantities": list(device.quantities),
        "transports": list(device.transports),
    }


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
