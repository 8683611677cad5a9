"""Energy performance and verified saving against the baseline: METHOD 5 (ISO 50006), 6.3 B02 and B10, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from wattgram.config.goals_table.goals_settings import Baseline, BaselineSettings, GoalsConfig, ProductSettings
from wattgram.goals.indicators.saving import INDICATORS
from wattgram.goals.terms.day import Day, DeviceDay
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility, NoTarget

from tests.support.goal_factory import (
    FIRST,
    FULL,
    aimed,
    dates,
    day,
    each,
    entry,
    extra,
    found,
    made,
    missing,
    month,
    site,
    year,
)

SAVING, PERFORMANCE = INDICATORS["B02"], INDICATORS["B10"]
BEGIN, END = date(2025, 1, 1), date(2025, 12, 31)
CAST = ProductSettings("castings", "A07", output="scale")
MODEL = BaselineSettings(BEGIN, END, outputs=("castings",))
GOALS = GoalsConfig(products=(CAST,), model=MODEL)
GRID = {"grid_intensity.part": 558.1, "grid_intensity.whole": 1.0}


def casting_day(when: date, tonnes: float, kwh: float, **sums: float) -> Day:
    return day(when, {"scale": made(1000.0 * tonnes)}, load_energy=1000.0 * kwh, sums=sums)


def reference(count: int = 60) -> list[Day]:
    """Return days of 0, 10, 20, 0, 10 ... t and 500 kWh + 30 kWh/t."""
    return [casting_day(when, 10.0 * (n % 3), 500.0 + 300.0 * (n % 3)) for n, when in enumerate(dates(BEGIN, count))]


def facility(goals: GoalsConfig = GOALS, days: list[Day] | None = None) -> Facility:
    return site(goals, years={2025: year(2025, reference() if days is None else days)})


def november(tonnes: float = 10.0, kwh: float = 760.0, **sums: float) -> list[Day]:
    return [casting_day(when, tonnes, kwh, **sums) for when in dates(FIRST, 30)]


def test_performance_is_energy_over_the_expected_energy_of_the_model() -> None:
    # 500 x 30 d + 30 x 300 t = 24 000 kWh; 30 x 760 = 22 800 kWh; 22 800 / 24 000 = 0.95
    finding = PERFORMANCE.find(month(november()), facility())
    assert found(finding).value == pytest.approx(0.95)
    assert extra(finding, "R2") == pytest.approx(1.0)
    assert extra(finding, "CV(RMSE)") == pytest.approx(0.0, abs=1e-9)
    assert extra(finding, "points of the reference") == 60
    assert found(finding).arithmetic == (
        "500 kWh/d x 30 d + 30 kWh/t x 300 t = 24000 kWh; 22800 kWh / 24000 kWh = 0.95"
    )
    assert found(finding).note == ""
    assert PERFORMANCE.better == "lower"


def test_a_saving_is_the_unused_energy_and_its_co2() -> None:
    # 24 000 - 22 800 = 1200 kWh, x 558.1 g/kWh = 0.66972 t
    finding = SAVING.find(month(november(**GRID)), facility())
    assert found(finding).value == pytest.approx(1200.0)
    assert extra(finding, "saved CO2") == pytest.approx(0.66972)
    assert Input("grid intensity", 558.1, "g/kWh", "windows, 30 days") in found(finding).inputs
    assert SAVING.total
    assert SAVING.better == "higher"
    without_grid_data = SAVING.find(month(november()), facility())
    assert not [extra_value for extra_value in found(without_grid_data).extras if extra_value.name == "saved CO2"]


PACED = replace(GOALS, baselines={"B10": Baseline(1.0, 2025, -0.029)})


def test_the_target_is_the_path_of_the_site() -> None:
    assert aimed(PERFORMANCE.target(month([]), facility(PACED))).value == pytest.approx(0.971)
    third = aimed(PERFORMANCE.target(year(2028, []), facility(PACED)))
    assert third.value == pytest.approx(0.915498611)  # 0.971 x 0.971 x 0.971
    assert "site choice, -2.9 % a year" in third.source
    assert isinstance(PERFORMANCE.target(month([]), facility()), NoTarget)


def test_the_target_of_a_saving_is_yearly() -> None:
    # Expected are 12 000 kWh in 15 days, 292 000 kWh in 365 days: 2.9 % are 8468 kWh a year, for any period
    target = SAVING.target(month(november()[:15], over=date(2026, 11, 16)), facility(PACED))
    assert aimed(target).value == pytest.approx(8468.0)
    days = [casting_day(when, 10.0, 760.0) for when in dates(date(2026, 1, 1), 73)]
    whole = SAVING.target(year(2026, days, over=date(2026, 3, 15)), facility(PACED))
    assert aimed(whole).value == pytest.approx(8468.0)
    for without_path in (site(), facility()):
        assert isinstance(SAVING.target(month(november()), without_path), NoTarget)


def test_incomplete_days_count_neither_as_used_nor_as_expected_energy() -> None:
    # 3 days without counter, 2 with a balance of 89 %, 1 without load: 24 x 760 / (24 x 800), over 24 of 30 days
    days = november()
    days[:3] = [day(each_day.date, load_energy=9e9) for each_day in days[:3]]
    days[3:5] = [replace(each_day, covered=0.89 * FULL, sums={"load_energy": 9e9}) for each_day in days[3:5]]
    days[5] = replace(days[5], sums={})
    finding = found(PERFORMANCE.find(month(days), facility()))
    assert finding.value == pytest.approx(0.95)
    assert finding.coverage == pytest.approx(0.8)
    assert finding.inputs[0] == Input("energy of the load", 18240.0, "kWh", "windows, 24 days with complete data")


def test_days_outside_the_range_of_the_reference_are_noted() -> None:
    days = [
        *november()[:28],
        casting_day(date(2026, 11, 29), 25.0, 1250.0),
        casting_day(date(2026, 11, 30), 20.0, 1100.0),
    ]
    assert found(PERFORMANCE.find(month(days), facility())).note == (
        "1 of 30 days are outside the range of the reference"
    )


def test_an_unfinished_day_does_not_count() -> None:
    finding = found(PERFORMANCE.find(month(november(), over=date(2026, 11, 11)), facility()))
    assert finding.inputs[0].value == 7600.0  # ten days


def test_degree_days_explain_the_energy_of_heating(tmp_path: Path) -> None:
    # 400 kWh + 20 kWh/K d below 18 degC + 50 kWh/K d above 24 degC
    cold, hot, mild = -2.0, 29.0, 20.0  # 20 and 5 K d
    kwh = {cold: 800.0, hot: 650.0, mild: 400.0, 8.0: 600.0}  # 8 degC: 10 K d
    means = dict(zip(dates(BEGIN, 60), list(kwh) * 15, strict=True))
    means |= dict.fromkeys(dates(FIRST, 30), 8.0)
    file = tmp_path / "weather.csv"
    file.write_text("date,mean_degC\n" + "".join(f"{when},{mean}\n" for when, mean in means.items()))
    model = BaselineSettings(BEGIN, END, heating_base=18.0, cooling_base=24.0, temperatures=file)
    days = [day(when, load_energy=1000.0 * kwh[means[when]]) for when in dates(BEGIN, 60)]
    days_now = each(FIRST, 30, {}, load_energy=540e3)
    finding = found(PERFORMANCE.find(month(days_now), facility(GoalsConfig(model=model), days)))
    assert finding.value == pytest.approx(0.9)  # 540 / (400 + 20 x 10)
    operands = {operand.name: operand.value for operand in finding.inputs}
    assert operands["base load"] == pytest.approx(400.0)
    assert operands["energy by heating degree days below 18 degC"] == pytest.approx(20.0)
    assert operands["energy by cooling degree days above 24 degC"] == pytest.approx(50.0)
    assert operands["heating degree days below 18 degC"] == pytest.approx(300.0)


def test_temperatures_can_come_from_a_thermometer_of_the_site() -> None:
    # 400 kWh + 20 kWh/K d, 0 or 10 K d
    def thermometer(mean: float) -> dict[str, DeviceDay]:
        return {"sky": DeviceDay(temperature=mean, temperature_seconds=FULL)}

    model = BaselineSettings(BEGIN, END, heating_base=18.0, weather="sky")
    days = [
        day(when, thermometer(8.0 + 10.0 * (n % 2)), load_energy=6e5 - 2e5 * (n % 2))
        for n, when in enumerate(dates(BEGIN, 30))
    ]
    finding = found(
        PERFORMANCE.find(
            month(each(FIRST, 30, thermometer(13.0), load_energy=5e5)), facility(GoalsConfig(model=model), days)
        )
    )
    assert finding.value == pytest.approx(1.0)  # 400 + 20 x 5


def test_entered_tonnes_give_a_monthly_baseline() -> None:
    # each month 100 kWh a day + 20 kWh/t, with 10 x its number in t; 2026: January to October of 200 t each
    by_hand = ProductSettings("castings", "A07")
    starts = [date(2025, number, 1) for number in range(1, 13)]
    ends = [date(start.year + start.month // 12, start.month % 12 + 1, 1) for start in starts]
    tonnes, days = [], []
    for number, (first, after) in enumerate(zip(starts, ends, strict=True), 1):
        length = (after - first).days
        tonnes.append(entry("tonnes:castings", 10.0 * number, first, date.fromordinal(after.toordinal() - 1)))
        daily = 100.0 + 20.0 * 10.0 * number / length
        days += each(first, length, {}, load_energy=1000.0 * daily)
    tonnes += [
        entry(
            "tonnes:castings",
            50.0,
            start.replace(year=2026),
            date.fromordinal(end.toordinal() - 1).replace(year=2026),
        )
        for start, end in zip(starts[:10], ends[:10], strict=True)
    ]
    goals = GoalsConfig(products=(by_hand,), entries=tuple(tonnes), model=MODEL)
    now = each(date(2026, 1, 1), 319, {}, load_energy=120e3)
    finding = found(PERFORMANCE.find(year(2026, now, over=date(2026, 11, 16)), facility(goals, days)))
    # ten months of 304 d and 500 t: 100 x 304 + 20 x 500 = 40 400 kWh; 304 x 120 = 36 480 kWh
    assert finding.value == pytest.approx(36480 / 40400)
    assert finding.coverage == pytest.approx(304 / 319)
    assert finding.inputs[0].source == "windows, 10 months with complete data"


def test_a_single_product_without_a_model_uses_energy_per_tonne_of_the_year_before() -> None:
    # 2025: 60 days of 800 kWh a day in the mean, 600 t: 48 000 / 600 = 80 kWh/t; November: 760 / (80 x 10) = 0.95
    finding = PERFORMANCE.find(month(november()), facility(GoalsConfig(products=(CAST,))))
    assert found(finding).value == pytest.approx(0.95)
    assert found(finding).arithmetic.startswith("80 kWh/t x 300 t = 24000 kWh")
    assert [extra_value.name for extra_value in found(finding).extras] == ["points of the reference"]


def test_the_baseline_gives_the_reference_year_of_a_ratio() -> None:
    goals = GoalsConfig(products=(CAST,), baselines={"B10": Baseline(1.0, 2025, -0.029)})
    days = [casting_day(when, 10.0, 700.0) for when in dates(date(2027, 1, 1), 31)]
    finding = found(PERFORMANCE.find(year(2027, days), facility(goals)))
    assert finding.value == pytest.approx(0.875)  # 700 / 800
    target = aimed(PERFORMANCE.target(year(2027, days), facility(goals)))
    assert target.value == pytest.approx(0.942841)  # 0.971 x 0.971


@pytest.mark.parametrize(
    ("goals", "days", "what"),
    [
        (GoalsConfig(), None, "no energy baseline"),
        (GoalsConfig(products=(CAST, replace(CAST, name="b"))), None, "no energy baseline"),
        (GoalsConfig(model=MODEL), None, "no product castings of [goals.model]"),
        (GoalsConfig(model=BaselineSettings(BEGIN, END)), None, "the energy baseline has no variable"),
        (
            GOALS,
            reference(29),
            "the reference from 2025-01-01 to 2025-12-31 has 29 days with data of load, output of castings; "
            "required: 30",
        ),
        (
            GOALS,
            [casting_day(when, 10.0, 800.0) for when in dates(BEGIN, 40)],
            "the reference of output of castings cannot be fitted: variable 1 is constant",
        ),
        (
            GoalsConfig(products=(CAST,)),
            [casting_day(when, 0.0, 800.0) for when in dates(BEGIN, 40)],
            "the reference has no output of castings",
        ),
        (
            replace(GOALS, products=(CAST, replace(CAST, name="b")), model=replace(MODEL, outputs=("castings", "b"))),
            None,
            "the reference of output of castings, output of b cannot be fitted: the variables are linearly dependent",
        ),
        (
            GoalsConfig(
                model=BaselineSettings(BEGIN, END, heating_base=18.0, temperatures=Path("/nowhere/weather.csv"))
            ),
            None,
            "no temperatures: [Errno 2] No such file or directory: '/nowhere/weather.csv'",
        ),
    ],
)
def test_a_missing_baseline_is_reported(goals: GoalsConfig, days: list[Day] | None, what: str) -> None:
    for indicator in (PERFORMANCE, SAVING):
        assert missing(indicator.find(month(november()), facility(goals, days))).what == what


def test_a_file_damaged_after_the_start_gives_no_temperature(tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    file.write_text("date,mean_degC\n2025-01-01,warm\n2025-01-02,cold\n")
    goals = GoalsConfig(model=BaselineSettings(BEGIN, END, heating_base=18.0, temperatures=file))
    finding = missing(PERFORMANCE.find(month(november()), facility(goals)))
    assert finding.what.startswith("no temperatures: ")
    assert "'warm'" in finding.what
    assert "cold" not in finding.what  # only the first mistake is reported


def test_a_period_without_data_has_no_performance() -> None:
    finding = missing(PERFORMANCE.find(month([]), facility()))
    assert finding.what == "no day of 2026-11 with data of load, output of castings"


def test_a_negative_expected_energy_is_reported() -> None:
    # 2000 kWh - 100 kWh/t: at 30 t a day -1000 kWh
    falling = [casting_day(when, 10.0 * (n % 2), 2000.0 - 1000.0 * (n % 2)) for n, when in enumerate(dates(BEGIN, 30))]
    finding = missing(PERFORMANCE.find(month(november(tonnes=30.0)), facility(days=falling)))
    assert finding.what == "the expected energy of 2026-11 is -30000 kWh; it must be above 0"
