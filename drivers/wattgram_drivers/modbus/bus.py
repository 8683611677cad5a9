"""A bus: read registers, one request at a time, and reject wrong answers. There is no code for writing.

`pdu` contains requests and answers, `mbap` and `rtu` the framing, `link` the connections. This module controls the
sequence: silence, request, answer or failure, and the state of the unit afterwards.

Many servers close an idle connection, and some forget it without a sign. A read whose connection was used before and
then fails is sent once more on a new connection. Silence is the connection's, and not the unit's, if the unit answered
before, did not stay silent on a new connection since, and no other unit answered on this connection a moment ago.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections.abc import Collection
from dataclasses import dataclass

from wattgram_drivers.device import Table
from wattgram_drivers.driver_errors import BadAnswer, BusDown, NoAnswer, Refused
from wattgram_drivers.endpoint import Endpoint

from .framing import Framing, FramingLost, Tolerance, Unmatched
from .link import Link, SerialLink, TcpLink
from .mbap import Mbap
from .pdu import EXCEPTION, EXCEPTIONS, ReadRequest, ReadResponse, read_request, registers
from .rtu import Rtu

_CONNECT_TIMEOUT = 3.0  # s, at least: the kernel repeats a lost SYN after 1 s
_ADAPTER_DELAY = 0.05  # s; USB adapters and serial servers buffer bytes (typically for 16 ms)
_SILENT_REQUESTS = 3  # consecutive, of any unit: the connection may be half-open
_ALIVE_SECONDS = 0.25  # after an answer of another unit, in which a connection is not idle enough to be closed
_REOPEN_PAUSES = (0.05, 0.2)  # s, before a new connection is tried again that a server refused
_SERVER_SILENCE = 3.5 * 11 / 9600  # s; assumes 9600 baud on the line behind a serial server
_FRAMES = 8 + 5  # characters of a request and its answer, without the registers


@dataclass(frozen=True, slots=True)
class _Timing:
    """Timing of a request: timeout of an answer, s; silence before the request, s; deadline, loop time."""

    timeout: float
    silence: float
    deadline: float


class _Silence(NoAnswer):
    """Not a single byte came after a request."""


class Bus:
    """A TCP connection or serial line with its units. One request at a time; reads only.

    Several tasks may call the methods; they wait for each other. After a cancelled read, the bus stays usable.
    `busy`: total duration of the requests, including silence, s. `connections`: number of times that the connection
    was opened.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = 1.0, chance: random.Random | None = None) -> None:
        """Create the bus without opening it. timeout: default of an answer, s. chance: of the transaction ids."""
        self.endpoint = endpoint
        self.timeout = timeout
        self.busy = 0.0
        self.connections = 0
        self._lock = asyncio.Lock()
        self._link: Link | None = None
        self._framing = _framing(endpoint, chance or random.Random())  # noqa: S311 - not a secret
        self._silent_interval = _SERVER_SILENCE if endpoint.scheme == "rtutcp" else endpoint.silence
        self._connect_delay = 0.0
        self._dirty = False  # an answer was abandoned: its bytes may still arrive
        self._answering: dict[int, bool] = {}  # units that ever answered; False: silent on a new connection since
        self._unmatched: Unmatched | None = None  # received instead of the answer to the current request

    @property
    def connected(self) -> bool:
        """Whether the connection is open, as far as known."""
        return self._link is not None and not self._link.reason

    async def connect(self, delay: float = 0.0) -> None:
        """Open the connection if necessary, then wait the longest `delay` of all calls, s.

        BusDown: not connected. After a loss, `read` opens the connection again.
        """
        self._connect_delay = max(self._connect_delay, delay)
        async with self._lock:
            await self._open()

    async def close(self) -> None:
        """Close the connection. A read in progress gets BusDown."""
        if self._link:
            self._link.end("closed by us")
            self._link = None

    def tolerate(self, unit: int, faults: Collection[Tolerance]) -> None:
        """Accept answers of a unit with a wrong transaction id or length. ValueError: the bus has no such fields.

        Unit, function and byte count are still compared. A late answer is told apart as on RTU, and a request without
        an answer ends the connection.
        """
        if not faults:
            return
        if not isinstance(self._framing, Mbap):
            raise ValueError(f"{self.endpoint}: frames have neither transaction id nor length; allowed: tcp, udp, tls")
        self._framing.tolerate(unit, faults)

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a property of the device, not the caller's timeout
        delay: float = 0.0,
        deadline: float | None = None,
    ) -> bytes:
        """Return `count` registers from `address` (counted from 0) as 2 x `count` bytes, big-endian as on the wire.

        timeout: of an answer, s; a serial line adds the duration of the bytes. delay: silence before the request, s.
        deadline: loop time that ends the wait in any case; no request is sent later. On RTU, a request with an
        ambiguous answer is preceded by another request. A request that fails because of its connection is sent once
        more on a new connection. BusDown, NoAnswer, BadAnswer, Refused; ValueError: Modbus has no such request.
        """
        request = read_request(self.endpoint, unit, table, address, count)
        answer_timeout = self.timeout if timeout is None else timeout
        timing = _Timing(answer_timeout, max(delay, self._silent_interval), math.inf if deadline is None else deadline)
        async with self._lock:
            wire = await self._open(timing.deadline)
            start = wire.loop.time()
            try:
                return await self._retried(request, timing)
            finally:
                self.busy += wire.loop.time() - start

    async def _retried(self, request: ReadRequest, timing: _Timing) -> bytes:
        """Read, and once more on a new connection if the failure is the connection's and time remains."""
        try:
            return await self._once(request, timing)
        except (BusDown, _Silence) as error:
            wire = self._link
            if wire is None or not self._is_connections_fault(wire, request, error):
                raise
            wire.end("half-open")
            if wire.loop.time() + self._connect_delay >= timing.deadline:
                raise
            first = error
        try:
            return await self._once(request, timing)
        except _Silence:
            self._answering[request.unit] = False
            raise
        except BusDown as error:
            raise BusDown(f"{first}; second attempt: {error}") from error.__cause__

    async def _once(self, request: ReadRequest, timing: _Timing) -> bytes:
        """Send a request, after a probe if its answer would be ambiguous, and return the registers."""
        wire = await self._ready(request, timing)
        if await self._resolve_ambiguity(request, timing):
            wire = await self._ready(request, timing)
        return await self._request(wire, request, timing)

    def _is_connections_fault(self, wire: Link, request: ReadRequest, error: BusDown | _Silence) -> bool:
        """Return whether a new connection may help: a used one has ended, or a unit that answers became silent on it.

        Records a unit that is silent on a new connection.
        """
        if self.endpoint.serial or self.endpoint.scheme == "udp":  # there is no connection that could be lost
            return False
        if isinstance(error, BusDown):
            return bool(wire.answers) and wire.ended_by_peer
        if not wire.answers:
            if request.unit in self._answering:
                self._answering[request.unit] = False
            return False
        others = (time for unit, time in wire.answers.items() if unit != request.unit)
        quiet = wire.last_sent - max(others, default=-math.inf)
        return self._answering.get(request.unit, False) and quiet >= _ALIVE_SECONDS

    async def _open(self, deadline: float = math.inf) -> Link:
        """Return the open connection, or a new one. BusDown: not connected, also by the deadline (loop time)."""
        if self._link and not self._link.reason:
            return self._link
        # Some servers have one connection, and refuse a new one until they have cleared the old one away
        pauses = list(_REOPEN_PAUSES) if self._link and self._link.answers else []
        self._link = None
        await asyncio.sleep(0)  # the old connection is closed before the new one opens
        while True:
            try:
                self._link = await self._opened(deadline)
            except BusDown as error:
                now = asyncio.get_running_loop().time()
                if not pauses or not isinstance(error.__cause__, ConnectionError) or now + pauses[0] >= deadline:
                    raise
                await asyncio.sleep(pauses.pop(0))
            else:
                self.connections += 1
                self._dirty = True  # the line may still deliver answers to a previous client
                return self._link

    async def _opened(self, deadline: float) -> Link:
        """Return a new connection, after the pause that its device needs. BusDown."""
        wire = link(self.endpoint)
        limit = min(max(self.timeout, _CONNECT_TIMEOUT), max(0.0, deadline - wire.loop.time()))
        try:
            async with asyncio.timeout(limit):
                await wire.open()
            await asyncio.sleep(self._connect_delay)
        except TimeoutError:
            wire.end("not connected")
            raise BusDown(f"{self.endpoint}: no connection within {limit:.3g} s") from None
        except (OSError, ValueError) as error:  # ValueError: the line does not support the baud rate
            wire.end("not connected")
            raise BusDown(f"{self.endpoint}: cannot be opened: {self._reason(error)}") from error
        except BaseException:
            wire.end("abandoned")
            raise
        if wire.reason:
            raise BusDown(f"{self.endpoint}: connection lost: {wire.reason}")
        return wire

    def _reason(self, error: OSError | ValueError) -> str:
        """Return the system's message; on a network, without asyncio's numbers and addresses."""
        number = getattr(error, "errno", None)
        return os.strerror(number).lower() if number and not self.endpoint.serial else str(error)

    async def _resolve_ambiguity(self, request: ReadRequest, timing: _Timing) -> bool:
        """Send probes until no earlier answer of the unit can pass for the answer to this request.

        Returns whether a probe was sent. Errors name the request, not the probe: nobody asked for the probe.
        """
        failure: BadAnswer | None = None
        for probe in self._framing.probes(request):
            try:
                await self._request(await self._ready(request, timing), probe, timing, named=request)
            except Refused:
                return True
            except BadAnswer as error:
                failure = error
            else:
                return True
        if failure:
            raise failure
        return False

    async def _request(
        self, wire: Link, request: ReadRequest, timing: _Timing, *, named: ReadRequest | None = None
    ) -> bytes:
        """Send a request and return the registers of the answer. named: the request that errors name instead."""
        where = f"{self.endpoint} {named or request}"
        wire_time = (_FRAMES + 2 * request.count) * self.endpoint.character
        deadline = min(wire.loop.time() + timing.timeout + wire_time, timing.deadline)
        if deadline <= wire.loop.time():
            raise NoAnswer(f"{where}: not sent, the deadline has passed")
        self._unmatched = None
        wire.heard, wire.last_sent = False, wire.loop.time()
        wire.transmit(self._framing.frame(request))
        try:
            answer = await self._answer(wire, request, deadline)
            octets = registers(request, answer)
        except TimeoutError:
            self._abandon(wire, request)
            raise self._timeout_error(wire, request, timing, where) from None
        except ConnectionError as error:
            self._abandon(wire, request)
            raise BusDown(f"{where}: connection lost: {error}") from None
        except BadAnswer as error:
            self._abandon(wire, request)
            if isinstance(error, FramingLost):
                wire.end(str(error))
            raise BadAnswer(f"{where}: {error}", fault=error.fault) from None
        except BaseException:  # cancelled
            self._abandon(wire, request)
            raise
        self._framing.answered(request, answer)
        self._answering[request.unit] = True
        wire.answers[request.unit] = wire.loop.time()
        if answer.code & EXCEPTION:
            code = answer.body[0]
            name = EXCEPTIONS.get(code, "unknown")
            raise Refused(f"{where}: refused with exception {code} ({name})", code)
        return octets

    async def _answer(self, wire: Link, request: ReadRequest, deadline: float) -> ReadResponse:
        while True:
            answer = self._framing.take(wire.received, request)
            if answer is None:
                await wire.wait_for_bytes(deadline, self._framing.missing(wire.received, request))
            elif self._framing.matches(request, answer):
                return answer
            else:
                self._unmatched = self._framing.unmatched(request, answer) or self._unmatched

    async def _ready(self, request: ReadRequest, timing: _Timing) -> Link:
        """Return the connection after the silence before a request. One that ended in the silence is opened again."""
        wire = await self._open(timing.deadline)
        await self._silence(wire, request, timing)
        if wire.ended_by_peer and wire.answers:  # nothing was sent on it since its last answer
            wire = await self._open(timing.deadline)
            await self._silence(wire, request, timing)
        if wire.reason:
            raise BusDown(f"{self.endpoint} {request}: connection lost: {wire.reason}")
        self._framing.idle(wire.received)
        return wire

    async def _silence(self, wire: Link, request: ReadRequest, timing: _Timing) -> None:
        """Wait for the silence on the wire that the line and the device need."""
        buffered = self._silent_interval or self._framing.tolerates(request.unit, "transaction-id")
        gap = timing.silence + (_ADAPTER_DELAY if self._dirty and buffered else 0.0)
        deadline = wire.loop.time() + gap + timing.timeout
        while (wait := wire.last_activity + gap - wire.loop.time()) > 0 and not wire.reason:
            if wire.loop.time() > deadline:
                raise BadAnswer(f"{self.endpoint} {request}: not sent, no silence of {gap:g} s on the line")
            await asyncio.sleep(wait)
        self._dirty = False

    def _abandon(self, wire: Link, request: ReadRequest) -> None:
        self._dirty = True
        self._framing.abandoned(request)
        if self._framing.tolerates(request.unit, "transaction-id"):
            wire.end("an answer without a known transaction id may come late")

    def _timeout_error(self, wire: Link, request: ReadRequest, timing: _Timing, where: str) -> BadAnswer | NoAnswer:
        """Return the error of a missed deadline; close a connection with an incomplete answer or without answers."""
        if wire.received:
            incomplete = bytes(wire.received)
            if self.endpoint.addressed:
                wire.end("incomplete answer")
            return BadAnswer(f"{where}: {len(incomplete)} bytes without a complete answer: {incomplete[:16].hex(' ')}")
        message = f"{where}: no answer within {timing.timeout:g} s"
        if self._unmatched:
            return NoAnswer(f"{message}; {self._unmatched.words}", fault=self._unmatched.fault)
        if wire.heard:
            return NoAnswer(message)
        if request.unit in self._answering or not wire.answers:  # an absent unit says nothing about the connection
            wire.silent_requests += 1
        if wire.silent_requests >= _SILENT_REQUESTS and not self.endpoint.serial:
            wire.end("half-open")
        return _Silence(message)


def _framing(endpoint: Endpoint, chance: random.Random) -> Framing:
    if endpoint.addressed:
        return Mbap(chance)
    if endpoint.scheme == "ascii":
        from .foreign import Ascii  # noqa: PLC0415 - only ASCII frames need pymodbus

        return Ascii()
    return Rtu()


def link(endpoint: Endpoint) -> Link:
    """Return a connection for an endpoint, not open yet."""
    if endpoint.scheme == "rtu":
        return SerialLink(endpoint)
    if endpoint.scheme in ("tcp", "rtutcp"):
        return TcpLink(endpoint)
    from .foreign import ForeignLink  # noqa: PLC0415 - only these transports need pymodbus

    return ForeignLink(endpoint)
