"""An occurrence that becomes an event for the operator."""

from __future__ import annotations

from typing import NamedTuple


class Occurrence(NamedTuple):
    """The name and the detail of an event of a counter."""

    event: str
    detail: str
