"""The devices that a scan found, as a table, as JSON and as `[[device]]` blocks for the configuration."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence

from wattgram_drivers.catalogue import SUNSPEC, is_sunspec
from wattgram_drivers.endpoint import Endpoint

from wattgram.simulation.simulated_devices import ROLE_OF_KIND

from .identify import IdentifiedDevice

_LONGEST_NAME = 64
_LONGEST_TEXT = 100
_LONGEST_FINDING = 300


HEAD = ("url", "unit", "driver", "vendor", "model", "serial", "remark")
_WIDTHS = (0, 4, 26, 12, 20, 16, 0)  # of the columns: a row is printed before the next one is known

NEXT_STEPS = {
    1: "the unit has no holding registers: choose a driver with input registers",
    5: "the unit is busy: stop its other clients and scan again",
    6: "the unit is busy: stop its other clients and scan again",
}
"""Next step for an unknown device by the code of its exception."""


class FoundRows:
    """The rows of the table of found devices, one after another; the first row has the head above it."""

    def __init__(self, places: Sequence[Endpoint]) -> None:
        longest = max((len(str(place)) for place in places), default=0)
        self._widths = (max(longest, len(HEAD[0])), *_WIDTHS[1:])
        self._begun = False

    def line(self, row: tuple[Endpoint, int, IdentifiedDevice]) -> str:
        """Return the line of a device, with the head before the first one."""
        endpoint, unit, device = row
        words = (device.driver or "unknown", device.vendor, device.model, device.serial)
        cells = (str(endpoint), str(unit), *(printable(word) or "-" for word in words), _remark(row))
        lines = [] if self._begun else [self._padded(HEAD), self._padded(["-" * len(word) for word in HEAD])]
        self._begun = True
        return "\n".join([*lines, self._padded(cells)])

    def _padded(self, cells: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if column == 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, self._widths, strict=True))
        ).rstrip()


def ignore(row: tuple[Endpoint, int, IdentifiedDevice]) -> None:
    """Show nothing: JSON is one list at the end."""


def summary(found: Sequence[tuple[Endpoint, int, IdentifiedDevice]]) -> str:
    """Return what follows the rows: the units with the same answer, and the blocks of the devices with a driver."""
    same = "".join(
        f"{endpoint} units {ranges(device.units)}: the same answer as unit {unit}, one row\n"
        for endpoint, unit, device in found
        if device.units
    )
    named = any(device.driver for _, _, device in found)
    return f"{same}\n{blocks(found)}\n" if named else same


def ranges(units: Sequence[int]) -> str:
    """Return ascending numbers as text: 1-3, 7."""
    texts: list[str] = []
    for unit in units:
        first, _, last = texts[-1].partition("-") if texts else ("", "", "")
        if texts and int(last or first) + 1 == unit:
            texts[-1] = f"{first}-{unit}"
        else:
            texts.append(str(unit))
    return ", ".join(texts)


def entries(found: Iterable[tuple[Endpoint, int, IdentifiedDevice]]) -> list[dict[str, object]]:
    """Return the devices for JSON; driver, vendor, model and serial are "" when unknown.

    An unknown device has its answer, the units that gave it, and the next step.
    """
    return [
        {
            "url": str(endpoint),
            "unit": unit,
            "driver": device.driver,
            "vendor": device.vendor,
            "model": device.model,
            "serial": device.serial,
            **({} if device.driver else _unknown(endpoint, unit, device)),
            **({"finding": printable(device.finding, _LONGEST_FINDING)} if device.finding else {}),
        }
        for endpoint, unit, device in found
    ]


def _unknown(endpoint: Endpoint, unit: int, device: IdentifiedDevice) -> dict[str, object]:
    return {
        "answer": printable(device.answer),
        "units": list(device.units or (unit,)),
        "next_step": next_step(endpoint, unit, device),
    }


def _remark(row: tuple[Endpoint, int, IdentifiedDevice]) -> str:
    endpoint, unit, device = row
    also = ", ".join(device.also)
    if device.driver:
        fits = f"also fits: {also}" if also else ""
        return "; ".join(text for text in (fits, printable(device.finding, _LONGEST_FINDING)) if text)
    doubt = f"; possibly {also}, not proven" if also else ""
    return f"answer: {printable(device.answer)}{doubt}; next: {next_step(endpoint, unit, device)}"


def next_step(endpoint: Endpoint, unit: int, device: IdentifiedDevice) -> str:
    """Return what to do about an unknown device: the command to try, and what to look for."""
    command = f"wattgram read {shlex.quote(str(endpoint))} --unit {unit} --driver"
    if device.also:
        return f"`{command} {device.also[0]}`, and compare the values with the display of the device"
    for code, step in NEXT_STEPS.items():
        if device.answer.startswith(f"exception {code} "):
            return step
    if device.refuses:
        return (
            "the unit refuses every request: enable Modbus in its menu, or it is the gateway itself; look for its "
            f"devices with `wattgram scan {shlex.quote(str(endpoint))} --units 1-247`"
        )
    if "closes the connection" in device.answer:
        return "the device may allow one client only: stop its other clients and scan again"
    return (
        f"find the type plate in `wattgram drivers`, then `{command} NAME`, and compare the values with the display; "
        "without a driver write a register map (drivers/README.md)"
    )


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
