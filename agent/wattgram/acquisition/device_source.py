"""A configured device as a source of records: registers become a record and a power in the role's direction."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from math import isfinite, nan, prod

from wattgram_drivers.device import Device, Reading
from wattgram_drivers.places import Place
from wattgram_drivers.plan import Plan
from wattgram_drivers.quantity import is_slow

from wattgram.base.occurrence import Occurrence
from wattgram.base.record import Record, Series
from wattgram.config.devices_table import DeviceConfig
from wattgram.counters.metering import MeteredStep, Metering, counters_of

from .implausible_incident import ImplausibleIncident
from .record_quality import worst_quality
from .validity import Judge, Judged

METERED = (("active_power_total",), ("active_power_l1", "active_power_l2", "active_power_l3"))
ROLE_POWERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "grid": (("meter_active_power_total",), *METERED),
    "battery": (("battery_power",), *METERED),
    "weather": (),
}
"""Quantities that give a role's power, best choice first. Other roles use METERED. Several quantities are added."""

STALE_AFTER = 3
"""Number of intervals without a reading after which a device leaves the balance (SPEC 6.9)."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The last reading of a device.

    power: W in the role's direction, NaN for none. monotonic: time of the reading, s. metered: energy since the
    previous reading. judged: withheld and missing values. occurrences: events of this reading.
    """

    record: Record
    power: float
    monotonic: float
    metered: MeteredStep
    judged: Judged
    occurrences: tuple[Occurrence, ...] = ()


