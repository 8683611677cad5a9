"""The file and the messages of a site: forms, local times, hot reload, broken files. Numbers are calculated beside."""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS, Clock
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import Ladder
from wattgram.grid.mix import Factors
from wattgram.grid.signal import Signal, possible
from wattgram.grid.sources import file_source
from wattgram.grid.sources.file_source import FileSource
from wattgram.grid.sources.mqtt_source import MqttSource
from wattgram.grid.sources.profile import from_csv, from_json
from wattgram.grid.sources.supplied_values import ValueTerms, signals
from wattgram.mqtt.mqtt_connection import Message
from wattgram.mqtt.mqtt_settings import MqttConfig

from tests.support.approximate import near
from tests.support.brokers import Broker
from tests.support.grid_signals import Hands, utc
from tests.support.records import until
from tests.support.servers import free_port

DIRECT = Factors.shipped("china", "direct")
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NOON = utc("2026-06-01T12:00:00+08:00")


def terms(zone: ZoneInfo = SHANGHAI, unit: str = "share", step: float | None = None) -> ValueTerms:
    return ValueTerms("file mix.csv", DIRECT, unit, zone, step)


def csv_signals(text: str, zone: ZoneInfo = SHANGHAI, unit: str = "share") -> list[Signal]:
    good, bad = signals(from_csv(text.encode()), terms(zone, unit), NOON, live=False)
    assert bad == []
    return good


def spans(values: list[Signal]) -> list[tuple[int, int, float]]:
    """Return start and end in hours from noon of 1 June in Shanghai, and the intensity."""
    return [
        ((value.valid_from - NOON) // 3600 // NS, (value.valid_to - NOON) // 3600 // NS, value.intensity)
        for value in values
    ]


# forms


@pytest.mark.parametrize(
    "text",
    [
        "time,intensity\n2026-06-01 12:00,600\n2026-06-01 13:00,500\n",
        "\ufefftime;intensity\r\n2026-06-01 12:00;600\r\n2026-06-01 13:00;500\r\n",
        "time,intensity\n2026-06-01T04:00:00Z,600\n2026-06-01T05:00:00Z,500\n",
        "datetime,intensity_g_per_kwh\n2026-06-01T12:00+08:00,600\n2026-06-01T05:00Z,500\n",
        "time,intensity\n2026/6/1 12:00,600\n2026/6/1 13:00,500\n",
        "time,valid_to,intensity\n2026-06-01 13:00,2026-06-01 14:00,500\n\n2026-06-01 12:00,2026-06-01 13:00,600",
    ],
)
def test_a_table_of_intensities_without_offsets_is_in_local_time(text: str) -> None:
    values = sorted(csv_signals(text), key=lambda value: value.valid_from)
    assert spans(values) == [(0, 1, 600.0), (1, 2, 500.0)]
    assert {(value.tier, value.basis, value.source) for value in values} == {(4, "direct", "file mix.csv")}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("time,coal,hydro,solar\n2026-06-01 12:00,0.6,0.3,0.1\n", "share"),
        ("time,coal,hydro,solar\n2026-06-01 12:00,60,30,10\n", "percent"),
        ("time,coal,hydro,solar,battery\n2026-06-01 12:00,1200,600,200,-50\n", "MW"),
        (
            "time,fuel,share\n2026-06-01 12:00,coal,0.6\n2026-06-01 12:00,hydro,0.3\n2026-06-01 12:00,solar,0.1\n",
            "share",
        ),
    ],
)
def test_a_table_of_mixes_has_a_column_or_a_line_for_each_fuel(text: str, unit: str) -> None:
    (value,) = csv_signals(text, unit=unit)
    assert value.intensity == pytest.approx(504.0)  # 0.6 x 840
    assert (value.clean_share, value.estimated, value.tier) == (near(0.4), False, 4)
    assert value.source == "file mix.csv mix, factors china"


def test_an_empty_cell_is_an_unknown_share() -> None:
    (value,) = csv_signals("time,coal,hydro\n2026-06-01 12:00,0.6,\n")
    assert (value.intensity, value.estimated) == (near(0.6 * 840 + 0.4 * 575), True)


