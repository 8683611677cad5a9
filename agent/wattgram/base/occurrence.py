"""An occurrence that becomes an event for the operator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Occurrence(NamedTuple):
    """The name and the detail of an event."""

    event: str
    detail: str


DeviceOccurrence = tuple[str, Occurrence]
"""A device and its occurrence; device "" is the site itself."""


def of_device(device: str, occurrences: Iterable[Occurrence]) -> list[DeviceOccurrence]:
    """Return the occurrences of one device."""
    return [(device, occurrence) for occurrence in occurrences]
