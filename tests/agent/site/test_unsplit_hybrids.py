"""Hybrids whose split is unknown, from registers to records over hours (METHOD-SITE 8.2, 9.1, 12); numbers by hand."""

from __future__ import annotations

import asyncio
import struct
from math import isnan, nan
from pathlib import Path

import pytest
from wattgram.accounts.books import Books
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.grid.ladder import Ladder
from wattgram.site.stored_replay import replayed

from tests.support.wired_sites import WiredSite, device

SLOW = 'interval = "60s"'
DEVICES = (
    device("incomer", "grid", more=SLOW),
    device("roof", "pv", "huawei_sun2000", 503, SLOW),
    device("store", "battery", "huawei_luna2000", 503, SLOW),
)
FLOWS = ("grid_import", "pv", "generation", "battery_discharge", "grid_export", "battery_charge", "unaccounted", "load")


def fields(record: Record) -> dict[str, float]:
    """Return the numbers of a record, 0 for those that are absent."""
    numbers = dict(zip(record.series.fields, record.numbers(), strict=True))
    numbers["load_emission"] = numbers.get("emission", nan)
    return {name: 0.0 if isnan(number) else number for name, number in numbers.items()}


def lacks(record: Record, kind: str) -> float:
    """Return what the balance of a window lacks (METHOD-SITE 12); kind: energy or emission."""
    numbers = [fields(record)[f"{name}_{kind}"] for name in FLOWS]
    return sum(numbers[:4]) - sum(numbers[4:])


class Roof:
    """A site with a hybrid, read each minute: import 2 kW, T 4.8, P 8, B -3; the store may be silent."""

    def __init__(self, folder: Path, minutes: int = 0) -> None:
        self.site = WiredSite(folder, *DEVICES, tick=60.0)
        self.minute = minutes
        self.site.clock.go(60.0 * minutes)
        self.shows(4800.0, 8000.0, -3000.0)

    def shows(self, terminal: float, strings: float, cells: float) -> None:
        self.site.shows("roof", active_power_total=terminal, dc_power=strings, battery_power=cells)
        self.site.shows("store", battery_power=cells)

    def run(self, minutes: int, *silent: str) -> None:
        for _ in range(minutes):
            self.minute += 1
            # 32106 counts T > 0; a device with the same words for long is frozen
            self.site.shows("incomer", active_power_total=2000.0, voltage_l1n=230.0 + self.minute % 7 / 10)
            self.site.shows("store", battery_soc=0.5 + self.minute % 7 / 100)
            self.site.shows("roof", energy_total=5e6 + 80.0 * self.minute)
            self.site.clock.go(60.0)
            self.site.read(name for name in self.site.sources if name not in silent)
            self.site.site.tick(self.site.clock.time())


def test_hours_with_and_without_the_split_close_and_have_the_same_load(tmp_path: Path) -> None:
    # 04:00 with the split, 05:00 without B from 05:15 to 05:45, 06:00 with it again
    roof = Roof(tmp_path)
    roof.run(60 + 15)
    roof.shows(4800.0, 8000.0, nan)
    roof.run(30)
    roof.shows(4800.0, 8000.0, -3000.0)
    roof.run(76)
    hours = {record.time: fields(record) for record in roof.site.windows("1h")}
    split, mixed = list(hours.values())[:2]
    assert len(hours) == 3
    assert split["load_energy"] == pytest.approx(6800.0 * 59 / 60)  # the first tick begins no interval
    assert mixed["load_energy"] == pytest.approx(6800.0)
    assert mixed["emission_intensity"] == pytest.approx(split["emission_intensity"], rel=1e-9)
    # The end of the last interval without the split has it; the rest is 29 minutes.
    assert mixed["pv_energy"] == pytest.approx(7800.0 * 31 / 60, rel=1e-3)
    assert mixed["emission"] == pytest.approx(split["emission"] * 31 / 59, rel=1e-3)
    assert mixed["unaccounted_energy"] == pytest.approx(-4800.0 * 29 / 60, rel=1e-3)
    assert mixed["coverage"] == pytest.approx((31 + 29 / 3) / 60)
    for record in [*roof.site.windows("15m"), *roof.site.windows("1h")]:
        for kind in ("energy", "emission"):
            assert lacks(record, kind) == pytest.approx(0.0, abs=1e-9 * 8000.0), kind
    assert roof.site.events("") == []
    assert not [record for record in roof.site.records if record.series.kind == "late"]


def test_a_silent_battery_leaves_no_gap_that_its_counters_would_book_again(tmp_path: Path) -> None:
    """The roof's own reading of the battery is absent, too; afterwards the store's counters have moved by 2 kWh."""
    roof = Roof(tmp_path)
    roof.site.shows("store", battery_energy_charge=1e6, battery_energy_discharge=1e6)
    roof.run(65)
    roof.site.shows("roof", battery_power=nan)
    roof.run(40, "store")
    roof.shows(4800.0, 8000.0, -3000.0)
    roof.site.shows("store", battery_energy_charge=1e6 + 2000.0)
    roof.run(90)
    second = fields(roof.site.windows("1h")[1])
    assert second["load_energy"] == pytest.approx(6800.0)
    assert second["battery_charge_energy"] < 3000.0 * 0.5
    assert not [record for record in roof.site.records if record.series.kind == "late"]
    assert roof.site.events("store") == ["device lost", "device back"]


