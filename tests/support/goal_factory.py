"""Days, periods and sites to compute indicators from, written by hand; all of the site's clock in Chongqing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from wattgram.base.period import instant
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.goals_table.goals_settings import GoalsConfig, ManualEntry
from wattgram.config.role_keys import EmissionConfig
from wattgram.goals.terms.day import Day, DeviceDay, Quarters, Stretch
from wattgram.goals.terms.finding import Finding, IndicatorValue, MissingValue
from wattgram.goals.terms.indicator import Facility, NoTarget, Target
from wattgram_drivers import catalogue
from wattgram_drivers.endpoint import parse

ZONE = ZoneInfo("Asia/Shanghai")
FULL = 86400.0
"""Seconds of a day there, all the year."""

FIRST = date(2026, 11, 1)
GAS, MASS = "suto_s430_gasflow", "siemens_sitrans_mass6000"
"""Drivers that count m3 and kg."""


def at(day: date) -> int:
    """The beginning of a local day, UTC ns."""
    return instant(day, ZONE)


def day(
    when: date,
    devices: Mapping[str, DeviceDay] | None = None,
    covered: float = FULL,
    quarters: Quarters | None = None,
    sums: Mapping[str, float] | None = None,
    **more: float,
) -> Day:
    """A whole local day."""
    end = at(when + timedelta(days=1))
    return Day(when, at(when), end, covered, dict(sums or {}) | more, devices or {}, quarters or Quarters())


def month(days: Sequence[Day], *, over: date | None = None) -> Stretch:
    """November 2026, of which 30 days are over unless it is said until which day, not included."""
    return Stretch("2026-11", at(FIRST), at(date(2026, 12, 1)), at(over or date(2026, 12, 1)), days)


def year(number: int, days: Sequence[Day], *, over: date | None = None) -> Stretch:
    """A calendar year, all of it over unless it is said until which day, not included."""
    end = date(number + 1, 1, 1)
    return Stretch(str(number), at(date(number, 1, 1)), at(end), at(over or end), days)


def dates(first: date, count: int) -> list[date]:
    """Consecutive days."""
    return [first + timedelta(days=number) for number in range(count)]


def used(kwh: float, seconds: float = FULL) -> DeviceDay:
    """Return the energy of a meter on a day."""
    return DeviceDay(energy=1000.0 * kwh, seconds=seconds)


def made(amount: float) -> DeviceDay:
    """Return the amount of a counter on a day."""
    return DeviceDay(amount=amount)


def each(first: date, count: int, devices: Mapping[str, DeviceDay], **sums: float) -> list[Day]:
    """Days that are all alike."""
    return [day(date_, devices, sums=sums) for date_ in dates(first, count)]


def meter(name: str, role: str, driver: str = "", **emission: Any) -> DeviceConfig:
    """A device; with a driver where the unit of its counter matters."""
    device = catalogue.load(driver) if driver else None
    where = parse("tcp://127.0.0.1")
    return DeviceConfig(name, role, driver or "made", device, where, 1, emission=EmissionConfig(**emission))


def site(
    goals: GoalsConfig | None = None, devices: Iterable[DeviceConfig] = (), years: Mapping[int, Stretch] | None = None
) -> Facility:
    """A site in Chongqing; years that are not given have no stored data."""
    stored = years or {}
    return Facility(
        goals or GoalsConfig(),
        tuple(devices),
        "CN-CQ",
        "direct",
        ZONE,
        None,
        lambda number: stored.get(number) or year(number, []),
    )


def entry(
    what: str, value: float, first: date, last: date, entered: date | None = None, unit: str = "t"
) -> ManualEntry:
    """A manual entry of Li Na."""
    return ManualEntry(what, value, unit, first, last, "Li Na", entered or last + timedelta(days=2), "weighbridge log")


def found(finding: Finding) -> IndicatorValue:
    """A finding that has a value."""
    assert isinstance(finding, IndicatorValue), finding
    return finding


def aimed(target: Target | NoTarget | None) -> Target:
    """A target that exists."""
    assert isinstance(target, Target), target
    return target


def missing(finding: Finding) -> MissingValue:
    """A finding without a value."""
    assert isinstance(finding, MissingValue), finding
    return finding


def extra(finding: Finding, name: str) -> float:
    """The value of an extra."""
    return next(figure.value for figure in found(finding).extras if figure.name == name)
