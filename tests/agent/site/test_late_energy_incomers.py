"""Late energy of one of several incomers: the busbar nets their sum. METHOD-SITE 8.4 and 9.3; sums by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.base.record import Record

from tests.support.gap_plants import assert_closing, at, kwh, opened, run_until, windows

pytestmark = pytest.mark.slow(1)


def quarters(folder: Path, ring: float) -> list[Record]:
    """Return the quarters of a site with two incomers, 100 kW and `ring`, W; the second is silent for ten minutes."""
    start, powers = at("2026-06-01T04:00:00"), {"incomer": 100e3, "ring": ring}

    async def work() -> None:
        plant = await opened(folder, {"incomer": "grid", "ring": "grid"}, start, powers, tick=5.0, timezone="UTC")
        run_until(plant, start + 900 * NS, 5.0, powers)
        run_until(plant, start + 1200 * NS, 5.0, powers)
        run_until(plant, start + 2400 * NS, 5.0, powers, silent=("ring",))
        run_until(plant, start + 2700 * NS, 5.0, powers)
        await plant.settle()
        await plant.spool.close()

    asyncio.run(work())
    return windows(folder, "15m")


@pytest.mark.parametrize(("ring", "taken"), [(-40e3, 15.0), (40e3, 35.0)])
def test_a_gap_of_one_incomer_is_netted_with_the_others(tmp_path: Path, ring: float, taken: float) -> None:
    # 100 kW in and 40 kW out: 60 kW of import, 15 kWh a quarter, and no export; both in: 140 kW
    for record in quarters(tmp_path, ring)[1:]:
        assert kwh(record, "grid_import") == pytest.approx(taken, abs=0.01)
        assert kwh(record, "load") == pytest.approx(taken, abs=0.01)
        assert kwh(record, "grid_export") == pytest.approx(0.0, abs=0.01)
        assert record["grid_import_power"] == pytest.approx(4e3 * taken, rel=1e-3)
        assert record["coverage"] == pytest.approx(1.0)
    assert_closing(tmp_path)


def test_a_window_says_how_much_of_it_is_estimated(tmp_path: Path) -> None:
    # The ring is silent from 1200 s to 2400 s, of which the last reading holds for a few ticks: 10 minutes at 40 kW are
    # 6.67 kWh in each of two quarters. The quarter before has none.
    first, second, third = quarters(tmp_path, -40e3)
    assert kwh(first, "estimated") == 0.0
    assert kwh(second, "estimated") == pytest.approx(40.0 * 600 / 3600, abs=0.3)
    assert kwh(third, "estimated") == pytest.approx(40.0 * 600 / 3600, abs=0.3)
