"""The interface of a framing: encode requests, and match answers with requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from wattgram_drivers.driver_errors import BadAnswer, Fault

from .pdu import ReadRequest, ReadResponse

Tolerance = Literal["transaction-id", "length"]
"""Field that a faulty gateway sets wrongly for good, and that is not compared for its unit."""


class FramingLost(BadAnswer):
    """The start of the next frame is unknown. Only a new connection helps."""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A received frame that no request explains: its wrong field, and found and expected in words."""

    fault: Fault
    words: str


class Framing(Protocol):
    """A kind of frame, with the state of requests and answers on a bus."""

    def frame(self, request: ReadRequest) -> bytes:
        """Return the bytes to send."""

    def idle(self, received: bytearray) -> None:
        """Discard what arrived before a request: it cannot be the answer."""

    def take(self, received: bytearray, request: ReadRequest) -> ReadResponse | None:
        """Remove and return the first complete frame, None if none is complete. FramingLost."""

    def missing(self, received: bytearray, request: ReadRequest) -> int:
        """Return the missing bytes of a partly received answer; 0 if unknown."""

    def matches(self, request: ReadRequest, answer: ReadResponse) -> bool:
        """Return whether the answer is for this request. False: discard the answer and continue."""

    def unmatched(self, request: ReadRequest, answer: ReadResponse) -> Unmatched | None:
        """Return what is wrong with a discarded answer, None if it is the late answer to an earlier request."""

    def tolerates(self, unit: int, fault: Tolerance) -> bool:
        """Return whether a wrong field is tolerated in answers of this unit."""

    def probes(self, request: ReadRequest) -> Iterator[ReadRequest]:
        """Yield requests to send first if the answer would be ambiguous. One success is enough."""

    def abandoned(self, request: ReadRequest) -> None:
        """Record that a sent request was abandoned."""

    def answered(self, request: ReadRequest, answer: ReadResponse) -> None:
        """Record that a request was answered."""
