"""The daemon under a wall clock that is set while it runs: the messages at its broker and the rows in its database."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import Bucket
from tests.support.brokers import Broker, ReceivedMessages, subscriber
from tests.support.faked_clock import faked_clock
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import wait_for
from tests.support.topics import inverter

NEAR = 2.0
"""Longest delay of a busy machine until it sees an answer or a new clock, s; the clock is set by 30 s at least."""


class Wall:
    """A wall clock with an offset to the real clock: libfaketime reads the offset from a file at each call."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faketime"
        self._sets: list[tuple[float, float]] = []

    def set_ahead(self, seconds: float) -> None:
        """Set the clock this many seconds ahead of the real clock."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{seconds:+.0f}\n")
        beside.replace(self._file)
        self._sets.append((time.time(), seconds))

    def possible(self, moment: float) -> set[float]:
        """Return the times that the clock may have shown at a real moment."""
        shown_times = [moment + seconds for at, seconds in self._sets if at <= moment + NEAR]
        before = [at for at, _ in self._sets if at <= moment + NEAR]
        return {shown_times[-1]} | ({shown_times[-2]} if len(shown_times) > 1 and before[-1] > moment - NEAR else set())

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables for a process with this wall clock and the real monotonic clock."""
        variables = faked_clock(self._file)
        assert variables, "libfaketime is not installed: apt-get install faketime"
        return variables


def messages(subscription: ReceivedMessages, topic: str) -> list[dict[str, object]]:
    return [json.loads(payload) for where, payload in subscription.messages() if where == f"wattgram/works/{topic}"]


def at(message: dict[str, object]) -> float:
    return datetime.fromisoformat(str(message["time"])).timestamp()


@pytest.mark.slow(50)
def test_every_reading_has_its_time_and_no_key_is_written_twice(tmp_path: Path, broker: Broker, bucket: Bucket) -> None:
    """The clock is in 1970, right, half a minute back, two hours back, an hour forward and right again, some s each."""
    wall, meter = Wall(tmp_path), Registers(inverter)
    (tmp_path / "token").write_text(bucket.token)
    database = f'url = "{bucket.write.url}"\norg = "plant"\nbucket = "{bucket.name}"\ntoken = {{ file = "token" }}'

    def read() -> list[float]:
        """Return the start of each reading."""
        return [moment for moment, address in meter.served if address == meter.served[0][1]]

    def more(count: int) -> None:
        end = len(read()) + count
        wait_for(lambda: len(read()) >= end, 60, f"{count} more readings")

    def points(query: str) -> list[dict[str, object]]:
        return bucket.rows(f"SELECT * FROM {query}")

    with device(meter) as inverter_server, subscriber(broker, "wattgram/#") as subscription:
        devices = one_device("incomer", "pv", "huawei_sun2000", inverter_server.port, rated_power="110 kW")
        wall.set_ahead(-int(time.time()))
        text = configuration(tmp_path, devices, mqtt=broker.url, influxdb=database)
        with daemon(tmp_path, text, wall.environment) as running:
            wait_for(lambda: meter.served, 30, "the first reading")
            more(4)
            assert messages(subscription, "device/incomer") == []
            right = time.time()
            wall.set_ahead(0)
            for ahead in (-30, -7200, -3600, 0):
                more(8)
                wall.set_ahead(ahead)
            more(8)
            wait_for(lambda: len(points("device")) >= len(read()) - 1, 30, "the last readings")
            assert running.stop() == 0
        rows, emissions = points("device WHERE quality != 'stale'"), messages(subscription, "emission")
        ticks = points("emission WHERE \"window\" = 'tick'")

    # The voltage numbers the readings: no reading is missing, so none was overwritten, and each has its time.
    by_turn = {round(float(str(row["voltage_l1n"])) * 10) - 2301: int(str(row["time"])) / 1e9 for row in rows}
    moments = read()
    assert sorted(by_turn) == list(range(len(rows)))
    assert len(moments) - len(rows) in (0, 1)  # the last reading may have been under way when the daemon ended
    for turn, stamp in by_turn.items():
        shown_times = {moments[turn]} if moments[turn] < right + NEAR else wall.possible(moments[turn])
        assert min(abs(stamp - possible_time) for possible_time in shown_times) < NEAR, f"reading {turn}"
    # The broker got each instant once, and the database has the same instants.
    times = [at(message) for message in emissions]
    assert len(times) == len(set(times)) >= 25
    stored = {int(str(row["time"])) / 1e9: (row["coverage"], row["revision"]) for row in ticks}
    published = {at(message): (message["coverage"], 0) for message in emissions}
    late = dict(stored.items() ^ published.items())
    assert all(
        late_time > moments[-1] - 5.0 for late_time in late
    )  # the last instants may have reached only the broker or only the database
    # Whole seconds that continue after each change of the clock: five stretches; instants waited during the second.
    breaks = [later - earlier for earlier, later in pairwise(times) if later - earlier != 1.0]
    assert [round(step / 60.0) for step in breaks if abs(step) > 5.0] == [-120, 60, 60]
    assert abs(times[-1] - moments[-1]) < 5.0
    events = [str(message["event"]) for message in messages(subscription, "event")]
    assert [event_name for event_name in events if event_name.startswith("clock")] == [
        "clock unset",
        "clock set",
        *["clock stepped"] * 4,
    ]
    assert [event_name for event_name in events if event_name.startswith("instants")] == [
        "instants wait",
        "instants go on",
    ]