def test_a_mix_without_time_is_always_valid() -> None:
    # METHOD 2.4: fossil 0.675 as Chinese coal, non-fossil 0.325
    (value,) = csv_signals("fuel,share\nfossil,0.675\nnon_fossil,0.325\n")
    assert value.intensity == pytest.approx(567.0)
    assert value.clean_share == pytest.approx(0.325)
    assert value.valid_from < NOON < value.valid_to


def test_a_value_ends_with_the_next_value_or_after_the_usual_step() -> None:
    values = csv_signals(
        "time,intensity\n"
        "2026-06-01 12:00,1\n2026-06-01 13:00,2\n2026-06-01 14:00,3\n2026-06-01 20:00,4\n2026-06-01 20:30,5\n"
    )
    ends = [(value.valid_to - value.valid_from) // NS for value in values]
    assert ends == [3600, 3600, 3600, 1800, 3600]


def test_json_has_the_same_names() -> None:
    for text in (
        '[{"time": "2026-06-01T12:00:00+08:00", "mix": {"coal": 0.6, "hydro": 0.4}}]',
        '{"data": [{"time": "2026-06-01T04:00:00Z", "shares": {"coal": 0.6, "hydro": 0.4}}]}',
        '{"datetime": "2026-06-01 12:00", "coal": 0.6, "hydro": 0.4}',
        '{"time": "2026-06-01 12:00", "intensity": 504, "basis": "direct", "estimated": false}',
    ):
        good, bad = signals(from_json(text.encode()), terms(), NOON, live=False)
        assert bad == []
        assert (good[0].intensity, good[0].valid_from) == (near(504.0), NOON)


# daylight saving time


def test_the_repeated_hour_in_autumn_has_two_values() -> None:
    # Berlin, 25 October 2026: 03:00 CEST (01:00 UTC) becomes 02:00 CET
    rows = ["2026-10-25 01:00", "2026-10-25 02:00", "2026-10-25 02:00", "2026-10-25 03:00"]
    values = csv_signals("time,intensity\n" + "".join(f"{row},{400 + n}\n" for n, row in enumerate(rows)), BERLIN)
    first = utc("2026-10-24T23:00:00+00:00")
    assert [(value.valid_from - first) // 3600 // NS for value in values] == [0, 1, 2, 3]
    assert [value.intensity for value in values] == [400.0, 401.0, 402.0, 403.0]


def test_the_skipped_hour_in_spring_has_no_value() -> None:
    # Berlin, 29 March 2026: 02:00 CET (01:00 UTC) becomes 03:00 CEST
    rows = ["2026-03-29 01:00", "2026-03-29 02:00", "2026-03-29 03:00"]
    values = csv_signals("time,intensity\n" + "".join(f"{row},{400 + n}\n" for n, row in enumerate(rows)), BERLIN)
    first = utc("2026-03-29T00:00:00+00:00")
    assert [((value.valid_from - first) // 3600 // NS, value.intensity) for value in values] == [(0, 400.0), (1, 402.0)]


def test_shanghai_is_eight_hours_ahead_all_year() -> None:
    values = csv_signals("time,intensity\n2026-01-01 00:00,1\n2026-07-01 00:00,2\n")
    assert [value.valid_from for value in values] == [utc("2025-12-31T16:00:00Z"), utc("2026-06-30T16:00:00Z")]


# mistakes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("time,hidro\n2026-06-01 12:00,1\n", "line 1: found 'hidro', nearest: 'hydro'"),
        ("time,intensity\n2026-06-01 12:00,1\n2026-06-01 13", "line 3: found 1 columns; expected 2"),
        ("time,intensity\n1 June,1\n", "line 2: time: found '1 June'"),
        ("time,intensity\n2026-06-01 12:00,much\n", "line 2: intensity: found 'much'; expected a number"),
        ("time,intensity\n2026-06-01 12:00,nan\n", "line 2: intensity: found 'nan'; expected a number"),
        ("intensity\n1\n2\n", "line 2: found no time"),
        ("time,fuel,share\n2026-06-01,coal,1\n2026-06-01,coal,1\n", "line 3: found 'coal' a second time"),
        ("time,fuel,share\n2026-06-01,kohle,1\n", "line 2: found 'kohle'"),
        ("time,time\n", "line 1: found"),
        ("time,valid_to,intensity\n2026-06-01 12:00,2026-06-01 12:00,1\n", "line 2: found an end that is not after"),
        ("", "line 1"),
        ('time,"inten', "line 1"),
    ],
)
def test_a_file_with_a_mistake_is_refused_with_the_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        signals(from_csv(text.encode()), terms(), NOON, live=False)


@pytest.mark.parametrize("text", ["[1, 2]", '"x"', "true", '{"foo": 1}', '{"mix": 3}', '{"mix": {}}', "[]x"])
def test_json_without_a_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="found"):
        signals(from_json(text.encode()), terms(), NOON, live=False)


def test_an_impossible_row_is_left_out_and_reported() -> None:
    text = "time,coal,hydro\n2026-06-01 12:00,0.6,0.43\n2026-06-01 13:00,0.6,0.4\n"
    good, bad = signals(from_csv(text.encode()), terms(), NOON, live=False)
    assert spans(good) == [(1, 2, near(504.0))]
    assert bad == ["line 2: the fuels add up to 1.03 of the whole; expected at most 1.02"]
    _, bad = signals(from_json(b'{"time": "2026-06-01", "intensity": 2001}'), terms(), NOON, live=False)
    assert bad == ["entry: intensity: found 2001; expected 0 to 2000 g/kWh"]
    _, bad = signals(from_json(b'{"time": "2026-06-01", "intensity": 1, "basis": "x"}'), terms(), NOON, live=False)
    assert bad == ["entry: basis: found 'x'; expected 'direct', as the configuration has it"]


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_are_possible(data: bytes) -> None:
    for read in (from_csv, from_json):
        _refused_or_possible(data, read)


PARTS = st.sampled_from(
    ["time", "intensity", "coal", "fuel", "share", "2026-06-01", "0.5", "1e308", "-1", "", "\n", ",", ";"]
)


@given(st.lists(PARTS, max_size=40).map("".join))
def test_any_table_is_refused_or_is_possible(text: str) -> None:
    _refused_or_possible(text.encode(), from_csv)


ENTRY = st.dictionaries(
    st.sampled_from(["time", "valid_to", "intensity", "mix", "coal", "hydro", "estimated", "basis", "x"]),
    st.one_of(
        st.none(), st.floats(), st.integers(), st.text(max_size=5),
        st.sampled_from(["2026-06-01", "2026-06-02T00:00Z"]),
        st.dictionaries(st.sampled_from(["coal", "gas", "x"]), st.one_of(st.none(), st.floats())),
    ),
)  # fmt: skip


@given(st.one_of(ENTRY, st.lists(ENTRY, max_size=3), st.floats(), st.text(max_size=5)))
def test_any_json_is_refused_or_is_possible(document: Any) -> None:
    _refused_or_possible(json.dumps(document).encode(), from_json)


def _refused_or_possible(data: bytes, read: Any) -> None:
    for live in (True, False):
        try:
            good, bad = signals(read(data), terms(), NOON, live=live)
        except ValueError:
            continue
        assert all(possible(value.intensity) and value.valid_from < value.valid_to for value in good)
        assert all(bad)


# the file on disk


def check_file(source: FileSource, times: int = 1) -> None:
    async def work() -> None:
        for _ in range(times):
            await source.check()

    asyncio.run(asyncio.wait_for(work(), 60))


def write(path: Path, text: str, second: int) -> None:
    """Write a file with a time that is a number of s after noon."""
    path.write_text(text)
    os.utime(path, ns=(NOON + second * NS, NOON + second * NS))


def watched(path: Path, *, shape: bool = False, seconds: int = 60) -> tuple[FileSource, Hands]:
    clock = Hands(NOON + seconds * NS)
    feed = Feed("file mix.csv", clock)  # type: ignore[arg-type]  # a clock by hand
    return FileSource(feed, path, terms(), clock, shape=shape), clock  # type: ignore[arg-type]


def intensity(source: FileSource) -> float | None:
    value = source.feed.at(NOON)
    return value.intensity if value else None


def test_a_changed_file_is_read_again_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mix.csv"
    source, clock = watched(path)
    check_file(source)
    assert (source.feed.state(NOON), source.feed.detail) == ("away", "cannot be read: No such file or directory")
    write(path, "time,intensity\n2026-06-01 12:00,600\n", 0)
    check_file(source)
    assert (intensity(source), source.feed.state(NOON)) == (600.0, "good")
    write(path, "time,intensity\n2026-06-01 12:00,4", 1)
    write(path, "time,intensity\n2026-06-01 12:00", 2)
    check_file(source)
    assert intensity(source) == 600.0
    assert source.feed.detail == "line 2: found 1 columns; expected 2; what was read before stays"
    clock.now += 60 * NS
    write(path, "time,intensity\n2026-06-01 12:00,450\n", 63)
    check_file(source)
    assert (intensity(source), source.feed.detail) == (450.0, "")
    path.unlink()
    check_file(source)
    assert (intensity(source), source.feed.detail) == (450.0, "cannot be read: No such file or directory")


def test_a_changing_file_is_not_read_until_it_is_stable(tmp_path: Path) -> None:
    path = tmp_path / "mix.csv"
    source, clock = watched(path)
    clock.now = NOON
    for second, text in enumerate(("time,intensity\n2026-06-01 12:00,4", "time,intensity\n2026-06-01 12:00,45")):
        clock.now += NS
        write(path, text, second + 1)
        check_file(source)
        assert intensity(source) is None
    check_file(source)  # unchanged since the last check
    assert intensity(source) == 45.0


def test_impossible_rows_of_a_file_are_reported_and_the_others_are_used(tmp_path: Path) -> None:
    path = tmp_path / "mix.csv"
    source, _ = watched(path)
    write(path, "time,intensity\n2026-06-01 11:00,3000\n2026-06-01 12:00,600\n", 0)
    check_file(source)
    assert intensity(source) == 600.0
    assert source.feed.detail.startswith("1 of 2 entries are not used, the first: line 2: intensity: found 3000")


def test_a_too_large_file_and_a_pipe_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_source, "SOURCE_FILE_BYTES", 100)
    path = tmp_path / "mix.csv"
    source, _ = watched(path)
    write(path, "x" * 101, 0)
    check_file(source)
    assert source.feed.detail == "found more than 100 bytes; what was read before stays"
    path.unlink()
    os.mkfifo(path)
    check_file(source, 2)
    assert source.feed.state(NOON) == "away"


