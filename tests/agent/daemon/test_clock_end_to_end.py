"""The daemon under a wall clock that is set while it runs; what its broker heard and its database holds in the end."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import Bucket
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import Broker, Heard, subscriber, wait_for
from tests.support.topics import inverter

NEAR = 2.0
"""Seconds that a busy machine may take to see an answer or a clock that was set; the clock is set by 30 at least."""


class Wall:
    """A wall clock beside the real one: libfaketime reads from a file by how much, each time that it is asked."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        assert found, "libfaketime is not installed: apt-get install faketime"
        self._library = found[0]
        self._file = folder / "faketime"
        self._sets: list[tuple[float, float]] = []

    def turn(self, seconds: float) -> None:
        """It is so much ahead of the real one from now on."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{seconds:+.0f}\n")
        beside.replace(self._file)
        self._sets.append((time.time(), seconds))

    def possible(self, moment: float) -> set[float]:
        """What it may have shown at a real moment."""
        shown = [moment + seconds for at, seconds in self._sets if at <= moment + NEAR]
        before = [at for at, _ in self._sets if at <= moment + NEAR]
        return {shown[-1]} | ({shown[-2]} if len(shown) > 1 and before[-1] > moment - NEAR else set())

    @property
    def environment(self) -> Mapping[str, str]:
        """For the process that lives by it; its monotonic clock is the real one."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


def messages(heard: Heard, topic: str) -> list[dict[str, object]]:
    return [json.loads(payload) for where, payload in heard.messages() if where == f"wattgram/works/{topic}"]


def at(message: dict[str, object]) -> float:
    return datetime.fromisoformat(str(message["time"])).timestamp()


@pytest.mark.slow(50)
def test_every_reading_has_its_time_and_no_key_is_written_twice(tmp_path: Path, broker: Broker, bucket: Bucket) -> None:
    """1970, set right, half a minute back, two hours back, an hour forward, right again; some seconds of each."""
    wall, meter = Wall(tmp_path), Registers(inverter)
    (tmp_path / "token").write_text(bucket.token)
    database = f'url = "{bucket.write.url}"\norg = "plant"\nbucket = "{bucket.name}"\ntoken = {{ file = "token" }}'

    def read() -> list[float]:
        """When each reading was begun."""
        return [moment for moment, address in meter.served if address == meter.served[0][1]]

    def more(count: int) -> None:
        end = len(read()) + count
        wait_for(lambda: len(read()) >= end, 60, f"{count} more readings")

    def points(query: str) -> list[dict[str, object]]:
        return bucket.rows(f"SELECT * FROM {query}")

    with device(meter) as one, subscriber(broker, "wattgram/#") as heard:
        devices = one_device("incomer", "grid", "huawei_sun2000", one.port, rated_power="110 kW")
        wall.turn(-int(time.time()))
        text = configuration(tmp_path, devices, mqtt=broker.url, influxdb=database)
        with daemon(tmp_path, text, wall.environment) as running:
            wait_for(lambda: meter.served, 30, "the first reading")
            more(4)
            assert messages(heard, "device/incomer") == []
            right = time.time()
            wall.turn(0)
            for ahead in (-30, -7200, -3600, 0):
                more(8)
                wall.turn(ahead)
            more(8)
            wait_for(lambda: len(points("device")) >= len(read()) - 1, 30, "the last readings")
            assert running.stop() == 0
        rows, told = points("device WHERE quality != 'stale'"), messages(heard, "emission")
        ticks = points("emission WHERE \"window\" = 'tick'")

    # The voltage says which reading it was: none is missing, so none was overwritten, and each has its time.
    by_turn = {round(float(str(row["voltage_l1n"])) * 10) - 2301: int(str(row["time"])) / 1e9 for row in rows}
    moments = read()
    assert sorted(by_turn) == list(range(len(rows)))
    assert len(moments) - len(rows) in (0, 1)  # one may have been on its way when the daemon ended
    for turn, stamp in by_turn.items():
        shown = {moments[turn]} if moments[turn] < right + NEAR else wall.possible(moments[turn])
        assert min(abs(stamp - one) for one in shown) < NEAR, f"reading {turn}"
    # The broker heard each instant once, and the database holds what it heard.
    times = [at(one) for one in told]
    assert len(times) == len(set(times)) >= 25
    stored = {int(str(row["time"])) / 1e9: (row["coverage"], row["revision"]) for row in ticks}
    heard_of = {at(one): (one["coverage"], 0) for one in told}
    late = dict(stored.items() ^ heard_of.items())
    assert all(one > moments[-1] - 5.0 for one in late)  # the last ones may have reached one of the two alone
    # Whole seconds that go on after each setting: five stretches, of which the second waited until it was over.
    breaks = [later - earlier for earlier, later in pairwise(times) if later - earlier != 1.0]
    assert [round(one / 60.0) for one in breaks if abs(one) > 5.0] == [-120, 60, 60]
    assert abs(times[-1] - moments[-1]) < 5.0
    events = [str(one["event"]) for one in messages(heard, "event")]
    assert [one for one in events if one.startswith("clock")] == ["clock unset", "clock set", *["clock stepped"] * 4]
    assert [one for one in events if one.startswith("instants")] == ["instants wait", "instants go on"]
