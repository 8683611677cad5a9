"""Electricity per tonne against GB 16780-2021, clinker ratio and net stored CO2: METHOD 6.2 A18 and A19, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from wattgram.config.goals_table.goals_settings import GoalsConfig, ProductSettings
from wattgram.config.goals_table.standard_limits import limits
from wattgram.goals.indicators.cement import INDICATORS
from wattgram.goals.quantities.limit_corrections import corrected
from wattgram.goals.terms.day import DeviceDay
from wattgram.goals.terms.indicator import NoTarget

from tests.support.approximate import near
from tests.support.goal_factory import (
    FIRST,
    GAS,
    MASS,
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

CEMENT, STORED = INDICATORS["A18"], INDICATORS["A19"]
KILN = ProductSettings("clinker", "A18", "clinker", ("kiln",), output="kiln-belt")
MILL = ProductSettings("cement", "A18", "cement_preparation", ("mill",), output="mill-belt")
DAY = {"kiln": used(56_000), "kiln-belt": made(1e6), "mill": used(50_000), "mill-belt": made(1.25e6)}
"""1000 t of clinker with 56 kWh/t, 1250 t of cement with 40 kWh/t."""

PLANT = GoalsConfig(products=(ProductSettings("capture", "A19", energy=("absorber",)),))
MIX = {"emission_intensity.part": 500.0, "emission_intensity.whole": 1.0}
METER = meter("co2", "capture", MASS)


def test_clinker_and_cement_have_their_classes() -> None:
    # 56 kWh/t is class 2 of 48/57/61; 40 kWh/t is worse than all classes of 26/29/34
    finding = CEMENT.find(month([day(FIRST, DAY)]), site(GoalsConfig(products=(KILN, MILL))))
    assert found(finding).value == 56.0
    assert (extra(finding, "class of clinker"), extra(finding, "cement")) == (2, 40.0)
    assert not [extra_value for extra_value in found(finding).extras if extra_value.name == "class of cement"]
    assert extra(finding, "clinker ratio") == 80.0  # 1000 t / 1250 t
    target = aimed(CEMENT.target(month([]), site(GoalsConfig(products=(KILN, MILL)))))
    assert (target.value, CEMENT.better) == (57.0, "lower")


def test_a_limit_in_standard_coal_is_shown_beside_the_electricity() -> None:
    # 56 000 kWh x 0.1229 + 80 000 m3 x 1.2143 = 6882.4 + 97 144 kgce over 1000 t: 104.0264, class 2 of 100/107/117
    kiln = replace(KILN, process="clinker_energy", fuel=("gas",))
    days = [day(FIRST, {**DAY, "gas": made(80_000)})]
    burner = meter("gas", "fuel", GAS, fuel="natural_gas")
    finding = CEMENT.find(month(days), site(GoalsConfig(products=(kiln,)), [burner]))
    assert found(finding).value == 56.0
    assert (extra(finding, "clinker"), extra(finding, "class of clinker")) == (near(104.0264), 2)
    assert isinstance(CEMENT.target(month(days), site(GoalsConfig(products=(kiln,)))), NoTarget)


def test_class_3_depends_on_the_altitude_above_1500_m() -> None:
    # 62 kWh/t is worse than 61; at 3000 m the pressure is 70 109 Pa (ISO 2533): 1.179 - 0.211 x 0.69193 = 1.03300,
    # 61 x 1.033 = 63.01: class 3
    days = [day(FIRST, {"kiln": used(62_000), "kiln-belt": made(1e6)})]
    for altitude, text in (
        (None, "withheld: class 3 depends on the altitude of the plant; set [goals] altitude, m"),
        (1500.0, "worse than class 3"),
        (3000.0, "class 3 of GB 16780-2021 (clinker 48/57/63.01"),
    ):
        goals = GoalsConfig(products=(KILN,), altitude=altitude)
        assert text in found(CEMENT.find(month(days), site(goals))).note


def test_the_limits_of_cement_hold_at_their_share_of_clinker() -> None:
    # 70 %: 80 - 5 x 1.10, 87 - 5 x 1.15, 94 - 5 x 1.20
    cement = replace(MILL, process="cement")
    at_70 = entry("clinker_ratio:cement", 70.0, FIRST, date(2026, 11, 30), unit="%")
    goals = GoalsConfig(products=(cement,), entries=(at_70,), altitude=250.0)
    limit, _ = corrected(cement, limits()["cement"], month([]), site(goals))
    assert (limit.class1, limit.class2, limit.class3) == (near(74.5), near(81.25), near(88.0))


def test_the_ratio_needs_both_tonnages_of_the_same_days() -> None:
    by_hand = replace(KILN, output="")
    tonnes = (entry("tonnes:clinker", 1000.0, FIRST, date(2026, 11, 15)),)
    goals = GoalsConfig(products=(by_hand, MILL), entries=tonnes)
    finding = CEMENT.find(month(each(FIRST, 30, DAY)), site(goals))
    assert not [extra_value for extra_value in found(finding).extras if extra_value.name == "clinker ratio"]
    both = GoalsConfig(
        products=(by_hand, replace(MILL, output="")),
        entries=(*tonnes, entry("tonnes:cement", 1600.0, FIRST, date(2026, 11, 15))),
    )
    assert extra(CEMENT.find(month(each(FIRST, 30, DAY)), site(both)), "clinker ratio") == 62.5
    alone = CEMENT.find(month([day(FIRST, DAY)]), site(GoalsConfig(products=(KILN,))))
    assert [extra_value.name for extra_value in found(alone).extras] == ["class of clinker"]


def test_an_infinite_ratio_is_omitted() -> None:
    # 1 t of clinker over 1e-312 t of cement exceeds the range of a double
    days = [day(FIRST, {**DAY, "kiln-belt": made(1000), "mill-belt": made(1e-309)})]
    finding = CEMENT.find(month(days), site(GoalsConfig(products=(KILN, MILL))))
    assert not [extra_value for extra_value in found(finding).extras if extra_value.name == "clinker ratio"]


def test_without_a_product_there_is_no_number() -> None:
    assert missing(CEMENT.find(month([]), site())).what == "no product of goal A18"


def test_the_emission_of_the_capture_plant_is_subtracted() -> None:
    # 30 t captured, 6000 kWh x 500 g/kWh = 3 t: 27 t, and 200 kWh/t
    days = each(FIRST, 30, {"absorber": used(200), "co2": made(1000)}, captured=1e6, **MIX)
    finding = STORED.find(month(days), site(PLANT, [METER]))
    assert found(finding).value == pytest.approx(27.0)
    assert extra(finding, "energy of capture") == pytest.approx(200.0)
    assert found(finding).arithmetic == "30 t - (6000 kWh x 500 g/kWh) / 1e6 = 27 t"
    assert "completely stored" in found(finding).note
    assert STORED.total
    assert STORED.target(month(days), site()) is None


def test_a_certificate_gives_the_stored_mass() -> None:
    # of the first ten days 8 t are proven; 2000 kWh x 500 g = 1 t: 7 t
    stored = entry("captured_stored", 8.0, FIRST, date(2026, 11, 10), unit="tCO2")
    days = each(FIRST, 30, {"absorber": used(200)}, captured=1e6, **MIX)
    finding = found(STORED.find(month(days), site(replace(PLANT, entries=(stored,)), [METER])))
    assert finding.value == pytest.approx(7.0)
    assert (finding.entry, finding.note) == ("manual entry of Li Na, 2026-11-12, weighbridge log", "")
    assert finding.coverage == pytest.approx(1 / 3)


def test_the_fuel_of_the_capture_plant_counts() -> None:
    # 30 t - 3 t - 30 x 100 m3 x 2162 g = 6.486 t: 20.514 t
    plant = GoalsConfig(products=(ProductSettings("capture", "A19", energy=("absorber",), fuel=("gas",)),))
    days = each(FIRST, 30, {"absorber": used(200), "gas": made(100)}, captured=1e6, **MIX)
    devices = [METER, meter("gas", "fuel", GAS, fuel="natural_gas")]
    assert found(STORED.find(month(days), site(plant, devices))).value == pytest.approx(20.514)


@pytest.mark.parametrize(
    ("goals", "devices", "sums", "what"),
    [
        (GoalsConfig(), {"absorber": used(1)}, {"captured": 1.0, **MIX}, "no product of goal A19"),
        (
            GoalsConfig(products=(ProductSettings("capture", "A19"),)),
            {},
            {"captured": 1.0, **MIX},
            "no meter of capture",
        ),
        (PLANT, {"absorber": used(1)}, MIX, "no capture meter and no entry captured_stored in 2026-11"),
        (PLANT, {}, {"captured": 1.0, **MIX}, "no energy data of absorber in 2026-11"),
        (PLANT, {"absorber": used(1)}, {"captured": 1.0}, "no emission intensity of the site in 2026-11"),
    ],
)
def test_the_missing_input_of_capture_is_named(
    goals: GoalsConfig, devices: dict[str, DeviceDay], sums: dict[str, float], what: str
) -> None:
    assert missing(STORED.find(month([day(FIRST, devices, sums=sums)]), site(goals, [METER]))).what == what


def test_without_a_capture_meter_there_is_no_value() -> None:
    days = [day(FIRST, {"absorber": used(1)}, captured=0.0, sums=MIX)]
    assert "no capture meter" in missing(STORED.find(month(days), site(PLANT))).what
