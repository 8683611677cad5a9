"""The discovery of Home Assistant through a real broker, and its templates on published messages."""

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

from tests.support.brokers import Broker, mosquitto, subscriber
from tests.support.home_assistant import CLASSES, announced, rendered, shown, total
from tests.support.records import NOW, until
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import wait_for
from tests.support.topics import METER, METER_VALUES, inverter

BASE = "homeassistant/device/wattgram-works"
ALL = f"{BASE}/#"
SITE, INCOMER, ROOF = f"{BASE}/site/config", f"{BASE}/device-incomer/config", f"{BASE}/device-roof/config"
FIELDS = ("active_power_total", "battery_soc", "active_energy_import", "temperature_internal")
MINUTE = 60_000_000_000


def site_config(broker: Broker, *names: str, slow: bool = True) -> Config:
    """Return a site with these devices; temperature and energies of an inverter are read once a minute."""
    text = '[grid]\nzone = "CN-CQ"\n[site]\nname = "works"\n'
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
    """Publish the batches with the sink of the daemon in one connection."""

    async def work() -> None:
        (sink,) = sinks(config)
        await sink.open()
        for batch in batches:
            assert await sink.write(batch, replayed) == {}
        await sink.close()

    asyncio.run(asyncio.wait_for(work(), 60))


def retained(broker: Broker, count: int, topic: str = ALL) -> dict[str, str]:
    """Return the retained messages of the broker, as Home Assistant gets them when it starts."""
    with subscriber(broker, topic) as late:
        return dict(late.wait(count))


@pytest.mark.server
def test_every_quantity_becomes_a_sensor_that_home_assistant_accepts() -> None:
    for name in QUANTITIES:
        entity = of_quantity(name, slow=False, shown=False)
        if entity.device_class:
            units, states = CLASSES[entity.device_class]
            assert (entity.unit or None) in units, name
            assert entity.state_class in states, name
        if entity.percent:
            assert entity.unit == "%"


@pytest.mark.parametrize(
    ("quantity", "unit", "device_class", "state_class"),
    [
        # The energy dashboard needs device class energy and a total (developer documentation, "Sensor entity").
        ("active_energy_import", "Wh", "energy", "total_increasing"),
        ("energy_daily", "Wh", "energy", "total_increasing"),
        ("active_energy_net", "Wh", "energy", "total"),
        ("battery_capacity", "Wh", "energy_storage", "measurement"),
        ("active_power_total", "W", "power", "measurement"),
        ("power_factor_l1", "", "power_factor", "measurement"),
        ("battery_soc", "%", "battery", "measurement"),
        ("pulse_count_3", "", "", "total_increasing"),
        ("irradiance", "W/m²", "irradiance", "measurement"),
        ("wind_speed", "m/s", "speed", "measurement"),
        ("totalizer_1", "kg", "", "total_increasing"),
        ("status_vendor", "", "", ""),
    ],
)
def test_classes_of_quantities(quantity: str, unit: str, device_class: str, state_class: str) -> None:
    entity = of_quantity(quantity, slow=False, shown=False)
    assert (entity.unit, entity.device_class, entity.state_class) == (unit, device_class, state_class)


def test_a_site_has_only_the_entities_of_its_roles() -> None:
    def fields(*roles: str) -> set[str]:
        return {entity.field for entities in of_site(frozenset(roles), uncertain=True).values() for entity in entities}

    assert {"pv_power", "pv_energy", "self_consumption"} <= fields("grid", "pv")
    assert not {"battery_intensity", "battery_charge_power", "generation_power", "scope1"} & fields("grid", "pv")
    assert {"battery_intensity", "battery_charge_energy"} <= fields("grid", "battery")
    assert {"generation_energy", "scope1"} <= fields("grid", "genset")
    assert "pv_power" not in fields("grid")


def test_only_the_uncertainty_of_the_days_intensity_is_an_entity() -> None:
    def uncertain(*, windows_have_it: bool) -> list[tuple[str, str]]:
        found = of_site(frozenset({"grid", "pv"}), uncertain=windows_have_it)
        return [(window, entity.field) for window, row in found.items() for entity in row if "uncert" in entity.field]

    assert uncertain(windows_have_it=True) == [("1d", "emission_intensity_uncertainty"), ("1d", "uncertainty_basis")]
    assert uncertain(windows_have_it=False) == []


