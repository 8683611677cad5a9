"""A SunSpec device with its words swapped, and one that changes while the daemon runs, as an operator sees them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command_runs import wattgram
from tests.support.misbehaving_device import Request, Server, Step
from tests.support.running_site import configuration, one_device
from tests.support.sunspec_chains import COMMON_66, END, MARKER, written

FLOATS = {"W": 5983.0, "Hz": 50.0, "PhVphA": 230.0, "PhVphB": 230.0, "PhVphC": 230.0, "A": 26.0, "St": 4}


def swapped() -> tuple[int, ...]:
    """A model 113 whose floats, at the offsets 2 to 47, have the low word first."""
    words = list(written(113, FLOATS))
    for offset in range(2, 48, 2):
        words[offset], words[offset + 1] = words[offset + 1], words[offset]
    return tuple(words)


@contextmanager
def served(words: Sequence[int]) -> Iterator[int]:
    """Serve words from address 40000 at unit 1 in a thread; yield the port."""

    def act(request: Request) -> Sequence[Step]:
        first = request.address - 40000
        found = words[first : first + request.count] if first >= 0 and request.unit == 1 else ()
        if len(found) != request.count:
            return [Step(data=request.frame(bytes([request.code | 0x80, 2])))]
        return [
            Step(data=request.frame(bytes([request.code, 2 * len(found)]) + b"".join(w.to_bytes(2) for w in found)))
        ]

    started, stop = threading.Event(), threading.Event()
    server = Server(act)

    async def run() -> None:
        async with server:
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert started.wait(30)
        yield server.port
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow(4)
def test_swapped_words_are_a_finding_of_read_scan_and_check_and_nothing_is_shown(tmp_path: Path) -> None:
    # W is 5983.0 = 45BA F800, sent as F800 45BA; Hz is 50.0 = 4248 0000, sent as 0000 4248: 2.4e-41.
    with served((*MARKER, *COMMON_66, *swapped(), *END)) as port:
        url = f"tcp://127.0.0.1:{port}"
        read = wattgram("read", url, "--driver", "sunspec", "--format", "json")
        scan = wattgram("scan", url, "--units", "1", "--format", "json")
        path = tmp_path / "wattgram.toml"
        path.write_text(configuration(tmp_path, one_device("roof", "pv", "sunspec", port)))
        check = wattgram("check", "-c", str(path), "--live", "--format", "json")
    assert (read.code, read.out) == (1, "")
    assert "holding 40094 is 0000 4248: the words of floats are swapped" in read.err
    assert "byte order" in read.err
    assert read.err.count("\n") == 1
    (row,) = json.loads(scan.out)
    assert row["driver"] == "sunspec"
    assert "the words of floats are swapped" in row["finding"]
    assert check.code == 1
    (finding,) = json.loads(check.out)["findings"]
    assert finding.startswith("roof: unit 1: holding 40094 is 0000 4248: the words of floats are swapped")
    assert "big-endian" in finding


@pytest.mark.slow(2)
def test_a_weather_station_is_suggested_with_its_role() -> None:
    station = (307, 11, 215, 65, 1013, 7, 270, 0, 0, 0, 0x8000, 0x8000, 0x8000)
    with served((*MARKER, *COMMON_66, *station, *END)) as port:
        scan = wattgram("scan", f"tcp://127.0.0.1:{port}", "--units", "1")
    assert 'role = "weather"' in scan.out


@pytest.mark.slow(3)
def test_a_scan_says_what_cannot_be_true_of_the_devices_that_it_names() -> None:
    # A meter at 10 kV, 5.77 kV to neutral, whose nominal voltage no register states
    words = written(213, {"PhVphA": 5770.0, "PhVphB": 5770.0, "PhVphC": 5770.0, "W": 1000.0, "Hz": 50.0})
    with served((*MARKER, *COMMON_66, *words, *END)) as port:
        url = f"tcp://127.0.0.1:{port}"
        scan = wattgram("scan", url, "--units", "1", "--format", "json")
        shown = wattgram("scan", url, "--units", "1")
    (row,) = json.loads(scan.out)
    assert row["driver"].startswith("sunspec")
    assert "3 values (voltage_l1n, voltage_l2n, voltage_l3n)" in row["finding"]
    assert 'nominal_voltage = "10kV"' in row["finding"]
    assert "# 3 values (voltage_l1n" in shown.out
