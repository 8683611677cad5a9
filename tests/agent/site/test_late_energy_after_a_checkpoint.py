"""Late rows of a quarter that were stored on both sides of a checkpoint: METHOD-SITE 9.3, late energy is never dropped.

Sums by hand: constant powers times the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from wattgram.base.clock import NS
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.grid.feed import Feed
from wattgram.grid.signal import Signal
from wattgram.site import revision
from wattgram.site.stored_replay import replay_parts
from wattgram.store.history import History

from tests.support.gap_plants import FAR, assert_closing, at, kwh, opened, run_until, windows
from tests.support.plants import Hands, Plant

pytestmark = pytest.mark.slow(1)

START = at("2026-06-01T22:30:00")
POWERS = {"incomer": 30e3, "roof": 40e3, "hall": 10e3}
ROLES = {"incomer": "grid", "roof": "pv", "hall": "load"}


def run_to(plant: Plant, seconds: float, *silent: str) -> None:
    """Run the plant until so many seconds after START."""
    run_until(plant, START + round(seconds * NS), 5.0, POWERS, silent=silent)


def told_in_turns(plant: Plant) -> None:
    """Let the roof and the hall be silent over the hour's end; the hall tells before it, the roof after it.

    So the quarter before the hour has a row before the checkpoint of the hour, and a later row after it.
    """
    run_to(plant, 1000)
    run_to(plant, 1300, "roof", "hall")
    run_to(plant, 1820, "roof")
    run_to(plant, 1900)


@pytest.mark.parametrize("again", [False, True], ids=["settled", "computed again"])
def test_the_last_row_of_a_quarter_counts_behind_the_checkpoint_of_the_hour(tmp_path: Path, again: bool) -> None:
    async def work() -> None:
        plant = await opened(tmp_path, ROLES, START, POWERS, tick=5.0)
        told_in_turns(plant)
        await plant.settle()
        run_to(plant, 3700)
        await plant.settle()
        if again:
            await plant.revision.revise(START, FAR, ALL_WINDOWS)
        await plant.spool.close()

    asyncio.run(work())
    quarter = windows(tmp_path, "15m")[1]
    (hour,) = windows(tmp_path, "1h")
    assert kwh(quarter, "pv") == pytest.approx(10.0, abs=0.02)
    assert kwh(quarter, "load") == pytest.approx(17.5, abs=0.02)
    assert kwh(hour, "pv") == pytest.approx(40.0 * 1795 / 3600, abs=0.02)
    assert_closing(tmp_path)


def feed_of(value: float, clock: Hands) -> Feed:
    """Return a feed of one value for the whole time."""
    feed = Feed("feed", clock)
    put(feed, value)
    return feed


def put(feed: Feed, value: float) -> None:
    """Set the value of the whole time, g/kWh."""
    edges = [START + hour * 3600 * NS for hour in range(-1, 4)]
    feed.put([Signal(value, "direct", "feed", 1, begin, end) for begin, end in pairwise(edges)])


def test_a_row_with_a_new_price_does_not_replace_a_row_that_was_stored_during_the_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []

    async def work() -> None:
        clock = Hands(START)
        feed = feed_of(900.0, clock)
        plant = await opened(tmp_path, ROLES, 0, POWERS, tick=5.0, feeds=[feed], timezone="UTC", clock=clock)
        run_to(plant, 1000)
        run_to(plant, 1300, "roof", "hall")
        run_to(plant, 1820, "roof")
        await plant.settle()  # the store has the row of the hall
        loop = asyncio.get_running_loop()

        async def roof_tells() -> None:
            run_to(plant, 1900)
            told.append(plant.clock.now)

        def parts(*arguments: Any) -> Iterator[tuple[Iterable[Record], Any]]:
            for number, part in enumerate(replay_parts(*arguments)):
                if not number:  # the replay has read the store; now the roof tells
                    asyncio.run_coroutine_threadsafe(roof_tells(), loop).result()
                yield part

        put(feed, 500.0)
        monkeypatch.setattr(revision, "replay_parts", parts)
        await plant.revision.revise(START, START + 3600 * NS, ALL_WINDOWS)
        monkeypatch.undo()
        assert told
        await plant.settle()
        await plant.spool.close()

    asyncio.run(work())
    quarter = windows(tmp_path, "15m")[1]
    assert kwh(quarter, "pv") == pytest.approx(10.0, abs=0.02)
    assert kwh(quarter, "load") == pytest.approx(17.5, abs=0.02)
    assert quarter["emission"] == pytest.approx(7500.0 * 0.5, rel=0.01)
    assert_closing(tmp_path)


def test_energy_of_days_alone_keeps_its_new_price_in_a_later_replay(tmp_path: Path) -> None:
    # 30 kW from START to the end of the day, without the first tick: 5395 s, 44.96 kWh. The time of a gap is unknown.
    powers = {"incomer": 30e3}

    async def work() -> dict[str, int]:
        clock = Hands(START)
        feed = feed_of(900.0, clock)
        plant = await opened(
            tmp_path, {"incomer": "grid"}, 0, powers, tick=5.0, feeds=[feed], timezone="UTC", clock=clock
        )
        run_until(plant, START + 600 * NS, 5.0, powers)
        run_until(plant, START + 900 * NS, 5.0, powers, silent=("incomer",))
        plant.site._flows._instants._late_energy.add_undated_gap(0)
        run_until(plant, START + 5410 * NS, 5.0, powers)
        await plant.settle()
        put(feed, 500.0)
        await plant.revision.revise(START, START + 5500 * NS, ALL_WINDOWS)
        await plant.spool.sync()
        changed = (await plant.revision.revise(START, START, ALL_WINDOWS)).counts.changed
        await plant.spool.close()
        return dict(changed)

    assert not asyncio.run(work())
    (day,) = windows(tmp_path, "1d")
    assert kwh(day, "grid_import") == pytest.approx(30.0 * 5395 / 3600, abs=0.02)
    assert day["grid_import_emission"] == pytest.approx(44958.0 * 0.5, rel=0.001)
    assert kwh(day, "grid_import") - sum(kwh(each, "grid_import") for each in windows(tmp_path, "15m")) > 2.0
    (booked, *_) = [
        each for each in History(tmp_path, "works").days(START - 86400 * NS, FAR) if each.series.tag("device")
    ]
    assert float(booked.as_dict()["energy"]) == pytest.approx(30e3 * 5395 / 3600, abs=50.0)
