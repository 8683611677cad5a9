"""The product against the oracle: invented sites and days, every field of every tick and window to 1e-9.

The registers of the invented devices are 64-bit floats, so both accounts get the same numbers (`exact_days`). Not
invented: several batteries of one pool, and a battery that is unknown while its hybrid's terminal is known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.base.record import Record

from tests.oracle.flows import Day
from tests.oracle.invent import Plan
from tests.oracle.ledger import Account, Ledger
from tests.oracle.records import differences, record
from tests.oracle.wiring import SUB_METERS, Device
from tests.support.exact_days import ExactDay, exact_day
from tests.support.exact_sites import ExactSite

PLAN = Plan(steps=24, silences=0)
SILENT = Plan(steps=32, silences=3)
LONG = Plan(steps=2 * 96 + 1, silences=8)
TICKS = (225, 450, 900)
TWO_BUSBARS = (20, 37, 95, 96, 116, 118, 155, 160, 181, 196, 241, 253)
"""Seeds of sites with two incomers and a busbar for each, which are rare."""
UNPRICED = (
    "battery_charge_emission",
    "battery_discharge_emission",
    "battery_loss_emission",
    "battery_stock_emission",
    "unaccounted_emission",
)
"""Carbon that METHOD-SITE does not give while the mix of the load is unknown: what the other batteries then charge."""
TWO_BUSBARS_SILENT = (91, 169)
SILENT_INCOMERS = (2018, 2024, 2025)
"""Seeds of sites with two incomers, of which one falls silent."""
GROUPS = ("industry", "power", "building", "transport")
Differences = dict[object, Mapping[str, tuple[float | None, float | None]]]


def played(folder: Path, exact: ExactDay) -> ExactSite:
    """Return the product's site after the day."""
    site = ExactSite(folder, exact)
    asyncio.run(site.play())
    return site


def numbers(found: Record) -> dict[str, float]:
    """Return the numbers of a record."""
    return {name: value for name, value in found.as_dict().items() if isinstance(value, float)}


def compared(
    account: Account, found: Mapping[str, float], *, grouped: bool
) -> Mapping[str, tuple[float | None, float | None]]:
    """Return the fields of an account that differ in the product's record; `grouped`: also those of the groups."""
    expected = record(account)
    for group in GROUPS if grouped else ():
        expected[f"{group}_energy"] = float(account.groups.get(group, 0))
        if account.priced_load is not None:
            expected[f"{group}_emission"] = float(account.group_carbon.get(group, 0))
    if grouped and "load" in account.known:
        expected["rest_energy"] = float(account.rest[0])
    if grouped and account.priced_load is not None:
        expected["rest_emission"] = float(account.rest[1])
    return differences(expected, found)


def divided(day: Day) -> bool:
    """Whether a part of a use is known while another part is silent.

    METHOD-SITE 9.3 does not say at which time of a gap the known part is booked: the product shares out the whole use
    by the span of the gap, the oracle leaves the known part at its time. The energy of the day is the same.
    """

    def silences(device: Device) -> object:
        return day.silences.get(device.name)

    for meter in day.site.devices:
        if meter.role in SUB_METERS and not day.site.is_detail(meter):
            nodes, others = day.site.behind_meter(meter)
            if len({silences(device) for device in (meter, *nodes, *others)}) > 1:
                return True
    return False


def window_differences(site: ExactSite, kind: str) -> Differences:
    """Return where the product's last revisions of a window differ from the oracle's account, by begin.

    On days with a `divided` use, the groups are compared by the energy of all windows.
    """
    stored, day = site.stored(kind), site.exact.day
    grouped = not divided(day)
    found: Differences = {}
    used = dict.fromkeys((f"{group}_energy" for group in GROUPS), (0.0, 0.0))
    for account in Ledger(day).windows(kind):
        if account.complete:
            ours = numbers(stored[account.begin])
            fields = compared(account, ours, grouped=grouped)
            if fields:
                found[kind, account.begin] = fields
            for group in GROUPS:
                theirs, sums = float(account.groups.get(group, 0)), used[f"{group}_energy"]
                used[f"{group}_energy"] = sums[0] + theirs, sums[1] + ours[f"{group}_energy"]
    for name, (theirs, mine) in used.items():
        if kind == "15m" and abs(theirs - mine) > max(1e-6, 1e-9 * abs(theirs)):
            found[kind, name] = {name: (theirs, mine)}
    return found


def tick_differences(site: ExactSite) -> Differences:
    """Return where the product's ticks differ from the oracle's account of their intervals, by end."""
    ledger, tick = Ledger(site.exact.day), site.exact.tick
    found: Differences = {}
    for told in site.windows("tick"):
        end = told.time // NS
        if end > site.begin:
            fields = compared(ledger.account("tick", end - tick, end), numbers(told), grouped=False)
            if fields:
                found["tick", end] = fields
    return found


@pytest.mark.slow(3)
@pytest.mark.parametrize("seed", [*range(15), *TWO_BUSBARS])
def test_each_tick_and_window_is_that_of_the_oracle(tmp_path: Path, seed: int) -> None:
    site = played(tmp_path, exact_day(seed, PLAN, tick=TICKS[seed % 3]))
    assert tick_differences(site) == {}
    for kind in ("15m", "1h"):
        assert window_differences(site, kind) == {}


@pytest.mark.slow(3)
@pytest.mark.parametrize("seed", [*range(15), *TWO_BUSBARS_SILENT, *SILENT_INCOMERS])
def test_each_window_with_silent_devices_is_settled_as_by_the_oracle(tmp_path: Path, seed: int) -> None:
    """Ticks of a quarter of an hour: within a quarter, METHOD names no order of a gap's energy and the rest."""
    site = played(tmp_path, exact_day(1000 + seed, SILENT, tick=900))
    for kind in ("15m", "1h"):
        assert window_differences(site, kind) == {}


@pytest.mark.slow(2)
@pytest.mark.parametrize("seed", range(12))
def test_each_window_with_a_hybrid_without_a_split_is_that_of_the_oracle(tmp_path: Path, seed: int) -> None:
    """METHOD-SITE 8.2: B is unknown for the rest of the day, and T is known. Coverage counts channels here (9.1)."""
    site = played(tmp_path, exact_day(2000 + seed, PLAN, tick=900, unsplit=True))
    others = len(Ledger(site.exact.day).pools) > 1
    left_out = {"coverage", *(UNPRICED if others else ())}
    for kind in ("15m", "1h"):
        for begin, fields in window_differences(site, kind).items():
            assert set(fields) <= left_out, (kind, begin, fields)


@pytest.mark.nightly(part="days")
@pytest.mark.parametrize("share", range(20))
def test_invented_days_of_a_new_seed_are_those_of_the_oracle(tmp_path: Path, share: int) -> None:
    """Two days and the day's record between; the seed is the date, and each failure names its own."""
    today = int(time.time()) // 86400
    failed: dict[int, Differences] = {}
    for number in range(8):
        seed = 1000 * today + 8 * share + number
        plan = LONG if number % 2 else replace(LONG, silences=0)
        site = played(tmp_path / str(seed), exact_day(seed, plan, tick=900 if plan.silences else TICKS[number % 3]))
        found = {} if plan.silences else tick_differences(site)
        for kind in ("15m", "1h", "1d"):
            found |= window_differences(site, kind)
        if found:
            failed[seed] = found
    assert failed == {}
