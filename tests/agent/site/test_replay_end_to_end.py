"""Replay with real processes: `wattgram replay` with and without a daemon, and a late grid value."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bucket
from tests.support.brokers import Broker, ReceivedMessages, subscriber
from tests.support.command_runs import wattgram
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import wait_for
from tests.support.topics import METER

TICKS = "SELECT * FROM emission WHERE \"window\" = 'tick'"


def site(port: int) -> str:
    return one_device("incomer", "grid", "eastron_sdm630", port)


def database(bucket: Bucket) -> str:
    return f'url = "{bucket.write.url}"\norg = "plant"\nbucket = "{bucket.name}"\ntoken = {{ file = "token" }}'


def emissions(received: ReceivedMessages) -> list[dict[str, Any]]:
    return [json.loads(payload) for topic, payload in received.messages() if topic == "wattgram/works/emission"]


@pytest.mark.slow(12)
def test_changed_factors_reach_broker_and_database_with_the_same_keys(
    tmp_path: Path, broker: Broker, bucket: Bucket
) -> None:
    (tmp_path / "token").write_text(bucket.token)
    with device(Registers(METER)) as meter, subscriber(broker, "wattgram/#") as received:
        before = configuration(tmp_path, site(meter.port), mqtt=broker.url, influxdb=database(bucket))
        with daemon(tmp_path, before) as running:
            wait_for(lambda: len(bucket.rows(TICKS)) >= 8, 30, "ticks in the database")
            same = wattgram("replay", "-c", str(running.path), "--format", "json")
            other = tmp_path / "other.toml"
            other.write_text(before.replace("[grid]\n", "[grid]\nfactor_g_per_kwh = 600.0\n"))
            declined = wattgram("replay", "-c", str(other))
            assert running.stop() == 0
        # The daemon runs the replay: nothing changed, so nothing is published again.
        assert same.code == 0, same.err
        summary = json.loads(same.out)
        assert summary["daemon"] is True
        assert summary["windows"]["tick"]["computed"] >= 8
        assert {counts["changed"] for counts in summary["windows"].values()} == {0}
        assert (declined.code, declined.out) == (1, "")
        assert "another configuration" in declined.err
        first = {row["time"]: row for row in bucket.rows(TICKS)}
        replay = wattgram("replay", "-c", str(other), "--format", "json")
        assert replay.code == 0, replay.err
        summary = json.loads(replay.out)
        assert (summary["daemon"], summary["undelivered"]) == (False, {})
        assert summary["windows"]["tick"]["changed"] == summary["windows"]["tick"]["computed"] >= len(first)
        second = {row["time"]: row for row in bucket.rows(TICKS)}
        wait_for(
            lambda: [record for record in emissions(received) if record["revision"] == 1],
            10,
            "revised ticks on the broker",
        )
    # The last records of the daemon waited in the spool and were delivered with the others.
    assert first.keys() <= second.keys()
    assert len(second) == summary["windows"]["tick"]["computed"]
    assert {(row["grid_intensity"], row["grid_source"], row["revision"]) for row in second.values()} == {
        (600.0, "configuration", 1)
    }
    # 12345 W are imported and nothing is generated: the load has the grid's intensity.
    assert {row["load_power"] for row in second.values()} == {row["load_power"] for row in first.values()}
    covered = [row for row in second.values() if row["emission"]]
    assert covered
    assert all(abs(row["emission"] / row["load_energy"] - 0.6) < 1e-12 for row in covered)
    repeated = wattgram("replay", "-c", str(other))
    assert repeated.code == 0
    assert [line.split() for line in repeated.out.splitlines() if line.startswith("tick")] == [
        ["tick", str(len(second)), "0"]
    ]


def events(received: ReceivedMessages) -> list[str]:
    """Return the names of the events so far."""
    return [json.loads(payload)["event"] for topic, payload in received.messages() if topic.endswith("/event")]


@pytest.mark.slow(12)
def test_a_late_grid_value_is_published_with_the_next_revision(tmp_path: Path, broker: Broker, bucket: Bucket) -> None:
    (tmp_path / "token").write_text(bucket.token)
    with device(Registers(METER)) as meter, subscriber(broker, "wattgram/#") as received:
        text = configuration(tmp_path, site(meter.port), mqtt=broker.url, influxdb=database(bucket))
        text += '[[grid.source]]\nkind = "mqtt"\ntopic = "grid/now"\n'
        with daemon(tmp_path, text) as running:
            wait_for(lambda: len(emissions(received)) >= 6, 30, "ticks")
            ticks = emissions(received)
            begin = str(ticks[2]["time"])
            until = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat()
            broker.publish("grid/now", json.dumps({"time": begin, "valid_to": until, "intensity": 300.0}))
            wait_for(lambda: [record for record in emissions(received) if record["revision"] == 1], 60, "revised ticks")
            wait_for(lambda: bucket.rows(TICKS + " AND revision = 1"), 20, "revised ticks in the database")
            # The event follows the last revised record; a daemon that stops before it revises at its next start.
            wait_for(lambda: "results revised" in events(received), 60, "the event")
            assert running.stop() == 0
    rows = bucket.rows(TICKS)
    assert len({row["time"] for row in rows}) == len(rows)
    late = datetime.fromisoformat(begin).timestamp() * 1e9
    # a tick has the value of the interval before it
    assert {row["grid_intensity"] for row in rows if row["time"] > late} == {300.0}
    assert {row["grid_intensity"] for row in rows if row["time"] <= late} == {558.1}
    assert {row["revision"] for row in rows if row["time"] <= late} == {0}
    assert {row["grid_tier"] for row in rows if row["time"] > late} == {1}


def test_an_impossible_replay_is_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "wattgram.toml"
    path.write_text(configuration(tmp_path, site(502)))
    without_history = wattgram("replay", "-c", str(path))
    assert (without_history.code, without_history.out) == (1, "")
    assert without_history.err.startswith(f"wattgram replay: {tmp_path / 'spool'}: no such directory")
    unknown_window = wattgram("replay", "-c", str(path), "--windows", "tick,1w")
    assert unknown_window.code == 2
    assert "found '1w', nearest: '1h'; allowed: tick, 15m, 1h, 1d, 1mo" in unknown_window.err
    reversed_period = wattgram("replay", "-c", str(path), "--from", "2026-11-02", "--to", "2026-11-01")
    assert reversed_period.code == 2
    assert "allowed: an end after the beginning" in reversed_period.err


@pytest.mark.slow(15)
@pytest.mark.server
def test_after_kill_9_a_replay_of_the_stored_instants_changes_nothing(tmp_path: Path) -> None:
    """Windows, counters and accounts continue from the last commit, so a replay over the kills changes nothing."""
    registers = Registers(METER)

    def readings() -> int:
        return sum(address == registers.served[0][1] for _, address in registers.served)

    def wait_for_readings(count: int) -> None:
        end = readings() + count
        wait_for(lambda: readings() >= end, 30, f"{count} more readings")

    with device(registers) as meter:
        with daemon(tmp_path, configuration(tmp_path, site(meter.port))) as running:
            for count, pause in ((2, 0.0), (3, 0.3), (2, 0.6), (4, 0.1)):
                wait_for_readings(count)
                time.sleep(pause)
                running.kill()
                running.start()
            wait_for_readings(4)
            assert running.stop() == 0
        replay = wattgram("replay", "-c", str(running.path), "--format", "json")
    assert replay.code == 0, replay.err
    summary = json.loads(replay.out)
    assert summary["instants"] >= 6
    assert {window: counts["changed"] for window, counts in summary["windows"].items() if counts["changed"]} == {}
