"""Which device is it: what to ask, and how to judge what came. Pure: whoever asks brings the answers.

An identity is what a map says tells its model. Where a device tells nothing, its values must look like those of
a grid: several of them, of different kinds, that agree with one another.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

from .device import Device, Excerpt, Label, Mark, SerialSettings, Table

Verdict = Literal["fits", "differs", "unsaid"]
"""Of an identity: every mark holds; a mark holds something else; a mark was not answered, or is empty."""

STRONG = 4
"""Points that values need, from at least two kinds of evidence, before a driver is named for them."""

FREQUENCY = (45.0, 65.0)  # Hz: 50 and 60 Hz grids, and gensets
PHASE_VOLTAGE = (80.0, 300.0)  # V to neutral: 100, 120, 230, 277 V grids
LINE_VOLTAGE = (140.0, 520.0)  # V between phases: the same x sqrt 3
LOW_VOLTAGE = 1000.0  # V: the limit of low voltage (IEC 60038)
NOISE_LEVEL = 20.0  # V, VA: below, an input that is not connected shows as much
ROOT_3 = 3**0.5

_PHASE_NAMES = ("l1", "l2", "l3")
_LINES = (("l1l2", "l1n"), ("l2l3", "l2n"), ("l3l1", "l3n"))
_TELLING = frozenset(
    {
        "frequency",
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
"""Where devices stand that are not at their map's address: SunSpec inverters behind an SMA gateway 126 (itself 125),
SMA's data managers 2, a GEN24's meter and an Alfen station 200, Victron's GX 100, DSE 10, Huawei's own Wi-Fi 0."""

STANDARD_SETTINGS = SerialSettings(19200, "E")
"""What a device has by default (Modbus over Serial Line V1.02, sections 2.5.1 and 3.4)."""

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
"""Settings that sites choose, after those that devices are delivered with."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much values look like a device's: points, the kinds they come from, and what speaks against it."""

    points: int = 0
    kinds: frozenset[str] = frozenset()
    against: str = ""

    @property
    def strong(self) -> bool:
        """Enough to name a driver."""
        return not self.against and self.points >= STRONG and len(self.kinds) >= 2


def units(devices: Iterable[Device]) -> tuple[int, ...]:
    """Unit addresses worth asking first: 1, then where maps say that devices are delivered, then known others."""
    count: defaultdict[int, int] = defaultdict(int)
    for device in devices:
        count[device.unit] += 1
    delivered = sorted(count, key=lambda unit: (-count[unit], unit))
    return tuple(dict.fromkeys((1, *delivered, *_FURTHER_UNITS)))


def lines(devices: Iterable[Device]) -> tuple[SerialSettings, ...]:
    """Settings of a serial line worth trying, those first with which the most vendors deliver."""
    vendors: defaultdict[SerialSettings, set[str]] = defaultdict(set)
    for device in devices:
        if device.line:
            vendors[device.line].add(device.vendor)
    delivered = sorted(
        vendors, key=lambda line: (-len(vendors[line]), line != STANDARD_SETTINGS, abs(line.baudrate - 9600), str(line))
    )
    return tuple(dict.fromkeys((*delivered, *_FURTHER_LINES)))


def marked(device: Device) -> frozenset[tuple[Table, int]]:
    """Registers (table, address) that the marks of its identity rest on."""
    return frozenset(
        (one.table, one.address + (one.skip + index) // 2)
        for one in (mark.excerpt for mark in device.identity.marks)
        for index in range(one.length or 2 * one.registers - one.skip)
    )


def meant(excerpt: Excerpt, answer: bytes) -> bytes:
    """The octets of an answer that an excerpt means."""
    return answer[excerpt.skip : excerpt.skip + excerpt.length] if excerpt.length else answer[excerpt.skip :]


def text(octets: bytes) -> str:
    """The text in registers, one or two characters in each; empty when it is none."""
    plain = octets.replace(b"\0", b"").rstrip(b"\xff").decode("ascii", "replace").strip()
    return plain if plain.isascii() and plain.isprintable() else ""


def judged(mark: Mark, answer: bytes | None) -> Verdict:
    """What an answer says of a mark; None: it was not answered. Zeros and all ones say nothing."""
    octets = meant(mark.excerpt, answer) if answer else b""
    if not octets.strip(b"\0") or not octets.strip(b"\xff"):
        return "unsaid"
    if mark.pattern:
        return "fits" if re.match(mark.pattern, text(octets)) else "differs"
    number = int.from_bytes(octets, "big")
    fits = number in mark.values or any(low <= number <= high for low, high in mark.ranges)
    return "fits" if fits else "differs"


def label(one: Label, answer: bytes) -> str:
    """A model or serial number as people write it; empty when the device does not say."""
    octets = meant(one.excerpt, answer)
    if not one.number:
        return text(octets)
    return str(int.from_bytes(octets, "big")) if octets.strip(b"\0") and octets.strip(b"\xff") else ""


def telling(device: Device) -> tuple[str, ...]:
    """The quantities of a map that can be weighed, in its order; those whose registers are marks count as such."""
    taken = marked(device)
    return tuple(
        one.quantity
        for one in device.registers
        if one.quantity in _TELLING and all((one.table, one.address + word) not in taken for word in range(one.words))
    )


def taste(device: Device) -> str:
    """The quantity to look at before all others, since it alone shows most wrong maps; empty when there is none."""
    offered = telling(device)
    return next((one for one in ("frequency", "voltage_l1n", "voltage_l1l2") if one in offered), "")


def evidence(device: Device, values: Mapping[str, float]) -> Evidence:
    """What the values (SI, NaN or missing: not available) say of whether this is the device.

    A value in its range is worth a point, as a float two, which are rarely right by chance; so is a relation that
    holds. Zeros are worth nothing: a register that means something else is often zero.
    """
    against = _impossible(values)
    if against:
        return Evidence(against=against)
    floats = {one.quantity for one in device.registers if one.type in ("f32", "f64")}
    points: defaultdict[str, int] = defaultdict(int)
    for kind, quantity, (low, high) in _ranges():
        if low <= values.get(quantity, nan) <= high:
            points[kind] += 2 if quantity in floats else 1
    for between, neutral in _LINES:
        ratio = _ratio(values.get(f"voltage_{between}", nan), values.get(f"voltage_{neutral}", nan))
        points["voltage"] += 0.95 * ROOT_3 <= ratio <= 1.05 * ROOT_3
    points["power"] += _agreements(values)
    return Evidence(sum(points.values()), frozenset(kind for kind, worth in points.items() if worth))


def _ranges() -> Iterable[tuple[str, str, tuple[float, float]]]:
    yield "frequency", "frequency", FREQUENCY
    for phase in _PHASE_NAMES:
        yield "voltage", f"voltage_{phase}n", PHASE_VOLTAGE
    for line, _ in _LINES:
        yield "voltage", f"voltage_{line}", LINE_VOLTAGE


def _impossible(values: Mapping[str, float]) -> str:
    """What no device on a low-voltage grid shows; empty when there is nothing."""
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
    """Points for powers that agree: with their sum, and with voltage times current."""
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


def _ratio(one: float, other: float) -> float:
    return one / other if other and other >= NOISE_LEVEL else nan
