"""Events of a state that concerns several values of a device: beginning, change of the reason, end (SPEC 6.13)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from wattgram.base.occurrence import Occurrence

IMPLAUSIBLE, PLAUSIBLE = "implausible value", "values plausible again"
MISSING, COMPLETE = "quantities missing", "quantities complete"
DISAGREE, AGREE = "values disagree", "values agree again"

SHOWN = 3
"""Values that an event describes in full."""

_NUMBER = re.compile(r"\d[\d.]*(e[-+]?\d+)?")
_FREE_NUMBER = re.compile(r"(?<![\w.])-?\d[\d.]*(e[-+]?\d+)?")


def by_kind(findings: Iterable[str]) -> dict[str, str]:
    """Return findings by their texts without numbers, which change at each reading."""
    return {_FREE_NUMBER.sub("#", finding): finding for finding in findings}


class ValueIncident:
    """One state of a device's values, from reading to reading. begin, end: names of its events."""

    def __init__(self, begin: str, end: str) -> None:
        self._begin = begin
        self._end = end
        self._open: dict[str, str] = {}  # the reason for each value, without numbers, which change at each reading
        self._told: dict[str, str] = {}  # the last text of each value

    def take(self, texts: Mapping[str, str], reasons: Mapping[str, str] | None = None) -> tuple[Occurrence, ...]:
        """Return the events of a reading. texts: by value, its text; reasons: the reason in it, by default the text."""
        if not texts and not self._open:
            return ()
        before = self._open
        if texts:
            self._told = dict(texts)
        self._open = {value: _NUMBER.sub("#", reason) for value, reason in (reasons or texts).items()}
        begun = [value for value, reason in self._open.items() if before.get(value) != reason]
        if begun:
            described = "; ".join(texts[value] for value in begun[:SHOWN])
            further = ", ".join(begun[SHOWN:])
            return (Occurrence(self._begin, f"{described}; also {further}" if further else described),)
        if before and not self._open:
            # A finding by kind has no other name than its text, which had numbers.
            names = (f"last: {self._told[value]}" if "#" in value else value for value in before)
            return (Occurrence(self._end, ", ".join(names)),)
        return ()
