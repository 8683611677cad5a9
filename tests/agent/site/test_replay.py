"""Results again from stored instants: the same bytes without a change, and changed results published again."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wattgram.accounts.books import Books
from wattgram.accounts.instant_replay import Replay
from wattgram.base.clock import NS, Clock
from wattgram.base.errors import HistoryError
from wattgram.base.record import WINDOWS, Record
from wattgram.commands.history_replay import recompute
from wattgram.config.grid_table import GridConfig
from wattgram.config.role_keys import BatteryConfig
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import Ladder
from wattgram.grid.remembered import restore
from wattgram.grid.signal import Signal
from wattgram.site.revision import replayed
from wattgram.store import DATABASE_FILE
from wattgram.store.history import History

from tests.support.clocked_sites import Life
from tests.support.plants import Hands, Plant

pytestmark = pytest.mark.slow(1)

START = int(datetime(2026, 6, 1, 14, 30, tzinfo=UTC).timestamp()) * NS  # 22:30 in Shanghai
ROLES = {"incomer": "grid", "roof": "pv", "store": "battery", "diesel": "genset", "press": "load"}
EVERY = ("tick", *WINDOWS)
BATTERY = BatteryConfig(capacity=200e3, self_discharge=0.001)


def run(plant: Plant, minutes: int, seed: int) -> None:
    """Ticks of a minute: loads, sun, a battery that charges and discharges, a genset now and then, silences."""
    chance = random.Random(seed)
    for _ in range(minutes):
        store = chance.choice((-40e3, -20e3, 0.0, 30e3))
        diesel = chance.choice((0.0, 0.0, 50e3))
        roof, load = chance.uniform(0.0, 120e3), chance.uniform(20e3, 150e3)
        powers = {"incomer": load - roof - store - diesel, "roof": roof, "store": store, "diesel": diesel}
        plant.flow(60.0, **powers, press=load / 2.0)
        silent = chance.random()
        plant.read(*(name for name in ROLES if not (silent < 0.05 and name == "roof")))
        plant.site.tick(plant.clock.now)


def stored(folder: Path, minutes: int = 200, *, pause: float = 0.0, **more: object) -> Plant:
    """A site that ran, was stopped for some seconds in the middle, and ran on; on disk."""

    async def work() -> Plant:
        plant = Plant(folder, ROLES, START, tick=60.0, batteries=BATTERY, **more)  # type: ignore[arg-type]  # Plant's own
        await plant.spool.open()
        run(plant, minutes // 2, 1)
        await plant.spool.close()
        clock, counted = plant.clock, plant.counters
        clock.go(pause)
        for name, one in counted.items():
            one[0] += pause / 3600.0 * (20.0 if name in ("incomer", "press") else 5.0)
        again = Plant(
            folder,
            ROLES,
            START,
            tick=60.0,
            batteries=BATTERY,
            clock=clock,
            counted=counted,
            **more,  # type: ignore[arg-type]  # the same
        )
        await again.spool.open()
        await again.site.restore()
        run(again, minutes - minutes // 2, 2)
        await again.spool.close()
        return again

    return asyncio.run(work())


def again(
    plant: Plant,
    since: int,
    until: int,
    *,
    grid: GridConfig | None = None,
    feeds: tuple[Feed, ...] = (),
    era: int = 0,
) -> tuple[list[Record], Replay]:
    config = replace(plant.config, grid=grid or plant.config.grid)
    ladder = Ladder(config.grid.zone, config.grid.basis, config.grid.factor, feeds)
    told: list[Record] = []
    replay = replayed(
        config.spool.path,
        "works",
        Books(config, ladder, START, era),
        since,
        until,
        EVERY,
        lambda made, _: told.extend(made),
    )
    return told, replay


def keep(plant: Plant, records: list[Record]) -> None:
    async def work() -> None:
        spool = Plant(plant.config.spool.path, ROLES, START, tick=60.0).spool
        await spool.open()
        for one in records:
            spool.append(one)
        await spool.close()

    asyncio.run(work())


def published(plant: Plant, window: str) -> dict[int, Record]:
    with History(plant.config.spool.path, "works").past() as past:
        return past.published(window, 0, 2**62)


@pytest.mark.parametrize("pause", [0.0, 45.0, 2 * 3600.0, 50 * 3600.0])
def test_nothing_is_told_again_when_nothing_changed(tmp_path: Path, pause: float) -> None:
    plant = stored(tmp_path, pause=pause)
    for since in (0, START + 3600 * NS, plant.clock.now - 600 * NS):
        told, replay = again(plant, since, plant.clock.now)
        assert told == []
        assert replay.books.state() == plant.site.books.state()
        assert replay.counts.computed["tick"] > 0
    assert again(plant, 0, plant.clock.now)[1].counts.instants == 200


def test_another_factor_is_told_with_the_same_keys_and_the_next_revision(tmp_path: Path) -> None:
    plant = stored(tmp_path)
    for revision, factor in ((1, 600.0), (2, 650.0)):
        told, replay = again(plant, 0, plant.clock.now, grid=GridConfig(factor=factor))
        ticks = [one for one in told if ("window", "tick") in one.series.tags]
        assert len(ticks) == replay.counts.computed["tick"] == 200
        assert {one["revision"] for one in told if one.series.kind == "emission"} == {float(revision)}
        assert {one["grid_intensity"] for one in ticks} == {factor}
        keep(plant, told)
        assert again(plant, 0, plant.clock.now, grid=GridConfig(factor=factor))[0] == []
    # Import alone carries the grid's factor, on the location's and the residual's ledger only the first changes.
    before = published(plant, "1h")
    told, _ = again(plant, 0, plant.clock.now, grid=GridConfig(factor=1300.0))
    hours = [one for one in told if ("window", "1h") in one.series.tags]
    assert hours
    for one in hours:
        old = before[one.time]
        assert one["scope2_location"] == pytest.approx(2.0 * float(old["scope2_location"]))
        assert one["scope2_market"] == old["scope2_market"]
        assert one["load_energy"] == old["load_energy"]


def test_outside_the_period_what_was_published_stays_but_for_the_battery_and_the_windows_around(tmp_path: Path) -> None:
    plant = stored(tmp_path)
    since, until = START + 3600 * NS, START + 5400 * NS
    told, _ = again(plant, since, until, grid=GridConfig(factor=900.0))
    ticks = {one.time: one for one in told if ("window", "tick") in one.series.tags}
    assert min(ticks) > since
    inside = [one for time, one in ticks.items() if time <= until]
    assert len(inside) == 30
    for time, one in ticks.items():
        assert one["grid_intensity"] == (900.0 if time <= until else 558.1)
        if time > until:  # the battery was charged at 900
            assert float(one["battery_intensity"]) > 0.0
    quarters = sorted(one.time for one in told if ("window", "15m") in one.series.tags)
    assert quarters[0] == since  # the tick at its beginning belongs to the one before


def test_the_state_at_the_end_goes_on_as_if_it_had_been_so_from_the_beginning(tmp_path: Path) -> None:
    """A replay with a factor leaves the books that a site with this factor would have had."""
    one = stored(tmp_path / "one")
    other = stored(tmp_path / "other", grid=GridConfig(factor=700.0))
    _, replay = again(one, 0, one.clock.now, grid=GridConfig(factor=700.0))
    assert replay.books.state() == other.site.books.state()


def test_a_history_that_begins_in_the_middle_is_replayed_from_its_first_state(tmp_path: Path) -> None:
    plant = stored(tmp_path, pause=3600.0)

    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as db, db:
        db.execute("DELETE FROM record WHERE seq <= 400")  # the states, without which instants are nothing
    told, replay = again(plant, 0, plant.clock.now)
    assert told == []
    assert 0 < replay.counts.instants < 200
    assert replay.books.state() == plant.site.books.state()


def test_other_devices_are_another_site_and_nothing_of_theirs_is_mixed(tmp_path: Path) -> None:
    plant = stored(tmp_path)

    async def more() -> Plant:
        roles = {**ROLES, "wing": "wind"}
        other = Plant(tmp_path, roles, START, tick=60.0, clock=plant.clock)
        await other.spool.open()
        await other.site.restore()
        for _ in range(100):
            other.tick(60.0, incomer=50e3, wing=10e3)
        await other.spool.close()
        return other

    other = asyncio.run(more())
    told, replay = again(other, 0, other.clock.now)
    assert told == []
    assert replay.counts.instants == 100
    assert replay.books.state() == other.site.books.state()


def test_without_history_there_is_nothing_to_compute(tmp_path: Path) -> None:
    plant = Plant(tmp_path, ROLES, START)
    with pytest.raises(HistoryError, match="no history of wattgram"):
        again(plant, 0, START)


def signal(intensity: float, begin: int, seconds: int) -> Signal:
    return Signal(intensity, "direct", "live", 1, begin, begin + seconds * NS, clean_share=0.5)


def test_a_grid_value_that_comes_late_is_worked_in_while_the_site_goes_on(tmp_path: Path) -> None:
    async def work() -> tuple[Plant, Mapping[int, Record]]:
        clock = Hands(START)
        feed = Feed("live", clock, max_age=600.0)  # type: ignore[arg-type]  # a clock by hand
        plant = Plant(tmp_path, ROLES, START, tick=60.0, batteries=BATTERY, feeds=[feed], clock=clock)
        await plant.spool.open()
        run(plant, 100, 3)
        feed.put([signal(300.0, START + 1800 * NS, 1800)])
        plant.revision.check_sources()
        assert plant.revision._span == (START + 1800 * NS, START + 4200 * NS + 1)  # and ten minutes of grace
        working = asyncio.create_task(plant.revision._apply_late_values())
        while not working.done():  # the site goes on
            run(plant, 1, plant.clock.now)
            await asyncio.sleep(0.001)
        await working
        run(plant, 30, 4)
        await plant.spool.close()
        return plant, published(plant, "tick")

    plant, ticks = asyncio.run(work())
    late = {time: one for time, one in ticks.items() if one["grid_intensity"] == 300.0}
    assert sorted(late) == [START + minute * 60 * NS for minute in range(30, 71)]
    assert {one["revision"] for one in late.values()} == {1.0}
    assert {one["grid_tier"] for one in late.values()} == {1.0}
    # What is stored is what the signals of today give, to the last bit, and the site goes on from there.
    feed = Feed("live", Hands(plant.clock.now), max_age=600.0)  # type: ignore[arg-type]  # a clock by hand
    with History(tmp_path, "works").past() as past:
        assert restore([feed], past.signals(), "direct") == 0
    told, replay = again(plant, 0, plant.clock.now, feeds=(feed,))
    assert told == []
    assert replay.books.state() == plant.site.books.state()
    assert plant.events().count("results revised") <= 1


def lived(folder: Path, back: float) -> Life:
    """Forty minutes, a clock that is set back, and forty more, by ticks of 10 s."""
    life = Life(folder, START, tick=10.0, roles={"incomer": "grid", "roof": "pv"})

    async def work() -> None:
        await life.begin()
        await life.go(2400.0)
        life.set(-back)
        await life.go(2400.0)
        await life.end()

    asyncio.run(work())
    return life


@pytest.mark.parametrize("back", [30.0, 1200.0])
def test_instants_that_waited_for_a_clock_that_was_set_back_are_none(tmp_path: Path, back: float) -> None:
    life = lived(tmp_path, back)
    told, replay = again(life.plant, 0, life.clock.now)
    assert told == []
    assert replay.counts.instants == len(life.of("emission", "tick"))
    assert replay.books.state() == life.plant.site.books.state()


def test_what_a_wrong_clock_told_is_of_another_site(tmp_path: Path) -> None:
    """A day ahead: both stretches have times of their own, and a replay begins where the clock was set right."""
    life = lived(tmp_path, 86400.0)
    site = life.plant.site
    assert site.books.era == 1
    ticks = life.of("emission", "tick")
    for since in (0, START - 86400 * NS + 3000 * NS, START + 1000 * NS):
        told, replay = again(life.plant, since, life.clock.now, era=1)
        assert told == []
        assert replay.counts.instants in (239, 240)  # the clock was set within the first tick
        assert replay.books.state() == site.books.state()
    told, _ = again(life.plant, 0, life.clock.now, grid=GridConfig(factor=700.0), era=1)
    changed = {one.time for one in told if ("window", "tick") in one.series.tags}
    assert changed == {one.time for one in ticks if one.time < START - 3600 * NS}


def test_the_command_replays_the_era_that_the_daemon_left(tmp_path: Path) -> None:
    life = lived(tmp_path, 86400.0)
    outcome = asyncio.run(recompute(life.plant.config, None, None, EVERY, Clock(), lambda *_: None))
    assert outcome.instants in (239, 240)
    assert sum(outcome.changed.values()) == 0
