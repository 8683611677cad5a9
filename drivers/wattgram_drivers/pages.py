"""Pages of the catalogue: the list of all devices, `docs/devices.md`, and a text page of each driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from wattgram_drivers.sunspec import walk

from . import catalogue
from .device import Device, DeviceLimits, Register, RoleReads, Terminal
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
"""Most codes that are listed individually."""

_TABLE_DIGITS = {"holding": "3", "input": "4"}


def listing(directory: Path | None = None) -> str:
    """Return all devices of the catalogue as Markdown, one line each, by kind. MapError as in `catalogue.load`."""
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
    """Return the page of a driver: device, limits, quantities and registers.

    MapError: unknown name, or mistakes in the map.
    """
    if catalogue.is_sunspec(name):
        models = ", ".join(str(number) for number in walk.KNOWN_MODELS)
        rows = [_meaning(QUANTITIES[quantity], "") for quantity in walk.quantities()]
        head = ["sunspec: reads from the device which of these quantities it offers", f"models: {models}", ""]
        return "\n".join([*head, *_columns([("quantity", "unit", "sign", "meaning"), *rows])]) + "\n"
    device = catalogue.load(name, directory)
    head = [f"{device.vendor} {device.model} ({device.kind})", *_remarks(catalogue.text(name, directory)), ""]
    head += [f"source: {device.source}", f"wires: {', '.join(device.transports)}"]
    head += [f"{'; '.join(_notes(device))}"] if _notes(device) else []
    head += [f"recognised by: {'; '.join(_marks(device))} ({device.identity.source})"] if device.identity.marks else []
    head += ["", *_columns([("role", "power", "energy"), *map(_role, device.roles.items())])]
    head += ["", *_terminal(device.terminal)] if device.terminal else []
    titles = ("quantity", "unit", "sign", "meaning", "code", "address", "type", "scale", "note")
    rows = [
        (
            *_meaning(QUANTITIES[register.quantity], QUANTITIES[register.quantity].sign_of(device.kind)),
            *_address(register),
        )
        for register in device.registers
    ]
    return "\n".join([*head, "", *_columns([titles, *rows])]) + "\n"


def _role(role: tuple[str, RoleReads]) -> tuple[str, str, str]:
    """Return a role with its alternatives."""
    name, reads = role
    return name, _alternatives(reads.power), "; ".join(map(_pair, reads.energy)) or "-"


def _alternatives(alternatives: Sequence[tuple[str, ...]]) -> str:
    sums = (" + ".join(alternative).replace("+ -", "- ") for alternative in alternatives)
    return "; ".join(sums) or "-"


def _pair(pair: tuple[str, str]) -> str:
    forward, backward = pair
    return f"{forward}, against {backward}" if backward else forward


def _terminal(terminal: Terminal) -> Iterator[str]:
    """Yield the lines of an inverter's terminal."""
    yield "terminal of an inverter with a battery: PV and battery share its AC power"
    rows = [
        ("bridge", "; ".join(terminal.bridge)),
        ("grid port", "; ".join(terminal.grid_port)),
        ("backup port", "; ".join(terminal.backup_power)),
        ("PV" if terminal.dc == "pv" else "PV less charging", _alternatives(terminal.pv_power)),
        ("battery", _alternatives(terminal.battery_power)),
        ("energy", "; ".join(map(_pair, terminal.energy))),
        ("energy of PV", "; ".join(map(_pair, terminal.pv_energy))),
        ("energy of the battery", "; ".join(map(_pair, terminal.battery_energy))),
    ]
    yield from _columns([(name, text) for name, text in rows if text])


def _line(device: Device) -> str:
    single = sum("single source" in register.note for register in device.registers)
    rows = f"{len(device.registers)} ({single})" if single else f"{len(device.registers)}"
    cells = (f"`{device.name}`", f"{device.vendor} {device.model}", rows, ", ".join(device.transports))
    return f"| {' | '.join(cells)} | {'; '.join(_notes(device))} |"


def _notes(device: Device) -> list[str]:
    """Return the device's differences from the defaults, as phrases."""
    notes = [] if device.unit == 1 else [f"unit {device.unit}"]
    if device.line:
        notes.append(str(device.line))
    notes += _limits(device.limits)
    if device.night in _NIGHT:
        notes.append(_NIGHT[device.night])
    return notes


def _marks(device: Device) -> Iterator[str]:
    """Yield the marks by which `wattgram scan` identifies the device; long lists of codes as a number."""
    for mark in device.identity.marks:
        excerpt = mark.excerpt
        last = f"-{excerpt.address + excerpt.registers - 1}" if excerpt.registers > 1 else ""
        numbers = [*map(str, mark.values), *(f"{low}-{high}" for low, high in mark.ranges)]
        content = f"says {mark.pattern}" if mark.pattern else f"is {', '.join(numbers)}"
        if len(numbers) > _LISTED:
            content = f"is one of {len(numbers)} codes"
        yield f"{excerpt.table} {excerpt.address}{last} {content}"


def _limits(limits: DeviceLimits) -> Iterator[str]:
    default = DeviceLimits()
    if limits.max_registers != default.max_registers:
        yield f"at most {limits.max_registers} registers a request"
    if limits.even:
        yield "even addresses and counts"
    if limits.windows:
        yield f"requests within {', '.join(f'{low}-{high}' for low, high in limits.windows)}"
    if limits.request_delay:
        yield f"{limits.request_delay:g} s between requests"
    if limits.connect_delay:
        yield f"{limits.connect_delay:g} s after connecting"
    if limits.timeout != default.timeout:
        yield f"answers within {limits.timeout:g} s"
    if limits.one_client:
        yield "one connection only"


def _meaning(quantity: Quantity, sign: str) -> tuple[str, ...]:
    return quantity.name, quantity.unit, sign, quantity.meaning


def _address(register: Register) -> tuple[str, ...]:
    order = ", low word first" if register.words > 1 and register.word_order == "little" else ""
    if register.low_address is not None:
        order = f", low word at {register.low_address}"
    power = f" x 10^({register.scale_address})" if register.scale_address is not None else ""
    scale = f"{float(register.scale):g}{power}"
    return _TABLE_DIGITS[register.table], str(register.address), register.type + order, scale, register.note


def _remarks(text: str) -> list[str]:
    """Return the comment at the head of a map."""
    lines = (line for line in text.splitlines() if not line.startswith("#:"))
    return [line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
