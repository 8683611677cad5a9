"""Energy per tonne of a food line and per tested engine: METHOD 6.2 A07 and 6.3 B18, by hand."""

from __future__ import annotations

from datetime import date
from math import isclose

import pytest
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig, ProductSettings
from wattgram.goals.indicators.product import INDICATORS
from wattgram.goals.terms.day import DeviceDay
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import NoTarget

from tests.support.goal_factory import (
    FIRST,
    GAS,
    aimed,
    dates,
    day,
    each,
    entry,
    extra,
    found,
    made,
    meter,
    missing,
    month,
    site,
    used,
    year,
)

FOOD, BENCH = INDICATORS["A07"], INDICATORS["B18"]
LINE = ProductSettings("hotpot base", "A07", energy=("mixer", "filler"), output="press", unit_mass=0.5)
ENGINES = ProductSettings("engine", "B18", energy=("bench",), fuel=("gas",), recovered=("brake",), output="count")
METERS = {"mixer": used(1), "filler": used(1)}


def test_the_value_of_a_food_line_is_energy_over_mass() -> None:
    # 30 days of 120 + 80 kWh and 1600 pieces of 0.5 kg: 6000 kWh / 24 t = 250 kWh/t
    days = each(FIRST, 30, {"mixer": used(120), "filler": used(80), "press": made(1600)})
    finding = found(FOOD.find(month(days), site(GoalsConfig(products=(LINE,)))))
    assert finding.value == 250.0
    assert finding.arithmetic == "6000 kWh / 24 t = 250 kWh/t"
    assert finding.inputs == (
        Input("energy of mixer", 3600.0, "kWh", "meter mixer, 30 days"),
        Input("energy of filler", 2400.0, "kWh", "meter filler, 30 days"),
        Input("output of hotpot base", 24.0, "t", "counter of press x 0.5 kg, 30 days"),
    )
    assert (finding.coverage, finding.entry) == (1.0, "")


def test_the_value_of_several_lines_is_the_sum_over_the_sum() -> None:
    # 600 kWh / 2 t = 300 and 900 kWh / 1 t = 900; together 1500 / 3 = 500, not the mean of both
    noodles = ProductSettings("noodles", "A07", energy=("oven",), output="belt")
    lines = GoalsConfig(products=(ProductSettings("sauce", "A07", energy=("mixer",), output="press"), noodles))
    days = [day(FIRST, {"mixer": used(600), "press": made(2000), "oven": used(900), "belt": made(1000)})]
    finding = FOOD.find(month(days), site(lines))
    assert found(finding).value == 500.0
    assert (extra(finding, "sauce"), extra(finding, "noodles")) == (300.0, 900.0)
    assert found(finding).arithmetic.endswith("1500 kWh / 3 t = 500 kWh/t")


def test_coverage_is_the_lowest_coverage_of_a_meter() -> None:
    # the filler was known on 27 of 30 days that are over, the counter on 24
    days = each(FIRST, 24, {"mixer": used(120), "filler": used(80), "press": made(1600)})
    days += each(date(2026, 11, 25), 3, {"mixer": used(120), "filler": used(80)})
    days += each(date(2026, 11, 28), 3, {"mixer": used(120)})
    goals = GoalsConfig(products=(LINE,))
    assert found(FOOD.find(month(days), site(goals))).coverage == pytest.approx(24 / 30)
    half = each(FIRST, 30, {"mixer": used(120, 43200.0), "filler": used(80), "press": made(1600)})
    assert found(FOOD.find(month(half), site(goals))).coverage == 0.5


def test_entered_tonnes_count_with_the_energy_of_their_days() -> None:
    # Of 2026 two months were entered, 59 days of 100 kWh over 29.5 t; the 14 days of March have no tonnes yet
    by_hand = ProductSettings("sauce", "A07", energy=("mixer",))
    tonnes = (
        entry("tonnes:sauce", 15.0, date(2026, 1, 1), date(2026, 1, 31)),
        entry("tonnes:sauce", 14.5, date(2026, 2, 1), date(2026, 2, 28)),
        entry("tonnes:sauce", 90.0, date(2026, 3, 1), date(2026, 3, 31)),
        entry("tonnes:salt", 99.0, date(2026, 1, 1), date(2026, 1, 31)),
    )
    days = each(date(2026, 1, 1), 73, {"mixer": used(100)})
    so_far = year(2026, days, over=date(2026, 3, 15))
    finding = found(FOOD.find(so_far, site(GoalsConfig(products=(by_hand,), entries=tonnes))))
    assert finding.value == 200.0
    assert finding.coverage == pytest.approx(59 / 73)
    assert finding.entry == "manual entry of Li Na, 2026-03-02, weighbridge log"
    assert finding.inputs[0] == Input("energy of mixer", 5900.0, "kWh", "meter mixer, 59 days")
    assert [operand.value for operand in finding.inputs[1:]] == [15.0, 14.5]


