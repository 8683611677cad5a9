"""Entry lines that projections have crossed: one event for each crossing, also after a restart."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from wattgram.store.spool import Spool

log = logging.getLogger(__name__)

CROSSED = "entry lines"
"""Name of the state in the spool."""

ABOVE, BELOW = 1.0, 0.95
"""Shares of a line: a crossing begins at ABOVE and ends under BELOW, so that a projection beside the line is one."""


class CrossedLines:
    """Crossings of entry lines by goal. event: reports an event of the site (device, event, detail)."""

    def __init__(self, spool: Spool, event: Callable[[str, str, str], None]) -> None:
        self._spool = spool
        self._event = event
        self._crossed: dict[str, list[str]] | None = None

    async def report(self, shares: Mapping[str, Mapping[str, float]]) -> None:
        """Report each line that is newly crossed.

        shares: by goal, then by line ("pilot entry line of 2026"), projection / line. A goal that is absent has no
        value now, so its crossings stay. A line that is absent, such as that of the last year, is forgotten.
        """
        if self._crossed is None:
            self._crossed = _restored(await self._spool.state(CROSSED))
        before = self._crossed
        after = before | {
            goal: [line for line, share in lines.items() if share >= (BELOW if line in before.get(goal, ()) else ABOVE)]
            for goal, lines in shares.items()
        }
        after = {goal: lines for goal, lines in after.items() if lines}
        for goal, lines in after.items():
            for line in lines:
                if line not in before.get(goal, ()):
                    self._event("", "entry line crossed", f"{goal}: above the {line}")
        if after != before:
            self._spool.put_state(CROSSED, json.dumps(after).encode())
        self._crossed = after


def _restored(stored: bytes | None) -> dict[str, list[str]]:
    """Return the crossings of the last run; none if the state is absent or not readable."""
    try:
        read: Any = json.loads(stored) if stored else {}
        return {str(goal): [str(line) for line in lines] for goal, lines in read.items()}
    except (ValueError, TypeError, AttributeError) as error:
        log.warning("the stored crossings of entry lines are not readable and begin anew: %s", error)
        return {}
