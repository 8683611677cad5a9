"""Process energy against the classes of GB 21256-2025, CO2 per tonne of steel: METHOD 5, 6.2 A16 and A17, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig, ManualEntry, ProductSettings
from wattgram.config.goals_table.standard_limits import limits
from wattgram.goals.indicators.benchmark import INDICATORS as BENCHMARKS
from wattgram.goals.indicators.steel import INDICATORS
from wattgram.goals.quantities.limit_corrections import corrected
from wattgram.goals.terms.day import DeviceDay
from wattgram.goals.terms.indicator import NoTarget

from tests.support.approximate import near
from tests.support.goal_factory import (
    FIRST,
    GAS,
    aimed,
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
)

ENERGY, CARBON, GAP = INDICATORS["A16"], INDICATORS["A17"], BENCHMARKS["A25"]
FURNACE = ProductSettings("arc furnace", "A16", "eaf_70", energy=("furnace",), fuel=("gas",), output="scale")
BURNER = meter("gas", "fuel", GAS, fuel="natural_gas")


def arc_furnace(goal: str = "A16", process: str = "eaf_70") -> GoalsConfig:
    """Return the goals of a works with a single furnace."""
    return GoalsConfig(products=(replace(FURNACE, goal=goal, process=process),), entries=(percent("hot_metal_ratio"),))


def percent(what: str, value: float = 0.0, product: str = "arc furnace") -> ManualEntry:
    """Return an entry of a correction for November."""
    return entry(f"{what}:{product}", value, FIRST, date(2026, 11, 30), unit="%")


def furnace_day(kwh: float) -> dict[str, DeviceDay]:
    """Return a day of 100 t and 1000 m3 of gas."""
    return {"furnace": used(kwh), "gas": made(1000), "scale": made(100_000)}


@pytest.mark.parametrize(
    ("kwh", "value", "reached"),
    [
        # 1000 m3 x 1.2143 = 1214.3 kgce; + kWh x 0.1229, over 100 t
        (39_000.0, (39_000 * 0.1229 + 1214.3) / 100, 1),  # 60.074
        (40_000.0, (40_000 * 0.1229 + 1214.3) / 100, 2),  # 61.303
        (45_000.0, (45_000 * 0.1229 + 1214.3) / 100, 3),  # 67.448
        (50_000.0, (50_000 * 0.1229 + 1214.3) / 100, None),  # 73.593
    ],
)
def test_a_furnace_has_a_class(kwh: float, value: float, reached: int | None) -> None:
    finding = ENERGY.find(month([day(FIRST, furnace_day(kwh))]), site(arc_furnace(), [BURNER]))
    assert found(finding).value == pytest.approx(value)
    words = f"class {reached}" if reached else "worse than class 3"
    assert found(finding).note == (
        f"arc furnace: {words} of GB 21256-2025 (eaf_70 61/64/72 kgce/t, corrected: hot_metal_ratio 0 % "
        "(manual entry of Li Na, 2026-12-02, weighbridge log))"
    )
    if reached:
        assert extra(finding, "class of arc furnace") == reached
    else:
        assert not found(finding).extras


def test_the_arithmetic_shows_the_calculation() -> None:
    finding = found(ENERGY.find(month([day(FIRST, furnace_day(40_000.0))]), site(arc_furnace(), [BURNER])))
    assert finding.arithmetic == "(40000 kWh x 0.1229 + 1000 m3 x 1.2143) / 100 t = 61.303 kgce/t"


def test_a_converter_that_returns_energy_has_a_negative_value() -> None:
    # 1000 kWh in and 25 000 kWh out: -24 000 x 0.1229 / 100 t = -29.496 kgce/t, class 2 of -30/-28/-12 with 0 % scrap
    product = ProductSettings("steel", "A16", "converter", ("blower",), recovered=("steam",), output="scale")
    days = [day(FIRST, {"blower": used(1000), "steam": used(25_000), "scale": made(100_000)})]
    goals = GoalsConfig(products=(product,), entries=(percent("scrap_ratio", product="steel"),))
    finding = ENERGY.find(month(days), site(goals))
    assert found(finding).value == pytest.approx(-29.496)
    assert extra(finding, "class of steel") == 2
    assert aimed(ENERGY.target(month(days), site(goals))).value == -28.0
    # 0.504 kgce/t above class 1: 0.504 / 30 = 1.68 %, above although both numbers are negative
    assert found(GAP.find(month(days), site(goals))).value == pytest.approx(1.68)


def test_the_target_is_class_2_or_class_3_where_there_is_no_class_2() -> None:
    large = aimed(ENERGY.target(month([]), site(arc_furnace())))
    assert (large.value, "class 2 of GB 21256-2025, eaf_70" in large.source) == (64.0, True)
    small = aimed(ENERGY.target(month([]), site(arc_furnace(process="eaf_50"))))
    assert (small.value, "class 3 of GB 21256-2025" in small.source) == (86.0, True)
    for goals in (arc_furnace(process=""), GoalsConfig()):
        assert isinstance(ENERGY.target(month([]), site(goals)), NoTarget)
    abroad = ENERGY.target(month([]), replace(site(arc_furnace()), grid_zone="DE"))
    assert abroad == NoTarget("GB 21256-2025 is a standard of China", "set [goals.target] A16 in kgce/t")


@pytest.mark.parametrize(
    ("process", "steel", "what", "value", "expected"),
    [
        # the transcription of GB 21256-2025, 4.3 to 4.5
        ("converter", "", "scrap_ratio", 20.0, (-25.4, -23.4, -7.4)),  # + 0.23 x 20
        ("converter", "deep_drawing", "scrap_ratio", 20.0, (-23.9, -21.9, -5.9)),  # + 1.5
        ("eaf_70", "", "hot_metal_ratio", 30.0, (37.0, 40.0, 48.0)),  # - 0.8 x 30
        ("eaf_50", "bearing", "hot_metal_ratio", 30.0, (52.0, None, 77.0)),  # + 15
        ("eaf_70", "stainless", "hot_metal_ratio", 10.0, (59.1, 62.4, 71.2)),  # x 1.1 - 8
        ("blast_furnace", "", "ore_grade", 60.0, (368.22, 377.22, 422.22)),  # + 2 x 3.61
        ("blast_furnace", "", "ore_grade", 50.0, (379.05, 388.05, 433.05)),  # at most 5 points
        ("blast_furnace", "", "ore_grade", 64.0, (361.0, 370.0, 415.0)),
    ],
)
def test_the_limits_have_the_corrections_of_the_standard(
    process: str, steel: str, what: str, value: float, expected: tuple[float | None, ...]
) -> None:
    product = replace(FURNACE, process=process, steel=steel)
    goals = GoalsConfig(products=(product,), entries=(percent(what, value),))
    limit, text = corrected(product, limits()[process], month([]), site(goals))
    assert (limit.class1, limit.class2, limit.class3) == pytest.approx(expected)
    assert what in text


def test_rare_ores_are_added_where_they_are_entered() -> None:
    # sinter: 10 % of vanadium-titanium magnetite x 0.2 = 2
    product = replace(FURNACE, process="sinter")
    goals = GoalsConfig(products=(product,), entries=(percent("vanadium_titanium_ore", 10.0),))
    assert corrected(product, limits()["sinter"], month([]), site(goals))[0].class1 == 45.0
    assert corrected(product, limits()["sinter"], month([]), site())[0].class1 == 43.0


@pytest.mark.parametrize(
    ("process", "what"), [("converter", "scrap"), ("eaf_70", "hot metal"), ("blast_furnace", "ore grade")]
)
def test_without_the_input_of_a_correction_the_class_is_withheld(process: str, what: str) -> None:
    goals = GoalsConfig(products=(replace(FURNACE, process=process),))
    finding = ENERGY.find(month([day(FIRST, furnace_day(40_000.0))]), site(goals, [BURNER]))
    assert found(finding).value == pytest.approx(61.303)
    assert "class of GB 21256-2025 withheld" in found(finding).note
    assert f"the class needs the correction for {what}; add [[goals.entry]]" in found(finding).note
    assert not found(finding).extras
    target = ENERGY.target(month([]), site(goals))
    assert isinstance(target, NoTarget)
    assert "[[goals.entry]]" in target.add


def test_other_processes_are_shown_beside_the_first() -> None:
    # pellet: 20 000 kWh x 0.1229 / 100 t = 24.58 kgce/t, class 3 of 15/22/33
    pellet = ProductSettings("pellets", "A16", "pellet", ("disc",), output="belt")
    goals = GoalsConfig(
        products=(FURNACE, pellet, ProductSettings("sinter", "A16", "sinter", ("strand",), output="belt")),
        entries=(percent("hot_metal_ratio"),),
    )
    days = [day(FIRST, {**furnace_day(40_000.0), "disc": used(20_000), "belt": made(100_000)})]
    finding = ENERGY.find(month(days), site(goals, [BURNER]))
    assert found(finding).value == pytest.approx(61.303)
    assert (extra(finding, "pellets"), extra(finding, "class of pellets")) == (near(24.58), 3)
    # the meter of sinter is missing
    assert not [extra_value for extra_value in found(finding).extras if "sinter" in extra_value.name]


def test_a_process_without_limits_has_no_class() -> None:
    days = [day(FIRST, furnace_day(40_000.0))]
    finding = found(ENERGY.find(month(days), site(arc_furnace(process="rolling"), [BURNER])))
    assert (finding.extras, finding.note) == ((), "arc furnace: rolling has no classes in kgce/t")


def test_co2_per_tonne_and_the_electric_share() -> None:
    # 40 000 kWh x 500 g + 1000 m3 x 2162 g = 22.162 t over 100 t: 0.22162 tCO2/t
    # electric: 4916 kgce of 4916 + 1214.3: 80.1918 %
    days = [day(FIRST, furnace_day(40_000.0), sums={"emission_intensity.part": 500.0, "emission_intensity.whole": 1.0})]
    finding = CARBON.find(month(days), site(arc_furnace("A17"), [BURNER]))
    assert found(finding).value == pytest.approx(0.22162)
    assert extra(finding, "electric share of process energy") == pytest.approx(80.1918, abs=5e-5)
    assert found(finding).arithmetic == ("(40000 kWh x 500 g/kWh + 1000 m3 x 2162 g/m3) / 1e6 / 100 t = 0.22162 tCO2/t")
    assert "no entry process_emission" in found(finding).note
    # routes for comparison (IEEFA after IEA and worldsteel)
    assert extra(finding, "scrap and arc furnace (IEEFA)") == 0.3


def test_the_process_emission_of_the_works_is_in_the_co2_per_tonne() -> None:
    # 22.162 t + 300 t of November, all of its 30 days: 322.162 / 100 t
    days = [day(FIRST, furnace_day(40_000.0), sums={"emission_intensity.part": 500.0, "emission_intensity.whole": 1.0})]
    process = entry("process_emission", 300.0, FIRST, date(2026, 11, 30), unit="tCO2e")
    goals = replace(arc_furnace("A17"), entries=(process,))
    finding = found(CARBON.find(month(days), site(goals, [BURNER])))
    assert finding.value == pytest.approx(3.22162)
    assert finding.entry


def test_co2_per_tonne_needs_the_intensity_of_the_site_and_a_product() -> None:
    without = month([day(FIRST, furnace_day(40_000.0))])
    goals = arc_furnace("A17")
    assert "emission intensity" in missing(CARBON.find(without, site(goals, [BURNER]))).what
    assert missing(CARBON.find(without, site())).add == (
        'add [[goals.product]] with goal = "A17", energy, fuel and output'
    )


def test_the_path_of_co2_per_tonne_is_that_of_the_site() -> None:
    # 0.5 t/t of 2025, -3.9 %: 0.4805
    own = aimed(CARBON.target(month([]), site(GoalsConfig(baselines={"A17": Baseline(0.5, 2025, -0.039)}))))
    assert own.value == pytest.approx(0.4805)
    assert "site choice, -3.9 % a year" in own.source
    assert isinstance(CARBON.target(month([]), site(arc_furnace("A17", "converter"))), NoTarget)


def test_the_gap_is_measured_from_class_1() -> None:
    # 61.303 against 61: 0.303 / 61 = 0.49672 %
    days = each(FIRST, 2, furnace_day(40_000.0))
    finding = found(GAP.find(month(days), site(arc_furnace(), [BURNER])))
    assert finding.value == pytest.approx(0.49672, abs=5e-6)
    assert finding.inputs[-1].source == "GB 21256-2025"
    assert aimed(GAP.target(month(days), site())).value == 0.0


def test_the_gap_is_that_of_the_product_with_the_goal() -> None:
    # clinker at 60 kWh/t against 48: 25 %; pellets at 24.58 against 15: 63.8667 %
    clinker = ProductSettings("clinker", "A25", "clinker", ("kiln",), output="belt")
    pellet = ProductSettings("pellets", "A25", "pellet", ("disc",), output="belt")
    days = [day(FIRST, {"kiln": used(6000), "disc": used(20_000), "belt": made(100_000)})]
    finding = GAP.find(month(days), site(GoalsConfig(products=(FURNACE, clinker, pellet))))
    assert found(finding).value == pytest.approx(25.0)
    assert extra(finding, "pellets") == pytest.approx(958 / 15)
    assert "no product whose process has a limit" in missing(GAP.find(month(days), site())).what
