"""A site whose incomers are busbars of their own, from readings to records (METHOD-SITE 8.4, 9.6); numbers by hand."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from wattgram.accounts.books import Books
from wattgram.base.clock import NS
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.config.grid_table import GridConfig
from wattgram.config.role_keys import BatteryConfig
from wattgram.grid.ladder import Ladder
from wattgram.site.stored_replay import replayed

from tests.support.account_rows import CHONGQING
from tests.support.plants import Hands, Plant
from tests.support.wired_sites import WiredSite, device

INCOMERS = (device("a", "grid"), device("b", "grid", port=503))
CONNECTION = '[grid]\nnetting = "connection"\n'
START = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS  # 12:00 in Shanghai
ROLES = {"a": "grid", "press": "load", "store-a": "battery", "b": "grid", "roof": "pv", "store-b": "battery"}
BEHIND = {"press": "a", "store-a": "a", "roof": "b", "store-b": "b"}
CHARGING = {"a": 80e3, "press": 60e3, "store_a": -20e3, "b": -50e3, "roof": 100e3, "store_b": -20e3}
"""A: 60 kW of load. B: 30 kW of load and 50 of export beside the PV. Both batteries charge 20 kW."""
DISCHARGING = CHARGING | {"a": 50e3, "store_a": 10e3, "b": -80e3, "store_b": 10e3}


def plant_of(folder: Path, clock: Hands | None = None, counted: Mapping[str, Sequence[float]] | None = None) -> Plant:
    grid = GridConfig("CN-CQ", netting="connection")
    return Plant(folder, ROLES, START, tick=60.0, grid=grid, behind=BEHIND, clock=clock, counted=counted)


def run(plant: Plant, minutes: int, powers: Mapping[str, float], silent: Sequence[str] = ()) -> None:
    for _ in range(minutes):
        plant.flow(60.0, **powers)
        plant.read(*(name for name in ROLES if name not in silent))
        plant.site.tick(plant.clock.now)


def number(found: Record, name: str) -> float:
    value = found[name]
    assert isinstance(value, float)
    return value


def again(plant: Plant) -> tuple[list[Record], Books]:
    """Return what a replay of the whole history publishes, and its books."""
    records: list[Record] = []

    def publish(found: Sequence[Record], _: object) -> None:
        records.extend(found)

    books = Books(plant.config, Ladder("CN-CQ", "direct", None))
    replay = replayed(plant.config.spool.path, "works", books, 0, 2**62, ALL_WINDOWS, publish)
    return records, replay.books


def test_two_connections_from_the_configuration_to_the_record(tmp_path: Path) -> None:
    """The oracle of METHOD-SITE 8.4, with the hybrid inverter of METHOD-SITE 8.2 at noon behind one of the incomers."""
    devices = (
        *INCOMERS,
        device("roof", "pv", "goodwe_dt", 504, 'behind = "b"'),
        device("hybrid", "pv", "huawei_sun2000", 505, 'behind = "a"'),
        device("luna", "battery", "huawei_luna2000", 505),
    )
    site = WiredSite(tmp_path, *devices, grid=CONNECTION)
    site.shows("a", active_power_total=100e3)
    site.shows("b", active_power_total=-40e3)
    site.shows("roof", active_power_total=50e3)
    site.shows("hybrid", active_power_total=4.8e3, dc_power=8e3, battery_power=-3e3)
    site.shows("luna", battery_power=-3e3)
    site.run(3)
    assert (site.number("grid_import_power"), site.number("grid_export_power")) == (100e3, 40e3)
    assert site.number("load_power") == pytest.approx(114.8e3)
    # A: 100 of the grid and 7.8 of PV serve 104.8 of load and 3 of charge. B: 10 of PV.
    assert site.number("emission_rate") == pytest.approx(100e3 * CHONGQING / 1e3 * 104.8 / 107.8)
    assert site.number("battery_charge_power") == pytest.approx(3e3)
    one = WiredSite(tmp_path / "one", *devices)
    for name, images in site.images.items():
        one.shows(name, **images.values)
    one.run(3)
    assert (one.number("grid_import_power"), one.number("grid_export_power")) == (60e3, 0.0)
    assert one.number("load_power") == pytest.approx(114.8e3)


def test_batteries_behind_different_incomers_deliver_what_each_was_charged_with(tmp_path: Path) -> None:
    plant = plant_of(tmp_path)
    run(plant, 61, CHARGING)
    tick = plant.site.latest
    assert tick is not None
    assert (tick["load_power"], tick["grid_import_power"], tick["grid_export_power"]) == pytest.approx(
        (90e3, 80e3, 50e3)
    )
    assert tick["emission_intensity"] == pytest.approx(60 * CHONGQING / 90)
    assert tick["grid_export_emission"] == 0.0
    run(plant, 2, DISCHARGING)
    tick = plant.site.latest
    assert tick is not None
    # a round trip of 0.85 until one is learned: A's battery gives 10 kW at 558.1 / 0.85, B's at 0
    assert tick["battery_discharge_power"] == pytest.approx(20e3)
    assert tick["battery_intensity"] == pytest.approx(CHONGQING / 0.85 / 2)
    assert tick["emission_rate"] == pytest.approx(50 * CHONGQING + 10 * CHONGQING / 0.85)
    (quarter,) = [record for record in plant.appended("emission", "15m") if record.time == START + 900 * NS]
    assert quarter["load_energy"] == pytest.approx(22.5e3)
    assert quarter["emission"] == pytest.approx(15 * CHONGQING)
    assert quarter["battery_charge_emission"] == pytest.approx(5 * CHONGQING)


@pytest.mark.slow(2)
@pytest.mark.parametrize("late", [False, True])
def test_a_gap_on_one_busbar_is_settled_and_a_replay_gives_the_same(tmp_path: Path, *, late: bool) -> None:
    """The roof is silent for minutes of the second quarter, over a restart; its counter tells in it or after it."""

    async def work() -> Plant:
        plant = plant_of(tmp_path)
        await plant.spool.open()
        run(plant, 18, CHARGING)
        run(plant, 3, CHARGING, ["roof"])
        await plant.spool.close()
        plant = plant_of(tmp_path, plant.clock, plant.counters)
        plant.flow(0.0, **CHARGING)
        await plant.spool.open()
        await plant.site.restore()
        assert plant.events() == []
        run(plant, 3, CHARGING, ["roof"])
        tick = plant.site.latest
        assert tick is not None
        assert (tick["grid_import_power"], tick["grid_export_power"]) == pytest.approx((80e3, 50e3))
        assert isnan(number(tick, "load_power"))
        run(plant, 10 if late else 2, CHARGING, ["roof"])
        run(plant, 20, CHARGING)
        await plant.settle()
        await plant.spool.close()
        return plant

    plant = asyncio.run(work())
    quarter = next(record for record in reversed(plant.stored("15m")) if record.time == START + 900 * NS)
    assert quarter["coverage"] == pytest.approx(1.0)
    assert quarter["load_energy"] == pytest.approx(22.5e3, rel=1e-5)
    assert quarter["pv_energy"] == pytest.approx(25e3, rel=1e-5)
    assert quarter["emission"] == pytest.approx(15 * CHONGQING, rel=1e-5)  # A keeps its mix, and B has no carbon
    assert quarter["unaccounted_energy"] == pytest.approx(0.0, abs=1e-3)
    assert quarter["grid_export_emission"] == pytest.approx(0.0, abs=1e-3)
    records, books = again(plant)
    assert records == []
    assert books.state() == plant.site.books.state()


def test_other_netting_begins_new_accounts_and_a_replay_passes_the_change(tmp_path: Path) -> None:
    async def work() -> Plant:
        plant = Plant(tmp_path, ROLES, START, tick=60.0, behind=BEHIND)
        await plant.spool.open()
        run(plant, 40, CHARGING)
        await plant.spool.close()
        plant = plant_of(tmp_path, plant.clock, plant.counters)
        await plant.spool.open()
        await plant.site.restore()
        assert "accounts began anew" in plant.events()
        run(plant, 40, CHARGING)
        await plant.spool.close()
        return plant

    plant = asyncio.run(work())
    records, books = again(plant)
    assert records == []
    assert books.state() == plant.site.books.state()


def test_an_impossible_balance_of_one_busbar_withholds_the_results_of_the_site(tmp_path: Path) -> None:
    """B exports 150 kW of 100 kW of PV; the import of A must not cover it up."""
    plant = plant_of(tmp_path)
    run(plant, 20, CHARGING | {"b": -150e3})
    found = {(record.series.tag("device"), record["event"]) for record in plant.appended("event")}
    assert {("b", "balance fault"), ("b", "balance withheld")} <= found
    assert not any(name == "a" for name, _ in found)
    tick = plant.site.latest
    assert tick is not None
    assert isnan(number(tick, "grid_import_power"))
    dumped = plant.site._flows._balance.dump()
    other = plant_of(tmp_path / "other").site._flows._balance
    other.restore(dumped)
    assert (other.withheld, other.dump()) == (True, dumped)
    other.restore({"busbars": {}})
    with pytest.raises(ValueError, match="expected the balances of busbars"):
        other.restore({"busbars": []})


def test_an_event_names_the_node_of_the_battery(tmp_path: Path) -> None:
    """By the configuration, a round trip has 90 %. B's battery gives back 10 of 20 kWh."""
    battery: dict[str, Any] = {"batteries": BatteryConfig(1e3, stated=True)}
    grid = GridConfig("CN-CQ", netting="connection")
    plant = Plant(tmp_path, ROLES, START, tick=60.0, grid=grid, behind=BEHIND, **battery)
    run(plant, 60, CHARGING | {"a": 60e3, "store_a": 0.0})
    run(plant, 60, DISCHARGING | {"a": 60e3, "store_a": 0.0})
    run(plant, 60, CHARGING | {"a": 60e3, "store_a": 0.0})
    found = [(record.series.tag("device"), record["detail"]) for record in plant.appended("event")]
    (named,) = [name for name, detail in found if "of the charged energy was discharged" in str(detail)]
    assert named == "b"


def test_a_row_holds_the_state_of_charge_of_each_pool(tmp_path: Path) -> None:
    devices = (
        *INCOMERS,
        device("store-a", "battery", "huawei_luna2000", 504, 'behind = "a"\ncapacity = "100 kWh"'),
        device("store-b", "battery", "huawei_luna2000", 505, 'behind = "b"\ncapacity = "50 kWh"'),
    )
    site = WiredSite(tmp_path, *devices, grid=CONNECTION)
    site.shows("store-a", battery_soc=0.5, battery_power=0.0)
    site.shows("store-b", battery_soc=0.2, battery_power=0.0)
    site.run(2)
    row = site.row()
    assert (row["a soc"], row["b soc"]) == pytest.approx((0.5, 0.2))
    assert site.number("battery_stock_energy") == pytest.approx(60e3)
    assert struct.calcsize(f"{len(row)}d") == site.site.books.layout.size
