"""The connections of the server: so many in total, and so many from one address.

A client that connects and sends nothing holds a connection until its timeout. Such a connection makes room for a new
one, so that silent clients never keep others out.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from dataclasses import dataclass

from .client_limits import ClientLimits

PREFIX = 64
"""Bits of an IPv6 address that name one network: its clients choose the others."""


@dataclass(eq=False, slots=True)
class ClientSlot:
    """A connection. `waiting`: whether it waits for a request, or for its turn after wrong tokens."""

    address: str
    task: asyncio.Task[None] | None = None
    waiting: bool = True


class ClientSlots:
    """The open connections, the oldest first."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._slots: list[ClientSlot] = []

    def take(self, peer: str) -> ClientSlot | None:
        """Return a new slot for a client at `peer`; end a waiting connection if necessary. None: all are in use."""
        address = network(peer)
        open_slots = [slot for slot in self._slots if slot.address == address]
        if len(open_slots) < self._limits.connections_per_address:
            open_slots = self._slots if len(self._slots) >= self._limits.connections else []
        if open_slots and not self._end_one(open_slots):
            return None
        slot = ClientSlot(address)
        self._slots.append(slot)
        return slot

    def release(self, slot: ClientSlot) -> None:
        """Free a slot."""
        if slot in self._slots:
            self._slots.remove(slot)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The tasks of the open connections."""
        return [slot.task for slot in self._slots if slot.task is not None]

    def _end_one(self, slots: list[ClientSlot]) -> bool:
        """End the oldest waiting connection of the address with most of them; return False if none waits."""
        waiting = [slot for slot in slots if slot.waiting and slot.task is not None]
        if not waiting:
            return False
        (address, _), *_ = Counter(slot.address for slot in waiting).most_common(1)
        oldest = next(slot for slot in waiting if slot.address == address)
        assert oldest.task is not None  # chosen above
        oldest.task.cancel()
        self.release(oldest)
        return True


def network(peer: str) -> str:
    """Return the address that a client cannot vary: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), PREFIX), strict=False))
    return str(address)
