"""The daemon with connections that end and requests that are refused for good: no reading is lost, none is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.field_devices import GreetingServer, words_of
from tests.support.leaping_site import SiteRun, run_site
from tests.support.misbehaving_device import Request, Server, Step
from tests.support.running_site import one_device

METER = "eastron_sdm630"


def polled(
    tmp_path: Path, server: Server, seconds: float, driver: str = METER, role: str = "grid", **more: object
) -> SiteRun:
    return run_site(tmp_path, [server], lambda port: one_device("one", role, driver, port, **more), seconds)


# Connections


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_server_that_closes_after_each_answer_loses_no_reading(tmp_path: Path, delay: float) -> None:
    behaviour = words_of(METER, {})
    told = polled(tmp_path, Server(lambda request: [*behaviour(request), Step(delay, end="close")]), 60.0)
    assert set(told.qualities("one")) == {"good"}
    assert len(told.of("one")) >= 58
    assert told.events("one") == []
    assert {len(record.as_dict()) for record in told.of("one")} == {41}, "40 values and the quality"


@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_connection_that_ends_at_the_first_request_after_a_pause_loses_no_reading(tmp_path: Path, end: str) -> None:
    behaviour, last = words_of(METER, {}), dict[int, float]()

    def answers(request: Request) -> Sequence[Step]:
        idle = request.time - last.get(request.connection, request.time)
        last[request.connection] = request.time
        return [Step(end=end)] if idle > 2.0 else behaviour(request)  # type: ignore[arg-type]  # one of two words

    told = polled(tmp_path, Server(answers), 100.0, interval="5s")
    assert len([quality for quality in told.qualities("one") if quality == "good"]) >= 19
    assert told.events("one") == []


def test_a_connection_that_falls_silent_after_a_pause_loses_no_reading(tmp_path: Path) -> None:
    behaviour, last = words_of(METER, {}), dict[int, float]()

    def answers(request: Request) -> Sequence[Step]:
        idle = request.time - last.get(request.connection, request.time)
        last[request.connection] = request.time
        return [] if idle > 2.0 else behaviour(request)

    told = polled(tmp_path, Server(answers), 100.0, interval="5s")
    assert len([quality for quality in told.qualities("one") if quality == "good"]) >= 19


def test_a_request_is_retried_once_and_not_for_ever(tmp_path: Path) -> None:
    server = Server(lambda request: [Step(end="reset")])
    polled(tmp_path, server, 60.0)
    assert len(server.requests) <= 2 * 60 + 4


def test_frames_that_came_before_the_request_never_become_values(tmp_path: Path) -> None:
    behaviour = words_of(METER, {})
    frames = []
    for transaction in range(1, 20):
        pdu = b"\x04\x48" + b"\x41" * 72
        frames.append(transaction.to_bytes(2, "big") + b"\0\0\0\x4b\x01" + pdu)

    def answers(request: Request) -> Sequence[Step]:
        return [*behaviour(request), Step(0.3, end="close")] if request.number % 5 == 4 else behaviour(request)

    told = polled(tmp_path, GreetingServer(answers, greeting=b"".join(frames)), 60.0)
    assert told.other_than("one", "voltage_l1n", behaviour.images.decoded("voltage_l1n")) == []
    assert len(told.of("one")) >= 40


# Refusals and partial readings


@pytest.mark.slow(3)
@pytest.mark.parametrize("code", [2, 3, 4, 1, 10, 11])
def test_refused_registers_are_learned_whatever_the_code(tmp_path: Path, code: int) -> None:
    server = Server(words_of(METER, {}, refused={22: code, 23: code}))
    told = polled(tmp_path, server, 120.0)
    late = [record for record in told.of("one") if told.seconds(record) > 60.0]
    assert len(late) >= 55
    assert {"active_power_total" in record.as_dict() for record in late} == {True}
    assert {len(record.as_dict()) for record in late} == {40}, "39 values and the quality"
    asked = [request for request in server.requests if request.time > 60.0 and request.address <= 22]
    touched = [request for request in asked if request.address + request.count > 22]
    assert len(touched) <= 6, "the hole is read around"


def test_a_quantity_that_is_missing_three_times_is_told_and_makes_readings_partial(tmp_path: Path) -> None:
    behaviour = words_of(METER, {})

    def answers(request: Request) -> Sequence[Step]:
        if request.time > 20.5 and request.address >= 200:
            return []
        return behaviour(request)

    told = polled(tmp_path, Server(answers), 60.0, timeout="300ms")
    late = [record for record in told.of("one") if told.seconds(record) > 30.0]
    assert {record["quality"] for record in late} == {"partial"}
    mine = [event for event in told.events("one") if "voltage_l1l2" in event or "voltage" in event]
    assert len(mine) == 1
    assert told.other_than("one", "active_power_total", behaviour.images.decoded("active_power_total")) == []


def test_a_device_without_the_power_of_its_role_is_not_good(tmp_path: Path) -> None:
    told = polled(tmp_path, Server(words_of(METER, {}, refused={52: 2, 53: 2})), 40.0)
    assert told.state["one"] != "good"
    late = [record["quality"] for record in told.of("one") if told.seconds(record) > 10.0]
    assert "good" not in late
    assert any("active_power_total" in event for event in told.events("one"))


def test_a_device_that_lacks_a_register_of_its_map_is_told_once(tmp_path: Path) -> None:
    told = polled(tmp_path, Server(words_of(METER, {}, refused={22: 2, 23: 2})), 120.0)
    assert len([event for event in told.events("one") if "apparent_power_l3" in event]) == 1


@pytest.mark.parametrize("length", [0, 1, 71, 254, 0xFFFF])
def test_a_frame_whose_length_lies_costs_no_later_reading(tmp_path: Path, length: int) -> None:
    behaviour = words_of(METER, {})

    def answers(request: Request) -> Sequence[Step]:
        frame = bytearray(behaviour(request)[0].data)
        if request.number % 20 == 10:
            frame[4:6] = length.to_bytes(2, "big")
        return [Step(data=bytes(frame))]

    told = polled(tmp_path, Server(answers), 60.0, timeout="400ms")
    assert told.other_than("one", "active_power_total", behaviour.images.decoded("active_power_total")) == []
    assert len(told.of("one")) >= 45
    assert told.events("one") == []
