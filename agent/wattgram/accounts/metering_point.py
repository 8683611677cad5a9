"""A metering point: one device of the balance, as power at an instant and energy of the interval before it."""

from __future__ import annotations

from math import inf, isfinite, nan
from typing import Any, NamedTuple

from wattgram.config.load import DeviceConfig
from wattgram.counters.alignment import Track, TrackPoint
from wattgram.counters.metering import MeteredStep
from wattgram.counters.reconcile import Channel
from wattgram.counters.trust import CorrectedChannel

SPREAD = 60.0
"""Seconds in which what a counter said more is told, so that a coarse step is no peak of power."""

SLACK = 1.0
"""Steps of a counter's register that are its rounding."""

PRODUCERS = ("pv", "wind", "hydro", "genset", "chp")
"""Roles whose power is never below zero: what an inverter draws at night is load (METHOD 4.1)."""


class PointInterval(NamedTuple):
    """Of an instant: W at it, and Wh of its interval in the role's direction and against it, NaN where its two ends say
    all that is known of them. `late_*`: Wh that belong to a gap before it (METHOD 4.5)."""

    power: float = nan
    positive: float = nan
    negative: float = nan
    late_positive: float = 0.0
    late_negative: float = 0.0


class MeteringPoint:
    """Aligns a device's readings with the instants of the site and corrects its power by its counters.

    tick: s between two instants.
    """

    def __init__(self, config: DeviceConfig, tick: float) -> None:
        self.config = config
        self._track = Track(config.interval, tick)
        rated = inf if config.rated_power is None else config.rated_power
        self._corrected = CorrectedChannel(Channel(tick, rated, decay=max(SPREAD, 2.0 * tick), rounding=SLACK))

    def put(self, time: int, power: float, metered: MeteredStep) -> None:
        """Add a reading: UTC ns, W in the role's direction, and what was counted since the one before."""
        producer = self.config.role in PRODUCERS
        self._track.put(TrackPoint(time, max(power, 0.0) if producer and isfinite(power) else power, metered))

    def reaches(self, time: int) -> bool:
        """Whether it has been read at this instant or after it."""
        return self._track.reaches(time)

    @property
    def counts(self) -> bool:
        """Whether a counter says what flows through it."""
        return bool(self._corrected.positive.step or self._corrected.negative.step)

    def clear(self) -> None:
        """The clock was set: readings before it have no time any more."""
        self._track.clear()

    def interrupt(self) -> None:
        """Nothing joins the next instant to the last: what the counters say then belongs to the gap between them."""
        self._corrected = self._corrected.interrupted()

    def skip(self, time: int) -> None:
        """Pass over an instant that is not told."""
        self._track.skip(time)

    def take(self, time: int, *, believed: bool = True) -> PointInterval:
        """What it tells of an instant, which follows the one before; nothing while it is not `believed`."""
        power, flows, metered = self._track.take(time)
        if not believed:
            power, flows = nan, None
            metered = metered._replace(positive=nan, negative=nan)
        self._corrected, energies = self._corrected.advance(time, power, metered, flows)
        positive, negative = energies.positive, energies.negative
        if flows is None and not self._corrected.positive.step:
            positive = nan
        if flows is None and not self._corrected.negative.step:
            negative = nan
        late_negative = 0.0 if self.config.role in PRODUCERS else energies.late_negative
        return PointInterval(power, positive, negative, energies.late_positive, late_negative)

    def dump(self) -> list[object]:
        """What a restart must not lose, as JSON knows it."""
        return [self._track.dump(), self._corrected.dump()]

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave; ValueError when it is none."""
        try:
            track, corrected = dumped
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, which is no metering point's state") from error
        self._track.restore(track)
        self._corrected = self._corrected.restored(corrected)


class FuelLine:
    """Fuel that a meter counts for one generator: burnt as its power runs, and as much as was counted.

    tick: s between two instants. per_energy: units of the meter a Wh of electricity, by which power says when.
    """

    def __init__(self, tick: float, per_energy: float) -> None:
        self._per_energy = per_energy
        self._corrected = CorrectedChannel(Channel(tick, decay=max(SPREAD, 2.0 * tick), rounding=SLACK))

    def take(self, time: int, power: float, metered: MeteredStep, seconds: float) -> tuple[float, float]:
        """Units an hour in the interval that ends at `time` (NaN: not known), and units that belong to a gap before it.

        power: W of the generator. metered: what the fuel meter counted since the instant before.
        """
        metered = metered._replace(negative=nan)
        self._corrected, energies = self._corrected.advance(time, power * self._per_energy, metered)
        if not self._corrected.positive.step or not seconds > 0.0:
            return nan, energies.late_positive
        return energies.positive / seconds * 3600.0, energies.late_positive

    def interrupt(self) -> None:
        """As of a metering point."""
        self._corrected = self._corrected.interrupted()

    def dump(self) -> list[object]:
        """What a restart must not lose, as JSON knows it."""
        return self._corrected.dump()

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave; ValueError when it is none."""
        self._corrected = self._corrected.restored(dumped)
