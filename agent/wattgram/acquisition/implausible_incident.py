"""Events of a device's withheld values: at the beginning, when the reason changes, at the end (SPEC 6.13)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wattgram.base.occurrence import Occurrence

from .examination import Withheld

IMPLAUSIBLE, PLAUSIBLE = "implausible value", "values plausible again"

SHOWN = 3
"""Values that an event describes in full."""

_NUMBER = re.compile(r"\d[\d.]*(e[-+]?\d+)?")


class ImplausibleIncident:
    """Withheld values of one device, from reading to reading."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}  # what is wrong with each withheld quantity

    def take(self, withheld: Sequence[Withheld]) -> tuple[Occurrence, ...]:
        """Return the events of a reading."""
        if not withheld and not self._open:
            return ()
        before, self._open = self._open, {value.quantity: _cause(value) for value in withheld}
        begun = [value for value in withheld if before.get(value.quantity) != self._open[value.quantity]]
        ended = [quantity for quantity in before if quantity not in self._open]
        occurrences = []
        if begun:
            further = ", ".join(value.quantity for value in begun[SHOWN:])
            described = "; ".join(map(str, begun[:SHOWN]))
            occurrences.append(Occurrence(IMPLAUSIBLE, f"{described}; also {further}" if further else described))
        if ended and not self._open:
            occurrences.append(Occurrence(PLAUSIBLE, ", ".join(ended)))
        return tuple(occurrences)


def _cause(value: Withheld) -> str:
    """Return the reason without its numbers, which change from reading to reading."""
    return _NUMBER.sub("#", value.reason)
