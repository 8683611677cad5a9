"""Energy of a gap that began before the stored history: not lost, and no load of another time.

Expected values are hand calculations: constant powers times the time. METHOD-SITE 9.1, 9.3 and 12.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.store.history import History

from tests.support.gap_plants import assert_closing, at, ended, kwh, opened, run_until, windows
from tests.support.plants import Plant

pytestmark = pytest.mark.slow(2)

HOUR = 3600 * NS
START = at("2026-06-01T00:00:00")
ROLES = {"incomer": "grid", "roof": "pv"}
POWERS = {"incomer": 30e3, "roof": 40e3}


async def prune(plant: Plant, keep: float) -> None:
    """Delete records older than `keep`, s."""
    await plant.spool.sync()
    await plant.spool.pack(plant.clock.now)
    plant.spool.keep = keep
    while (await plant.spool.prune(plant.clock.now)).more:
        pass


@pytest.mark.parametrize("killed", [False, True], ids=["runs on", "kill -9 before the energy is booked"])
def test_energy_of_a_gap_before_the_history_is_unaccounted_in_its_day(tmp_path: Path, killed: bool) -> None:
    # 30 kW of import, 40 kW of PV. The roof is silent from 01:00 to 09:00; at 08:00 the history begins at 06:00.
    async def work() -> Path:
        folder = tmp_path / "spool"
        folder.mkdir()
        plant = await opened(folder, ROLES, START, POWERS, tick=60.0, timezone="UTC")
        run_until(plant, START + HOUR, 60.0, POWERS)
        for hour in range(2, 9):
            run_until(plant, START + hour * HOUR, 60.0, POWERS, silent=("roof",))
            await plant.spool.sync()
            await plant.spool.pack(plant.clock.now)
        await prune(plant, 2 * 3600.0)
        run_until(plant, START + 9 * HOUR, 60.0, POWERS, silent=("roof",))
        run_until(plant, START + 9 * HOUR + 600 * NS, 60.0, POWERS)
        await plant.settle()
        if killed:
            run_until(plant, START + 9 * HOUR + 660 * NS, 60.0, POWERS)
            folder = await ended(plant, folder, killed=True)
            counted, clock = plant.counters, plant.clock
            plant = await opened(folder, ROLES, 0, POWERS, tick=60.0, timezone="UTC", clock=clock, counted=counted)
        run_until(plant, START + 24 * HOUR + 60 * NS, 60.0, POWERS)
        await plant.settle()
        await plant.spool.close()
        return folder

    folder = asyncio.run(work())
    hours = {(record.time - START) // HOUR: record for record in windows(folder, "1h")}
    for hour in range(7, 24):
        for name, power in (("pv", 40.0), ("grid_import", 30.0), ("load", 70.0)):
            assert kwh(hours[hour], name) == pytest.approx(power, rel=1e-6), (hour, name)
    (day,) = windows(folder, "1d")
    assert kwh(day, "pv") == pytest.approx(24 * 40.0, rel=0.002)
    assert kwh(day, "grid_import") == pytest.approx(24 * 30.0, rel=0.002)
    lost = kwh(day, "unaccounted") / 70.0
    assert 4.9 < lost < 6.1  # hours from 01:00 to the first state after the deletion
    assert kwh(day, "load") == pytest.approx((24 - lost) * 70.0, rel=0.002)
    assert day["pv_power"] == pytest.approx(40e3, rel=0.001)
    assert float(day.as_dict()["coverage"]) == pytest.approx(1.0 - 0.5 * lost / 24, abs=0.002)
    assert_closing(folder)
    (detail,) = [
        str(record["detail"])
        for record in History(folder, "works").events(0, 2**62)
        if record["event"] == "gap older than history"
    ]
    # The last reading before the gap holds for four more ticks.
    assert float(detail.split()[0]) == pytest.approx(lost * 40.0, rel=0.02)
    assert "from 2026-06-01T01:0" in detail
