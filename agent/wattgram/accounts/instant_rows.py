"""What the devices tell, as rows of the books: an instant's, and those of energy that belongs to totals alone."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any, Protocol

from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS
from wattgram.config import green_certificates
from wattgram.config.load import Config
from wattgram.config.role_keys import BURNERS
from wattgram.counters.alignment import Track, TrackPoint
from wattgram.counters.metering import MeteredStep
from wattgram.grid.ladder import Ladder

from . import battery_pool, fuel
from .books import Layout
from .late_energy import LEAST, LateEnergy
from .metering_point import FuelLine, MeteringPoint, PointInterval


class SavedState(Protocol):
    """What a restart must not lose."""

    def dump(self) -> list[object]:
        """As JSON knows it."""
        ...

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave; ValueError when it is none."""
        ...


class Instants:
    """The metering points of a site, brought to its instants. `ladder` prices what comes late."""

    def __init__(self, config: Config, layout: Layout, sources: Sequence[Source], ladder: Ladder) -> None:
        by_name = {one.config.name: one for one in sources}
        tick = config.site.tick
        names = [one.name for one in layout.channels]
        self.channels = tuple(by_name[name] for name in names)
        self._layout = layout
        self._ladder = ladder
        self._points = {name: MeteringPoint(by_name[name].config, tick) for name in names}
        self._fuel = {
            one.name: FuelLine(tick, fuel.factor(one, config.grid.basis) / 1000.0 / factor)
            for one in layout.channels
            if one.emission.fuel_meter and (factor := one.emission.fuel_factor)
        }
        # A boiler's meter belongs to no channel: nothing would ever take what its track holds.
        asked = {one.emission.fuel_meter for one in layout.channels if one.name in self._fuel}
        self._tracks = {
            one.config.name: Track(one.config.interval, tick)
            for one in sources
            if one.config.role == "capture" or one.config.name in asked
        }
        bought = config.grid.certificates
        self._bought = green_certificates.read(bought.path, config.site.timezone) if bought else None
        self._arrears = LateEnergy(
            len(names), [index for index, one in enumerate(layout.channels) if one.role == "grid"]
        )
        self._captures = [one.config.name for one in sources if one.config.role == "capture"]
        self._told: list[PointInterval] = []
        self._carbon: list[float] = []

    def put(self, source: Source, time: int) -> None:
        """A device has been read at a time, UTC ns."""
        name, taken = source.config.name, source.taken
        assert taken is not None  # it has just been read
        if name in self._points:
            self._points[name].put(time, taken.power, taken.metered)
        elif name in self._tracks:
            self._tracks[name].put(TrackPoint(time, nan, taken.metered))

    def reaches(self, source: Source, time: int) -> bool:
        """Whether a channel has been read at an instant or after it."""
        return self._points[source.config.name].reaches(time)

    def clear(self) -> None:
        """The clock was set: readings before it have no time any more."""
        for point in self._points.values():
            point.clear()
        for track in self._tracks.values():
            track.clear()

    def interrupt(self) -> None:
        """Nothing joins the next instant to the last: what the counters say then belongs to the gap between them."""
        for point in self._points.values():
            point.interrupt()
        for line in self._fuel.values():
            line.interrupt()

    def skip(self, time: int) -> None:
        """Pass over an instant that is not told."""
        for point in self._points.values():
            point.skip(time)
        for track in self._tracks.values():
            track.skip(time)

    def take(self, time: int, seconds: float) -> None:
        """Go on to the instant after the last one, `seconds` s later (0: no interval ends here)."""
        self._told = [self._points[one.config.name].take(time, believed=not one.frozen) for one in self.channels]
        self._carbon = self._burnt(time, seconds)
        for index, one in enumerate(self._told):
            self._arrears.late(index, one.late_positive, one.late_negative)

    def row(self, time: int, seconds: float, now: float) -> bytes:
        """The instant as the books take it, without the grid; `now` is of the monotonic clock."""
        columns = {
            "energy": [energy for one in self._told for energy in (one.positive, one.negative)],
            "carbon": self._carbon,
            "soc": [self._state_of_charge(now)],
            "certificates": [self._certificates(time, seconds)],
            "captured": [self._captured(time)],
            "official": [nan],
        }
        return self._packed(seconds, (nan, nan), [one.power for one in self._told], columns)

    def paused(self, seconds: float) -> None:
        """No instant was told for so long: what counters say of it is late."""
        self._arrears.wait(seconds, ())

    def unbalanced(self, seconds: float) -> None:
        """An interval without an incomer: what the others told waits for it."""
        hours = seconds / 3600.0
        energies = []
        for one in self._told:
            energies.append(one.positive if isfinite(one.positive) else max(one.power, 0.0) * hours)
            energies.append(one.negative if isfinite(one.negative) else max(-one.power, 0.0) * hours)
        self._arrears.wait(seconds, energies, [rate * hours for rate in self._carbon])

    def late(self, time: int, span: float, share: float = 1.0) -> bytes | None:
        """A share of what is in arrears, to be booked at the end of an hour; None when there is nothing.

        The grid's intensity is its mean over the `span` s before.
        """
        if not self._arrears.due:
            return None
        seconds, energies, mass = self._arrears.take(share)
        powers = [one.power for one in self._told]
        for index, one in enumerate(self._layout.channels):
            if seconds > LEAST and not (self._points[one.name].counts or any(energies[2 * index : 2 * index + 2])):
                powers[index] = energies[2 * index] = energies[2 * index + 1] = nan  # nobody knows
        signal = self._ladder.mean(time - int(max(span, seconds) * NS), time)
        hours = seconds / 3600.0
        columns = {
            "energy": energies,
            "carbon": [one / hours if one else nan for one in mass],
            "soc": [nan],
            "certificates": [0.0],
            "captured": [nan],
            "official": [self._ladder.official(time).intensity],
        }
        return self._packed(seconds, (signal.intensity, signal.clean_share), powers, columns)

    def dump(self) -> dict[str, object]:
        """What a restart must not lose, as JSON knows it."""
        parts = {part: {name: one.dump() for name, one in each.items()} for part, each in self._kept().items()}
        return {**parts, "arrears": self._arrears.dump()}

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave, by way of JSON; ValueError, KeyError or TypeError when it is none.

        What is of devices that are no more is left out.
        """
        for part, each in self._kept().items():
            for name, one in each.items():
                if name in dumped[part]:
                    one.restore(dumped[part][name])
        if len(dumped["arrears"][3]) == len(self.channels):
            self._arrears.restore(dumped["arrears"])

    def _kept(self) -> Mapping[str, Mapping[str, SavedState]]:
        return {"points": self._points, "tracks": self._tracks, "fuel": self._fuel}

    def _packed(
        self, seconds: float, grid: tuple[float, float], powers: Sequence[float], columns: Mapping[str, Sequence[float]]
    ) -> bytes:
        more = (number for name in self._layout.columns for number in columns[name])
        numbers = (seconds, *grid, *powers, *more)
        return struct.pack(f"{len(numbers)}d", *numbers)

    def _burnt(self, time: int, seconds: float) -> list[float]:
        """g/h that each channel's fuel emits, NaN where power times factor says it."""
        rates = [nan] * len(self._told)
        for index, (one, at) in enumerate(zip(self._layout.channels, self._told, strict=True)):
            if one.role not in BURNERS:
                continue
            burnt = nan
            if one.name in self._fuel:
                metered = self._counted(one.emission.fuel_meter, time)
                burnt, late = self._fuel[one.name].take(time, at.power, metered, seconds)
                self._arrears.late(index, 0.0, 0.0, fuel.rate(one, nan, late) if late else 0.0)
            rates[index] = fuel.rate(one, at.power, burnt)
        return rates

    def _counted(self, name: str, time: int) -> MeteredStep:
        return self._tracks[name].take(time)[2]

    def _captured(self, time: int) -> float:
        """kg that were captured since the instant before; NaN: not known."""
        amounts = [self._counted(one, time).positive for one in self._captures]
        known = [one for one in amounts if isfinite(one)]
        return sum(known) if known else nan

    def _state_of_charge(self, now: float) -> float:
        batteries = []
        for one in self.channels:
            if one.config.role == "battery":
                soc = one.number("battery_soc") if one.state(now) == "good" else None
                batteries.append((one.config.battery.capacity, nan if soc is None else soc))
        return battery_pool.state_of_charge(batteries)

    def _certificates(self, time: int, seconds: float) -> float:
        return self._bought.at(time - int(seconds * NS), time) if self._bought and seconds > 0.0 else 0.0
