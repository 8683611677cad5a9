"""For any stored days, no indicator raises an error, and every number is finite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from math import isfinite

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wattgram.config.fuel_properties import NATURAL_GAS_PER_M3
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig, ManualEntry
from wattgram.goals.indicators import carbon, carbon_intensity, groups, market, solar, supply_mix
from wattgram.goals.terms.day import Day, DeviceDay, Quarters, Stretch
from wattgram.goals.terms.finding import MissingValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram_ext.intensity import DETAILS, OUTPUTS

from tests.support.goal_days import DAY, GAS, NS, at, day, device, entry, period, plant, year

MODULES = (carbon, groups, carbon_intensity, market, supply_mix, solar)
INDICATORS: dict[str, Indicator] = {
    claim: indicator for module in MODULES for claim, indicator in module.INDICATORS.items()
}
CLAIMS = sorted(INDICATORS)

INVENTORY = ("scope1", "scope2_location", "scope2_market", "avoided", "captured")
RATIOS = ("clean_share", "self_consumption", "self_sufficiency", "carbon_free_share")
NAMES = (
    *[name for name in (*OUTPUTS, *DETAILS) if name.endswith(("_energy", "emission")) or name in INVENTORY],
    *[f"{ratio}.{side}" for ratio in RATIOS for side in ("part", "whole")],
)
"""Names in `Day.sums` that these indicators use."""

DEVICES = (
    device("incomer", "grid"),
    device("roof-east", "pv", rated_power=110e3),
    device("roof-west", "pv"),
    device("set", "genset"),
    device("engine", "chp", fuel_meter="gas", fuel_factor=NATURAL_GAS_PER_M3),
    device("gas", "fuel"),
    device("boiler", "fuel", driver=GAS, fuel="natural_gas"),
    device("oven", "fuel", driver=GAS),
    device("biogas", "genset", emission_factor=0.0),
    device("press", "load", "industry"),
    device("pumps", "load", "power"),
    device("charger", "ev"),
    device("stack", "capture"),
)

UNKNOWN = ("biogas", "oven", "roof-west")
"""Devices without a setting that a formula needs."""

amounts = st.one_of(st.just(0.0), st.floats(0.0, 1e15), st.floats(0.0, 1e-3), st.floats(0.0, 1e6))
"""Wh, g, W; a terawatt-hour is 1e12 Wh."""
spans = st.floats(0.0, DAY)


@st.composite
def days(draw: st.DrawFn, first: date) -> list[Day]:
    """Draw up to five consecutive days, each with some of the sums, devices and quarters."""
    generated = []
    for number in range(draw(st.integers(0, 5))):
        when = first + timedelta(days=number)
        sums = draw(st.dictionaries(st.sampled_from(NAMES), amounts, max_size=len(NAMES)))
        sums |= dict.fromkeys(NAMES, draw(amounts)) if draw(st.booleans()) else {}
        known_devices = draw(st.lists(st.sampled_from(DEVICES), unique_by=lambda known: known.name, max_size=4))
        devices = {
            known.name: DeviceDay(energy=draw(amounts), seconds=draw(spans), amount=draw(amounts))
            for known in known_devices
        }
        quarters = Quarters(draw(st.integers(0, 96)), draw(amounts), draw(amounts))
        drawn = day(str(when), covered=draw(spans), devices=devices, quarters=quarters)
        generated.append(replace(drawn, sums=sums))
    return generated


@st.composite
def entries(draw: st.DrawFn) -> list[ManualEntry]:
    """Draw some of the entries; some of them cover only a part of the year."""
    what = ("process_emission", "allowance", "captured_stored", "heat", "fuel_heat:oven")
    ends = st.dates(date(2026, 1, 1), date(2026, 12, 31)).map(str)
    return [
        entry(kind, draw(st.floats(0.0, 1e9)), "2026-01-01", draw(st.one_of(st.just("2026-12-31"), ends)))
        for kind in draw(st.lists(st.sampled_from(what), unique=True))
    ]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Stretch, Facility]:
    """Draw a year or a month of a site, as of any instant in it; any setting or day may be missing."""
    stored_days = draw(days(date(2026, 1, 1)))
    over = draw(st.integers(at("2026-01-01") + 1, at("2027-01-01") + NS))
    this = Stretch("2026", at("2026-01-01"), at("2027-01-01"), over, stored_days)
    month = Stretch("2026-01", at("2026-01-01"), at("2026-02-01"), over, stored_days)
    past = [year(number, *draw(days(date(number, 1, 1)))) for number in (2023, 2024, 2025)]
    any_baseline = st.one_of(st.none(), st.builds(Baseline, st.floats(0.0, 1e9), st.integers(2015, 2025)))
    baselines = {claim: drawn for claim in ("A02", "A09", "B04") if (drawn := draw(any_baseline)) is not None}
    goals = GoalsConfig(
        price=draw(st.one_of(st.none(), st.floats(0.0, 1e4))),
        baselines=baselines,
        entries=tuple(draw(entries())),
    )
    devices = tuple(device for device in DEVICES if draw(st.booleans()))
    share = draw(st.one_of(st.none(), st.floats(0.0, 1.0)))
    site = plant(*devices, goals=goals, renewable=share, years=[*past, this])
    return draw(st.sampled_from((this, month))), site


def test_each_claim_has_a_single_indicator() -> None:
    expected = "A02 A03 A04 A05 A09 A10 A11 A12 A13 A14 A15 A21 A22 B03 B04 B05 B08 B09 B12 B14 B15 B16"
    assert " ".join(CLAIMS) == expected
    assert sum(len(module.INDICATORS) for module in MODULES) == len(CLAIMS)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(cases())
@pytest.mark.slow(2)
def test_no_stored_days_raise_an_error_in_an_indicator(case: tuple[Stretch, Facility]) -> None:
    stretch, site = case
    for claim, indicator in INDICATORS.items():
        finding = indicator.find(stretch, site)
        target = indicator.target(stretch, site)
        if isinstance(target, Target):
            assert isfinite(target.value), claim
            assert target.source, claim
        else:
            assert target is None or target.why, claim
        if isinstance(finding, MissingValue):
            assert finding.what, claim
            continue
        numbers = [finding.value, *(operand.value for operand in finding.inputs)]
        numbers += [operand.value for operand in finding.extras]
        assert all(isfinite(number) for number in numbers), (claim, finding)
        assert 0.0 <= finding.coverage <= 1.0, (claim, finding)
        assert finding.inputs, claim
        assert all(operand.source and operand.name for operand in finding.inputs), (claim, finding)


@pytest.mark.parametrize("claim", CLAIMS)
def test_without_stored_days_every_indicator_is_missing(claim: str) -> None:
    find: Callable[..., object] = INDICATORS[claim].find
    assert isinstance(find(period("2026-01-01", "2026-02-01"), plant(*DEVICES)), MissingValue)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_day_of_zeros_gives_only_zeros(claim: str) -> None:
    # a sum of 0 is known; a ratio with a denominator of 0 is undefined
    zero = replace(day("2026-01-01"), sums=dict.fromkeys(NAMES, 0.0))
    goals = GoalsConfig(entries=(entry("process_emission", 0, "2026-01-01", "2026-12-31"),))
    site = plant(*(device for device in DEVICES if device.name not in UNKNOWN), goals=goals, renewable=0.3)
    finding = INDICATORS[claim].find(year(2026, zero, over="2026-01-02"), site)
    assert isinstance(finding, MissingValue) or finding.value == 0.0, finding
