"""Who answers at one unit: SunSpec first, then what tells a model, then values that look like a device's."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan

from wattgram_drivers import catalogue, probe
from wattgram_drivers.device import Device, Label, Table
from wattgram_drivers.driver_errors import BadAnswer, DriverError, NoAnswer, Refused
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.modbus.pdu import EXCEPTIONS
from wattgram_drivers.probe import Evidence
from wattgram_drivers.reader import Reader
from wattgram_drivers.sunspec import walk
from wattgram_ext.decode import Decoder

from wattgram.base.clock import Clock

GREETING: tuple[Table, int, int] = ("holding", walk.BASES[0], 2)
"""The first question to a unit: where SunSpec begins. Any answer, also a refusal, says that somebody is there."""

NOBODY = (10, 11)
"""Exceptions of a gateway for a unit that is not behind it."""

UNANSWERED_QUESTIONS = 4
"""Unanswered questions in a row after which a unit is left alone."""


@dataclass(frozen=True, slots=True)
class IdentifiedDevice:
    """A device and what it says of itself; `driver` is "" for one that answers and that nothing fits.

    `also` are maps that fit as well, `answer` is what an unknown one said, `rated_power` is in W.
    """

    driver: str
    vendor: str = ""
    model: str = ""
    serial: str = ""
    kind: str = ""
    rated_power: float | None = None
    also: tuple[str, ...] = ()
    answer: str = ""


class UnitIdentification:
    """One unit of a bus while it is asked who it is: one request at a time, each question once."""

    def __init__(self, bus: Bus, number: int, *, greeting: float, limit: float, silence: float) -> None:
        """Seconds: for the answer to the first question, for one to a later question, before each request."""
        self._bus = bus
        self.number = number
        self._greeting = greeting
        self._limit = limit
        self._silence = silence
        self._said: dict[tuple[Table, int, int], bytes | Refused | NoAnswer | BadAnswer] = {}
        self._unanswered = 0

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float = 0.0,  # noqa: ASYNC109 - a reader gives the device's own; here the scan's limit holds
        delay: float = 0.0,
        deadline: float | None = None,
    ) -> bytes:
        """What a bus answers, remembered. Refused, NoAnswer, BadAnswer; BusDown is not remembered."""
        question = (table, address, count)
        if question not in self._said:
            if self._unanswered >= UNANSWERED_QUESTIONS:
                raise NoAnswer(f"unit {self.number} has stopped answering")
            limit = self._greeting if question == GREETING else self._limit
            try:
                self._said[question] = await self._bus.read(
                    self.number,
                    table,
                    address,
                    count,
                    timeout=limit,
                    delay=max(delay, self._silence),
                    deadline=deadline,
                )
            except (Refused, NoAnswer, BadAnswer) as error:
                self._said[question] = error
            silent = isinstance(self._said[question], NoAnswer | BadAnswer)
            self._unanswered = self._unanswered + 1 if silent else 0
        said = self._said[question]
        if isinstance(said, DriverError):
            raise said
        return said

    async def answer(self, table: Table, address: int, count: int, delay: float = 0.0) -> bytes | None:
        """The registers, None when the unit does not give them."""
        try:
            return await self.read(self.number, table, address, count, delay=delay)
        except (Refused, NoAnswer, BadAnswer):
            return None

    async def greeted(self) -> str:
        """What the unit says to the first question; NoAnswer when nobody is there."""
        try:
            words = await self.read(self.number, *GREETING)
        except BadAnswer as error:
            raise NoAnswer(str(error)) from error
        except Refused as refused:
            if refused.code in NOBODY:
                raise NoAnswer(str(refused)) from refused
            return f"exception {refused.code} ({EXCEPTIONS.get(refused.code, 'unknown')})"
        return f"{GREETING[0]} {GREETING[1]} holds {words.hex(' ', 2)}"


@dataclass(slots=True)
class _Candidates:
    """Maps of one kind of device that fit a unit."""

    fitting: dict[str, Evidence] = field(default_factory=dict)

    def best(self) -> tuple[str, ...]:
        """Names, the one with the most evidence first."""
        return tuple(sorted(self.fitting, key=lambda name: (-self.fitting[name].points, name)))


async def identify(unit: UnitIdentification, devices: Mapping[str, Device], clock: Clock) -> list[IdentifiedDevice]:
    """The devices that answer at a unit, one a kind; one without a driver when nothing fits.

    NoAnswer when nobody is there; BusDown as it comes.
    """
    greeting = await unit.greeted()
    told = await _sunspec(unit, clock)
    by_kind: dict[str, _Candidates] = {}
    doubted: dict[str, Evidence] = {}
    verdicts = {name: await _verdict(unit, device) for name, device in devices.items()}
    for name, verdict in verdicts.items():
        if verdict == "fits":
            found = await _weighed(unit, devices[name], clock)
            # One word is right by chance too often: the values must agree.
            sure = len(probe.marked(devices[name])) > 1 or (found.points >= 2 and not found.against)
            if sure:
                by_kind.setdefault(devices[name].kind, _Candidates()).fitting[name] = found
            else:
                doubted[name] = found
    if not told and not by_kind:
        plausible: dict[str, Evidence] = {}
        for name, device in devices.items():
            found = await _weighed(unit, device, clock)
            if found.strong:
                (doubted if verdicts[name] == "differs" else plausible)[name] = found
        if plausible:
            best = _Candidates(plausible).best()
            by_kind[devices[best[0]].kind] = _Candidates(plausible)
    known = [_with(one, by_kind.pop(one.kind, _Candidates()).best()) for one in told]
    for candidates in by_kind.values():
        first, *others = candidates.best()
        known.append(await _described(unit, devices[first], tuple(others), clock))
    return known or [IdentifiedDevice("", also=_Candidates(doubted).best(), answer=greeting)]


async def _sunspec(unit: UnitIdentification, clock: Clock) -> list[IdentifiedDevice]:
    """The SunSpec devices of a unit, one or several in one chain."""

    async def read(table: Table, address: int, count: int) -> bytes:
        return await unit.read(unit.number, table, address, count)

    try:
        devices = await walk.members(read)
    except (Refused, NoAnswer, BadAnswer):
        return []
    return [
        IdentifiedDevice(
            device.name,
            device.vendor,
            device.model,
            device.serial,
            device.kind,
            await _rated_power(unit, device, clock),
        )
        for device in devices
        if device.registers
    ]


def _with(known: IdentifiedDevice, also: tuple[str, ...]) -> IdentifiedDevice:
    return IdentifiedDevice(known.driver, known.vendor, known.model, known.serial, known.kind, known.rated_power, also)


async def _verdict(unit: UnitIdentification, device: Device) -> probe.Verdict:
    """What a unit says of a map's marks; those after one that does not hold are not asked for."""
    verdict: probe.Verdict = "unknown"
    for mark in device.identity.marks:
        one = mark.excerpt
        delay = device.limits.request_delay
        verdict = probe.judge(mark, await unit.answer(one.table, one.address, one.registers, delay))
        if verdict != "fits":
            break
    return verdict


