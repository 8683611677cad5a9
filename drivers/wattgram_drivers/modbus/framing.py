"""How requests and answers are told apart on a wire: what each kind of framing must do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from wattgram_drivers.driver_errors import BadAnswer

from .pdu import ReadRequest, ReadResponse


class FramingLost(BadAnswer):
    """Where frames begin is no longer known; only a new connection helps."""


class Framing(Protocol):
    """One kind of frame, and what was asked and answered with it on one bus."""

    def frame(self, request: ReadRequest) -> bytes:
        """The bytes to send."""

    def idle(self, received: bytearray) -> None:
        """Deal with what came while nothing was asked."""

    def take(self, received: bytearray, request: ReadRequest) -> ReadResponse | None:
        """Remove and return the first whole frame; None when there is none yet. FramingLost."""

    def missing(self, received: bytearray, request: ReadRequest) -> int:
        """Bytes that the request's answer, which has begun to come, still needs; 0 when that is not known."""

    def belongs(self, request: ReadRequest, answer: ReadResponse) -> bool:
        """Whether the answer is for this request; False: discard it and listen on."""

    def probes(self, request: ReadRequest) -> Iterator[ReadRequest]:
        """What to ask before this request's answer can be trusted; the first that succeeds is enough."""

    def owed(self, request: ReadRequest) -> None:
        """The request was sent and given up."""

    def settled(self, request: ReadRequest, answer: ReadResponse) -> None:
        """The request has got its answer."""
