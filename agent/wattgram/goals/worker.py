"""Evaluation of the goals in a separate process, so that a year of days neither occupies the daemon's memory nor
delays it.

stdin: a pickled Config and an instant, from the daemon. stdout: JSON as of `wattgram goals`.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from contextlib import suppress

from .cards.text import as_json
from .cards.translated import page_texts
from .evaluate import evaluate
from .terms.finding import IndicatorValue

NICE = 10
"""Niceness of the process: polling has priority."""

SHOWN_KEYS = (
    *("goal", "article", "claim", "indicator", "value", "unit", "target", "state"),
    *("coverage", "period", "as_of", "why", "add", "extras"),
)
"""Keys of a card that the daemon's records and page use."""


def main() -> int:
    """Evaluate once and return the exit code."""
    with suppress(PermissionError):  # a sandbox may forbid a change of priority
        os.nice(NICE)
    config, now = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent, over a pipe
    cards = evaluate(config, None, now)
    shown = [
        {name: each[name] for name in each if name in SHOWN_KEYS} | {"texts": page_texts(card)}
        for card, each in zip(cards, json.loads(as_json(cards)), strict=True)
    ]
    lines = {
        card.claim.id: {line.name: line.share for line in card.finding.lines}
        for card in cards
        if isinstance(card.finding, IndicatorValue)
    }
    time = max((card.as_of for card in cards), default=now)
    print(json.dumps({"time": time, "goals": shown, "lines": lines}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
