"""Home Assistant's discovery through a real broker, and its templates on messages that were really published."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wattgram.base.record import Record, Series, record
from wattgram.config.load import Config
from wattgram.daemon.daemon import sinks
from wattgram.delivery.configuration import read
from wattgram.delivery.sinks.homeassistant.entity import of_quantity, of_site
from wattgram.delivery.sinks.sink import Sink
from wattgram_drivers.quantity import QUANTITIES

from tests.support.home_assistant import CLASSES, announced, rendered, shown, total
from tests.support.records import NOW, until
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import Broker, mosquitto, subscriber, wait_for
from tests.support.topics import METER, METER_VALUES, inverter

BASE = "homeassistant/device/wattgram-works"
ALL = f"{BASE}/#"
SITE, INCOMER, ROOF = f"{BASE}/site/config", f"{BASE}/device-incomer/config", f"{BASE}/device-roof/config"
FIELDS = ("active_power_total", "battery_soc", "active_energy_import", "temperature_internal")
MINUTE = 60_000_000_000


def made(broker: Broker, *names: str, slow: bool = True) -> Config:
    """A site with these devices, of which an inverter's temperature and energies are read once a minute."""
    text = '[site]\nname = "works"\n'
    for name in names:
        role = "grid" if name == "incomer" else "pv"
        text += f'[[device]]\nname = "{name}"\nrole = "{role}"\ndriver = "sunspec"\nurl = "tcp://h"\n'
        text += 'slow_interval = "1min"\n' if slow and role == "pv" else ""
    return read(f'{text}[mqtt]\nurl = "{broker.url}"\nhomeassistant = true\n', Path("site.toml"))


def series(name: str, fields: Sequence[str] = FIELDS) -> Series:
    role = "grid" if name == "incomer" else "pv"
    tags = (("site", "works"), ("device", name), ("role", role), ("driver", "sunspec"))
    return Series("device", tags, tuple(fields), (), ("quality",))


def reading(name: str = "incomer", quality: str = "good", **values: float) -> Record:
    return record(series(name), NOW, {"quality": quality, **values})


def quarter(number: int, revision: int = 0, **values: float) -> Record:
    tags = (("site", "works"), ("window", "15m"))
    kind = Series("emission", tags, ("load_energy", "revision"), ("revision",), ())
    return record(kind, NOW + 15 * number * MINUTE, {**values, "revision": revision})


def publish(config: Config, *batches: Sequence[Record], replayed: int = 0) -> None:
    """What one run of the daemon's own sink does."""

    async def work() -> None:
        (sink,) = sinks(config)
        await sink.open()
        for batch in batches:
            assert await sink.write(batch, replayed) == {}
        await sink.close()

    asyncio.run(asyncio.wait_for(work(), 60))


def kept(broker: Broker, count: int, topic: str = ALL) -> dict[str, str]:
    """What the broker has retained, as Home Assistant finds it when it starts."""
    with subscriber(broker, topic) as late:
        return dict(late.wait(count))


@pytest.mark.server
def test_every_quantity_becomes_a_sensor_that_home_assistant_takes() -> None:
    for name in QUANTITIES:
        one = of_quantity(name, slow=False, shown=False)
        if one.device_class:
            units, states = CLASSES[one.device_class]
            assert (one.unit or None) in units, name
            assert one.state_class in states, name
        if one.percent:
            assert one.unit == "%"


@pytest.mark.parametrize(
    ("quantity", "unit", "device_class", "state_class"),
    [
        # What the energy dashboard takes: device class energy and a total (developer documentation, "Sensor entity").
        ("active_energy_import", "Wh", "energy", "total_increasing"),
        ("energy_daily", "Wh", "energy", "total_increasing"),
        ("active_energy_net", "Wh", "energy", "total"),
        ("battery_capacity", "Wh", "energy_storage", "measurement"),
        ("active_power_total", "W", "power", "measurement"),
        ("power_factor_l1", "", "power_factor", "measurement"),
        ("battery_soc", "%", "battery", "measurement"),
        ("pulse_count_3", "", "", "total_increasing"),
        ("totalizer_1", "kg", "", "total_increasing"),
        ("status_vendor", "", "", ""),
    ],
)
def test_classes_of_quantities(quantity: str, unit: str, device_class: str, state_class: str) -> None:
    one = of_quantity(quantity, slow=False, shown=False)
    assert (one.unit, one.device_class, one.state_class) == (unit, device_class, state_class)


