"""`[grid.certificates]`: one table or several, by the hour and by the year."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.base.errors import ConfigError
from wattgram.config.grid_table import GridConfig
from wattgram.delivery.configuration import read

from tests.support.grid_signals import utc

SITE = (
    '[site]\nname = "works"\ntimezone = "Asia/Shanghai"\n[grid]\nzone = "CN-CQ"\n[[device]]\nname = "incomer"\n'
    'role = "grid"\ndriver = "eastron_sdm630"\nurl = "tcp://127.0.0.1"\n'
)
YEARLY = '[[grid.certificates]]\nid = "gec"\nmarket = "CN GEC"\ntechnology = "wind"\nyear = 2026\nenergy_kwh = 350000\n'


def grid(text: str, folder: Path) -> GridConfig:
    return read(SITE + text, folder / "site.toml").grid


def hourly(folder: Path, name: str, energy: float) -> str:
    (folder / f"{name}.csv").write_text(f"time,energy_kwh\n2026-06-01 08:00,{energy}\n")
    return f'[[grid.certificates]]\nid = "{name}"\npath = "{name}.csv"\n'


def test_streams_by_the_hour_are_added_and_those_by_the_year_stay_apart(tmp_path: Path) -> None:
    found = grid(hourly(tmp_path, "a", 120) + YEARLY + hourly(tmp_path, "b", 30), tmp_path)
    assert [(stream.id, stream.energy, stream.year) for stream in found.streams] == [
        ("a", 0.0, 0),
        ("gec", 350_000.0, 2026),
        ("b", 0.0, 0),
    ]
    assert found.streams[1].described == "gec, CN GEC, wind"
    assert found.certificates is not None
    hours = found.certificates.read(ZoneInfo("Asia/Shanghai"))
    assert hours.at(utc("2026-06-01T08:00:00+08:00"), utc("2026-06-01T09:00:00+08:00")) == 150e3  # Wh


def test_certificates_of_self_used_power_match_no_import(tmp_path: Path) -> None:
    found = grid(hourly(tmp_path, "roof", 120) + "self_used = true\n", tmp_path)
    assert found.certificates is None
    assert found.streams[0].self_used


@pytest.mark.parametrize(
    ("more", "mistake"),
    [
        (YEARLY + YEARLY, "grid.certificates[2].id: found 'gec' a second time; allowed: each id once"),
        (YEARLY.replace("year = 2026\n", ""), "grid.certificates[1].year: missing; energy_kwh needs it"),
        (YEARLY + 'path = "x.csv"\n', "path: found with year, energy_kwh; allowed: path, or year and energy_kwh"),
        ('[[grid.certificates]]\nid = "x"\n', "path: missing; a CSV file by the hour, or year and energy_kwh"),
        (YEARLY.replace("wind", "coal"), "technology: found 'coal'"),
    ],
)
def test_a_wrong_stream_is_a_mistake(tmp_path: Path, more: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        grid(more, tmp_path)
    assert any(mistake in found for found in caught.value.mistakes), caught.value.mistakes


def test_streams_by_the_hour_have_the_mean_factor_of_the_hour(tmp_path: Path) -> None:
    # 08:00: 10 kWh at 0 and 30 kWh at 100 g/kWh give 75 g/kWh; another hour has no certificates
    found = grid(hourly(tmp_path, "a", 10) + hourly(tmp_path, "b", 30) + "factor_g_per_kwh = 100\n", tmp_path)
    assert found.certificates is not None
    mix = found.certificates.mix(ZoneInfo("Asia/Shanghai"))
    assert mix is not None
    for minute in ("08:00:01", "08:30:00", "09:00:00"):
        assert mix.factor(utc(f"2026-06-01T{minute}+08:00")) == pytest.approx(75.0)
    assert isnan(mix.factor(utc("2026-06-01T08:00:00+08:00")))
    assert isnan(mix.factor(utc("2026-06-01T09:00:01+08:00")))


def test_streams_of_one_factor_need_no_mix(tmp_path: Path) -> None:
    found = grid(hourly(tmp_path, "a", 10) + hourly(tmp_path, "b", 30), tmp_path)
    assert found.certificates is not None
    assert found.certificates.mix(ZoneInfo("Asia/Shanghai")) is None
