"""Pages about the devices of the catalogue: one of all of them, `docs/devices.md`, and one of each as a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from wattgram_drivers.sunspec import walk

from . import catalogue
from .device import Device, DeviceLimits, Register
from .quantity import QUANTITIES, Quantity

_HEADINGS = {
    "inverter": "Inverters",
    "battery": "Batteries",
    "meter": "Meters",
    "genset": "Gensets",
    "charger": "Chargers",
    "sensor": "Sensors: flow, heat, gas, pulses",
}
_NIGHT = {
    "silent": "silent without sun",
    "not-available": "without sun its values are marked not available",
    "zeros": "answers zeros without sun",
}
_LISTED = 4
"""Codes that are listed one by one."""

_TABLE_DIGITS = {"holding": "3", "input": "4"}


def listing(directory: Path | None = None) -> str:
    """Markdown: every device of the catalogue on one line, by its kind. MapError as `catalogue.load`."""
    devices = [catalogue.load(name, directory) for name in catalogue.names(directory) if name != catalogue.SUNSPEC]
    lines = [
        "# Devices",
        "",
        "`wattgram drivers` lists the supported devices and their drivers.",
        "",
        "```sh",
        "wattgram drivers                    # this list",
        "wattgram drivers eastron_sdm630     # one register map: quantities, addresses, types, source",
        "wattgram read tcp://10.1.1.20:502 --driver eastron_sdm630 --unit 1    # one reading of a device",
        "```",
        "",
        "We have not tested any register map on real hardware. Compare the first reading of a device with its display.",
        "",
        "The driver `sunspec` needs no register map, because the device lists its own models. Supported models: "
        + ", ".join(str(number) for number in walk.KNOWN_MODELS)
        + ".",
        "",
        "The column *quantities* contains the number of quantities, and in brackets the number with a single source.",
        "The column *notes* contains the factory settings of the serial port and all differences from these defaults:",
        "unit 1, at most 125 registers in a request, a response within 1 s.",
        "",
        "This page is generated from the register maps, and a test compares the page with the maps.",
    ]
    for kind, heading in _HEADINGS.items():
        lines += ["", f"## {heading}", "", "| driver | device | quantities | transport | notes |"]
        lines.append("| --- | --- | --- | --- | --- |")
        lines += [_line(device) for device in devices if device.kind == kind]
    return "\n".join(lines) + "\n"


def page(name: str, directory: Path | None = None) -> str:
    """The page of one driver: what its map says of the device, how it is asked, and each quantity.

    MapError for a name that is not in the catalogue, and for a map with mistakes.
    """
    if catalogue.is_sunspec(name):
        known = ", ".join(str(number) for number in walk.KNOWN_MODELS)
        rows = [_meaning(QUANTITIES[quantity], "") for quantity in walk.quantities()]
        head = ["sunspec: asks the device itself which of these it offers", f"models: {known}", ""]
        return "\n".join([*head, *_columns([("quantity", "unit", "sign", "meaning"), *rows])]) + "\n"
    device = catalogue.load(name, directory)
    head = [f"{device.vendor} {device.model} ({device.kind})", *_remarks(catalogue.text(name, directory)), ""]
    head += [f"source: {device.source}", f"wires: {', '.join(device.transports)}"]
    head += [f"{'; '.join(_knowledge(device))}"] if _knowledge(device) else []
    head += [f"recognised by: {'; '.join(_marks(device))} ({device.identity.source})"] if device.identity.marks else []
    titles = ("quantity", "unit", "sign", "meaning", "code", "address", "type", "scale", "note")
    rows = [
        (*_meaning(QUANTITIES[one.quantity], QUANTITIES[one.quantity].sign_of(device.kind)), *_place(one))
        for one in device.registers
    ]
    return "\n".join([*head, "", *_columns([titles, *rows])]) + "\n"


def _line(device: Device) -> str:
    single = sum("single source" in register.note for register in device.registers)
    rows = f"{len(device.registers)} ({single})" if single else f"{len(device.registers)}"
    cells = (f"`{device.name}`", f"{device.vendor} {device.model}", rows, ", ".join(device.transports))
    return f"| {' | '.join(cells)} | {'; '.join(_knowledge(device))} |"


def _knowledge(device: Device) -> list[str]:
    """What is not as with every device, in words."""
    known = [] if device.unit == 1 else [f"unit {device.unit}"]
    if device.line:
        known.append(str(device.line))
    known += _limits(device.limits)
    if device.night in _NIGHT:
        known.append(_NIGHT[device.night])
    return known


def _marks(device: Device) -> Iterator[str]:
    """What `wattgram scan` recognises it by; long lists of codes are counted."""
    for mark in device.identity.marks:
        one = mark.excerpt
        last = f"-{one.address + one.registers - 1}" if one.registers > 1 else ""
        numbers = [*map(str, mark.values), *(f"{low}-{high}" for low, high in mark.ranges)]
        said = f"says {mark.pattern}" if mark.pattern else f"is {', '.join(numbers)}"
        if len(numbers) > _LISTED:
            said = f"is one of {len(numbers)} codes"
        yield f"{one.table} {one.address}{last} {said}"


def _limits(limits: DeviceLimits) -> Iterator[str]:
    usual = DeviceLimits()
    if limits.max_registers != usual.max_registers:
        yield f"at most {limits.max_registers} registers a request"
    if limits.even:
        yield "even addresses and counts"
    if limits.windows:
        yield f"requests within {', '.join(f'{low}-{high}' for low, high in limits.windows)}"
    if limits.request_delay:
        yield f"{limits.request_delay:g} s between requests"
    if limits.connect_delay:
        yield f"{limits.connect_delay:g} s after connecting"
    if limits.timeout != usual.timeout:
        yield f"answers within {limits.timeout:g} s"
    if limits.one_client:
        yield "one connection only"


def _meaning(quantity: Quantity, sign: str) -> tuple[str, ...]:
    return quantity.name, quantity.unit, sign, quantity.meaning


def _place(register: Register) -> tuple[str, ...]:
    order = ", low word first" if register.words > 1 and register.word_order == "little" else ""
    power = f" x 10^({register.scale_address})" if register.scale_address is not None else ""
    scale = f"{float(register.scale):g}{power}"
    return _TABLE_DIGITS[register.table], str(register.address), register.type + order, scale, register.note


def _remarks(text: str) -> list[str]:
    """The comment at the head of a map, which is about the device."""
    lines = (line for line in text.splitlines() if not line.startswith("#:"))
    return [line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their cells one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