def test_a_site_has_only_what_its_devices_can_tell() -> None:
    def fields(*roles: str) -> set[str]:
        return {one.field for entities in of_site(frozenset(roles)).values() for one in entities}

    assert {"pv_power", "pv_energy", "self_consumption"} <= fields("grid", "pv")
    assert not {"battery_intensity", "battery_charge_power", "generation_power", "scope1"} & fields("grid", "pv")
    assert {"battery_intensity", "battery_charge_energy"} <= fields("grid", "battery")
    assert {"generation_energy", "scope1"} <= fields("grid", "genset")
    assert "pv_power" not in fields("grid")


# what is announced


def test_what_is_announced_is_kept_by_the_broker_and_the_same_after_a_restart(broker: Broker) -> None:
    config = made(broker, "incomer", "roof")
    publish(config, [reading("incomer"), reading("roof")])
    first = kept(broker, 3)
    assert first.keys() == {SITE, INCOMER, ROOF}
    publish(config, [reading("incomer"), reading("roof")])
    assert kept(broker, 3) == first
    ids = [one["unique_id"] for topic, payload in first.items() for one in announced(topic, payload).values()]
    assert len(set(ids)) == len(ids)
    device = json.loads(first[ROOF])["device"]
    assert device["via_device"] in json.loads(first[SITE])["device"]["identifiers"]


def test_a_device_that_left_the_configuration_is_forgotten_and_nobody_elses(broker: Broker) -> None:
    other = "homeassistant/device/wattgram-forge/device-roof/config"
    broker.publish(other, '{"not": "ours"}', retain=True)
    publish(made(broker, "incomer", "roof"), [reading("incomer"), reading("roof")])
    assert kept(broker, 3).keys() == {SITE, INCOMER, ROOF}

    async def without() -> None:
        (sink,) = sinks(made(broker, "incomer"))
        with subscriber(broker, ROOF) as heard:
            await sink.open()
            while (ROOF, "") not in heard.messages():
                await sink.write([reading("incomer")], 0)
                await asyncio.sleep(0.01)
        await sink.close()

    asyncio.run(asyncio.wait_for(without(), 60))
    assert kept(broker, 3, "homeassistant/#").keys() == {SITE, INCOMER, other}


def test_a_quantity_that_a_device_has_no_more_is_told_to_be_forgotten(broker: Broker) -> None:
    config = made(broker, "incomer")
    publish(config, [reading("incomer")])
    fewer = record(series("incomer", FIELDS[:1]), NOW, {"quality": "good"})

    async def again() -> None:
        (sink,) = sinks(config)
        with subscriber(broker, INCOMER) as heard:
            await sink.open()
            while not any('"battery_soc":{"platform":"sensor"}' in payload for _, payload in heard.messages()):
                await sink.write([fewer], 0)
                await asyncio.sleep(0.01)
            assert announced(INCOMER, heard.messages()[-1][1]).keys() == {"active_power_total"}
        await sink.close()

    asyncio.run(asyncio.wait_for(again(), 60))


def test_garbage_that_is_kept_where_our_announcement_belongs_is_replaced(broker: Broker) -> None:
    for garbage in ("[" * 3000, '{"components": [1]}', '{"components": {"x": 3}}', "{}"):
        broker.publish(INCOMER, garbage, retain=True)
        publish(made(broker, "incomer"), [reading("incomer")])
        assert announced(INCOMER, kept(broker, 1, INCOMER)[INCOMER]).keys() == set(FIELDS)


def test_home_assistants_birth_brings_everything_anew(broker: Broker) -> None:
    async def work() -> None:
        (sink,) = sinks(made(broker, "incomer"))
        await sink.open()
        await sink.write([reading("incomer")], 0)
        with subscriber(broker, ALL) as heard:
            await until(lambda: len(heard.messages()) == 2)  # the retained ones
            broker.publish("homeassistant/status", "offline")
            await sink.write([reading("incomer")], 0)
            broker.publish("homeassistant/status", "online")
            await until(lambda: bool(announcer(sink)._due))
            await sink.write([reading("incomer")], 0)
            await until(lambda: len(heard.messages()) == 4)
            assert [topic for topic, _ in heard.messages()[2:]] == [SITE, INCOMER]
        await sink.close()

    def announcer(sink: Sink) -> Any:
        return sink._announcer  # type: ignore[attr-defined]  # the sink of MQTT

    asyncio.run(asyncio.wait_for(work(), 60))


