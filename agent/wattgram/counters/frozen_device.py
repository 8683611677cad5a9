"""Detection of a frozen device: all its values stand still while power flows.

Pure functions: from watch and reading to watch and events. W, Wh, s; times in UTC ns. The watch does not survive a
restart: a value that stood still before may have changed meanwhile, so the watch starts again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from math import isfinite
from typing import NamedTuple

from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.base.units import rfc3339

from .metering import MeteredStep

FROZEN = 900.0
"""Time during which every value must have stood still, s.

A load as steady as its register's resolution stands still for minutes; a counter, a voltage or a temperature changes
within a quarter of an hour.
"""

MIN_READINGS = 10
"""Minimum number of identical readings before a device counts as frozen.

Without it, three readings would be enough for a device that is read every few minutes.
"""

NEAR_ZERO = 0.002
"""Share of the rated power that is normal for a sleeping inverter all night."""

NEAR_ZERO_UNRATED = 1.0
"""Power near zero of a device without a rated power, W."""

RESOLUTION_STEPS = 3.0
"""Steps of the counter. If the power amounts to more and the counter stands still, one of them is wrong."""

MIN_VALUES = 2
"""Minimum number of values that stand still together, if no counter contradicts the power.

A single constant value may be true.
"""

PAUSE_INTERVALS = 3.0
"""Intervals without a reading (SPEC 6.9) after which the time is not counted as standing still."""

MISSED_COPIES = 3.0
"""Periods of a counter register that its device copies rarely, after which its standstill counts."""

EVENT, BACK = "device frozen", "device back"

_INFINITE = 0x7FF0_0000_0000_0000
_UNSIGNED = 0x7FFF_FFFF_FFFF_FFFF


class UnchangedValues(NamedTuple):
    """Observations since a value last changed.

    values: last known value of each field, a double each, NaN if never present. compared: number of values that were
    seen twice. begun, last: monotonic time of the first and the last reading with a power, s. readings, seconds: number
    of these readings and the time they span, without pauses. counter: seconds at which the counter was first and last
    read. resolution: of that counter, Wh. refresh: period in which the device copies its counters, s.
    """

    values: bytes
    begun: float
    last: float
    readings: int = 0
    seconds: float = 0.0
    compared: int = 0
    counter: tuple[float, float] | None = None
    resolution: float = 0.0
    refresh: float = 0.0


@dataclass(frozen=True, slots=True)
class FrozenDeviceWatch:
    """Watch of one device.

    frozen_after: time during which everything must stand still, s (the key `frozen_after`). rated_power: W. counters:
    whether a counter counts the energy in the role's direction, and one against it. interval: time between two
    readings, s.

    A device is frozen if all of these are true:

    - No value has changed for `frozen_after` seconds and `MIN_READINGS` readings.
    - The power is not near zero.
    - The counter of the power's direction stood still although the power amounted to more than `RESOLUTION_STEPS` of
      its steps. Without such a counter: at least `MIN_VALUES` values stood still together.

    A device that shows only a power is therefore never frozen: a constant may be true.
    """

    frozen_after: float = FROZEN
    rated_power: float | None = None
    counters: tuple[bool, bool] = (False, False)
    interval: float = 1.0
    frozen: bool = False
    unchanged: UnchangedValues | None = None

    def advance(
        self, block: bytes, power: float, time: int, monotonic: float, metered: MeteredStep | None = None
    ) -> tuple[FrozenDeviceWatch, tuple[Occurrence, ...]]:
        """Take a reading; return the next watch and the events.

        block: the record's values, a native double each. power: W in the role's direction. An absent value (NaN) is
        ignored: it was not requested, or the device did not answer. The first value that differs from its last known
        value shows that the device is alive.
        """
        metered = metered or MeteredStep()
        compared = -1 if self.unchanged is None else _count_equal(self.unchanged.values, block)
        if self.unchanged is None or compared < 0 or metered.positive > 0.0 or metered.negative > 0.0:
            restarted = replace(
                self,
                frozen=False,
                unchanged=_with_reading(UnchangedValues(block, monotonic, monotonic), self, power, metered),
            )
            return restarted, (Occurrence(BACK, "its values change again"),) if self.frozen else ()
        unchanged = self.unchanged._replace(
            values=_with_new_values(self.unchanged.values, block), compared=max(compared, self.unchanged.compared)
        )
        if not isfinite(power):
            return replace(self, unchanged=unchanged), ()
        elapsed = monotonic - unchanged.last
        if unchanged.readings == 0:
            unchanged = unchanged._replace(begun=monotonic)
        elif 0.0 < elapsed <= PAUSE_INTERVALS * self.interval:
            unchanged = unchanged._replace(seconds=unchanged.seconds + elapsed)
        unchanged = _with_reading(unchanged._replace(last=monotonic), self, power, metered)
        frozen = self.frozen or self._is_frozen(unchanged, power)
        occurrences = (
            (Occurrence(EVENT, _detail(unchanged, power, time, monotonic)),) if frozen and not self.frozen else ()
        )
        return replace(self, frozen=frozen, unchanged=unchanged), occurrences

    def _is_frozen(self, unchanged: UnchangedValues, power: float) -> bool:
        near_zero = NEAR_ZERO * self.rated_power if self.rated_power else NEAR_ZERO_UNRATED
        standstill = max(self.frozen_after, MISSED_COPIES * unchanged.refresh)
        if unchanged.seconds < standstill or unchanged.readings < MIN_READINGS or abs(power) <= near_zero:
            return False
        if self.counters[power < 0.0] or unchanged.resolution:
            return 0.0 < RESOLUTION_STEPS * unchanged.resolution < _expected_energy(unchanged, power)
        return unchanged.compared >= MIN_VALUES


def _with_reading(
    unchanged: UnchangedValues, watch: FrozenDeviceWatch, power: float, metered: MeteredStep
) -> UnchangedValues:
    """Return the observations with one more reading of this power, and of its counter if it was read."""
    if not isfinite(power):
        return unchanged
    unchanged = unchanged._replace(readings=unchanged.readings + 1)
    resolution = metered.resolution[power < 0.0]  # 0 if the counter was not read
    if resolution <= 0.0:
        return unchanged
    first = unchanged.seconds if unchanged.counter is None else unchanged.counter[0]
    return unchanged._replace(counter=(first, unchanged.seconds), resolution=resolution, refresh=metered.refresh)


def _expected_energy(unchanged: UnchangedValues, power: float) -> float:
    """Return the energy by the power between the first and the last reading of the counter, Wh."""
    first, last = unchanged.counter or (0.0, 0.0)
    return abs(power) * (last - first) / 3600.0


def _detail(unchanged: UnchangedValues, power: float, time: int, monotonic: float) -> str:
    since = rfc3339(time - int((monotonic - unchanged.begun) * NS))
    detail = f"power {power:.6g} W and every other value unchanged since {since}, {unchanged.readings} readings"
    if unchanged.counter is None:
        return detail
    return f"{detail}; its counter stood still for {_expected_energy(unchanged, power):.6g} Wh"


def _absent(bits: int) -> bool:
    return bits & _UNSIGNED > _INFINITE


def _bits(block: bytes) -> tuple[int, ...]:
    return struct.unpack(f"{len(block) // 8}Q", block)


def _count_equal(values: bytes, block: bytes) -> int:
    """Return the number of values present in both, bit by bit equal; -1 if one differs or the records differ."""
    if len(values) != len(block):
        return -1
    compared = 0
    for before, now in zip(_bits(values), _bits(block), strict=True):
        if _absent(before) or _absent(now):
            continue
        if before != now:
            return -1
        compared += 1
    return compared


def _with_new_values(values: bytes, block: bytes) -> bytes:
    """Return the known values, with the values that were absent before."""
    if values == block:
        return values
    pairs = zip(_bits(values), _bits(block), strict=True)
    return struct.pack(f"{len(block) // 8}Q", *(now if _absent(before) else before for before, now in pairs))
