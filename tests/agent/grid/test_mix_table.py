"""A table of generation with holes: what counts as unknown, what is not used, and what is said (docs/grid.md)."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.grid.mix import Factors
from wattgram.grid.signal import possible
from wattgram.grid.sources.mix_table import MixRow, mixes
from wattgram.grid.sources.web_source import WebValues

from tests.support.approximate import near
from tests.support.grid_signals import utc

DIRECT = Factors.shipped("ipcc", "direct")
FUELS = {"coal": "coal", "gas": "gas", "wind": "wind", "solar": "solar", "geo": "geothermal", "pump": "hydro discharge"}
BEGIN = utc("2026-06-01T00:00:00+00:00")
HOUR = 3600 * NS


def rows(*amounts: dict[str, float | None], begin: int = BEGIN) -> list[MixRow]:
    return [MixRow(begin + hour * HOUR, begin + (hour + 1) * HOUR, found) for hour, found in enumerate(amounts)]


def signals(table: list[MixRow], before: dict[str, float] | None = None, arrived: int = BEGIN + 99 * HOUR) -> WebValues:
    return mixes(table, FUELS, DIRECT, "table", arrived, before or {})


WHOLE: dict[str, float | None] = {"coal": 400.0, "wind": 580.0, "geo": 20.0}
HOLE = WHOLE | {"geo": None}


def test_a_small_series_with_a_hole_counts_as_unknown() -> None:
    found = signals(rows(WHOLE, HOLE, WHOLE))
    # coal 760, wind 0, geothermal 0; unknown 575: 0.4 x 760 + 0.02 x 575 (emission_factors.csv)
    assert [signal.intensity for signal in found.signals] == [near(304.0), near(315.5), near(304.0)]
    assert [(signal.tier, signal.estimated) for signal in found.signals] == [(1, False), (2, True), (1, False)]
    assert found.signals[1].shares == {"coal": near(0.4), "wind": near(0.58), "unknown": near(0.02)}
    assert found.signals[1].clean_share == near(0.58)
    assert found.remark == "geo missing for a time: counted as fuel unknown, estimated"


def test_a_large_series_with_a_hole_costs_the_period_and_is_named() -> None:
    found = signals(rows(WHOLE, WHOLE | {"wind": None}, WHOLE))
    assert [signal.valid_from for signal in found.signals] == [BEGIN, BEGIN + 2 * HOUR]
    assert found.remark == "wind missing: these periods are not used"


def test_a_large_amount_that_becomes_0_waits_for_an_hour() -> None:
    """580 of 1000 are no wind an hour later; 20 of 1000 may be a unit that stops."""
    table = rows(WHOLE, WHOLE | {"wind": 0.0})
    end = table[-1].end
    assert len(signals(table, arrived=end + HOUR - 1).signals) == 1
    assert [signal.intensity for signal in signals(table, arrived=end + HOUR).signals] == [
        near(304.0), near(760 * 400 / 420),
    ]  # fmt: skip
    again = rows(WHOLE, WHOLE | {"wind": 0.0}, WHOLE | {"wind": 0.0})
    assert len(signals(again, arrived=again[-1].end - 1).signals) == 1  # neither of two
    pumps = rows(WHOLE | {"pump": 500.0}, WHOLE | {"pump": 0.0})  # a storage may stop
    assert len(signals(pumps, arrived=pumps[-1].end).signals) == 2
    small = rows(WHOLE, WHOLE | {"geo": 0.0})
    assert len(signals(small, arrived=small[-1].end).signals) == 2


def test_a_series_without_any_value_is_named() -> None:
    found = signals(rows(WHOLE | {"gas": None}, WHOLE | {"gas": None}))
    assert [signal.tier for signal in found.signals] == [1, 1]
    assert found.remark == "gas without any value: taken as no part of this grid"
    known = signals(rows(WHOLE | {"gas": None}), {"gas": 0.05})
    assert known.remark == "gas missing for a time: counted as fuel unknown, estimated"


def test_a_period_that_is_not_complete_yet_waits_for_an_hour() -> None:
    table = rows(WHOLE, HOLE)
    end = table[-1].end
    assert len(signals(table, arrived=end + HOUR - 1).signals) == 1
    assert signals(table, arrived=end + HOUR - 1).remark == ""
    assert len(signals(table, arrived=end + HOUR).signals) == 2


@pytest.mark.parametrize(("time", "used"), [(2, True), (12, False)])
def test_the_day_before_tells_a_roof_at_night_from_a_roof_at_noon(time: int, used: bool) -> None:
    """At night the operator may stop to report the roofs: 0 the day before, thus 0. At noon they are half of all."""

    def sun(hour: int) -> float:
        return 980.0 if 6 <= hour % 24 <= 18 else 0.0

    table = rows(*({"coal": 1000.0, "solar": None if hour == 24 + time else sun(hour)} for hour in range(48)))
    found = {(signal.valid_from - BEGIN) // HOUR: signal for signal in signals(table).signals}
    assert (24 + time in found) == used
    if used:
        assert (found[26].intensity, found[26].tier) == (near(760.0), 2)


def test_a_series_that_disappears_altogether_is_missing_as_well() -> None:
    gas: dict[str, float | None] = {"gas": 500.0, "wind": 500.0}
    with_large, with_small = {"coal": 0.3, "gas": 0.3}, {"geothermal": 0.02, "gas": 0.5, "unknown": 0.2}
    assert signals(rows(gas), with_large).signals == []
    assert signals(rows(gas), with_large).remark == "coal missing: these periods are not used"
    (signal,) = signals(rows(gas), with_small).signals
    assert (signal.tier, signal.shares) == (2, {"gas": near(0.49), "wind": near(0.49), "unknown": near(0.02)})


def test_an_impossible_mix_costs_its_period_alone_and_is_said() -> None:
    found = signals(rows(WHOLE, WHOLE | {"geo": -300.0}, WHOLE))
    assert [signal.valid_from for signal in found.signals] == [BEGIN, BEGIN + 2 * HOUR]
    assert found.remark == "a mix is not used: a fuel has the amount -300; only a storage may be below 0"


def test_a_series_that_never_had_an_amount_is_no_part_of_the_grid() -> None:
    (signal,) = signals(rows(WHOLE | {"peat": None})).signals
    assert signal.tier == 1


def test_charging_is_no_generation_and_hides_no_other_storage() -> None:
    (signal,) = signals(rows({"coal": 500.0, "wind": 500.0, "pump": -300.0})).signals
    assert signal.intensity == near(380.0)


AMOUNTS = st.one_of(st.none(), st.floats(-50.0, 5000.0), st.sampled_from([0.0, inf]))
TABLES = st.lists(st.dictionaries(st.sampled_from([*sorted(FUELS), "x"]), AMOUNTS, max_size=7), min_size=1, max_size=8)


@given(TABLES, st.dictionaries(st.sampled_from(sorted(set(FUELS.values()))), st.floats(0.0, 1.0), max_size=3))
def test_any_table_gives_possible_signals_whose_known_shares_are_right(
    tables: list[dict[str, float | None]], before: dict[str, float]
) -> None:
    table = rows(*tables)
    for signal in mixes(table, FUELS, DIRECT, "table", BEGIN + 99 * HOUR, before).signals:
        assert possible(signal.intensity)
        assert signal.shares is not None
        assert sum(signal.shares.values()) == pytest.approx(1.0)
        row = tables[(signal.valid_from - BEGIN) // HOUR]
        if any(row.get(name) is None for other in tables for name, amount in other.items() if amount is not None):
            assert signal.estimated
