"""Idle ratio and load factor: METHOD 5 and 6.3 B07, by hand."""

from __future__ import annotations

import pytest
from wattgram.config.goals_table.goals_settings import Baseline, GoalsConfig
from wattgram.goals.indicators.base_load import INDICATORS
from wattgram.goals.terms.day import Day, Quarters

from tests.support.goal_factory import FIRST, aimed, dates, day, extra, found, missing, month, site, year

IDLE = INDICATORS["B07"]


def mean_load(energy: float, hours: float) -> dict[str, float]:
    """Return energy (Wh) and time (h) of the load of a day."""
    return {"mean_load.part": energy, "mean_load.whole": hours}


def nights(*lows: float, peak: float = 250e3) -> list[Day]:
    """Return days of 2400 kWh with these lowest loads at night, W."""
    return [
        day(
            when,
            quarters=Quarters(count=96, peak=peak, night=low, night_count=20),
            load_energy=2400e3,
            sums=mean_load(2400e3, 24),
        )
        for when, low in zip(dates(FIRST, len(lows)), lows, strict=True)
    ]


def test_the_idle_ratio_is_the_lowest_quarter_of_the_nights_over_the_mean() -> None:
    # means of 100 kW; lowest 20 of 20, 30 and 40 kW: 20 %; mean of the lowest 30 kW: 30 %; 100 / 250 kW = 0.4
    finding = IDLE.find(month(nights(30e3, 20e3, 40e3)), site())
    assert found(finding).value == pytest.approx(20.0)
    assert extra(finding, "mean of the lowest night loads") == pytest.approx(30.0)
    assert extra(finding, "load factor") == pytest.approx(0.4)
    assert found(finding).arithmetic == "20 kW / (7200 kWh / 72 h) x 100 = 20 %"


def test_the_mean_is_over_the_measured_time() -> None:
    # 2400 kWh in 12 h: 200 kW; 20 / 200 = 10 %
    # The balance covers 18 h: channels that are known without a load count, too.
    quarters = Quarters(48, peak=300e3, night=20e3, night_count=20)
    half = day(FIRST, covered=64800.0, quarters=quarters, load_energy=2.4e6, sums=mean_load(2.4e6, 12))
    assert found(IDLE.find(month([half]), site())).value == pytest.approx(10.0)


def test_days_without_a_night_do_not_count() -> None:
    day_shift = day(
        dates(FIRST, 2)[1], quarters=Quarters(count=40, peak=900e3), load_energy=2400e3, sums=mean_load(2400e3, 24)
    )
    finding = IDLE.find(month([*nights(20e3), day_shift]), site())
    assert found(finding).value == pytest.approx(20.0)
    assert extra(finding, "load factor") == pytest.approx(100 / 900)


def test_a_site_that_is_off_at_night_has_an_idle_ratio_of_0() -> None:
    finding = IDLE.find(month(nights(0.0, peak=0.0)), site())
    assert found(finding).value == 0.0
    assert not [extra_value for extra_value in found(finding).extras if extra_value.name == "load factor"]


@pytest.mark.parametrize(
    ("days", "what"),
    [
        ([], "no balance between 0:00 and 5:00 in 2026-11"),
        ([day(FIRST, quarters=Quarters(96, night=1.0, night_count=20))], "no load data in 2026-11"),
        (
            [day(FIRST, quarters=Quarters(96, night=0.0, night_count=20), load_energy=0.0, sums=mean_load(0.0, 24))],
            "no load in 2026-11",
        ),
        (
            [day(FIRST, covered=0.0, quarters=Quarters(96, night=1.0, night_count=20), load_energy=5.0)],
            "no time with a load in 2026-11",
        ),
    ],
)
def test_the_missing_input_is_named(days: list[Day], what: str) -> None:
    assert missing(IDLE.find(month(days), site())).what == what


@pytest.mark.parametrize(
    ("base", "number", "expected"),
    [
        (Baseline(40.0, 2025), 2026, 36.0),  # -10 % in the first year
        (Baseline(40.0, 2025), 2028, 36.0),  # no further fall without a setting of the site
        (Baseline(40.0, 2026), 2026, 40.0),
        (Baseline(40.0, 2024, -0.05), 2026, 36.1),  # 40 x 0.95 x 0.95
    ],
)
def test_the_target_is_the_baseline_of_the_site_less_a_tenth(base: Baseline, number: int, expected: float) -> None:
    target = aimed(IDLE.target(year(number, []), site(GoalsConfig(baselines={"B07": base}))))
    assert target.value == pytest.approx(expected)
    assert "site choice" in target.source
    assert IDLE.target(month([]), site()) is None
    assert IDLE.better == "lower"
