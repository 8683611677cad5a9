"""The daemon with a disk that cannot be read at the start, and with a disk that is mounted after the start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wattgram.store.history import History

from tests.support.brokers import Broker, ReceivedMessages, subscriber
from tests.support.disks import failing_to_read, mounted_over
from tests.support.field_devices import words_of
from tests.support.misbehaving_device import Server
from tests.support.running_site import configuration, daemon, one_device, serving
from tests.support.servers import free_port, request, wait_for

METER = "eastron_sdm630"

pytestmark = [pytest.mark.server, pytest.mark.slow(20)]


def page(address: str, path: str) -> tuple[int, Any]:
    status, body = request(f"http://{address}{path}")
    return status, json.loads(body)


def sent(received: ReceivedMessages, topic: str) -> list[str]:
    """Return the whole messages of a topic below the site's."""
    messages = [message for message in received.messages() if message[0] == f"wattgram/works/{topic}"]
    return [payload for _, payload in messages if payload.endswith("}")]


def device_times(folder: Path) -> list[int]:
    with History(folder, "works").delivered(["device"], lambda series: True) as stored:
        return [record.time for record in stored.records(0, 2**62)]


def test_readings_wait_for_a_disk_that_cannot_be_read_and_are_stored_without_a_restart(
    tmp_path: Path, broker: Broker
) -> None:
    address = f"127.0.0.1:{free_port()}"
    with serving(Server(words_of(METER, {}))) as server, subscriber(broker, "wattgram/#") as received:
        devices = one_device("incomer", "grid", METER, server.port)
        text = configuration(tmp_path, devices, mqtt=broker.url, http=address)
        with daemon(tmp_path, text) as running:
            wait_for(lambda: sent(received, "device/incomer"), 60, "a reading")
            assert running.stop() == 0
            with failing_to_read(tmp_path / "spool" / "journal"):
                running.start()
                wait_for(lambda: running.log.count("live page on") == 2, 60, "the page")
                before = len(sent(received, "device/incomer"))
                wait_for(lambda: page(address, "/api/now")[1]["devices"][0]["state"] == "good", 60, "a reading")
                status, health = page(address, "/healthz")
                assert (status, health["ok"], health["clock"] == "unset") == (503, False, False), health
                assert "Input/output error" in health["spool"]
                assert [event["event"] for event in page(address, "/api/now")[1]["events"]] == ["spool unavailable"]
                assert len(sent(received, "device/incomer")) == before, "nothing is published"
            wait_for(lambda: page(address, "/healthz")[0] == 200, 60, "the disk")
            wait_for(lambda: len(sent(received, "device/incomer")) > before + 3, 60, "readings")
            events = [event["event"] for event in page(address, "/api/now")[1]["events"]]
            assert events == ["spool available", "spool unavailable"]
            assert running.stop() == 0
    times = device_times(tmp_path / "spool")
    assert len(times) == len(set(times))
    told = [json.loads(payload)["time"] for payload in sent(received, "device/incomer")]
    assert len(told) == len(set(told)), "no reading has the time of another"


def test_a_disk_that_is_mounted_after_the_start_is_taken_up_without_a_restart(tmp_path: Path, broker: Broker) -> None:
    address, disk = f"127.0.0.1:{free_port()}", tmp_path / "disk"
    folder = tmp_path / "spool"
    disk.mkdir()
    folder.mkdir()
    with serving(Server(words_of(METER, {}))) as server, subscriber(broker, "wattgram/#") as received:
        devices = one_device("incomer", "grid", METER, server.port)
        text = configuration(tmp_path, devices, mqtt=broker.url, http=address)
        with mounted_over(disk, folder), daemon(tmp_path, text) as running:
            wait_for(lambda: len(sent(received, "device/incomer")) > 3, 60, "a reading")
            assert running.stop() == 0
        stored = device_times(disk)
        with daemon(tmp_path, text) as running:
            before = len(sent(received, "device/incomer"))
            wait_for(lambda: len(sent(received, "device/incomer")) > before + 3, 60, "a reading")
            with mounted_over(disk, folder):
                wait_for(lambda: "a directory with its own state" in _events(sent(received, "event")), 60, "the disk")
                before = len(sent(received, "device/incomer"))
                wait_for(lambda: len(sent(received, "device/incomer")) > before + 3, 60, "readings")
                assert page(address, "/healthz")[0] == 200
                assert running.stop() == 0
        assert device_times(disk)[: len(stored)] == stored
        assert len(device_times(disk)) >= len(stored) + 3
    told = {json.dumps(json.loads(payload) | {"replayed": True}) for payload in sent(received, "emission")}
    # The broker may get the last message again; an instant has one value.
    assert len(told) == len({json.loads(message)["time"] for message in told}), told


def _events(messages: list[str]) -> str:
    return " ".join(json.loads(message)["detail"] for message in messages)
