"""scripts/faults as a test, with real daemon, broker, databases and faults: the short form always, the full nightly."""

from __future__ import annotations

import faulthandler
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.__main__ import KINDS
from tests.faults.stage import Kind
from tests.support.servers import wait_for

ROOT = Path(__file__).resolve().parents[2]
SUITE = [sys.executable, "-m", "tests.faults"]


PARTS = {"clock": "faults-clock", "network": "faults-clock", "outage": "faults-clock"}
"""The part of the nightly run for each kind; `faults-kill` for the others."""

FULL = [pytest.param(kind, marks=pytest.mark.nightly(part=PARTS.get(kind.name, "faults-kill"))) for kind in KINDS]


def loses_nothing(kind: Kind, rounds: int, *arguments: str) -> None:
    done = subprocess.run([*SUITE, *arguments, kind.name], cwd=ROOT, capture_output=True, text=True, check=False)
    line, total = done.stdout.splitlines()
    assert total == "lost 0  duplicated 0  misdated 0", done.stderr
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"{kind.name} +(skipped: .+|rounds +{rounds}  records +[1-9]\d*  {total}.*)", line)


@pytest.mark.server
@pytest.mark.slow(30)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_is_lost_duplicated_or_misdated(kind: Kind) -> None:
    loses_nothing(kind, kind.short, "--short")


@pytest.mark.server
@pytest.mark.slow(400)
@pytest.mark.parametrize("kind", FULL, ids=lambda kind: kind.name)
def test_nothing_is_lost_duplicated_or_misdated_in_the_full_form(kind: Kind) -> None:
    faulthandler.cancel_dump_traceback_later()  # it does not hang: a kind takes several minutes
    loses_nothing(kind, kind.full)


def test_an_unknown_kind_is_a_usage_error() -> None:
    done = subprocess.run([*SUITE, "kil"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "found 'kil'; allowed: kill, power" in done.stderr


@pytest.mark.server
@pytest.mark.slow(10)
def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    output = tmp_path / "err"
    with output.open("wb") as err, subprocess.Popen([*SUITE, "power"], cwd=ROOT, stdout=err, stderr=err) as process:
        (folder,) = wait_for(lambda: re.findall(r"in (/\S+)", output.read_text()), 60, "its folder")
        wait_for(lambda: folder in Path("/proc/mounts").read_text() or process.poll() is not None, 60, "a disk")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, output.read_text()
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert folder not in running
    assert folder not in Path("/proc/mounts").read_text()
    assert not Path(folder).exists()
