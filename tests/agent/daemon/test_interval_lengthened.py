"""An interval that the delays of a map forbid is an event, once at the start of the daemon."""

from __future__ import annotations

from pathlib import Path

from tests.support.field_devices import words_of
from tests.support.leaping_site import SiteRun, run_site
from tests.support.misbehaving_device import Server, silent
from tests.support.running_site import one_device


def polled(tmp_path: Path, server: Server, interval: str) -> SiteRun:
    # This inverter needs 850 ms between two requests, and several requests a reading (Growatt's protocol II V1.05).
    def devices(port: int) -> str:
        return one_device("roof", "pv", "growatt_tl3x", port, interval=interval).replace("tcp://", "rtutcp://")

    return run_site(tmp_path, [server], devices, 60.0)


def lengthened(told: SiteRun) -> list[str]:
    return [event for event in told.events("roof") if event.startswith("interval lengthened: ")]


def test_a_lengthened_interval_is_one_event_with_what_to_set(tmp_path: Path) -> None:
    (event,) = lengthened(polled(tmp_path, Server(words_of("growatt_tl3x", {}), rtu=True), "500ms"))
    assert "roof: interval = 0.5s is too short: a reading takes" in event
    assert "0.85 s between them" in event
    assert "set interval = " in event


def test_it_is_told_although_the_device_is_silent(tmp_path: Path) -> None:
    assert len(lengthened(polled(tmp_path, Server(silent, rtu=True), "500ms"))) == 1


def test_an_interval_that_is_long_enough_is_no_event(tmp_path: Path) -> None:
    assert lengthened(polled(tmp_path, Server(words_of("growatt_tl3x", {}), rtu=True), "20s")) == []
