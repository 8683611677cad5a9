"""A metering point with power and a rarely copied counter, and one without power; energies by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite, isnan, nan

import pytest
from wattgram.accounts.metering_point import MeteringPoint, PointInterval
from wattgram.base.clock import NS
from wattgram.config.devices_table import DeviceConfig
from wattgram.counters.metering import Metering, counters_of
from wattgram_drivers.catalogue import load
from wattgram_drivers.endpoint import parse

T0 = 1_790_000_100 * NS
IMPORT, EXPORT = "active_energy_import", "active_energy_export"


def config(role: str, *, interval: float = 10.0, rated: float | None = 100e3) -> DeviceConfig:
    """Return a device of this role."""
    meter = load("eastron_sdm630")
    return DeviceConfig(
        "incomer", role, meter.name, meter, parse("tcp://127.0.0.1"), 1, interval=interval, rated_power=rated
    )


@dataclass
class Point:
    """A metering point and the counters that feed it; `register`: imported Wh by the second."""

    point: MeteringPoint
    metering: Metering
    interval: float = 10.0

    @classmethod
    def of(cls, device: DeviceConfig, *, one_way: bool = False) -> Point:
        metering = Metering()
        metering.set_counters(
            counters_of(load("eastron_sdm630"), device.role, rated_power=device.rated_power, interval=device.interval),
            {},
        )
        return cls(MeteringPoint(device, 10.0, one_way=one_way), metering, device.interval)

    def step(self, second: float, power: float, imported: float, exported: float = 0.0) -> PointInterval:
        """Read the device and take the instant of the reading."""
        time = T0 + round(second * NS)
        values = {IMPORT: 5e6 + imported, EXPORT: exported}
        self.point.put(time, power, self.metering.take(values, {}, time))
        return self.point.take(time)


def known(intervals: list[PointInterval]) -> float:
    """Return the energy of all intervals and of the gaps, Wh."""
    return sum(
        interval.late_positive + (interval.positive if isfinite(interval.positive) else 0.0) for interval in intervals
    )


def hourly(second: float, power: float) -> float:
    """Return a register that is copied at each full hour, Wh."""
    return power * (second // 3600.0)


@pytest.mark.parametrize("rated", [100e3, None])
def test_an_hourly_copied_counter_corrects_the_power_without_peaks_and_holes(rated: float | None) -> None:
    # The power register shows 35 kW; the counter counts 36 kWh an hour.
    point = Point.of(config("grid", rated=rated))
    intervals = [point.step(10.0 * n, 35e3, hourly(10.0 * n, 36e3)) for n in range(12 * 360)]
    energies = [
        interval.positive if isfinite(interval.positive) else interval.power / 360.0 for interval in intervals[1:]
    ]
    assert sum(interval.late_positive for interval in intervals) == 0.0
    # 35 kW are 97.2 Wh in 10 s. A deficit of 1 kWh falls to 1/e in an hour, so 1 / (1 - 1/e) = 1.58 kWh are open at the
    # copies, of which 10 s correct 4.4 Wh.
    assert 97.0 < min(energies) <= max(energies) < 97.3 + 4.4
    assert sum(energies[6 * 360 :]) == pytest.approx(6 * 36e3, abs=1000.0)


def test_an_hourly_copied_counter_holds_no_energy_back_when_the_load_rises() -> None:
    # 1 kW for five hours, then 80 kW: the step of the hour before is no limit for the power.
    point = Point.of(config("grid"))
    registers = [1000.0 * min(hour, 5) + 80e3 * max(hour - 5, 0) for hour in range(9)]
    intervals = [point.step(10.0 * n, 1e3 if n < 5 * 360 else 80e3, registers[n // 360]) for n in range(8 * 360)]
    energies = [interval.positive for interval in intervals[5 * 360 + 1 :]]
    known_energies = [energy if isfinite(energy) else 80e3 / 360.0 for energy in energies]
    assert min(known_energies) > 0.95 * 80e3 / 360.0
    assert max(known_energies) < 1.05 * 80e3 / 360.0


def test_a_device_without_power_has_that_of_its_counters() -> None:
    # 36 kW: 100 Wh in 10 s. The export counter never moves.
    point = Point.of(config("grid"))
    intervals = [point.step(10.0 * n, nan, 100.0 * n) for n in range(360)]
    assert [isnan(interval.power) for interval in intervals[:4]] == [True, True, False, False]
    assert intervals[10].power == pytest.approx(36e3)
    assert intervals[10].positive == pytest.approx(100.0)
    assert intervals[10].negative == 0.0
    assert known(intervals) == pytest.approx(35.9e3, abs=20.0)
    assert point.point.counts


def test_an_incomer_with_one_counter_is_unknown_beside_a_source() -> None:
    device = config("grid")
    for one_way, unknown in ((False, True), (True, False)):
        point = Point.of(device, one_way=one_way)
        intervals = [point.step(10.0 * n, nan, 100.0 * n, nan) for n in range(20)]
        assert isnan(intervals[-1].power) == unknown
        assert intervals[-1].positive == pytest.approx(100.0)


@pytest.mark.parametrize("role", ["pv", "load", "ev", "genset"])
def test_a_role_of_one_way_needs_one_counter(role: str) -> None:
    point = Point.of(config(role))
    intervals = [point.step(10.0 * n, nan, 100.0 * n, nan) for n in range(20)]
    assert intervals[-1].power == pytest.approx(36e3)
    assert intervals[-1].positive == pytest.approx(100.0)


def test_a_restart_without_power_continues_with_the_counters() -> None:
    device = config("load")
    point = Point.of(device)
    intervals = [point.step(10.0 * n, nan, 100.0 * n) for n in range(100)]
    dumped = json.loads(json.dumps([point.point.dump(), point.metering.dump()]))
    after = Point.of(device)
    after.point.restore(dumped[0])
    after.metering.restore(dumped[1])
    # Ten minutes without the process: 6 kWh.
    intervals += [after.step(10.0 * n, nan, 100.0 * n) for n in range(160, 260)]
    assert known(intervals) == pytest.approx(25.9e3, abs=20.0)


def test_a_counter_that_begins_anew_in_a_gap_does_not_tell_the_gap() -> None:
    point = Point.of(config("load"))
    for n in range(100):
        point.step(10.0 * n, nan, 100.0 * n)
    # Ten minutes without a reading; meanwhile, another meter was mounted, whose counter is 2 MWh higher.
    intervals = [point.step(10.0 * n, nan, 2e6 + 100.0 * n) for n in range(160, 260)]
    assert not any(interval.told for interval in intervals if not interval.known)
    first = next(interval for interval in intervals if interval.known)
    assert (first.told, first.waiting) == (False, False)
    assert intervals[-1].told
    assert intervals[-1].power == pytest.approx(36e3)


@pytest.mark.parametrize("counter", [True, False])
def test_only_a_counter_tells_that_nothing_flowed_in_a_gap(counter: bool) -> None:
    """METHOD-SITE 9.1: 0 W before and after the gap are no zero in the gap. 9.4: a counter that stood still is one."""
    point = Point.of(config("pv"))
    register = 0.0 if counter else nan
    seconds = [*range(0, 200, 10), *range(800, 1000, 10)]
    intervals = [point.step(second, 0.0, register) for second in seconds]
    assert intervals[20].told == counter
    assert not any(interval.late_positive for interval in intervals)


def test_a_power_that_is_missing_for_long_is_that_of_the_counters() -> None:
    # Power for ten minutes, then only counters: after a quarter of an hour the counters give the power.
    point = Point.of(config("load"))
    intervals = [point.step(10.0 * n, 36e3 if n < 60 else nan, 100.0 * n) for n in range(360)]
    assert isnan(intervals[100].power)
    assert intervals[200].power == pytest.approx(36e3)
    # The first interval has no energy of its own: the counter has not moved yet.
    assert known(intervals) == pytest.approx(35.8e3, abs=20.0)
    again = [point.step(10.0 * n, 36e3, 100.0 * n) for n in range(360, 420)]
    assert again[-1].power == 36e3


def test_a_state_of_an_older_version_is_restored() -> None:
    point = Point.of(config("load"))
    for n in range(20):
        point.step(10.0 * n, 36e3, 100.0 * n)
    dumped = json.loads(json.dumps(point.point.dump()))
    older = Point.of(config("load"))
    older.point.restore(dumped[:2])
    assert older.point.counts
    with pytest.raises(ValueError, match="expected a metering point's state"):
        older.point.restore([1])
