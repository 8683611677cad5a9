"""Errors of maps, buses and devices. The type states whether a retry can help."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Literal

MOST_WORDS = 12
"""Most allowed words that a message lists."""

Fault = Literal["", "transaction-id", "unit", "length"]
"""Field of a received frame that is wrong, while the frame otherwise looks like the answer."""


class DriverError(Exception):
    """Base of all errors of this package. fault: the wrong field of an answer that was rejected, "" for none."""

    def __init__(self, message: str, *, fault: Fault = "") -> None:
        super().__init__(message)
        self.fault: Fault = fault


class MapError(DriverError):
    """A register map has mistakes. One line each: file, register, key, allowed values. A retry cannot help."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class BusDown(DriverError):
    """The connection or serial line cannot be opened, or was lost. Affects every unit of the bus; retry later."""


class NoAnswer(DriverError):
    """A unit did not answer within its timeout. Retry later; the bus itself may work."""


class BadAnswer(DriverError):
    """The answer is malformed, or does not match the request. It was discarded; retry later."""


class Refused(DriverError):
    """The unit answered with a Modbus exception. code: the exception (2 = illegal address, 6 = busy)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code

    @property
    def busy(self) -> bool:
        """Whether the unit asks for a later request (Modbus application protocol: acknowledge, device busy)."""
        return self.code in (5, 6)


class LayoutChanged(DriverError):
    """A device no longer serves the registers that were discovered. The reading was discarded.

    A retry can help only after a new discovery.
    """


class WordsSwapped(DriverError):
    """A device sends the two words of its floats in the wrong order. The reading was discarded.

    A retry can help only after the device's settings were changed.
    """


def few_words(found: str, allowed: Collection[str]) -> str:
    """Return the first allowed words, the number of the others, and the words nearest to the found one."""
    listed = list(allowed)
    more = f" and {len(listed) - MOST_WORDS} more" if len(listed) > MOST_WORDS else ""
    near = get_close_matches(found, listed, n=3, cutoff=0.5)
    text = f"allowed: {', '.join(listed[:MOST_WORDS]) or 'none'}{more}"
    return f"{text}; nearest: {', '.join(map(repr, near))}" if near else text
