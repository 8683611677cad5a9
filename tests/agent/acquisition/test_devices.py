"""One daemon against devices that misbehave in every way: the healthy ones never notice, and no bad value gets out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from math import floor
from pathlib import Path
from typing import Any

import pytest

from tests.support.misbehaving_device import (
    Behaviour,
    Request,
    Step,
    by_unit,
    garbage,
    late,
    refuses,
    resets,
    short,
    silent,
    wrong_id,
    wrong_unit,
)
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import Broker, Heard, free_port, request, subscriber, wait_for
from tests.support.topics import METER, METER_VALUES, inverter

OBSERVED = 12.0  # seconds
DRIVER = "eastron_sdm630"

SUNSPEC = {
    40000: 0x5375,
    40001: 0x6E53,
    40002: 1,
    40003: 66,  # marker "SunS", model 1
    40070: 103,
    40071: 50,  # model 103, three-phase inverter
    40084: 4200,
    40085: 1,  # W 4200, W_SF 1: 42000 W
    40122: 0xFFFF,
    40123: 0,  # end
}

BAD: dict[str, tuple[Behaviour, str]] = {
    "resets": (resets, "connection lost"),
    "failing": (refuses(4), "exception 4 (device failure)"),
    "mapless": (refuses(2), "exception 2 (illegal address)"),
    "busy": (refuses(6), "exception 6 (device busy)"),
    "babbling": (garbage, "no Modbus TCP header"),
    "late": (late(0.6), "no answer within 0.3 s"),
    "misnamed": (wrong_unit, "unit 2 answered"),
    "foreign": (wrong_id, "no answer within 0.3 s"),
    "short": (short, "requested"),
    "half-open": (silent, "no answer within 0.3 s"),
}
"""What each bad device does, and what its event must tell."""


def published(heard: Heard, topic: str) -> list[dict[str, Any]]:
    return [json.loads(payload) for where, payload in heard.messages() if where == f"wattgram/works/{topic}"]


def when(message: dict[str, Any]) -> float:
    return datetime.fromisoformat(message["time"]).timestamp()


def wait_until(heard: Heard, topic: str, end: float) -> None:
    """Wait for a message whose reading was made after `end`."""
    wait_for(lambda: when(published(heard, topic)[-1]) > end, 60, f"{topic} to be read after {end}")


def every_second_once(messages: Sequence[dict[str, Any]], begin: float, end: float) -> None:
    """Each whole second between has exactly one reading: one that is due at a second is made within it."""
    seconds = [floor(when(message)) for message in messages if message["quality"] == "good"]
    assert [one for one in seconds if floor(begin) < one < floor(end)] == list(range(floor(begin) + 1, floor(end)))


def state(port: int, name: str) -> dict[str, Any]:
    now = json.loads(request(f"http://127.0.0.1:{port}/api/now")[1])
    return next(one for one in now["devices"] if one["name"] == name)


@contextmanager
def bad_devices() -> Iterator[str]:
    """Configuration of all of them while they serve."""
    with ExitStack() as servers:
        text = one_device("absent", "load", DRIVER, free_port())
        for name, (behaviour, _) in BAD.items():
            port = servers.enter_context(device(behaviour)).port
            text += one_device(name, "load", DRIVER, port, timeout="300ms")
        yield text


@pytest.mark.slow(17)
def test_ten_bad_devices_cost_the_good_ones_no_second_and_publish_nothing_but_their_loss(
    tmp_path: Path, broker: Broker
) -> None:
    page, meter, roof = free_port(), Registers(METER), Registers(inverter)
    with device(meter) as one, device(roof) as other, bad_devices() as bad, subscriber(broker, "wattgram/#") as heard:
        good = one_device("incomer", "grid", DRIVER, one.port)
        good += one_device("roof", "pv", "huawei_sun2000", other.port)
        text = configuration(tmp_path, good + bad, mqtt=broker.url, http=f"127.0.0.1:{page}")
        with daemon(tmp_path, text) as running:
            wait_for(lambda: published(heard, "device/incomer") and published(heard, "device/roof"), 30, "readings")
            # A new inverter connection is left alone for a second, so its first reading may come between two others.
            begin = time.time() + 1.0
            end = begin + OBSERVED
            for name in ("incomer", "roof"):
                wait_until(heard, f"device/{name}", end)
            states = {name: state(page, name) for name in ("incomer", "roof", "absent", *BAD)}
            log = running.log
            assert running.stop() == 0
        incomer, inverters = published(heard, "device/incomer"), published(heard, "device/roof")
        events = published(heard, "event")
        silence = {name: published(heard, f"device/{name}") for name in ("absent", *BAD)}
    every_second_once(incomer, begin, end)
    every_second_once(inverters, begin, end)
    for message in incomer:
        assert {name: message[name] for name in METER_VALUES} == METER_VALUES
    for name, messages in silence.items():
        assert messages, f"{name} is not published at all"
        assert [set(message) - {"replayed"} for message in messages] == [{"time", "quality"}] * len(messages)
        assert {message["quality"] for message in messages} == {"stale"}
        lost = [event for event in events if event["device"] == name]
        assert [event["event"] for event in lost] == ["device lost"], name
        why = BAD[name][1] if name in BAD else "cannot be opened"
        # Learning that each single register is refused takes longer than the three intervals after which it is lost.
        assert why in lost[0]["detail"] or name == "mapless"
        assert why in states[name]["detail"]
        assert states[name]["state"] == "lost"
        assert states[name]["power"] is None
    assert (states["incomer"]["state"], states["roof"]["state"]) == ("good", "good")
    assert "Traceback" not in log
    assert log.count(" half-open: ") == 1  # a change of state is logged, not each attempt


def turning(well: Behaviour, bad: Behaviour, since: float, until: float) -> Behaviour:
    """`bad` between two times after the first request, whenever that comes, `well` before and after.

    It turns between two readings, each of which begins at the same register, and not in the midst of one.
    """
    begun: list[tuple[float, int]] = []
    now = [well]

    def act(request: Request) -> Sequence[Step]:
        if not begun:
            begun.append((time.time(), request.address))
        start, first = begun[0]
        if request.address == first:
            now[0] = bad if since <= time.time() - start < until else well
        return now[0](request)

    return act


@pytest.mark.parametrize(("bad", "why"), [(silent, "no answer within 0.3 s"), (resets, "connection lost")])
@pytest.mark.slow(20)
def test_a_device_that_falls_silent_is_lost_and_later_back(
    tmp_path: Path, broker: Broker, bad: Behaviour, why: str
) -> None:
    page = free_port()
    behaviour = turning(Registers(METER), bad, 5.0, 12.0)
    with device(behaviour) as one, subscriber(broker, "wattgram/#") as heard:
        text = configuration(
            tmp_path,
            one_device("incomer", "grid", DRIVER, one.port, timeout="300ms"),
            mqtt=broker.url,
            http=f"127.0.0.1:{page}",
        )
        with daemon(tmp_path, text):
            events = wait_for(lambda: published(heard, "event"), 30, "the loss")
            assert [(event["device"], event["event"]) for event in events] == [("incomer", "device lost")]
            assert why in events[0]["detail"]
            lost = state(page, "incomer")
            assert (lost["state"], lost["power"], lost["quality"]) == ("stale", None, "stale")
            wait_for(lambda: len(published(heard, "event")) == 2, 40, "the return")
            assert state(page, "incomer")["state"] == "good"
            wait_for(lambda: published(heard, "device/incomer")[-1]["quality"] == "good", 10, "a reading")
        messages, events = published(heard, "device/incomer"), published(heard, "event")
    assert [(event["device"], event["event"]) for event in events[1:]] == [("incomer", "device back")]
    qualities = [message["quality"] for message in messages]
    assert qualities.count("stale") == 1
    stale = messages[qualities.index("stale")]
    assert set(stale) - {"replayed"} == {"time", "quality"}
    assert {message["active_power_total"] for message in messages if message is not stale} == {12345.0}


@pytest.mark.slow(15)
def test_a_dead_unit_on_the_same_line_costs_its_neighbour_no_second(tmp_path: Path, broker: Broker) -> None:
    line = by_unit({1: Registers(METER), 2: silent})
    with device(line) as one, subscriber(broker, "wattgram/#") as heard:
        devices = one_device("alive", "grid", DRIVER, one.port, unit=1)
        devices += one_device("dead", "load", DRIVER, one.port, unit=2, timeout="300ms")
        with daemon(tmp_path, configuration(tmp_path, devices, mqtt=broker.url)):
            wait_for(lambda: published(heard, "device/alive"), 30, "a reading")
            begin = time.time()
            end = begin + OBSERVED
            wait_until(heard, "device/alive", end)
        messages, dead = published(heard, "device/alive"), published(heard, "device/dead")
    every_second_once(messages, begin, end)
    assert [set(message) - {"replayed"} for message in dead] == [{"time", "quality"}]


@pytest.mark.slow(8)
def test_a_sunspec_device_that_is_switched_on_later_is_found_then(tmp_path: Path, broker: Broker) -> None:
    on = time.time() + 6.0

    def behaviour(request: Request) -> Sequence[Step]:
        return registers(request) if time.time() >= on else []

    registers = Registers(SUNSPEC)
    with device(behaviour) as one, subscriber(broker, "wattgram/#") as heard:
        roof = one_device("roof", "pv", "sunspec", one.port, unit=126, timeout="300ms")
        with daemon(tmp_path, configuration(tmp_path, roof, mqtt=broker.url)):
            wait_for(lambda: "device back" in str(published(heard, "event")), 60, "the device")
            wait_for(lambda: published(heard, "device/roof")[-1]["quality"] == "good", 10, "its reading")
        messages, events = published(heard, "device/roof"), published(heard, "event")
    assert [event["event"] for event in events] == ["device lost", "device back"]
    assert messages[0]["quality"] == "stale"
    assert messages[-1]["active_power_total"] == 42000.0
