"""Identify a device: which registers to read, and how to judge the answers. No I/O: the caller supplies the answers.

A map's identity lists the marks of its model. A device without marks is judged by its values: several values, of
different kinds, must be plausible for a grid and consistent with one another.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

from .device import Device, Excerpt, Label, Mark, SerialSettings, Table

Verdict = Literal["fits", "differs", "unknown"]
"""Of an identity: all marks match; a mark differs; a mark was not answered, or is empty."""

STRONG = 4
"""Points, from at least two kinds of evidence, that values need to identify a driver."""

FREQUENCY = (45.0, 65.0)  # Hz: 50 and 60 Hz grids, and gensets
PHASE_VOLTAGE = (80.0, 300.0)  # V, phase to neutral: grids of 100, 120, 230, 277 V
LINE_VOLTAGE = (140.0, 520.0)  # V, phase to phase: the same x sqrt 3
LOW_VOLTAGE = 1000.0  # V, limit of low voltage (IEC 60038)
STRING_VOLTAGE = (100.0, 1500.0)  # V, of a string that feeds an inverter (IEC 60364-7-712: up to 1500 V)
NOISE_LEVEL = 20.0  # V, VA: an unconnected input can show values up to this level
ROOT_3 = 3**0.5

_PHASE_NAMES = ("l1", "l2", "l3")
_LINES = (("l1l2", "l1n"), ("l2l3", "l2n"), ("l3l1", "l3n"))
_STRINGS = tuple(f"dc_voltage_{number}" for number in range(1, 5))
_CHECKABLE = frozenset(
    {
        "frequency",
        *_STRINGS,
        *(f"voltage_{phase}n" for phase in _PHASE_NAMES),
        *(f"voltage_{line}" for line, _ in _LINES),
        *(f"current_{phase}" for phase in _PHASE_NAMES),
        *(
            f"{kind}_{of}"
            for kind in ("active_power", "apparent_power", "power_factor")
            for of in ("total", *_PHASE_NAMES)
        ),
    }
)

_FURTHER_UNITS = (126, 2, 200, 100, 10, 125, 0)
"""Unit addresses of devices that differ from their map: SunSpec inverters behind an SMA gateway 126 (gateway 125),
SMA's data managers 2, a GEN24's meter and an Alfen station 200, Victron's GX 100, DSE 10, Huawei's own Wi-Fi 0."""

STANDARD_SETTINGS = SerialSettings(19200, "E")
"""Default settings of the standard (Modbus over Serial Line V1.02, sections 2.5.1 and 3.4)."""

_FURTHER_LINES = (
    SerialSettings(19200, "N"),
    SerialSettings(38400, "N"),
    SerialSettings(38400, "E"),
    SerialSettings(4800, "N"),
    SerialSettings(57600, "N"),
    SerialSettings(1200, "N"),
    SerialSettings(115200, "E"),
    SerialSettings(9600, "O"),
    SerialSettings(19200, "O"),
)
"""Further settings in use at sites, to try after the factory settings."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence that values are from a device: points, kinds of evidence, and a contradiction ("" for none)."""

    points: int = 0
    kinds: frozenset[str] = frozenset()
    against: str = ""

    @property
    def strong(self) -> bool:
        """Whether the evidence suffices to identify a driver."""
        return not self.against and self.points >= STRONG and len(self.kinds) >= 2


def units(devices: Iterable[Device]) -> tuple[int, ...]:
    """Return unit addresses in the order to try: 1, the maps' factory settings (most frequent first), others."""
    count: defaultdict[int, int] = defaultdict(int)
    for device in devices:
        count[device.unit] += 1
    delivered = sorted(count, key=lambda unit: (-count[unit], unit))
    return tuple(dict.fromkeys((1, *delivered, *_FURTHER_UNITS)))


def lines(devices: Iterable[Device]) -> tuple[SerialSettings, ...]:
    """Return settings of a serial line in the order to try: factory settings of the most vendors first."""
    vendors: defaultdict[SerialSettings, set[str]] = defaultdict(set)
    for device in devices:
        if device.line:
            vendors[device.line].add(device.vendor)
    delivered = sorted(
        vendors, key=lambda line: (-len(vendors[line]), line != STANDARD_SETTINGS, abs(line.baudrate - 9600), str(line))
    )
    return tuple(dict.fromkeys((*delivered, *_FURTHER_LINES)))


