"""Changes of the configuration between two runs: events, and the record of the terms."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from wattgram.base.canonical import digest
from wattgram.base.record import Record
from wattgram.site.configuration_watch import changes
from wattgram.site.event_rate import BURST

from tests.support.wired_sites import WiredSite, device

GRID = '[grid]\nfactor_g_per_kwh = {}\n[spool]\npath = "{}"\n'
METER = 'rated_power = "{} kW"\n'


def run(folder: Path, *devices: str, factor: float = 500.0, start: int = 0) -> list[Record]:
    """Run a site for two ticks and end it; return its records."""
    site = WiredSite(folder, *devices, grid=GRID.format(factor, folder), start=1_780_000_000 * 10**9 + start * 10**9)
    asyncio.run(site.spool.open())
    asyncio.run(site.site.restore())
    for name in site.sources:
        site.shows(name, active_power_total=2000.0)
    site.read()
    site.run(2)
    asyncio.run(site.spool.sync())
    asyncio.run(site.spool.close())
    return site.records


def told(records: list[Record]) -> list[tuple[str, str]]:
    """Return the device and the detail of each event about a change."""
    return [
        (record.series.tag("device"), str(record["detail"]))
        for record in records
        if record.series.kind == "event" and record["event"] == "configuration changed"
    ]


def stored(records: list[Record]) -> list[Record]:
    return [record for record in records if record.series.kind == "configuration"]


def test_a_start_with_other_settings_says_each_key_with_both_values(tmp_path: Path) -> None:
    first = run(tmp_path, device("incomer", "grid", more=METER.format(630)), device("hall", "load", port=503))
    assert told(first) == []
    (terms,) = stored(first)
    ticks = [record for record in first if record.series.kind == "emission"]
    assert {record["config_digest"] for record in ticks} == {terms["config_digest"]} == {digest(str(terms["config"]))}
    assert {record["factor_digest"] for record in ticks} == {digest(str(terms["factors"]))}

    again = run(tmp_path, device("incomer", "grid", more=METER.format(630)), device("hall", "load", port=503), start=60)
    assert (told(again), stored(again)) == ([], [])

    more = METER.format(800) + "ratio = 60\n"
    changed = run(
        tmp_path, device("incomer", "grid", more=more), device("office", "load", port=503), factor=480.0, start=120
    )
    events = told(changed)
    assert events == [
        ("", "grid.factor_g_per_kwh 500 -> 480"),
        ("", "factors.configured 500 -> 480"),
        ("hall", "device.hall removed: role load, driver eastron_sdm630, url tcp://10.0.0.1:503, unit 1, ratio 1"),
        ("incomer", "device.incomer.rated_power 630000 -> 800000"),
        ("incomer", "device.incomer.ratio 1 -> 60"),
        ("office", "device.office added: role load, driver eastron_sdm630, url tcp://10.0.0.1:503, unit 1, ratio 1"),
    ]
    (other,) = stored(changed)
    assert other["config_digest"] != terms["config_digest"]
    assert other["factor_digest"] != terms["factor_digest"]


def test_many_changes_of_a_device_share_events_and_long_values_are_cut() -> None:
    before = {"device": {"roof": {f"key{number}": 1 for number in range(12)}}, "site": {"title": "a" * 500}}
    now = {"device": {"roof": {f"key{number}": 2 for number in range(12)}}, "site": {"title": "b" * 500}}
    found = list(changes(before, now))
    assert [(name, occurrence.event) for name, occurrence in found] == [
        ("", "configuration changed"),
        *[("roof", "configuration changed")] * 9,
    ]
    assert found[0][1].detail == f"site.title {'a' * 77}... -> {'b' * 77}..."
    assert found[1][1].detail == "device.roof.key0 1 -> 2"
    further = ("key8", "key9", "key10", "key11")
    assert found[-1][1].detail == "; ".join(f"device.roof.{key} 1 -> 2" for key in further)


def test_thousands_of_changes_are_some_events_which_say_how_many_are_left_out() -> None:
    before, now = ({"site": {f"key{number:04}": letter * 70 for number in range(1000)}} for letter in "ab")
    details = [occurrence.detail for _, occurrence in changes(before, now)]
    assert len(details) == BURST
    assert max(map(len, details)) <= 4100
    named = sum(detail.count(" -> ") for detail in details)
    assert named > 50
    assert details[-1].endswith(f"; {1000 - named} more: see the record of the configuration")


def test_a_correction_is_named_with_its_times() -> None:
    before: dict[str, object] = {"correction": []}
    correction = {"device": "incomer", "from": "2026-11-02T00:00:00Z", "to": "2026-11-03T00:00:00Z", "factor": 0.75}
    details = [occurrence.detail for _, occurrence in changes(before, {"correction": [correction]})]
    assert "correction.1.from absent -> 2026-11-02T00:00:00Z" in details


def test_an_absent_key_has_a_word_and_a_secret_none_of_its_value() -> None:
    before = {"program": "1.0", "mqtt": None}
    now = {"program": "1.1", "mqtt": {"host": "broker", "password": "(secret)"}}
    assert [occurrence.detail for _, occurrence in changes(before, now)] == [
        "program 1.0 -> 1.1",
        "mqtt.host absent -> broker",
        "mqtt.password absent -> (secret)",
    ]


def test_the_terms_of_a_damaged_state_begin_anew(tmp_path: Path) -> None:
    async def spoil() -> None:
        site = WiredSite(tmp_path, device("incomer", "grid"), grid=GRID.format(500, tmp_path))
        await site.spool.open()
        site.spool.put_state("configuration", b"not zlib")
        await site.spool.sync()
        await site.spool.close()

    asyncio.run(spoil())
    records = run(tmp_path, device("incomer", "grid"))
    assert told(records) == []
    (terms,) = stored(records)
    assert json.loads(str(terms["config"]))["device_order"] == ["incomer"]
