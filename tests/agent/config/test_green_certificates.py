"""Certificates by the hour: energy over any interval, local hours, broken files."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.errors import ConfigError
from wattgram.config import green_certificates
from wattgram.config.green_certificates import Certificates, read

from tests.support.grid_signals import utc

SHANGHAI, BERLIN, KOLKATA = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
HOUR = green_certificates.HOUR
EIGHT = utc("2026-06-01T08:00:00+08:00")
ROWS = "time,energy_kwh\n2026-06-01 08:00,120\n2026-06-01 09:00,60\n2026-06-01 11:00,30.5\n"


def certificates_of(folder: Path, text: str, zone: ZoneInfo = SHANGHAI) -> Certificates:
    path = folder / "certificates.csv"
    path.write_text(text)
    return read(path, zone)


def test_the_energy_of_an_hour_is_spread_evenly(tmp_path: Path) -> None:
    certificates = certificates_of(tmp_path, ROWS)
    assert certificates.at(EIGHT, EIGHT + HOUR) == 120e3
    assert certificates.at(EIGHT, EIGHT + HOUR // 4) == 30e3
    assert certificates.at(EIGHT + HOUR // 4, EIGHT + HOUR) == 90e3
    assert certificates.at(EIGHT + HOUR // 2, EIGHT + 3 * HOUR // 2) == 90e3  # half of 120 and half of 60
    assert certificates.at(EIGHT - HOUR, EIGHT + 9 * HOUR) == 210.5e3


def test_hours_without_certificates_have_no_energy(tmp_path: Path) -> None:
    certificates = certificates_of(tmp_path, ROWS)
    assert certificates.at(EIGHT - HOUR, EIGHT) == 0.0
    assert certificates.at(EIGHT + 2 * HOUR, EIGHT + 3 * HOUR) == 0.0
    assert certificates.at(EIGHT + 4 * HOUR, EIGHT + 5 * HOUR) == 0.0
    assert certificates.at(EIGHT, EIGHT) == 0.0
    assert certificates.at(EIGHT + HOUR, EIGHT) == 0.0
    assert certificates_of(tmp_path, "time,energy_kwh\n").at(EIGHT, EIGHT + HOUR) == 0.0


@given(st.lists(st.integers(-HOUR, 5 * HOUR), min_size=2, max_size=20).map(sorted))
def test_parts_of_an_interval_add_up_to_the_interval(cuts: list[int]) -> None:
    certificates = Certificates({EIGHT: 120e3, EIGHT + HOUR: 60e3, EIGHT + 3 * HOUR: 30.5e3})
    parts = [certificates.at(EIGHT + earlier, EIGHT + later) for earlier, later in pairwise(cuts)]
    assert sum(parts) == pytest.approx(certificates.at(EIGHT + cuts[0], EIGHT + cuts[-1]), abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffenergy_kwh;time\r\n60;2026/6/1 9:00\r\n\r\n120;2026/6/1 8:00\r\n30.5;2026-06-01 11:00",
        "time,energy_kwh\n2026-06-01T00:00:00Z,120\n2026-06-01T10:00:00+09:00,60\n2026-06-01T11:00+08:00,30.5\n",
    ],
)
def test_other_spellings_of_a_file_are_read_alike(tmp_path: Path, text: str) -> None:
    certificates, same = certificates_of(tmp_path, text), certificates_of(tmp_path, ROWS)
    for hour in range(-1, 5):
        span = EIGHT + hour * HOUR, EIGHT + (hour + 1) * HOUR
        assert certificates.at(*span) == same.at(*span)


# the site's clock


def test_the_repeated_hour_of_autumn_has_two_rows(tmp_path: Path) -> None:
    # Berlin, 25 October 2026: 03:00 CEST (01:00 UTC) becomes 02:00 CET
    text = "time,energy_kwh\n2026-10-25 01:00,1\n2026-10-25 02:00,2\n2026-10-25 02:00,3\n2026-10-25 03:00,4\n"
    certificates, start = certificates_of(tmp_path, text, BERLIN), utc("2026-10-24T23:00:00Z")
    assert [certificates.at(start + n * HOUR, start + (n + 1) * HOUR) for n in range(4)] == [1e3, 2e3, 3e3, 4e3]


def test_the_skipped_hour_of_spring_has_no_energy(tmp_path: Path) -> None:
    # Berlin, 29 March 2026: 02:00 CET (01:00 UTC) becomes 03:00 CEST
    text = "time,energy_kwh\n2026-03-29 01:00,1\n2026-03-29 02:00,0\n2026-03-29 03:00,4\n"
    certificates, start = certificates_of(tmp_path, text, BERLIN), utc("2026-03-29T00:00:00Z")
    assert [certificates.at(start + n * HOUR, start + (n + 1) * HOUR) for n in range(2)] == [1e3, 4e3]
    with pytest.raises(ConfigError, match="line 3: time: found '2026-03-29 02:00', which the clocks skip"):
        certificates_of(tmp_path, text.replace(",0", ",7"), BERLIN)


def test_an_hour_begins_by_the_clock_of_the_site(tmp_path: Path) -> None:
    half_past = "time,energy_kwh\n2026-06-01T00:30:00Z,1\n"
    start = utc("2026-06-01T00:30:00Z")
    assert certificates_of(tmp_path, half_past, KOLKATA).at(start, start + HOUR) == 1e3  # 06:00 there
    with pytest.raises(ConfigError, match="line 2: time: found '2026-06-01T00:30:00Z'; allowed: the beginning of"):
        certificates_of(tmp_path, half_past, SHANGHAI)


# broken files


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "line 1: found []; expected column names, each once"),
        ("time\n2026-06-01 08:00\n", "line 1: energy_kwh missing; allowed: time, energy_kwh"),
        ("time,energy_kw\n", "line 1: found 'energy_kw', nearest: 'energy_kwh'; allowed: time, energy_kwh"),
        ("time,energy_kwh,plant\n", "line 1: found 'plant'; allowed: time, energy_kwh"),
        ("time,energy_kwh\n2026-06-01 08:00,1\n2026-06", "line 3: found 1 columns; expected 2"),
        ("time,energy_kwh\n2026-06-01 08:00,\n", "line 2: energy_kwh: found ''; allowed: a number of kWh"),
        ("time,energy_kwh\n2026-06-01 08:00,nan\n", "line 2: energy_kwh: found 'nan'; allowed: a number of kWh"),
        ("time,energy_kwh\n2026-06-01 08:00,-1\n", "line 2: energy_kwh: found '-1'; allowed: a number of kWh"),
        ("time,energy_kwh\n1 June,1\n", "line 2: time: found '1 June'; allowed: the beginning of an hour such as"),
        (ROWS + "2026-06-01T00:00:00Z,1\n", "line 5: time: found '2026-06-01T00:00:00Z' a second time; allowed: one"),
        (ROWS + "2026-06-01 08:00,1\n", "line 5: time: found '2026-06-01 08:00' a second time; allowed: one row"),
        ('time,energy_kwh\n"2026', "line 2: unexpected end of data"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        certificates_of(tmp_path, text)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"{tmp_path / 'certificates.csv'}: {line}")


def test_only_the_first_of_many_mistakes_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        certificates_of(tmp_path, "time,energy_kwh\n" + "x,1\n" * 25)
    assert len(caught.value.mistakes) == 11
    assert caught.value.mistakes[-1] == f"{tmp_path / 'certificates.csv'}: 15 more lines are wrong"


def test_an_unreadable_or_too_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"certificates\.csv: cannot be read: No such file or directory"):
        read(tmp_path / "certificates.csv", SHANGHAI)
    monkeypatch.setattr(green_certificates, "HOURS", 2)
    with pytest.raises(ConfigError, match="found 3 rows; allowed: at most 2"):
        certificates_of(tmp_path, ROWS)
    monkeypatch.setattr(green_certificates, "CERTIFICATE_FILE_BYTES", len(ROWS) - 1)
    with pytest.raises(ConfigError, match=f"found more than {len(ROWS) - 1} bytes"):
        certificates_of(tmp_path, ROWS)
    (tmp_path / "bytes.csv").write_bytes(b"time,energy_kwh\n\xff")
    with pytest.raises(ConfigError, match="byte 16: not UTF-8"):
        read(tmp_path / "bytes.csv", SHANGHAI)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="found a FIFO; allowed: a regular file"):
        read(tmp_path / "pipe", SHANGHAI)  # without waiting for a writer