def test_a_day_without_a_value_is_unknown_and_not_the_day_before() -> None:
    day = of_site(frozenset({"grid"}), uncertain=True)["1d"]
    options = {entity.field: entity.options() for entity in day}
    unsure = options["emission_intensity_uncertainty"]
    assert (unsure["unit_of_measurement"], unsure["state_class"]) == ("g/kWh", "measurement")
    states = ["unknown"]
    messages = ['{"emission_intensity_uncertainty": 83.7}', "{}"]
    messages.append('{"emission_intensity_uncertainty": 7, "revision": 1}')
    for payload in messages:
        states.append(shown(unsure, payload, states[-1]))
    assert states[1:] == ["83.7", "unknown", "unknown"]
    assert shown(options["uncertainty_basis"], '{"uncertainty_basis": "assumed"}') == "assumed"
    assert shown(options["emission_intensity"], "{}", "501.5") == "unknown"


# announcements


def test_announcements_are_retained_and_the_same_after_a_restart(broker: Broker) -> None:
    config = site_config(broker, "incomer", "roof")
    publish(config, [reading("incomer"), reading("roof")])
    first = retained(broker, 3)
    assert first.keys() == {SITE, INCOMER, ROOF}
    publish(config, [reading("incomer"), reading("roof")])
    assert retained(broker, 3) == first
    ids = [entity["unique_id"] for topic, payload in first.items() for entity in announced(topic, payload).values()]
    assert len(set(ids)) == len(ids)
    device = json.loads(first[ROOF])["device"]
    assert device["via_device"] in json.loads(first[SITE])["device"]["identifiers"]


def test_the_announcement_of_a_removed_device_is_deleted_and_no_other(broker: Broker) -> None:
    other = "homeassistant/device/wattgram-forge/device-roof/config"
    broker.publish(other, '{"not": "ours"}', retain=True)
    publish(site_config(broker, "incomer", "roof"), [reading("incomer"), reading("roof")])
    assert retained(broker, 3).keys() == {SITE, INCOMER, ROOF}

    async def without() -> None:
        (sink,) = sinks(site_config(broker, "incomer"))
        with subscriber(broker, ROOF) as subscription:
            await sink.open()
            while (ROOF, "") not in subscription.messages():
                await sink.write([reading("incomer")], 0)
                await asyncio.sleep(0.01)
        await sink.close()

    asyncio.run(asyncio.wait_for(without(), 60))
    assert retained(broker, 3, "homeassistant/#").keys() == {SITE, INCOMER, other}


def test_a_removed_quantity_is_announced_as_removed(broker: Broker) -> None:
    config = site_config(broker, "incomer")
    publish(config, [reading("incomer")])
    fewer = record(series("incomer", FIELDS[:1]), NOW, {"quality": "good"})

    async def announce_again() -> None:
        (sink,) = sinks(config)
        with subscriber(broker, INCOMER) as subscription:
            await sink.open()
            while not any('"battery_soc":{"platform":"sensor"}' in payload for _, payload in subscription.messages()):
                await sink.write([fewer], 0)
                await asyncio.sleep(0.01)
            assert announced(INCOMER, subscription.messages()[-1][1]).keys() == {"active_power_total"}
        await sink.close()

    asyncio.run(asyncio.wait_for(announce_again(), 60))


def test_a_retained_invalid_announcement_is_replaced(broker: Broker) -> None:
    for garbage in ("[" * 3000, '{"components": [1]}', '{"components": {"x": 3}}', "{}"):
        broker.publish(INCOMER, garbage, retain=True)
        publish(site_config(broker, "incomer"), [reading("incomer")])
        assert announced(INCOMER, retained(broker, 1, INCOMER)[INCOMER]).keys() == set(FIELDS)


def test_the_birth_of_home_assistant_triggers_all_announcements(broker: Broker) -> None:
    async def work() -> None:
        (sink,) = sinks(site_config(broker, "incomer"))
        await sink.open()
        await sink.write([reading("incomer")], 0)
        with subscriber(broker, ALL) as subscription:
            await until(lambda: len(subscription.messages()) == 2)  # the retained ones
            broker.publish("homeassistant/status", "offline")
            await sink.write([reading("incomer")], 0)
            broker.publish("homeassistant/status", "online")
            await until(lambda: bool(announcer(sink)._due))
            await sink.write([reading("incomer")], 0)
            await until(lambda: len(subscription.messages()) == 4)
            assert [topic for topic, _ in subscription.messages()[2:]] == [SITE, INCOMER]
        await sink.close()

    def announcer(sink: Sink) -> Any:
        return sink._announcer  # type: ignore[attr-defined]  # the sink of MQTT

    asyncio.run(asyncio.wait_for(work(), 60))


@pytest.mark.server
def test_a_broker_that_lost_its_retained_messages_gets_the_announcements_again(tmp_path: Path) -> None:
    async def work() -> None:
        (sink,) = sinks(site_config(broker, "incomer"))
        await sink.open()
        await sink.write([reading("incomer")], 0)
        broker.kill()
        await sink.close()
        broker.start()
        await sink.open()
        await sink.close()

    with mosquitto(tmp_path) as broker:
        asyncio.run(asyncio.wait_for(work(), 60))
        assert retained(broker, 2).keys() == {SITE, INCOMER}


