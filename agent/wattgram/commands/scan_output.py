"""Devices that were found, as people and programs want them: a table, JSON, `[[device]]` blocks that load."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from wattgram_drivers.catalogue import SUNSPEC
from wattgram_drivers.endpoint import Endpoint

from wattgram.formats.tables import table
from wattgram.simulation.simulated_devices import ROLE_OF_KIND

from .identify import IdentifiedDevice

_NAME = 64
_LONGEST = 100


def listing(found: Sequence[tuple[Endpoint, int, IdentifiedDevice]]) -> str:
    """A table of the devices, and the blocks of those with a driver below it."""
    head = ("url", "unit", "driver", "vendor", "model", "serial", "remark")
    rows = [
        (
            str(endpoint),
            str(unit),
            known.driver or "unknown",
            *(printable(word) or "-" for word in (known.vendor, known.model, known.serial)),
            _remark(known),
        )
        for endpoint, unit, known in found
    ]
    text = table(head, rows, right=(1,))
    return f"{text}\n\n{blocks(found)}" if any(known.driver for _, _, known in found) else text


def entries(found: Iterable[tuple[Endpoint, int, IdentifiedDevice]]) -> list[dict[str, object]]:
    """The devices for JSON; driver, vendor, model and serial are "" where they are not known."""
    return [
        {
            "url": str(endpoint),
            "unit": unit,
            "driver": known.driver,
            "vendor": known.vendor,
            "model": known.model,
            "serial": known.serial,
        }
        for endpoint, unit, known in found
    ]


def _remark(known: IdentifiedDevice) -> str:
    also = ", ".join(known.also)
    if known.driver:
        return f"fits as well: {also}" if also else ""
    doubt = f"; looks like {also}, but does not say so" if also else ""
    return f"answers: {printable(known.answer)}{doubt}"


def blocks(found: Sequence[tuple[Endpoint, int, IdentifiedDevice]]) -> str:
    """TOML of the devices with a driver; each has a name of its own and a role guessed from its kind."""
    named = [one for one in found if one[2].driver]
    names = _names(named)
    roles = _roles(known.kind for _, _, known in named)
    return "\n\n".join(
        _block(name, role, endpoint, unit, known)
        for name, role, (endpoint, unit, known) in zip(names, roles, named, strict=True)
    )


def _block(name: str, role: str, endpoint: Endpoint, unit: int, known: IdentifiedDevice) -> str:
    title = f"{known.vendor} {known.model}".strip()
    serial = f", serial number {known.serial}" if known.serial else ""
    also = f"   # fits as well: {', '.join(known.also)}" if known.also else ""
    lines = [
        f"# {printable(title + serial)}",
        "[[device]]",
        f"name = {_text(name)}",
        f"role = {_text(role)}   # guessed, since it is of the kind {known.kind}: check it",
        f"driver = {_text(known.driver)}{also}",
        f"url = {_text(str(endpoint))}",
        f"unit = {unit}",
    ]
    if known.rated_power is not None:
        lines.append(f"rated_power = {known.rated_power:.0f}   # W, from the device")
    return "\n".join(lines)


def printable(text: str) -> str:
    """What a device said, fit for one line of a terminal or a comment."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:_LONGEST]


def _names(found: Iterable[tuple[Endpoint, int, IdentifiedDevice]]) -> list[str]:
    names: list[str] = []
    for _, unit, known in found:
        words = f"{known.vendor} {known.model}" if known.driver == SUNSPEC else known.driver
        stem = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "device"
        name, number = _joined(stem, str(unit)), 1
        while name in names:
            number += 1
            name = _joined(stem, f"{unit}-{number}")
        names.append(name)
    return names


def _joined(stem: str, end: str) -> str:
    return f"{stem[: _NAME - 1 - len(end)].rstrip('-')}-{end}"


def _roles(kinds: Iterable[str]) -> list[str]:
    """A role a device: the first meter may be the incomer, the others are loads."""
    roles: list[str] = []
    for kind in kinds:
        role = ROLE_OF_KIND.get(kind, "load")
        roles.append("load" if role == "grid" and role in roles else role)
    return roles


def _text(word: str) -> str:
    """A TOML string: JSON's escapes are TOML's."""
    return json.dumps(word, ensure_ascii=False)
