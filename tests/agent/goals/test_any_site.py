"""Whatever was stored and whatever is missing: no indicator raises, and every number that it gives is one."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.goals.claim import claims
from wattgram.goals.day import Day, DeviceDay, Quarters
from wattgram.goals.finding import Found, Missing
from wattgram.goals.indicator import Indicator
from wattgram.goals.indicators import benchmark, building, cement, load, manual, product, saving, steel, supply
from wattgram.goals.settings import Baseline, Building, GoalsConfig, Model, Product

from tests.agent.goals.factory import FIRST, GAS, MASS, dates, day, entry, meter, month, site, year

OURS: dict[str, Indicator] = {}
for module in (benchmark, building, cement, load, manual, product, saving, steel, supply):
    OURS |= module.INDICATORS

AMOUNTS = st.sampled_from([0.0, 5e-324, 1e-9, 1.0, 86400.0, 1e6, 1e18, 1e150]) | st.floats(0.0, 1e12)
SIGNED = AMOUNTS | st.floats(-1e12, 0.0)
NAMES = ("incomer", "furnace", "gas", "engine", "scale", "count", "co2", "sky")
RATIOS = ("emission_intensity", "grid_intensity")
SUMS = ("load_energy", "captured", *(f"{one}.part" for one in RATIOS), *(f"{one}.whole" for one in RATIOS))
DEVICES = (
    meter("incomer", "grid"),
    meter("engine", "chp", fuel_meter="gas", fuel_factor=2162.0),
    meter("gas", "fuel", GAS),
    meter("co2", "capture", MASS),
)
LINES = (
    Product("food", "A07", energy=("furnace",), output="scale", unit_mass=0.5),
    Product("sauce", "A07", energy=("furnace",)),
    Product("steel", "A16", "converter", ("furnace",), ("gas",), ("engine",), "scale"),
    Product("more steel", "A17", "eaf_50", ("furnace",), ("gas",), output="count"),
    Product("clinker", "A18", "clinker", ("furnace",), output="scale"),
    Product("cement", "A18", "cement", ("engine",), ("gas",), output="count"),
    Product("capture", "A19", energy=("furnace",), fuel=("gas",)),
    Product("engines", "B18", energy=("furnace",), fuel=("gas",), recovered=("engine",), output="count"),
)
LAST = date(2026, 11, 30)


def devices() -> st.SearchStrategy[DeviceDay]:
    return st.builds(
        DeviceDay, **{one.name: SIGNED if one.name == "temperature" else AMOUNTS for one in fields(DeviceDay)}
    )


def stored(first: date, count: int) -> st.SearchStrategy[list[Day]]:
    """Up to three kinds of days in turn, some of which are not there."""
    one = st.tuples(
        st.dictionaries(st.sampled_from(NAMES), devices()),
        st.sampled_from([0.0, 80000.0, 86400.0]),
        st.builds(Quarters, st.integers(0, 96), AMOUNTS, AMOUNTS, st.just(0), AMOUNTS, AMOUNTS, st.integers(0, 20)),
        st.dictionaries(st.sampled_from(SUMS), SIGNED),
    )
    return st.lists(one | st.none(), min_size=1, max_size=3).map(
        lambda kinds: [
            day(when, kind[0], kind[1], kind[2], **kind[3])
            for number, when in enumerate(dates(first, count))
            if (kind := kinds[number % len(kinds)]) is not None
        ]
    )


def goals() -> st.SearchStrategy[GoalsConfig]:
    whats = ("tonnes:sauce", "tonnes:food", "captured_stored", "rnd_share", "trained_staff", "fuel_heat:gas")
    entries = st.builds(entry, st.sampled_from(whats), AMOUNTS, st.just(FIRST), st.sampled_from(dates(FIRST, 30)))
    models = st.builds(
        Model,
        st.just(date(2025, 1, 1)),
        st.just(date(2025, 12, 31)),
        st.lists(st.sampled_from(("food", "steel", "more steel", "sauce")), unique=True).map(tuple),
        st.none() | st.floats(-50.0, 50.0),
        st.none() | st.floats(-50.0, 50.0),
        st.just("sky"),
    )
    buildings = st.builds(Building, st.just("b"), st.just(("furnace",)), AMOUNTS, st.none() | AMOUNTS)
    return st.builds(
        GoalsConfig,
        products=st.lists(st.sampled_from(LINES), unique=True).map(tuple),
        buildings=st.lists(st.builds(Building, st.just("b"), st.just(("furnace",)), AMOUNTS, st.none() | AMOUNTS)).map(
            tuple
        ),
        entries=st.lists(entries, max_size=4).map(tuple),
        model=st.none() | models,
        baselines=st.dictionaries(
            st.sampled_from(sorted(OURS)),
            st.builds(Baseline, AMOUNTS, st.integers(2000, 2030), st.none() | st.floats(-1.0, 1.0)),
        ),
    )


def test_these_are_the_indicators_of_the_claims_that_they_are_about() -> None:
    assert sorted(OURS) == sorted(
        ["A07", "A16", "A17", "A18", "A19", "A23", "A24", "A25", "B02", "B06", "B07", "B10", "B11", "B13", "B18"]
    )
    assert set(OURS) <= {one.id for one in claims() if one.indicator}


@settings(max_examples=150, deadline=None)
@given(
    stored(FIRST, 30),
    stored(date(2025, 1, 1), 36),
    goals(),
    st.sampled_from([FIRST, *dates(FIRST, 30)[9:], date(2027, 1, 1)]),
)
def test_no_site_breaks_an_indicator(now: list[Day], before: list[Day], said: GoalsConfig, over: date) -> None:
    stretch = month(now, over=over)
    facility = site(said, DEVICES, {2025: year(2025, before)})
    for claim, indicator in OURS.items():
        finding = indicator.find(stretch, facility)
        if isinstance(finding, Found):
            numbers = [finding.value, finding.coverage, *(one.value for one in (*finding.inputs, *finding.extras))]
            assert all(isfinite(one) for one in numbers), claim
            assert 0.0 <= finding.coverage <= 1.0, claim
            assert finding.inputs, claim
        else:
            assert finding.what, claim
        target = indicator.target(stretch, facility)
        assert target is None or isfinite(target.value), claim


@pytest.mark.parametrize("claim", sorted(OURS))
def test_without_configuration_and_days_something_is_missing(claim: str) -> None:
    bare = OURS[claim].find(month([]), site())
    assert isinstance(bare, Missing)
    assert bare.add, claim
    stale = OURS[claim].find(replace(month([]), over=0), site())
    assert isinstance(stale, Missing)
