"""A configured device as a source of records: registers become a record and a power in the role's direction."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import tzinfo
from math import isfinite, nan, prod
from typing import Any

from wattgram_drivers.device import Device, Reading, RoleReads
from wattgram_drivers.map_roles import complete, parts
from wattgram_drivers.places import Place
from wattgram_drivers.plan import Plan
from wattgram_drivers.quantity import is_slow

from wattgram.base.occurrence import Occurrence
from wattgram.base.power_roles import POWER_ROLES
from wattgram.base.record import Record, Series
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.role_check import UNSUITABLE, unsuitable
from wattgram.counters.metering import MeteredStep, Metering, counters_of

from .daylight import daylight_of
from .record_quality import worst_quality
from .sustained_power import SustainedPower
from .terminal_reading import INVERTER_ROLES, TERMINAL_COUNTERS, NodeReading, TerminalReads, as_wired
from .validity import Judge, Judged
from .value_incident import AGREE, COMPLETE, DISAGREE, IMPLAUSIBLE, MISSING, PLAUSIBLE, ValueIncident, by_kind
from .wanted_quantities import WantedQuantities

STALE_AFTER = 3
"""Number of intervals without a reading after which a device leaves the balance (SPEC 6.9)."""

LASTING_GLITCH = 5
"""Readings in a row without an accepted counter value after which this is an event and the device is not good."""

ANSWERING = ("good", "partial", "implausible", "glitch", "unsuitable")
"""States of a device whose last reading counts."""

TOO_SMALL = "rated power too small"

POWERLESS = (
    "no quantity of the device gives the power of the role {role}; choose a driver or `quantities` with this power, "
    "or another role"
)
"""Text of the event of a device without its role's power."""

NOT_ANSWERED = " (refused by the device; if it lacks the register, set the wanted `quantities`)"


@dataclass(frozen=True, slots=True)
class Latest:
    """The last reading of a device.

    power: W in the role's direction, NaN for none. monotonic: time of the reading, s. metered: energy since the
    previous reading. judged: withheld and missing values. occurrences: events of this reading. node: terminal and DC
    side of an inverter that may have a battery, None for other devices.
    """

    record: Record
    power: float
    monotonic: float
    metered: MeteredStep
    judged: Judged
    occurrences: tuple[Occurrence, ...] = ()
    node: NodeReading | None = None


def power_quantities(device: Device, role: str, names: Collection[str]) -> tuple[str, ...]:
    """Return the quantities that give the power of a role, of those that are read; () for none.

    Some are added, others subtracted: the device's map says which.
    """
    reads = device.roles.get(role)
    return tuple(name for name, _ in parts(complete(reads.power, names))) if reads else ()