@pytest.mark.server
def test_forbidden_announcements_are_logged_once_and_records_still_arrive(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acl = "user gateway\ntopic write wattgram/#\nuser reader\ntopic read #\n"
    with (
        mosquitto(tmp_path, users={"gateway": "s", "reader": "r"}, acl=acl) as broker,
        subscriber(broker, "wattgram/works/device/#", login=("reader", "r")) as subscription,
    ):
        config = site_config(broker, "incomer")
        assert config.mqtt is not None
        config = replace(config, mqtt=replace(config.mqtt, username="gateway", password="s"))
        caplog.set_level(logging.WARNING)
        publish(config, [reading("incomer", active_power_total=1.0)], [reading("incomer", active_power_total=2.0)])
        assert [json.loads(payload)["active_power_total"] for _, payload in subscription.wait(2)] == [1, 2]
    warnings = [log_record.getMessage() for log_record in caplog.records if "Home Assistant" in log_record.getMessage()]
    assert sorted(warning.split(" refuses ")[1].split(": ")[0] for warning in warnings) == [INCOMER, SITE]


# states read from the published messages


def states(broker: Broker, config: Config, *batches: Sequence[Record], replayed: int = 0) -> list[dict[str, str]]:
    """Return the state of each of FIELDS after each message of a device."""
    with subscriber(broker, "wattgram/works/device/#") as subscription:
        publish(config, *batches, replayed=replayed)
        messages = subscription.wait(sum(map(len, batches)))
    entities: dict[str, dict[str, dict[str, object]]] = {}
    for topic, payload in retained(broker, 2).items():
        if topic != SITE:
            entities[topic.split("device-")[1].split("/")[0]] = announced(topic, payload)
    state_list: list[dict[str, str]] = []
    for topic, payload in messages:
        own = entities[topic.rsplit("/", 1)[1]]
        assert all(entity["state_topic"] == topic for entity in own.values())
        before = state_list[-1] if state_list else dict.fromkeys(own, "unknown")
        state_list.append({name: shown(entity, payload, before[name]) for name, entity in own.items()})
    return state_list


def test_numbers_are_shown_unchanged_and_shares_as_percent(broker: Broker) -> None:
    values: dict[str, Any] = {"active_power_total": -1234.5, "battery_soc": 0.57, "active_energy_import": 1234500.0}
    (state,) = states(broker, site_config(broker, "incomer"), [reading("incomer", **values)])
    assert {name: float(state[name]) for name in values} == {
        "active_power_total": -1234.5,
        "battery_soc": 57.0,  # 0.57 of 1
        "active_energy_import": 1234500.0,
    }
    assert state["temperature_internal"] == "unknown"


def test_replayed_values_are_not_shown_as_current(broker: Broker) -> None:
    batch = [reading("incomer", active_power_total=float(number)) for number in (1, 2, 3)]
    powers = [
        state["active_power_total"] for state in states(broker, site_config(broker, "incomer"), batch, replayed=2)
    ]
    assert powers == ["unknown", "unknown", "3"]


def test_a_counter_glitch_is_hidden_because_it_would_count_as_energy(broker: Broker) -> None:
    batch = [
        reading("incomer", active_energy_import=5000.0, active_power_total=1.0),
        reading("incomer", "glitch", active_energy_import=0.0, active_power_total=2.0),
        reading("incomer", active_energy_import=5001.0, active_power_total=3.0),
    ]
    state_list = states(broker, site_config(broker, "incomer"), batch)
    assert [state["active_energy_import"] for state in state_list] == ["5000", "unknown", "5001"]
    assert [state["active_power_total"] for state in state_list] == ["1", "2", "3"]


def test_a_slow_quantity_keeps_its_value_and_a_missing_value_is_unknown(broker: Broker) -> None:
    batch = [reading("roof", temperature_internal=41.5, active_power_total=7.0), reading("roof")]
    state_list = states(broker, site_config(broker, "roof"), batch)
    assert [state["temperature_internal"] for state in state_list] == ["41.5", "41.5"]
    assert [state["active_power_total"] for state in state_list] == ["7", "unknown"]


def test_a_stale_device_is_offline_and_each_value_expires(broker: Broker) -> None:
    publish(site_config(broker, "roof"), [reading("roof")])
    entities = announced(ROOF, retained(broker, 2)[ROOF])
    status, own = entities["active_power_total"]["availability"]
    assert status == {"topic": "wattgram/works/status"}  # online and offline, as Home Assistant expects
    assert own["topic"] == "wattgram/works/device/roof"
    assert rendered(own["value_template"], '{"quality": "stale"}') == "offline"
    assert rendered(own["value_template"], '{"quality": "good"}') == "online"
    # Three intervals of 1 s, or of a minute for a slow quantity, a sync of 1 s and a minute of transport.
    assert entities["active_power_total"]["expire_after"] == 3 + 1 + 60
    assert entities["temperature_internal"]["expire_after"] == 180 + 1 + 60


def test_the_energy_of_the_site_counts_each_quarter_hour_once_despite_repetitions_and_revisions(broker: Broker) -> None:
    batch = [
        quarter(0, load_energy=1000.0),
        quarter(1, load_energy=250.0),
        quarter(1, load_energy=250.0),  # sent again after an outage
        quarter(0, 1, load_energy=1100.0),  # a revision
        quarter(2),  # no balance in it
        quarter(3, load_energy=250.0),  # the same number, another quarter
        quarter(4, load_energy=0.0),
        quarter(5, load_energy=40.0),
    ]
    with subscriber(broker, "wattgram/works/emission/15m") as subscription:
        publish(site_config(broker, "incomer"), batch)
        messages = [payload for _, payload in subscription.wait(len(batch))]
    entity = announced(SITE, retained(broker, 1, SITE)[SITE])["15m_load_energy"]
    assert entity["state_topic"] == "wattgram/works/emission/15m"
    # By hand: the sum starts with the second quarter: 250 + 250 + 0 + 40.
    assert total(entity, messages) == 540.0
    # A quarter is published once in 15 min.
    assert entity["expire_after"] == 2 * 900 + 1 + 60


def test_a_revised_result_does_not_replace_the_current_value(broker: Broker) -> None:
    tick = Series(
        "emission", (("site", "works"), ("window", "tick")), ("emission_intensity", "revision"), ("revision",)
    )
    batch = [
        record(tick, NOW + number, {"emission_intensity": value, "revision": revision})
        for number, (value, revision) in enumerate([(500.0, 0), (444.0, 1), (501.5, 0)])
    ]
    with subscriber(broker, "wattgram/works/emission") as subscription:
        publish(site_config(broker, "incomer"), batch)
        messages = [payload for _, payload in subscription.wait(3)]
    entity = announced(SITE, retained(broker, 1, SITE)[SITE])["emission_intensity"]
    states: list[str] = []
    for payload in messages:
        states.append(shown(entity, payload, states[-1] if states else "unknown"))
    assert states == ["500", "500", "501.5"]


def test_home_assistant_shows_the_values_of_the_registers(tmp_path: Path, broker: Broker) -> None:
    with device(Registers(METER)) as meter_server, device(Registers(inverter)) as roof_server:
        devices = one_device("incomer", "grid", "eastron_sdm630", meter_server.port)
        devices += one_device("roof", "pv", "huawei_sun2000", roof_server.port)
        text = configuration(tmp_path, devices, mqtt=broker.url) + "homeassistant = true\n"
        with subscriber(broker, "wattgram/works/#") as subscription, daemon(tmp_path, text) as running:
            topics = {topic for topic, _ in subscription.messages()}
            expected = {"wattgram/works/device/incomer", "wattgram/works/device/roof", "wattgram/works/emission"}
            wait_for(
                lambda: expected <= {topic for topic, _ in subscription.messages()}, 30, f"{expected}, not {topics}"
            )
            # The first balances may lack a device that is read a moment later.
            balances = "wattgram/works/emission"
            wait_for(lambda: "load_power" in dict(subscription.messages()).get(balances, ""), 30, "a load")
            announcements = retained(broker, 3)
            assert running.stop() == 0
        messages = dict(subscription.messages())
    meter = announced(INCOMER, announcements[INCOMER])
    last = messages["wattgram/works/device/incomer"]
    assert {name: float(shown(meter[name], last)) for name in METER_VALUES} == METER_VALUES
    assert json.loads(announcements[ROOF])["device"]["manufacturer"] == "Huawei"
    site = announced(SITE, announcements[SITE])
    balance = messages["wattgram/works/emission"]
    # Hand calculation: 12345 W imported and 50000 W of sun.
    assert float(shown(site["load_power"], balance)) == pytest.approx(62345.0)
    assert float(shown(site["emission_intensity"], balance)) == pytest.approx(558.1 * 12345 / 62345, rel=1e-9)
    # No export: all PV power is used on site; of 62345 W the 50000 W of PV are the site's own.
    assert float(shown(site["self_consumption"], balance)) == pytest.approx(100.0)
    assert float(shown(site["self_sufficiency"], balance)) == pytest.approx(100 * 50000 / 62345, abs=1e-3)
