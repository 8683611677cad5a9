"""For any stored days and any missing input, no indicator raises an error, and every number is finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date
from math import isfinite
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wattgram.config.goals_table.claims import claims
from wattgram.config.goals_table.goals_settings import (
    Baseline,
    BaselineSettings,
    BuildingSettings,
    GoalsConfig,
    ProductSettings,
)
from wattgram.goals.indicators import base_load, benchmark, building, cement, manual, product, saving, steel, supply
from wattgram.goals.terms.day import Day, DeviceDay, Quarters
from wattgram.goals.terms.finding import IndicatorValue, MissingValue
from wattgram.goals.terms.indicator import Indicator, Target

from tests.support.goal_factory import FIRST, FULL, GAS, MASS, dates, day, entry, found, meter, month, site, year

T = TypeVar("T")

INDICATORS: dict[str, Indicator] = {}
for module in (benchmark, building, cement, base_load, manual, product, saving, steel, supply):
    INDICATORS |= module.INDICATORS

AMOUNTS = st.sampled_from([0.0, 5e-324, 1e-9, 1.0, 86400.0, 1e6, 1e18, 1e150]) | st.floats(0.0, 1e12)
SIGNED = AMOUNTS | st.floats(-1e12, 0.0)
NAMES = ("incomer", "furnace", "gas", "engine", "scale", "count", "co2", "sky")
RATIOS = ("emission_intensity", "grid_intensity", "mean_load")
SUMS = ("load_energy", "captured", *(f"{ratio}.part" for ratio in RATIOS), *(f"{ratio}.whole" for ratio in RATIOS))
DEVICES = (
    meter("incomer", "grid"),
    meter("engine", "chp", fuel_meter="gas", fuel_factor=2162.0),
    meter("gas", "fuel", GAS),
    meter("co2", "capture", MASS),
)
LINES = (
    ProductSettings("food", "A07", energy=("furnace",), output="scale", unit_mass=0.5),
    ProductSettings("sauce", "A07", energy=("furnace",)),
    ProductSettings("steel", "A16", "converter", ("furnace",), ("gas",), ("engine",), "scale"),
    ProductSettings("more steel", "A17", "eaf_50", ("furnace",), ("gas",), output="count"),
    ProductSettings("clinker", "A18", "clinker", ("furnace",), output="scale"),
    ProductSettings("cement", "A18", "cement", ("engine",), ("gas",), output="count"),
    ProductSettings("capture", "A19", energy=("furnace",), fuel=("gas",)),
    ProductSettings("engines", "B18", energy=("furnace",), fuel=("gas",), recovered=("engine",), output="count"),
)
BEGIN, LAST = date(2025, 1, 1), date(2026, 11, 30)


def devices() -> st.SearchStrategy[DeviceDay]:
    return st.builds(
        DeviceDay, **{field.name: SIGNED if field.name == "temperature" else AMOUNTS for field in fields(DeviceDay)}
    )


def most_of(values: Sequence[T], dropped: int) -> st.SearchStrategy[tuple[T, ...]]:
    """Draw all values but a few."""
    return st.sets(st.integers(0, len(values) - 1), max_size=dropped).map(
        lambda excluded: tuple(value for number, value in enumerate(values) if number not in excluded)
    )


def named_values(names: Sequence[str], values: st.SearchStrategy[T], dropped: int) -> st.SearchStrategy[dict[str, T]]:
    """Draw a value for most names."""
    return most_of(names, dropped).flatmap(lambda kept: st.fixed_dictionaries(dict.fromkeys(kept, values)))


def stored_days(first: date, count: int) -> st.SearchStrategy[list[Day]]:
    """Draw up to four kinds of days, and repeat them in turn."""
    kind = st.tuples(
        named_values(NAMES, devices(), 2),
        st.sampled_from([86400.0, 86400.0, 80000.0, 0.0]),
        st.builds(Quarters, st.integers(0, 96), AMOUNTS, AMOUNTS, st.just(0), AMOUNTS, AMOUNTS, st.integers(0, 20)),
        named_values(SUMS, AMOUNTS, 2),
    )
    return st.lists(kind, max_size=4).map(
        lambda drawn_kinds: [
            day(when, *drawn_kinds[number % len(drawn_kinds)])
            for number, when in enumerate(dates(first, count if drawn_kinds else 0))
        ]
    )


def goals_configs() -> st.SearchStrategy[GoalsConfig]:
    """Draw configurations with most of the settings."""
    whats = ("tonnes:sauce", "tonnes:food", "captured_stored", "rnd_share", "trained_staff", "fuel_heat:gas")
    entries = st.builds(entry, st.sampled_from(whats), AMOUNTS, st.just(FIRST), st.sampled_from(dates(FIRST, 30)))
    bases = st.none() | st.floats(-50.0, 50.0)
    outputs = st.sampled_from([(), ("food",), ("food", "more steel"), ("steel",), ("sauce",)])
    model = st.builds(
        BaselineSettings, st.just(date(2025, 1, 1)), st.just(date(2025, 12, 31)), outputs, bases, bases, st.just("sky")
    )
    building = st.builds(BuildingSettings, st.just("b"), st.just(("furnace",)), AMOUNTS, st.none() | AMOUNTS)
    baseline = st.builds(Baseline, AMOUNTS, st.integers(2000, 2030), st.none() | st.floats(-1.0, 1.0))
    return st.builds(
        GoalsConfig,
        products=most_of(LINES, 2) | st.just(LINES[:1]),
        buildings=st.lists(building, max_size=3).map(tuple),
        entries=st.lists(entries, max_size=6).map(tuple),
        model=model | st.none(),
        baselines=st.dictionaries(st.sampled_from(sorted(INDICATORS)), baseline),
    )


def loaded(first: date, count: int, load: float, amount: float) -> list[Day]:
    """Return days of a line: 1e150 Wh for almost no output have an infinite energy per tonne."""
    line = {"scale": DeviceDay(amount=amount), "furnace": DeviceDay(energy=load, seconds=FULL)}
    return [day(when, line, load_energy=load) for when in dates(first, count)]


TINY_HEAT = DeviceDay(energy=1.0, seconds=FULL, amount=1.0, curve_energy=1.0, curve_heat=5e-324)
"""A damaged day: the heat of the fuel by the curve is far below the energy that it gave."""


def test_these_indicators_belong_to_measured_claims() -> None:
    assert sorted(INDICATORS) == sorted(
        ["A07", "A16", "A17", "A18", "A19", "A23", "A24", "A25", "B02", "B06", "B07", "B10", "B11", "B13", "B18"]
    )
    assert set(INDICATORS) <= {claim.id for claim in claims() if claim.indicator}


@settings(max_examples=150, deadline=None)
@given(
    stored_days(FIRST, 30),
    stored_days(BEGIN, 36),
    goals_configs(),
    st.sampled_from([FIRST, *dates(FIRST, 30)[9:], date(2027, 1, 1)]),
)
@example(
    loaded(FIRST, 30, 1.0, 1.0), loaded(BEGIN, 36, 1e150, 1e-200), GoalsConfig(products=LINES[:1]), dates(FIRST, 30)[-1]
)
@example([day(FIRST, {"engine": TINY_HEAT, "gas": TINY_HEAT})], [], GoalsConfig(), date(2027, 1, 1))
@pytest.mark.slow(5)
def test_no_site_raises_an_error_in_an_indicator(
    now: list[Day], before: list[Day], config: GoalsConfig, over: date
) -> None:
    stretch = month(now, over=over)
    facility = site(config, DEVICES, {2025: year(2025, before)})
    for claim, indicator in INDICATORS.items():
        finding = indicator.find(stretch, facility)
        if isinstance(finding, IndicatorValue):
            numbers = [finding.value, finding.coverage, *(operand.value for operand in finding.inputs)]
            numbers += [extra.value for extra in finding.extras]
            assert all(isfinite(number) for number in numbers), claim
            assert 0.0 <= finding.coverage <= 1.0, claim
            assert finding.inputs, claim
        else:
            assert finding.what, claim
        target = indicator.target(stretch, facility)
        if isinstance(target, Target):
            assert isfinite(target.value), claim
        else:
            assert target is None or target.why, claim


@pytest.mark.parametrize("claim", sorted(INDICATORS))
def test_a_complete_site_has_every_number(claim: str) -> None:
    fields_of_1 = {field.name: 1.0 for field in fields(DeviceDay)}
    devices = dict.fromkeys(
        NAMES, DeviceDay(**{**fields_of_1, "seconds": FULL, "reactive_seconds": FULL, "observed": FULL})
    )
    kinds = [{**devices, "scale": DeviceDay(amount=amount)} for amount in (1.0, 2.0)]
    sums = dict.fromkeys(SUMS, 1.0)
    now, before = (
        [
            day(when, kinds[number % 2], quarters=Quarters(96, 1.0, 1.0, 0, 1.0, 1.0, 20), sums=sums)
            for number, when in numbered
        ]
        for numbered in (enumerate(dates(FIRST, 30)), enumerate(dates(date(2025, 1, 1), 30)))
    )
    whats = ("tonnes:sauce", "rnd_share", "trained_staff", "scrap_ratio:steel")
    config = GoalsConfig(
        products=LINES,
        buildings=(BuildingSettings("b", ("furnace",), 1.0, 1.0),),
        entries=tuple(entry(what, 1.0, FIRST, LAST) for what in whats),
        model=BaselineSettings(BEGIN, date(2025, 12, 31), ("food",)),
        baselines=dict.fromkeys(INDICATORS, Baseline(1.0, 2025, -0.01)),
    )
    facility = site(config, DEVICES, {2025: year(2025, before)})
    found(INDICATORS[claim].find(month(now), facility))
    if claim not in ("A19", "A23", "A24", "B11", "B13"):  # no target, or that of a curve which this site lacks
        assert isinstance(INDICATORS[claim].target(month(now), facility), Target)


@pytest.mark.parametrize("claim", sorted(INDICATORS))
def test_without_configuration_and_days_every_indicator_is_missing(claim: str) -> None:
    unconfigured = INDICATORS[claim].find(month([]), site())
    assert isinstance(unconfigured, MissingValue)
    assert unconfigured.add, claim
    stale = INDICATORS[claim].find(replace(month([]), as_of=0), site())
    assert isinstance(stale, MissingValue)
