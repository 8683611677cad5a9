"""Resident memory of the daemon with a broker and ten devices, against its limit of 40 MB.

    python -m tests.bench.memory [SECONDS]

The devices are simulated by another process; the broker is a real mosquitto. For comparison, the memory of a bare
interpreter on this machine is printed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.brokers import Broker, mosquitto
from tests.support.command_runs import started
from tests.support.running_site import configuration, one_device
from tests.support.servers import free_port

LIMIT = 40e6
"""Bytes."""

DRIVERS = ("eastron_sdm630", "acrel_adl400_dtsd1352", "huawei_sun2000", "sungrow_sg_string", "sunspec")


def resident(pid: int) -> tuple[float, float]:
    """Bytes of a process in memory, and those of them that no other process shares."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = {line.split()[0]: float(line.split()[1]) for line in rollup.splitlines()[1:]}
    return 1024 * kilobytes["Rss:"], 1024 * (kilobytes["Private_Clean:"] + kilobytes["Private_Dirty:"])


def bare() -> tuple[float, float]:
    """The same of an idle interpreter."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True) as process:
        time.sleep(0.5)
        try:
            return resident(process.pid)
        finally:
            process.communicate("\n")


def measured(folder: Path, broker: Broker, seconds: float, *, page: bool) -> tuple[float, float]:
    """The daemon's memory after so many seconds of work."""
    folder.mkdir()
    port = free_port()
    devices = "".join(
        one_device(f"device-{number}", "pv" if number % 5 > 1 else "load", DRIVERS[number % 5], port, unit=number + 1)
        for number in range(10)
    )
    http = f"127.0.0.1:{free_port()}" if page else ""
    (folder / "wattgram.toml").write_text(configuration(folder, devices, mqtt=broker.url, http=http))
    path = str(folder / "wattgram.toml")
    simulated, daemon = started(folder / "simulate", "simulate", "-c", path), started(folder / "run", "run", "-c", path)
    with simulated as plant, daemon as run:
        plant.says("device-9: ")
        run.says("10 devices")
        time.sleep(seconds)
        memory = resident(run.pid)
        assert run.ended(signal.SIGTERM).code == 0
    return memory


def main() -> int:
    """Measure and print; 1 when the limit is broken."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    rows = [("bare interpreter", bare())]
    with tempfile.TemporaryDirectory(prefix="wattgram-memory-") as name, mosquitto(Path(name)) as broker:
        for what, page in (("daemon, MQTT, no page", False), ("daemon, MQTT and page", True)):
            rows.append((what, measured(Path(name) / f"page-{page}", broker, seconds, page=page)))
    print(f"{'':24}{'resident':>10}{'private':>10}   after {seconds:g} s, limit {LIMIT / 1e6:g} MB")
    for what, (rss, private) in rows:
        print(f"{what:24}{rss / 1e6:7.1f} MB{private / 1e6:7.1f} MB")
    return 1 if max(rss for _, (rss, _) in rows) > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
