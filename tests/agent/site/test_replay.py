"""Replay of stored instants: the same bytes without a change, and changed results published again."""

from __future__ import annotations

import asyncio
import json
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
from wattgram.accounts.left_out import WIRED_DIFFERENTLY, WRONG_CLOCK, LeftOut
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
from wattgram.site.stored_replay import replayed
from wattgram.store import DATABASE_FILE
from wattgram.store.history import History

from tests.support.clocked_sites import Life
from tests.support.command_runs import called
from tests.support.plants import Hands, Plant

pytestmark = pytest.mark.slow(1)

START = int(datetime(2026, 6, 1, 14, 30, tzinfo=UTC).timestamp()) * NS  # 22:30 in Shanghai
ROLES = {"incomer": "grid", "roof": "pv", "store": "battery", "diesel": "genset", "press": "load"}
EVERY = ("tick", *WINDOWS)
BATTERY = BatteryConfig(capacity=200e3, self_discharge=0.001)


def run(plant: Plant, minutes: int, seed: int) -> None:
    """Run ticks of a minute with changing loads, sun, battery and genset, and with lost readings."""
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


def stored_plant(folder: Path, minutes: int = 200, *, pause: float = 0.0, **more: object) -> Plant:
    """Return a stored site that ran, was stopped for `pause` seconds in the middle, and continued."""

    async def work() -> Plant:
        plant = Plant(folder, ROLES, START, tick=60.0, batteries=BATTERY, **more)  # type: ignore[arg-type]  # Plant's own
        await plant.spool.open()
        run(plant, minutes // 2, 1)
        await plant.spool.close()
        clock, counted = plant.clock, plant.counters
        clock.go(pause)
        for name, counter in counted.items():
            counter[0] += pause / 3600.0 * (20.0 if name in ("incomer", "press") else 5.0)
        restarted = Plant(
            folder,
            ROLES,
            START,
            tick=60.0,
            batteries=BATTERY,
            clock=clock,
            counted=counted,
            **more,  # type: ignore[arg-type]  # the same
        )
        await restarted.spool.open()
        await restarted.site.restore()
        run(restarted, minutes - minutes // 2, 2)
        await restarted.settle()  # the quarters of a long pause are computed in steps, after the tick
        await restarted.spool.close()
        return restarted

    return asyncio.run(work())


def replay_of(
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
    published_records: list[Record] = []
    replay = replayed(
        config.spool.path,
        "works",
        Books(config, ladder, era=era),
        since,
        until,
        EVERY,
        lambda records, _: published_records.extend(records),
    )
    return published_records, replay


def append_records(plant: Plant, records: list[Record]) -> None:
    async def work() -> None:
        spool = Plant(plant.config.spool.path, ROLES, START, tick=60.0).spool
        await spool.open()
        for record in records:
            spool.append(record)
        await spool.close()

    asyncio.run(work())


def published(plant: Plant, window: str) -> dict[int, Record]:
    with History(plant.config.spool.path, "works").past() as past:
        return past.published(window, 0, 2**62)


@pytest.mark.parametrize("pause", [0.0, 45.0, 2 * 3600.0, 50 * 3600.0])
def test_an_unchanged_history_publishes_nothing(tmp_path: Path, pause: float) -> None:
    plant = stored_plant(tmp_path, pause=pause)
    for since in (0, START + 3600 * NS, plant.clock.now - 600 * NS):
        records, replay = replay_of(plant, since, plant.clock.now)
        assert records == []
        assert replay.books.state() == plant.site.books.state()
        assert replay.counts.computed["tick"] > 0
    assert replay_of(plant, 0, plant.clock.now)[1].counts.instants == 200


def test_another_factor_is_published_with_the_same_keys_and_the_next_revision(tmp_path: Path) -> None:
    plant = stored_plant(tmp_path)
    for revision, factor in ((1, 600.0), (2, 650.0)):
        records, replay = replay_of(plant, 0, plant.clock.now, grid=GridConfig("CN-CQ", factor=factor))
        ticks = [record for record in records if ("window", "tick") in record.series.tags]
        assert len(ticks) == replay.counts.computed["tick"] == 200
        assert {record["revision"] for record in records if record.series.kind == "emission"} == {float(revision)}
        assert {record["grid_intensity"] for record in ticks} == {factor}
        append_records(plant, records)
        assert replay_of(plant, 0, plant.clock.now, grid=GridConfig("CN-CQ", factor=factor))[0] == []
    # Only import carries the grid's factor. The location-based ledger changes, the market-based ledger does not.
    before = published(plant, "1h")
    records, _ = replay_of(plant, 0, plant.clock.now, grid=GridConfig("CN-CQ", factor=1300.0))
    hours = [record for record in records if ("window", "1h") in record.series.tags]
    assert hours
    for record in hours:
        old = before[record.time]
        assert record["scope2_location"] == pytest.approx(2.0 * float(old["scope2_location"]))
        assert record["scope2_market"] == old["scope2_market"]
        assert record["load_energy"] == old["load_energy"]


def test_after_the_period_only_the_battery_and_overlapping_windows_change(tmp_path: Path) -> None:
    plant = stored_plant(tmp_path)
    since, until = START + 3600 * NS, START + 5400 * NS
    records, _ = replay_of(plant, since, until, grid=GridConfig("CN-CQ", factor=900.0))
    ticks = {record.time: record for record in records if ("window", "tick") in record.series.tags}
    assert min(ticks) > since
    in_period = [record for time, record in ticks.items() if time <= until]
    assert len(in_period) == 30
    for time, record in ticks.items():
        assert record["grid_intensity"] == (900.0 if time <= until else 558.1)
        if time > until:  # the battery was charged at 900
            assert float(record["battery_intensity"]) > 0.0
    quarters = sorted(record.time for record in records if ("window", "15m") in record.series.tags)
    assert quarters[0] == since  # the tick at its beginning belongs to the quarter before


def test_a_replay_leaves_the_state_of_a_site_with_the_new_factor(tmp_path: Path) -> None:
    """Compare the books after a replay with a factor with those of a site that had this factor from the start."""
    plant = stored_plant(tmp_path / "plant")
    other_plant = stored_plant(tmp_path / "other", grid=GridConfig("CN-CQ", factor=700.0))
    _, replay = replay_of(plant, 0, plant.clock.now, grid=GridConfig("CN-CQ", factor=700.0))
    assert replay.books.state() == other_plant.site.books.state()


def test_a_pruned_history_is_replayed_from_its_first_state(tmp_path: Path) -> None:
    plant = stored_plant(tmp_path, pause=3600.0)

    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as db, db:
        db.execute("DELETE FROM record WHERE seq <= 400")  # includes the first states, which a replay starts from
    records, replay = replay_of(plant, 0, plant.clock.now)
    assert records == []
    assert 0 < replay.counts.instants < 200
    assert replay.books.state() == plant.site.books.state()


def test_other_devices_are_another_site_and_are_not_mixed(tmp_path: Path) -> None:
    plant = stored_plant(tmp_path)

    async def run_other_site() -> Plant:
        roles = {**ROLES, "wing": "wind"}
        other = Plant(tmp_path, roles, START, tick=60.0, clock=plant.clock)
        await other.spool.open()
        await other.site.restore()
        for _ in range(100):
            other.tick(60.0, incomer=50e3, wing=10e3)
        await other.spool.close()
        return other

    other = asyncio.run(run_other_site())
    records, replay = replay_of(other, 0, other.clock.now)
    assert records == []
    assert replay.counts.instants == 100
    assert replay.books.state() == other.site.books.state()


def test_a_replay_names_the_instants_of_other_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run 10 minutes with one device, 20 with two, and 30 with two others; a replay computes the last 30."""
    one, two = {"incomer": "grid"}, {"incomer": "grid", "wing": "wind"}

    async def work(roles: dict[str, str], clock: Hands | None, minutes: int) -> Plant:
        plant = Plant(tmp_path, roles, START, tick=60.0, clock=clock)
        await plant.spool.open()
        await plant.site.restore()
        for _ in range(minutes):
            plant.tick(60.0, **dict.fromkeys(roles, 10e3))
        await plant.spool.close()
        return plant

    first = asyncio.run(work(one, None, 10))
    second = asyncio.run(work(two, first.clock, 20))
    last = asyncio.run(work({**one, "press": "load"}, second.clock, 30))

    def minute(number: int) -> int:
        return START + number * 60 * NS

    _, replay = replay_of(last, 0, last.clock.now)
    assert (replay.counts.instants, replay.counts.asked) == (30, 30)
    assert replay.counts.left_out == [LeftOut(30, minute(1), minute(30), WIRED_DIFFERENTLY)]
    # Only what was asked for is named: the minutes 6 to 15.
    _, replay = replay_of(last, minute(5), minute(15))
    assert replay.counts.left_out == [LeftOut(10, minute(6), minute(15), WIRED_DIFFERENTLY)]
    assert replay.counts.asked == 0
    assert replay_of(last, minute(30), last.clock.now)[1].counts.left_out == []
    # The command prints the same, and fails if nothing of the period can be computed.
    monkeypatch.setattr("wattgram.commands.replay.load", lambda _: last.config)
    begin, end = "2026-06-01T14:35:00Z", "2026-06-01T14:45:00Z"
    none = called("replay", "-c", "site.toml", "--from", begin, "--to", end)
    assert none.code == 1
    assert (
        "10 instants from 2026-06-01T14:36:00.000Z to 2026-06-01T14:45:00.000Z are left out: the site was wired "
        "differently then; their results stay as published\n"
    ) in none.err
    some = called("replay", "-c", "site.toml", "--from", begin, "--to", "2026-06-01T15:10:00Z", "--format", "json")
    assert some.code == 0
    assert json.loads(some.out)["left_out"] == [
        {
            "instants": 25,
            "from": "2026-06-01T14:36:00.000Z",
            "to": "2026-06-01T15:00:00.000Z",
            "reason": "the site was wired differently then",
        }
    ]


def test_without_history_there_is_nothing_to_compute(tmp_path: Path) -> None:
    plant = Plant(tmp_path, ROLES, START)
    with pytest.raises(HistoryError, match="no history of wattgram"):
        replay_of(plant, 0, START)


def signal(intensity: float, begin: int, seconds: int) -> Signal:
    return Signal(intensity, "direct", "live", 1, begin, begin + seconds * NS, clean_share=0.5)


def test_a_late_grid_value_is_applied_while_the_site_runs(tmp_path: Path) -> None:
    async def work() -> tuple[Plant, Mapping[int, Record]]:
        clock = Hands(START)
        feed = Feed("live", clock, max_age=600.0)
        plant = Plant(tmp_path, ROLES, START, tick=60.0, batteries=BATTERY, feeds=[feed], clock=clock)
        await plant.spool.open()
        run(plant, 100, 3)
        feed.put([signal(300.0, START + 1800 * NS, 1800)])
        plant.revision.check_sources()
        assert plant.revision._span == (START + 1800 * NS, START + 4200 * NS + 1)  # and ten minutes of grace
        revising = asyncio.create_task(plant.revision._apply_late_values())
        while not revising.done():  # the site continues
            run(plant, 1, plant.clock.now)
            await asyncio.sleep(0.001)
        await revising
        run(plant, 30, 4)
        await plant.spool.close()
        return plant, published(plant, "tick")

    plant, ticks = asyncio.run(work())
    late = {time: record for time, record in ticks.items() if record["grid_intensity"] == 300.0}
    assert sorted(late) == [START + minute * 60 * NS for minute in range(31, 71)]  # their ends
    assert {record["revision"] for record in late.values()} == {1.0}
    assert {record["grid_tier"] for record in late.values()} == {1.0}
    # A replay with the present signals gives the stored results to the last bit, and the site continues from there.
    feed = Feed("live", Hands(plant.clock.now), max_age=600.0)
    with History(tmp_path, "works").past() as past:
        assert restore([feed], past.signals(), "direct") == 0
    records, replay = replay_of(plant, 0, plant.clock.now, feeds=(feed,))
    assert records == []
    assert replay.books.state() == plant.site.books.state()
    assert plant.events().count("results revised") <= 1


def run_with_step_back(folder: Path, back: float) -> Life:
    """Run a site for forty minutes, set its clock back, and run it for forty more, by ticks of 10 s."""
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
def test_waiting_instants_after_a_step_back_are_not_replayed(tmp_path: Path, back: float) -> None:
    life = run_with_step_back(tmp_path, back)
    records, replay = replay_of(life.plant, 0, life.clock.now)
    assert records == []
    assert replay.counts.instants == len(life.of("emission", "tick"))
    assert replay.books.state() == life.plant.site.books.state()


def test_instants_of_a_wrong_clock_belong_to_another_era(tmp_path: Path) -> None:
    """Set a clock back by a day: the two eras have separate times, and a replay begins at the setting."""
    life = run_with_step_back(tmp_path, 86400.0)
    site = life.plant.site
    assert site.books.era == 1
    ticks = life.of("emission", "tick")
    for since in (0, START - 86400 * NS + 3000 * NS, START + 1000 * NS):
        records, replay = replay_of(life.plant, since, life.clock.now, era=1)
        assert records == []
        assert replay.counts.instants in (239, 240)  # the clock was set within the first tick
        assert replay.counts.left_out == []  # the wrong clock's times are after the period
        assert replay.books.state() == site.books.state()
    (part,) = replay_of(life.plant, 0, START + 3600 * NS, era=1)[1].counts.left_out
    assert part.instants in (239, 240)
    assert part.reason == WRONG_CLOCK
    records, _ = replay_of(life.plant, 0, life.clock.now, grid=GridConfig("CN-CQ", factor=700.0), era=1)
    changed = {record.time for record in records if ("window", "tick") in record.series.tags}
    assert changed == {record.time for record in ticks if record.time < START - 3600 * NS}


def test_the_command_replays_the_last_era_of_the_daemon(tmp_path: Path) -> None:
    life = run_with_step_back(tmp_path, 86400.0)
    outcome = asyncio.run(recompute(life.plant.config, None, None, EVERY, Clock(), lambda *_: None))
    assert outcome.instants in (239, 240)
    assert sum(outcome.changed.values()) == 0


def test_a_late_value_reaches_every_interval_that_it_touches(tmp_path: Path) -> None:
    """Ticks of 15 min; a value for minutes 40 to 70 touches the intervals that end with minutes 45, 60 and 75."""

    async def work() -> tuple[Plant, Mapping[int, Record]]:
        clock = Hands(START)
        feed = Feed("live", clock, max_age=0.0)
        plant = Plant(tmp_path, {"incomer": "grid"}, START, tick=900.0, feeds=[feed], clock=clock)
        await plant.spool.open()
        for _ in range(12):
            plant.tick(900.0, incomer=36e3)
        feed.put([signal(100.0, START + 2400 * NS, 1800)])
        plant.revision.check_sources()
        await plant.revision._apply_late_values()
        await plant.spool.close()
        return plant, published(plant, "tick")

    plant, ticks = asyncio.run(work())
    revised = [record for record in ticks.values() if record["revision"]]
    # 5 of 15 min, all 15, and 10 of 15 at 100, the rest at 558.1 g/kWh
    assert {(record.time - START) // (60 * NS): record["grid_intensity"] for record in revised} == {
        45: pytest.approx((5 * 100 + 10 * 558.1) / 15),
        60: 100.0,
        75: pytest.approx((10 * 100 + 5 * 558.1) / 15),
    }
    feed = Feed("live", Hands(plant.clock.now), max_age=0.0)
    with History(tmp_path, "works").past() as past:
        restore([feed], past.signals(), "direct")
    records: list[Record] = []
    books = Books(plant.config, Ladder("CN-CQ", "direct", None, (feed,)))
    until = plant.clock.now
    replay = replayed(tmp_path, "works", books, 0, until, EVERY, lambda found, _: records.extend(found))
    assert records == []
    assert replay.books.state() == plant.site.books.state()
