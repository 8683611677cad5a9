"""The past of a simulated site: its energies are the simulator's, the site's stages agree, it is whole or absent."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from math import fsum
from pathlib import Path

import pytest
from wattgram.base.clock import NS, Clock
from wattgram.base.errors import SpoolError
from wattgram.base.period import instant
from wattgram.base.record import ALL_WINDOWS, WINDOWS, Record
from wattgram.commands import past_worker
from wattgram.commands.past_files import create_past
from wattgram.commands.progress import Progress
from wattgram.commands.simulated_past import SIMULATED, PastPeriod, SimulatedPast, month_and_earlier, past_period
from wattgram.config.load import Config
from wattgram.delivery.configuration import read
from wattgram.goals.evaluate import evaluate
from wattgram.simulation.plants import SimulatedPlant, plant
from wattgram.store.history import History
from wattgram_drivers.endpoint import parse

from tests.support.command_runs import called
from tests.support.plant_day import PlantDay, priced

END = int(datetime(2026, 6, 24, 2, tzinfo=UTC).timestamp()) * NS  # Wednesday 10:00 in Chongqing
CN_CQ = 558.1
FLOWS = ("load", "grid_import", "grid_export", "pv", "battery_charge", "battery_discharge")


def text_of(site: SimulatedPlant, folder: Path, today: date) -> str:
    """Return the configuration that fits a plant as TOML."""
    buses = [bus for _, bus, _ in site.drivers.values()]
    endpoints = {
        name: parse(f"tcp://127.0.0.1:{1502 + buses.index(bus)}") for name, (_, bus, _) in site.drivers.items()
    }
    return site.configuration(endpoints, today, str(folder / "spool"))


def configured(site: SimulatedPlant, folder: Path, today: date = date(2026, 6, 24)) -> Config:
    """Return the configuration that fits a plant, with a spool in a folder."""
    return read(text_of(site, folder, today), folder / "site.toml")


def lived(past: SimulatedPast) -> list[Record]:
    """Return all records of a past."""
    records: list[Record] = []
    while past.reached < past.period.end:
        records += past.advance()
    return records


def windows(records: Sequence[Record], window: str) -> list[Record]:
    """Return the emissions of a window."""
    return [record for record in records if record.series.kind == "emission" and record.series.tag("window") == window]


def summed(records: Sequence[Record], field: str) -> float:
    """Return the sum of a field."""
    return fsum(float(record.as_dict().get(field, 0.0)) for record in records)


@pytest.mark.slow(1)
@pytest.mark.parametrize("name", ["standard", "hybrid"])
def test_the_energies_of_a_past_are_those_of_the_simulators_ledger(tmp_path: Path, name: str) -> None:
    site = plant(name)
    config = configured(site, tmp_path)
    past = SimulatedPast(config, site.parts, past_period(END, 4, config))
    quarters = windows(lived(past), "15m")
    truth = past.factory.energies.energies()
    assert len(quarters) == 4 * 96 + 40  # to 10:00 of the fifth day
    for flow in FLOWS:
        assert summed(quarters, f"{flow}_energy") == pytest.approx(truth[flow], rel=1e-9), flow
    assert {quarter["coverage"] for quarter in quarters} == {1.0}


@pytest.mark.slow(1)
@pytest.mark.parametrize("name", ["standard", "hybrid"])
def test_the_carbon_of_a_past_is_that_of_the_oracle(tmp_path: Path, name: str) -> None:
    site = plant(name)
    config = configured(site, tmp_path)
    period = past_period(END, 1, config)
    steps, before = [], dict[str, float]()
    reference = SimulatedPast(config, site.parts, period).factory
    while reference.time < period.end:
        reference.advance(reference.time + 900 * NS)
        energies = reference.energies.energies()
        steps.append({flow: energy - before.get(flow, 0.0) for flow, energy in energies.items()})
        before = energies
    quarters = windows(lived(SimulatedPast(config, site.parts, period)), "15m")
    for quarter, carbon in zip(quarters, priced(steps, CN_CQ), strict=True):
        assert quarter["emission"] == pytest.approx(carbon["load"], rel=1e-6)


@pytest.mark.slow(3)
def test_a_past_is_what_the_site_computes_from_the_registers_of_the_same_day(tmp_path: Path) -> None:
    site, begin = plant("hybrid"), instant(date(2026, 6, 23), configured(plant("hybrid"), tmp_path).site.timezone)
    day = PlantDay(tmp_path, site, begin, step=900)
    day.live(24 * 3600)
    past = SimulatedPast(configured(site, tmp_path), site.parts, PastPeriod(begin, begin + 24 * 3600 * NS))
    hours = windows(lived(past), "1h")
    assert len(hours) == len(day.hours()) == 24
    for simulated, measured in zip(hours, day.hours(), strict=True):
        assert simulated.time == measured.time
        for flow in FLOWS:
            # The registers count in steps of 10 Wh to 1 kWh.
            field = f"{flow}_energy"
            assert simulated[field] == pytest.approx(measured[field], rel=1e-3, abs=1000.0), (flow, simulated.time)


def test_equal_seeds_give_equal_records_and_other_seeds_other_records(tmp_path: Path) -> None:
    site = plant("standard")
    config = configured(site, tmp_path)
    period = past_period(END, 1, config)
    first, same, other = (lived(SimulatedPast(config, site.parts, period, seed)) for seed in (7, 7, 8))
    assert first == same
    assert summed(windows(first, "15m"), "load_energy") != summed(windows(other, "15m"), "load_energy")


def test_the_time_before_the_month_is_computed_apart(tmp_path: Path) -> None:
    site = plant("standard")
    config = configured(site, tmp_path)
    period = past_period(END, 30, config)
    month, earlier = month_and_earlier(period, config.site.timezone)
    assert earlier is not None
    assert (earlier.begin, earlier.end, month.end) == (period.begin, month.begin, period.end)
    assert month.begin == instant(date(2026, 6, 1), config.site.timezone)
    assert month_and_earlier(month, config.site.timezone) == (month, None)
    last_days = PastPeriod(earlier.end - 2 * 86400 * NS, earlier.end)
    records = past_worker.records_of(config, site.parts, last_days)
    kinds = Counter((record.series.kind, dict(record.series.tags).get("window", "")) for record in records)
    assert (kinds[("emission", "1d")], kinds[("emission", "1mo")]) == (2, 1)
    # One of each of the 12 devices, of the channel of a battery that roof-east could have, and of the site.
    assert kinds[("day", "")] == 2 * 14
    assert all(
        last_days.begin <= record.time <= last_days.end for record in records if record not in windows(records, "1mo")
    )
    assert set(kinds) == {("emission", window) for window in WINDOWS} | {("day", ""), ("event", "")}


@pytest.mark.slow(2)
def test_an_interrupted_past_leaves_no_spool_and_a_new_one_is_whole(tmp_path: Path) -> None:
    site = plant("standard")
    config = configured(site, tmp_path)
    (tmp_path / ".spool-simulated").mkdir()  # of a process that was killed
    (tmp_path / ".spool-simulated" / "journal").write_bytes(b"half")

    class Interrupted(Progress):
        def step(self, current: str, count: int = 1) -> None:
            raise KeyboardInterrupt

    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(create_past(config, site.parts, END, 2, 1, Interrupted(stream, Clock())))
    assert list(tmp_path.iterdir()) == []
    period = asyncio.run(create_past(config, site.parts, END, 2, 1, Progress(stream, Clock())))
    assert list(tmp_path.iterdir()) == [config.spool.path]
    history = History(config.spool.path, config.site.name)
    days = list(history.windows("1d", 0, END))
    assert [day.time for day in days] == [period.begin, period.begin + 86400 * NS]
    with pytest.raises(SpoolError, match="found files; allowed for a simulated history: a new or empty directory"):
        asyncio.run(create_past(config, site.parts, END, 2, 1, Progress(stream, Clock())))
    assert list(history.windows("1d", 0, END)) == days
    with history.delivered(["event"], lambda series: True) as delivered:
        events = list(delivered.records(0, END + 1))
    assert [(event["event"], event["severity"]) for event in events] == [(SIMULATED, "info")]


@pytest.mark.slow(1)
def test_the_command_writes_a_history_that_the_report_reads(tmp_path: Path) -> None:
    site = plant("hybrid")
    (tmp_path / "site.toml").write_text(text_of(site, tmp_path, date(2026, 6, 24)))
    written = called("simulate", "-c", "site.toml", "--history", "2d", cwd=tmp_path)
    assert written.code == 0
    assert re.search(r"simulated history from \S+ to \S+; `wattgram report -c site.toml` reads it", written.err)
    report = json.loads(called("report", "-c", "site.toml", "--format", "json", cwd=tmp_path).out)
    assert [row["coverage"] for row in report["rows"][:2]] == [1.0, 1.0]
    assert [event["event"] for event in report["events"]] == [SIMULATED]
    replayed = json.loads(called("replay", "-c", "site.toml", "--format", "json", cwd=tmp_path).out)
    assert replayed["instants"] >= 2 * 96
    assert {window: counts["changed"] for window, counts in replayed["windows"].items()} == dict.fromkeys(
        ALL_WINDOWS, 0
    )
    again = called("simulate", "-c", "site.toml", "--history", "2d", cwd=tmp_path)
    assert again.code == 1
    assert "found files" in again.err


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("eastron_sdm630", "--history", "1y"), "found --history without -c"),
        (("-c", "site.toml", "--history", "0d"), "found --history of no days; allowed: at least 1d"),
        (("-c", "site.toml", "--history", "6y"), "found '6y'; allowed: a number of years or days up to 5y"),
        (("-c", "site.toml", "--history", "month"), "found 'month'; allowed: a number of years or days up to 5y"),
    ],
)
def test_a_wrong_history_is_a_mistake_of_the_call(tmp_path: Path, arguments: tuple[str, ...], found: str) -> None:
    ended = called("simulate", *arguments, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert found in ended.err


def judged(folder: Path, end: int, today: date, days: float) -> Counter[str]:
    """Return the number of goals with a value, and of each state, at the end of a past of the standard plant."""
    site = plant("standard")
    config = configured(site, folder, today)
    asyncio.run(create_past(config, site.parts, end, days, 1, Progress(io.StringIO(), Clock())))
    cards = evaluate(config, None, end)
    return Counter([card.state for card in cards] + ["number" for card in cards if card.value is not None])


@pytest.mark.slow(4)
def test_ten_weeks_of_the_demonstration_give_numbers_and_lights_of_both_colours(tmp_path: Path) -> None:
    end = int(datetime(2026, 3, 13, 2, tzinfo=UTC).timestamp()) * NS
    # From 1 January on. The reference period of the energy model is not stored: B02, B10 and A22 have no number.
    found = judged(tmp_path, end, date(2026, 3, 13), 71)
    assert found["number"] >= 25
    assert found["on track"] + found["off track"] >= 12
    assert found["on track"] >= 3
    assert found["off track"] >= 2


@pytest.mark.nightly(part="year")
@pytest.mark.slow(20)
def test_a_year_of_the_demonstration_balances_and_gives_numbers_and_lights(tmp_path: Path) -> None:
    end = int(datetime(2026, 11, 27, 2, tzinfo=UTC).timestamp()) * NS
    found = judged(tmp_path, end, date(2026, 11, 27), 365)
    assert found["number"] >= 25
    assert found["on track"] + found["off track"] >= 12
    assert found["on track"] >= 3
    assert found["off track"] >= 2
    site = plant("standard")
    config = configured(site, tmp_path, date(2026, 11, 27))
    period = past_period(end, 365, config)
    truth = SimulatedPast(config, site.parts, period).factory
    truth.advance(instant(date(2026, 11, 27), config.site.timezone))
    days = list(History(config.spool.path, config.site.name).windows("1d", 0, end))
    assert len(days) == 365
    for flow in FLOWS:
        assert summed(days, f"{flow}_energy") == pytest.approx(truth.energies.energies()[flow], rel=1e-4), flow
