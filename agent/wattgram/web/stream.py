"""The state as server-sent events. Each event is created once for all clients; a client holds only its position."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

from .answer import encoded
from .client_limits import ClientLimits
from .daemon_view import DaemonView
from .exchange import Exchange

log = logging.getLogger(__name__)

CHECK_INTERVAL = 0.2
"""Real seconds between two checks for a new balance while there are clients: at most five events a second."""

PACE = 5.0
"""Real seconds between two events without a new balance: ages and states change meanwhile."""

RETAINED_EVENT_BYTES = 1 << 18
"""Bytes of events that are retained for clients that reconnect."""

LINGER = 60.0
"""Real seconds of further events after the last client left: it may reconnect and need them."""

RETRY_MS = 2000
"""Milliseconds before a browser reconnects a lost stream."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its number, its id and its text on the wire."""

    number: int
    id: str
    text: bytes


class Stream:
    """Publish the states of a View to clients. `run` creates events while there are clients."""

    def __init__(self, view: DaemonView, limits: ClientLimits) -> None:
        self.clients = 0
        self._view = view
        self._limits = limits
        self._events: deque[Event] = deque()
        self._retained = 0
        self._number = 0
        self._wanted = asyncio.Event()
        self._resting = True
        self._last_left = 0.0
        self._published = asyncio.Event()
        self._failed = False

    @property
    def full(self) -> bool:
        """Whether the number of clients is at its limit."""
        return self.clients >= self._limits.streams

    async def run(self) -> None:
        """Create events while there are clients; without clients, wait."""
        loop = asyncio.get_running_loop()
        seen, published = -1, 0.0
        while True:
            if not self.clients and loop.time() > self._last_left + LINGER:
                self._resting = True
                self._wanted.clear()
                await self._wanted.wait()
                self._resting, published = False, -PACE
            ticks = self._view.ticks()
            if ticks != seen or loop.time() - published >= PACE:
                seen, published = ticks, loop.time()
                self._publish()
            await asyncio.sleep(CHECK_INTERVAL)

    async def serve(self, client: Exchange, last: str) -> None:
        """Send events until the client leaves. last: id of the client's last event, "" for none.

        The client first gets the missed events that are still retained, else the newest event. TimeoutError: the
        client does not accept the events.
        """
        position = self._position(last)
        self.clients += 1
        self._wanted.set()
        leaving = asyncio.create_task(client.wait_closed(), name="page client leaves")
        try:
            await self._send(client, f"retry: {RETRY_MS}\n\n".encode())
            while not leaving.done():
                for event in self._after(position):
                    await self._send(client, event.text)
                    position = event.number
                if not self._after(position) and not await self._wait_for_event(leaving):
                    await self._send(client, b": alive\n\n")
        finally:
            self.clients -= 1
            self._last_left = asyncio.get_running_loop().time()
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

    async def _send(self, client: Exchange, data: bytes) -> None:
        async with asyncio.timeout(self._limits.response):
            await client.send_chunk(data)

    async def _wait_for_event(self, leaving: asyncio.Task[None]) -> bool:
        """Wait for the next event or the client's end. Return False when the heartbeat is due."""
        published = asyncio.create_task(self._published.wait(), name="page event")
        try:
            done, _ = await asyncio.wait(
                (published, leaving), timeout=self._limits.heartbeat, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            published.cancel()
        return bool(done)

    def _position(self, last: str) -> int:
        """Return the number of the client's last event. After an unknown event, the newest follows, if current."""
        newest = self._number if self._resting else self._number - 1
        return next((event.number for event in self._events if event.id == last), newest)

    def _after(self, number: int) -> list[Event]:
        """Return the retained events after a number; only the newest if events in between are gone."""
        following = [event for event in self._events if event.number > number]
        gap = bool(following) and number > 0 and following[0].number > number + 1
        return following[-1:] if gap else following

    def _publish(self) -> None:
        try:
            state = self._view.now()
            body = encoded(state)
        except Exception:  # a fault in the View must not end the daemon; it is logged once
            if not self._failed:
                log.exception("the state for the live page failed")
            self._failed = True
            return
        self._failed = False
        self._number += 1
        event_id = f"{state.get('time', '')}/{self._number}"
        text = b"id: " + event_id.encode() + b"\nevent: state\ndata: " + body + b"\n\n"
        self._events.append(Event(self._number, event_id, text))
        self._retained += len(text)
        while self._retained > RETAINED_EVENT_BYTES and len(self._events) > 1:
            self._retained -= len(self._events.popleft().text)
        self._published.set()
        self._published = asyncio.Event()
