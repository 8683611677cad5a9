"""SunSpec: who stands in a chain of models: its inverters, meters and batteries, and what each is read as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wattgram_drivers.catalogue import SUNSPEC, SUNSPEC_NAME
from wattgram_drivers.device import Device, DeviceLimits, Kind, Register
from wattgram_drivers.driver_errors import BadAnswer

from .models import FoundModel, registers
from .points import DER, INVERTERS, METERS, POINT_QUANTITIES, STORAGE_MODELS, TRACKERS

MEMBER_KINDS: tuple[Kind, ...] = ("inverter", "meter", "battery")

_INVERTER_FAMILIES = (INVERTERS[:3], INVERTERS[3:], (DER,))
_METER_FAMILIES = (METERS[:4], METERS[4:])


@dataclass(frozen=True, slots=True)
class CommonModel:
    """What a common model says of those that follow it."""

    vendor: str = ""
    model: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One inverter, meter or battery of a unit: the `number`th of its kind, in the order of the chain.

    `common` is the model 1 before it. Of two models with the same quantity the first in `models` has it.
    """

    kind: Kind
    number: int
    common: FoundModel | None
    models: tuple[FoundModel, ...]

    @property
    def driver(self) -> str:
        """The name by which a configuration asks for it."""
        return f"{SUNSPEC}:{self.kind}" + (str(self.number) if self.number > 1 else "")


def members(chain: Sequence[FoundModel]) -> tuple[Member, ...]:
    """The members of a chain in its order, a battery after the inverter that it belongs to.

    A model 1 begins a new device, as SolarEdge lays out its meters. Between two of them there may be several:
    the models of one AC side in another form (a Kostal serves 103 and 113 at once, newer devices 701 beside
    103) are one member, a second model of the same form is the next member.
    """
    counts: Counter[Kind] = Counter()
    found = []
    for common, models in _devices(chain):
        for kind, own in _parts([one for one in models if one.model in POINT_QUANTITIES and any(registers(one))]):
            counts[kind] += 1
            found.append(Member(kind, counts[kind], common, own))
    return tuple(found)


def place(driver: str, kind: Kind) -> tuple[Kind, int]:
    """Kind and number of the member that a driver's name means; plain `sunspec` is the first of `kind`."""
    name = SUNSPEC_NAME.fullmatch(driver)
    if name is None:
        raise ValueError(f"found driver {driver!r}; allowed: {SUNSPEC}, or {SUNSPEC}:KIND with a number")
    named = next((each for each in MEMBER_KINDS if each == name["kind"]), kind)
    return named, int(name["number"] or 1)


def pick(found: Sequence[Member], driver: str, kind: Kind | None) -> Member:
    """The member that a driver's name means; plain `sunspec` the first of a kind, else the first AC side.

    BadAnswer lists the members when the named one is not among them. `found` has at least one.
    """
    ac = next((one for one in found if one.kind != "battery"), found[0])
    wanted = place(driver, kind or ac.kind)
    for one in found:
        if (one.kind, one.number) == wanted:
            return one
    if driver == SUNSPEC:
        return ac
    raise BadAnswer(f"no {driver} in this unit; found {', '.join(one.driver for one in found)}")


def described(member: Member, identity: CommonModel, *, alone: bool) -> Device:
    """What a member is read as; the only one of a unit needs no other name than `sunspec`."""
    offered: dict[str, Register] = {}
    for found in member.models:
        for register in registers(found):
            offered.setdefault(register.quantity, register)
    numbers = [found.model for found in (member.common, *member.models) if found is not None]
    return Device(
        name=SUNSPEC if alone else member.driver,
        vendor=identity.vendor,
        model=identity.model,
        serial=identity.serial,
        kind=member.kind,
        registers=tuple(offered.values()),
        # Every register of a model exists, so that reading on costs less than asking again.
        limits=DeviceLimits(
            max_registers=125,
            gap=125,
            windows=tuple((found.address, found.address + 1 + found.length) for found in member.models),
        ),
        source="SunSpec models " + ", ".join(map(str, numbers)),
    )


def _devices(chain: Sequence[FoundModel]) -> Iterator[tuple[FoundModel | None, list[FoundModel]]]:
    """Each model 1 with the models that follow it; None for those that stand before the first."""
    common: FoundModel | None = None
    models: list[FoundModel] = []
    for found in chain:
        if found.model == 1:
            yield common, models
            common, models = found, []
        else:
            models.append(found)
    yield common, models


def _parts(models: Sequence[FoundModel]) -> Iterator[tuple[Kind, tuple[FoundModel, ...]]]:
    """The members among the models after one model 1, each with its models: the AC side first."""
    inverters, meters = _sides(models, _INVERTER_FAMILIES), _sides(models, _METER_FAMILIES)
    sides = [found for side in (*inverters, *meters) for found in side]
    others = [found for found in models if found not in sides]
    if not inverters:
        battery = any(found.model in STORAGE_MODELS for found in others)
        if others and (battery or not meters):
            yield "battery" if battery else "inverter", _each_once(others)
            others = []
        for number, side in enumerate(meters):
            yield "meter", _each_once([*side, *(others if number == 0 else [])])
        return
    shared: list[list[FoundModel]] = [[] for _ in inverters]
    for found in others:
        shared[_owner(found, others, inverters)].append(found)
    for side in sorted((*inverters, *meters), key=lambda side: side[0].address):
        if side in meters:
            yield "meter", _each_once(side)
            continue
        own = shared[inverters.index(side)]
        yield "inverter", _each_once([*side, *own])
        storage = [found for found in own if found.model in STORAGE_MODELS]
        if storage:
            # What an inverter with PV behind it gives is not its battery's.
            rest = [] if any(found.model in TRACKERS for found in own) else [*side, *own]
            yield "battery", _each_once([*storage, *rest])


def _sides(models: Sequence[FoundModel], families: Sequence[tuple[int, ...]]) -> list[list[FoundModel]]:
    """AC sides: the first has the first model of each family, the second the second."""
    sides: list[list[FoundModel]] = []
    for family in families:
        for number, found in enumerate(one for one in models if one.model in family):
            if number == len(sides):
                sides.append([])
            sides[number].append(found)
    return [sorted(side, key=lambda found: found.address) for side in sides]


def _owner(found: FoundModel, others: Sequence[FoundModel], inverters: Sequence[Sequence[FoundModel]]) -> int:
    """Whose a model is: as many of its number as inverters are one each; else the one before it, or the first."""
    alike = [one for one in others if one.model == found.model]
    if len(alike) == len(inverters):
        return alike.index(found)
    before = [number for number, side in enumerate(inverters) if side[0].address < found.address]
    return max(before, default=0)


def _each_once(models: Sequence[FoundModel]) -> tuple[FoundModel, ...]:
    """The first model of each number."""
    first: dict[int, FoundModel] = {}
    for found in models:
        first.setdefault(found.model, found)
    return tuple(first.values())
