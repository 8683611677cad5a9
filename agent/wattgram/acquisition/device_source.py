"""A configured device as a source of records: registers become a record and a power in the role's direction."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass, replace
from math import isfinite, nan, prod
from typing import Any

from wattgram_drivers.device import Device, Kind, Reading
from wattgram_drivers.places import Place
from wattgram_drivers.plan import Plan
from wattgram_drivers.quantity import is_slow

from wattgram.base.occurrence import Occurrence
from wattgram.base.power_roles import POWER_ROLES
from wattgram.base.record import Record, Series
from wattgram.config.devices_table import DeviceConfig
from wattgram.counters.metering import MeteredStep, Metering, counters_of

from .record_quality import worst_quality
from .sustained_power import SustainedPower
from .validity import Judge, Judged
from .value_incident import AGREE, COMPLETE, DISAGREE, IMPLAUSIBLE, MISSING, PLAUSIBLE, ValueIncident, by_kind
from .wanted_quantities import WantedQuantities

METERED = (("active_power_total",), ("active_power_l1", "active_power_l2", "active_power_l3"))
ROLE_POWERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "grid": (("meter_active_power_total",), *METERED),
    "battery": (("battery_power",), *METERED),
    "heat": (("thermal_power",),),
    "weather": (),
}
"""Quantities that give a role's power, best choice first. Other roles use METERED. Several quantities are added."""

STALE_AFTER = 3
"""Number of intervals without a reading after which a device leaves the balance (SPEC 6.9)."""

LASTING_GLITCH = 5
"""Readings in a row without an accepted counter value after which this is an event and the device is not good."""

ANSWERING = ("good", "partial", "implausible", "glitch")
"""States of a device whose last reading counts."""

TOO_SMALL = "rated power too small"

NOT_ANSWERED = " (refused by the device; if it lacks the register, set the wanted `quantities`)"


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