class Source:
    """Decoder of one device's readings, with the state of the device."""

    def __init__(self, config: DeviceConfig, site: str, started: float) -> None:
        self.config = config
        self.latest: Latest | None = None  # the newest reading
        self.taken: Latest | None = None  # the reading that `take` handled last; after a wait for the clock it is older
        self.error = ""
        self.frozen = False
        self.metering = Metering()
        self.notices: list[Occurrence] = []  # events that the next reading publishes
        self._tags = (("site", site), ("device", config.name), ("role", config.role), ("driver", config.driver))
        self._started = started
        self._judge: Judge | None = None
        self._preview: Judge | None = None  # of readings that wait for the clock: `take` judges them in their turn
        self._incident = ImplausibleIncident()
        self._series = Series("device", self._tags, (), (), ("quality",))
        self._power: tuple[int, ...] = ()
        self._counted: tuple[tuple[int, Place], ...] = ()
        self._index: dict[str, int] = {}

    def equip(self, device: Device, plan: Plan) -> None:
        """Set the device's quantities and the layout of its register image. Call this before the first reading."""
        self._index = {name: index for index, name in enumerate(plan.quantities)}
        self._judge, self._preview = self._new_judge(device, plan), self._new_judge(device, plan)
        names = self._judge.names
        self._series = Series("device", self._tags, names, (), ("quality",))
        choices = ROLE_POWERS.get(self.config.role, METERED)
        if device.kind == "inverter" and self.config.role == "grid":
            choices = choices[:1]  # an inverter's own power is not the incomer's
        chosen = next((choice for choice in choices if set(choice) <= set(names)), ())
        self._power = tuple(names.index(name) for name in chosen)
        self._equip_counters(device, plan, names)

    @property
    def has_power(self) -> bool:
        """Whether the device has a quantity for its role's power."""
        return bool(self._power)

    def take(self, reading: Reading) -> Record:
        """Decode and judge a reading, make it this device's record, and advance the counters."""
        assert self._judge is not None  # equip is called before the first reading
        judged = self._judge.judge(reading)
        metered = self._metered(reading, judged.values)
        occurrences = (*metered.occurrences, *self._incident.take(judged.withheld))
        self.taken = self._latest_of(reading, judged, metered, occurrences)
        return self.taken.record

    def decode_undated(self, reading: Reading) -> Record:
        """Decode and judge a reading that has no timestamp yet. Counters and events follow later, in `take`."""
        assert self._preview is not None  # equip is called before the first reading
        return self._latest_of(reading, self._preview.judge(reading), MeteredStep()).record

    def _new_judge(self, device: Device, plan: Plan) -> Judge:
        config = self.config
        return Judge(
            device,
            plan,
            role=config.role,
            rated_power=config.rated_power,
            invert=config.invert,
            nominal_frequency=config.nominal_frequency,
            nominal_voltage=config.nominal_voltage,
        )

    def _without_unusable(self, values: bytes) -> bytes:
        """Return the values without those of counters that are given up."""
        unusable = self.metering.unusable
        if not unusable:
            return values
        kept = bytearray(values)
        for name in unusable & self._index.keys():
            struct.pack_into("d", kept, 8 * self._index[name], nan)
        return bytes(kept)

    def _latest_of(
        self, reading: Reading, judged: Judged, metered: MeteredStep, occurrences: tuple[Occurrence, ...] = ()
    ) -> Latest:
        values = self._without_unusable(judged.values)
        power = sum(_at(values, index) for index in self._power) if self._power else nan
        quality = worst_quality(metered.quality, "implausible" if judged.withheld else "good")
        record = Record(self._series, reading.time, values, (quality,))
        latest = Latest(record, power, reading.monotonic, metered, judged, occurrences)
        if self.latest is None or reading.monotonic >= self.latest.monotonic:
            self.latest, self.error = latest, ""
        return latest

    def number(self, quantity: str) -> float | None:
        """Return a quantity of the last reading, None if it is absent."""
        if self.latest is None or quantity not in self._series.fields:
            return None
        value = self.latest.record[quantity]
        return value if isinstance(value, float) and isfinite(value) else None

    def stale_record(self, time: int) -> Record:
        """Return a record of quality `stale` without values."""
        return Record(self._series, time, struct.pack("d", nan) * len(self._series.fields), ("stale",))

    def frozen_record(self, record: Record) -> Record:
        """Return the record of a frozen device: the values as read, of quality `stale`."""
        return replace(record, texts=("stale",))

    def age(self, now: float) -> float:
        """Return the time since the last reading, or since the start, s."""
        return now - (self.latest.monotonic if self.latest else self._started)

    def state(self, now: float) -> str:
        """Return the state of the device.

        "good"; "stale": no reading for STALE_AFTER intervals; "frozen": the values do not change. Before the first
        reading "waiting", and "lost" after STALE_AFTER intervals.
        """
        overdue = self.age(now) > STALE_AFTER * self.config.interval
        if self.latest is None:
            return "lost" if overdue else "waiting"
        if overdue:
            return "stale"
        return "frozen" if self.frozen else "good"

    def power(self, now: float) -> float:
        """Return the power in the role's direction, W; NaN unless the state is "good"."""
        return self.latest.power if self.latest and self.state(now) == "good" else nan

    def _equip_counters(self, device: Device, plan: Plan, names: tuple[str, ...]) -> None:
        config = self.config
        read = replace(device, registers=tuple(place.register for place in plan.places))
        directed = counters_of(
            read, config.role, invert=config.invert, rated_power=config.rated_power, interval=config.interval
        )
        used = {counter.register.quantity for counter in directed}
        if config.slow_interval and any(
            quantity in config.slow if config.slow else is_slow(quantity) for quantity in used
        ):
            slow = config.slow_interval
            directed = tuple(replace(counter, counter=replace(counter.counter, interval=slow)) for counter in directed)
        self._counted = tuple(
            (index, place) for index, place in enumerate(plan.places) if place.register.quantity in used
        )
        self.metering.set_counters(directed, {name: names[self._index[name]] for name in used})

    def _metered(self, reading: Reading, values: bytes) -> MeteredStep:
        counted = {place.register.quantity: _at(values, index) for index, place in self._counted}
        scales = {place.register.quantity: self._scale(place, reading, values) for _, place in self._counted}
        return self.metering.take(counted, scales, reading.time)

    def _scale(self, place: Place, reading: Reading, values: bytes) -> float:
        """Return the factor on a register's scale in this reading. A counter wraps at width x scale x factor."""
        exponent = 0
        if place.scale_position >= 0:
            (exponent,) = struct.unpack_from(">h", reading.image, 2 * place.scale_position)
            if not -10 <= exponent <= 10:  # the decoder marks the value as absent, too
                return nan
        return 10.0**exponent * prod(_at(values, self._index[factor]) for factor in place.register.factors)


def _at(values: bytes, index: int) -> float:
    value: float = struct.unpack_from("d", values, 8 * index)[0]
    return value
