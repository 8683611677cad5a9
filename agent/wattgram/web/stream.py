"""The state as server-sent events: each is made once for all clients, and a client costs its place in the row alone."""

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

LOOK = 0.2
"""Real seconds between two looks for a new balance while there are clients; so the most events a second are five."""

PACE = 5.0
"""Real seconds after which a state is told without a new balance: ages and states change meanwhile."""

KEPT_EVENT_BYTES = 1 << 18
"""Bytes of events that a client which comes back may still get."""

LINGER = 60.0
"""Real seconds for which events are made after the last client has gone: it may come back for what it missed."""

RETRY_MS = 2000
"""Milliseconds after which a browser that lost the stream tries again."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its place in the row, its id and its text on the wire."""

    number: int
    id: str
    text: bytes


class Stream:
    """Tells the states of a View to its clients. `run` makes the events as long as somebody listens."""

    def __init__(self, view: DaemonView, limits: ClientLimits) -> None:
        self.clients = 0
        self._view = view
        self._limits = limits
        self._events: deque[Event] = deque()
        self._kept = 0
        self._number = 0
        self._wanted = asyncio.Event()
        self._resting = True
        self._left = 0.0
        self._told = asyncio.Event()
        self._failed = False

    @property
    def full(self) -> bool:
        """Whether there are as many clients as there may be."""
        return self.clients >= self._limits.streams

    async def run(self) -> None:
        """Make events while there are clients; without any it waits and costs nothing."""
        loop = asyncio.get_running_loop()
        seen, told = -1, 0.0
        while True:
            if not self.clients and loop.time() > self._left + LINGER:
                self._resting = True
                self._wanted.clear()
                await self._wanted.wait()
                self._resting, told = False, -PACE
            ticks = self._view.ticks()
            if ticks != seen or loop.time() - told >= PACE:
                seen, told = ticks, loop.time()
                self._make()
            await asyncio.sleep(LOOK)

    async def serve(self, client: Exchange, last: str) -> None:
        """Send events until the client leaves; `last` is the id of the last event that it has, "" for none.

        What it missed comes first, as far as it is still there, else the newest. TimeoutError from a client that does
        not take them.
        """
        at = self._place(last)
        self.clients += 1
        self._wanted.set()
        leaving = asyncio.create_task(client.gone(), name="page client leaves")
        try:
            await self._send(client, f"retry: {RETRY_MS}\n\n".encode())
            while not leaving.done():
                for event in self._after(at):
                    await self._send(client, event.text)
                    at = event.number
                if not self._after(at) and not await self._news(leaving):
                    await self._send(client, b": alive\n\n")
        finally:
            self.clients -= 1
            self._left = asyncio.get_running_loop().time()
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

    async def _send(self, client: Exchange, data: bytes) -> None:
        async with asyncio.timeout(self._limits.response):
            await client.piece(data)

    async def _news(self, leaving: asyncio.Task[None]) -> bool:
        """Wait for the next event or the client's end; False when the heartbeat is due."""
        told = asyncio.create_task(self._told.wait(), name="page news")
        try:
            done, _ = await asyncio.wait(
                (told, leaving), timeout=self._limits.heartbeat, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            told.cancel()
        return bool(done)

    def _place(self, last: str) -> int:
        """The number of the event that a client has; when it has none of these it gets the newest, if that is new."""
        newest = self._number if self._resting else self._number - 1
        return next((one.number for one in self._events if one.id == last), newest)

    def _after(self, number: int) -> list[Event]:
        """Events that follow, all of those that are kept; only the newest for one that fell behind them."""
        found = [one for one in self._events if one.number > number]
        behind = bool(found) and number > 0 and found[0].number > number + 1
        return found[-1:] if behind else found

    def _make(self) -> None:
        try:
            state = self._view.now()
            body = encoded(state)
        except Exception:  # a fault behind the View must not end the daemon; it is told once
            if not self._failed:
                log.exception("the state for the live page failed")
            self._failed = True
            return
        self._failed = False
        self._number += 1
        name = f"{state.get('time', '')}/{self._number}"
        text = b"id: " + name.encode() + b"\nevent: state\ndata: " + body + b"\n\n"
        self._events.append(Event(self._number, name, text))
        self._kept += len(text)
        while self._kept > KEPT_EVENT_BYTES and len(self._events) > 1:
            self._kept -= len(self._events.popleft().text)
        self._told.set()
        self._told = asyncio.Event()
