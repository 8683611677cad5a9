"""A metering point: power of one device of the balance at an instant, and energy of the interval before it."""

from __future__ import annotations

from math import inf, isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS
from wattgram.config.devices_table import DeviceConfig
from wattgram.counters.alignment import Track, TrackPoint
from wattgram.counters.counted_power import CountedPower
from wattgram.counters.counter import GAP_INTERVALS
from wattgram.counters.metering import MeteredStep
from wattgram.counters.reconcile import INCOMPLETE, NOTHING_METERED, Channel
from wattgram.counters.trust import CorrectedChannel

from .night_rest import NightRest

DECAY_SECONDS = 60.0
"""Time over which a deficit is corrected, s, so that the coarse step of a counter is no peak of power."""

ROUNDING_STEPS = 1.0
"""Steps of a counter's register that may be its rounding."""

PRODUCERS = ("pv", "wind", "hydro", "genset", "chp")
"""Roles whose power is never below zero: the consumption of an inverter at night is load (METHOD 4.1)."""


ONE_WAY = (*PRODUCERS, "load", "ev")
"""Roles without a flow against their direction."""

POWERLESS_SECONDS = 900.0
"""Time without a power register after which the counters give the power, s."""


class PointInterval(NamedTuple):
    """Power at an instant, W, and energy of its interval in the role's direction and against it, Wh.

    The energy is NaN if it follows from the two ends alone. known: whether the energy of the interval is known. told:
    whether the counters have told all energy of the gap before. waiting: whether they may tell it later. `late_*`: Wh
    of that gap (METHOD-SITE 9.3). estimated: the power is that of the device's counters.
    """

    power: float = nan
    positive: float = nan
    negative: float = nan
    late_positive: float = 0.0
    late_negative: float = 0.0
    estimated: bool = False
    known: bool = True
    told: bool = False
    waiting: bool = False

    @property
    def asleep(self) -> bool:
        """Whether the device sleeps: its power is 0 W, and its counters may tell more later."""
        return self.estimated and self.waiting


ASLEEP = PointInterval(0.0, 0.0, estimated=True, waiting=True)
"""Interval of a PV inverter that sleeps and has no power register."""


class GapPowers(NamedTuple):
    """Power of a device beside a gap, W: the last before the gap, then the least and the largest until it is told."""

    last: float = nan
    least: float = nan
    largest: float = nan

    def at(self, power: float, *, gap: bool) -> GapPowers:
        """Return the powers at the next instant; `gap`: the energy of a gap is not told yet."""
        if not gap or not isfinite(self.last):
            return GapPowers(power if isfinite(power) else self.last)
        beside = [value for value in (self.last, self.least, self.largest, power) if isfinite(value)]
        if not beside:
            return self
        return GapPowers(power if isfinite(power) else self.last, min(beside), max(beside))


