"""`wattgram scan`: walks a host, a network or a serial line and asks each unit who it is.

It only reads, one request at a time on a bus with silence between, and opens one connection per host and port.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args
from urllib.parse import parse_qsl, urlsplit

from wattgram_drivers import endpoint, probe
from wattgram_drivers.device import Device, Parity, SerialSettings
from wattgram_drivers.driver_errors import BadAnswer, BusDown, NoAnswer
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.bus import Bus

from wattgram.base.clock import Clock

from .identify import GREETING, IdentifiedDevice, UnitIdentification, identify
from .progress import Progress

MOST_ADDRESSES = 256
"""Addresses of a network at most: a site's /24."""

HOSTS = 16
"""Hosts of a network that are asked at a time."""

REQUEST_SILENCE = 0.06
"""Seconds before each request: the longest that maps ask for (Eastron), but those that say more in their own."""

PATIENT = 3.0
"""Seconds for an answer of a unit that is there, and for the first answer of a host: loggers are slow."""

HASTY = 0.5
"""Seconds at least for further units of a host, once something has answered faster."""

SCAN_TURNAROUND = 0.3
"""Seconds that a unit on a serial line gets to begin its answer, while it is not known to be there."""

LINE_UNITS = range(1, 248)
"""Unit addresses of a serial line (Modbus over Serial Line V1.02, section 2.2)."""

SMA_UNIT: tuple[Literal["holding"], int, int] = ("holding", 42109, 4)
"""Asked at unit 1, an SMA inverter says here at which unit it is, 3 to 123 (SMA Modbus technical information)."""

_NETWORK = re.compile(r"(tcp|rtutcp)://(\[[^]]*\]|[^/:]+)(:\d+)?/(\d{1,3})", re.IGNORECASE)

