"""What a kind of fault is, and what its rounds are played with."""

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
    """A folder of its own, chance, how many rounds to play, and how long what is said to be long lasts (s).

    `counted`: what was done to the site, so that a fault that did not happen shows.
    """

    folder: Path
    chance: random.Random
    rounds: int
    long: float
    counted: Counter[str] = field(default_factory=Counter)


Rounds = Generator[Verdict, None, None]
Play = Callable[[Stage], Rounds]
"""Plays the rounds; after each of them the verdict on everything so far. NotHere when the machine does not allow it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: its name, one line about it, how it is played, and its rounds in the short and the full form."""

    name: str
    about: str
    play: Play
    short: int
    full: int
