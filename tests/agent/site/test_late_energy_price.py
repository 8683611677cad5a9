"""Late energy has the grid's mean over its own time, not over its quarter: METHOD-SITE 9.3 and 9.5; sums by hand."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from wattgram.accounts.late_energy import Span
from wattgram.accounts.late_price import price, spans_of, text_of
from wattgram.base.clock import NS
from wattgram.base.record import ALL_WINDOWS
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal

from tests.support.gap_plants import assert_closing, at, ended, opened, run_until, windows
from tests.support.plants import Hands

pytestmark = pytest.mark.slow(1)

START = at("2026-06-01T04:00:00")


def signals(middle: float) -> list[Signal]:
    """Return 100 g/kWh, another value from 300 s to 600 s after START, and 100 again."""
    values = ((0, 100.0), (300, middle), (600, 100.0), (7200, 100.0))
    return [
        Signal(value, "direct", "feed", 1, START + begin * NS, START + end * NS)
        for (begin, value), (end, _) in pairwise(values)
    ]


@pytest.mark.parametrize("restarted", [False, True], ids=["a device is silent", "the gateway is off"])
def test_the_part_of_a_quarter_that_a_gap_covers_prices_it(tmp_path: Path, restarted: bool) -> None:
    # 36 kW for 895 s, 10 Wh a second: 3 kWh of the gap at 900 g/kWh, 5.95 kWh at 100: 3.295 kg.
    # By the quarter's mean of 366.7 g/kWh, the gap alone had 1.1 kg instead of 2.7 kg.
    powers, roles = {"incomer": 36e3}, {"incomer": "grid"}

    async def work() -> Path:
        folder = tmp_path / "spool"
        folder.mkdir()
        clock = Hands(START)
        feed = Feed("feed", clock)
        feed.put(signals(900.0))
        plant = await opened(folder, roles, 0, powers, tick=5.0, feeds=[feed], timezone="UTC", clock=clock)
        run_until(plant, START + 300 * NS, 5.0, powers)
        if restarted:
            folder = await ended(plant, folder, killed=True)
            plant.flow(295.0, **powers)
            counted = plant.counters
            plant = await opened(
                folder, roles, 0, powers, tick=5.0, feeds=[feed], timezone="UTC", clock=clock, counted=counted
            )
        else:
            run_until(plant, START + 595 * NS, 5.0, powers, silent=("incomer",))
        run_until(plant, START + 1000 * NS, 5.0, powers)
        await plant.settle()
        (quarter,) = windows(folder, "15m")
        assert quarter["emission"] == pytest.approx(3295.0, rel=2e-3)
        # A corrected value arrives late: 500 g/kWh in the gap. The same time has the new price: 2.095 kg.
        feed.put(signals(500.0))
        await plant.revision.revise(START, START + 900 * NS, ALL_WINDOWS)
        await plant.spool.sync()
        (quarter,) = windows(folder, "15m")
        assert quarter["emission"] == pytest.approx(2095.0, rel=2e-3)
        await plant.spool.close()
        return folder

    assert_closing(asyncio.run(work()))


def test_several_gaps_of_a_quarter_have_their_mean_by_time() -> None:
    feed = Feed("feed", Hands(START + 7200 * NS))
    feed.put(signals(900.0))
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    spans = (Span(START, START + 100 * NS), Span(START + 300 * NS, START + 600 * NS))
    assert price(ladder, spans).intensity == pytest.approx((100 * 100 + 300 * 900) / 400)
    assert spans_of(text_of(spans)) == spans
