"""SunSpec: walk a device's chain of models and describe its members as Devices.

The walk is that of the SunSpec Technology Overview 12040 v1.4, and what devices make of it. Which points are which
quantities is in `sunspec_points`, how a model is laid out in `sunspec_models`, whose a model is in
`sunspec_members`; `sunspec_serve` lays out chains to serve.
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
"""Reads `count` registers of a table from an address; raises what a bus raises (Refused for an exception)."""

BASES = (
    *(40000, 50000, 0),  # 12040, 5.1
    # Register numbers as manuals print them, taken for addresses.
    *(40001, 50001, 1),
    30000,  # franklinwh_modbus, discovery.py
)
"""Where a chain may begin, in the order in which they are tried."""

MAX_MODELS = 64
"""A chain without an end marker stops here; real ones have fewer than thirty models."""

_BUSY = (5, 6)
_AWAY = (10, 11)
"""Exceptions of a gateway whose device is silent: a time-out by another name."""


async def discover(read: Read, driver: str = SUNSPEC, kind: Kind | None = None) -> Device:
    """Walk the device's models and describe the member that `driver` names: `sunspec:meter2`, `sunspec:battery`.

    Plain `sunspec` is the first member of this kind, else the first inverter or meter, else the first of all.
    BadAnswer when there is no SunSpec marker, no model that we know, or no such member; whatever else `read`
    raises. The walk ends at the end marker, at an ID of 0, where the device says that it has nothing, at the
    last address or after 64 models.
    """
    found = await _members(read)
    member = pick(found, driver, kind)
    return described(member, await _identity(read, member), alone=len(found) == 1)


async def members(read: Read) -> tuple[Device, ...]:
    """Every member of the unit, each with the driver's name that asks for it. Raises what `discover` does."""
    found = await _members(read)
    return tuple([described(one, await _identity(read, one), alone=len(found) == 1) for one in found])


async def _members(read: Read) -> Sequence[Member]:
    base = await _find(read)
    walked = [found async for found in _walk(read, base + 2)]
    found = members_of(walked)
    if not found:
        numbers = ", ".join(str(one.model) for one in walked) or "none"
        raise BadAnswer(f"SunSpec chain at {base}: models {numbers}; known are {', '.join(map(str, POINT_QUANTITIES))}")
    return found


async def _find(read: Read) -> int:
    """The base at which the marker stands. What is no answer at one base may be one at the next, silence is final."""
    seen = []
    for base in BASES:
        try:
            answer = await read(TABLE, base, 2)
        except Refused as refused:
            if refused.code in _AWAY:
                raise
            seen.append(f"{base}: exception {refused.code}")
        except BadAnswer:
            seen.append(f"{base}: no valid answer")
        else:
            if answer == MARKER:
                return base
            seen.append(f"{base}: {answer[:4].hex(' ', 2)}")
    raise BadAnswer(f"no SunSpec marker 'SunS' ({MARKER.hex(' ', 2)}); found {'; '.join(seen)}")


async def _walk(read: Read, address: int) -> AsyncIterator[FoundModel]:
    for _ in range(MAX_MODELS):
        if address > END - 1:
            return
        try:
            answer = await read(TABLE, address, 2)
        except Refused as refused:
            # SMA refuses the end marker in a request of two registers (victronenergy/dbus-fronius).
            if refused.code in _BUSY + _AWAY:
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
    """What the model 1 before a member says; nothing where the device refuses to tell."""
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
        told = raw.decode("ascii", "replace")
        return "".join(letter if letter.isprintable() else " " for letter in told).strip()

    return CommonModel(text("Mn"), text("Md"), text("SN"))