def marked(device: Device) -> frozenset[tuple[Table, int]]:
    """Return the registers (table, address) of the identity's marks."""
    return frozenset(
        (excerpt.table, excerpt.address + (excerpt.skip + index) // 2)
        for excerpt in (mark.excerpt for mark in device.identity.marks)
        for index in range(excerpt.length or 2 * excerpt.registers - excerpt.skip)
    )


def _relevant(excerpt: Excerpt, answer: bytes) -> bytes:
    """Return the octets of an answer that an excerpt selects."""
    return answer[excerpt.skip : excerpt.skip + excerpt.length] if excerpt.length else answer[excerpt.skip :]


def text(octets: bytes) -> str:
    """Return the text in registers with one or two characters each; "" if it is not a text."""
    plain = octets.replace(b"\0", b"").rstrip(b"\xff").decode("ascii", "replace").strip()
    return plain if plain.isascii() and plain.isprintable() else ""


def judge(mark: Mark, answer: bytes | None) -> Verdict:
    """Return the verdict of an answer (None: no answer) on a mark. All zeros or all ones are unknown."""
    octets = _relevant(mark.excerpt, answer) if answer else b""
    if not octets.strip(b"\0") or not octets.strip(b"\xff"):
        return "unknown"
    if mark.pattern:
        return "fits" if re.match(mark.pattern, text(octets)) else "differs"
    number = int.from_bytes(octets, "big")
    fits = number in mark.values or any(low <= number <= high for low, high in mark.ranges)
    return "fits" if fits else "differs"


def label(place: Label, answer: bytes) -> str:
    """Return a model or serial number as text; "" if the device does not state it."""
    octets = _relevant(place.excerpt, answer)
    if not place.number:
        return text(octets)
    return str(int.from_bytes(octets, "big")) if octets.strip(b"\0") and octets.strip(b"\xff") else ""


def checkable(device: Device) -> tuple[str, ...]:
    """Return the map's quantities that serve as evidence, in its order, without the registers of marks."""
    marks = marked(device)
    return tuple(
        register.quantity
        for register in device.registers
        if register.quantity in _CHECKABLE
        and all((register.table, address) not in marks for address in register.addresses)
    )


def first_check(device: Device) -> str:
    """Return the quantity to check first, because it excludes most wrong maps; "" for none."""
    offered = checkable(device)
    return next((name for name in ("frequency", "voltage_l1n", "voltage_l1l2") if name in offered), "")


def evidence(device: Device, values: Mapping[str, float]) -> Evidence:
    """Return the evidence of values (SI; NaN or missing: not available) for a device.

    A value in its range gives a point; a float gives two, because floats are rarely plausible by chance. A relation
    between values that holds gives points as well. Zeros give none: registers of another meaning are often zero.
    """
    against = _impossible(values)
    if against:
        return Evidence(against=against)
    floats = {register.quantity for register in device.registers if register.type in ("f32", "f64")}
    points: defaultdict[str, int] = defaultdict(int)
    for kind, quantity, (low, high) in _ranges():
        if low <= values.get(quantity, nan) <= high:
            points[kind] += 2 if quantity in floats else 1
    for between, neutral in _LINES:
        ratio = _ratio(values.get(f"voltage_{between}", nan), values.get(f"voltage_{neutral}", nan))
        points["voltage"] += 0.95 * ROOT_3 <= ratio <= 1.05 * ROOT_3
    points["power"] += _agreements(values)
    if points["frequency"] and points["voltage"]:  # alone, a string's voltage could be anything
        points["string"] += sum(STRING_VOLTAGE[0] <= values.get(name, nan) <= STRING_VOLTAGE[1] for name in _STRINGS)
    return Evidence(sum(points.values()), frozenset(kind for kind, count in points.items() if count))


def _ranges() -> Iterable[tuple[str, str, tuple[float, float]]]:
    yield "frequency", "frequency", FREQUENCY
    for phase in _PHASE_NAMES:
        yield "voltage", f"voltage_{phase}n", PHASE_VOLTAGE
    for line, _ in _LINES:
        yield "voltage", f"voltage_{line}", LINE_VOLTAGE


def _impossible(values: Mapping[str, float]) -> str:
    """Return the first value that is impossible on a low-voltage grid; "" for none."""
    for quantity, value in values.items():
        if not isfinite(value) or value == 0.0:
            continue
        if quantity == "frequency" and not FREQUENCY[0] <= value <= FREQUENCY[1]:
            return f"{quantity} {value:g} Hz"
        if quantity.startswith("voltage_") and not 0.0 <= value < LOW_VOLTAGE:
            return f"{quantity} {value:g} V"
        if quantity.startswith("power_factor_") and abs(value) > 1.005:
            return f"{quantity} {value:g}"
    return ""


def _agreements(values: Mapping[str, float]) -> int:
    """Return points for powers that agree with their sum, and with voltage times current."""
    total = abs(values.get("active_power_total", nan))
    phases = [values.get(f"active_power_{phase}", nan) for phase in _PHASE_NAMES]
    points = 0
    if total >= 10.0 and sum(abs(power) >= 1.0 for power in phases) >= 2:
        points += 2 * (abs(total - abs(sum(phases))) <= 0.02 * total)
    apparent = 0.0
    for phase, power in zip(_PHASE_NAMES, phases, strict=True):
        product = abs(values.get(f"voltage_{phase}n", nan) * values.get(f"current_{phase}", nan))
        apparent += product if isfinite(product) else 0.0
        points += abs(power) >= 10.0 and 0.5 <= _ratio(abs(power), product) <= 1.05
    points += 2 * (total >= 50.0 and 0.5 <= _ratio(total, apparent) <= 1.05)
    return points


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator and denominator >= NOISE_LEVEL else nan
