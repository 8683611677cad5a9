"""Duration of requests on a bus, to find the fastest plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from .device import DeviceLimits
from .endpoint import Endpoint, Scheme

TURNAROUND: Mapping[Scheme, float] = MappingProxyType(
    {"tcp": 0.005, "udp": 0.005, "tls": 0.005, "rtutcp": 0.02, "rtu": 0.02, "ascii": 0.02}
)
"""Seconds from request to answer, without the time on the wire. Assumed: no map states them.

A serial unit needs 20 to 50 ms (FlowFuse/website issue 4805); mbmd's README counts 33 ms a request in all, wire
included, so the lower end is used. On TCP the value covers a round trip in the plant's network and the device;
the time of a serial line behind a gateway is unknown here.
"""

OVERHEAD = 13
"""Characters of an RTU request (8), and of the answer without its registers (5)."""


class Counted(Protocol):
    """A request of `count` registers."""

    @property
    def count(self) -> int:
        """Number of registers."""
        ...


@dataclass(frozen=True, slots=True)
class RequestCost:
    """Duration of a request on a bus: seconds a request, and seconds for each of its registers."""

    request: float
    register: float

    def seconds(self, blocks: Iterable[Counted]) -> float:
        """Return how long these requests occupy the bus, s."""
        return sum(self.request + self.register * block.count for block in blocks)


FEWEST_REQUESTS = RequestCost(1.0, 0.0)
"""Counts requests, for plans without a particular bus."""


def request_cost(endpoint: Endpoint, limits: DeviceLimits) -> RequestCost:
    """Return the duration of a request to a device at an endpoint.

    On a serial line: 13 characters, the silence that ends the request, the unit's turnaround, and the silence before
    the next request (the line's or the device's, whichever is longer); further two characters a register. On a
    network: a turnaround and the device's silence; registers take no time.
    """
    characters = 2 if endpoint.scheme == "ascii" else 1  # two characters an octet
    wire = characters * OVERHEAD * endpoint.character + endpoint.silence
    pause = max(endpoint.silence, limits.request_delay)
    return RequestCost(wire + TURNAROUND[endpoint.scheme] + pause, 2 * characters * endpoint.character)
