"""Mix times factors: the totals of METHOD 1.4 and the rules of 4.2; all numbers are from there or calculated here."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.grid.mix import IPCC, SETS, SPELLINGS, Factors, checked_name, fuel_of

DIRECT = Factors.shipped("china", "direct")


def nation(year: int) -> dict[str, float | None]:
    """Return the generation mix of China in a year, from the shipped table (METHOD 2.4)."""
    with files("wattgram.grid").joinpath("generation_mix.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["fuel"]: float(row["share"]) for row in rows if (row["zone"], row["year"]) == ("CN", str(year))}


@pytest.mark.parametrize(
    ("year", "name", "basis", "expected"),
    [
        # METHOD 1.4, line by line; with 0.814 % of oil at 935 in place of 406 g/kWh, direct, 4.3 more than its table
        (2023, "china", "direct", 530.27),
        (2023, "ipcc", "direct", 481.6),
        (2024, "ipcc", "lifecycle", 508.4),
        (2024, "china", "lifecycle", 564.9),
    ],
)
def test_the_national_mix_gives_the_totals_of_the_method(year: int, name: str, basis: str, expected: float) -> None:
    mixed = Factors.shipped(name, basis).mixed(nation(year), 1.0)
    assert mixed.intensity == pytest.approx(expected, abs=0.05)
    assert not mixed.estimated


def test_the_clean_share_is_the_share_without_fossil_fuel() -> None:
    # 2023: nuclear 4.597, hydro 12.965, wind 9.368, solar 6.177, biomass 2.096 %
    assert DIRECT.mixed(nation(2023), 1.0).clean_share == pytest.approx(0.35203, abs=1e-4)


def test_shares_within_two_percent_of_one_are_rescaled() -> None:
    mixed = DIRECT.mixed({"coal": 0.49, "hydro": 0.49}, 1.0)
    assert mixed.shares == pytest.approx({"coal": 0.5, "hydro": 0.5})
    assert mixed.intensity == pytest.approx(420.0)  # 0.5 x 840
    assert not mixed.estimated
    assert DIRECT.mixed({"coal": 0.51, "hydro": 0.51}, 1.0).intensity == pytest.approx(420.0)


def test_the_rest_of_a_low_sum_gets_the_unknown_factor_and_is_estimated() -> None:
    mixed = DIRECT.mixed({"coal": 0.5, "hydro": 0.3}, 1.0)
    assert mixed.intensity == pytest.approx(0.5 * 840 + 0.2 * 575)
    assert mixed.shares["unknown"] == pytest.approx(0.2)
    assert mixed.estimated


def test_a_sum_above_one_is_no_mix() -> None:
    with pytest.raises(ValueError, match=r"add up to 1\.03"):
        DIRECT.mixed({"coal": 0.6, "hydro": 0.43}, 1.0)


def test_a_fuel_that_is_null_is_unknown_and_not_zero() -> None:
    mixed = DIRECT.mixed({"coal": None, "hydro": 0.4, "wind": 0.1}, 1.0)
    assert mixed.intensity == pytest.approx(0.5 * 575)  # as zero it would be 0 g/kWh
    assert mixed.estimated
    assert DIRECT.mixed({"coal": None, "hydro": 300.0, "gas": 100.0}).estimated  # MW, the whole is not known


def test_a_null_in_a_complete_sum_is_zero() -> None:
    assert not DIRECT.mixed({"coal": 600.0, "hydro": 400.0, "geothermal": None}, 1000.0).estimated


def test_a_charging_storage_is_no_source_and_a_discharging_storage_has_its_factor() -> None:
    charging = DIRECT.mixed({"coal": 500.0, "hydro": 500.0, "battery discharge": -400.0, "hydro_storage": -50.0})
    assert charging.intensity == pytest.approx(420.0)
    discharging = DIRECT.mixed({"coal": 500.0, "hydro": 400.0, "battery discharge": 100.0})
    assert discharging.intensity == pytest.approx(0.5 * 840 + 0.1 * 297.68)
    assert discharging.clean_share == pytest.approx(0.4)


def test_a_small_negative_fuel_is_own_use_and_a_large_negative_fuel_is_refused() -> None:
    assert DIRECT.mixed({"coal": 990.0, "hydro": 10.0, "solar": -3.0}).intensity == pytest.approx(0.99 * 840)
    with pytest.raises(ValueError, match="only a storage may be below 0"):
        DIRECT.mixed({"coal": 990.0, "solar": -100.0})


def test_an_unknown_fuel_has_the_unknown_factor() -> None:
    mixed = DIRECT.mixed({"coal": 0.5, "dilithium": 0.5}, 1.0)
    assert mixed.intensity == pytest.approx(0.5 * 840 + 0.5 * 575)
    assert mixed.estimated


@pytest.mark.parametrize("amounts", [{}, {"coal": None}, {"coal": 0.0}, {"coal": 1e308, "gas": 1e308}])
def test_a_mix_without_amounts_is_refused(amounts: dict[str, float | None]) -> None:
    with pytest.raises(ValueError, match="no fuel has an amount"):
        DIRECT.mixed(amounts)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("basis", ["direct", "lifecycle"])
def test_every_fuel_has_a_factor_with_a_source(name: str, basis: str) -> None:
    with files("wattgram.grid").joinpath("emission_factors.csv").open(encoding="utf-8") as file:
        sources = {row["fuel"]: row["source"] for row in csv.DictReader(file)}
    factors = Factors.shipped(name, basis).by_fuel
    assert set(factors) == set(IPCC)
    assert all(0.0 <= factor <= 935.0 for factor in factors.values())
    assert all(sources[row] for pair in SETS[name].values() for row in pair)


def test_names_of_fuels_have_several_spellings_and_a_wrong_name_is_reported() -> None:
    assert [fuel_of(name) for name in ("Coal", "PV", "hydro_discharge", "Other", "x")] == [
        "coal", "solar", "hydro discharge", "unknown", "unknown",
    ]  # fmt: skip
    assert {fuel_of(name) for name in SPELLINGS} <= set(IPCC)
    with pytest.raises(ValueError, match="found 'hidro', nearest: 'hydro'"):
        checked_name("hidro")


@given(
    st.dictionaries(
        st.one_of(st.sampled_from([*IPCC, *SPELLINGS]), st.text(max_size=9)),
        st.one_of(st.none(), st.floats()),
        max_size=9,
    ),
    st.one_of(st.none(), st.floats()),
)
def test_any_amounts_are_refused_or_give_a_possible_intensity(
    amounts: dict[str, float | None], total: float | None
) -> None:
    try:
        mixed = DIRECT.mixed(amounts, total)
    except ValueError:
        return
    assert 0.0 <= mixed.intensity <= 935.0 + 1e-9
    assert 0.0 <= mixed.clean_share <= 1.0
    assert sum(mixed.shares.values()) == pytest.approx(1.0)
