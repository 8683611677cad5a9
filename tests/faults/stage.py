"""A kind of fault, and the means of its rounds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.truth import Verdict


class NotHere(Exception):
    """This machine does not allow a kind; the text says why."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Folder, random numbers, number of rounds, and duration of a long outage (s).

    `counted`: the faults applied to the site, so that a missing fault shows.
    """

    folder: Path
    chance: random.Random
    rounds: int
    long: float
    counted: Counter[str] = field(default_factory=Counter)


Rounds = Generator[Verdict, None, None]
Play = Callable[[Stage], Rounds]
"""Runs the rounds; after each round the verdict on all records so far. NotHere when the machine does not allow it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: name, description in a line, function, and rounds in the short and the full form."""

    name: str
    about: str
    play: Play
    short: int
    full: int