def test_a_gap_of_the_terminal_is_settled_once_and_its_unsplit_end_is_not(tmp_path: Path) -> None:
    """The roof is silent for 10 min, then its battery's power is absent for 10 min: 0.8 kWh are unsplit.

    The last power holds for 4 min, so 6 min of T are late: 0.48 kWh.
    """
    roof = Roof(tmp_path)
    roof.run(62)
    roof.run(10, "roof", "store")
    roof.shows(4800.0, 8000.0, nan)
    roof.run(10)
    roof.shows(4800.0, 8000.0, -3000.0)
    roof.run(50)
    second = fields(roof.site.windows("1h")[1])
    assert second["load_energy"] == pytest.approx(6800.0)
    assert second["unaccounted_energy"] == pytest.approx(-800.0)
    late = {record.time: record for record in roof.site.records if record.series.kind == "late"}
    assert sum(fields(record)["roof energy"] for record in late.values()) == pytest.approx(480.0)
    for kind in ("energy", "emission"):
        assert lacks(roof.site.windows("1h")[1], kind) == pytest.approx(0.0, abs=1e-9 * 8000.0), kind


def test_a_restart_in_an_unsplit_time_continues_it_and_a_replay_finds_the_same(tmp_path: Path) -> None:
    async def life(roof: Roof, *parts: tuple[float, int]) -> None:
        await roof.site.spool.open()
        await roof.site.site.restore()
        for cells, minutes in parts:
            roof.shows(4800.0, 8000.0, cells)
            await asyncio.to_thread(roof.run, minutes)
        await roof.site.spool.sync()
        await roof.site.spool.close()

    (tmp_path / "whole").mkdir()
    (tmp_path / "restarted").mkdir()
    whole, first = Roof(tmp_path / "whole"), Roof(tmp_path / "restarted")
    asyncio.run(life(whole, (-3000.0, 30), (nan, 20), (-3000.0, 40)))
    asyncio.run(life(first, (-3000.0, 30), (nan, 10)))
    second = Roof(tmp_path / "restarted", first.minute)
    asyncio.run(life(second, (nan, 10), (-3000.0, 40)))
    (right,), (found,) = whole.site.windows("1h"), second.site.windows("1h")
    assert fields(found) == pytest.approx(fields(right), rel=1e-9)
    assert second.site.events("") == []
    again: list[Record] = []
    config = second.site.config
    books = Books(config, Ladder(config.grid.zone, config.grid.basis, None))
    replay = replayed(
        tmp_path / "restarted", "works", books, 0, 2**62, ALL_WINDOWS, lambda records, _: again.extend(records)
    )
    assert (replay.counts.instants, again) == (90, [])


def of_version_4(state: bytes) -> bytes:
    """Return the books' state as the version before terminals wrote it; docs/formats/state.md has both layouts."""
    head, _, block = state.partition(b"\n")
    words = list(struct.unpack_from("<QIIII", block))
    roles = 2166136261
    for index in (0, 1, 6):  # grid, pv, battery
        roles = (roles ^ index) * 16777619 % 2**32
    parts = [struct.pack("<QIIII", words[0], 4, 3, words[3], roles), block[32:80]]
    # without a load: 22 numbers of the site; groups and sources of the busbar; carbon and shares of the charge
    parts += [block[264:440], block[624:784], block[816:840], block[80:192]]
    for start in range(840, 6920, 8 * 76):
        parts.append(block[start : start + 8 * 74])
    return head + b"\n" + b"".join(parts) + block[6920 : 6920 + 8 * 3]


def test_the_state_of_a_version_without_terminals_is_continued_and_a_replay_begins_there(tmp_path: Path) -> None:
    async def life(roof: Roof, minutes: int, *, downgraded: bool = False) -> None:
        await roof.site.spool.open()
        await roof.site.site.restore()
        await asyncio.to_thread(roof.run, minutes)
        if downgraded:
            roof.site.spool.put_state("site", of_version_4(roof.site.site.books.state()))
        await roof.site.spool.sync()
        await roof.site.spool.close()

    first = Roof(tmp_path)
    asyncio.run(life(first, 30, downgraded=True))
    second = Roof(tmp_path, first.minute)
    asyncio.run(life(second, 40))
    assert second.site.events("") == []
    (hour,) = second.site.windows("1h")
    assert fields(hour)["battery_charge_energy"] == pytest.approx(3000.0 * 59 / 60)
    kinds = [record["how"] for record in second.site.records if record.series.kind == "checkpoint"]
    assert kinds == ["anew", ""]
