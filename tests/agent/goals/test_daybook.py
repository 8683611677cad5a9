"""Daily records: results of meters by local day, over midnights, pauses and restarts."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Coroutine
from math import nan
from pathlib import Path
from typing import Any

import pytest
from wattgram.accounts.row_layout import LEADING_COLUMNS
from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.config.role_keys import EfficiencyPoint, EmissionConfig

from tests.agent.site.test_site_plant import START, MixedSite, meter
from tests.support.plants import Plant
from tests.support.stored_history import QUARTER, utc, window

ROLES = {"incomer": "grid", "roof": "pv", "hall": "load"}
EVENING = utc("2026-11-01T23:00:00+08:00")
TODAY, TOMORROW = utc("2026-11-01T00:00:00+08:00"), utc("2026-11-02T00:00:00+08:00")


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def day_records(plant: Plant, device: str) -> dict[int, Record]:
    """Return the latest record of each day of a device, by the beginning of the day."""
    return {record.time: record for record in plant.appended("day") if record.series.tag("device") == device}


def values_by_day(records: dict[int, Record], field: str) -> dict[int, float | str]:
    return {time: record[field] for time, record in records.items()}


def test_energy_of_each_meter_belongs_to_the_local_day_in_which_it_flowed(tmp_path: Path) -> None:
    """Two hours over midnight: 6 kW imported and 2 kW from the roof, then 3 kW exported and 4 kW from the roof."""

    async def work() -> None:
        plant = Plant(tmp_path, ROLES, EVENING, tick=60.0)
        await plant.spool.open()
        for _ in range(60):
            plant.tick(60.0, incomer=6000.0, roof=2000.0, hall=8000.0)
        for _ in range(61):
            plant.tick(60.0, incomer=-3000.0, roof=4000.0, hall=1000.0)
        incomer, roof = day_records(plant, "incomer"), day_records(plant, "roof")
        await plant.spool.close()
        # The minute before the first reading is unknown. In the first minute of the second hour the straight line
        # from 6 to -3 kW has a mean of 1.5 kW, all of it imported as the meter counts it.
        assert values_by_day(incomer, "energy")[TODAY] == pytest.approx(59 * 100.0, abs=0.5)
        assert values_by_day(incomer, "against")[TODAY] == 0.0
        assert values_by_day(incomer, "energy")[TOMORROW] == pytest.approx(25.0, abs=0.5)
        assert values_by_day(incomer, "against")[TOMORROW] == pytest.approx(59 * 50.0, abs=0.5)
        assert values_by_day(roof, "energy")[TOMORROW] == pytest.approx(50.0 + 59 * 4000.0 / 60.0, abs=0.5)
        assert values_by_day(roof, "seconds")[TOMORROW] == 3600.0

    run(work)


def test_quarters_give_the_peak_the_overlap_and_the_night_load(tmp_path: Path) -> None:
    """From 4:30: 4 kW with 1 kW of roof, 10 kW with 12 kW of roof, then without roof 3 kW, and 2 kW after the night.

    Overlap: (1 + 10 + 0 + 0) kW x 1/4 h. A quarter without a balance has no load and does not count.
    """
    plant = Plant(tmp_path, ROLES, TOMORROW)
    begin = TOMORROW + 16_200 * NS
    book = plant.site._days
    for number, (load, roof, imported) in enumerate(((4, 1, 3), (10, 12, 0), (3, 0, 3), (2, 0, 2))):
        fields = {"load_power": load * 1e3, "pv_power": roof * 1e3, "grid_import_power": imported * 1e3}
        fields["self_sufficiency"] = min(1.0, roof / load)
        book.add_window(window("15m", begin + number * QUARTER, fields))
    book.add_window(window("15m", begin + 4 * QUARTER, {"coverage": 0.0}))
    (site,) = book.records()
    assert site.as_dict() == {
        "count": 4.0,
        "overlap": 2750.0,
        "peak": 10_000.0,
        "peak_time": begin + QUARTER,
        "import_peak": 3000.0,
        "night": 4000.0,
        "night_count": 2.0,
        "own_share": 1.25,  # 1 / 4 and 10 / 10
        "own_count": 4.0,
    }


def test_a_genset_with_a_curve_has_the_heat_of_its_fuel_by_the_curve(tmp_path: Path) -> None:
    """50 kW of 100 kW at 30 %, the point of the curve, for an hour: 50 kWh and 166.667 kWh of heat."""
    curve = (EfficiencyPoint(0.5, 0.30), EfficiencyPoint(1.0, 0.40))
    settings = EmissionConfig(fuel_meter="oil", fuel_factor=2668.0, efficiency=curve)
    devices = [
        meter("incomer", "grid"),
        meter("set", "genset", rated_power=100e3, emission=settings),
        meter("oil", "fuel", "siemens_sitrans_mass6000"),
    ]
    plant = MixedSite(tmp_path, devices)
    book = plant.site._days
    index = book._names.index("set")
    numbers = [nan] * (LEADING_COLUMNS + 3 * len(book._names))
    numbers[0], numbers[LEADING_COLUMNS + index] = 3600.0, 50e3
    book.add_row(START, struct.pack(f"{len(numbers)}d", *numbers))
    (day,) = [record for record in book.records() if record.series.tag("device") == "set"]
    assert (day["curve_energy"], day["curve_heat"]) == pytest.approx((50e3, 50e3 / 0.30))


def test_voltage_is_judged_by_ten_minute_means_and_supply_by_the_readings(tmp_path: Path) -> None:
    """380 V between phases are 219.4 V: 230 V are +4.8 %, 240 V are +9.4 %. Then ten minutes without voltage."""

    async def work() -> None:
        plant = Plant(tmp_path, {"incomer": "grid"}, TOMORROW, tick=60.0)
        await plant.spool.open()
        for volts in (230.0, 240.0, 230.0, 5.0):
            for minute in range(10):
                plant.read(volts=volts + 0.01 * minute)
                plant.flow(60.0, incomer=1000.0)
        plant.read(volts=230.0)
        for record in plant.site._days.records():
            plant.site.publication.append(record)
        day = day_records(plant, "incomer")[TOMORROW]
        await plant.spool.close()
        # This meter shows 0 V for the two phases that the test does not set; their means are bad.
        assert (day["slots"], day["slots_good"]) == (12.0, 2.0)
        # A reading holds for the time before it.
        assert day["observed"] == 2400.0
        assert day["supplied"] == 1800.0

    run(work)


def test_a_reading_at_midnight_belongs_to_the_day_that_ends(tmp_path: Path) -> None:
    """From 23:40 to midnight every ten minutes: 20 min, and for each phase the mean that the second reading began."""

    async def work() -> None:
        plant = Plant(tmp_path, {"incomer": "grid"}, EVENING + 2400 * NS, tick=600.0)
        await plant.spool.open()
        for _ in range(2):
            plant.read()
            plant.flow(600.0, incomer=1000.0)
        plant.read()
        for record in plant.site._days.records():
            plant.site.publication.append(record)
        incomer = day_records(plant, "incomer")
        await plant.spool.close()
        assert values_by_day(incomer, "observed") == {TODAY: 1200.0}
        assert values_by_day(incomer, "slots") == {TODAY: 3.0}

    run(work)


def test_a_first_reading_at_midnight_creates_no_day_before_it(tmp_path: Path) -> None:
    """36 kg an hour from midnight, read at midnight and after ten minutes: 6 kg."""

    async def work() -> None:
        plant = MixedSite(tmp_path, [meter("incomer", "grid"), meter("line", "production", "siemens_sitrans_mass6000")])
        plant.clock.now = TOMORROW
        await plant.spool.open()
        for minutes in (0, 10):
            plant.shows("line", totalizer_1=500.0 + 0.6 * minutes)
            plant.clock.go(600.0)
        day_records = {record.time: record.as_dict() for record in plant.site._days.records()}
        await plant.spool.close()
        assert day_records == {TOMORROW: {"amount": pytest.approx(6.0)}}

    run(work)


def test_after_a_restart_the_day_continues_with_the_energy_of_the_pause(tmp_path: Path) -> None:
    """An hour of 6 kW with the daemon stopped in its second half: 6 kWh by the counter."""

    async def work() -> None:
        plant = Plant(tmp_path, ROLES, TOMORROW, tick=60.0)
        await plant.spool.open()
        steady = {"incomer": 6000.0, "hall": 6000.0}
        plant._powers |= steady
        for minutes in range(31):
            plant.tick(60.0 if minutes else 0.0, **steady)
        await plant.spool.close()
        counters, clock = plant.counters, plant.clock
        clock.go(1740.0)
        for name in ("incomer", "hall"):
            counters[name][0] += 6.0 * 1740.0 / 3600.0
        restarted = Plant(tmp_path, ROLES, clock.now, tick=60.0, clock=clock, counted=counters)
        await restarted.spool.open()
        await restarted.site.restore()
        restarted._powers |= steady
        for _ in range(62):
            restarted.tick(60.0, **steady)
        day = day_records(restarted, "incomer")[TOMORROW]
        await restarted.spool.close()
        hours = (restarted.clock.now // (3600 * NS) * 3600 * NS - TOMORROW) / (3600 * NS)
        assert day["energy"] == pytest.approx(6000.0 * hours, rel=0.001)

    run(work)


def test_a_closed_day_does_not_change_when_the_clock_is_set_back(tmp_path: Path) -> None:
    async def work() -> None:
        plant = Plant(tmp_path, ROLES, EVENING, tick=600.0)
        await plant.spool.open()
        for _ in range(3 * 144):
            plant.tick(600.0, incomer=1000.0, hall=1000.0)
        before = values_by_day(day_records(plant, "incomer"), "energy")
        book = plant.site._days
        book._add(TODAY + NS, "incomer", energy=1.0)
        assert list(book.records()) == []
        assert values_by_day(day_records(plant, "incomer"), "energy") == before
        await plant.spool.close()

    run(work)