Row = tuple[Endpoint, int, IdentifiedDevice]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a URL means: one host, the hosts of a network, or a line with the settings to try on it, in order."""

    url: str
    kind: Literal["host", "network", "line"]
    endpoints: tuple[Endpoint, ...]


def goal(url: str, devices: Iterable[Device]) -> Goal:
    """Where to look. ValueError: what was found and what is allowed."""
    network = _NETWORK.fullmatch(url.strip())
    if network:
        return Goal(url, "network", _hosts(url, *network.groups()))
    place = endpoint.parse(url)
    if not place.serial:
        return Goal(url, "host", (place,))
    stated = {name for name, _ in parse_qsl(urlsplit(url.strip()).query)}
    return Goal(url, "line", tuple(_settings(place, stated, probe.lines(devices))))


def _hosts(url: str, scheme: str, host: str, port: str | None, prefix: str) -> tuple[Endpoint, ...]:
    try:
        network = ipaddress.ip_network(f"{host.strip('[]')}/{prefix}", strict=False)
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}; allowed: a network such as tcp://10.0.0.0/28") from None
    if network.num_addresses > MOST_ADDRESSES:
        raise ValueError(
            f"{url!r}: found {network.num_addresses} addresses; allowed: at most {MOST_ADDRESSES}, such as "
            f"/{network.max_prefixlen - 8}"
        )
    named = (f"[{one}]" if network.version == 6 else str(one) for one in network.hosts())
    return tuple(endpoint.parse(f"{scheme}://{one}{port or ''}") for one in named)


def _settings(place: Endpoint, stated: Collection[str], known: Sequence[SerialSettings]) -> list[Endpoint]:
    """The settings of a line that fit what its URL states."""
    fixed = [name for name in ("baudrate", "parity", "stopbits") if name in stated]
    fitting = [line for line in known if all(getattr(line, name) == getattr(place, name) for name in fixed)]
    if "baudrate" in stated:
        parities = (place.parity,) if "parity" in stated else get_args(Parity)
        fitting = [SerialSettings(place.baudrate, parity, place.stopbits) for parity in parities]
    return [replace(place, baudrate=line.baudrate, parity=line.parity, stopbits=line.stopbits) for line in fitting] or [
        place
    ]


def merged(rows: Sequence[Row], asked: Mapping[Endpoint, int]) -> list[Row]:
    """Each device once: one that answers at several units of a host has the same serial number at all.

    Without serial numbers, a host that says the same at every unit it was asked at is one device as well.
    """
    units: defaultdict[tuple[Endpoint, IdentifiedDevice], list[int]] = defaultdict(list)
    for place, unit, known in rows:
        units[place, known].append(unit)
    kept = []
    for place, unit, known in rows:
        at = units[place, known]
        everywhere = len(at) >= 3 and len(at) == asked.get(place, 0)
        if unit == at[0] or not (known.serial or everywhere):
            kept.append((place, unit, known))
    return kept


class Scan:
    """One walk; what was found so far is there at any time."""

    def __init__(
        self,
        goal: Goal,
        units: Sequence[int] | None,
        devices: Mapping[str, Device],
        clock: Clock,
        progress: Progress,
        *,
        silence: float = REQUEST_SILENCE,
    ) -> None:
        """`units` None: those where devices stand, and on a line all."""
        self._goal = goal
        self._units = units
        self._devices = devices
        self._clock = clock
        self._progress = progress
        self._silence = silence
        self._connect_delay = max(device.limits.connect_delay for device in devices.values())
        self._rows: list[Row] = []
        self._asked: defaultdict[Endpoint, int] = defaultdict(int)
        self.noisy: set[Endpoint] = set()
        self.opened: set[Endpoint] = set()

    @property
    def found(self) -> list[Row]:
        """Devices, each once, in the order of their addresses."""
        places = {place: number for number, place in enumerate(self._goal.endpoints)}
        return sorted(merged(self._rows, self._asked), key=lambda row: (places[row[0]], row[1]))

    async def run(self) -> None:
        """Walk to the end. BusDown when the host or the line cannot be opened at all."""
        match self._goal.kind:
            case "host":
                (place,) = self._goal.endpoints
                units = self._host_units(place)
                self._progress.total = len(units)
                self._progress.say(f"{place}: {len(units)} units")
                await self._host(place, units, counted=True)
            case "network":
                await self._network()
            case "line":
                await self._line()

    def _host_units(self, place: Endpoint) -> list[int]:
        """A serial server has a line's units behind it."""
        return list(self._units or (probe.units(self._devices.values()) if place.addressed else LINE_UNITS))

    async def _network(self) -> None:
        places = self._goal.endpoints
        self._progress.total = len(places)
        self._progress.say(f"{self._goal.url}: {len(places)} hosts, {HOSTS} at a time")
        turn = asyncio.Semaphore(HOSTS)

        async def visit(place: Endpoint) -> None:
            async with turn:
                with contextlib.suppress(BusDown):  # most addresses of a network have no Modbus
                    await self._host(place, self._host_units(place), counted=False)
                self._progress.step(str(place))

        async with asyncio.TaskGroup() as tasks:
            for place in places:
                tasks.create_task(visit(place), name=f"scan {place}")

    async def _host(self, place: Endpoint, units: list[int], *, counted: bool) -> None:
        """Ask the units of a host, or of the line behind a serial server."""
        async with _closing(place) as bus:
            await bus.connect(self._connect_delay)
            self.opened.add(place)
            limit = PATIENT if place.addressed else HASTY
            queue = list(units)
            while queue:
                unit = queue.pop(0)
                before = self._clock.monotonic()
                answered = await self._ask(bus, unit, limit)
                if answered is not None:
                    limit = min(limit, max(HASTY, 4 * (answered - before)))
                    if unit == 1 and place.addressed and self._units is None:
                        queue = list(dict.fromkeys([*await self._announced(bus), *queue]))
                if counted:
                    self._progress.step(f"{place} unit {unit}, {len(self._rows)} found")

    async def _announced(self, bus: Bus) -> list[int]:
        """The unit that an SMA inverter names."""
        if any(known.driver for place, _, known in self._rows if place == bus.endpoint):
            return []
        words = await self._one(bus, 1, PATIENT).answer(*SMA_UNIT) or b""
        numbers = [int.from_bytes(words[index : index + 2], "big") for index in range(0, len(words), 2)]
        return [number for number in numbers if 3 <= number <= 123]

    async def _line(self) -> None:
        """Try the settings of a line at the likely units, then at all; stay with the first that answers."""
        likely = list(self._units or [unit for unit in probe.units(self._devices.values()) if unit in LINE_UNITS])
        others = [unit for unit in LINE_UNITS if unit not in likely] if self._units is None else []
        settings = self._goal.endpoints
        self._progress.total = len(settings) * len(likely) + len(others)
        if len(settings) > 1:
            tried = ", ".join(_setting(place) for place in settings)
            self._progress.say(
                f"{settings[0].path}: {tried}; {len(likely)} units each, {self._lasts(settings, likely)}"
            )
        for place in settings:
            if await self._sweep(place, likely):
                if others:
                    self._progress.say(f"{place.path}: {_setting(place)} it is; {self._lasts([place], others)}")
                    await self._sweep(place, others)
                return
        if others:
            self._progress.total += (len(settings) - 1) * len(others)
            self._progress.say(f"{settings[0].path}: units 1 to 247, {self._lasts(settings, others)}; Ctrl-C ends it")
        for place in settings if others else ():
            if await self._sweep(place, others):
                return

    async def _sweep(self, place: Endpoint, units: Sequence[int]) -> bool:
        """Ask units of a line at one setting; whether any answered."""
        there = False
        async with _closing(place) as bus:
            try:
                await bus.connect()
            except BusDown:  # also when the adapter does not have this parity
                if not self.opened and place == self._goal.endpoints[-1]:
                    raise
                self._progress.step(f"{_setting(place)} cannot be set", len(units))
                return False
            self.opened.add(place)
            for unit in units:
                there |= await self._ask(bus, unit, _hasty(place)) is not None
                self._progress.step(f"{_setting(place)} unit {unit}, {len(self._rows)} found")
        return there

    async def _ask(self, bus: Bus, number: int, limit: float) -> float | None:
        """Who is at a unit; when it answered first, None when nobody is there. BusDown when the bus is lost."""
        unit = self._one(bus, number, limit)
        self._asked[bus.endpoint] += 1
        try:
            greeting = await unit.greeted()
        except NoAnswer as error:
            if isinstance(error.__cause__, BadAnswer):
                self.noisy.add(bus.endpoint)
            return None
        except BusDown:
            await bus.connect()  # some close the connection on a unit that they do not have
            return None
        answered = self._clock.monotonic()
        try:
            known = await identify(unit, self._devices, self._clock)
        except BusDown:
            await bus.connect()
            known = [IdentifiedDevice("", answer=f"{greeting}; closes the connection when it is asked for more")]
        self._rows += [(bus.endpoint, number, one) for one in known]
        return answered

    def _one(self, bus: Bus, number: int, limit: float) -> UnitIdentification:
        return UnitIdentification(bus, number, greeting=limit, limit=PATIENT, silence=self._silence)

    def _lasts(self, places: Sequence[Endpoint], units: Sequence[int]) -> str:
        """How long it takes when nobody answers, in words."""
        frame = 8  # bytes of a request
        seconds = sum(
            len(units)
            * (_hasty(place) + max(self._silence, place.silence) + (frame + 5 + 2 * GREETING[2]) * place.character)
            for place in places
        )
        return f"at most {seconds / 60:.0f} min" if seconds >= 90 else f"at most {seconds:.0f} s"


