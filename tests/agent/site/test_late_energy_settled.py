"""Gaps of readings and of the process, settled by counters over the ends of quarters, hours, days and months.

Expected values are hand calculations: constant powers times the time. METHOD-SITE 9.1, 9.3 and 12.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.base.clock import NS
from wattgram.base.record import ALL_WINDOWS

from tests.support.gap_plants import assert_closing, at, ended, kwh, opened, run_until, windows
from tests.support.plants import Plant

pytestmark = pytest.mark.slow(2)

START = at("2026-06-01T04:00:00")
POWERS = {"incomer": 30e3, "roof": 40e3}
"""70 kW of load, 30 kW of them imported."""


async def roofed(folder: Path) -> Plant:
    """Return a plant with an incomer and PV, of which POWERS flow since START, with a tick of 5 s."""
    return await opened(folder, {"incomer": "grid", "roof": "pv"}, START, POWERS, tick=5.0)


def run_to(plant: Plant, seconds: float, silent: tuple[str, ...] = ()) -> None:
    """Run a `roofed` plant until so many seconds after START."""
    run_until(plant, START + round(seconds * NS), 5.0, POWERS, silent=silent)


@pytest.mark.parametrize("tick", [1.0, 5.0])
def test_a_silent_pv_meter_leaves_the_load_absent_until_its_counter_tells(tmp_path: Path, tick: float) -> None:
    # 200 kW of PV, 50 kW of load, 150 kW of export, from 23:20:20 local time (UTC + 8) for 2380 s of the day
    powers = {"incomer": -150e3, "roof": 200e3}
    roles = {"incomer": "grid", "roof": "pv"}

    async def work() -> Plant:
        plant = await opened(tmp_path, roles, at("2026-06-01T15:20:20") - round(tick * NS), powers, tick=tick)
        run_until(plant, at("2026-06-01T15:30:00"), tick, powers)
        run_until(plant, at("2026-06-01T15:49:59"), tick, powers, silent=("roof",))
        latest = plant.site.latest
        assert latest is not None
        assert not {"load_power", "emission_intensity", "pv_power"} & latest.as_dict().keys()
        assert latest["grid_export_power"] == pytest.approx(150e3)
        assert latest["coverage"] == 0.5
        run_until(plant, at("2026-06-01T15:52:00"), tick, powers)
        await plant.settle()
        run_until(plant, at("2026-06-01T16:00:00") + round(tick * NS), tick, powers)
        await plant.settle()
        await plant.spool.close()
        return plant

    asyncio.run(work())
    (day,) = windows(tmp_path, "1d")
    for name, energy in (("pv", 132.22), ("load", 33.06), ("grid_export", 99.17)):
        assert kwh(day, name) == pytest.approx(energy, abs=0.01), name
    assert kwh(day, "unaccounted") == pytest.approx(0.0, abs=0.001)
    assert day["coverage"] == pytest.approx(2380 / 86400, rel=1e-6)
    quarters = windows(tmp_path, "15m")
    for record, seconds in zip(quarters, (580, 900, 900), strict=True):
        for name, power in (("pv", 200.0), ("load", 50.0), ("grid_export", 150.0)):
            assert kwh(record, name) == pytest.approx(power * seconds / 3600.0, abs=0.03), name
            assert record[f"{name}_power"] == pytest.approx(1e3 * power, rel=0.001)
    assert_closing(tmp_path)


EDGES = [
    ("Asia/Shanghai", "2026-06-30T16:00:00"),  # the end of a month
    ("Europe/Berlin", "2026-03-28T23:00:00"),  # the end of a day; the next day has 23 hours
    ("Asia/Shanghai", "2026-06-30T15:00:00"),  # the end of an hour
    ("Europe/Berlin", "2026-10-25T01:00:00"),  # the change of the clock, back to 02:00
    ("Asia/Shanghai", "2026-06-30T15:15:00"),  # the end of a quarter
]
MORE_EDGES = [
    ("Asia/Shanghai", "2026-12-31T16:00:00"),  # the end of a year
    ("Europe/Berlin", "2026-03-29T01:00:00"),  # the change of the clock, on to 03:00
    ("Asia/Kolkata", "2026-06-30T18:30:00"),  # the end of a month in a zone of UTC + 5:30
    ("Asia/Kathmandu", "2026-06-30T18:15:00"),  # the same in UTC + 5:45
    ("Australia/Lord_Howe", "2026-04-04T15:00:00"),  # the change of the clock, back by 30 minutes
    ("Australia/Lord_Howe", "2026-10-03T15:30:00"),  # and on by 30 minutes
]


@pytest.mark.parametrize(
    ("timezone", "end", "slow_poll", "killed"),
    [
        *((*edge, slow_poll, killed) for edge in EDGES for slow_poll in (0, 7) for killed in (False, True)),
        *((*edge, 7, True) for edge in MORE_EDGES),
    ],
)
def test_a_pause_of_the_process_is_shared_at_the_end_of_a_window(
    tmp_path: Path, timezone: str, end: str, slow_poll: int, killed: bool
) -> None:
    # 360 kW, 100 Wh a second: first tick 150 s before the end, off from 70 s before to 70 s after it
    edge, powers = at(end), {"incomer": 360e3}

    async def work() -> Path:
        folder = tmp_path / "spool"
        folder.mkdir()
        plant = await opened(folder, {"incomer": "grid"}, edge - 151 * NS, powers, timezone=timezone)
        run_until(plant, edge - 70 * NS, 1.0, powers)
        left = await ended(plant, folder, killed=killed)
        plant.flow(139.0, **powers)
        after = await opened(
            left, {"incomer": "grid"}, 0, powers, timezone=timezone, clock=plant.clock, counted=plant.counters
        )
        run_until(after, edge + (70 + slow_poll - 1) * NS, 1.0, powers, silent=("incomer",))
        run_until(after, edge + 300 * NS, 1.0, powers)
        await after.settle()
        run_until(after, edge + 902 * NS, 1.0, powers)
        await after.settle()
        await after.spool.close()
        return left

    left = asyncio.run(work())
    before, after = windows(left, "15m")[-2:]
    # 80 s were read, and 70 s of the gap's 140 s: 8.0 + 7.0 kWh; the next quarter begins with 7.0 and has 900 s
    assert kwh(before, "load") == pytest.approx(15.0, abs=0.02)
    assert kwh(after, "load") == pytest.approx(90.0, abs=0.02)
    assert before["coverage"] == pytest.approx(150 / 900, abs=1e-6)
    assert after["coverage"] == pytest.approx(1.0, abs=1e-6)
    for record in (before, after):
        assert kwh(record, "unaccounted") == pytest.approx(0.0, abs=1e-6)
    for window in ("1h", "1d", "1mo"):
        closed = windows(left, window)
        if closed:
            assert kwh(closed[0], "load") == pytest.approx(15.0, abs=0.02), window
    assert_closing(left)


@pytest.mark.parametrize("killed", [False, True])
def test_the_rest_of_a_reading_before_a_pause_does_not_end_the_gap(tmp_path: Path, killed: bool) -> None:
    # 360 kW. The last reading lies 2 s after the last instant, so 200 Wh of it are left for the next instant. The
    # first instant, 510 s after the pause began, has no reading. The pause contains the end of a quarter.
    edge, powers, roles = at("2026-06-30T15:15:00"), {"incomer": 360e3}, {"incomer": "grid"}

    async def work() -> Path:
        folder = tmp_path / "spool"
        folder.mkdir()
        plant = await opened(folder, roles, edge - 300 * NS, powers, tick=20.0)
        for _ in range(10):
            plant.flow(10.0, **powers)
            instant = plant.clock.now
            plant.flow(2.0, **powers)
            plant.read()
            plant.site.tick(instant)
            plant.flow(8.0, **powers)
        left = await ended(plant, folder, killed=killed)
        plant.flow(500.0, **powers)
        after = await opened(left, roles, 0, powers, tick=20.0, clock=plant.clock, counted=plant.counters)
        run_until(after, edge + 410 * NS, 10.0, powers, silent=("incomer",))
        run_until(after, edge + 600 * NS, 10.0, powers)
        (settled,) = [str(record["detail"]) for record in after.appended("event") if record["event"] == "gap settled"]
        assert float(settled.split()[0]) == pytest.approx(52.0, abs=0.3)  # 520 s between the two instants
        await after.settle()
        await after.spool.close()
        return left

    (before,) = windows(asyncio.run(work()), "15m")
    assert kwh(before, "unaccounted") == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("timezone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23.0),
        ("Europe/Berlin", "2026-10-25", 25.0),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Asia/Kolkata", "2026-10-31", 24.0),
    ],
)
def test_a_pause_over_a_day_has_the_energy_of_its_hours(tmp_path: Path, timezone: str, day: str, hours: float) -> None:
    # 360 kW; the gateway is off for two days, from noon UTC of the day before
    start, powers, roles = at(day) - 12 * 3600 * NS, {"incomer": 360e3}, {"incomer": "grid"}

    async def work() -> None:
        plant = await opened(tmp_path, roles, start, powers, tick=60.0, timezone=timezone)
        run_until(plant, start + 1800 * NS, 60.0, powers)
        await ended(plant, tmp_path, killed=False)
        plant.flow(2 * 86400.0, **powers)
        counted, clock = plant.counters, plant.clock
        plant = await opened(tmp_path, roles, 0, powers, tick=60.0, timezone=timezone, clock=clock, counted=counted)
        run_until(plant, clock.now + 1800 * NS, 60.0, powers)
        await plant.settle()
        await plant.spool.close()

    asyncio.run(work())
    midnight = int(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(timezone)).timestamp()) * NS
    (found,) = [record for record in windows(tmp_path, "1d") if record.time == midnight]
    assert kwh(found, "load") == pytest.approx(360.0 * hours, abs=0.1)
    assert kwh(found, "estimated") == pytest.approx(360.0 * hours, abs=0.1)
    assert found["coverage"] == pytest.approx(1.0, abs=1e-6)
    quarters = [record for record in windows(tmp_path, "15m") if midnight <= record.time < midnight + hours * 3600 * NS]
    assert [kwh(record, "load") for record in quarters] == pytest.approx([90.0] * int(4 * hours), abs=0.01)
    assert_closing(tmp_path)


def test_two_silent_meters_are_settled_when_both_have_told(tmp_path: Path) -> None:
    # Import 30 kW, PV 40, wind 20: load 90. PV is silent from 5 to 20 min, wind from 10 to 40 min.
    powers = {"incomer": 30e3, "roof": 40e3, "mill": 20e3}
    start = at("2026-06-01T04:00:00")

    async def work() -> None:
        plant = await opened(tmp_path, {"incomer": "grid", "roof": "pv", "mill": "wind"}, start, powers, tick=5.0)
        run_until(plant, start + 300 * NS, 5.0, powers)
        run_until(plant, start + 600 * NS, 5.0, powers, silent=("roof",))
        run_until(plant, start + 1200 * NS, 5.0, powers, silent=("roof", "mill"))
        run_until(plant, start + 1500 * NS, 5.0, powers, silent=("mill",))
        await plant.settle()
        (first, *_) = windows(tmp_path, "15m")
        assert kwh(first, "pv") == pytest.approx(9.96, abs=0.05)  # told already
        assert "load_energy" in first.as_dict()
        assert kwh(first, "load") < 20.0  # the time before the gaps alone
        run_until(plant, start + 2400 * NS, 5.0, powers, silent=("mill",))
        run_until(plant, start + 3605 * NS, 5.0, powers)
        await plant.settle()
        await plant.spool.close()

    asyncio.run(work())
    quarters = windows(tmp_path, "15m")
    for record, seconds in zip(quarters, (895, 900, 900, 900), strict=True):  # the first tick is at 5 s
        for name, power in (("load", 90.0), ("pv", 40.0), ("generation", 20.0), ("grid_import", 30.0)):
            assert kwh(record, name) == pytest.approx(power * seconds / 3600.0, abs=0.05), name
        assert kwh(record, "unaccounted") == pytest.approx(0.0, abs=0.001)
        assert record["coverage"] == pytest.approx(seconds / 900.0, abs=1e-6)
    (hour,) = windows(tmp_path, "1h")
    assert kwh(hour, "load") == pytest.approx(sum(kwh(record, "load") for record in quarters), rel=1e-9)
    assert_closing(tmp_path)


def test_energy_of_healthy_meters_is_counted_beside_a_meter_that_never_tells(tmp_path: Path) -> None:
    async def work() -> None:
        plant = await roofed(tmp_path)
        run_to(plant, 450)
        run_to(plant, 1800, silent=("incomer",))
        await plant.spool.close()

    asyncio.run(work())
    first, second = windows(tmp_path, "15m")
    assert kwh(first, "pv") == pytest.approx(40.0 * 895 / 3600)
    assert kwh(second, "pv") == pytest.approx(10.0)
    assert second["pv_power"] == pytest.approx(40e3)
    assert "load_energy" not in second.as_dict()
    assert kwh(second, "unaccounted") == pytest.approx(10.0)
    assert second["coverage"] == 0.5
    assert_closing(tmp_path)


@pytest.mark.parametrize("counter", [(0.0, 0.0), (5000.0, 4000.0)], ids=["reset", "exchanged"])
def test_a_meter_that_begins_anew_in_its_gap_leaves_the_load_of_the_gap_absent(
    tmp_path: Path, counter: tuple[float, float]
) -> None:
    # The new counter tells nothing of the gap from 300 s to 700 s, nor may the site.
    async def work() -> None:
        plant = await roofed(tmp_path)
        run_to(plant, 300)
        run_to(plant, 500, silent=("roof",))
        plant.counters["roof"] = list(counter)
        run_to(plant, 700, silent=("roof",))
        run_to(plant, 1800)
        await plant.settle()
        await plant.spool.close()

    asyncio.run(work())
    first, second = windows(tmp_path, "15m")
    # Beside the gap 300 s and 200 s; the last reading holds for three more, and the first tick begins no interval.
    assert kwh(first, "load") == pytest.approx(70.0 * 500 / 3600, abs=70.0 * 25 / 3600)
    assert first["load_power"] == pytest.approx(70e3, rel=0.001)
    assert kwh(first, "grid_import") == pytest.approx(30.0 * 895 / 3600, rel=0.001)
    assert float(first.as_dict()["coverage"]) < 0.8
    assert kwh(second, "load") == pytest.approx(17.5)
    assert_closing(tmp_path)


def test_the_events_name_the_device_and_the_energy_of_its_gap(tmp_path: Path) -> None:
    powers = {"incomer": -150e3, "roof": 200e3}
    start = at("2026-06-01T04:00:00")

    async def work() -> list[tuple[str, str]]:
        plant = await opened(tmp_path, {"incomer": "grid", "roof": "pv"}, start, powers)
        run_until(plant, start + 60 * NS, 1.0, powers)
        run_until(plant, start + 180 * NS, 1.0, powers, silent=("roof",))
        run_until(plant, start + 200 * NS, 1.0, powers)
        return [(str(record["event"]), str(record["detail"])) for record in plant.appended("event")]

    found = asyncio.run(work())
    assert [event for event, _ in found] == ["device lost", "load unknown", "device back", "gap settled", "load known"]
    details = dict(found)
    assert details["load unknown"].startswith("roof: no reading; load, emission and intensity are absent")
    # 120 s without a reading, of which the last value held for 4 s: about 116 s x 200 kW
    energy = float(details["gap settled"].split()[0])
    assert energy == pytest.approx(116 * 200 / 3600, rel=0.02)


def test_a_replay_of_settled_quarters_changes_nothing(tmp_path: Path) -> None:
    async def work() -> Plant:
        plant = await roofed(tmp_path)
        run_to(plant, 800)
        run_to(plant, 1000, silent=("roof",))
        run_to(plant, 2000)
        await plant.settle()
        run_to(plant, 3700)
        await plant.settle()
        replay = await plant.revision.revise(START, START + 3600 * NS, ALL_WINDOWS)
        assert not replay.counts.changed
        await plant.spool.close()
        return plant

    asyncio.run(work())
    revisions = [float(record["revision"]) for record in windows(tmp_path, "15m")]
    assert revisions[0] == 1.0  # published without PV's gap, then with it
    assert all(earlier >= later for earlier, later in pairwise(revisions))


@pytest.mark.parametrize(("night", "known"), [("silent", True), ("answers", False)])
def test_the_load_is_known_at_night_while_the_inverter_sleeps(tmp_path: Path, night: str, known: bool) -> None:
    # Chongqing, 29.6 N 106.6 E, midsummer: at 23:00 local time the sun is far below the horizon
    start = at("2026-06-01T15:00:00")

    async def work() -> dict[str, object]:
        plant = Plant(tmp_path, {"incomer": "grid", "roof": "pv"}, start, night=night, position=(29.6, 106.6))
        await plant.spool.open()
        powers = {"incomer": 30e3, "roof": 0.0}
        plant._powers |= powers
        run_until(plant, start + 60 * NS, 1.0, powers)
        run_until(plant, start + 120 * NS, 1.0, powers, silent=("roof",))
        assert plant.site.latest is not None
        found = plant.site.latest.as_dict()
        await plant.spool.close()
        return dict(found)

    found = asyncio.run(work())
    assert ("load_power" in found) is known
    assert found["grid_import_power"] == pytest.approx(30e3)
    assert found["coverage"] == (1.0 if known else 0.5)
    if known:
        assert (found["load_power"], found["pv_power"]) == (pytest.approx(30e3), 0.0)


@pytest.mark.parametrize("returns", [True, False], ids=["back in the morning", "still silent in the morning"])
def test_a_sleeping_inverter_is_lost_only_if_it_stays_silent_in_the_morning(tmp_path: Path, returns: bool) -> None:
    # Chongqing, 1 June: sunset 19:52, sunrise 05:51 local time (UTC + 8). The last power is below 2 % of 500 kW: the
    # inverter may sleep below 15 degrees, to about 07:05.
    powers = {"incomer": 30e3, "roof": 8e3}

    async def work() -> list[tuple[str, str]]:
        plant = Plant(
            tmp_path,
            {"incomer": "grid", "roof": "pv"},
            at("2026-06-01T11:00:00"),
            tick=60.0,
            night="silent",
            position=(29.6, 106.6),
        )
        await plant.spool.open()
        plant._powers |= powers
        run_until(plant, at("2026-06-01T11:50:00"), 60.0, powers)
        run_until(plant, at("2026-06-01T22:00:00"), 60.0, powers | {"roof": 0.0}, silent=("roof",))
        run_until(plant, at("2026-06-01T23:30:00"), 60.0, powers | {"roof": 0.0}, silent=() if returns else ("roof",))
        found = [(str(record["event"]), str(record["detail"])) for record in plant.appended("event")]
        await plant.spool.close()
        return found

    found = asyncio.run(work())
    if returns:
        assert not [event for event, _ in found if event.startswith("device")]
        assert "load unknown" not in dict(found)
    else:
        assert [event for event, _ in found if event.startswith("device")] == ["device lost"]
        assert dict(found)["device lost"].startswith("silent since the night, although the sun is up")
        assert "load unknown" in dict(found)


def test_a_counter_that_was_reset_in_a_gap_settles_nothing(tmp_path: Path) -> None:
    """METHOD-SITE 9.1: a new or cleared meter does not show all the energy of the gap, so the load stays absent.

    200 kW of PV, 150 kW of export. The meter is silent for 1200 s and comes back with 5 kWh.
    """
    powers = {"incomer": -150e3, "roof": 200e3}

    async def work() -> None:
        plant = await opened(
            tmp_path, {"incomer": "grid", "roof": "pv"}, at("2026-06-01T02:00:00") - 5 * NS, powers, tick=5.0
        )
        run_until(plant, at("2026-06-01T02:20:00"), 5.0, powers)
        run_until(plant, at("2026-06-01T02:39:55"), 5.0, powers, silent=("roof",))
        plant.counters["roof"] = [5.0, 0.0]
        run_until(plant, at("2026-06-01T03:00:05"), 5.0, powers)
        await plant.settle()
        await plant.spool.close()

    asyncio.run(work())
    (hour,) = windows(tmp_path, "1h")
    # 1200 of 3600 s, with the instants at both ends of the gap, half known: the incomer alone
    assert hour["coverage"] == pytest.approx(1.0 - 0.5 * 1200 / 3600, abs=0.01)
    assert kwh(hour, "load") == pytest.approx(50.0 * 2400 / 3600, abs=0.5)
    assert kwh(hour, "grid_export") == pytest.approx(150.0, abs=0.5)
    assert kwh(hour, "unaccounted") == pytest.approx(-150.0 * 1200 / 3600 + 5.0, abs=0.5)  # 5 kWh were counted
    assert_closing(tmp_path)
