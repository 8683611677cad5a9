"""Delays after wrong tokens: each further attempt from an address is judged later, so that nobody can try many."""

from __future__ import annotations

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = 0.25, 5.0
"""Delay after the first wrong token, and the longest, s. The delay doubles with each wrong token."""

FORGIVEN_AFTER = 300.0
"""Time without a wrong token after which an address is forgotten, s."""

MOST_REMEMBERED = 1024
"""Most addresses to remember; the oldest is forgotten first."""

REPORTED = 5
"""Number of wrong tokens after which an address is logged."""


@dataclass(slots=True)
class _WrongTokens:
    count: int
    until: float  # s


class TokenAttempts:
    """The wrong tokens of each address. Times are monotonic, in s."""

    def __init__(self) -> None:
        self._wrong: dict[str, _WrongTokens] = {}

    def delay(self, address: str, now: float) -> float:
        """Return the time until the next token of an address may be judged, s; 0 for now."""
        wrong = self._wrong.get(address)
        return max(0.0, wrong.until - now) if wrong else 0.0

    def failed(self, address: str, now: float) -> None:
        """Note a wrong token."""
        self._wrong = {name: wrong for name, wrong in self._wrong.items() if now - wrong.until < FORGIVEN_AFTER}
        wrong = self._wrong.pop(address, None)
        count = wrong.count + 1 if wrong else 1
        self._wrong[address] = _WrongTokens(count, now + min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(count - 1, 10)))
        if len(self._wrong) > MOST_REMEMBERED:
            del self._wrong[next(iter(self._wrong))]
        if count == REPORTED:
            log.warning("live page: %d wrong tokens from %s; further ones are answered slowly", count, address)

    def succeeded(self, address: str) -> None:
        """Forget the wrong tokens of an address."""
        self._wrong.pop(address, None)