class MeteringPoint:
    """Alignment of a device's readings with the site's instants, and correction of its power by its counters.

    A device without a power has the power of its counters (`CountedPower`). tick: time between two instants, s.
    one_way: the device's only counter shows all its energy, because nothing can flow against it.
    """

    def __init__(self, config: DeviceConfig, tick: float, *, one_way: bool = False) -> None:
        self.config = config
        self._track = Track(config.interval, tick)
        self._beside = GapPowers()
        rated = inf if config.rated_power is None else config.rated_power
        self._uncorrected = CorrectedChannel(
            Channel(tick, rated, decay=max(DECAY_SECONDS, 2.0 * tick), rounding=ROUNDING_STEPS)
        )
        self._corrected = self._uncorrected
        self._settled = (0.0, 0.0)  # energy that was counted before a change of the power's source
        self._counted = CountedPower(
            max(config.interval, config.slow_interval or 0.0),
            config.rated_power,
            one_way=one_way or config.role in ONE_WAY,
        )
        self._pause = int(GAP_INTERVALS * tick * NS)
        self._instant = 0  # the last one without a gap after it
        self._replaced = False  # whether a counter began anew since the last known power
        self._powered = False  # whether the device has a power
        self._powerless_since = 0  # time of the first of the readings in a row without a power, 0 for none

    def put(self, time: int, power: float, metered: MeteredStep) -> None:
        """Add a reading: UTC ns, W in the role's direction, and the amount counted since the previous reading."""
        if isfinite(power):
            if not self._powered:
                self._settled = self._counted.settle()
            self._powered, self._powerless_since = True, 0
        elif self._powered:
            self._powerless_since = self._powerless_since or time
            if abs(time - self._powerless_since) > POWERLESS_SECONDS * NS:
                channel = self._corrected.channel
                self._settled = (max(0.0, channel.positive.outstanding), max(0.0, channel.negative.outstanding))
                self._powered, self._corrected = False, self._uncorrected
        if not self._powered:
            self._counted.put(time, metered)
            self._replaced = self._replaced or metered.verdict in INCOMPLETE
            metered = NOTHING_METERED
        producer = self.config.role in PRODUCERS
        self._track.put(TrackPoint(time, max(power, 0.0) if producer and isfinite(power) else power, metered))

    def reaches(self, time: int) -> bool:
        """Return whether the device was read at or after this instant."""
        return self._track.reaches(time)

    @property
    def counts(self) -> bool:
        """Whether a counter measures the energy of the device."""
        return not self._powered or bool(self._corrected.positive.step or self._corrected.negative.step)

    def clear(self) -> None:
        """Discard the times of the readings, because the clock was set."""
        self._track.clear()
        self._counted.clear()

    def interrupt(self) -> None:
        """Start a gap before the next instant: later amounts of the counters belong to the gap."""
        self._corrected = self._corrected.interrupted()
        self._instant = 0

    def skip(self, time: int) -> None:
        """Skip an instant that is not published."""
        self._track.skip(time)

    def take(
        self, time: int, *, valid: bool = True, gap: bool = False, night: NightRest | None = None
    ) -> PointInterval:
        """Return the power and the energy of the next instant; both are unknown if the device is not `valid`.

        gap: whether energy of an earlier time is unknown. night: of an inverter that is silent at night.
        """
        interval, (forward, backward) = self._take(time, valid=valid, gap=gap, night=night), self._settled
        self._settled = (0.0, 0.0)
        late_negative = 0.0 if self.config.role in PRODUCERS else interval.late_negative + backward
        return interval._replace(late_positive=interval.late_positive + forward, late_negative=late_negative)

    def _take(self, time: int, *, valid: bool, gap: bool, night: NightRest | None) -> PointInterval:
        begin = self._instant if 0 < time - self._instant <= self._pause else 0
        self._instant = time
        power, flows, metered = self._track.take(time)
        if not valid:
            power, flows = nan, None
            metered = metered._replace(positive=nan, negative=nan)
        if not self._powered:
            interval = self._by_counters(time, begin)
            if night is None or not valid:
                return interval
            night.awake(time, interval.power)
            return interval if interval.known or not night.asleep(time) else ASLEEP
        asleep = False
        if night is not None and valid:
            night.awake(time, power)
            asleep = not isfinite(power) and night.asleep(time)
        if asleep:
            power, flows = 0.0, None
        before = self._corrected.channel.power
        self._corrected, energies = self._corrected.advance(time, power, metered, flows)
        positive, negative = energies.positive, energies.negative
        if flows is None and not self._corrected.positive.step:
            positive = nan
        if flows is None and not self._corrected.negative.step:
            negative = nan
        known = isfinite(before) or isfinite(power)
        known = known or (isfinite(positive) and (self.config.role in ONE_WAY or isfinite(negative)))
        self._beside = self._beside.at(power, gap=gap or not known)
        waiting = not known or (self.counts and self._corrected.channel.gap)
        told = not waiting and isfinite(power) and self._is_told(energies.told)
        return PointInterval(
            power,
            positive,
            negative,
            energies.late_positive,
            energies.late_negative,
            estimated=asleep,
            known=known,
            told=told and not asleep,
            waiting=waiting or asleep,
        )

    def _is_told(self, counted: tuple[bool, bool]) -> bool:
        """Return whether the energy of a gap is known in both directions.

        While the other direction was counted, a direction without a counter is 0 if the power beside the gap never had
        this direction.
        """
        if not any(counted):
            return False
        forward = counted[0] or self._beside.largest <= 0.0
        backward = counted[1] or self.config.role in ONE_WAY or self._beside.least >= 0.0
        return forward and backward

    def _by_counters(self, time: int, begin: int) -> PointInterval:
        """Return the interval of a device without a power. Without a counter, everything is unknown."""
        forward, backward = self._counted.take(time, begin)
        one_way = self.config.role in PRODUCERS
        power = forward.power if one_way else forward.power - backward.power
        known = isfinite(power)
        told = known and not self._replaced
        self._replaced = self._replaced and not known
        return PointInterval(
            power,
            forward.energy,
            nan if one_way else backward.energy,
            forward.late,
            0.0 if one_way else backward.late,
            estimated=known,
            known=known,
            told=told,
            waiting=not known,
        )

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        beside = [value if isfinite(value) else None for value in self._beside]
        return [self._track.dump(), self._corrected.dump(), self._counted.dump(), self._powered, beside, self._replaced]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`, also of an earlier version; ValueError if the state is invalid."""
        try:
            track, corrected, *further = dumped  # an older version had no power from counters
            counted, powered, *others = further or (None, True)
            beside = GapPowers(*(nan if value is None else float(value) for value in (others[0] if others else ())))
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected a metering point's state") from error
        self._track.restore(track)
        self._corrected = self._corrected.restored(corrected)
        self._beside = beside
        if counted is not None:
            self._counted.restore(counted)
        self._powered, self._replaced = bool(powered), bool(others[1:] and others[1])


class FuelFlow:
    """Fuel of one generator by its meter: distributed like its power, with the metered amount.

    tick: time between two instants, s. per_energy: units of the fuel meter per Wh of electricity.
    """

    def __init__(self, tick: float, per_energy: float) -> None:
        self._per_energy = per_energy
        self._corrected = CorrectedChannel(Channel(tick, decay=max(DECAY_SECONDS, 2.0 * tick), rounding=ROUNDING_STEPS))

    def take(self, time: int, power: float, metered: MeteredStep, seconds: float) -> tuple[float, float]:
        """Return the fuel rate of the interval that ends at `time`, units per hour, and the late fuel of a gap, units.

        The rate is NaN if unknown. power: of the generator, W. metered: of the fuel meter since the previous instant.
        """
        metered = metered._replace(negative=nan)
        self._corrected, energies = self._corrected.advance(time, power * self._per_energy, metered)
        if not self._corrected.positive.step or not seconds > 0.0:
            return nan, energies.late_positive
        return energies.positive / seconds * 3600.0, energies.late_positive

    def interrupt(self) -> None:
        """Start a gap before the next instant."""
        self._corrected = self._corrected.interrupted()

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        return self._corrected.dump()

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        self._corrected = self._corrected.restored(dumped)
