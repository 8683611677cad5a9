"""Degree days by hand, and the temperatures of a thermometer and of a file."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from wattgram.config.goals_table.goals_settings import BaselineSettings
from wattgram.goals.quantities.degree_days import cooling, heating, temperatures
from wattgram.goals.terms.day import DeviceDay

from tests.support.goal_factory import FIRST, FULL, dates, day

SECOND = dates(FIRST, 2)[1]


def test_degree_days_are_the_difference_below_or_above_the_base() -> None:
    assert [heating(18.0, mean) for mean in (10.0, 18.0, 25.0)] == [8.0, 0.0, 0.0]
    assert [cooling(24.0, mean) for mean in (10.0, 24.0, 31.5)] == [0.0, 0.0, 7.5]


def test_a_thermometer_counts_with_readings_for_nine_tenths_of_a_day(tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    file.write_text("date,mean_degC\n2026-11-01,12.5\n2026-11-02,13\n")
    complete = {"sky": DeviceDay(temperature=11.0, temperature_seconds=0.9 * FULL)}
    short = {"sky": DeviceDay(temperature=50.0, temperature_seconds=0.89 * FULL)}
    days = [day(FIRST, complete), day(SECOND, short)]
    alone = BaselineSettings(FIRST, SECOND, weather="sky")
    assert temperatures(alone, days) == {FIRST: 11.0}
    both = BaselineSettings(FIRST, SECOND, weather="sky", temperatures=file)
    assert temperatures(both, days) == {FIRST: 11.0, SECOND: 13.0}


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    model = BaselineSettings(FIRST, SECOND, temperatures=file)
    file.write_text("date,mean_degC\n2026-11-01,12.5\n")
    assert temperatures(model, []) == {date(2026, 11, 1): 12.5}
    file.write_text("date,mean_degC\n2026-11-01,12.5\n2026-11-02,-3\n")
    os.utime(file, ns=(0, 1))  # two writes may have the same timestamp of the file system
    assert temperatures(model, []) == {date(2026, 11, 1): 12.5, date(2026, 11, 2): -3.0}
