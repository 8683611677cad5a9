"""Each fault of a site gives an event and no wrong value; energies of gaps by hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.base.record import Record

from tests.support.approximate import near
from tests.support.plants import Hands, Plant

pytestmark = pytest.mark.slow(1)

START = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS  # 12:00 in Shanghai
FOLLOWING = ("load_power", "emission_intensity", "emission", "clean_share", "avoided")
"""Results that need a load."""

RESULTS = (*FOLLOWING, "scope2_location")
"""Results that are absent while the balance is withheld."""


def absent(record: Record, *names: str) -> bool:
    return not set(names) & set(record.as_dict())


def test_a_swapped_incomer_withholds_the_balance(tmp_path: Path) -> None:
    plant = Plant(tmp_path, {"incomer": "grid", "roof": "pv"}, START, tick=10.0)
    ticks = [plant.tick(10.0, incomer=-100e3, roof=10e3) for _ in range(40)]
    assert plant.events() == ["balance fault", "balance withheld"]
    assert all(absent(record, *FOLLOWING) for record in ticks[1:])
    assert absent(ticks[-1], *RESULTS, "grid_import_power", "grid_export_power", "pv_power")
    assert ticks[-1]["coverage"] == 0.0
    # By day the balance seems sound; it is withheld until a whole day without a fault.
    day = [plant.tick(10.0, incomer=50e3, roof=150e3) for _ in range(400)]
    assert all(absent(record, *RESULTS) for record in day)
    quarters = plant.appended("emission", "15m")
    assert all(absent(record, *FOLLOWING) for record in quarters)
    for _ in range(24 * 360):
        last = plant.tick(10.0, incomer=50e3, roof=150e3)
    assert plant.events()[2:] == ["balance restored"]
    assert last["load_power"] == pytest.approx(200e3)


def test_a_withheld_balance_stays_withheld_after_a_restart(tmp_path: Path) -> None:
    roles = {"incomer": "grid", "roof": "pv"}

    async def work() -> None:
        plant = Plant(tmp_path, roles, START, tick=10.0)
        await plant.spool.open()
        for _ in range(40):
            plant.tick(10.0, incomer=-100e3, roof=10e3)
        await plant.spool.close()
        restarted = Plant(tmp_path, roles, START, tick=10.0, clock=plant.clock, counted=plant.counters)
        await restarted.spool.open()
        await restarted.site.restore()
        for _ in range(10):
            tick = restarted.tick(10.0, incomer=50e3, roof=150e3)
        await restarted.spool.close()
        assert absent(tick, *RESULTS)

    asyncio.run(work())


def test_a_generator_without_a_meter_is_a_balance_fault(tmp_path: Path) -> None:
    """A genset without a meter feeds the load and the grid: the outflow exceeds the inflow."""
    plant = Plant(tmp_path, {"incomer": "grid", "roof": "pv"}, START)
    ticks = [plant.tick(1.0, incomer=-60e3, roof=20e3) for _ in range(10)]
    assert plant.events() == ["balance fault"]
    assert all(absent(record, *FOLLOWING) for record in ticks)


def test_a_generator_that_stops_responding_leaves_the_balance(tmp_path: Path) -> None:
    plant = Plant(tmp_path, {"incomer": "grid", "diesel": "genset"}, START)
    for _ in range(3):
        complete = plant.tick(1.0, incomer=100e3, diesel=50e3)
    for _ in range(6):
        plant.flow(1.0, incomer=100e3, diesel=50e3)
        plant.read("incomer")
        plant.site.tick(plant.clock.now)
    incomplete = plant.site.latest
    assert incomplete is not None
    assert plant.events() == ["device lost"]
    assert (complete["coverage"], incomplete["coverage"]) == (1.0, 0.5)
    assert absent(incomplete, "generation_power")


def test_a_frozen_inverter_leaves_the_balance(tmp_path: Path) -> None:
    """The device keeps responding with its values of noon; its counter stands still too."""
    plant = Plant(tmp_path, {"incomer": "grid", "roof": "pv"}, START, tick=10.0)
    for number in range(20):
        plant.tick(10.0, incomer=100e3, roof=50e3 + number)
    for number in range(120):
        plant.flow(10.0, incomer=100e3 + number)
        plant.read("incomer", volts=230.0 + number / 100.0)
        plant.read("roof")
        plant.site.tick(plant.clock.now)
    last = plant.site.latest
    assert last is not None
    assert plant.events() == ["device frozen", "load unknown"]
    assert (last["coverage"], last["grid_import_power"]) == (0.5, near(100118.5))  # the mean of the interval's ends
    assert absent(last, "pv_power", "load_power")
    roof = [record for record in plant.appended("device") if record.series.tag("device") == "roof"]
    assert roof[-1]["quality"] == "stale"
    plant.tick(10.0, incomer=100e3, roof=0.0)
    assert plant.events() == ["device frozen", "load unknown", "device back"]


def test_readings_of_a_clock_of_1970_wait_until_it_is_set(tmp_path: Path) -> None:
    """No record of 1970 is published; its readings get their times after the clock has been set."""
    clock = Hands(1000 * NS)
    plant = Plant(tmp_path, {"incomer": "grid"}, START, clock=clock)
    for _ in range(5):
        plant.flow(1.0, incomer=60e3)
        plant.read()
    assert plant.appended("device") == plant.appended("event") == []
    assert [record.event for record in plant.site.events.latest] == ["clock unset"]
    clock.now = START
    plant.flow(1.0, incomer=60e3)
    plant.read()
    plant.site.tick(clock.now)
    assert [record.time for record in plant.appended("device")] == [START + second * NS for second in range(-4, 2)]
    assert plant.events() == ["clock unset", "clock set"]
    assert min(record.time for record in plant.spool._pending) >= START - 6 * NS
    assert plant.tick(1.0, incomer=60e3)["load_power"] == pytest.approx(60e3)


def test_no_tick_of_1970_is_published_when_the_clock_is_set_while_the_site_waits(tmp_path: Path) -> None:
    class SetLate(Hands):
        """Set the clock at the sixth sleep, and end the test at the fifteenth."""

        sleeps = 0

        async def sleep(self, seconds: float) -> None:
            self.sleeps += 1
            if self.sleeps == 15:
                raise TimeoutError
            if self.sleeps == 6:
                self.now = START
            self.go(max(seconds, 0.0))

    plant = Plant(tmp_path, {}, START, clock=SetLate(1000 * NS))
    with pytest.raises(TimeoutError):
        asyncio.run(plant.site.run())
    times = [record.time for record in plant.appended("emission", "tick")]
    # The clock was set during a sleep of a second, so the first tick is at the second whole second.
    assert times == [START + second * NS for second in range(2, 2 + len(times))]
    assert len(times) >= 6
    assert plant.events() == ["clock unset", "clock set"]


def test_a_clock_that_is_set_forward_adds_no_energy(tmp_path: Path) -> None:
    plant = Plant(tmp_path, {"incomer": "grid"}, START)
    for _ in range(5):
        plant.tick(1.0, incomer=3600.0)
    plant.clock.now += 3600 * NS
    for _ in range(5):
        plant.tick(1.0, incomer=3600.0)
    assert plant.events() == ["clock stepped"]
    published_energy = sum(float(record["load_energy"]) for record in plant.appended("emission", "tick"))
    assert published_energy == pytest.approx(8.0, abs=1.1)  # 4 intervals before and 4 after, to a step of the counter


def test_energy_of_a_gap_goes_into_its_quarters_hours_and_day(tmp_path: Path) -> None:
    """METHOD-SITE 9.3. 60 kW for 20 minutes, half an hour with the gateway off, 60 kW until midnight and after."""

    async def work() -> Plant:
        roles = {"incomer": "grid", "roof": "pv"}
        plant = Plant(tmp_path, roles, START, tick=10.0)
        await plant.spool.open()
        plant.tick(0.0, incomer=60e3, roof=30e3)
        for _ in range(120):
            plant.tick(10.0, incomer=60e3, roof=30e3)
        await plant.spool.close()
        clock, counters = plant.clock, plant.counters
        plant.flow(1800.0, incomer=60e3, roof=30e3)
        restarted = Plant(tmp_path, roles, START, tick=10.0, clock=clock, counted=counters)
        restarted._powers = plant._powers
        await restarted.spool.open()
        await restarted.site.restore()
        for _ in range(12 * 360 - 300 + 2):
            restarted.tick(10.0, incomer=60e3, roof=30e3)
        await restarted.settle()
        await restarted.spool.close()
        return restarted

    plant = asyncio.run(work())
    (day,) = plant.stored("1d")
    # Twelve hours of 60 + 30 kW, the half hour of the gap among them; steps of the f32 counters are 62.5 Wh at 1 MWh.
    assert day["load_energy"] == pytest.approx(12 * 90e3, abs=300.0)
    assert day["grid_import_energy"] == pytest.approx(12 * 60e3, abs=200.0)
    assert day["emission"] == pytest.approx(12 * 60 * 558.1, rel=1e-3)
    assert day["emission_intensity"] == pytest.approx(558.1 * 2 / 3, rel=1e-3)
    assert day["coverage"] == pytest.approx(0.5, abs=1e-3)
    for window, count in (("15m", 48), ("1h", 12)):
        records = plant.stored(window)
        assert len(records) == count
        for record in records:
            assert record["load_energy"] == pytest.approx(12 * 90e3 / count, abs=150.0)
            assert record["coverage"] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("silent", ["roof", "incomer"])
def test_energy_of_a_silent_device_goes_into_the_hour_of_its_silence(tmp_path: Path, silent: str) -> None:
    async def work() -> Plant:
        roles = {"incomer": "grid", "roof": "pv"}
        plant = Plant(tmp_path, roles, START, tick=10.0)
        await plant.spool.open()
        plant.tick(0.0, incomer=60e3, roof=36e3)
        for number in range(12 * 360 + 2):
            plant.flow(10.0, incomer=60e3, roof=36e3)
            plant.read(*(name for name in roles if name != silent or not 400 < number < 760))  # an hour
            plant.site.tick(plant.clock.now)
        await plant.settle()
        await plant.spool.close()
        return plant

    plant = asyncio.run(work())
    (day,) = plant.stored("1d")
    assert day["grid_import_energy"] == pytest.approx(12 * 60e3, abs=300.0)
    assert day["pv_energy"] == pytest.approx(12 * 36e3, abs=300.0)
    assert day["load_energy"] == pytest.approx(12 * 96e3, abs=500.0)
    assert day["coverage"] == pytest.approx(0.5, abs=1e-3)
    for record in plant.stored("1h"):
        assert record["load_energy"] == pytest.approx(96e3, abs=500.0)
        assert record["unaccounted_energy"] == pytest.approx(0.0, abs=1.0)


def test_a_pause_over_midnight_gives_each_day_its_share(tmp_path: Path) -> None:
    async def work() -> list[Record]:
        plant = Plant(tmp_path, {"incomer": "grid"}, START, tick=60.0)
        await plant.spool.open()
        plant.tick(0.0, incomer=60e3)
        for _ in range(6 * 60):
            plant.tick(60.0, incomer=60e3)
        await plant.spool.close()
        plant.flow(12 * 3600.0, incomer=60e3)  # 18:00 to 6:00
        restarted = Plant(tmp_path, {"incomer": "grid"}, START, tick=60.0, clock=plant.clock, counted=plant.counters)
        restarted._powers = plant._powers
        await restarted.spool.open()
        await restarted.site.restore()
        for _ in range(18 * 60 + 2):
            restarted.tick(60.0, incomer=60e3)
        days = restarted.appended("emission", "1d")
        await restarted.spool.close()
        return days

    first_day, second_day = asyncio.run(work())
    assert first_day["load_energy"] == pytest.approx(12 * 60e3, abs=300.0)
    assert second_day["load_energy"] == pytest.approx(24 * 60e3, abs=300.0)
    assert (first_day["coverage"], second_day["coverage"]) == (near(0.5, abs=1e-3), near(1.0, abs=1e-3))
