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

from .evaluate import evaluate
from .text import as_json

NICE = 10
"""Polling goes first."""


def main() -> int:
    """Evaluate once; the exit code."""
    with suppress(PermissionError):  # a sandbox may forbid it; goals in its way are better than none
        os.nice(NICE)
    config, now = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent, over a pipe
    cards = evaluate(config, None, now)
    print(json.dumps({"time": max((one.over for one in cards), default=now), "goals": json.loads(as_json(cards))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
