"""SunSpec: read a device's chain of models and describe its members as Devices.

The walk follows the SunSpec Technology Overview 12040 v1.4 and tolerates known deviations of devices. `points` maps
points to quantities, `models` contains the layout of models, `members` assigns models to members;
`simulated.sunspec_serve` creates chains to serve.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from wattgram_drivers.catalogue import SUNSPEC
from wattgram_drivers.device import Device, Kind, Table
from wattgram_drivers.driver_errors import BadAnswer, Refused

from .members import CommonModel, Member, described, pick, place
from .members import members as members_of
from .models import END, MARKER, TABLE, FoundModel, definition
from .points import KNOWN_MODELS, POINT_QUANTITIES, quantities

__all__ = [
    "BASES",
    "KNOWN_MODELS",
    "MAX_MODELS",
    "Read",
    "discover",
    "members",
    "place",
    "quantities",
]

Read = Callable[[Table, int, int], Awaitable[bytes]]
"""Read `count` registers of a table from an address. Errors as for a bus (Refused for an exception)."""

BASES = (
    *(40000, 50000, 0),  # 12040, 5.1
    # Some devices use the register numbers of manuals as addresses.
    *(40001, 50001, 1),
    30000,  # franklinwh_modbus, discovery.py
)
"""Possible base addresses of a chain, in the order of trial."""

MAX_MODELS = 64
"""Most models of a chain without an end marker; real chains have fewer than thirty."""

_BUSY = (5, 6)
_UNREACHABLE = (10, 11)
"""Exceptions of a gateway for a silent device, equivalent to a timeout."""


async def discover(read: Read, driver: str = SUNSPEC, kind: Kind | None = None) -> Device:
    """Read the device's chain and return the member that `driver` selects: `sunspec:meter2`, `sunspec:battery`.

    Plain `sunspec` selects the first member of this kind, else the first inverter or meter, else the first member.
    BadAnswer: no SunSpec marker, no supported model, or no such member; further errors of `read`. The walk ends at
    the end marker, at an ID of 0, at a refused register, at the last address or after 64 models.
    """
    found = await _members(read)
    member = pick(found, driver, kind)
    return described(member, await _identity(read, member), alone=len(found) == 1)


async def members(read: Read) -> tuple[Device, ...]:
    """Return every member of the unit, named by its driver. Errors as for `discover`."""
    found = await _members(read)
    return tuple([described(member, await _identity(read, member), alone=len(found) == 1) for member in found])


async def _members(read: Read) -> Sequence[Member]:
    base = await _find(read)
    chain = [model async for model in _walk(read, base + 2)]
    found = members_of(chain)
    if not found:
        numbers = ", ".join(str(model.model) for model in chain) or "none"
        supported = ", ".join(map(str, POINT_QUANTITIES))
        raise BadAnswer(f"SunSpec chain at {base}: models {numbers}; supported are {supported}")
    return found


async def _find(read: Read) -> int:
    """Return the base address with the marker; an exception or invalid answer leads to the next, silence does not."""
    findings = []
    for base in BASES:
        try:
            answer = await read(TABLE, base, 2)
        except Refused as refused:
            if refused.code in _UNREACHABLE:
                raise
            findings.append(f"{base}: exception {refused.code}")
        except BadAnswer:
            findings.append(f"{base}: no valid answer")
        else:
            if answer == MARKER:
                return base
            findings.append(f"{base}: {answer[:4].hex(' ', 2)}")
    raise BadAnswer(f"no SunSpec marker 'SunS' ({MARKER.hex(' ', 2)}); found {'; '.join(findings)}")


async def _walk(read: Read, address: int) -> AsyncIterator[FoundModel]:
    for _ in range(MAX_MODELS):
        if address > END - 1:
            return
        try:
            answer = await read(TABLE, address, 2)
        except Refused as refused:
            # SMA refuses the end marker in a request of two registers (victronenergy/dbus-fronius).
            if refused.code in _BUSY + _UNREACHABLE:
                raise
            return
        if len(answer) != 4:
            raise BadAnswer(f"SunSpec model at {address}: {len(answer)} octets for 2 registers")
        number, length = int.from_bytes(answer[:2], "big"), int.from_bytes(answer[2:], "big")
        if number in (0, END):
            return
        yield FoundModel(number, address, min(length, END - 1 - address))
        address += 2 + length


async def _identity(read: Read, member: Member) -> CommonModel:
    """Return the identity in the model 1 before a member; empty if the device refuses the registers."""
    if member.common is None:
        return CommonModel()
    points = {point.name: point for point in definition(1).points}
    count = min(member.common.length, points["SN"].offset + points["SN"].size - 2)
    try:
        words = await read(TABLE, member.common.address + 2, count) if count else b""
    except Refused:
        return CommonModel()

    def text(name: str) -> str:
        start = 2 * (points[name].offset - 2)
        raw = words[start : start + 2 * points[name].size].split(b"\0", 1)[0].rstrip(b"\xff")
        decoded = raw.decode("ascii", "replace")
        return "".join(letter if letter.isprintable() else " " for letter in decoded).strip()

    return CommonModel(text("Mn"), text("Md"), text("SN"))
