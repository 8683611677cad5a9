"""Evaluates the goals in a process of its own: a year of days leaves no trace in the daemon's memory, nor in its pace.

In on stdin: a pickled Config and an instant, by the daemon that started it. Out on stdout: JSON as `wattgram goals` has
it.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from contextlib import suppress

from .cards.text import as_json
from .evaluate import evaluate

NICE = 10
"""Polling goes first."""

SHOWN_KEYS = (
    *("goal", "article", "claim", "indicator", "value", "unit", "target", "state"),
    *("coverage", "period", "as_of", "why", "add", "extras"),
)
"""What the daemon keeps of a card: its records and its page have no more."""


def main() -> int:
    """Evaluate once; the exit code."""
    with suppress(PermissionError):  # a sandbox may forbid it; goals in its way are better than none
        os.nice(NICE)
    config, now = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent, over a pipe
    cards = evaluate(config, None, now)
    shown = [{name: card[name] for name in card if name in SHOWN_KEYS} for card in json.loads(as_json(cards))]
    print(json.dumps({"time": max((card.as_of for card in cards), default=now), "goals": shown}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