def test_the_mean_of_a_file_brings_its_shape_to_the_official_level(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    source, _ = watched(path, shape=True)
    write(path, "time,intensity\n2026-06-01 11:00,600\n2026-06-01 12:00,400\n", 0)
    check_file(source)
    ladder = Ladder("CN-CQ", "direct", None, [source.feed])
    # METHOD 4.3: the mean is 500, so 558.1 x 400 / 500
    assert ladder.at(NOON).intensity == pytest.approx(446.48)
    assert ladder.at(NOON).raw == 400.0


def test_a_file_read_after_a_restart_changes_answers_only_if_its_content_changed(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    text = "time,intensity\n2026-06-01 11:00,600\n2026-06-01 12:00,400\n"
    write(path, text, 0)
    first, _ = watched(path, shape=True)
    check_file(first)
    assert first.feed.changes().span == (NOON - 3600 * NS, NOON + 60 * NS + 1)
    restored, clock = watched(path, shape=True, seconds=600)
    restored.feed.restore([], first.feed.mark)
    clock.now += 2 * NS
    check_file(restored)
    # Only the answers of this process before it had read the file.
    assert restored.feed.changes().span == (NOON + 600 * NS, NOON + 602 * NS + 1)
    write(path, text.replace("600", "610"), 0)
    other, _ = watched(path, shape=True, seconds=600)
    other.feed.restore([], first.feed.mark)
    check_file(other)
    assert other.feed.changes().span == (NOON - 3600 * NS, NOON + 600 * NS + 1)


def test_a_file_whose_mean_changes_changes_all_of_its_hours(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    source, clock = watched(path, shape=True)
    write(path, "time,intensity\n2026-06-01 10:00,600\n2026-06-01 11:00,400\n2026-06-01 12:00,500\n", 0)
    check_file(source)
    source.feed.changes()
    clock.now += 60 * NS
    write(path, "time,intensity\n2026-06-01 10:00,600\n2026-06-01 11:00,400\n2026-06-01 12:00,200\n", 63)
    check_file(source)
    assert source.feed.mean == pytest.approx(400.0)
    assert source.feed.changes().span == (NOON - 2 * 3600 * NS, NOON + 120 * NS + 1)


def test_a_file_without_rows_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    source, _ = watched(path, shape=True)
    write(path, "time,intensity\n", 0)
    check_file(source)
    assert source.feed.detail == "found no value; what was read before stays"


# the topic


def listener(broker: MqttConfig, clock: Clock) -> MqttSource:
    feed = Feed("mqtt grid/mix", clock)
    return MqttSource(feed, broker, "grid/mix", terms(step=900.0), clock, random.Random(1))


def feed_after(*payloads: bytes, retained: bool = False) -> Feed:
    source = listener(MqttConfig("127.0.0.1", 1), Hands(NOON))  # type: ignore[arg-type]  # a clock by hand
    for payload in payloads:
        source.take(Message(payload, retained))
    return source.feed


@pytest.mark.parametrize(
    ("payload", "expected", "tier"),
    [
        (b"412.5", 412.5, 1),
        (b'{"intensity": 412.5}', 412.5, 1),
        (b'{"intensity": 412.5, "estimated": true}', 412.5, 2),
        (b'{"mix": {"coal": 0.5, "hydro": 0.5}}', 420.0, 1),
        (b'{"coal": 0.5, "hydro": 0.3}', 0.5 * 840 + 0.2 * 575, 2),
        (b'{"time": "2026-06-01T11:45:00+08:00", "intensity": 412.5}', 412.5, 1),
    ],
)
def test_a_message_has_an_intensity_or_a_mix(payload: bytes, expected: float, tier: int) -> None:
    value = feed_after(payload).at(NOON)
    assert value is not None
    assert (value.intensity, value.tier) == (near(expected), tier)
    assert value.valid_to - value.valid_from == 900 * NS


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"off",
        b"\xff",
        b"-1",
        b"2001",
        b'{"coal": 0.9, "hydro": 0.9}',
        b"{}",
        b'{"time": "2027-01-01", "intensity": 1}',
        b"1" * 70_000,
    ],
)
def test_an_unusable_message_keeps_the_last_value(payload: bytes) -> None:
    feed = feed_after(b"400", payload)
    assert [value.intensity for value in feed._actual] == [400.0]
    assert feed.detail.startswith("unusable message: ")
    assert feed.detail.isprintable()


def test_a_retained_message_needs_its_time() -> None:
    feed = feed_after(b"400", retained=True)
    assert feed.at(NOON) is None
    assert "a retained message without a time" in feed.detail
    assert feed_after(b'{"time": "2026-06-01T03:50:00Z", "intensity": 400}', retained=True).at(NOON) is not None


def test_messages_of_a_broker_arrive_before_and_after_its_restart(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("wattgram.grid.sources.mqtt_source.FIRST_WAIT", 0.05)
    monkeypatch.setattr("wattgram.grid.sources.mqtt_source.LONGEST_WAIT", 0.2)

    async def work() -> None:
        clock = Clock()
        source = listener(MqttConfig("127.0.0.1", broker.port), clock)
        task = asyncio.create_task(source.run())

        async def publish_until(payload: str, expected: float) -> None:
            async with asyncio.timeout(20):
                while (now := source.feed.at(clock.time())) is None or now.intensity != expected:
                    await asyncio.to_thread(broker.publish, "grid/mix", payload)
                    await asyncio.sleep(0.02)

        await publish_until('{"mix": {"coal": 0.5, "hydro": 0.5}}', 420.0)
        broker.publish("grid/mix", json.dumps({"pad": "x" * 100_000}))  # dropped by the broker, MQTT 5, 3.1.2.11.4
        await publish_until("411", 411.0)
        assert "unusable" not in caplog.text
        broker.kill()
        await until(lambda: "127.0.0.1" in source.feed.detail)
        assert source.feed.state(clock.time()) == "good"  # its last value is still fresh
        await asyncio.to_thread(broker.start)
        await publish_until("333", 333.0)
        assert source.feed.detail == ""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(work(), 90))


def test_an_unavailable_broker_is_reported() -> None:
    async def work() -> None:
        source = listener(MqttConfig("127.0.0.1", free_port()), Clock())
        task = asyncio.create_task(source.run())
        await until(lambda: source.feed.state(0) == "away")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(work(), 60))
