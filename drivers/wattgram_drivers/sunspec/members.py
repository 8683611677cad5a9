"""SunSpec: the members of a chain of models (inverters, meters, batteries), described as Devices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from wattgram_drivers.catalogue import SUNSPEC, SUNSPEC_NAME
from wattgram_drivers.device import Device, DeviceLimits, Kind, Register, Type
from wattgram_drivers.driver_errors import BadAnswer
from wattgram_drivers.quantity import QUANTITIES

from .member_roles import StorageFacts, is_of_battery_port, member_roles, member_terminal
from .models import FoundModel, register_block, registers
from .points import DER, INVERTERS, METERS, POINT_QUANTITIES, STORAGE_MODELS, TRACKERS, WEATHER

MEMBER_KINDS: tuple[Kind, ...] = ("inverter", "meter", "battery", "sensor")

_COUNTS_DOWN = re.compile("kostal", re.IGNORECASE)
"""Makes whose meters send exported energy as a negative number (CJNE/ha-sunspec issues 88 and 249, volkszaehler/mbmd
pull request 97): the counter falls from 2^32. Other meters with such values may have counted as far."""

_SIGNED: Mapping[str, Type] = {"u16": "i16", "u32": "i32", "u64": "i64"}

_INVERTER_FAMILIES = (INVERTERS[:3], INVERTERS[3:], (DER,))
_WEATHER_KIND: Kind = "sensor"
_METER_FAMILIES = (METERS[:4], METERS[4:])


NO_STORAGE = StorageFacts(vacant=True)


@dataclass(frozen=True, slots=True)
class CommonModel:
    """Identity in a common model (model 1), valid for the models that follow."""

    vendor: str = ""
    model: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """An inverter, meter, battery or weather station of a unit: the `number`th of its kind, in the order of the chain.

    `common` is the model 1 before the member. If two models have a quantity, the first in `models` supplies it.
    """

    kind: Kind
    number: int
    common: FoundModel | None
    models: tuple[FoundModel, ...]

    @property
    def driver(self) -> str:
        """Name of the driver in a configuration."""
        return f"{SUNSPEC}:{self.kind}" + (str(self.number) if self.number > 1 else "")


def members(chain: Sequence[FoundModel]) -> tuple[Member, ...]:
    """Return the members of a chain in its order, a battery after its inverter.

    A model 1 begins a new device, as with SolarEdge's meters. There may be several members between two models 1.
    Models of the same AC side in different forms (a Kostal serves 103 and 113 at once, newer devices 701 beside 103)
    belong to a single member; a second model of the same form begins the next member. Models of the weather are a
    member of their own, also beside an inverter.
    """
    counts: Counter[Kind] = Counter()
    found = []
    for common, models in _devices(chain):
        usable = [model for model in models if model.model in POINT_QUANTITIES and any(registers(model))]
        weather = _sides(usable, [(number,) for number in WEATHER])
        parts = [*_parts([model for model in usable if model.model not in WEATHER])]
        for kind, own in [*parts, *[(_WEATHER_KIND, _unique(side)) for side in weather]]:
            counts[kind] += 1
            found.append(Member(kind, counts[kind], common, own))
    return tuple(found)


def place(driver: str, kind: Kind) -> tuple[Kind, int]:
    """Return kind and number of the member that a driver's name selects; `sunspec` selects the first of `kind`."""
    name = SUNSPEC_NAME.fullmatch(driver)
    if name is None:
        raise ValueError(f"found driver {driver!r}; allowed: {SUNSPEC}, or {SUNSPEC}:KIND with a number")
    named = next((member_kind for member_kind in MEMBER_KINDS if member_kind == name["kind"]), kind)
    return named, int(name["number"] or 1)


def pick(found: Sequence[Member], driver: str, kind: Kind | None) -> Member:
    """Return the member that a driver's name selects; `sunspec` selects the first of `kind`, else the first AC side.

    `found` contains at least one member. BadAnswer: no such member; the message lists the members.
    """
    ac = next((member for member in found if member.kind in ("inverter", "meter")), found[0])
    wanted = place(driver, kind or ac.kind)
    for member in found:
        if (member.kind, member.number) == wanted:
            return member
    if driver == SUNSPEC:
        return ac
    raise BadAnswer(f"no {driver} in this unit; found {', '.join(member.driver for member in found)}")


def with_ac_side(battery: Member, found: Sequence[Member]) -> Member:
    """Return a battery with the models of the inverter whose DC ports it has, for an inverter without PV."""
    others = (member for member in found if member.kind == "inverter" and {*member.models} & {*battery.models})
    owner = next(others, battery)
    return replace(battery, models=(*battery.models, *(model for model in owner.models if model not in battery.models)))


