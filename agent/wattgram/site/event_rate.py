"""Rate limit of events: a device that flaps must not fill the spool (SPEC 5).

Each device and kind of event has a budget of BURST events, and one more each REFILL_SECONDS. Further events are
counted; the last of them is published as soon as the budget allows, with their number. So the end of an incident is
late, but never lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

BURST = 10
"""Events of a kind and device that are published at once."""

REFILL_SECONDS = 600.0
"""Time after which one more event of a kind and device may be published, s."""

MOST_KINDS = 2000
"""Most kinds and devices with a budget; the one unused for the longest time begins again with a full one."""


class HeldEvent(NamedTuple):
    """An event that waits for its budget. since: monotonic time, s. events: number held, with this one."""

    device: str
    event: str
    detail: str
    since: float
    events: int


@dataclass(slots=True)
class _Budget:
    left: float
    at: float
    held: HeldEvent | None = None


class EventRate:
    """Budgets by device and kind of event; times are monotonic, s."""

    def __init__(self) -> None:
        self._budgets: dict[tuple[str, str], _Budget] = {}

    def admits(self, device: str, event: str, detail: str, now: float) -> bool:
        """Return whether an event may be published now; else it is held, in place of one held before."""
        budget = self._budget(device, event, now)
        if budget.held is None and budget.left >= 1.0:
            budget.left -= 1.0
            return True
        held = budget.held.events if budget.held else 0
        budget.held = HeldEvent(device, event, detail, now, held + 1)
        return False

    def due(self, now: float, *, all_held: bool = False) -> Iterable[HeldEvent]:
        """Return and forget the held events that may be published now, in the order in which they happened."""
        due = []
        for budget in self._budgets.values():
            if budget.held is None:
                continue
            self._refill(budget, now)
            if budget.left >= 1.0 or all_held:
                budget.left = max(0.0, budget.left - 1.0)
                due.append(budget.held)
                budget.held = None
        return sorted(due, key=lambda held: held.since)

    def _budget(self, device: str, event: str, now: float) -> _Budget:
        budget = self._budgets.pop((device, event), None) or _Budget(float(BURST), now)
        self._budgets[device, event] = budget
        self._refill(budget, now)
        if len(self._budgets) > MOST_KINDS:
            unused = next((key for key, other in self._budgets.items() if other.held is None), None)
            if unused is not None:
                del self._budgets[unused]
        return budget

    @staticmethod
    def _refill(budget: _Budget, now: float) -> None:
        budget.left = min(float(BURST), budget.left + max(0.0, now - budget.at) / REFILL_SECONDS)
        budget.at = now
