"""Days, periods and plants with numbers given by hand, for the formulas that are computed from them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from math import isclose, nan
from typing import Any
from zoneinfo import ZoneInfo

from wattgram.config.devices_table import DeviceConfig
from wattgram.config.goals_table.goals_settings import GoalsConfig, ManualEntry
from wattgram.config.green_certificates import CertificateStream
from wattgram.config.role_keys import EmissionConfig
from wattgram.goals.terms.day import Day, DeviceDay, Quarters, Stretch
from wattgram.goals.terms.finding import Finding, IndicatorValue, MissingValue
from wattgram.goals.terms.indicator import Facility, NoTarget, SourcedFigure, Target
from wattgram_drivers import catalogue
from wattgram_drivers.endpoint import parse

NS = 1_000_000_000
GAS = "suto_s430_gasflow"
"""A driver that counts m3."""

ZONE = ZoneInfo("Asia/Shanghai")
DAY = 86400.0


def at(when: str) -> int:
    """UTC ns of a local time in Shanghai, such as 2026-01-11 or 2026-01-11T12:00."""
    return int(datetime.fromisoformat(when).replace(tzinfo=ZONE).timestamp()) * NS


def day(
    when: str,
    *,
    covered: float = DAY,
    until: str = "",
    quarters: Quarters | None = None,
    devices: Mapping[str, DeviceDay] | None = None,
    sums: Mapping[str, float] | None = None,
    **more: float,
) -> Day:
    """A local day with a balance all day. Sums are in kWh and kg; `__` in a name is a dot."""
    own = date.fromisoformat(when)
    end = at(until) if until else int(datetime.combine(own + timedelta(days=1), time(), ZONE).timestamp()) * NS
    stored = {name.replace("__", "."): 1000.0 * value for name, value in (dict(sums or {}) | more).items()}
    return Day(own, at(when), end, covered, stored, devices or {}, quarters or Quarters())


def period(first: str, end: str, *days: Day, over: str = "") -> Stretch:
    """From the midnight of `first` to that of `end`, as of `over` (by default its end)."""
    return Stretch(f"{first}..{end}", at(first), at(end), at(over or end), days)


def year(of: int, *days: Day, over: str = "") -> Stretch:
    """A calendar year."""
    return Stretch(str(of), at(f"{of}-01-01"), at(f"{of + 1}-01-01"), at(over or f"{of + 1}-01-01"), days)


def whole_year(of: int, **sums: float) -> Stretch:
    """A year that is over, with a balance all the time; one day stands for all of it."""
    length = (at(f"{of + 1}-01-01") - at(f"{of}-01-01")) / NS
    return year(of, day(f"{of}-01-01", covered=length, sums=sums))


def device(
    name: str, role: str, group: str = "", rated_power: float | None = None, driver: str = "", **emission: Any
) -> DeviceConfig:
    """A device without readings; with a driver where the unit of its counter matters."""
    return DeviceConfig(
        name,
        role,
        "made",
        catalogue.load(driver) if driver else None,
        parse("tcp://127.0.0.1"),
        1,
        rated_power=rated_power,
        group=group,
        emission=EmissionConfig(**emission),
    )


def plant(
    *devices: DeviceConfig,
    goals: GoalsConfig | None = None,
    renewable: float | None = None,
    years: Sequence[Stretch] = (),
    basis: str = "direct",
    zone: str = "CN-CQ",
    average: float = 558.1,
    clean: float | None = None,
    residual: float = nan,
    certificates: Sequence[CertificateStream] = (),
) -> Facility:
    """A site, by default in Chongqing; years that are not given have no stored data."""
    known = {int(stretch.name): stretch for stretch in years}

    def stored(number: int) -> Stretch:
        return known.get(number) or year(number)

    return Facility(
        goals or GoalsConfig(),
        devices,
        zone,
        basis,
        ZONE,
        renewable,
        stored,
        SourcedFigure(average, f"table {zone}"),
        None if clean is None else SourcedFigure(clean, f"table {zone}"),
        residual,
        tuple(certificates),
    )


def entry(
    what: str, value: float, first: str, last: str, unit: str = "tCO2e", entered: str = "2026-01-05"
) -> ManualEntry:
    """A manual entry of Li Wei."""
    dates = [date.fromisoformat(text) for text in (first, last)]
    return ManualEntry(what, value, unit, dates[0], dates[1], "Li Wei", date.fromisoformat(entered), "form 7")


def found(finding: Finding) -> IndicatorValue:
    """A finding with a number equal to the result of its arithmetic."""
    assert isinstance(finding, IndicatorValue), finding
    assert isclose(calculated(finding.arithmetic), finding.value, rel_tol=1e-3, abs_tol=1e-3), finding
    return finding


def wanted(target: Target | NoTarget | None) -> Target:
    """A target that exists."""
    assert isinstance(target, Target), target
    return target


def untargeted(target: Target | NoTarget | None) -> str:
    """Return why there is no target, and what gives one."""
    assert isinstance(target, NoTarget), target
    return f"{target.why}; {target.add}" if target.add else target.why


def lacking(finding: Finding) -> str:
    """Return the missing data of a finding, and the data to add."""
    assert isinstance(finding, MissingValue), finding
    return f"{finding.what}; {finding.add}" if finding.add else finding.what


def calculated(arithmetic: str) -> float:
    """Return the result of the left side of an arithmetic, as a pocket calculator computes it."""
    formula = arithmetic.rsplit(" = ", maxsplit=1)[0].replace(" x ", " * ")
    assert re.fullmatch(r"(max|[-+*/(), .\de])+", formula), formula
    return float(eval(formula))


def extras(finding: Finding) -> dict[str, float]:
    """Return the additional numbers by name."""
    return {extra.name: extra.value for extra in found(finding).extras}