def described(member: Member, identity: CommonModel, *, alone: bool, facts: StorageFacts = NO_STORAGE) -> Device:
    """Return a member as a Device. alone: the only member of a unit, with the plain name `sunspec`.

    facts: about the battery, from its values; without them, an inverter has no terminal.
    """
    offered: dict[str, Register] = {}
    for found in member.models:
        for register in registers(found):
            shared = member.kind == "battery" and found.model in TRACKERS
            if not shared or is_of_battery_port(register.quantity, facts):
                offered.setdefault(register.quantity, register)
    if member.kind == "meter" and any(_COUNTS_DOWN.match(text) for text in (identity.vendor, identity.model)):
        offered = {name: _counting_down(register) for name, register in offered.items()}
    numbers = [found.model for found in (member.common, *member.models) if found is not None]
    storage = [found for found in member.models if found.model in STORAGE_MODELS]
    of_storage = [name for name, register in offered.items() if any(_contains(found, register) for found in storage)]
    return Device(
        name=SUNSPEC if alone else member.driver,
        vendor=identity.vendor,
        model=identity.model,
        serial=identity.serial,
        kind=member.kind,
        registers=tuple(offered.values()),
        # Every register of a model exists, and reading unneeded registers is faster than another request.
        limits=DeviceLimits(
            max_registers=125,
            gap=125,
            windows=tuple((found.address, found.address + 1 + found.length) for found in member.models),
        ),
        source="SunSpec models " + ", ".join(map(str, numbers)),
        nameplate="rated_power" if "rated_power" in offered else "",
        blocks=tuple(register_block(found) for found in member.models),
        roles=member_roles(member.kind, numbers, tuple(offered), facts),
        terminal=member_terminal(tuple(offered), facts, of_storage) if member.kind == "inverter" and storage else None,
    )


def _contains(found: FoundModel, register: Register) -> bool:
    return found.address <= register.address < found.address + 2 + found.length


def _counting_down(register: Register) -> Register:
    """Return an energy counter that may be sent as a negative number; other registers unchanged."""
    if not register.type.startswith("u") or QUANTITIES[register.quantity].unit not in ("Wh", "VAh", "varh"):
        return register
    return replace(register, type=_SIGNED[register.type], encoding="magnitude")


def _devices(chain: Sequence[FoundModel]) -> Iterator[tuple[FoundModel | None, list[FoundModel]]]:
    """Yield each model 1 with the models that follow; None with the models before the first model 1."""
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
    """Yield the members among the models after a model 1, each with its models: the AC side first."""
    inverters, meters = _sides(models, _INVERTER_FAMILIES), _sides(models, _METER_FAMILIES)
    sides = [found for side in (*inverters, *meters) for found in side]
    others = [found for found in models if found not in sides]
    if not inverters:
        battery = any(found.model in STORAGE_MODELS for found in others)
        if others and (battery or not meters):
            yield "battery" if battery else "inverter", _unique(others)
            others = []
        for number, side in enumerate(meters):
            yield "meter", _unique([*side, *(others if number == 0 else [])])
        return
    shared: list[list[FoundModel]] = [[] for _ in inverters]
    for found in others:
        shared[_owner(found, others, inverters)].append(found)
    for side in sorted((*inverters, *meters), key=lambda side: side[0].address):
        if side in meters:
            yield "meter", _unique(side)
            continue
        own = shared[inverters.index(side)]
        yield "inverter", _unique([*side, *own])
        storage = [found for found in own if found.model in STORAGE_MODELS]
        if storage:
            # The AC power of an inverter with PV is not the battery's power.
            ports = [found for found in own if found.model in TRACKERS]
            yield "battery", _unique([*storage, *(ports or [*side, *own])])


def _sides(models: Sequence[FoundModel], families: Sequence[tuple[int, ...]]) -> list[list[FoundModel]]:
    """Return the AC sides: the nth contains the nth model of each family."""
    sides: list[list[FoundModel]] = []
    for family in families:
        for number, found in enumerate(model for model in models if model.model in family):
            if number == len(sides):
                sides.append([])
            sides[number].append(found)
    return [sorted(side, key=lambda found: found.address) for side in sides]


def _owner(found: FoundModel, others: Sequence[FoundModel], inverters: Sequence[Sequence[FoundModel]]) -> int:
    """Return the index of a model's inverter.

    As many models of a number as inverters belong to one inverter each; otherwise a model belongs to the inverter
    before it, or to the first.
    """
    same_number = [model for model in others if model.model == found.model]
    if len(same_number) == len(inverters):
        return same_number.index(found)
    before = [number for number, side in enumerate(inverters) if side[0].address < found.address]
    return max(before, default=0)


def _unique(models: Sequence[FoundModel]) -> tuple[FoundModel, ...]:
    """Return the first model of each number."""
    first: dict[int, FoundModel] = {}
    for found in models:
        first.setdefault(found.model, found)
    return tuple(first.values())
