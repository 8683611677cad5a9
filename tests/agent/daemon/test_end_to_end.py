"""From registers to broker and database with real processes, through outages and kill -9."""

from __future__ import annotations

import json
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import Bucket
from tests.support.brokers import Broker, ReceivedMessages, mosquitto, subscriber
from tests.support.databases import Victoria
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import BUSY, free_port, wait_for
from tests.support.topics import INVERTER_VALUES, METER, METER_VALUES, inverter

pytestmark = pytest.mark.server

MILLISECOND = 0.001
"""Step of a published time, s."""


def messages(subscription: ReceivedMessages, topic: str) -> list[dict[str, object]]:
    return [json.loads(payload) for where, payload in subscription.messages() if where == topic]


def seconds(message: dict[str, object]) -> float:
    return datetime.fromisoformat(str(message["time"])).timestamp()


def first_answers(device: Registers) -> list[tuple[float, float]]:
    """Return for each whole reading when the server sent the first answer, and when it had the next request, s.

    The time of a reading is that of its first answer: between the two, however busy the machine is.
    """
    return [
        (moment - MILLISECOND, later + MILLISECOND)
        for (moment, address), (later, _) in pairwise(device.served)
        if address == device.served[0][1]
    ]


def site(meter: int, roof: int) -> str:
    return one_device("incomer", "grid", "eastron_sdm630", meter) + one_device(
        "roof-east", "pv", "huawei_sun2000", roof, rated_power="110 kW"
    )


@pytest.mark.slow(6)
def test_broker_and_database_have_the_register_values_exactly_with_the_time_of_the_reading(
    tmp_path: Path, broker: Broker, bucket: Bucket
) -> None:
    meter, roof = Registers(METER), Registers(inverter)
    with device(meter) as meter_server, device(roof) as roof_server, subscriber(broker, "wattgram/#") as subscription:
        database = f'url = "{bucket.write.url}"\norg = "plant"\nbucket = "{bucket.name}"\ntoken = {{ env = "TOKEN" }}'
        text = configuration(tmp_path, site(meter_server.port, roof_server.port), mqtt=broker.url, influxdb=database)
        with daemon(tmp_path, text, {"TOKEN": bucket.token}) as running:
            inverters = "wattgram/works/device/roof-east"
            wait_for(lambda: len(messages(subscription, inverters)) >= 5, 30, "five readings of the inverter")
            wait_for(lambda: len(bucket.rows("SELECT * FROM device")) >= 8, 30, "points in the database")
            assert running.stop() == 0
        messages_received = messages(subscription, inverters)
        assert ("wattgram/works/status", "online") in subscription.messages()
    for number, message in enumerate(messages_received):
        assert message["voltage_l1n"] == (2301 + number) / 10
        assert {name: message[name] for name in INVERTER_VALUES} == INVERTER_VALUES
        assert message["quality"] == "good"
        assert "insulation_resistance" not in message
    assert len(first_answers(roof)) >= len(messages_received)
    for message, (earliest, latest) in zip(messages_received, first_answers(roof), strict=False):
        assert earliest <= seconds(message) <= latest
    rows = {row["time"]: row for row in bucket.rows("SELECT * FROM device WHERE device = 'roof-east'")}
    for message in messages_received[:3]:
        row = rows[round(seconds(message) * 1000) * 1_000_000]
        assert {name: row[name] for name in message if name not in ("time",)} == {
            name: value for name, value in message.items() if name != "time"
        }
        assert (row["site"], row["role"], row["driver"]) == ("works", "pv", "huawei_sun2000")
    metered = messages(subscription, "wattgram/works/device/incomer")[0]
    assert {name: metered[name] for name in METER_VALUES} == METER_VALUES
    # Hand calculation: 12345 W imported at 558.1 g/kWh and 50000 W of sun at 0 (CN-CQ 2023, direct).
    balance = messages(subscription, "wattgram/works/emission")[-1]
    assert balance["load_power"] == pytest.approx(62345.0)
    assert balance["emission_intensity"] == pytest.approx(558.1 * 12345 / 62345, rel=1e-12)
    assert balance["grid_intensity"] == 558.1
    assert (balance["grid_tier"], balance["basis"]) == (5, "direct")


