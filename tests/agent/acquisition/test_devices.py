"""A daemon with faulty devices: good devices are read on time, and no wrong value is published."""

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

from tests.support.brokers import Broker, ReceivedMessages, subscriber
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
from tests.support.servers import free_port, request, wait_for
from tests.support.topics import METER, METER_VALUES, inverter

pytestmark = pytest.mark.usefixtures("before_others")

OBSERVED = 12.0  # seconds
DRIVER = "eastron_sdm630"

SUNSPEC = {
    40000: 0x5375,
    40001: 0x6E53,
    40002: 1,
    40003: 66,  # marker "SunS", model 1
    40070: 103,
    40071: 50,  # model 103, three-phase inverter
    **dict.fromkeys(range(40080, 40083), 230),  # PhVphA, B, C: 230 V
    40084: 4200,
    40085: 1,  # W 4200, W_SF 1: 42000 W
    40086: 50,  # Hz
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
"""Behaviour of each faulty device, and the text that its event must contain."""


def payloads(subscription: ReceivedMessages, topic: str) -> list[dict[str, Any]]:
    return [json.loads(payload) for where, payload in subscription.messages() if where == f"wattgram/works/{topic}"]


def changes(subscription: ReceivedMessages, name: str) -> list[dict[str, Any]]:
    """Return the events of device `name`; "" is the site.

    Without `gap settled`, which depends on the duration of the gap, and so on the speed of the machine.
    """
    return [
        event
        for event in payloads(subscription, "event")
        if event.get("device", "") == name and event["event"] != "gap settled"
    ]


def timestamp(message: dict[str, Any]) -> float:
    return datetime.fromisoformat(message["time"]).timestamp()


def wait_until(subscription: ReceivedMessages, topic: str, end: float) -> None:
    """Wait for a message with a timestamp after `end`."""
    wait_for(lambda: timestamp(payloads(subscription, topic)[-1]) > end, 60, f"{topic} to be read after {end}")


def assert_one_reading_a_second(messages: Sequence[dict[str, Any]], begin: float, end: float) -> None:
    """Check that each whole second in between has exactly one reading: a reading is taken within its second."""
    seconds = [floor(timestamp(message)) for message in messages if message["quality"] == "good"]
    assert [second for second in seconds if floor(begin) < second < floor(end)] == list(
        range(floor(begin) + 1, floor(end))
    )


def state(port: int, name: str) -> dict[str, Any]:
    now = json.loads(request(f"http://127.0.0.1:{port}/api/now")[1])
    return next(entry for entry in now["devices"] if entry["name"] == name)


@contextmanager
def bad_devices() -> Iterator[str]:
    """Serve the devices of BAD during the block; yield their configuration."""
    with ExitStack() as servers:
        text = one_device("absent", "load", DRIVER, free_port())
        for name, (behaviour, _) in BAD.items():
            port = servers.enter_context(device(behaviour)).port
            text += one_device(name, "load", DRIVER, port, timeout="300ms")
        yield text


@pytest.mark.slow(17)
def test_ten_faulty_devices_do_not_delay_the_good_devices_and_publish_only_their_loss(
    tmp_path: Path, broker: Broker
) -> None:
    page, meter, roof = free_port(), Registers(METER), Registers(inverter)
    with (
        device(meter) as meter_server,
        device(roof) as roof_server,
        bad_devices() as bad,
        subscriber(broker, "wattgram/#") as subscription,
    ):
        good = one_device("incomer", "grid", DRIVER, meter_server.port)
        good += one_device("roof", "pv", "huawei_sun2000", roof_server.port)
        text = configuration(tmp_path, good + bad, mqtt=broker.url, http=f"127.0.0.1:{page}")
        with daemon(tmp_path, text) as running:
            wait_for(
                lambda: payloads(subscription, "device/incomer") and payloads(subscription, "device/roof"),
                30,
                "readings",
            )
            # A new inverter connection gets no request for a second, so its first reading may be late.
            begin = time.time() + 1.0
            end = begin + OBSERVED
            for name in ("incomer", "roof"):
                wait_until(subscription, f"device/{name}", end)
            states = {name: state(page, name) for name in ("incomer", "roof", "absent", *BAD)}
            log = running.log
            assert running.stop() == 0
        incomer, inverters = payloads(subscription, "device/incomer"), payloads(subscription, "device/roof")
        events = payloads(subscription, "event")
        silence = {name: payloads(subscription, f"device/{name}") for name in ("absent", *BAD)}
    assert_one_reading_a_second(incomer, begin, end)
    assert_one_reading_a_second(inverters, begin, end)
    for message in incomer:
        assert {name: message[name] for name in METER_VALUES} == METER_VALUES
    for name, messages in silence.items():
        assert messages, f"{name} is not published at all"
        assert [set(message) - {"replayed"} for message in messages] == [{"time", "quality"}] * len(messages)
        assert {message["quality"] for message in messages} == {"stale"}
        lost = [event for event in events if event.get("device") == name]
        assert [event["event"] for event in lost] == ["device lost"], name
        why = BAD[name][1] if name in BAD else "cannot be opened"
        # To try each register alone takes longer than the three intervals after which the device is lost.
        assert why in lost[0]["detail"] or name == "mapless"
        assert why in states[name]["detail"]
        assert states[name]["state"] == "lost"
        assert states[name]["power"] is None
    assert (states["incomer"]["state"], states["roof"]["state"]) == ("good", "good")
    assert "Traceback" not in log
    assert log.count(" half-open: ") == 1  # a change of state is logged, not each attempt


class Switch:
    """A behaviour that becomes `behaviour` between two readings, not within a reading.

    Each reading begins at the same register.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._now = behaviour
        self._first: int | None = None

    def __call__(self, request: Request) -> Sequence[Step]:
        if self._first is None:
            self._first = request.address
        if request.address == self._first:
            self._now = self.behaviour
        return self._now(request)


@pytest.mark.parametrize(("bad", "why"), [(silent, "no answer within 1 s"), (resets, "connection lost")])
@pytest.mark.slow(25)
def test_a_silent_device_is_lost_until_it_answers_again(
    tmp_path: Path, broker: Broker, bad: Behaviour, why: str
) -> None:
    page = free_port()
    well = Registers(METER)
    switch = Switch(well)
    with device(switch) as server, subscriber(broker, "wattgram/#") as subscription:
        text = configuration(
            tmp_path,
            one_device("incomer", "grid", DRIVER, server.port, timeout="1s"),
            mqtt=broker.url,
            http=f"127.0.0.1:{page}",
        )
        with daemon(tmp_path, text):
            wait_for(lambda: len(payloads(subscription, "device/incomer")) >= 4, 30, "four readings")
            switch.behaviour = bad
            (event,) = wait_for(lambda: changes(subscription, "incomer"), 30, "the loss")
            assert event["event"] == "device lost"
            assert why in event["detail"]
            lost = state(page, "incomer")
            assert (lost["state"], lost["power"], lost["quality"]) == ("stale", None, "stale")
            (unknown,) = wait_for(lambda: changes(subscription, ""), 30, "the unknown load")
            switch.behaviour = well
            wait_for(lambda: len(changes(subscription, "incomer")) == 2, 40, "the return")
            assert state(page, "incomer")["state"] == "good"
            wait_for(lambda: payloads(subscription, "device/incomer")[-1]["quality"] == "good", 10, "a reading")
        messages, events = payloads(subscription, "device/incomer"), changes(subscription, "incomer")
        ticks, site = payloads(subscription, "emission"), changes(subscription, "")
    assert [event["event"] for event in events] == ["device lost", "device back"]
    # The test may end before the load has been known for five ticks.
    assert [event["event"] for event in site] in (["load unknown"], ["load unknown", "load known"])
    assert unknown["detail"].startswith("incomer: no reading; ")
    # METHOD-SITE 9.1: a site whose only source is unknown has no load, which is not a load of 0.
    loads = [message.get("load_power") for message in ticks]
    assert set(loads) == {None, 12345.0}
    before = [load for load, message in zip(loads, ticks, strict=True) if timestamp(message) <= timestamp(unknown)]
    assert before[-1] is None
    qualities = [message["quality"] for message in messages]
    assert qualities.count("stale") == 1
    stale = messages[qualities.index("stale")]
    assert set(stale) - {"replayed"} == {"time", "quality"}
    assert {message["active_power_total"] for message in messages if message is not stale} == {12345.0}


@pytest.mark.slow(15)
def test_a_silent_unit_does_not_delay_another_unit_of_its_line(tmp_path: Path, broker: Broker) -> None:
    line = by_unit({1: Registers(METER), 2: silent})
    with device(line) as server, subscriber(broker, "wattgram/#") as subscription:
        devices = one_device("alive", "grid", DRIVER, server.port, unit=1)
        devices += one_device("dead", "load", DRIVER, server.port, unit=2, timeout="300ms")
        with daemon(tmp_path, configuration(tmp_path, devices, mqtt=broker.url)):
            wait_for(lambda: payloads(subscription, "device/alive"), 30, "a reading")
            begin = time.time()
            end = begin + OBSERVED
            wait_until(subscription, "device/alive", end)
        messages, dead = payloads(subscription, "device/alive"), payloads(subscription, "device/dead")
    assert_one_reading_a_second(messages, begin, end)
    assert [set(message) - {"replayed"} for message in dead] == [{"time", "quality"}]


@pytest.mark.slow(8)
def test_a_sunspec_device_is_found_when_it_is_switched_on_later(tmp_path: Path, broker: Broker) -> None:
    switch = Switch(silent)
    with device(switch) as server, subscriber(broker, "wattgram/#") as subscription:
        roof = one_device("roof", "pv", "sunspec", server.port, unit=126, timeout="300ms")
        with daemon(tmp_path, configuration(tmp_path, roof, mqtt=broker.url)):
            wait_for(lambda: "device lost" in str(payloads(subscription, "event")), 60, "the loss")
            switch.behaviour = Registers(SUNSPEC)
            wait_for(lambda: "device back" in str(payloads(subscription, "event")), 60, "the device")
            wait_for(lambda: payloads(subscription, "device/roof")[-1]["quality"] == "good", 10, "its reading")
        messages, events = payloads(subscription, "device/roof"), changes(subscription, "roof")
    assert [event["event"] for event in events] == ["device lost", "device back"]
    assert messages[0]["quality"] == "stale"
    assert messages[-1]["active_power_total"] == 42000.0
