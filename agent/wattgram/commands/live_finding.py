"""A finding of `check --live` about one device, and the data of one reading on which findings rest."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf, isnan
from typing import NamedTuple

from wattgram_drivers.device import Device, Reading
from wattgram_drivers.plan import Plan

from wattgram.acquisition.device_source import power_quantities
from wattgram.acquisition.validity import Judged
from wattgram.config.devices_table import DeviceConfig


class LiveFinding(NamedTuple):
    """What is wrong with a device, and what to do.

    key: the same for the same fault in each reading. question: the fault cannot be decided, so the text is a note.
    foreign: another driver may be the right one. explained_by: generation on the site, W, that would explain the
    values without a fault.
    """

    key: str
    text: str
    question: bool = False
    foreign: bool = False
    explained_by: float = inf


@dataclass
class LiveReading:
    """One reading of a device, as judged."""

    config: DeviceConfig
    device: Device
    plan: Plan
    names: tuple[str, ...]
    reading: Reading
    judged: Judged

    @cached_property
    def values(self) -> Mapping[str, float]:
        """Values in SI and in the configuration's direction, without absent ones."""
        numbers = struct.unpack(f"{len(self.names)}d", self.judged.values)
        return {name: number for name, number in zip(self.names, numbers, strict=True) if not isnan(number)}

    @cached_property
    def power(self) -> tuple[str, ...]:
        """Quantities that give the role's power, by the map's preference."""
        return power_quantities(self.device, self.config.role, self.names)

    def words(self, index: int) -> bytes:
        """Return the words of a value, b"" if they were not read."""
        place = self.plan.places[index]
        first, last = place.position, place.position + place.register.words
        return self.reading.image[2 * first : 2 * last] if all(self.reading.valid[first:last]) else b""
