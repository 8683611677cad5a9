"""Identification of the devices at a unit: by SunSpec, then by the marks of a model, then by plausible values."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, nan

from wattgram_drivers import catalogue, probe
from wattgram_drivers.device import Device, Label, Table
from wattgram_drivers.driver_errors import BadAnswer, DriverError, LayoutChanged, NoAnswer, Refused, WordsSwapped
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.modbus.pdu import EXCEPTIONS
from wattgram_drivers.probe import Evidence
from wattgram_drivers.reader import Reader
from wattgram_drivers.sunspec import walk

from wattgram.acquisition.validity import Judge, Withheld
from wattgram.base.clock import Clock

from .withheld_lines import withheld_lines

FIRST_REQUEST: tuple[Table, int, int] = ("holding", walk.BASES[0], 2)
"""First request to a unit: the start of SunSpec. Any answer, also an exception, shows that a device is there."""

ABSENT_UNIT = (10, 11)
"""Exception codes of a gateway for a unit that is not behind the gateway."""

MOST_UNANSWERED = 4
"""Unanswered requests in a row after which a unit gets no more requests."""

MOST_UNANSWERED_AFTER_ONE = 3
"""The same for a unit that answered the first request only."""

REFUSAL_SILENCE = 0.015
"""Silence before a request to a unit that has only refused, s. A unit that then does not answer is asked once more."""

MISSED = (5, 6, 10, 11)
"""Exceptions of a unit that did not receive the request in time, or of the gateway before it."""

SHORTEST_LIMIT = 0.4
"""Shortest time limit of further answers, s."""

LIMIT_FACTOR = 10.0
"""Time limit of further answers, in durations of the first answer: many units ignore registers that they lack."""


@dataclass(frozen=True, slots=True)
class IdentifiedDevice:
    """A device and its identity. `driver` is "" for a device that answers and that no map fits.

    `also`: other maps that fit; `answer`: answer of an unknown device; `rated_power` in W. `refuses`: whether the unit
    refused every request; `units`: the units that gave the same answer, if it is one row for several units. `finding`:
    what a reading says against the device's values, and what to do.
    """

    driver: str
    vendor: str = ""
    model: str = ""
    serial: str = ""
    kind: str = ""
    rated_power: float | None = None
    also: tuple[str, ...] = ()
    answer: str = ""
    refuses: bool = field(default=False, compare=False)
    units: tuple[int, ...] = field(default=(), compare=False)
    finding: str = ""


class UnitIdentification:
    """Requests to one unit for its identification: one request at a time, and each request once."""

    def __init__(self, bus: Bus, number: int, *, first_limit: float, limit: float, silence: float) -> None:
        """`first_limit`, `limit`: time for the first and for later answers, s; `silence`: pause before a request, s."""
        self._bus = bus
        self.number = number
        self._first_limit = first_limit
        self._limit = limit
        self._silence = silence
        self._answers: dict[tuple[Table, int, int], bytes | Refused | NoAnswer | BadAnswer] = {}
        self._unanswered = 0
        self._patient = bus.endpoint.serial or not bus.endpoint.addressed  # the unit gets the pauses that maps ask for

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float = 0.0,  # noqa: ASYNC109 - a reader gives the time limit of the device; the limit of the scan applies
        delay: float = 0.0,
        deadline: float | None = None,
    ) -> bytes:
        """Return the registers; a repeated request returns the stored answer or error.

        Refused, NoAnswer, BadAnswer; BusDown, which is not stored.
        """
        request = (table, address, count)
        if request not in self._answers:
            if self.stopped:
                raise NoAnswer(f"unit {self.number} has stopped answering")
            hurried = not self._patient and self.refuses
            answer = await self._asked(request, REFUSAL_SILENCE if hurried else max(delay, self._silence), deadline)
            missed = isinstance(answer, NoAnswer | BadAnswer) or (isinstance(answer, Refused) and answer.code in MISSED)
            if hurried and missed and not self.stopped:
                self._patient = True
                answer = await self._asked(request, max(delay, self._silence), deadline)
            self._answers[request] = answer
        answer = self._answers[request]
        if isinstance(answer, DriverError):
            raise answer
        return answer

    async def _asked(
        self, request: tuple[Table, int, int], silence: float, deadline: float | None
    ) -> bytes | Refused | NoAnswer | BadAnswer:
        """Return the answer or the error; BusDown."""
        limit = self._first_limit if request == FIRST_REQUEST else self._limit
        now, connections = asyncio.get_running_loop().time, self._bus.connections
        begun = now()
        answer: bytes | Refused | NoAnswer | BadAnswer
        try:
            answer = await self._bus.read(self.number, *request, timeout=limit, delay=silence, deadline=deadline)
        except (Refused, NoAnswer, BadAnswer) as error:
            answer = error
        silent = isinstance(answer, NoAnswer | BadAnswer)
        repeated = self._bus.connections > max(1, connections)  # the bus repeats a request on a new connection
        self._unanswered = self._unanswered + 1 + repeated if silent else 0
        if request == FIRST_REQUEST and not silent:
            self._limit = min(self._limit, max(SHORTEST_LIMIT, LIMIT_FACTOR * (now() - begun)))
        return answer

    @property
    def stopped(self) -> bool:
        """Whether the unit has left so many requests unanswered that it gets no more."""
        answered = sum(not isinstance(answer, NoAnswer | BadAnswer) for answer in self._answers.values())
        return self._unanswered >= (MOST_UNANSWERED_AFTER_ONE if answered == 1 else MOST_UNANSWERED)

    @property
    def refuses(self) -> bool:
        """Whether the unit refused every request so far."""
        return bool(self._answers) and all(isinstance(answer, Refused) for answer in self._answers.values())

    async def answer(self, table: Table, address: int, count: int, delay: float = 0.0) -> bytes | None:
        """Return the registers, None when the unit does not return them."""
        try:
            return await self.read(self.number, table, address, count, delay=delay)
        except (Refused, NoAnswer, BadAnswer):
            return None

    async def first_answer(self) -> str:
        """Return the answer to the first request, in words. NoAnswer when no device is there."""
        try:
            words = await self.read(self.number, *FIRST_REQUEST)
        except BadAnswer as error:
            raise NoAnswer(str(error)) from error
        except Refused as refused:
            if refused.code in ABSENT_UNIT:
                raise NoAnswer(str(refused)) from refused
            return f"exception {refused.code} ({EXCEPTIONS.get(refused.code, 'unknown')})"
        return f"{FIRST_REQUEST[0]} {FIRST_REQUEST[1]} holds {words.hex(' ', 2)}"


@dataclass(slots=True)
class _Candidates:
    """Maps for one kind of device that fit a unit."""

    fitting: dict[str, Evidence] = field(default_factory=dict)

    def best(self) -> tuple[str, ...]:
        """Return the names of the maps, most evidence first."""
        return tuple(sorted(self.fitting, key=lambda name: (-self.fitting[name].points, name)))


async def identify(unit: UnitIdentification, devices: Mapping[str, Device], clock: Clock) -> list[IdentifiedDevice]:
    """Return the devices at a unit, one of each kind; a device without a driver when no map fits.

    NoAnswer when no device is there; BusDown when the bus is lost.
    """
    answer = await unit.first_answer()
    sunspec = await _sunspec(unit, clock)
    by_kind: dict[str, _Candidates] = {}
    doubted: dict[str, Evidence] = {}
    verdicts = {name: await _verdict(unit, device) for name, device in devices.items()}
    for name, verdict in verdicts.items():
        if verdict == "fits":
            found = await _evidence(unit, devices[name], clock)
            # A single word matches by chance too often: the values must be plausible too.
            sure = len(probe.marked(devices[name])) > 1 or (found.points >= 2 and not found.against)
            if sure:
                by_kind.setdefault(devices[name].kind, _Candidates()).fitting[name] = found
            else:
                doubted[name] = found
    if not sunspec and not by_kind:
        plausible: dict[str, Evidence] = {}
        for name, device in devices.items():
            found = await _evidence(unit, device, clock)
            if found.strong:
                doubtful = verdicts[name] == "differs" or device.identity.only
                (doubted if doubtful else plausible)[name] = found
        if plausible:
            best = _Candidates(plausible).best()
            by_kind[devices[best[0]].kind] = _Candidates(plausible)
    identified = [_with(device, by_kind.pop(device.kind, _Candidates()).best()) for device in sunspec]
    for candidates in by_kind.values():
        first, *others = candidates.best()
        identified.append(await _described(unit, devices[first], tuple(others), clock))
    return identified or [IdentifiedDevice("", also=_Candidates(doubted).best(), answer=answer, refuses=unit.refuses)]


async def _sunspec(unit: UnitIdentification, clock: Clock) -> list[IdentifiedDevice]:
    """Return the SunSpec devices of a unit, one or several in one chain of models."""

    async def read(table: Table, address: int, count: int) -> bytes:
        return await unit.read(unit.number, table, address, count)

    try:
        devices = await walk.members(read, vacant=False)
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
            finding=await _finding(unit, device, clock),
        )
        for device in devices
        if device.registers
    ]


async def _finding(unit: UnitIdentification, device: Device, clock: Clock) -> str:
    """Return what a reading of a device says against its values, "" for nothing."""
    reader = Reader(device, unit.number, max_refusals=2 * len(device.registers))  # no other device waits
    try:
        reading = await reader.read(unit, clock)
    except WordsSwapped as error:
        return str(error)
    except (Refused, NoAnswer, BadAnswer, LayoutChanged):
        return ""
    judged = Judge(device, reader.plan, single=True).judge(reading)
    return "; ".join([*withheld_lines(judged.withheld), *judged.findings])


def _with(device: IdentifiedDevice, also: tuple[str, ...]) -> IdentifiedDevice:
    return replace(device, also=also)


async def _verdict(unit: UnitIdentification, device: Device) -> probe.Verdict:
    """Compare a unit with the marks of a map; stop at the first mark that does not match."""
    verdict: probe.Verdict = "unknown"
    for mark in device.identity.marks:
        excerpt = mark.excerpt
        delay = device.limits.request_delay
        verdict = probe.judge(mark, await unit.answer(excerpt.table, excerpt.address, excerpt.registers, delay))
        if verdict != "fits":
            break
    return verdict


async def _evidence(unit: UnitIdentification, device: Device, clock: Clock) -> Evidence:
    """Return how plausible the values of a unit are for a device. One quantity first excludes most maps."""
    taste = probe.first_check(device)
    if not taste:
        return Evidence()
    values, withheld = await _judged(unit, device, [taste], clock)
    if withheld or not probe.evidence(device, values).points:
        return Evidence(against=str(withheld[0]) if withheld else "")
    values, withheld = await _judged(unit, device, probe.checkable(device), clock)
    return Evidence(against=str(withheld[0])) if withheld else probe.evidence(device, values)


async def _judged(
    unit: UnitIdentification, device: Device, quantities: Collection[str], clock: Clock
) -> tuple[dict[str, float], tuple[Withheld, ...]]:
    """Return the values of quantities of a map, NaN for absent ones, and the values that cannot be true."""
    reader = Reader(device, unit.number, quantities)
    try:
        reading = await reader.read(unit, clock)
    except (Refused, NoAnswer, BadAnswer, LayoutChanged, WordsSwapped):
        return {}, ()
    judged = Judge(device, reader.plan, single=True).judge(reading)
    numbers = struct.unpack(f"{len(reader.plan.quantities)}d", judged.values)
    return dict(zip(reader.plan.quantities, numbers, strict=True)), judged.withheld


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
        finding=await _finding(unit, device, clock),
    )


async def _label(unit: UnitIdentification, label: Label | None) -> str:
    if label is None:
        return ""
    excerpt = label.excerpt
    answer = await unit.answer(excerpt.table, excerpt.address, excerpt.registers)
    return probe.label(label, answer) if answer else ""


async def _rated_power(unit: UnitIdentification, device: Device, clock: Clock) -> float | None:
    """Return the rated power, W, if the device has a register for it."""
    if "rated_power" not in device.quantities:
        return None
    values, _ = await _judged(unit, device, ["rated_power"], clock)
    power = values.get("rated_power", nan)
    return power if isfinite(power) and power >= 1.0 else None


def catalogued() -> dict[str, Device]:
    """Return all maps by name, the maps with marks first."""
    maps: Sequence[Device] = [catalogue.load(name) for name in catalogue.names() if name != catalogue.SUNSPEC]
    return {device.name: device for device in sorted(maps, key=lambda device: (not device.identity.marks, device.name))}
