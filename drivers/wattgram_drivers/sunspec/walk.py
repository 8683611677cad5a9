"""SunSpec: read a device's chain of models and describe its members as Devices.

The walk follows the SunSpec Technology Overview 12040 v1.4 and tolerates known deviations of devices. `points` maps
points to quantities, `models` contains the layout of models, `members` assigns models to members;
`simulated.sunspec_serve` creates chains to serve.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from wattgram_drivers.catalogue import SUNSPEC
from wattgram_drivers.device import Device, Kind, Table
from wattgram_drivers.driver_errors import BadAnswer, Refused

from .member_roles import StorageFacts, port_models, port_uses
from .members import CommonModel, Member, described, pick, place, with_ac_side
from .members import members as members_of
from .models import END, MARKER, TABLE, FoundModel, definition, has_value
from .points import KNOWN_MODELS, METERS, POINT_QUANTITIES, STORAGE_MODELS, quantities

__all__ = [
    "BASES",
    "KNOWN_MODELS",
    "MAX_MODELS",
    "Read",
    "Survey",
    "difference",
    "discover",
    "members",
    "place",
    "quantities",
    "survey",
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

MOST_REGISTERS = 120
"""Most registers of a request for a whole model."""

_BUSY = (5, 6)
_UNREACHABLE = (10, 11)
"""Exceptions of a gateway for a silent device, equivalent to a timeout."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Result of a walk: the chain of models, and the device that one of its members is read as.

    common: the model 1 of the device, None for none.
    """

    device: Device
    chain: tuple[FoundModel, ...]
    common: FoundModel | None

    @property
    def models(self) -> str:
        """Numbers of the chain's models, in words."""
        return ", ".join(str(found.model) for found in self.chain)


async def survey(read: Read, driver: str = SUNSPEC, kind: Kind | None = None, *, vacant: bool = False) -> Survey:
    """Walk the chain and return what was found. Arguments and errors as for `discover`.

    vacant: accept a battery without any value. A device that was read before may sleep.
    """
    chain = await _chain(read)
    found = members_of(chain)
    member = pick(found, driver, kind)
    if member.kind == "battery" and not vacant and len(found) > 1 and await _is_vacant(read, member):
        present = [other.driver for other in found if other != member and not await _is_vacant(read, other)]
        listed = ", ".join(present) or "none"
        raise BadAnswer(f"no {member.driver} in this unit: {_numbered(_proofs(member))} no value; found {listed}")
    identity = await _identity(read, member.common)
    facts = await _storage_facts(read, member)
    if member.kind == "battery" and facts.battery_alone:
        member = with_ac_side(member, found)
    device = described(member, identity, alone=len(found) == 1, facts=facts)
    return Survey(device, chain, member.common)


async def difference(read: Read, known: Survey) -> str:
    """Compare a device with an earlier walk, in two requests; return the difference in words, "" for none.

    Compared are the identity of the device and the end of the chain. The heads of the models in use are compared with
    each reading. A model 1 without a text is no difference: the device sleeps. Errors as for `discover`.
    """
    device = known.device
    identity = await _identity(read, known.common)
    if identity != CommonModel() and identity != CommonModel(device.vendor, device.model, device.serial):
        return f"model 1 is {identity.vendor} {identity.model} {identity.serial}"
    last = known.chain[-1]
    if len(known.chain) < MAX_MODELS:
        async for found in _walk(read, last.address + 2 + last.length, 1):
            return f"model {found.model} at {found.address}"
    return ""


async def discover(read: Read, driver: str = SUNSPEC, kind: Kind | None = None) -> Device:
    """Read the device's chain and return the member that `driver` selects: `sunspec:meter2`, `sunspec:battery`.

    Plain `sunspec` selects the first member of this kind, else the first inverter or meter, else the first member.
    BadAnswer: no SunSpec marker, no supported model, or no such member, also if the models of a battery
    have no value, as many inverters serve them without one; further errors of `read`. The walk ends at
    the end marker, at an ID of 0, at a refused register, at the last address or after 64 models.
    """
    return (await survey(read, driver, kind)).device


