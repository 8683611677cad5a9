"""Pauses in the work for one peer, so that a flood leaves the processor to the polling of devices."""

from __future__ import annotations

PEER_BURST = 0.3
"""Work for a peer at full speed, s: a connection may begin with some megabytes of retained messages."""

PEER_SHARE = 0.2
"""Share of the time for a peer afterwards."""

PEER_PAUSE = 1.0
"""Longest pause, s."""


class FairShare:
    """Work for one peer: PEER_BURST s at full speed, then PEER_SHARE of the time. Unused time becomes a new burst."""

    def __init__(self) -> None:
        self._spent = 0.0  # s of work above PEER_SHARE
        self._end = 0.0

    def pause(self, begin: float, end: float) -> float:
        """Return the pause in s after work from `begin` to `end`, times of one clock in s."""
        self._spent = max(0.0, self._spent - PEER_SHARE * (end - self._end)) + end - begin
        self._end = end
        return min(PEER_PAUSE, max(0.0, (self._spent - PEER_BURST) / PEER_SHARE))
