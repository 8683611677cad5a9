"""Two clients of one client id end each other's connections: one event, and longer pauses between two attempts.

In version 5 of MQTT a broker may name the reason. Other brokers only close, as in 3.1.1: wattgram assumes the same
after several short connections that ended while no answer was due.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Protocol, runtime_checkable

from wattgram.base.errors import SinkError
from wattgram.delivery.sink_state import EventPublisher
from wattgram.mqtt.mqtt_session import MqttSession
from wattgram.mqtt.packets import TAKEN_OVER

log = logging.getLogger(__name__)

CLIENT_ID_IN_USE, CLIENT_ID_FREE = "client id in use", "client id free again"
"""Events."""

TAKEOVER_WAIT, LONGEST_TAKEOVER_WAIT = 5.0, 45.0
"""Shortest and longest pause before the next attempt, s; the pause doubles each time. A pause of a minute would be an
outage of its own for the operator."""

SHORT_CONNECTION = 60.0
"""Longest life of a connection that another client may have ended, s."""

SUSPICIOUS_ENDS = 3
"""Short connections in a row, closed without a reason, from which another client is assumed."""

PROBE_DELAY, PROBE_TIMEOUT = 0.1, 2.0
"""Wait before the look at the broker, in which a process that ends closes its sockets, and the longest look, s."""

UNDISTURBED = 600.0
"""Life of a connection after which the client id counts as free, s."""


@runtime_checkable
class IdentifiedSink(Protocol):
    """A sink with a client id."""

    identity: ClientIdentity


class ClientIdentity:
    """The connections of one client id. losses: connections that another client ended, since the id was free.

    on_loss: called after each loss with the number of losses and a line for a person.
    """

    def __init__(
        self, client_id: str, address: tuple[str, int] | None = None, chance: random.Random | None = None
    ) -> None:
        """`address`: host and port of the broker, None for a broker behind a proxy."""
        self.client_id = client_id
        self._address = address
        self._probe: asyncio.Task[bool] | None = None
        self.events: EventPublisher | None = None
        self.on_loss: Callable[[int, str], None] | None = None
        self.losses = 0
        self._chance = chance or random.Random()  # noqa: S311 - it spreads attempts and needs no secrecy
        self._since: float | None = None  # of the connection, s
        self._short = 0
        self._told = False
        self._free: asyncio.TimerHandle | None = None

    @property
    def pause(self) -> float:
        """Pause before the next attempt, s."""
        if not self.losses:
            return 0.0
        wait = min(LONGEST_TAKEOVER_WAIT, TAKEOVER_WAIT * 2.0 ** min(self.losses - 1, 10))
        return wait * self._chance.uniform(0.75, 1.0)

    @contextlib.asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Wait for the time of the next attempt, and connect inside."""
        await asyncio.sleep(self.pause)
        try:
            yield
        except SinkError:
            self._short = 0  # a broker that is absent at times ends connections itself
            raise

    def begin(self, session: MqttSession) -> None:
        """Note a new connection."""
        loop = asyncio.get_running_loop()
        self._since, self._probe = loop.time(), None
        session.ended.add_done_callback(lambda _: self._ended(session))
        if self.losses:
            self._free = loop.call_later(UNDISTURBED, self._undisturbed)

    def _ended(self, session: MqttSession) -> None:
        """Look at once whether the broker still accepts connections: a broker that restarts does not."""
        if session.was_closed and self._address is not None:
            self._probe = asyncio.create_task(_accepts(*self._address), name="client id")

    async def end(self, session: MqttSession) -> None:
        """Note the end of a connection, before its orderly end by this client."""
        if self._since is None:
            return
        life, self._since = asyncio.get_running_loop().time() - self._since, None
        if self._free is not None:
            self._free.cancel()
        accepts = True if self._probe is None else await self._probe
        self.note(life, session.end_code, closed=session.was_closed and accepts)

    def note(self, life: float, code: int, *, closed: bool) -> None:
        """Note an end after `life` s, with the broker's reason code.

        closed: as `MqttSession.was_closed`, and the broker accepted connections afterwards.
        """
        if life >= SHORT_CONNECTION:
            self._short = 0
        elif closed:
            self._short += 1
        if life >= UNDISTURBED:
            self.losses, self._told = 0, False
        if code == TAKEN_OVER:
            self.losses += 1
        elif closed and (self.losses or self._short >= SUSPICIOUS_ENDS):
            self.losses = max(self.losses + 1, self._short)
        else:
            return
        who = "another client uses" if code == TAKEN_OVER else "perhaps another client uses"
        text = (
            f"{who} the client_id {self.client_id!r}, and the broker ends this connection for the other; "
            "is a second gateway or a second run of this site connected? stop it, or set client_id in [mqtt]"
        )
        if not self._told:
            self._told = True
            log.warning("mqtt: %s", text)
            if self.events is not None:
                self.events.event("", CLIENT_ID_IN_USE, text)
        if self.on_loss is not None:
            self.on_loss(self.losses, text)

    def _undisturbed(self) -> None:
        self.losses, self._short, self._told = 0, 0, False
        if self.events is not None:
            self.events.event("", CLIENT_ID_FREE, f"{self.client_id!r} connected for {UNDISTURBED:g} s")


async def _accepts(host: str, port: int) -> bool:
    """Return whether a server accepts a connection now."""
    await asyncio.sleep(PROBE_DELAY)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # also TimeoutError
        return False
    writer.close()
    return True
