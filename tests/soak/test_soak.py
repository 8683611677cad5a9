"""The soak: its verdict detects growth, and a run works from end to end and cleans up."""

from __future__ import annotations

import faulthandler
import os
import random
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.soak.processes import tick
from tests.soak.sample import MEASURES
from tests.soak.slope import FEWEST, judged, rise, slope
from tests.support.servers import ROOT, START, wait_for

MINUTE = 1 / 60
"""h."""


def hour(*, leak: float = 0.0, noise: float = 0.0, count: int = 60) -> list[tuple[float, float]]:
    """Samples of a value of 60, one a minute, that grows by `leak` an hour with `noise`."""
    chance = random.Random(1)
    return [(number * MINUTE, 60.0 + leak * number * MINUTE + chance.uniform(-noise, noise)) for number in range(count)]


def test_the_slope_is_that_of_the_line_in_spite_of_a_few_outliers() -> None:
    points = hour(leak=3.0)
    assert slope(points) == pytest.approx(3.0)
    wild = [(time, 500.0 if number % 6 == 0 else value) for number, (time, value) in enumerate(points)]
    assert slope(wild) == pytest.approx(3.0, rel=0.2)


def test_a_rise_is_counted_in_standard_deviations_of_chance() -> None:
    # By hand: 4 points, all 6 pairs rise; variance 4 x 3 x 13 / 18 = 8.667; (6 - 1) / 2.944 = 1.698.
    assert rise([(0.0, 1.0), (1.0, 2.0), (2.0, 5.0), (3.0, 9.0)]) == pytest.approx(1.698, abs=0.001)
    assert rise([(0.0, 9.0), (1.0, 5.0), (2.0, 2.0), (3.0, 1.0)]) == pytest.approx(-1.698, abs=0.001)
    assert rise([(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]) == 0.0


def test_a_leak_in_noise_grows_and_noise_alone_is_flat() -> None:
    assert judged(hour(leak=2.0, noise=0.5), limit=1.0).grows
    assert not judged(hour(noise=0.5), limit=1.0).grows
    assert not judged(hour(leak=-2.0, noise=0.5), limit=1.0).grows
    assert not judged(hour(leak=0.5, noise=0.1), limit=1.0).grows  # below the limit


def test_a_file_leaked_every_ten_minutes_grows_and_a_file_open_now_and_then_does_not() -> None:
    forgotten = [(number * MINUTE, 18.0 + number // 10) for number in range(60)]
    now_and_then = [(number * MINUTE, 18.0 + (number % 7 == 0)) for number in range(60)]
    assert judged(forgotten, limit=0.5).grows
    assert not judged(now_and_then, limit=0.5).grows


def test_the_fewest_samples_are_enough_to_tell_a_leak() -> None:
    assert judged(hour(leak=6.0, count=FEWEST), limit=1.0).grows


@pytest.mark.parametrize(("speed", "seconds"), [(20.0, 20), (1.0, 1), (0.5, 1), (7.0, 9), (900.0, 900)])
def test_a_tick_is_a_part_of_a_quarter_of_an_hour(speed: float, seconds: int) -> None:
    assert tick(speed) == seconds


def soak(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A soak whose output goes to files in the folder."""
    with (folder / "out.txt").open("w") as out, (folder / "err.txt").open("w") as err:
        command = [sys.executable, "-m", "tests.soak", *arguments]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True)


def looks(folder: Path) -> int:
    """Return the number of samples so far."""
    return len(re.findall(r"^[0-9.]+ of [0-9.]+ min: ", (folder / "err.txt").read_text(), re.MULTILINE))


def processes(folder: Path) -> dict[int, str]:
    """Return the commands of processes in the soak's own folder, by process number."""
    (place,) = re.findall(r"in (/\S+)$", (folder / "err.txt").read_text(), re.MULTILINE)
    found = {}
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            if place in (text := command.read_text()):
                found[int(command.parent.name)] = text
    return found | ({0: place} if Path(place).exists() else {})


@pytest.mark.slow(20)
def test_a_short_soak_measures_everything_reports_that_it_is_too_short_and_leaves_nothing(tmp_path: Path) -> None:
    process = soak(tmp_path, "--minutes", "0.25", "--every", "2", "--seed", "7")
    assert process.wait(4 * START) == 0
    out = (tmp_path / "out.txt").read_text()
    assert looks(tmp_path) >= 3
    for measure in MEASURES:
        (row,) = [line for line in out.splitlines() if line.startswith(measure.name)]
        first, last = re.findall(r" (-?[0-9]+\.[0-9]+)", row)[:2]
        assert row.endswith("too short")
        assert min(float(first), float(last)) >= 0.0
        assert float(last) > 0.0 or measure.name in ("records undelivered", "bytes to disk")  # a disk may be memory
    counted = dict(words.rsplit(" ", 1) for words in out.splitlines()[-1].split(", "))
    assert min(int(counted[name]) for name in ("readings", "ticks", "mqtt delivered", "influxdb delivered")) > 0
    assert (counted["spool refused"], counted["spool lost"]) == ("0", "0")
    assert processes(tmp_path) == {}


@pytest.mark.nightly(part="soak")
@pytest.mark.slow(910)
def test_nothing_grows_in_a_soak_of_a_quarter_of_an_hour(tmp_path: Path) -> None:
    faulthandler.cancel_dump_traceback_later()  # it does not hang
    process = soak(tmp_path, "--minutes", "15", "--every", "30", "--seed", "7")
    assert process.wait(1080) == 0, (tmp_path / "out.txt").read_text()
    out = (tmp_path / "out.txt").read_text()
    assert "too short" not in out
    assert out.count("flat") == len(MEASURES)
    assert processes(tmp_path) == {}


@pytest.mark.slow(5)
def test_ctrl_c_ends_a_soak_with_a_report(tmp_path: Path) -> None:
    process = soak(tmp_path, "--every", "1")
    wait_for(lambda: looks(tmp_path) >= 3, 2 * START, "three looks")
    process.send_signal(signal.SIGINT)
    assert process.wait(2 * START) == 130
    assert "resident memory" in (tmp_path / "out.txt").read_text()
    assert "Traceback" not in (tmp_path / "err.txt").read_text()
    assert processes(tmp_path) == {}


@pytest.mark.slow(4)
def test_a_daemon_that_ends_in_a_soak_is_reported_with_the_results_so_far(tmp_path: Path) -> None:
    process = soak(tmp_path, "--every", "1")
    wait_for(lambda: looks(tmp_path) >= 2, 2 * START, "two looks")
    (daemon,) = [number for number, command in processes(tmp_path).items() if "tests.soak.gateway" in command]
    os.kill(daemon, signal.SIGKILL)
    assert process.wait(2 * START) == 1
    assert "the daemon has ended with -9; its log:\n" in (tmp_path / "err.txt").read_text()
    assert "resident memory" in (tmp_path / "out.txt").read_text()
    assert processes(tmp_path) == {}


@pytest.mark.slow(1)
def test_help_has_an_example_and_a_mistake_says_what_is_allowed() -> None:
    command = [sys.executable, "-m", "tests.soak"]
    output = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "example: scripts/soak --minutes 20" in output.stdout
    wrong = subprocess.run([*command, "--minutes", "-1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "found '-1'; allowed: a number above 0, up to 100000" in wrong.stderr