class Source:
    """Decoder of one device's readings, with the state of the device. timezone: of the site; None: unknown."""

    def __init__(self, config: DeviceConfig, site: str, started: float, timezone: tzinfo | None = None) -> None:
        self.config = config
        self.latest: Latest | None = None  # the newest reading
        self.taken: Latest | None = None  # the reading that `take` handled last; after a wait for the clock it is older
        self.error = ""
        self.frozen = False
        self.metering = Metering()
        self.terminal: TerminalReads | None = None  # of an inverter whose map has a terminal
        self._terminal_counts: Any = {}  # state of the last process that waits for `equip`
        self.wiring_finding = ""  # what the registers of the terminal and the DC side show about each other
        self.notices: list[Occurrence] = []  # events that the next reading publishes
        self._tags = (("site", site), ("device", config.name), ("role", config.role), ("driver", config.driver))
        self._started = started
        self._daylight = daylight_of(timezone)
        self._judge: Judge | None = None
        self._layout: tuple[Device, Plan] | None = None
        self._preview: Judge | None = None  # of readings that wait for the clock: `take` judges them in their turn
        self._rested = False  # whether the device rested before the restart
        self._assumed: float | None = None  # rated power in place of the configured one, W
        self._implausible = ValueIncident(IMPLAUSIBLE, PLAUSIBLE)
        self._missing = ValueIncident(MISSING, COMPLETE)
        self._disagreement = ValueIncident(DISAGREE, AGREE)
        self._told_powerless = False  # whether the event about a driver without the role's power is out
        self._glitches = 0  # readings in a row without an accepted counter value
        self._sustained = SustainedPower(config.interval)
        self._remembered: Any = None  # state of the last process that waits for `equip`
        self._announced: list[Occurrence] = []  # events for the next reading
        self.rated_finding = ""  # why the configured rated power is not applied
        self._series = Series("device", self._tags, (), (), ("quality",))
        self.unsuitable = config.unsuitable  # why the device cannot have its role
        self._power: tuple[tuple[int, int], ...] = ()  # index and factor of each quantity of the power
        self._chosen: tuple[str, ...] = ()
        self._counted: tuple[tuple[int, Place], ...] = ()
        self._index: dict[str, int] = {}

    def equip(self, device: Device, plan: Plan) -> None:
        """Set the device's quantities and the layout of its register image. Call this before the first reading."""
        remembered, device = self.dump(), as_wired(device, self.config)
        self._check_role(device)
        self._index = {name: index for index, name in enumerate(plan.quantities)}
        self._layout, self._preview = (device, plan), None
        self._judge = self._new_judge(device, plan)
        names = self._judge.names
        self._series = Series("device", self._tags, names, (), ("quality",))
        self._equip_counters(device, plan, names)
        if device.terminal is not None and self.config.role in INVERTER_ROLES:
            counts = self.terminal.dump() if self.terminal else self._terminal_counts
            self.terminal = TerminalReads(device, plan, names, self.config)
            self.terminal.restore(counts)
        producer = device.kind == "inverter" or self.config.role in ("pv", "wind", "hydro")
        wanted = WantedQuantities(
            device,
            plan,
            names,
            configured=self.config.quantities,
            power=device.roles.get(self.config.role, RoleReads()).power,
            may_sleep=producer and device.night == "not-available",
        )
        self._judge.wanted = wanted
        self._choose_power()
        self.restore(remembered)
        if self._lacks_power and not self.unsuitable and not self._told_powerless:
            self._told_powerless = True
            self._announced.append(Occurrence(MISSING, POWERLESS.format(role=self.config.role)))

    def _check_role(self, device: Device) -> None:
        """Judge the role of a device whose map was not known before, such as a SunSpec device."""
        why = unsuitable(device, self.config.role, self.config.driver)
        if why and why != self.unsuitable:
            self._announced.append(Occurrence(UNSUITABLE, f"{why}; its power stays out of the balance"))
        self.unsuitable = why

    @property
    def has_power(self) -> bool:
        """Whether the device has a quantity for its role's power."""
        return bool(self._power)

    @property
    def _lacks_power(self) -> bool:
        """Whether neither a quantity nor a counter gives the role's power."""
        powerless = self.config.role in POWER_ROLES and not self.has_power and not self.unsuitable
        return powerless and not any(self.metering.directions)

    @property
    def counts_power(self) -> bool:
        """Whether the device has no quantity for its role's power, but counters, whose rate is the power."""
        return not self._power and any(self.metering.directions)

    def _choose_power(self) -> None:
        """Take the power from the quantities that the device has, by preference."""
        wanted = self._judge.wanted if self._judge else None
        if wanted is not None and wanted.chosen != self._chosen:
            self._chosen = wanted.chosen
            names = self._series.fields
            self._power = tuple((names.index(name), factor) for name, factor in parts(self._chosen))

    def take(self, reading: Reading) -> Record:
        """Decode and judge a reading, make it this device's record, and advance the counters."""
        assert self._judge is not None  # equip is called before the first reading
        judged = self._judge.judge(reading)
        self._choose_power()
        metered = self._metered(reading, judged.values)
        self.taken = self._latest_of(reading, judged, metered, self._node(reading, judged.values))
        self.taken = replace(self.taken, occurrences=self._occurrences(reading, self.taken))
        if self.latest is not None and self.latest.record is self.taken.record:
            self.latest = self.taken
        return self.taken.record

    def _node(self, reading: Reading, values: bytes) -> NodeReading | None:
        """Return the terminal and the DC side; None if the map has no terminal."""
        assert self._judge is not None  # equip is called before the first reading
        if self.terminal is None:
            return None
        delivered = self._judge.wanted.delivered if self._judge.wanted else ()
        return self.terminal.take(values, delivered, lambda place: self._scale(place, reading, values), reading.time)

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
            "rated": {"power": self.config.rated_power, "finding": self.rated_finding} if self.rated_finding else None,
        }

    def dump_counters(self) -> dict[str, object]:
        """Return the state of all counters for a restart, JSON-compatible."""
        terminal = self.terminal.dump() if self.terminal else self._terminal_counts
        return {**self.metering.dump(), **({TERMINAL_COUNTERS: terminal} if terminal else {})}

    def restore_counters(self, dumped: Any) -> None:
        """Restore the state from `dump_counters`; the terminal's may wait for `equip`. ValueError if invalid."""
        if not isinstance(dumped, dict):
            raise ValueError(f"found {dumped!r}, expected a table of counters' states")
        self._terminal_counts = dumped.get(TERMINAL_COUNTERS, {})
        if self.terminal:
            self.terminal.restore(self._terminal_counts)
        self.metering.restore({name: state for name, state in dumped.items() if name != TERMINAL_COUNTERS})

    def forget_counters(self) -> None:
        """Begin all counters anew: another device answers."""
        for metering in self.meterings:
            metering.forget()

    @property
    def meterings(self) -> tuple[Metering, ...]:
        """All counters of the device."""
        return self.metering, *(self.terminal.meterings.values() if self.terminal else ())

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
            self._rested = bool(dumped.get("rests"))
            if self._rested:
                self._judge.remember_rest()
        except (KeyError, TypeError) as error:
            raise ValueError(f"found {dumped!r}, expected what a judge has learned") from error
        self._choose_power()
        self._compare_rated_power()

    def _compare_rated_power(self) -> None:
        """Do not apply a bound below the largest power that was held for more than ten minutes (METHOD-SITE 10)."""
        assert self._judge is not None
        self._assumed = None
        largest = self._sustained.largest
        if not self._power or largest <= (limits := self._judge.limits[self._power[0][0]]).high or not limits.source:
            return
        finding = (
            f"{self._judge.names[self._power[0][0]]}: {largest:.6g} W flowed for more than ten minutes, above "
            f"{limits.high:.6g} W, {limits.source}; check rated_power"
        )
        if finding != self.rated_finding:
            self._announced.append(Occurrence(TOO_SMALL, finding))
        self.rated_finding = finding
        self._assumed = largest
        self._judge.assume_rated_power(largest)

    def decode_undated(self, reading: Reading) -> Record:
        """Decode and judge a reading that has no timestamp yet. Counters and events follow later, in `take`."""
        if self._preview is None:
            self._preview = self._new_preview()
        return self._latest_of(reading, self._preview.judge(reading), MeteredStep(), None).record

    def _new_preview(self) -> Judge:
        """Return a judge of readings without timestamps. Few devices ever have one, so it is not made in advance."""
        assert self._layout is not None  # equip is called before the first reading
        preview = self._new_judge(*self._layout)
        if self._rested:
            preview.remember_rest()
        if self._assumed is not None:
            preview.assume_rated_power(self._assumed)
        return preview

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
            daylight=self._daylight,
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

    def _latest_of(self, reading: Reading, judged: Judged, step: MeteredStep, node: NodeReading | None) -> Latest:
        values = self._without_unusable(judged.values)
        power = sum(factor * _at(values, index) for index, factor in self._power) if self._power else nan
        estimated = (self.counts_power and self.config.role in POWER_ROLES) or (node is not None and node.is_sum)
        quality = worst_quality(
            step.quality,
            "implausible" if judged.withheld else "good",
            "partial" if judged.missing or self._lacks_power else "good",
            "estimated" if estimated else "good",
        )
        record = Record(self._series, reading.time, values, (quality,))
        latest = Latest(record, power, reading.monotonic, step, judged, node=node)
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
        return [*found, *filter(None, (self.rated_finding, self.wiring_finding))]

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
        reading "waiting", and "lost" after STALE_AFTER intervals. "unsuitable": it cannot have its role. By the last
        reading "implausible": a value was
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
        if self.unsuitable:
            return "unsuitable"
        if latest.judged.withheld:
            return "implausible"
        if self._glitches >= LASTING_GLITCH:
            return "glitch"
        powerless = self.config.role in POWER_ROLES and not isfinite(latest.power) and not self.counts_power
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