@pytest.mark.server
def test_a_broker_that_has_lost_everything_gets_it_again(tmp_path: Path) -> None:
    async def work() -> None:
        (sink,) = sinks(made(broker, "incomer"))
        await sink.open()
        await sink.write([reading("incomer")], 0)
        broker.kill()
        await sink.close()
        broker.start()
        await sink.open()
        await sink.close()

    with mosquitto(tmp_path) as broker:
        asyncio.run(asyncio.wait_for(work(), 60))
        assert kept(broker, 2).keys() == {SITE, INCOMER}


@pytest.mark.server
def test_a_broker_that_forbids_it_still_gets_the_records_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acl = "user gateway\ntopic write wattgram/#\nuser reader\ntopic read #\n"
    with (
        mosquitto(tmp_path, users={"gateway": "s", "reader": "r"}, acl=acl) as broker,
        subscriber(broker, "wattgram/works/device/#", login=("reader", "r")) as heard,
    ):
        config = made(broker, "incomer")
        assert config.mqtt is not None
        config = replace(config, mqtt=replace(config.mqtt, username="gateway", password="s"))
        caplog.set_level(logging.WARNING)
        publish(config, [reading("incomer", active_power_total=1.0)], [reading("incomer", active_power_total=2.0)])
        assert [json.loads(payload)["active_power_total"] for _, payload in heard.wait(2)] == [1, 2]
    warned = [one.getMessage() for one in caplog.records if "Home Assistant" in one.getMessage()]
    assert sorted(one.split(" refuses ")[1].split(": ")[0] for one in warned) == [INCOMER, SITE]


# what it reads out of what is published


def states(broker: Broker, config: Config, *batches: Sequence[Record], replayed: int = 0) -> list[dict[str, str]]:
    """The state of each of FIELDS after each message of a device."""
    with subscriber(broker, "wattgram/works/device/#") as heard:
        publish(config, *batches, replayed=replayed)
        said = heard.wait(sum(map(len, batches)))
    entities: dict[str, dict[str, dict[str, object]]] = {}
    for topic, payload in kept(broker, 2).items():
        if topic != SITE:
            entities[topic.split("device-")[1].split("/")[0]] = announced(topic, payload)
    found: list[dict[str, str]] = []
    for topic, payload in said:
        own = entities[topic.rsplit("/", 1)[1]]
        assert all(one["state_topic"] == topic for one in own.values())
        before = found[-1] if found else dict.fromkeys(own, "unknown")
        found.append({name: shown(one, payload, before[name]) for name, one in own.items()})
    return found


def test_numbers_are_shown_as_they_were_read_and_shares_as_percent(broker: Broker) -> None:
    values: dict[str, Any] = {"active_power_total": -1234.5, "battery_soc": 0.57, "active_energy_import": 1234500.0}
    (state,) = states(broker, made(broker, "incomer"), [reading("incomer", **values)])
    assert {name: float(state[name]) for name in values} == {
        "active_power_total": -1234.5,
        "battery_soc": 57.0,  # 0.57 of 1
        "active_energy_import": 1234500.0,
    }
    assert state["temperature_internal"] == "unknown"


def test_what_is_replayed_is_not_shown_as_if_it_were_now(broker: Broker) -> None:
    batch = [reading("incomer", active_power_total=float(number)) for number in (1, 2, 3)]
    shown = [one["active_power_total"] for one in states(broker, made(broker, "incomer"), batch, replayed=2)]
    assert shown == ["unknown", "unknown", "3"]


def test_a_counters_glitch_is_not_seen_because_it_would_count_as_energy(broker: Broker) -> None:
    batch = [
        reading("incomer", active_energy_import=5000.0, active_power_total=1.0),
        reading("incomer", "glitch", active_energy_import=0.0, active_power_total=2.0),
        reading("incomer", active_energy_import=5001.0, active_power_total=3.0),
    ]
    found = states(broker, made(broker, "incomer"), batch)
    assert [one["active_energy_import"] for one in found] == ["5000", "unknown", "5001"]
    assert [one["active_power_total"] for one in found] == ["1", "2", "3"]


def test_what_is_read_seldom_holds_in_between_and_what_is_missing_does_not(broker: Broker) -> None:
    batch = [reading("roof", temperature_internal=41.5, active_power_total=7.0), reading("roof")]
    found = states(broker, made(broker, "roof"), batch)
    assert [one["temperature_internal"] for one in found] == ["41.5", "41.5"]
    assert [one["active_power_total"] for one in found] == ["7", "unknown"]


