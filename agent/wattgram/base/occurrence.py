"""An occurrence that an operator hears of."""

from __future__ import annotations

from typing import NamedTuple


class Occurrence(NamedTuple):
    """What an operator is told of a counter."""

    event: str
    detail: str