@pytest.mark.slow(6)
def test_victoria_metrics_has_the_values_of_the_broker(tmp_path: Path, broker: Broker, victoria: Victoria) -> None:
    roof = Registers(inverter)
    with device(roof) as server, subscriber(broker, "wattgram/#") as subscription:
        database = f'url = "{victoria.url}"\norg = "plant"\nbucket = "energy"'
        devices = one_device("roof-victoria", "pv", "huawei_sun2000", server.port)
        topic = "wattgram/works/device/roof-victoria"
        with daemon(tmp_path, configuration(tmp_path, devices, mqtt=broker.url, influxdb=database)):
            wait_for(lambda: len(messages(subscription, topic)) >= 4, 30, "four readings")
            metric = 'device_voltage_l1n{device="roof-victoria"}'
            wait_for(lambda: sum(len(series["values"]) for series in victoria.export(metric)) >= 4, 30, "four points")
        messages_received = {
            round(seconds(message) * 1000): message["voltage_l1n"] for message in messages(subscription, topic)
        }
        (series,) = victoria.export(metric)
    stored = dict(zip(series["timestamps"], series["values"], strict=True))
    assert stored.items() <= messages_received.items() or messages_received.items() <= stored.items()
    assert len(stored.items() & messages_received.items()) >= 4


@pytest.mark.slow(13)
def test_after_kill_9_with_the_broker_down_everything_older_than_a_second_arrives(tmp_path: Path) -> None:
    roof, port = Registers(inverter), free_port()
    with device(roof) as server:
        devices = one_device("roof-east", "pv", "huawei_sun2000", server.port)
        text = configuration(tmp_path, devices, mqtt=f"mqtt://127.0.0.1:{port}")
        with daemon(tmp_path, text) as running:
            wait_for(lambda: len(roof.served) >= 30, 30, "some seconds of readings")
            killed = running.kill()
            before = [
                moment for moment, address in roof.served if address == roof.served[0][1] and moment < killed - 1.0
            ]
            assert len(before) >= 3
            with mosquitto(tmp_path, port=port) as broker, subscriber(broker, "wattgram/#") as subscription:
                running.start()
                topic = "wattgram/works/device/roof-east"
                wait_for(lambda: len(messages(subscription, topic)) > len(before), 30, "the backlog")
                messages_received = messages(subscription, topic)
    # The voltage of the inverter counts its readings, so a lost reading would be a gap.
    assert [message["voltage_l1n"] for message in messages_received[: len(before)]] == [
        (2301 + number) / 10 for number in range(len(before))
    ]
    assert all(message["replayed"] is True for message in messages_received[: len(before)])
    for message, (earliest, latest) in zip(messages_received[: len(before)], first_answers(roof), strict=False):
        assert earliest <= seconds(message) <= latest


@pytest.mark.slow(11)
def test_a_broker_gets_the_missed_records_after_an_outage_and_the_database_never_waits(
    tmp_path: Path, broker: Broker, bucket: Bucket
) -> None:
    roof = Registers(inverter)
    with device(roof) as server, subscriber(broker, "wattgram/#") as subscription:
        database = f'url = "{bucket.write.url}"\norg = "plant"\nbucket = "{bucket.name}"\ntoken = {{ env = "TOKEN" }}'
        devices = one_device("roof-east", "pv", "huawei_sun2000", server.port)
        topic = "wattgram/works/device/roof-east"
        text = configuration(tmp_path, devices, mqtt=broker.url, influxdb=database)
        with daemon(tmp_path, text, {"TOKEN": bucket.token}) as running:
            wait_for(lambda: messages(subscription, topic), 30, "a reading")
            broker.pause()
            paused = len(bucket.rows("SELECT voltage_l1n FROM device"))
            wait_for(lambda: len(bucket.rows("SELECT voltage_l1n FROM device")) >= paused + 8, 30, "points meanwhile")
            broker.resume()
            wait_for(lambda: "mqtt is available again" in running.log, 60, "the broker to be taken up again")
            missed = len(bucket.rows("SELECT voltage_l1n FROM device"))
            wait_for(
                lambda: len({m["voltage_l1n"] for m in messages(subscription, topic)}) >= missed, 60, "the missed ones"
            )
        voltages = sorted({float(str(message["voltage_l1n"])) for message in messages(subscription, topic)})
    assert voltages == [(2301 + number) / 10 for number in range(len(voltages))]


def test_the_last_will_and_a_clean_end_publish_offline(tmp_path: Path, broker: Broker) -> None:
    with device(Registers(METER)) as server, subscriber(broker, "wattgram/works/status") as subscription:
        text = configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", server.port), mqtt=broker.url)
        with daemon(tmp_path, text) as running:
            subscription.wait(1)
            running.kill()
            subscription.wait(2)
            running.start()
            subscription.wait(3)
            started = time.monotonic()
            assert running.stop() == 0
            assert time.monotonic() - started < 10 * BUSY
            messages_received = subscription.wait(4)
    assert [payload for _, payload in messages_received[:4]] == ["online", "offline", "online", "offline"]
