"""The rules of Sparkplug in any order of events; a host checks every message."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import Clock
from wattgram.base.record import Record, Series, record
from wattgram.config.load import Config
from wattgram.delivery.configuration import read
from wattgram.delivery.sinks.sparkplug import sparkplug_sink
from wattgram.delivery.sinks.sparkplug.edge_node import EdgeNode
from wattgram.delivery.sinks.sparkplug.metrics import unit
from wattgram.delivery.sinks.sparkplug.payload import asks_rebirth, varint
from wattgram.delivery.sinks.sparkplug.session_number import SessionNumbers
from wattgram.delivery.sinks.sparkplug.sparkplug_sink import SparkplugConfig, SparkplugSink
from wattgram_drivers.quantity import QUANTITIES

from tests.support.records import NOW, until
from tests.support.tahu import Host, Payload

SITE = """
[grid]
zone = "CN-CQ"

[site]
name = "works"
[[device]]
name = "incomer"
role = "grid"
driver = "sunspec"
url = "tcp://h"
[[device]]
name = "roof"
role = "pv"
driver = "sunspec"
url = "tcp://h"
slow_interval = "1min"
[mqtt]
url = "mqtt://h"
sparkplug = { group = "plant", node = "gateway-7" }
"""
MS = 1_000_000


def config() -> Config:
    return read(SITE, Path("site.toml"))


@dataclass
class Session:
    """An edge node and a host that gets its messages directly."""

    host: Host
    node: EdgeNode

    @classmethod
    def begun(cls, number: int = 0) -> Session:
        site_config = config()
        names = site_config.sinks["mqtt.sparkplug"]
        assert isinstance(names, SparkplugConfig)
        session = cls(Host(), EdgeNode(site_config, names.group, names.node))
        session.begin(number)
        return session

    def begin(self, number: int) -> None:
        self.node.begin(NOW // MS, number, self.send)

    def send(self, topic: bytes, payload: bytes) -> None:
        self.host.hear(topic.decode(), payload)

    def publish(self, *records: Record, replayed: int = 0) -> None:
        assert self.node.publish(records, replayed, NOW // MS + 7) == {}

    def verbs(self) -> list[str]:
        return [f"{message.verb} {message.device}".strip() for message in self.host.said]


FIELDS = ("active_power_total", "temperature_internal")


def reading(number: int, device: str = "incomer", quality: str = "good", **values: float) -> Record:
    fields = ("voltage_l1n",) if device == "changed" else FIELDS
    name = "incomer" if device == "changed" else device
    tags = (("site", "works"), ("device", name), ("role", "x"), ("driver", "sunspec"))
    return record(Series("device", tags, fields, (), ("quality",)), NOW + number * MS, {"quality": quality, **values})


def emission(number: int, window: str = "tick", **values: float) -> Record:
    tags = (("site", "works"), ("window", window))
    fields = ("load_power", "emission_intensity", "grid_tier")
    return record(Series("emission", tags, fields, ("grid_tier",), ("basis",)), NOW + number * MS, values)


# single steps


def test_a_session_has_its_birth_and_a_device_its_birth_with_the_first_reading() -> None:
    session = Session.begun(3)
    session.publish(reading(1, active_power_total=12345.5))
    session.publish(reading(2, active_power_total=12346.5))
    assert session.verbs() == ["NBIRTH", "DBIRTH incomer", "DDATA incomer"]
    assert session.host.number == 3
    birth, data = session.host.said[1:]
    assert birth["active_power_total"] == 12345.5
    assert birth["temperature_internal"] is None
    assert birth["quality"] == "good"
    assert {metric.name: metric.unit for metric in birth.metrics} == {
        "active_power_total": "W",
        "temperature_internal": "degC",
        "quality": "",
    }
    # A message has the time of its sending, a value the time of its reading; both in ms.
    assert (data.time, data.metrics[0].time) == (NOW // MS + 7, NOW // MS + 2)


def test_computed_values_belong_to_the_node_and_each_kind_has_its_birth_before_its_data() -> None:
    session = Session.begun()
    event = Series("event", (("site", "works"), ("device", "")), (), (), ("event", "detail"))
    session.publish(emission(1, load_power=5.0, grid_tier=5), record(event, NOW, {"event": "counter reset"}))
    assert session.verbs() == ["NBIRTH", "NBIRTH", "NDATA", "NDATA"]
    session.publish(emission(2, "15m", emission_intensity=558.1))
    assert session.verbs()[4:] == ["NBIRTH", "NDATA"]
    current = {name: metric.value for (_, name), metric in session.host.current.items()}
    assert current["emission/load_power"] == 5.0
    assert current["emission/grid_tier"] == 5
    assert current["emission/15m/emission_intensity"] == 558.1
    assert current["event/event"] == "counter reset"
    assert current["emission/emission_intensity"] is None


def test_a_corrected_window_has_the_metrics_of_other_windows() -> None:
    session = Session.begun()
    other = emission(1, "15m", load_power=5.0)
    corrected = replace(
        other, series=replace(other.series, texts=("basis", "correction")), texts=("", "incomer x 0.75")
    )
    session.publish(other, corrected)
    assert session.verbs().count("NBIRTH") == 2  # of the session, and of the window


def test_history_is_marked_and_changes_no_current_value() -> None:
    session = Session.begun()
    batch = [reading(number, active_power_total=float(number)) for number in (1, 2, 3)]
    session.publish(*batch, replayed=2)
    assert [
        (metric.value, metric.time) for _, metric in session.host.history if metric.name == "active_power_total"
    ] == [
        (1.0, NOW // MS + 1),
        (2.0, NOW // MS + 2),
    ]
    assert session.host.current["incomer", "active_power_total"].value == 3.0


def test_a_silent_device_gets_a_death_and_a_birth_when_it_answers_again() -> None:
    session = Session.begun()
    session.publish(reading(1, active_power_total=1.0))
    session.publish(reading(2, quality="stale"))
    assert session.host.alive == set()
    session.publish(reading(3, quality="stale"))
    session.publish(reading(4, active_power_total=4.0))
    assert session.verbs()[1:] == ["DBIRTH incomer", "DDATA incomer", "DDEATH incomer", "DBIRTH incomer"]
    assert session.host.current["incomer", "active_power_total"].value == 4.0


def test_a_device_lost_during_an_outage_is_not_alive_after_the_outage() -> None:
    session = Session.begun()
    session.publish(reading(1, active_power_total=1.0), reading(2, quality="stale"), replayed=2)
    assert session.host.alive == set()
    assert session.verbs()[-1] == "DDEATH incomer"


def test_a_missing_value_becomes_null_and_a_slow_quantity_keeps_its_value() -> None:
    session = Session.begun()
    session.publish(reading(1, "roof", active_power_total=1.0, temperature_internal=41.5))
    session.publish(reading(2, "roof"))
    current = session.host.current
    assert current["roof", "active_power_total"].value is None
    assert current["roof", "temperature_internal"].value == 41.5
    session.publish(reading(3, "roof", active_power_total=3.0))
    assert current["roof", "active_power_total"].value == 3.0


def test_a_stale_value_has_the_quality_stale() -> None:
    session = Session.begun()
    session.publish(reading(1, active_power_total=1.0), reading(2, quality="stale", active_power_total=1.0))
    assert session.host.current["incomer", "active_power_total"].quality == 500  # 6.4.9: STALE
    session.publish(reading(3, active_power_total=1.5))
    assert session.host.current["incomer", "active_power_total"].quality == 192


def test_a_rebirth_publishes_the_same_values_with_the_same_number() -> None:
    session = Session.begun(9)
    session.publish(reading(1, active_power_total=1.0), emission(1, load_power=2.0))
    before = dict(session.host.current)
    session.node.rebirth(NOW // MS)
    assert session.verbs()[-2:] == ["NBIRTH", "DBIRTH incomer"]
    assert session.host.number == 9
    values = {key: metric.value for key, metric in before.items()}
    assert {key: metric.value for key, metric in session.host.current.items()} == values
    # A value keeps the time at which it was read.
    assert session.host.current["incomer", "active_power_total"].time == NOW // MS + 1


def test_a_new_session_publishes_no_value_of_the_last_session() -> None:
    session = Session.begun()
    session.publish(reading(1, active_power_total=1.0), emission(1, load_power=2.0))
    session.begin(1)
    assert session.host.current["", "emission/load_power"].value is None
    assert session.host.alive == set()


def test_a_too_large_message_is_refused_and_leaves_no_gap() -> None:
    session = Session.begun()
    session.publish(reading(1), emission(1))
    large = "x" * 100
    send = session.send

    def narrow(topic: bytes, payload: bytes) -> None:
        if large.encode() in payload:
            raise ValueError("900 bytes, the broker takes 500")
        send(topic, payload)

    session.node._send = narrow
    bad = reading(2, quality=large, active_power_total=1.0)
    refused = session.node.publish([bad, reading(3, active_power_total=2.0)], 0, 0)
    assert refused == {0: "not writable as a message: 900 bytes, the broker takes 500"}
    assert session.host.current["incomer", "active_power_total"].value == 2.0


# any sequence


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[tuple[str, str, float | None, bool]], int]:
    kinds = st.sampled_from(["incomer", "roof", "changed", "foreign", "tick", "15m", "1h"])
    values = st.none() | st.floats(-1e9, 1e9) | st.just(float("nan"))
    entry = st.tuples(kinds, st.sampled_from(["good", "stale", "glitch"]), values, st.booleans())
    batch = draw(st.lists(entry, max_size=12))
    return batch, draw(st.integers(0, len(batch)))


@given(st.lists(batches() | st.sampled_from(["rebirth", "session"]), max_size=40))
@pytest.mark.slow(2)
def test_every_session_keeps_the_rules_and_has_the_last_values(steps: list[object]) -> None:
    session, number, time = Session.begun(), 0, 0
    last: dict[tuple[str, str], float] = {}
    for step in steps:
        if step == "rebirth":
            session.node.rebirth(NOW // MS)
        elif step == "session":
            number, last = (number + 1) % 256, {}
            session.begin(number)
        else:
            assert isinstance(step, tuple)
            batch, replayed = step
            records = []
            for kind, quality, value, warm in batch:
                time += 1
                values = {} if value is None else {"active_power_total": value, "load_power": value}
                if kind in ("tick", "15m", "1h"):
                    records.append(emission(time, kind, **{k: v for k, v in values.items() if k == "load_power"}))
                    continue
                if warm:
                    values["temperature_internal"] = 40.0
                known = {k: v for k, v in values.items() if k in FIELDS}
                if kind == "changed":
                    known = {} if value is None else {"voltage_l1n": value}
                records.append(reading(time, kind, quality, **known))
            session.publish(*records, replayed=replayed)
            for record in records[replayed:]:
                if record.series.kind == "emission":
                    window = record.series.tag("window")
                    key = "", "emission/load_power" if window == "tick" else f"emission/{window}/load_power"
                    last[key] = float(record["load_power"])
        assert session.host.number == number
        assert session.host.alive <= {"incomer", "roof"}
        for key, value in last.items():
            current = session.host.current[key].value
            assert current is None if isnan(value) else current == value


def test_sequence_numbers_wrap_at_256() -> None:
    session = Session.begun()
    for number in range(600):
        session.publish(reading(number, active_power_total=float(number)))
    assert [message.seq for message in session.host.said[:3]] == [0, 1, 2]
    assert [message.seq for message in session.host.said[255:258]] == [255, 0, 1]


# numbers of sessions


@given(st.lists(st.booleans(), max_size=600))
@pytest.mark.slow(5)
def test_session_numbers_continue_after_restarts_and_wrap_at_256(
    tmp_path_factory: pytest.TempPathFactory, restarts: list[bool]
) -> None:
    path = tmp_path_factory.mktemp("spool") / "sparkplug-bdseq"
    numbers = SessionNumbers(path)
    for count, restart in enumerate(restarts):
        assert numbers.following() == count % 256
        if restart:
            numbers = SessionNumbers(path)


@pytest.mark.parametrize("damage", ["", "x", "256", "-2", "\0" * 20])
def test_session_numbers_restart_after_a_damaged_file(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "sparkplug-bdseq"
    path.write_text(damage)
    assert SessionNumbers(path).following() == 0
    assert SessionNumbers(path).following() == 1


def test_session_numbers_continue_in_memory_while_the_disk_is_not_writable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = SessionNumbers(tmp_path / "not-there" / "sparkplug-bdseq")
    assert [numbers.following() for _ in range(3)] == [0, 1, 2]
    assert len([log_record for log_record in caplog.records if "older bdSeq" in log_record.getMessage()]) == 1


# bytes


@given(st.integers(-(2**63), 2**64 - 1))
def test_varints_are_those_of_protocol_buffers(number: int) -> None:
    read_back = Payload.FromString(b"\x08" + varint(number)).timestamp
    assert read_back == number % 2**64


def test_a_command_from_another_encoder_is_read() -> None:
    command = Payload(timestamp=1)
    command.metrics.add(name="something", alias=3, datatype=10, double_value=1.0)
    command.metrics.add(name="other", datatype=9, float_value=1.0)
    assert not asks_rebirth(command.SerializeToString())
    command.metrics.add(name="Node Control/Rebirth", timestamp=2, datatype=11, boolean_value=False)
    assert not asks_rebirth(command.SerializeToString())
    command.metrics[2].boolean_value = True
    assert asks_rebirth(command.SerializeToString())


@given(st.binary(max_size=200))
def test_other_bytes_are_an_error_or_no_command(garbage: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert asks_rebirth(garbage) in (True, False)


def test_units_are_the_contracts() -> None:
    device = reading(1).series
    assert {unit(device, name) for name in QUANTITIES} == {quantity.unit for quantity in QUANTITIES.values()} - {
        "1"
    } | {""}
    site = emission(1).series
    # SPEC 5: W, Wh, g/kWh, g/h, g; shares and tiers have no unit.
    for field, expected in {
        "load_power": "W",
        "load_energy": "Wh",
        "industry_own_energy": "Wh",
        "emission_intensity": "g/kWh",
        "fuel_intensity": "g/kWh",
        "emission_rate": "g/h",
        "fuel_rate": "g/h",
        "emission": "g",
        "industry_emission": "g",
        "scope2_market": "g",
        "captured": "g",
        "grid_age": "s",
        "clean_share": "",
        "coverage": "",
        "grid_tier": "",
    }.items():
        assert unit(site, field) == expected, field


def test_an_uncertainty_has_the_unit_of_its_number() -> None:
    window = Series("emission", (("site", "works"), ("window", "1h")), ())
    units = {
        "load_energy_uncertainty": "Wh",
        "emission_uncertainty": "g",
        "emission_intensity_uncertainty": "g/kWh",
        "scope2_market_uncertainty": "g",
        "estimated_energy": "Wh",
        "grid_import_emission": "g",
        "battery_stock_energy": "Wh",
        "uncertainty_basis": "",
        "config_digest": "",
    }
    assert {field: unit(window, field) for field in units} == units


def test_commands_without_an_end_cause_births_once_a_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug_sink, "REBIRTH_PERIOD", 0.2)
    site = config()
    assert site.mqtt is not None
    sink = SparkplugSink(site, site.mqtt, SparkplugConfig("plant", "gateway-7"), Clock())
    births: list[int] = []
    monkeypatch.setattr(sink._edge, "rebirth", births.append)
    command = Payload(timestamp=1)
    command.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
    topic = "spBv1.0/plant/NCMD/gateway-7"

    async def work() -> None:
        for _ in range(500):
            sink.received(topic, command.SerializeToString(), False)
        assert len(births) == 1
        await until(lambda: len(births) == 2)  # for the commands after the first
        await asyncio.sleep(0.5)
        assert len(births) == 2
        sink.received(topic, command.SerializeToString() + bytes(sparkplug_sink.MOST_COMMAND), False)
        assert len(births) == 2
        await sink.close()

    asyncio.run(asyncio.wait_for(work(), 30))
