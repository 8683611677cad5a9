"""Power factor, efficiency of sets, voltage and availability: METHOD 5, 6.3 B11 and B13, by hand."""

from __future__ import annotations

import pytest
from wattgram.config.goals_table.goals_settings import GoalsConfig
from wattgram.goals.indicators.supply import INDICATORS
from wattgram.goals.terms.day import DeviceDay

from tests.support.goal_factory import (
    FIRST,
    FULL,
    GAS,
    MASS,
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


def test_the_power_factor_is_that_of_the_energies_of_the_period() -> None:
    # 30 days of 400 kWh and 300 kvarh: 12 000 / sqrt(12 000^2 + 9000^2) = 12 000 / 15 000
    finding = found(FACTOR.find(month(each(FIRST, 30, {"incomer": INDUCTIVE})), site(devices=[GRID])))
    assert finding.value == pytest.approx(0.8)
    assert finding.arithmetic == "12000 / sqrt(12000^2 + 9000^2) = 0.8"
    assert [(operand.value, operand.unit) for operand in finding.inputs] == [(12000.0, "kWh"), (9000.0, "kvarh")]
    assert FACTOR.better == "higher"


def test_incomers_are_added_and_a_silent_incomer_lowers_the_coverage() -> None:
    # 400 + 800 kWh and 300 + 200 kvarh: 1200 / sqrt(1200^2 + 500^2) = 1200 / 1300
    second = DeviceDay(reactive=200e3, reactive_beside=800e3, reactive_seconds=FULL)
    devices = [GRID, meter("second", "grid")]
    both = month(each(FIRST, 30, {"incomer": INDUCTIVE, "second": second}))
    assert found(FACTOR.find(both, site(devices=devices))).value == pytest.approx(12 / 13)
    alone = found(FACTOR.find(month(each(FIRST, 30, {"incomer": INDUCTIVE})), site(devices=devices)))
    assert alone.coverage == 0.0


def test_the_target_is_that_of_the_tariff() -> None:
    target = FACTOR.target(month([]), site())
    assert target is not None
    assert (target.value, "(83) Shuidian Caizi No.215" in target.source) == (0.90, True)


def test_the_efficiency_of_gensets_is_shown_beside_the_power_factor() -> None:
    # engine: 400 kWh of 100 m3 x 38.931 / 3.6 kWh = 1081.417: 36.9885 %; diesel: 400 kWh of 100 kg at 2668 g/kg
    # / 266.8 g/kWh = 10 kWh/kg: 40 %; the heat of the third's coal is unknown, the fourth burnt no fuel
    devices = [
        GRID,
        meter("engine", "chp", fuel_meter="gas", fuel_factor=2162.0),
        meter("gas", "fuel", GAS),
        meter("standby", "genset", fuel_meter="oil", fuel_factor=2668.0),
        meter("oil", "fuel", MASS),
        meter("steam", "genset", emission_factor=900.0, fuel_meter="coal", fuel_factor=2000.0),
        meter("coal", "fuel", MASS),
        meter("spare", "genset", fuel_meter="can", fuel_factor=2668.0),
        meter("can", "fuel", MASS),
    ]
    meters = {"incomer": INDUCTIVE, "gas": made(100), "oil": made(100), "coal": made(100), "can": made(0)}
    sets = dict.fromkeys(("engine", "standby", "steam", "spare"), used(400))
    finding = FACTOR.find(month([day(FIRST, {**meters, **sets})]), site(devices=devices))
    assert extra(finding, "efficiency of engine") == pytest.approx(36.9885, abs=5e-5)
    assert extra(finding, "efficiency of standby") == pytest.approx(40.0)
    assert len(found(finding).extras) == 2


@pytest.mark.parametrize(
    ("grid", "what"),
    [
        (None, "no reactive power of incomer in 2026-11"),
        (DeviceDay(reactive_seconds=FULL), "no energy through incomer in 2026-11"),
    ],
)
def test_a_missing_power_factor_is_reported(grid: DeviceDay | None, what: str) -> None:
    days = [day(FIRST, {"incomer": grid} if grid else {})]
    assert missing(FACTOR.find(month(days), site(devices=[GRID]))).what == what
    assert missing(FACTOR.find(month(days), site())).add == 'add a [[device]] with role = "grid"'


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
    target = VOLTAGE.target(month(days), site())
    assert target is not None
    assert (target.value, "GB/T 12325-2008" in target.source) == (100.0, True)


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
