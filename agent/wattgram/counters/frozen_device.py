"""Whether a device that answers still measures: one whose numbers all stand still while power flows is frozen.

Pure: what was seen, and a reading, go in; what has been seen since comes out. W, Wh, s; times in UTC ns.
Nothing of it outlives the process: what stood still before a restart may have moved meanwhile, so watching begins anew.
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
"""Seconds for which every value must have stood still. A load that is as steady as its register is coarse stands so
for minutes; a counter, a voltage or a temperature beside it moves within a quarter of an hour."""

READINGS = 10
"""That must have shown the same values, so that a device which is read every few minutes is not judged by three."""

NEAR_ZERO = 0.002
"""Of the rated power: so little is what a sleeping inverter rightly shows, the whole night."""

NEAR_ZERO_UNRATED = 1.0
"""W that are next to nothing where no rated power is known."""

RESOLUTION_STEPS = 3.0
"""Of the counter's resolution: when power tells of more and the counter stands, one of them is wrong."""

VALUES = 2
"""That must have been seen to stand still together, where no counter contradicts the power: one alone may be true."""

PAUSE_INTERVALS = 3.0
"""Intervals without a reading (SPEC 6.9) that are no time in which anything was seen to stand still."""

EVENT, BACK = "device frozen", "device back"

_INFINITE = 0x7FF0_0000_0000_0000
_UNSIGNED = 0x7FFF_FFFF_FFFF_FFFF


class UnchangedValues(NamedTuple):
    """What has been seen since a value last changed.

    shown: each value as it was last there, a double each, NaN before. compared: so many of them were seen twice.
    begun, last: monotonic s of the first and the last reading with a power; `readings` of them over `seconds`, without
    pauses. counter: the seconds at which the counter was first and last read. resolution: of that counter, Wh.
    """

    shown: bytes
    begun: float
    last: float
    readings: int = 0
    seconds: float = 0.0
    compared: int = 0
    counter: tuple[float, float] | None = None
    resolution: float = 0.0


@dataclass(frozen=True, slots=True)
class FrozenDeviceWatch:
    """Watches one device.

    after: s for which everything must stand still (the key `frozen_after`). rated_power: W. counters: whether there is
    one of the energy in the role's direction, and one against it. interval: s between two readings.

    Frozen is a device of which each of these is true: no value has changed for `after` seconds and `READINGS` readings;
    its power is not next to nothing; the counter of that power's direction has stood still although the power told of
    more than `STEPS` of its steps, or where there is no such counter, at least `VALUES` values stood still together.
    So a device that shows a power and nothing else is never frozen: a constant may be true.
    """

    after: float = FROZEN
    rated_power: float | None = None
    counters: tuple[bool, bool] = (False, False)
    interval: float = 1.0
    frozen: bool = False
    same: UnchangedValues | None = None

    def advance(
        self, block: bytes, power: float, time: int, monotonic: float, metered: MeteredStep | None = None
    ) -> tuple[FrozenDeviceWatch, tuple[Occurrence, ...]]:
        """Take a reading; the watch after it, and what is to be told.

        block: the record's values, a native double each. power: W in the role's direction. A value that is absent
        (NaN) says nothing: it was not asked for, or the device did not answer that request. The first value that
        differs from the last one that was there shows that the device is alive.
        """
        metered = metered or MeteredStep()
        compared = -1 if self.same is None else _compared(self.same.shown, block)
        if self.same is None or compared < 0 or metered.positive > 0.0 or metered.negative > 0.0:
            begun = replace(
                self, frozen=False, same=_seen(UnchangedValues(block, monotonic, monotonic), self, power, metered)
            )
            return begun, (Occurrence(BACK, "its values change again"),) if self.frozen else ()
        same = self.same._replace(shown=_filled(self.same.shown, block), compared=max(compared, self.same.compared))
        if not isfinite(power):
            return replace(self, same=same), ()
        passed = monotonic - same.last
        if same.readings == 0:
            same = same._replace(begun=monotonic)
        elif 0.0 < passed <= PAUSE_INTERVALS * self.interval:
            same = same._replace(seconds=same.seconds + passed)
        same = _seen(same._replace(last=monotonic), self, power, metered)
        frozen = self.frozen or self._stands(same, power)
        told = (Occurrence(EVENT, _detail(same, power, time, monotonic)),) if frozen and not self.frozen else ()
        return replace(self, frozen=frozen, same=same), told

    def _stands(self, same: UnchangedValues, power: float) -> bool:
        near_zero = NEAR_ZERO * self.rated_power if self.rated_power else NEAR_ZERO_UNRATED
        if same.seconds < self.after or same.readings < READINGS or abs(power) <= near_zero:
            return False
        if self.counters[power < 0.0] or same.resolution:
            return 0.0 < RESOLUTION_STEPS * same.resolution < _uncounted(same, power)
        return same.compared >= VALUES


def _seen(same: UnchangedValues, watch: FrozenDeviceWatch, power: float, metered: MeteredStep) -> UnchangedValues:
    """The same, and one reading more with this power, perhaps with its counter."""
    if not isfinite(power):
        return same
    same = same._replace(readings=same.readings + 1)
    resolution = metered.resolution[power < 0.0]  # 0 where the counter was not read
    if resolution <= 0.0:
        return same
    first = same.seconds if same.counter is None else same.counter[0]
    return same._replace(counter=(first, same.seconds), resolution=resolution)


def _uncounted(same: UnchangedValues, power: float) -> float:
    """Wh that the power tells of between the first and the last time that the counter was seen."""
    first, last = same.counter or (0.0, 0.0)
    return abs(power) * (last - first) / 3600.0


def _detail(same: UnchangedValues, power: float, time: int, monotonic: float) -> str:
    since = rfc3339(time - int((monotonic - same.begun) * NS))
    detail = f"power {power:.6g} W and every other value unchanged since {since}, {same.readings} readings"
    if same.counter is None:
        return detail
    return f"{detail}; its counter stood still for {_uncounted(same, power):.6g} Wh"


def _absent(bits: int) -> bool:
    return bits & _UNSIGNED > _INFINITE


def _bits(block: bytes) -> tuple[int, ...]:
    return struct.unpack(f"{len(block) // 8}Q", block)


def _compared(shown: bytes, block: bytes) -> int:
    """How many values are in both, bit by bit the same; -1 when one differs, or when it is not the same record."""
    if len(shown) != len(block):
        return -1
    compared = 0
    for before, now in zip(_bits(shown), _bits(block), strict=True):
        if _absent(before) or _absent(now):
            continue
        if before != now:
            return -1
        compared += 1
    return compared


def _filled(shown: bytes, block: bytes) -> bytes:
    """What was shown, with the values that were not there before."""
    if shown == block:
        return shown
    pairs = zip(_bits(shown), _bits(block), strict=True)
    return struct.pack(f"{len(block) // 8}Q", *(now if _absent(before) else before for before, now in pairs))
