"""Gateways that are broken for good, and intervals that a device cannot keep: tolerance, findings, longer intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_runs import called
from tests.support.field_devices import words_of
from tests.support.leaping_site import SiteRun, run_site
from tests.support.misbehaving_device import Behaviour, Request, Server, Step
from tests.support.running_site import configuration, one_device

METER = "eastron_sdm630"


def polled_through(
    tmp_path: Path, server: Server, seconds: float, driver: str = METER, role: str = "grid", **more: object
) -> SiteRun:
    return run_site(tmp_path, [server], lambda port: one_device("one", role, driver, port, **more), seconds)


def lying(answer: Behaviour, transaction: int = 0, length: int = 0, more: bytes = b"") -> Behaviour:
    """Answers with this much added to transaction id and length, and these bytes after them."""

    def answers(request: Request) -> Sequence[Step]:
        frame = bytearray(answer(request)[0].data + more)
        for place, added in ((0, transaction), (4, length)):
            number = int.from_bytes(frame[place : place + 2], "big") + added
            frame[place : place + 2] = (number % 0x10000).to_bytes(2, "big")
        return [Step(data=bytes(frame))]

    return answers


TOLERATED = [
    ("transaction-id", {"transaction": 1}),
    ("transaction-id", {"transaction": -408}),
    ("length", {"length": 2}),
    ("length", {"length": 2, "more": b"\x12\x34"}),  # an RTU's checksum that the gateway left in
]


@pytest.mark.parametrize(("word", "lie"), TOLERATED)
def test_what_is_tolerated_is_read(tmp_path: Path, word: str, lie: dict[str, Any]) -> None:
    behaviour = words_of(METER, {})
    told = polled_through(tmp_path, Server(lying(behaviour, **lie)), 60.0, tolerate=[word])
    assert told.other_than("one", "active_power_total", behaviour.images.decoded("active_power_total")) == []
    assert len(told.values("one", "active_power_total")) >= 50


@pytest.mark.parametrize(("word", "lie"), TOLERATED)
def test_what_is_not_tolerated_is_refused(tmp_path: Path, word: str, lie: dict[str, Any]) -> None:
    other = "length" if word == "transaction-id" else "transaction-id"
    told = polled_through(tmp_path, Server(lying(words_of(METER, {}), **lie)), 30.0, tolerate=[other])
    assert told.values("one", "active_power_total") == []
    named = "transaction" if word == "transaction-id" else "header"
    assert any(named in event for event in told.events("one"))
    assert not any("holding" in event for event in told.events("one")), "the map has input registers alone"


def test_a_check_shows_what_is_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(configuration(tmp_path, one_device("one", "grid", METER, 1502, tolerate=["transaction-id"])))
    ended = called("check", "-c", str(path))
    assert ended.code == 0
    assert "transaction-id" in ended.out + ended.err


def test_an_interval_shorter_than_the_delays_of_a_map_is_a_finding_and_no_flapping_device(tmp_path: Path) -> None:
    # 850 ms between two requests of this inverter, and several requests a reading.
    behaviour = words_of("growatt_tl3x", {})
    server = Server(behaviour, rtu=True)

    def devices(port: int) -> str:
        return one_device("one", "pv", "growatt_tl3x", port, interval="500ms").replace("tcp://", "rtutcp://")

    path = tmp_path / "site.toml"
    path.write_text(configuration(tmp_path, devices(1502)))
    ended = called("check", "-c", str(path))
    assert "interval" in ended.out + ended.err
    told = run_site(tmp_path, [server], devices, 90.0)
    assert [event for event in told.events("one") if "lost" in event or "back" in event] == []
    assert len(told.of("one")) >= 20
