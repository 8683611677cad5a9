"""A long pause of the gateway: many quarters of an hour in small steps, and a kill between two of them.

Expected values are hand calculations: constant powers times the time. METHOD-SITE 9.3.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wattgram.accounts.late_energy import MOST_LATE_ROWS
from wattgram.base.clock import NS

from tests.support.gap_plants import assert_closing, at, ended, kwh, opened, run_until, windows

pytestmark = pytest.mark.slow(3)


def test_a_pause_of_days_is_settled_in_small_steps_also_over_a_kill(tmp_path: Path) -> None:
    # 30 kW of import and 40 kW of PV; the gateway is off from 01:00 on 1 June for four days.
    start, roles, powers = at("2026-06-01T00:00:00"), {"incomer": "grid", "roof": "pv"}, {"incomer": 30e3, "roof": 40e3}

    async def work() -> Path:
        folder = tmp_path / "spool"
        folder.mkdir()
        plant = await opened(folder, roles, start, powers, tick=60.0, timezone="UTC")
        run_until(plant, start + 3600 * NS, 60.0, powers)
        for pause in (4 * 86400.0, 60.0):
            folder = await ended(plant, folder, killed=True)
            plant.flow(pause, **powers)
            counted, clock = plant.counters, plant.clock
            plant = await opened(folder, roles, 0, powers, tick=60.0, timezone="UTC", clock=clock, counted=counted)
            run_until(plant, plant.clock.now + 60 * NS, 60.0, powers)
            assert len(plant.appended("late")) == MOST_LATE_ROWS
        await plant.spool.sync()
        assert plant.site.store_late()
        assert len(plant.appended("late")) == MOST_LATE_ROWS
        await plant.settle()
        run_until(plant, plant.clock.now + 3600 * NS, 60.0, powers)
        await plant.settle()
        await plant.spool.close()
        return folder

    folder = asyncio.run(work())
    quarters = windows(folder, "15m")
    assert len(quarters) == 4 * 97 + 4
    for record in quarters[1:]:
        assert kwh(record, "load") == pytest.approx(17.5, abs=0.01), record.time
        assert kwh(record, "pv") == pytest.approx(10.0, abs=0.01)
        assert record["coverage"] == pytest.approx(1.0)
    assert [kwh(day, "load") for day in windows(folder, "1d")[1:]] == pytest.approx([24 * 70.0] * 3, abs=0.01)
    assert_closing(folder)
