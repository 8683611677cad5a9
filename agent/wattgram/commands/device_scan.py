"""Scan of a host, a network or a serial line: identifies the device at each unit.

The scan only reads. A bus carries one request at a time with silence in between; a host and port has one connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args
from urllib.parse import parse_qsl, urlsplit

from wattgram_drivers import endpoint, probe
from wattgram_drivers.device import Device, Parity, SerialSettings
from wattgram_drivers.driver_errors import BadAnswer, BusDown, NoAnswer
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.bus import Bus

from wattgram.base.clock import Clock

from .identify import FIRST_REQUEST, IdentifiedDevice, UnitIdentification, identify
from .progress import Progress

MOST_ADDRESSES = 256
"""Most addresses of a network: the /24 of a site."""

HOSTS = 16
"""Hosts of a network that are scanned at the same time."""

REQUEST_SILENCE = 0.06
"""Silence before each request, s: the longest that maps ask for (Eastron). A map may state a longer one."""

LONG_LIMIT = 3.0
"""Time limit of a further answer of a present unit, s: data loggers are slow."""

FIRST_LIMIT = 1.5
"""Time limit of the first answer of a unit before any unit of the host answered, s. With the pause after a new
connection, which every third silent unit costs, a unit takes 2 s."""

SLOW_LIMIT = 5.0
"""Time limit of a last request to a host that did not answer at all, s."""

SHORT_LIMIT = 0.5
"""Shortest time limit for further units of a host after a fast answer, s."""

SCAN_TURNAROUND = 0.3
"""Time for a unit on a serial line to begin its first answer, s."""

LINE_UNITS = range(1, 248)
"""Unit addresses of a serial line (Modbus over Serial Line V1.02, section 2.2)."""

SMA_UNIT: tuple[Literal["holding"], int, int] = ("holding", 42109, 4)
"""Registers at unit 1 in which an SMA inverter gives its unit, 3 to 123 (SMA Modbus technical information)."""

_NETWORK = re.compile(r"(tcp|rtutcp)://(\[[^]]*\]|[^/:]+)(:\d+)?/(\d{1,3})", re.IGNORECASE)

Row = tuple[Endpoint, int, IdentifiedDevice]


@dataclass(frozen=True, slots=True)
class ScanTarget:
    """The target of a URL: a host, the hosts of a network, or a serial line with the settings to try, in order."""

    url: str
    kind: Literal["host", "network", "line"]
    endpoints: tuple[Endpoint, ...]


def parse_target(url: str, devices: Iterable[Device]) -> ScanTarget:
    """Return the target of a URL. ValueError: what was found and what is allowed."""
    network = _NETWORK.fullmatch(url.strip())
    if network:
        return ScanTarget(url, "network", _hosts(url, *network.groups()))
    place = endpoint.parse(url)
    if not place.serial:
        return ScanTarget(url, "host", (place,))
    stated = {name for name, _ in parse_qsl(urlsplit(url.strip()).query)}
    return ScanTarget(url, "line", tuple(_settings(place, stated, probe.lines(devices))))


def _hosts(url: str, scheme: str, base: str, port: str | None, prefix: str) -> tuple[Endpoint, ...]:
    try:
        network = ipaddress.ip_network(f"{base.strip('[]')}/{prefix}", strict=False)
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}; allowed: a network such as tcp://10.0.0.0/28") from None
    if network.num_addresses > MOST_ADDRESSES:
        raise ValueError(
            f"{url!r}: found {network.num_addresses} addresses; allowed: at most {MOST_ADDRESSES}, such as "
            f"/{network.max_prefixlen - 8}"
        )
    hosts = (f"[{address}]" if network.version == 6 else str(address) for address in network.hosts())
    return tuple(endpoint.parse(f"{scheme}://{host}{port or ''}") for host in hosts)


def _settings(place: Endpoint, stated: Collection[str], usual: Sequence[SerialSettings]) -> list[Endpoint]:
    """Return the settings of a line that agree with its URL."""
    fixed = [name for name in ("baudrate", "parity", "stopbits") if name in stated]
    fitting = [line for line in usual if all(getattr(line, name) == getattr(place, name) for name in fixed)]
    if "baudrate" in stated:
        parities = (place.parity,) if "parity" in stated else get_args(Parity)
        fitting = [SerialSettings(place.baudrate, parity, place.stopbits) for parity in parities]
    return [replace(place, baudrate=line.baudrate, parity=line.parity, stopbits=line.stopbits) for line in fitting] or [
        place
    ]


def merged(rows: Sequence[Row], requested: Mapping[Endpoint, int], fewest: int = 3) -> list[Row]:
    """Return each device once. A device that answers at several units of a host has one serial number at all of them.

    Without serial numbers, a host with the same answer at each requested unit, at least `fewest`, is one device too.
    Unknown devices of a host with the same answer are one row, which names the units.
    """
    units: defaultdict[tuple[Endpoint, IdentifiedDevice], list[int]] = defaultdict(list)
    for place, unit, device in rows:
        units[place, device].append(unit)
    kept = []
    for place, unit, device in rows:
        same = units[place, device]
        everywhere = len(same) >= fewest and len(same) == requested.get(place, 0)
        if unit == same[0] and not device.driver and len(same) > 1:
            kept.append((place, unit, replace(device, units=tuple(sorted(same)))))
        elif unit == same[0] or (device.driver and not device.serial and not everywhere):
            kept.append((place, unit, device))
    return kept


class Scan:
    """A scan. `found` has the devices found so far, at any time."""

    def __init__(
        self,
        target: ScanTarget,
        units: Sequence[int] | None,
        devices: Mapping[str, Device],
        clock: Clock,
        progress: Progress,
        *,
        silence: float = REQUEST_SILENCE,
        show: Callable[[Row], None] = lambda row: None,
    ) -> None:
        """`units` None: the factory addresses of the devices; on a serial line all units.

        show: receives each device as soon as it is found.
        """
        self._target = target
        self._units = units
        self._devices = devices
        self._clock = clock
        self._progress = progress
        self._silence = silence
        self._connect_delay = max(device.limits.connect_delay for device in devices.values())
        self._rows: list[Row] = []
        self._requested: defaultdict[Endpoint, int] = defaultdict(int)
        self._show = show
        self._shown: set[tuple[Endpoint, int, IdentifiedDevice]] = set()
        self._heard: set[Endpoint] = set()  # hosts that sent anything
        self.noisy: set[Endpoint] = set()
        self.opened: set[Endpoint] = set()

    @property
    def found(self) -> list[Row]:
        """Devices, each once, in the order of their addresses."""
        places = {place: number for number, place in enumerate(self._target.endpoints)}
        return sorted(merged(self._rows, self._requested), key=lambda row: (places[row[0]], row[1]))

    async def run(self) -> None:
        """Scan the whole target. BusDown when the host or the line cannot be opened."""
        await self._scan()
        self._show_new(self.found)

    async def _scan(self) -> None:
        match self._target.kind:
            case "host":
                (place,) = self._target.endpoints
                units = self._host_units(place)
                self._progress.total = len(units)
                self._progress.print_line(f"{place}: {len(units)} units")
                await self._host(place, units, counted=True)
            case "network":
                await self._network()
            case "line":
                await self._line()

    def _host_units(self, place: Endpoint) -> list[int]:
        """Return the units of a host; behind a serial server, the units of a line."""
        return list(self._units or (probe.units(self._devices.values()) if place.addressed else LINE_UNITS))

    async def _network(self) -> None:
        places = self._target.endpoints
        self._progress.total = len(places)
        self._progress.print_line(f"{self._target.url}: {len(places)} hosts, {HOSTS} at a time")
        slots = asyncio.Semaphore(HOSTS)

        async def scan_host(place: Endpoint) -> None:
            async with slots:
                with contextlib.suppress(BusDown):  # most addresses of a network have no Modbus
                    await self._host(place, self._host_units(place), counted=False)
                self._progress.step(str(place))

        async with asyncio.TaskGroup() as tasks:
            for place in places:
                tasks.create_task(scan_host(place), name=f"scan {place}")

    async def _host(self, place: Endpoint, units: list[int], *, counted: bool) -> None:
        """Scan the units of a host, or of the line behind a serial server."""
        async with _closing(place) as bus:
            await bus.connect(self._connect_delay)
            self.opened.add(place)
            limit = FIRST_LIMIT if place.addressed else SHORT_LIMIT
            queue = list(units)
            while queue:
                unit = queue.pop(0)
                before = self._clock.monotonic()
                asked = self._unit(bus, unit, limit)
                answered = await self._scan_unit(bus, asked)
                if answered is not None:
                    limit = min(limit, max(SHORT_LIMIT, 4 * (answered - before)))
                    if unit == 1 and place.addressed and self._units is None:
                        queue = list(dict.fromkeys([*await self._sma_units(bus, asked), *queue]))
                if counted:
                    self._progress.step(f"{place} unit {unit}, {len(self._rows)} found")
            if place.addressed and place not in self._heard:
                await self._scan_unit(bus, self._unit(bus, units[0], SLOW_LIMIT))

    async def _sma_units(self, bus: Bus, unit: UnitIdentification) -> list[int]:
        """Return the unit in the registers of an SMA inverter, which its unit 1 answers."""
        if any(device.driver for place, _, device in self._rows if place == bus.endpoint):
            return []
        words = await unit.answer(*SMA_UNIT) or b""
        numbers = [int.from_bytes(words[index : index + 2], "big") for index in range(0, len(words), 2)]
        return [number for number in numbers if 3 <= number <= 123]

    async def _line(self) -> None:
        """Try the settings of a line at the likely units, then at all units. Keep the first setting with an answer."""
        likely = list(self._units or [unit for unit in probe.units(self._devices.values()) if unit in LINE_UNITS])
        others = [unit for unit in LINE_UNITS if unit not in likely] if self._units is None else []
        settings = self._target.endpoints
        self._progress.total = len(settings) * len(likely) + len(others)
        if len(settings) > 1:
            tried = ", ".join(_setting(place) for place in settings)
            self._progress.print_line(
                f"{settings[0].path}: {tried}; {len(likely)} units each, {self._duration(settings, likely)}"
            )
        for place in settings:
            if await self._sweep(place, likely):
                if others:
                    self._progress.print_line(
                        f"{place.path}: {_setting(place)} found; {self._duration([place], others)}"
                    )
                    await self._sweep(place, others)
                return
        if others:
            self._progress.total += (len(settings) - 1) * len(others)
            self._progress.print_line(
                f"{settings[0].path}: units 1 to 247, {self._duration(settings, others)}; Ctrl-C ends it"
            )
        for place in settings if others else ():
            if await self._sweep(place, others):
                return

    async def _sweep(self, place: Endpoint, units: Sequence[int]) -> bool:
        """Scan units of a line at one setting; return whether a unit answered."""
        answered = False
        async with _closing(place) as bus:
            try:
                await bus.connect()
            except BusDown:  # also raised when the adapter does not support this parity
                if not self.opened and place == self._target.endpoints[-1]:
                    raise
                self._progress.step(f"{_setting(place)} cannot be set", len(units))
                return False
            self.opened.add(place)
            for unit in units:
                answered |= await self._scan_unit(bus, self._unit(bus, unit, _serial_limit(place))) is not None
                self._progress.step(f"{_setting(place)} unit {unit}, {len(self._rows)} found")
        return answered

    async def _scan_unit(self, bus: Bus, unit: UnitIdentification) -> float | None:
        """Identify the devices at a unit; return the time of the first answer, None without an answer.

        BusDown when the bus is lost.
        """
        self._requested[bus.endpoint] += 1
        try:
            answer = await unit.first_answer()
        except NoAnswer as error:
            if isinstance(error.__cause__, BadAnswer):
                self.noisy.add(bus.endpoint)
            if error.__cause__ is not None or error.fault:
                self._heard.add(bus.endpoint)
            return None
        except BusDown:
            self._heard.add(bus.endpoint)
            await bus.connect()  # some gateways close the connection on an absent unit
            return None
        self._heard.add(bus.endpoint)
        answered = self._clock.monotonic()
        try:
            devices = await identify(unit, self._devices, self._clock)
        except BusDown:
            await bus.connect()
            devices = [IdentifiedDevice("", answer=f"{answer}; closes the connection on the next request")]
        self._rows += [(bus.endpoint, unit.number, device) for device in devices]
        self._show_new(merged(self._rows, self._requested, fewest=2))
        return answered

    def _show_new(self, rows: Sequence[Row]) -> None:
        """Show the rows that were not shown yet."""
        for row in rows:
            if row not in self._shown:
                self._shown.add(row)
                self._show(row)

    def _unit(self, bus: Bus, number: int, limit: float) -> UnitIdentification:
        return UnitIdentification(bus, number, first_limit=limit, limit=LONG_LIMIT, silence=self._silence)

    def _duration(self, places: Sequence[Endpoint], units: Sequence[int]) -> str:
        """Return the duration without any answer, in words."""
        frame = 8  # bytes of a request
        seconds = sum(
            len(units)
            * (
                _serial_limit(place)
                + max(self._silence, place.silence)
                + (frame + 5 + 2 * FIRST_REQUEST[2]) * place.character
            )
            for place in places
        )
        return f"at most {seconds / 60:.0f} min" if seconds >= 90 else f"at most {seconds:.0f} s"


@contextlib.asynccontextmanager
async def _closing(place: Endpoint) -> AsyncIterator[Bus]:
    """Yield a bus, and close it at the end of the block."""
    bus = Bus(place, timeout=LONG_LIMIT)
    try:
        yield bus
    finally:
        await bus.close()


def _serial_limit(place: Endpoint) -> float:
    """Return the time limit of a first answer on a line, s; the bus adds the time of the bytes."""
    return SCAN_TURNAROUND + 50 * place.character


def _setting(place: Endpoint) -> str:
    return str(SerialSettings(place.baudrate, place.parity, place.stopbits))


def advice(target: ScanTarget, scan: Scan) -> str:
    """Return what the scan tried and what to check, for a scan without answers."""
    if target.kind == "line":
        tried = f"{len(target.endpoints)} settings from {_setting(target.endpoints[0])} on"
        noisy = ", ".join(_setting(place) for place in target.endpoints if place in scan.noisy)
        noise = f"; found other bytes than answers at {noisy}: another master, or a wrong setting" if noisy else ""
        return (
            f"{target.endpoints[0].path}: nothing found ({tried}){noise}; check that A and B are not swapped, power "
            "and ground, the unit address (--units), baud rate and parity, and that Modbus is chosen in the device's "
            "menu"
        )
    reached = f"{len(scan.opened)} of {len(target.endpoints)} hosts opened the port"
    return (
        f"{target.url}: nothing found ({reached}); check that Modbus TCP is enabled in the device, that no other "
        "client holds its only connection, the unit (--units 1-247) and the port: SolarEdge has 1502, Huawei's own "
        "Wi-Fi 6607"
    )
