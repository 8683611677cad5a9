"""Power factor, efficiency of sets, voltage and availability: METHOD 5, 6.3 B11 and B13, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.config.role_keys import EfficiencyPoint
from wattgram.goals.indicators.supply import INDICATORS
from wattgram.goals.terms.day import DeviceDay
from wattgram.goals.terms.indicator import NoTarget

from tests.support.goal_factory import (
    FIRST,
    FULL,
    GAS,
    MASS,
    aimed,
    day,
    each,
    extra,
    found,
    made,
    meter,
    missing,
    month,
    site,
    used,
)

FACTOR, VOLTAGE = INDICATORS["B11"], INDICATORS["B13"]
GRID = meter("incomer", "grid")
INDUCTIVE = DeviceDay(reactive=300e3, reactive_beside=400e3, reactive_seconds=FULL)


CURVE = (EfficiencyPoint(0.5, 0.30), EfficiencyPoint(1.0, 0.40))
SETS = [
    GRID,
    meter("engine", "chp", fuel_meter="gas", fuel_factor=2162.0),
    meter("gas", "fuel", GAS),
    meter("standby", "genset", fuel_meter="oil", fuel_factor=2668.0, efficiency=CURVE),
    meter("oil", "fuel", MASS),
    meter("steam", "genset", emission_factor=900.0, fuel_meter="coal", fuel_factor=2000.0),
    meter("coal", "fuel", MASS),
    meter("spare", "genset", fuel_meter="can", fuel_factor=2668.0),
    meter("can", "fuel", MASS),
]


def test_the_efficiency_of_sets_with_the_power_factor_beside_it() -> None:
    # engine: 400 kWh of 100 m3 x 38.931 / 3.6 kWh = 1081.417: 36.9885 %; diesel: 400 kWh of 100 kg at 2668 g/kg
    # / 266.8 g/kWh = 10 kWh/kg: 40 %; together 800 / 2081.417; the heat of the third's coal is unknown, the fourth
    # burnt no fuel. Power factor: 400 / sqrt(400^2 + 300^2) = 0.8
    meters = {"incomer": INDUCTIVE, "gas": made(100), "oil": made(100), "coal": made(100), "can": made(0)}
    sets = dict.fromkeys(("engine", "standby", "steam", "spare"), used(400))
    finding = FACTOR.find(month([day(FIRST, {**meters, **sets})]), site(devices=SETS))
    assert found(finding).value == pytest.approx(38.4354, abs=5e-5)
    assert {operand.name: operand.value for operand in found(finding).extras} == pytest.approx(
        {
            "efficiency of engine": 36.9885,
            "efficiency of standby": 40.0,
            "power factor": 0.8,
            "power factor by the tariff rule, at least": 0.9,
        },
        abs=5e-5,
    )


def test_the_target_is_the_curve_at_the_loads_that_occurred() -> None:
    # the day book: 400 kWh needed 1100 kWh of heat by the curve
    standby = replace(used(400), curve_energy=400e3, curve_heat=1100e3)
    alone = [GRID, *SETS[3:5]]
    days = month([day(FIRST, {"standby": standby, "oil": made(100)})])
    assert aimed(FACTOR.target(days, site(devices=alone))).value == pytest.approx(400 / 11)
    older = month([day(FIRST, {"standby": used(400), "oil": made(100)})])
    assert isinstance(FACTOR.target(older, site(devices=alone)), NoTarget)


@pytest.mark.parametrize("heat", [5e-324, 300e3])
def test_an_efficiency_of_the_curve_above_100_percent_is_no_target(heat: float) -> None:
    # 400 kWh from 300 kWh of heat: a configured efficiency is at most 1, so the stored day is damaged
    standby = replace(used(400), curve_energy=400e3, curve_heat=heat)
    days = month([day(FIRST, {"standby": standby, "oil": made(100)})])
    target = FACTOR.target(days, site(devices=[GRID, *SETS[3:5]]))
    assert isinstance(target, NoTarget)
    assert "above 100 %" in target.why
    lossless = replace(used(400), curve_energy=400e3, curve_heat=400e3)
    days = month([day(FIRST, {"standby": lossless, "oil": made(100)})])
    assert aimed(FACTOR.target(days, site(devices=[GRID, *SETS[3:5]]))).value == pytest.approx(100.0)


def test_boilers_have_the_efficiency_of_the_heat_meters() -> None:
    # 900 kWh of heat from 100 m3 x 10.8142 kWh: 83.224 %; with a CHP the heat may be that of the CHP
    boiler = meter("boiler", "fuel", GAS, fuel="natural_gas")
    days = month([day(FIRST, {"boiler": made(100), "heat": made(900e3)})])
    assert found(FACTOR.find(days, site(devices=[boiler, meter("heat", "heat")]))).value == pytest.approx(
        83.224, abs=1e-3
    )
    with_chp = [boiler, meter("heat", "heat"), meter("engine", "chp")]
    assert missing(FACTOR.find(days, site(devices=with_chp))).add


def test_without_fuel_the_power_factor_is_named() -> None:
    # 400 + 800 kWh and 300 + 200 kvarh: 1200 / sqrt(1200^2 + 500^2) = 1200 / 1300
    second = DeviceDay(reactive=200e3, reactive_beside=800e3, reactive_seconds=FULL)
    both = month(each(FIRST, 30, {"incomer": INDUCTIVE, "second": second}))
    finding = missing(FACTOR.find(both, site(devices=[GRID, meter("second", "grid")])))
    assert finding.what.endswith("power factor 0.923")
    assert "add fuel_meter" in finding.add


@pytest.mark.parametrize("grid", [None, DeviceDay(reactive_seconds=FULL)])
def test_a_missing_power_factor_is_not_shown(grid: DeviceDay | None) -> None:
    days = [day(FIRST, {"incomer": grid} if grid else {})]
    assert "power factor" not in missing(FACTOR.find(month(days), site(devices=[GRID]))).what


def test_the_share_of_good_voltages_and_the_availability() -> None:
    # 30 days of 432 means (144 a phase), 21 of them on one day outside: 12 939 / 12 960 = 99.838 %
    # 1 h without voltage in 720 h: 99.8611 %
    good = DeviceDay(slots=432.0, slots_good=432.0, supplied=FULL, observed=FULL)
    bad = DeviceDay(slots=432.0, slots_good=411.0, supplied=FULL - 3600.0, observed=FULL)
    days = [*each(FIRST, 29, {"incomer": good}), day(FIRST.replace(day=30), {"incomer": bad})]
    finding = VOLTAGE.find(month(days), site(GoalsConfig(nominal_voltage=400.0), [GRID]))
    assert found(finding).value == pytest.approx(99.838, abs=5e-4)
    assert extra(finding, "availability") == pytest.approx(99.8611, abs=5e-5)
    assert found(finding).coverage == 1.0
    assert extra(finding, "not observed") == pytest.approx(0.0)
    assert found(finding).inputs[-1].value == 400.0
    assert VOLTAGE.target(month(days), site()) is None  # the voltage is the grid's duty
    assert "GB/T 12325-2008" in found(finding).note


def test_a_meter_with_readings_for_half_of_the_time_has_a_coverage_of_half() -> None:
    half = DeviceDay(slots=216.0, slots_good=216.0, supplied=43200.0, observed=43200.0)
    finding = found(VOLTAGE.find(month(each(FIRST, 30, {"incomer": half})), site(devices=[GRID])))
    assert (finding.value, finding.coverage) == (100.0, 0.5)


def test_the_time_of_a_silent_meter_is_told_beside_the_availability() -> None:
    # two incomers; the meter of the second is silent for 18 of 24 h, as its own supply fails with the incomer's
    full = DeviceDay(slots=432.0, slots_good=432.0, supplied=FULL, observed=FULL)
    part = DeviceDay(slots=108.0, slots_good=108.0, supplied=FULL / 4, observed=FULL / 4)
    devices = [GRID, meter("west", "grid")]
    finding = VOLTAGE.find(month(each(FIRST, 30, {"incomer": full, "west": part})), site(devices=devices))
    assert (extra(finding, "availability"), extra(finding, "not observed")) == pytest.approx((100.0, 37.5))


def test_a_meter_without_voltages_has_no_value() -> None:
    days = [day(FIRST, {"incomer": DeviceDay(supplied=FULL, observed=FULL)})]
    assert missing(VOLTAGE.find(month(days), site(devices=[GRID]))).what == ("no voltage of incomer in 2026-11")
    assert missing(VOLTAGE.find(month(days), site())).what == "no meter of the incomer"