def power_quantities(kind: Kind, role: str, names: Collection[str]) -> tuple[str, ...]:
    """Return the quantities whose sum is a role's power, of those that a device of this kind has; () for none."""
    choices = ROLE_POWERS.get(role, METERED)
    if kind == "inverter" and role == "grid":
        choices = choices[:1]  # an inverter's own power is not the incomer's
    return next((choice for choice in choices if set(choice) <= set(names)), ())


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
        self._implausible = ValueIncident(IMPLAUSIBLE, PLAUSIBLE)
        self._missing = ValueIncident(MISSING, COMPLETE)
        self._disagreement = ValueIncident(DISAGREE, AGREE)
        self._glitches = 0  # readings in a row without an accepted counter value
        self._sustained = SustainedPower(config.interval)
        self._remembered: Any = None  # state of the last process that waits for `equip`
        self._announced: list[Occurrence] = []  # events for the next reading
        self.rated_finding = ""  # why the configured rated power is not applied
        self._series = Series("device", self._tags, (), (), ("quality",))
        self._power: tuple[int, ...] = ()
        self._counted: tuple[tuple[int, Place], ...] = ()
        self._index: dict[str, int] = {}

    def equip(self, device: Device, plan: Plan) -> None:
        """Set the device's quantities and the layout of its register image. Call this before the first reading."""
        remembered = self.dump()
        self._index = {name: index for index, name in enumerate(plan.quantities)}
        self._judge, self._preview = self._new_judge(device, plan), self._new_judge(device, plan)
        names = self._judge.names
        self._series = Series("device", self._tags, names, (), ("quality",))
        chosen = power_quantities(device.kind, self.config.role, names)
        self._power = tuple(names.index(name) for name in chosen)
        self._equip_counters(device, plan, names)
        producer = device.kind == "inverter" or self.config.role in ("pv", "wind", "hydro")
        wanted = WantedQuantities(
            device,
            plan,
            names,
            configured=self.config.quantities,
            power=[names[index] for index in self._power],
            may_sleep=producer and device.night == "not-available",
        )
        self._judge.wanted = wanted
        self.restore(remembered)

    @property
    def has_power(self) -> bool:
        """Whether the device has a quantity for its role's power."""
        return bool(self._power)

    def take(self, reading: Reading) -> Record:
        """Decode and judge a reading, make it this device's record, and advance the counters."""
        assert self._judge is not None  # equip is called before the first reading
        judged = self._judge.judge(reading)
        metered = self._metered(reading, judged.values)
        self.taken = self._latest_of(reading, judged, metered)
        self.taken = replace(self.taken, occurrences=self._occurrences(reading, self.taken))
        if self.latest is not None and self.latest.record is self.taken.record:
            self.latest = self.taken
        return self.taken.record

    def _occurrences(self, reading: Reading, taken: Latest) -> tuple[Occurrence, ...]:
        """Return the events of a reading."""
        judged = taken.judged
        announced, self._announced = self._announced, []
        self._glitches = self._glitches + 1 if taken.metered.verdict == "glitch" else 0
        if self._glitches == LASTING_GLITCH:
            doubts = "; ".join(self.metering.doubts())
            announced.append(Occurrence("counter glitch", f"{doubts}; for {LASTING_GLITCH} readings, not counted"))
        self._sustained.take(taken.power, taken.monotonic)
        failed = {failure.error: None for failure in reading.failures}
        why = f" ({'; '.join(failed)})" if failed else NOT_ANSWERED if self._lacks_registers(reading, judged) else ""
        return (
            *taken.metered.occurrences,
            *announced,
            *self._implausible.take(
                {value.quantity: str(value) for value in judged.withheld},
                {value.quantity: value.reason for value in judged.withheld},
            ),
            *self._missing.take({name: f"{name}{why}" for name in judged.missing}, dict.fromkeys(judged.missing, "")),
            *self._disagreement.take(by_kind(judged.findings)),
        )

    def _lacks_registers(self, reading: Reading, judged: Judged) -> bool:
        """Return whether the registers of all missing quantities were not read, although no request failed."""
        assert self._judge is not None  # equip is called before the first reading
        return bool(judged.missing) and self._judge.lacks(reading, judged.missing)

    def dump(self) -> dict[str, object]:
        """Return what the judge has learned, for a restart, JSON-compatible."""
        if self._judge is None or self._judge.wanted is None:
            return self._remembered or {}
        return {
            "delivered": self._judge.wanted.dump(),
            "sustained": self._sustained.largest,
            "rests": self._judge.rests,
        }

    @property
    def learned(self) -> tuple[int, float, bool]:
        """A value that changes with every change of `dump`."""
        wanted = self._judge.wanted if self._judge else None
        rests = self._judge.rests if self._judge else False
        return len(wanted.delivered) if wanted else 0, self._sustained.largest, rests

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; before `equip` it is remembered. ValueError if the state is invalid."""
        self._remembered = dumped
        if not dumped or self._judge is None or self._judge.wanted is None:
            return
        try:
            self._judge.wanted.restore(dumped["delivered"])
            self._sustained.largest = max(self._sustained.largest, float(dumped["sustained"]))
            if dumped.get("rests"):
                self._judge.remember_rest()
                if self._preview is not None:
                    self._preview.remember_rest()
        except (KeyError, TypeError) as error:
            raise ValueError(f"found {dumped!r}, expected what a judge has learned") from error
        self._compare_rated_power()

    def _compare_rated_power(self) -> None:
        """Do not apply a bound below the largest power that was held for more than ten minutes (METHOD-SITE 10)."""
        assert self._judge is not None
        assert self._preview is not None  # made with the judge
        largest = self._sustained.largest
        if not self._power or largest <= (limits := self._judge.limits[self._power[0]]).high or not limits.source:
            return
        finding = (
            f"{self._judge.names[self._power[0]]}: {largest:.6g} W flowed for more than ten minutes, above "
            f"{limits.high:.6g} W, {limits.source}; check rated_power"
        )
        if finding != self.rated_finding:
            self._announced.append(Occurrence(TOO_SMALL, finding))
        self.rated_finding = finding
        for judge in (self._judge, self._preview):
            judge.assume_rated_power(largest)

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

    def _latest_of(self, reading: Reading, judged: Judged, metered: MeteredStep) -> Latest:
        values = self._without_unusable(judged.values)
        power = sum(_at(values, index) for index in self._power) if self._power else nan
        quality = worst_quality(
            metered.quality, "implausible" if judged.withheld else "good", "partial" if judged.missing else "good"
        )
        record = Record(self._series, reading.time, values, (quality,))
        latest = Latest(record, power, reading.monotonic, metered, judged)
        if self.latest is None or reading.monotonic >= self.latest.monotonic:
            self.latest, self.error = latest, ""
        return latest

    def number(self, quantity: str) -> float | None:
        """Return a quantity of the last reading, None if it is absent."""
        if self.latest is None or quantity not in self._series.fields:
            return None
        value = self.latest.record[quantity]
        return value if isinstance(value, float) and isfinite(value) else None

    @property
    def findings(self) -> list[str]:
        """What disagrees in the last reading or with the configuration, without consequence for the values."""
        found = list(self.latest.judged.findings) if self.latest else []
        return [*found, self.rated_finding] if self.rated_finding else found

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
        reading "waiting", and "lost" after STALE_AFTER intervals. By the last reading "implausible": a value was
        withheld; "glitch": a counter's values do not continue for LASTING_GLITCH readings; "partial": a wanted quantity
        is missing, or the role's power.
        """
        overdue = self.age(now) > STALE_AFTER * self.config.interval
        if self.latest is None:
            return "lost" if overdue else "waiting"
        if overdue:
            return "stale"
        return "frozen" if self.frozen else self._state_of(self.latest)

    def _state_of(self, latest: Latest) -> str:
        if latest.judged.withheld:
            return "implausible"
        if self._glitches >= LASTING_GLITCH:
            return "glitch"
        powerless = self.config.role in POWER_ROLES and not isfinite(latest.power)
        return "partial" if powerless or latest.judged.missing else "good"

    def answers(self, now: float) -> bool:
        """Return whether the last reading counts: it is not stale, and the device is not frozen."""
        return self.state(now) in ANSWERING

    def power(self, now: float) -> float:
        """Return the power in the role's direction, W; NaN unless the device answers and its power can be true."""
        return self.latest.power if self.latest and self.answers(now) else nan

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
