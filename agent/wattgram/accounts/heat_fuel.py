"""Fuel that makes no electricity, and heat: boilers, burners, the heat of a CHP, heat meters (METHOD-SITE 9.7).

The electricity of a genset or CHP carries its own fuel. All other fuel is counted here, beside the balance: with or
without an incomer, nothing of a fuel meter is lost. An amount that an interval cannot take waits for the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram.acquisition.device_source import Source
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.fuel_properties import FUELS
from wattgram.counters.alignment import Track, TrackPoint

from . import fuel
from .metering_point import PointInterval

BURNT, BIOGENIC, HEAT = ALL_COLUMNS = ("burnt", "biogenic", "heat")
"""Columns of an instant's row: g of fossil CO2, g of biogenic CO2, Wh of heat."""


class BurnerInterval(NamedTuple):
    """Interval of a CHP. rate: g/h of its electricity's fuel, NaN for power x factor. late: g of the same for a gap."""

    config: DeviceConfig
    interval: PointInterval
    rate: float = nan
    late: float = 0.0


def columns_of(devices: Sequence[DeviceConfig]) -> tuple[str, ...]:
    """Return the columns that the devices of a site need."""
    found = {column for device in devices if (column := _column(device, owned(devices)))}
    if any(device.emission.heat for device in devices):
        found.add(BURNT)
    return tuple(column for column in ALL_COLUMNS if column in found)


def owned(devices: Sequence[DeviceConfig]) -> frozenset[str]:
    """Return the names of the fuel meters of gensets and CHP."""
    return frozenset(device.emission.fuel_meter for device in devices if device.emission.fuel_meter)


def unknown_fuels(devices: Sequence[DeviceConfig]) -> tuple[str, ...]:
    """Return the names of the fuel meters without a known fuel, which leave `scope1` absent."""
    generators = owned(devices)
    return tuple(
        device.name
        for device in devices
        if _column(device, generators) == BURNT and device.emission.fuel_factor is None
    )


def counted_columns(devices: Sequence[DeviceConfig]) -> dict[str, tuple[str, float]]:
    """Return the column of each fuel meter and heat meter, and g, or Wh, per counted unit; NaN for an unknown fuel."""
    generators = owned(devices)
    factors = {device.name: 1.0 if device.role == "heat" else device.emission.fuel_factor for device in devices}
    columns = {device.name: _column(device, generators) for device in devices}
    return {
        name: (column, nan if (factor := factors[name]) is None else factor)
        for name, column in columns.items()
        if column
    }


def _column(device: DeviceConfig, generators: frozenset[str]) -> str:
    """Return the column of a meter, "" for none. generators: the fuel meters of gensets and CHP."""
    if device.role == "heat":
        return HEAT
    if device.role != "fuel":
        return ""
    if device.emission.fuel and FUELS[device.emission.fuel].biogenic:
        return BIOGENIC
    return "" if device.name in generators else BURNT


@dataclass(slots=True)
class AmountMeter:
    """A fuel meter or heat meter. factor: g, or Wh, per counted unit; None if the fuel is unknown."""

    source: Source
    column: str
    factor: float | None
    track: Track
    power: float = field(default=nan)

    def put(self, time: int) -> None:
        """Add the last reading, UTC ns."""
        taken = self.source.taken
        assert taken is not None  # the caller has read the device
        self.track.put(TrackPoint(time, taken.power, taken.metered))

    def take(self, time: int, seconds: float) -> float:
        """Return the amount since the previous instant; NaN if unknown, 0 before a counter speaks."""
        before, (power, flows, metered) = self.power, self.track.take(time)
        self.power = power
        if self.factor is None:
            return nan
        if isfinite(metered.positive):
            return max(0.0, metered.positive) * self.factor
        if any(self.source.metering.directions):
            return 0.0
        if flows is not None:
            return flows.positive * self.factor
        ends = [end for end in (before, power) if isfinite(end)]
        return max(0.0, sum(ends) / len(ends)) * seconds / 3600.0 * self.factor if ends else nan


class HeatFuel:
    """Fuel without electricity and heat of a site, instant by instant. tick: time between two instants, s."""

    def __init__(self, sources: Sequence[Source], tick: float) -> None:
        devices = [source.config for source in sources]
        generators = owned(devices)
        self.columns = columns_of(devices)
        self._meters = {
            source.config.name: AmountMeter(
                source,
                column,
                1.0 if column == HEAT else source.config.emission.fuel_factor,
                Track(source.config.interval, tick),
            )
            for source in sources
            if (column := _column(source.config, generators))
        }
        self._powers: dict[str, float] = {}
        self._held = dict.fromkeys(self.columns, 0.0)

    def put(self, source: Source, time: int) -> None:
        """Add the last reading of a device, UTC ns; other devices are ignored."""
        if source.config.name in self._meters:
            self._meters[source.config.name].put(time)

    def clear(self) -> None:
        """Discard the times of the readings, because the clock was set."""
        for meter in self._meters.values():
            meter.track.clear()

    def skip(self, time: int) -> None:
        """Skip an instant that is not published."""
        for meter in self._meters.values():
            meter.track.skip(time)

    def take(self, time: int, seconds: float, now: float, burners: Sequence[BurnerInterval]) -> Mapping[str, float]:
        """Return the amounts of the interval of `seconds` that ends at `time`, by column; NaN if unknown.

        An unknown interval, and one without a length, leaves its amounts to the next one. now: monotonic, s.
        """
        unknown = set()
        for meter in self._meters.values():
            amount = meter.take(time, seconds)
            if isfinite(amount):
                self._held[meter.column] += amount
            if not isfinite(amount) or not meter.source.answers(now):
                unknown.add(meter.column)
        for burner in burners:
            if burner.config.emission.heat is None:
                continue
            amount = self._of_chp(burner, seconds)
            self._held[BURNT] += amount if isfinite(amount) else 0.0
            if not isfinite(amount):
                unknown.add(BURNT)
        amounts = {}
        for column in self.columns:
            if seconds > 0.0 and column not in unknown:
                amounts[column], self._held[column] = self._held[column], 0.0
            else:
                amounts[column] = nan
        return amounts

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        return [dict(self._held), {name: meter.track.dump() for name, meter in self._meters.items()}]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if it is invalid. The state of removed devices is ignored."""
        try:
            held, tracks = dumped
            found = {column: float(held.get(column, 0.0)) for column in self.columns}
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected the state of the fuel without electricity") from error
        if not all(isfinite(amount) and amount >= 0.0 for amount in found.values()):
            raise ValueError(f"found {dumped!r}, expected amounts of 0 or more")
        self._held = found
        for name, meter in self._meters.items():
            if name in tracks:
                meter.track.restore(tracks[name])

    def _of_chp(self, burner: BurnerInterval, seconds: float) -> float:
        """Return the CO2 of the fuel for a CHP's heat, g: that of its electricity x (1 - a_el) / a_el (METHOD 4.7)."""
        config, interval = burner.config, burner.interval
        name, hours = config.name, seconds / 3600.0
        before, self._powers[name] = self._powers.get(name, nan), interval.power
        late = burner.late * fuel.heat_ratio(config, nan)
        if isfinite(burner.rate):
            return burner.rate * hours * fuel.heat_ratio(config, interval.power) + late
        energy = interval.positive
        if not isfinite(energy):
            ends = [max(0.0, end) for end in (before, interval.power) if isfinite(end)]
            energy = sum(ends) / len(ends) * hours if ends else nan
        if not config.emission.fuel_meter:
            energy += interval.late_positive
        return energy / 1000.0 * fuel.combustion(config) * fuel.heat_ratio(config, nan) + late
