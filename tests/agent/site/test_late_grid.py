"""A polled grid source and a site: an estimate becomes a measured value, an outage is made up, the fallback is said.

Electricity Maps as its documentation shows it (https://app.electricitymaps.com/developer-hub/api): `latest` has an
estimate, `history` the measured value an hour later.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.grid.feed import Feed
from wattgram.grid.mix import Factors
from wattgram.grid.sources.electricitymaps import ElectricityMaps
from wattgram.grid.sources.web_source import WebSource
from wattgram.site.grid_watch import FIRST_VALUE
from wattgram.store.history import History

from tests.support.grid_signals import answer, routed, serving, utc
from tests.support.plants import Hands, Plant

pytestmark = pytest.mark.slow(2)

HOUR = 3600 * NS
TEN = utc("2026-06-01T10:00:00+00:00")
REFUSAL = answer(b'{"message": "not in your plan"}', status="403 Forbidden")
TABLE = 558.1  # g/kWh of CN-CQ (grid_factors_cn.csv)


def hour(start: int, intensity: float, estimated: bool) -> dict[str, Any]:
    time = datetime.fromtimestamp(start // NS, UTC).isoformat()
    return {"zone": "CN", "carbonIntensity": intensity, "datetime": time, "emissionFactorType": "direct",
            "isEstimated": estimated}  # fmt: skip


class PolledSite:
    """A site of one incomer with 60 kW, ticks of a minute, and a source that polls `serve`."""

    def __init__(self, folder: Path, url: str, begin: int) -> None:
        self.clock = Hands(begin)
        self.feed = Feed("electricitymaps CN", self.clock, max_age=7200.0)
        self.plant = Plant(folder, {"incomer": "grid"}, begin, tick=60.0, feeds=[self.feed], clock=self.clock)
        service = ElectricityMaps("CN", Factors.shipped("china", "direct"), "t0ken", url)
        self._source = WebSource(self.feed, service, self.clock, random.Random(1), 900.0)

    def run(self, until: int) -> None:
        while self.clock.now < until:
            self.plant.flow(60.0, incomer=60e3)
            self.plant.read()
            self.plant.site.tick(self.clock.now)

    async def poll(self) -> None:
        await self._source.poll()
        self.plant.revision.check_sources()
        if self.plant.revision._span:
            await self.plant.revision._apply_late_values()
        await self.plant.spool.sync()

    def results(self, window: str) -> dict[int, Record]:
        with History(self.plant.config.spool.path, "works").past() as past:
            return past.published(window, 0, 2**62)


def polled_site(
    folder: Path, serve: Callable[[str], bytes], begin: int, work: Callable[[PolledSite], Any]
) -> tuple[PolledSite, list[str]]:
    """Run `work` with a stored site; return the site and its events."""

    async def whole() -> PolledSite:
        async with serving(serve) as web:
            site = PolledSite(folder, web.url, begin)
            await site.plant.spool.open()
            await work(site)
            await site.plant.spool.close()
            return site

    site = asyncio.run(asyncio.wait_for(whole(), 120))
    return site, [found.event for found in site.plant.site.events.latest]


def test_the_hour_of_an_estimate_gets_the_measured_value_and_the_next_revision(tmp_path: Path) -> None:
    """`latest` says 300 (estimated) for 10:00; an hour later `history` says 200 (measured)."""
    state: dict[str, Any] = {"latest": hour(TEN, 300, True), "history": []}

    def serve(path: str) -> bytes:
        return routed(latest=state["latest"], history={"history": state["history"]}, forecast=REFUSAL)(path)

    async def work(site: PolledSite) -> None:
        await site.poll()
        site.run(TEN + HOUR + 20 * 60 * NS)
        await site.plant.spool.sync()
        before = site.results("1h")[TEN]
        assert (before["grid_intensity"], before["grid_tier"], before["revision"]) == (300.0, 2.0, 0.0)
        state["latest"] = hour(TEN + HOUR, 310, True)
        state["history"] = [hour(TEN, 200, False), hour(TEN + HOUR, 310, True)]
        await site.poll()
        await site.poll()  # a repetition changes nothing
        site.run(TEN + 2 * HOUR + 120 * NS)

    site, events = polled_site(tmp_path, serve, TEN, work)
    after = site.results("1h")[TEN]
    assert (after["grid_intensity"], after["grid_tier"], after["revision"]) == (200.0, 1.0, 1.0)
    # 60 kWh at 200 g/kWh; the first tick has no tick before it, and no energy
    assert after["emission"] == pytest.approx(float(after["grid_import_energy"]) / 1000.0 * 200.0)
    following = site.results("1h")[TEN + HOUR]
    assert (following["grid_intensity"], following["revision"]) == (310.0, 0.0)
    ticks = site.results("tick")
    revised = {time: record for time, record in ticks.items() if record["revision"]}
    assert {record["revision"] for record in revised.values()} == {1.0}
    assert {record["grid_intensity"] for time, record in ticks.items() if TEN < time <= TEN + HOUR} == {200.0}
    assert {record["grid_intensity"] for time, record in ticks.items() if time > TEN + HOUR} == {310.0}
    assert events.count("results revised") == 1


def test_the_hours_of_an_outage_are_priced_afterwards_and_the_fallback_is_an_event(tmp_path: Path) -> None:
    """The service answers 503 for 30 hours; then `history` and `past-range` have all of them."""
    begin, end = TEN, TEN + 30 * HOUR
    down = answer(b"", status="503 Service Unavailable")
    known = {begin + step * HOUR: 400.0 + step for step in range(32)}
    clock: list[Hands] = []

    def latest(_: str) -> object:
        now = clock[0].now
        return down if begin + HOUR <= now < end else hour(now - now % HOUR, known[now - now % HOUR], False)

    def history(_: str) -> object:
        now = clock[0].now
        return {"history": [hour(time, value, False) for time, value in known.items() if now - 24 * HOUR < time <= now]}

    def past(path: str) -> object:
        query = parse_qs(urlsplit(path).query)
        since, until = (utc(query[name][0].replace("Z", "+00:00")) for name in ("start", "end"))
        return {"data": [hour(time, value, False) for time, value in known.items() if since <= time < until]}

    async def work(site: PolledSite) -> None:
        clock.append(site.clock)
        await site.poll()
        for time in range(begin + HOUR, end, HOUR):
            site.run(time)
            await site.poll()
        await site.plant.spool.sync()
        meanwhile = site.results("1h")
        assert meanwhile[begin + 4 * HOUR]["grid_intensity"] == TABLE
        site.run(end + 60 * NS)
        await site.poll()
        site.run(end + HOUR + 120 * NS)

    site, events = polled_site(
        tmp_path, routed(latest=latest, history=history, past_range=past, forecast=REFUSAL), begin, work
    )
    hours = site.results("1h")
    assert [hours[time]["grid_intensity"] for time in range(begin, end, HOUR)] == [
        known[time] for time in range(begin, end, HOUR)
    ]
    assert {hours[time]["revision"] for time in range(begin + 3 * HOUR, end, HOUR)} == {1.0}
    assert [event for event in events if event.startswith("grid sources")] == [
        "grid sources silent",
        "grid sources back",
    ]


def test_a_source_that_never_answers_is_reported_after_a_minute_and_a_failed_one_at_once(tmp_path: Path) -> None:
    async def work(site: PolledSite) -> None:
        site.plant.revision.check_sources()
        assert not site.plant.site.events.latest
        site.clock.go(FIRST_VALUE)
        site.plant.revision.check_sources()
        site.plant.revision.check_sources()

    _, events = polled_site(tmp_path, routed(), TEN, work)
    assert events == ["grid sources silent"]

    async def fails(site: PolledSite) -> None:
        await site.poll()

    _, events = polled_site(tmp_path / "other", routed(), TEN, fails)
    assert events == ["grid sources silent"]


def test_the_event_names_the_table_and_the_reason(tmp_path: Path) -> None:
    async def work(site: PolledSite) -> None:
        await site.poll()
        (event,) = [found for found in site.plant.site.events.latest if found.event == "grid sources silent"]
        assert event.severity == "warning"
        assert "558.1 g/kWh of table CN-CQ" in event.detail
        assert "answers 404" in event.detail

    polled_site(tmp_path, routed(), TEN, work)
