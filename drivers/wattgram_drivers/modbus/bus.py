"""One bus: reads registers, one request at a time, and never takes a wrong answer. Nothing can be written.

What travels: `pdu`; how answers are told apart: `mbap` and `rtu`; on which wire: `link`. Here is the order of
events: silence, request, answer or not, and what to think of the unit afterwards.
"""

from __future__ import annotations

import asyncio
import math
import os
from dataclasses import dataclass

from wattgram_drivers.device import Table
from wattgram_drivers.driver_errors import BadAnswer, BusDown, NoAnswer, Refused
from wattgram_drivers.endpoint import Endpoint

from .framing import Framing, FramingLost
from .link import Link, SerialLink, TcpLink
from .mbap import Mbap
from .pdu import EXCEPTION, EXCEPTIONS, ReadRequest, ReadResponse, asked, registers
from .rtu import Rtu

_CONNECT_TIMEOUT = 3.0  # at least: a lost SYN is repeated after 1 s
_LUMP = 0.05  # USB adapters and serial servers hold bytes back (16 ms is typical)
_SILENT_REQUESTS = 3  # in a row, any unit: the connection itself may be half-open
_SERVER_SILENCE = 3.5 * 11 / 9600  # s; the line behind a serial server is taken as 9600 baud
_FRAMES = 8 + 5  # characters of request and answer, without the registers


@dataclass(frozen=True, slots=True)
class _Terms:
    """How a unit is asked: seconds for one answer, of silence before a request; loop time at which all ends."""

    limit: float
    silence: float
    deadline: float


