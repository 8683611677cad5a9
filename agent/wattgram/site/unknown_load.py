"""State of the site's load: events when the load becomes unknown, when the reason changes, and when it is known again.

While the power of a source or a sink is unknown, the load, its intensity and what follows from them are absent
(METHOD-SITE 9.1). The event names the devices and the reasons, because the records show only that values are absent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from wattgram.accounts.wired_flows import reason_unknown
from wattgram.acquisition.device_source import Source
from wattgram.base.occurrence import Occurrence

CONFIRMING_TICKS = 5
"""Consecutive ticks after which a change is an event, so that single missing readings are none."""

UNKNOWN, KNOWN = "load unknown", "load known"


class UnknownLoad:
    """Reasons for which the load is unknown: the published ones, and new ones that are not confirmed."""

    def __init__(self) -> None:
        self._published: tuple[str, ...] = ()
        self._next: tuple[str, ...] = ()
        self._ticks = 0

    def advance(self, reasons: tuple[str, ...]) -> tuple[Occurrence, ...]:
        """Take the reasons of a tick, one a device, such as "roof: no reading"; return the events."""
        if reasons == self._published:
            self._ticks = 0
            return ()
        self._ticks = self._ticks + 1 if reasons == self._next else 1
        self._next = reasons
        if self._ticks < CONFIRMING_TICKS:
            return ()
        self._published, self._ticks = reasons, 0
        if not reasons:
            return (Occurrence(KNOWN, "every source and sink is known again"),)
        detail = "; ".join(reasons)
        return (Occurrence(UNKNOWN, f"{detail}; load, emission and intensity are absent, known flows are counted"),)

    def dump(self) -> list[str]:
        """Return the state for a restart, JSON-compatible."""
        return list(self._published)

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        if not isinstance(dumped, list):
            raise ValueError(f"found {dumped!r}, expected a list of reasons")
        self._published = self._next = tuple(str(reason) for reason in dumped)


def unknown_devices(sources: Sequence[Source], names: Collection[str], now: float) -> tuple[str, ...]:
    """Return the reason of each named device whose energy is unknown, for `UnknownLoad.advance`; `now` is monotonic."""
    reasons = []
    for source in sources:
        if source.config.name in names:
            reasons.append(f"{source.config.name}: {reason_unknown(source, now)}")
    return tuple(reasons)