@contextlib.asynccontextmanager
async def _closing(place: Endpoint) -> AsyncIterator[Bus]:
    """A bus that is closed at the end of a block."""
    bus = Bus(place, timeout=PATIENT)
    try:
        yield bus
    finally:
        await bus.close()


def _hasty(place: Endpoint) -> float:
    """Seconds for the first answer of a unit on a line; the bus adds what the bytes need."""
    return SCAN_TURNAROUND + 50 * place.character


def _setting(place: Endpoint) -> str:
    return str(SerialSettings(place.baudrate, place.parity, place.stopbits))


def advice(goal: Goal, scan: Scan) -> str:
    """What was tried and what usually is wrong, for someone to whom nothing answered."""
    if goal.kind == "line":
        tried = f"{len(goal.endpoints)} settings from {_setting(goal.endpoints[0])} on"
        heard = ", ".join(_setting(place) for place in goal.endpoints if place in scan.noisy)
        noise = f"; bytes that are no answer came at {heard}: another master, or a wrong setting" if heard else ""
        return (
            f"{goal.endpoints[0].path}: nothing found ({tried}){noise}; check that A and B are not swapped, power and "
            "ground, the unit address (--units), baud rate and parity, and that Modbus is chosen in the device's menu"
        )
    reached = f"{len(scan.opened)} of {len(goal.endpoints)} hosts opened the port"
    return (
        f"{goal.url}: nothing found ({reached}); check that Modbus TCP is enabled in the device, that no other client "
        "holds its only connection, the unit (--units 1-247) and the port: SolarEdge has 1502, Huawei's own Wi-Fi 6607"
    )