async def members(read: Read, *, vacant: bool = True) -> tuple[Device, ...]:
    """Return every member of the unit, named by its driver. Errors as for `discover`.

    vacant False: without the batteries and meters that have no value; many inverters serve the models of devices that
    they could have. The other members keep their names.
    """
    found = members_of(await _chain(read))
    listed = [member for member in found if vacant or len(found) == 1 or not await _is_vacant(read, member)]
    return tuple([described(member, await _identity(read, member.common), alone=len(found) == 1) for member in listed])


async def _storage_facts(read: Read, member: Member) -> StorageFacts:
    """Return what the values tell about the battery of a member: whether there is one, and its DC ports."""
    storage = [found for found in member.models if found.model in STORAGE_MODELS]
    if not storage or (member.kind == "inverter" and await _have_no_value(read, storage, scales=False)):
        return StorageFacts(vacant=True)
    for found in port_models(member.models):
        octets = await _content(read, found)
        uses = () if octets is None else port_uses(found, octets)
        if any(uses):
            return StorageFacts(ports=uses)
    return StorageFacts()


def _proofs(member: Member) -> list[FoundModel]:
    """Return the models that make a battery or a meter; none for other members."""
    numbers = {"battery": STORAGE_MODELS, "meter": METERS}.get(member.kind, ())
    return [found for found in member.models if found.model in numbers]


def _numbered(models: Sequence[FoundModel]) -> str:
    """Return models and the verb: "SunSpec model 124 has", "SunSpec models 124, 802 have"."""
    numbers = ", ".join(str(found.model) for found in models)
    return f"SunSpec models {numbers} have" if len(models) > 1 else f"SunSpec model {numbers} has"


async def _is_vacant(read: Read, member: Member) -> bool:
    """Return whether the models that make a battery or a meter have no value: all are "not implemented" or 0.

    The scales of a meter count as values: a meter that is switched off still has them.
    """
    own = _proofs(member)
    return bool(own) and await _have_no_value(read, own, scales=member.kind == "meter")


async def _have_no_value(read: Read, models: Sequence[FoundModel], *, scales: bool) -> bool:
    """Return whether all models are "not implemented" or 0; False if the device refuses one. scales: they count."""
    for found in models:
        octets = await _content(read, found)
        if octets is None or has_value(found, octets, scales=scales):
            return False
    return True


async def _content(read: Read, found: FoundModel) -> bytes | None:
    """Return the octets of a model from its third register on, None if the device refuses them."""
    octets = b""
    for first in range(0, found.length, MOST_REGISTERS):
        count = min(MOST_REGISTERS, found.length - first)
        try:
            octets += await read(TABLE, found.address + 2 + first, count)
        except Refused:
            return None
    return octets


async def _chain(read: Read) -> tuple[FoundModel, ...]:
    """Return the chain of models. BadAnswer: none of them is supported."""
    base = await _find(read)
    chain = tuple([model async for model in _walk(read, base + 2)])
    if not members_of(chain):
        numbers = ", ".join(str(model.model) for model in chain) or "none"
        supported = ", ".join(map(str, POINT_QUANTITIES))
        raise BadAnswer(f"SunSpec chain at {base}: models {numbers}; supported are {supported}")
    return chain


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


async def _walk(read: Read, address: int, most: int = MAX_MODELS) -> AsyncIterator[FoundModel]:
    for _ in range(most):
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


async def _identity(read: Read, common: FoundModel | None) -> CommonModel:
    """Return the identity in a model 1; empty without one, or if the device refuses the registers."""
    if common is None:
        return CommonModel()
    points = {point.name: point for point in definition(1).points}
    count = min(common.length, points["SN"].offset + points["SN"].size - 2)
    try:
        words = await read(TABLE, common.address + 2, count) if count else b""
    except Refused:
        return CommonModel()

    def text(name: str) -> str:
        start = 2 * (points[name].offset - 2)
        raw = words[start : start + 2 * points[name].size].split(b"\0", 1)[0].rstrip(b"\xff")
        decoded = raw.decode("ascii", "replace")
        return "".join(letter if letter.isprintable() else " " for letter in decoded).strip()

    return CommonModel(text("Mn"), text("Md"), text("SN"))
