"""Rows of the books from the readings of the devices: the row of an instant, and the rows of late energy."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from math import inf, isfinite, isnan, nan
from typing import Any, NamedTuple, Protocol

from wattgram_ext.intensity import TERMINAL_ROLE

from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.base.record import Record
from wattgram.config.load import Config
from wattgram.config.role_keys import BURNERS
from wattgram.counters.alignment import Track, TrackPoint
from wattgram.counters.metering import MeteredStep
from wattgram.grid.ladder import Ladder

from . import battery_pool, fuel, late_price
from .account_parts import PoolNode, sourceless
from .estimated_energy import OUTSIDE_BALANCE
from .heat_fuel import BurnerInterval, HeatFuel
from .late_energy import LONGEST_GAP, LateAmount, LateEnergy, LateRow, Span
from .metering_point import FuelFlow, PointInterval
from .night_rest import NightRest, Position, is_silent_at_night
from .row_layout import Layout
from .site_wiring import STRINGS, UNREAD, SiteWiring


class StoredLate(NamedTuple):
    """Row of late energy of the quarter that ends at `time`, UTC ns. spans: time of the energy (`late_price`)."""

    time: int
    row: bytes
    spans: str

    def record(self, layout: Layout) -> Record:
        """Return the row as a record."""
        return Record(layout.late, self.time, self.row, (self.spans,))


class SavedState(Protocol):
    """Object whose state survives a restart."""

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        ...

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        ...


class Instants:
    """Metering points of a site at its instants. `ladder` gives the grid intensity of late energy."""

    def __init__(self, config: Config, layout: Layout, sources: Sequence[Source], ladder: Ladder) -> None:
        by_name = {source.config.name: source for source in sources}
        tick = config.site.tick
        names = [device.name for device in layout.channels]
        self.channels = tuple(by_name[name] for name in names if name in by_name)
        self.occurrences: tuple[tuple[str, Occurrence], ...] = ()  # events of the last `take`, by device
        self._sources = by_name
        self.wiring = SiteWiring(config.devices, layout.channels)
        self._layout = layout
        self._ladder = ladder
        # Without a source on the busbar, an incomer with an import counter alone is known.
        self._points = self.wiring.metering_points(tick, one_way=sourceless(layout.parts, layout.channels))
        self._fuel = {
            device.name: FuelFlow(tick, fuel.combustion(device) / 1000.0 / factor)
            for device in layout.channels
            if device.emission.fuel_meter and (factor := device.emission.fuel_factor)
        }
        self._heat_fuel = HeatFuel(sources, tick)
        # The row has the carbon of the fuel's supply, too; scope 1 has that of its combustion.
        self._supply = [1.0 + fuel.upstream(device, config.grid) for device in layout.channels]
        fuel_meters = {device.emission.fuel_meter for device in layout.channels if device.name in self._fuel}
        self._tracks = {
            source.config.name: Track(source.config.interval, tick)
            for source in sources
            if source.config.role == "capture" or source.config.name in fuel_meters
        }
        certificates = config.grid.certificates
        self._purchases = certificates.read(config.site.timezone) if certificates else None
        sub_meters = (index for index, device in enumerate(layout.channels) if device.role in OUTSIDE_BALANCE)
        priced = (index for index, device in enumerate(layout.channels) if device.role in ("grid", "battery"))
        self._late_energy = LateEnergy(len(names), sub_meters, layout.slot_end, priced)
        self.amounts: list[LateAmount] = []
        self.late_fuel: list[LateAmount] = []
        self.held: list[LateAmount] = []
        self.undated: list[LateAmount] = []
        site = config.site
        position = None
        if site.latitude is not None and site.longitude is not None:
            position = Position(site.latitude, site.longitude)
        self._nights = {
            point: NightRest(position, device.rated_power)
            for device in config.devices
            for point in (device.name, f"{device.name} {STRINGS}")  # of a hybrid that works, the strings alone sleep
            if device.role == "pv" and point in self._points and is_silent_at_night(device)
        }
        self._captures = [source.config.name for source in sources if source.config.role == "capture"]
        self._intervals: list[PointInterval] = []
        self._carbon: list[float] = []
        self._late_fuel: list[float] = []

    def put(self, source: Source, time: int) -> None:
        """Add the last reading of a device; `time` in UTC ns."""
        name, taken = source.config.name, source.taken
        assert taken is not None  # the caller has read the device
        if name in self._points:
            for point, power, metered in self.wiring.readings(source.config, taken):
                self._points[point].put(time, power, metered)
        elif name in self._tracks:
            self._tracks[name].put(TrackPoint(time, nan, taken.metered))
        self._heat_fuel.put(source, time)

    def reaches(self, source: Source, time: int) -> bool:
        """Return whether a channel was read at or after an instant."""
        return self._points[source.config.name].reaches(time)

    def clear(self) -> None:
        """Discard the times of the readings, because the clock was set."""
        for point in self._points.values():
            point.clear()
        for track in self._tracks.values():
            track.clear()
        self._heat_fuel.clear()

    def interrupt(self) -> None:
        """Start a gap before the next instant: later amounts of the counters belong to the gap."""
        for point in self._points.values():
            point.interrupt()
        for line in self._fuel.values():
            line.interrupt()

    def skip(self, time: int) -> None:
        """Skip an instant that is not published."""
        for point in self._points.values():
            point.skip(time)
        for track in self._tracks.values():
            track.skip(time)
        self._heat_fuel.skip(time)

    def take(self, time: int, seconds: float, begin: int, last: int | None) -> None:
        """Take the step to the next instant, `seconds` s after the last one (0: no interval ends here).

        begin: the last instant on the present clock, UTC ns; `time` if unknown. last: the last instant as published;
        later than `begin` if the clock was set back. `amounts` is the energy of gaps that counters told now, and
        `late_fuel` their fuel. `held` is late energy without a gap, because the power held; `undated` is that of days
        and months alone, here with the time of this step.
        """
        self.amounts, self.late_fuel, self.held, self.undated = [], [], [], []
        span = Span(min(begin, time), time)
        pause = not seconds > 0.0 and last is not None
        undated = last is not None and (begin < last or not 0 < time - begin <= LONGEST_GAP)
        waiting = {
            point
            for index, device in enumerate(self._layout.channels)
            if pause or self._late_energy.is_waiting(index)
            for point in (device.name, self.wiring.counter_point(device.name))
        }
        taken = {
            name: point.take(
                time,
                valid=not self._sources[self.wiring.device_of(name)].frozen,
                gap=name in waiting,
                night=self._nights.get(name),
            )
            for name, point in self._points.items()
            if name in self.wiring.active
        }
        before = [interval.power for interval in self._intervals] or [nan] * len(self._layout.channels)
        intervals, self.occurrences = self.wiring.advance(taken, seconds)
        self._intervals = [self._with_gap(index, intervals, taken, before) for index in range(len(intervals))]
        for name, finding in self.wiring.findings().items():
            self._sources[name].wiring_finding = finding
        for index, interval in enumerate(self._intervals):
            if self._layout.channels[index].role == TERMINAL_ROLE:  # its gaps are those of the channels in it
                known = isfinite(before[index]) or isfinite(interval.power) or isfinite(interval.positive)
                if self._hides_battery(index) and ((pause and not undated) or (seconds > 0.0 and not known)):
                    self._late_energy.add_gap(index, span)
                    self._late_energy.give_up(index)  # no counter of the battery is read
                continue
            if pause and undated:
                self._late_energy.add_undated_gap(index)
            elif pause or (seconds > 0.0 and not interval.known):
                self._late_energy.add_gap(index, span)
            self._note_late(index, interval, span)
        self._carbon = self._fuel_rates(time, seconds, span)

    def _with_gap(
        self,
        index: int,
        intervals: Sequence[PointInterval],
        taken: Mapping[str, PointInterval],
        before: Sequence[float],
    ) -> PointInterval:
        """Return the interval of a channel with what its counters show of a gap; `before`: powers before it, W.

        The channel of a hybrid has the counters of the terminal. It has no gap while its terminal is known, whether the
        split is known or not: the energy is in the load already.
        """
        channel, interval = self._layout.channels[index], intervals[index]
        if channel.role == TERMINAL_ROLE or interval is taken.get(channel.name):
            return interval
        counted = taken.get(self.wiring.counter_point(channel.name), UNREAD)
        places = self._places(index)
        present = any(isfinite(intervals[place].power) for place in places)
        known = present or any(isfinite(before[place]) or isfinite(intervals[place].positive) for place in places)
        return interval._replace(
            known=known,
            told=interval.known and counted.told and present,
            waiting=interval.waiting or counted.waiting or not present,
        )

    def _note_late(self, index: int, interval: PointInterval, span: Span) -> None:
        """Note what the counters of a channel told, or that they will tell nothing."""
        late = (interval.late_positive, interval.late_negative)
        if interval.told or any(late):
            gave = self._late_energy.is_waiting(index)
            amount = self._late_energy.tell(index, *late, span)
            if amount is None:
                self.undated.append(LateAmount(index, (Span(min(span.begin, span.end - 1), span.end),), *late))
            else:
                (self.amounts if gave else self.held).append(amount)
            if amount is not None and not interval.told:
                self._late_energy.give_up_time(amount)
        elif self._late_energy.is_waiting(index) and not interval.waiting and self._is_present(index):
            self._late_energy.give_up(index)

    def _hides_battery(self, index: int) -> bool:
        """Return whether a channel is a terminal with a battery that has no channel."""
        channel = self._layout.channels[index]
        return channel.role == TERMINAL_ROLE and self.wiring.hides_battery(channel.name)

    def is_asleep(self, name: str, time: int) -> bool:
        """Return whether the rules of the night explain that a device does not answer at a time, UTC ns."""
        night = self._nights.get(name)
        return night is not None and night.asleep(time)

    def _is_present(self, index: int) -> bool:
        """Return whether a channel has a power, or its terminal has."""
        return any(isfinite(self._intervals[place].power) for place in self._places(index))

    def _places(self, index: int) -> tuple[int, ...]:
        """Return the channels that know the energy of a channel: itself, and the terminal that contains it."""
        terminal = self._layout.terminals[index]
        return (index,) if terminal < 0 else (index, terminal)

    def device_of(self, channel: int) -> str:
        """Return the name of the device that a channel belongs to."""
        return self.wiring.device_of(self._layout.channels[channel].name)

    def unknown(self) -> tuple[str, ...]:
        """Return the devices of the balance whose energy is unknown now."""
        names = (
            self.device_of(index)
            for index, (device, interval) in enumerate(zip(self._layout.channels, self._intervals, strict=True))
            if not interval.known and device.role not in OUTSIDE_BALANCE
        )
        return tuple(dict.fromkeys(names))

    def row(self, time: int, seconds: float, now: float) -> bytes:
        """Return the row of the instant for the books, without grid terms; `now` is monotonic."""
        columns = {
            "energy": [energy for interval in self._intervals for energy in (interval.positive, interval.negative)],
            "carbon": self._with_supply(self._carbon),
            "soc": [self._state_of_charge(pool, now) for pool in self._layout.parts.pools],
            "certificates": [self._certificates(time, seconds)],
            "captured": [self._captured(time)],
            "official": [nan],
            **{column: [amount] for column, amount in self._without_electricity(time, seconds, now).items()},
        }
        powers = [
            inf if isnan(interval.power) and self._hides_battery(index) else interval.power
            for index, interval in enumerate(self._intervals)
        ]
        return self._packed(seconds, (nan, nan), powers, columns)

    def late(self, time: int) -> list[StoredLate]:
        """Return the rows of late energy that are due at a time, in order.

        At most `late_energy.MOST_LATE_ROWS`; `is_late_due` says whether there are more. The grid intensity is the mean
        over the part of the quarter to which the energy belongs.
        """
        return [
            StoredLate(late.time, self._late_row(late, late.spans), late_price.text_of(late.spans))
            for late in self._late_energy.take(time)
        ]

    def is_late_due(self, time: int) -> bool:
        """Whether `late` has rows at a time."""
        return self._late_energy.is_due(time)

    def add_old(self, amount: LateAmount) -> None:
        """Add late energy of a time whose quarters cannot be computed any more, for `late_totals`."""
        self._late_energy.add_old(amount)

    def late_totals(self, time: int) -> bytes | None:
        """Return a row of energy for days and months only, to be booked at the end of an hour; None if there is none.

        Undated energy, or that of `add_old`: then no power is known, so that the load stays unknown.
        """
        energies = self._late_energy.take_totals()
        if energies is None:
            old = self._late_energy.take_old()
            return None if old is None else self._late_row(old._replace(time=time), ())
        count = len(self._layout.channels)
        return self._late_row(LateRow(time, 0.0, (0.0,) * count, tuple(energies), (nan,) * count), ())

    def forget_late(self) -> None:
        """Discard gaps and late energy: the balance is withheld, and each of its meters may be wrong."""
        self._late_energy.forget()

    def _late_row(self, late: LateRow, spans: Sequence[Span]) -> bytes:
        signal = late_price.price(self._ladder, spans or (Span(self._layout.slot_begin(late.time), late.time),))
        columns = {
            "energy": late.energies,
            "carbon": self._with_supply(late.carbon),
            "soc": [nan] * len(self._layout.parts.pools),
            "certificates": [0.0],
            "captured": [nan],
            "official": [self._ladder.official(late.time - 1).intensity],
            **{column: [nan] for column in self._heat_fuel.columns},
        }
        return self._packed(late.seconds, (signal.intensity, signal.clean_share), late.powers, columns)

    def _with_supply(self, carbon: Sequence[float]) -> list[float]:
        """Return the carbon of each channel with that of its fuel's supply; [] without the column."""
        return [grams * supply for grams, supply in zip(carbon, self._supply, strict=False)]

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible."""
        parts = {
            part: {name: state.dump() for name, state in states.items()} for part, states in self._saved_parts().items()
        }
        nights = {name: night.dump() for name, night in self._nights.items()}
        return {
            **parts,
            "wiring": self.wiring.dump(),
            "late": self._late_energy.dump(),
            "nights": nights,
            "heat_fuel": self._heat_fuel.dump(),
        }

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump` (after JSON); ValueError, KeyError or TypeError if the state is invalid.

        The state of removed devices is ignored.
        """
        for part, states in self._saved_parts().items():
            for name, state in states.items():
                if name in dumped[part]:
                    state.restore(dumped[part][name])
        if "wiring" in dumped:  # an older version had no stage of the wiring
            self.wiring.restore(dumped["wiring"])
        for name, night in self._nights.items():
            if name in dumped.get("nights", {}):
                night.restore(dumped["nights"][name])
        channels = self._layout.channels
        older = [device for device in channels if device.role != TERMINAL_ROLE]  # without the last channels, terminals
        if len(dumped.get("late", {}).get("waiting", ())) in (len(channels), len(older)):
            self._late_energy.restore(dumped["late"])
        if "heat_fuel" in dumped:
            self._heat_fuel.restore(dumped["heat_fuel"])

    def _saved_parts(self) -> Mapping[str, Mapping[str, SavedState]]:
        return {"points": self._points, "tracks": self._tracks, "fuel": self._fuel}

    def _packed(
        self, seconds: float, grid: tuple[float, float], powers: Sequence[float], columns: Mapping[str, Sequence[float]]
    ) -> bytes:
        further = (number for name in self._layout.columns for number in columns[name])
        numbers = (seconds, *grid, *powers, *further)
        return struct.pack(f"{len(numbers)}d", *numbers)

    def _fuel_rates(self, time: int, seconds: float, span: Span) -> list[float]:
        """Return the emission rate of each channel's fuel, g/h; NaN if power x factor applies."""
        rates = [nan] * len(self._intervals)
        self._late_fuel = [0.0] * len(self._intervals)
        for index, (device, interval) in enumerate(zip(self._layout.channels, self._intervals, strict=True)):
            if device.role not in BURNERS:
                continue
            burnt = nan
            if device.name in self._fuel:
                metered = self._counted(device.emission.fuel_meter, time)
                burnt, late = self._fuel[device.name].take(time, interval.power, metered, seconds)
                if late:
                    self._late_fuel[index] = fuel.rate(device, nan, late)
                    self.late_fuel.append(self._late_energy.add_fuel(index, self._late_fuel[index], span))
            rates[index] = fuel.rate(device, interval.power, burnt)
        return rates

    def _without_electricity(self, time: int, seconds: float, now: float) -> Mapping[str, float]:
        """Return the amounts of the columns of `HeatFuel` since the previous instant."""
        parts = zip(self._layout.channels, self._intervals, self._carbon, self._late_fuel, strict=True)
        return self._heat_fuel.take(time, seconds, now, [BurnerInterval(*part) for part in parts])

    def _counted(self, name: str, time: int) -> MeteredStep:
        return self._tracks[name].take(time)[2]

    def _captured(self, time: int) -> float:
        """Return the CO2 captured since the previous instant, kg; NaN if unknown."""
        amounts = [self._counted(name, time).positive for name in self._captures]
        known = [amount for amount in amounts if isfinite(amount)]
        return sum(known) if known else nan

    def _state_of_charge(self, pool: PoolNode, now: float) -> float:
        batteries = []
        for battery in pool.batteries:
            source = self._sources.get(battery.name)
            soc = source.number("battery_soc") if source is not None and source.answers(now) else None
            batteries.append((battery.battery.capacity, nan if soc is None else soc))
        return battery_pool.state_of_charge(batteries)

    def _certificates(self, time: int, seconds: float) -> float:
        return self._purchases.at(time - int(seconds * NS), time) if self._purchases and seconds > 0.0 else 0.0