async def _weighed(unit: UnitIdentification, device: Device, clock: Clock) -> Evidence:
    """How much a unit's values look like this device's; one is looked at first, and most maps end there."""
    taste = probe.first_check(device)
    if not taste or not probe.evidence(device, await _values(unit, device, [taste], clock)).points:
        return Evidence()
    return probe.evidence(device, await _values(unit, device, probe.checkable(device), clock))


async def _values(
    unit: UnitIdentification, device: Device, quantities: Collection[str], clock: Clock
) -> dict[str, float]:
    """Values of a map's quantities, NaN for those that the unit does not give."""
    reader = Reader(device, unit.number, quantities)
    try:
        reading = await reader.read(unit, clock)
    except (Refused, NoAnswer, BadAnswer):
        return {}
    plan = reader.plan
    octets = Decoder(plan.fields(), plan.factors(), plan.words).decode(reading.image, reading.valid)
    return dict(zip(plan.quantities, struct.unpack(f"{len(plan.quantities)}d", octets), strict=True))


async def _described(unit: UnitIdentification, device: Device, also: tuple[str, ...], clock: Clock) -> IdentifiedDevice:
    identity = device.identity
    return IdentifiedDevice(
        device.name,
        device.vendor,
        await _label(unit, identity.model) or device.model,
        await _label(unit, identity.serial),
        device.kind,
        await _rated_power(unit, device, clock),
        also,
    )


async def _label(unit: UnitIdentification, label: Label | None) -> str:
    if label is None:
        return ""
    one = label.excerpt
    answer = await unit.answer(one.table, one.address, one.registers)
    return probe.label(label, answer) if answer else ""


async def _rated_power(unit: UnitIdentification, device: Device, clock: Clock) -> float | None:
    """The nameplate's W, where the device tells them."""
    if "rated_power" not in device.quantities:
        return None
    power = (await _values(unit, device, ["rated_power"], clock)).get("rated_power", nan)
    return power if isfinite(power) and power >= 1.0 else None


def catalogued() -> dict[str, Device]:
    """Every map by its name, those with marks of their own first."""
    maps: Sequence[Device] = [catalogue.load(name) for name in catalogue.names() if name != catalogue.SUNSPEC]
    return {device.name: device for device in sorted(maps, key=lambda device: (not device.identity.marks, device.name))}