class Bus:
    """One TCP connection or serial line and the units on it. One request at a time; reads only.

    Its methods may be called by many tasks; each waits its turn. A cancelled read leaves the bus usable.
    `busy` counts the seconds that requests have taken, silence included.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = 1.0) -> None:
        """Nothing is opened yet. `timeout` in seconds is for one answer, where `read` gives none."""
        self.endpoint = endpoint
        self.timeout = timeout
        self.busy = 0.0
        self._lock = asyncio.Lock()
        self._link: Link | None = None
        self._framing = _framing(endpoint)
        self._silent_interval = _SERVER_SILENCE if endpoint.scheme == "rtutcp" else endpoint.silence
        self._connect_delay = 0.0
        self._dirty = False  # an answer was given up: its bytes may still be on their way

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._link is not None and not self._link.reason

    async def connect(self, delay: float = 0.0) -> None:
        """Open the connection, if it is not; then wait the longest `delay` (seconds) ever asked for here.

        Raises BusDown. Afterwards `read` opens it again by itself when it was lost.
        """
        self._connect_delay = max(self._connect_delay, delay)
        async with self._lock:
            await self._open()

    async def close(self) -> None:
        """Close the connection; a read that is under way gets BusDown."""
        if self._link:
            self._link.end("closed by us")
            self._link = None

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the device's own time for one answer, not the caller's
        delay: float = 0.0,
        deadline: float | None = None,
    ) -> bytes:
        """`count` registers from `address` (counted from 0) as 2 x `count` bytes, big-endian as on the wire.

        `timeout` and `delay` (silence before the request) in seconds. On a serial line the time that the
        bytes need is added to the time-out. `deadline` (loop time) ends the wait before that, and nothing is
        sent after it. A unit on RTU whose answers could be mistaken costs a second request first.
        Raises BusDown, NoAnswer, BadAnswer, Refused; ValueError for a request that Modbus does not have.
        """
        request = asked(self.endpoint, unit, table, address, count)
        limit = self.timeout if timeout is None else timeout
        terms = _Terms(limit, max(delay, self._silent_interval), math.inf if deadline is None else deadline)
        async with self._lock:
            wire = await self._open()
            begun = wire.loop.time()
            try:
                await self._silence(wire, request, terms)
                self._framing.idle(wire.received)
                await self._trust(wire, request, terms)
                return await self._ask(wire, request, terms)
            finally:
                self.busy += wire.loop.time() - begun

    async def _open(self) -> Link:
        if self._link and not self._link.reason:
            return self._link
        self._link = None
        wire = link(self.endpoint)
        limit = max(self.timeout, _CONNECT_TIMEOUT)
        try:
            async with asyncio.timeout(limit):
                await wire.open()
            await asyncio.sleep(self._connect_delay)
        except TimeoutError:
            wire.end("not connected")
            raise BusDown(f"{self.endpoint}: no connection within {limit:g} s") from None
        except (OSError, ValueError) as error:  # ValueError: the line cannot do this baud rate
            wire.end("not connected")
            raise BusDown(f"{self.endpoint}: cannot be opened: {self._said(error)}") from error
        except BaseException:
            wire.end("given up")
            raise
        if wire.reason:
            raise BusDown(f"{self.endpoint}: connection lost: {wire.reason}")
        self._link = wire
        self._dirty = True  # answers to whoever used the line before
        return wire

    def _said(self, error: OSError | ValueError) -> str:
        """What the system says; of a network without asyncio's numbers and addresses."""
        number = getattr(error, "errno", None)
        return os.strerror(number).lower() if number and not self.endpoint.serial else str(error)

    async def _trust(self, wire: Link, request: ReadRequest, terms: _Terms) -> None:
        """Make sure that no earlier answer of the unit can be taken for the one to this request."""
        failure: BadAnswer | None = None
        for probe in self._framing.probes(request):
            try:
                await self._ask(wire, probe, terms)
            except Refused:
                return
            except BadAnswer as error:
                failure = error
            else:
                return
        if failure:
            raise failure

    async def _ask(self, wire: Link, request: ReadRequest, terms: _Terms) -> bytes:
        """Send one request and return the registers of its answer."""
        await self._silence(wire, request, terms)
        self._framing.idle(wire.received)
        on_the_wire = (_FRAMES + 2 * request.count) * self.endpoint.character
        deadline = min(wire.loop.time() + terms.limit + on_the_wire, terms.deadline)
        if deadline <= wire.loop.time():
            raise NoAnswer(f"{self.endpoint} {request}: not asked, its time is over")
        wire.transmit(self._framing.frame(request))
        try:
            answer = await self._answer(wire, request, deadline)
            octets = registers(request, answer)
        except TimeoutError:
            self._give_up(request)
            raise self._unanswered(wire, request, terms) from None
        except ConnectionError as error:
            self._give_up(request)
            raise BusDown(f"{self.endpoint} {request}: connection lost: {error}") from None
        except BadAnswer as error:
            self._give_up(request)
            if isinstance(error, FramingLost):
                wire.end(str(error))
            raise BadAnswer(f"{self.endpoint} {request}: {error}") from None
        except BaseException:  # cancelled
            self._give_up(request)
            raise
        self._framing.settled(request, answer)
        if answer.code & EXCEPTION:
            code = answer.body[0]
            name = EXCEPTIONS.get(code, "unknown")
            raise Refused(f"{self.endpoint} {request}: refused with exception {code} ({name})", code)
        return octets

    async def _answer(self, wire: Link, request: ReadRequest, deadline: float) -> ReadResponse:
        while True:
            answer = self._framing.take(wire.received, request)
            if answer is None:
                await wire.more(deadline, self._framing.missing(wire.received, request))
            elif self._framing.belongs(request, answer):
                return answer

    async def _silence(self, wire: Link, request: ReadRequest, terms: _Terms) -> None:
        """Wait until nothing was sent or received for as long as the wire and the device want."""
        gap = terms.silence + (_LUMP if self._dirty and self._silent_interval else 0.0)
        deadline = wire.loop.time() + gap + terms.limit
        while (wait := wire.last_activity + gap - wire.loop.time()) > 0:
            if wire.loop.time() > deadline:
                raise BadAnswer(f"{self.endpoint} {request}: not asked, no silence of {gap:g} s on the line")
            await asyncio.sleep(wait)
        self._dirty = False

    def _give_up(self, request: ReadRequest) -> None:
        self._dirty = True
        self._framing.owed(request)

    def _unanswered(self, wire: Link, request: ReadRequest, terms: _Terms) -> BadAnswer | NoAnswer:
        """What to raise at the deadline; closes a connection that is stuck."""
        where = f"{self.endpoint} {request}"
        if wire.received:
            stuck = bytes(wire.received)
            if self.endpoint.addressed:
                wire.end("half an answer")
            return BadAnswer(f"{where}: {len(stuck)} bytes that are no answer: {stuck[:16].hex(' ')}")
        wire.silent_requests += 1
        if wire.silent_requests >= _SILENT_REQUESTS and not self.endpoint.serial:
            wire.end("half-open")
        return NoAnswer(f"{where}: no answer within {terms.limit:g} s")


def _framing(endpoint: Endpoint) -> Framing:
    if endpoint.addressed:
        return Mbap()
    if endpoint.scheme == "ascii":
        from .foreign import Ascii  # noqa: PLC0415 - pymodbus is loaded for the frames that need it

        return Ascii()
    return Rtu()


def link(endpoint: Endpoint) -> Link:
    """The connection for an endpoint, not open yet."""
    if endpoint.scheme == "rtu":
        return SerialLink(endpoint)
    if endpoint.scheme in ("tcp", "rtutcp"):
        return TcpLink(endpoint)
    from .foreign import ForeignLink  # noqa: PLC0415 - pymodbus is loaded for the transports that need it

    return ForeignLink(endpoint)
