"""Process energy against the classes of GB 21256-2025, CO2 per tonne of steel: METHOD 5, 6.2 A16 and A17, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig, ProductSettings
from wattgram.goals.indicators.benchmark import INDICATORS as BENCHMARKS
from wattgram.goals.indicators.steel import INDICATORS
from wattgram.goals.terms.day import DeviceDay

from tests.support.approximate import near
from tests.support.goal_factory import FIRST, GAS, day, each, extra, found, made, meter, missing, month, site, used

ENERGY, CARBON, GAP = INDICATORS["A16"], INDICATORS["A17"], BENCHMARKS["A25"]
FURNACE = ProductSettings("arc furnace", "A16", "eaf_70", energy=("furnace",), fuel=("gas",), output="scale")
BURNER = meter("gas", "fuel", GAS, fuel="natural_gas")


def arc_furnace(goal: str = "A16", process: str = "eaf_70") -> GoalsConfig:
    """Return the goals of a works with a single furnace."""
    return GoalsConfig(products=(replace(FURNACE, goal=goal, process=process),))


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
        f"arc furnace: {words} of GB 21256-2025 (eaf_70 61/64/72 kgce/t, without its corrections)"
    )
    if reached:
        assert extra(finding, "class of arc furnace") == reached
    else:
        assert not found(finding).extras


def test_the_arithmetic_shows_the_calculation() -> None:
    finding = found(ENERGY.find(month([day(FIRST, furnace_day(40_000.0))]), site(arc_furnace(), [BURNER])))
    assert finding.arithmetic == "(40000 kWh x 0.1229 + 1000 m3 x 1.2143) / 100 t = 61.303 kgce/t"


def test_a_converter_that_returns_energy_has_a_negative_value() -> None:
    # 1000 kWh in and 25 000 kWh out: -24 000 x 0.1229 / 100 t = -29.496 kgce/t, class 2 of -30/-28/-12
    product = ProductSettings("steel", "A16", "converter", ("blower",), recovered=("steam",), output="scale")
    days = [day(FIRST, {"blower": used(1000), "steam": used(25_000), "scale": made(100_000)})]
    goals = GoalsConfig(products=(product,))
    finding = ENERGY.find(month(days), site(goals))
    assert found(finding).value == pytest.approx(-29.496)
    assert extra(finding, "class of steel") == 2
    target = ENERGY.target(month(days), site(goals))
    assert target is not None
    assert target.value == -28.0
    # 0.504 kgce/t above class 1: 0.504 / 30 = 1.68 %, above although both numbers are negative
    assert found(GAP.find(month(days), site(goals))).value == pytest.approx(1.68)


def test_the_target_is_class_2_or_class_3_where_there_is_no_class_2() -> None:
    large = ENERGY.target(month([]), site(arc_furnace()))
    assert large is not None
    assert (large.value, "class 2 of GB 21256-2025, eaf_70" in large.source) == (64.0, True)
    small = ENERGY.target(month([]), site(arc_furnace(process="eaf_50")))
    assert small is not None
    assert (small.value, "class 3 of GB 21256-2025" in small.source) == (86.0, True)
    assert ENERGY.target(month([]), site(arc_furnace(process=""))) is None
    assert ENERGY.target(month([]), site()) is None


def test_other_processes_are_shown_beside_the_first() -> None:
    # pellet: 20 000 kWh x 0.1229 / 100 t = 24.58 kgce/t, class 3 of 15/22/33
    pellet = ProductSettings("pellets", "A16", "pellet", ("disc",), output="belt")
    goals = GoalsConfig(
        products=(FURNACE, pellet, ProductSettings("sinter", "A16", "sinter", ("strand",), output="belt"))
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


def test_co2_per_tonne_needs_the_intensity_of_the_site_and_a_product() -> None:
    without = month([day(FIRST, furnace_day(40_000.0))])
    goals = arc_furnace("A17")
    assert "emission intensity" in missing(CARBON.find(without, site(goals, [BURNER]))).what
    assert missing(CARBON.find(without, site())).add == (
        'add [[goals.product]] with goal = "A17", energy, fuel and output'
    )


def test_the_path_of_co2_per_tonne_is_that_of_the_site_or_of_the_blast_furnace() -> None:
    # 0.5 t/t of 2025, -3.9 %: 0.4805
    own = CARBON.target(month([]), site(GoalsConfig(baselines={"A17": Baseline(0.5, 2025)})))
    assert own is not None
    assert own.value == pytest.approx(0.4805)
    assert "-3.9 % a year" in own.source
    reference = CARBON.target(month([]), site(arc_furnace("A17", "converter")))
    assert reference is not None
    assert (reference.value, "transitionasia.org" in reference.source) == (2.0, True)
    assert CARBON.target(month([]), site(arc_furnace("A17"))) is None


def test_the_gap_is_measured_from_class_1() -> None:
    # 61.303 against 61: 0.303 / 61 = 0.49672 %
    days = each(FIRST, 2, furnace_day(40_000.0))
    finding = found(GAP.find(month(days), site(arc_furnace(), [BURNER])))
    assert finding.value == pytest.approx(0.49672, abs=5e-6)
    assert finding.inputs[-1].source == "GB 21256-2025"
    target = GAP.target(month(days), site())
    assert target is not None
    assert target.value == 0.0


def test_the_gap_is_that_of_the_product_with_the_goal() -> None:
    # clinker at 60 kWh/t against 48: 25 %; pellets at 24.58 against 15: 63.8667 %
    clinker = ProductSettings("clinker", "A25", "clinker", ("kiln",), output="belt")
    pellet = ProductSettings("pellets", "A25", "pellet", ("disc",), output="belt")
    days = [day(FIRST, {"kiln": used(6000), "disc": used(20_000), "belt": made(100_000)})]
    finding = GAP.find(month(days), site(GoalsConfig(products=(FURNACE, clinker, pellet))))
    assert found(finding).value == pytest.approx(25.0)
    assert extra(finding, "pellets") == pytest.approx(958 / 15)
    assert "no product whose process has a limit" in missing(GAP.find(month(days), site())).what
