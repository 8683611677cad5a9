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
from wattgram.goals.terms.indicator import Facility

from tests.support.goal_factory import (
    FIRST,
    FULL,
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


def cast(when: date, tonnes: float, kwh: float, **sums: float) -> Day:
    return day(when, {"scale": made(1000.0 * tonnes)}, load_energy=1000.0 * kwh, sums=sums)


def reference(count: int = 60) -> list[Day]:
    """Days of 0, 10, 20, 0, 10 ... t and 500 kWh + 30 kWh/t."""
    return [cast(when, 10.0 * (n % 3), 500.0 + 300.0 * (n % 3)) for n, when in enumerate(dates(BEGIN, count))]


def works(goals: GoalsConfig = GOALS, days: list[Day] | None = None) -> Facility:
    return site(goals, years={2025: year(2025, reference() if days is None else days)})


def november(tonnes: float = 10.0, kwh: float = 760.0, **sums: float) -> list[Day]:
    return [cast(when, tonnes, kwh, **sums) for when in dates(FIRST, 30)]


def test_performance_is_energy_over_what_the_model_expects() -> None:
    # 500 x 30 d + 30 x 300 t = 24 000 kWh; 30 x 760 = 22 800 kWh; 22 800 / 24 000 = 0.95
    one = PERFORMANCE.find(month(november()), works())
    assert found(one).value == pytest.approx(0.95)
    assert extra(one, "R2") == pytest.approx(1.0)
    assert extra(one, "CV(RMSE)") == pytest.approx(0.0, abs=1e-9)
    assert extra(one, "points of the reference") == 60
    assert found(one).arithmetic == ("500 kWh/d x 30 d + 30 kWh/t x 300 t = 24000 kWh; 22800 kWh / 24000 kWh = 0.95")
    assert found(one).note == ""
    assert PERFORMANCE.better == "lower"


def test_a_saving_is_what_was_not_used_and_its_carbon() -> None:
    # 24 000 - 22 800 = 1200 kWh, x 558.1 g/kWh = 0.66972 t
    one = SAVING.find(month(november(**GRID)), works())
    assert found(one).value == pytest.approx(1200.0)
    assert extra(one, "saved CO2") == pytest.approx(0.66972)
    assert Input("grid intensity", 558.1, "g/kWh", "windows, 30 days") in found(one).inputs
    assert SAVING.total
    assert SAVING.better == "higher"
    without = SAVING.find(month(november()), works())
    assert not [one for one in found(without).extras if one.name == "saved CO2"]


def test_the_target_is_the_pace_since_the_reference() -> None:
    first = PERFORMANCE.target(month([]), works())
    third = PERFORMANCE.target(year(2028, []), works())
    assert first is not None
    assert third is not None
    assert first.value == pytest.approx(0.971)
    assert third.value == pytest.approx(0.915498611)  # 0.971 x 0.971 x 0.971
    assert "-2.9 % a year" in first.source
    own = PERFORMANCE.target(month([]), works(replace(GOALS, baselines={"B10": Baseline(1.0, 2025, -0.05)})))
    assert own is not None
    assert own.value == pytest.approx(0.95)


def test_the_saving_that_is_wanted_is_a_years() -> None:
    # 15 days expect 12 000 kWh, 365 days 292 000: 2.9 % of it are 8468 kWh a year, of whatever period it is asked
    target = SAVING.target(month(november()[:15], over=date(2026, 11, 16)), works())
    assert target is not None
    assert target.value == pytest.approx(8468.0)
    days = [cast(when, 10.0, 760.0) for when in dates(date(2026, 1, 1), 73)]
    whole = SAVING.target(year(2026, days, over=date(2026, 3, 15)), works())
    assert whole is not None
    assert whole.value == pytest.approx(8468.0)
    assert SAVING.target(month([]), site()) is None


def test_days_that_are_not_known_count_on_neither_side() -> None:
    # 3 days without counter, 2 with a balance of 89 %, 1 without load: 24 x 760 / (24 x 800), over 24 of 30 days
    days = november()
    days[:3] = [day(one.date, load_energy=9e9) for one in days[:3]]
    days[3:5] = [replace(one, covered=0.89 * FULL, sums={"load_energy": 9e9}) for one in days[3:5]]
    days[5] = replace(days[5], sums={})
    one = found(PERFORMANCE.find(month(days), works()))
    assert one.value == pytest.approx(0.95)
    assert one.coverage == pytest.approx(0.8)
    assert one.inputs[0] == Input("energy of the load", 18240.0, "kWh", "windows, 24 days with complete data")


def test_what_the_reference_has_not_seen_is_noted() -> None:
    days = [*november()[:28], cast(date(2026, 11, 29), 25.0, 1250.0), cast(date(2026, 11, 30), 20.0, 1100.0)]
    assert found(PERFORMANCE.find(month(days), works())).note == ("1 of 30 days are outside the range of the reference")


def test_a_day_that_is_not_over_does_not_count() -> None:
    one = found(PERFORMANCE.find(month(november(), over=date(2026, 11, 11)), works()))
    assert one.inputs[0].value == 7600.0  # ten days


def test_degree_days_explain_what_heating_takes(tmp_path: Path) -> None:
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
    one = found(PERFORMANCE.find(month(days_now), works(GoalsConfig(model=model), days)))
    assert one.value == pytest.approx(0.9)  # 540 / (400 + 20 x 10)
    named = {one.name: one.value for one in one.inputs}
    assert named["base load"] == pytest.approx(400.0)
    assert named["energy by heating degree days below 18 degC"] == pytest.approx(20.0)
    assert named["energy by cooling degree days above 24 degC"] == pytest.approx(50.0)
    assert named["heating degree days below 18 degC"] == pytest.approx(300.0)


def test_the_sites_own_thermometer_will_do() -> None:
    # 400 kWh + 20 kWh/K d, 0 or 10 K d
    def sky(mean: float) -> dict[str, DeviceDay]:
        return {"sky": DeviceDay(temperature=mean, temperature_seconds=FULL)}

    model = BaselineSettings(BEGIN, END, heating_base=18.0, weather="sky")
    days = [
        day(one, sky(8.0 + 10.0 * (n % 2)), load_energy=6e5 - 2e5 * (n % 2)) for n, one in enumerate(dates(BEGIN, 30))
    ]
    one = found(
        PERFORMANCE.find(month(each(FIRST, 30, sky(13.0), load_energy=5e5)), works(GoalsConfig(model=model), days))
    )
    assert one.value == pytest.approx(1.0)  # 400 + 20 x 5


def test_tonnes_by_hand_make_a_monthly_baseline() -> None:
    # each month 100 kWh a day + 20 kWh/t, with 10 x its number in t; 2026: January to October of 200 t each
    by_hand = ProductSettings("castings", "A07")
    starts = [date(2025, number, 1) for number in range(1, 13)]
    ends = [date(one.year + one.month // 12, one.month % 12 + 1, 1) for one in starts]
    tonnes, days = [], []
    for number, (first, after) in enumerate(zip(starts, ends, strict=True), 1):
        length = (after - first).days
        tonnes.append(entry("tonnes:castings", 10.0 * number, first, date.fromordinal(after.toordinal() - 1)))
        daily = 100.0 + 20.0 * 10.0 * number / length
        days += each(first, length, {}, load_energy=1000.0 * daily)
    tonnes += [
        entry("tonnes:castings", 50.0, one.replace(year=2026), date.fromordinal(end.toordinal() - 1).replace(year=2026))
        for one, end in zip(starts[:10], ends[:10], strict=True)
    ]
    goals = GoalsConfig(products=(by_hand,), entries=tuple(tonnes), model=MODEL)
    now = each(date(2026, 1, 1), 319, {}, load_energy=120e3)
    one = found(PERFORMANCE.find(year(2026, now, over=date(2026, 11, 16)), works(goals, days)))
    # ten months of 304 d and 500 t: 100 x 304 + 20 x 500 = 40 400 kWh; 304 x 120 = 36 480 kWh
    assert one.value == pytest.approx(36480 / 40400)
    assert one.coverage == pytest.approx(304 / 319)
    assert one.inputs[0].source == "windows, 10 months with complete data"


def test_one_product_without_a_model_is_energy_per_tonne_of_the_year_before() -> None:
    # 2025: 60 days of 800 kWh a day in the mean, 600 t: 48 000 / 600 = 80 kWh/t; November: 760 / (80 x 10) = 0.95
    one = PERFORMANCE.find(month(november()), works(GoalsConfig(products=(CAST,))))
    assert found(one).value == pytest.approx(0.95)
    assert found(one).arithmetic.startswith("80 kWh/t x 300 t = 24000 kWh")
    assert [one.name for one in found(one).extras] == ["points of the reference"]
    target = PERFORMANCE.target(month([]), works(GoalsConfig(products=(CAST,))))
    assert target is not None
    assert target.value == pytest.approx(0.971)


def test_the_baseline_says_which_year_a_ratio_is_of() -> None:
    goals = GoalsConfig(products=(CAST,), baselines={"B10": Baseline(1.0, 2025)})
    days = [cast(when, 10.0, 700.0) for when in dates(date(2027, 1, 1), 31)]
    one = found(PERFORMANCE.find(year(2027, days), works(goals)))
    assert one.value == pytest.approx(0.875)  # 700 / 800
    target = PERFORMANCE.target(year(2027, days), works(goals))
    assert target is not None
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
            [cast(when, 10.0, 800.0) for when in dates(BEGIN, 40)],
            "the reference of output of castings cannot be fitted: variable 1 is constant",
        ),
        (
            GoalsConfig(products=(CAST,)),
            [cast(when, 0.0, 800.0) for when in dates(BEGIN, 40)],
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
def test_a_baseline_that_is_not_there_is_said(goals: GoalsConfig, days: list[Day] | None, what: str) -> None:
    for one in (PERFORMANCE, SAVING):
        assert missing(one.find(month(november()), works(goals, days))).what == what


def test_a_file_that_was_spoilt_since_the_start_is_no_temperature(tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    file.write_text("date,mean_degC\n2025-01-01,warm\n2025-01-02,cold\n")
    goals = GoalsConfig(model=BaselineSettings(BEGIN, END, heating_base=18.0, temperatures=file))
    one = missing(PERFORMANCE.find(month(november()), works(goals)))
    assert one.what.startswith("no temperatures: ")
    assert "'warm'" in one.what
    assert "cold" not in one.what  # the first mistake will do


def test_a_period_of_which_nothing_is_known_has_no_performance() -> None:
    one = missing(PERFORMANCE.find(month([]), works()))
    assert one.what == "no day of 2026-11 with data of load, output of castings"


def test_a_baseline_below_nothing_expects_nothing() -> None:
    # 2000 kWh - 100 kWh/t: at 30 t a day -1000 kWh
    down = [cast(when, 10.0 * (n % 2), 2000.0 - 1000.0 * (n % 2)) for n, when in enumerate(dates(BEGIN, 30))]
    one = missing(PERFORMANCE.find(month(november(tonnes=30.0)), works(days=down)))
    assert one.what == "the expected energy of 2026-11 is -30000 kWh; it must be above 0"