def test_the_latest_of_several_entries_for_the_same_days_counts() -> None:
    by_hand = ProductSettings("sauce", "A07", energy=("mixer",))
    first, last = FIRST, date(2026, 11, 30)
    tonnes = (
        entry("tonnes:sauce", 15.0, first, last, entered=date(2026, 12, 5)),
        entry("tonnes:sauce", 10.0, first, last, entered=date(2026, 12, 9)),
        entry("tonnes:sauce", 20.0, first, last, entered=date(2026, 12, 1)),
    )
    days = each(FIRST, 30, {"mixer": used(100)})
    finding = found(FOOD.find(month(days), site(GoalsConfig(products=(by_hand,), entries=tonnes))))
    assert finding.value == 300.0  # 3000 kWh / 10 t
    assert finding.entry == "manual entry of Li Na, 2026-12-09, weighbridge log"


@pytest.mark.parametrize(
    ("product", "devices", "what", "add"),
    [
        (None, {}, "no product of goal A07", 'add [[goals.product]] with goal = "A07", energy and output'),
        (
            ProductSettings("sauce", "A07", output="press"),
            {"press": made(5)},
            "no meter of sauce",
            "add energy, the names of its sub-meters, to the product sauce",
        ),
        (
            LINE,
            {"press": made(5), "filler": used(1)},
            "no energy data of mixer in 2026-11",
            "check the readings of mixer",
        ),
        (
            LINE,
            {"mixer": used(1), "filler": used(1)},
            "no counter data of press in 2026-11",
            "check the readings of press",
        ),
        (
            LINE,
            {"mixer": used(1), "filler": used(1), "press": made(0)},
            "no output of hotpot base in 2026-11",
            "",
        ),
        (
            ProductSettings("sauce", "A07", energy=("mixer",)),
            {"mixer": used(1)},
            "no entry tonnes:sauce for 2026-11",
            'add output to the product, or [[goals.entry]] with what = "tonnes:sauce" for finished days',
        ),
    ],
)
def test_the_missing_input_is_named(
    product: ProductSettings | None, devices: dict[str, DeviceDay], what: str, add: str
) -> None:
    goals = GoalsConfig(products=(product,) if product else ())
    finding = missing(FOOD.find(month([day(FIRST, devices)]), site(goals)))
    assert (finding.what, finding.add) == (what, add)


def test_the_target_falls_by_the_path_of_the_site() -> None:
    # 250 kWh/t of 2024, two years later: 250 x 0.971 x 0.971 = 235.71025; in 2024 and before 250
    goals = GoalsConfig(baselines={"A07": Baseline(250.0, 2024, -0.029)})
    target = aimed(FOOD.target(month([]), site(goals)))
    assert target.value == pytest.approx(235.71025)
    assert target.own
    assert "site choice, -2.9 % a year" in target.source
    assert "2024" in target.source
    assert aimed(FOOD.target(year(2023, []), site(goals))).value == 250.0
    for without_path in (GoalsConfig(), GoalsConfig(baselines={"A07": Baseline(250.0, 2024)})):
        assert isinstance(FOOD.target(month([]), site(without_path)), NoTarget)
    assert FOOD.better == "lower"


def test_the_energy_of_a_test_bench_is_fuel_and_electricity_less_recovered_energy() -> None:
    # 50 m3 of gas are 50 x 38.931 / 3.6 = 540.708 kWh; + 260 - 200.708 kWh = 600 kWh over 4 engines: 150 kWh each
    days = [day(FIRST, {"bench": used(260), "brake": used(200.7083333333333), "gas": made(50), "count": made(4)})]
    goals = GoalsConfig(products=(ENGINES,))
    finding = found(BENCH.find(month(days), site(goals, [meter("gas", "fuel", GAS, fuel="natural_gas")])))
    assert isclose(finding.value, 150.0)
    assert finding.arithmetic.startswith("(50 m3 x 10.81416667 kWh/m3 + 260 kWh - 200.7083333 kWh) / 4 = ")
    assert [operand.unit for operand in finding.inputs] == ["kWh", "kWh", "m3", "pieces"]
    assert "389.31 GJ per 10 000 Nm3" in finding.inputs[2].source


def test_the_number_of_engines_can_be_entered() -> None:
    by_hand = ProductSettings("engine", "B18", energy=("bench",))
    goals = GoalsConfig(products=(by_hand,), entries=(entry("pieces:engine", 20, FIRST, date(2026, 11, 30)),))
    finding = found(BENCH.find(month(each(FIRST, 30, {"bench": used(100)})), site(goals)))
    assert finding.value == 150.0  # 3000 kWh / 20
    assert finding.entry


def test_a_bench_whose_gas_is_unknown_has_no_value() -> None:
    days = [day(FIRST, {"bench": used(260), "brake": used(200), "gas": made(50), "count": made(4)})]
    finding = missing(BENCH.find(month(days), site(GoalsConfig(products=(ENGINES,)), [meter("gas", "fuel", GAS)])))
    assert finding.what == "the heat of a m3 of the fuel of gas is unknown"
    assert 'what = "fuel_heat:gas"' in finding.add


def test_an_entry_for_unfinished_days_gives_no_tonnes() -> None:
    by_hand = ProductSettings("sauce", "A07", energy=("mixer",))
    goals = GoalsConfig(products=(by_hand,), entries=(entry("tonnes:sauce", 9, FIRST, date(2026, 11, 30)),))
    days = each(FIRST, 29, {"mixer": used(100)})
    assert "no entry" in missing(FOOD.find(month(days, over=dates(FIRST, 30)[-1]), site(goals))).what