def test_a_stale_device_is_offline_and_each_value_expires(broker: Broker) -> None:
    publish(made(broker, "roof"), [reading("roof")])
    entities = announced(ROOF, kept(broker, 2)[ROOF])
    status, own = entities["active_power_total"]["availability"]
    assert status == {"topic": "wattgram/works/status"}  # online and offline, as Home Assistant expects
    assert own["topic"] == "wattgram/works/device/roof"
    assert rendered(own["value_template"], '{"quality": "stale"}') == "offline"
    assert rendered(own["value_template"], '{"quality": "good"}') == "online"
    # Three intervals of 1 s, or of a minute where it is read once a minute, a sync of 1 s and a minute to get there.
    assert entities["active_power_total"]["expire_after"] == 3 + 1 + 60
    assert entities["temperature_internal"]["expire_after"] == 180 + 1 + 60


def test_the_sum_of_quarter_hours_is_the_sites_energy_whatever_is_sent_again_or_computed_anew(broker: Broker) -> None:
    batch = [
        quarter(0, load_energy=1000.0),
        quarter(1, load_energy=250.0),
        quarter(1, load_energy=250.0),  # sent again after an outage
        quarter(0, 1, load_energy=1100.0),  # computed anew
        quarter(2),  # no balance in it
        quarter(3, load_energy=250.0),  # the same number, another quarter
        quarter(4, load_energy=0.0),
        quarter(5, load_energy=40.0),
    ]
    with subscriber(broker, "wattgram/works/emission/15m") as heard:
        publish(made(broker, "incomer"), batch)
        said = [payload for _, payload in heard.wait(len(batch))]
    entity = announced(SITE, kept(broker, 1, SITE)[SITE])["15m_load_energy"]
    assert entity["state_topic"] == "wattgram/works/emission/15m"
    # By hand: the first is where it begins, then 250 + 250 + 0 + 40.
    assert total(entity, said) == 540.0
    # A quarter is told once in 15 min.
    assert entity["expire_after"] == 2 * 900 + 1 + 60


def test_a_result_that_was_computed_anew_does_not_replace_what_is_now(broker: Broker) -> None:
    tick = Series(
        "emission", (("site", "works"), ("window", "tick")), ("emission_intensity", "revision"), ("revision",)
    )
    batch = [
        record(tick, NOW + number, {"emission_intensity": value, "revision": revision})
        for number, (value, revision) in enumerate([(500.0, 0), (444.0, 1), (501.5, 0)])
    ]
    with subscriber(broker, "wattgram/works/emission") as heard:
        publish(made(broker, "incomer"), batch)
        said = [payload for _, payload in heard.wait(3)]
    entity = announced(SITE, kept(broker, 1, SITE)[SITE])["emission_intensity"]
    states: list[str] = []
    for payload in said:
        states.append(shown(entity, payload, states[-1] if states else "unknown"))
    assert states == ["500", "500", "501.5"]


def test_the_whole_road_from_registers_to_what_home_assistant_shows(tmp_path: Path, broker: Broker) -> None:
    with device(Registers(METER)) as one, device(Registers(inverter)) as two:
        devices = one_device("incomer", "grid", "eastron_sdm630", one.port)
        devices += one_device("roof", "pv", "huawei_sun2000", two.port)
        text = configuration(tmp_path, devices, mqtt=broker.url) + "homeassistant = true\n"
        with subscriber(broker, "wattgram/works/#") as heard, daemon(tmp_path, text) as running:
            topics = {topic for topic, _ in heard.messages()}
            expected = {"wattgram/works/device/incomer", "wattgram/works/device/roof", "wattgram/works/emission"}
            wait_for(lambda: expected <= {topic for topic, _ in heard.messages()}, 30, f"{expected}, not {topics}")
            found = kept(broker, 3)
            assert running.stop() == 0
        said = dict(heard.messages())
    meter = announced(INCOMER, found[INCOMER])
    last = said["wattgram/works/device/incomer"]
    assert {name: float(shown(meter[name], last)) for name in METER_VALUES} == METER_VALUES
    assert json.loads(found[ROOF])["device"]["manufacturer"] == "Huawei"
    site = announced(SITE, found[SITE])
    balance = said["wattgram/works/emission"]
    # Hand calculation: 12345 W imported and 50000 W of sun.
    assert float(shown(site["load_power"], balance)) == pytest.approx(62345.0)
    assert float(shown(site["emission_intensity"], balance)) == pytest.approx(558.1 * 12345 / 62345, rel=1e-9)
    # Export is nothing: all of the sun is used here; of 62345 W the sun's 50000 W are the site's own.
    assert float(shown(site["self_consumption"], balance)) == pytest.approx(100.0)
    assert float(shown(site["self_sufficiency"], balance)) == pytest.approx(100 * 50000 / 62345, abs=1e-3)
