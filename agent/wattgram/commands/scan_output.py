"""The devices that a scan found, as a table, as JSON and as `[[device]]` blocks for the configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from wattgram_drivers.catalogue import SUNSPEC, is_sunspec
from wattgram_drivers.endpoint import Endpoint

from wattgram.formats.tables import table
from wattgram.simulation.simulated_devices import ROLE_OF_KIND

from .identify import IdentifiedDevice

_LONGEST_NAME = 64
_LONGEST_TEXT = 100
_LONGEST_FINDING = 300


def listing(found: Sequence[tuple[Endpoint, int, IdentifiedDevice]]) -> str:
    """Return a table of the devices and, below it, the blocks of the devices with a driver."""
    head = ("url", "unit", "driver", "vendor", "model", "serial", "remark")
    rows = [
        (
            str(endpoint),
            str(unit),
            device.driver or "unknown",
            *(printable(word) or "-" for word in (device.vendor, device.model, device.serial)),
            _remark(device),
        )
        for endpoint, unit, device in found
    ]
    text = table(head, rows, right=(1,))
    return f"{text}\n\n{blocks(found)}" if any(device.driver for _, _, device in found) else text


def entries(found: Iterable[tuple[Endpoint, int, IdentifiedDevice]]) -> list[dict[str, object]]:
    """Return the devices for JSON; driver, vendor, model and serial are "" when unknown."""
    return [
        {
            "url": str(endpoint),
            "unit": unit,
            "driver": device.driver,
            "vendor": device.vendor,
            "model": device.model,
            "serial": device.serial,
            **({"finding": printable(device.finding, _LONGEST_FINDING)} if device.finding else {}),
        }
        for endpoint, unit, device in found
    ]


def _remark(device: IdentifiedDevice) -> str:
    also = ", ".join(device.also)
    if device.finding:
        return printable(device.finding, _LONGEST_FINDING)
    if device.driver:
        return f"also fits: {also}" if also else ""
    doubt = f"; possibly {also}, not proven" if also else ""
    return f"answer: {printable(device.answer)}{doubt}"


def blocks(found: Sequence[tuple[Endpoint, int, IdentifiedDevice]]) -> str:
    """Return TOML blocks of the devices with a driver, with unique names and with roles guessed from the kinds."""
    named = [row for row in found if row[2].driver]
    names = _names(named)
    roles = _roles("weather" if is_weather(device) else device.kind for _, _, device in named)
    return "\n\n".join(
        _block(name, role, endpoint, unit, device)
        for name, role, (endpoint, unit, device) in zip(names, roles, named, strict=True)
    )


def is_weather(device: IdentifiedDevice) -> bool:
    """Return whether a device is a weather station: the only sensors of SunSpec."""
    return device.kind == "sensor" and is_sunspec(device.driver)


def _block(name: str, role: str, endpoint: Endpoint, unit: int, device: IdentifiedDevice) -> str:
    title = f"{device.vendor} {device.model}".strip()
    serial = f", serial number {device.serial}" if device.serial else ""
    also = f"   # also fits: {', '.join(device.also)}" if device.also else ""
    lines = [
        f"# {printable(title + serial)}",
        "[[device]]",
        f"name = {_text(name)}",
        f"role = {_text(role)}   # guess from the kind {device.kind}: check it",
        f"driver = {_text(device.driver)}{also}",
        f"url = {_text(str(endpoint))}",
        f"unit = {unit}",
        *([f"# {printable(device.finding, _LONGEST_FINDING)}"] if device.finding else []),
    ]
    if device.rated_power is not None:
        lines.append(f"rated_power = {device.rated_power:.0f}   # W, from the device")
    return "\n".join(lines)


def printable(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Return a text from a device, safe for one line of a terminal or a comment."""
    return "".join(character if character.isprintable() else "?" for character in text)[:longest]


def _names(found: Iterable[tuple[Endpoint, int, IdentifiedDevice]]) -> list[str]:
    names: list[str] = []
    for _, unit, device in found:
        words = f"{device.vendor} {device.model}" if device.driver == SUNSPEC else device.driver
        stem = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "device"
        name, number = _joined(stem, str(unit)), 1
        while name in names:
            number += 1
            name = _joined(stem, f"{unit}-{number}")
        names.append(name)
    return names


def _joined(stem: str, end: str) -> str:
    return f"{stem[: _LONGEST_NAME - 1 - len(end)].rstrip('-')}-{end}"


def _roles(kinds: Iterable[str]) -> list[str]:
    """Return a role for each kind: the first meter may be the incomer, all other meters are loads."""
    roles: list[str] = []
    for kind in kinds:
        role = kind if kind == "weather" else ROLE_OF_KIND.get(kind, "load")
        roles.append("load" if role == "grid" and role in roles else role)
    return roles


def _text(word: str) -> str:
    """Return a TOML string: TOML has the escapes of JSON."""
    return json.dumps(word, ensure_ascii=False)
