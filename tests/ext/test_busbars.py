"""Several busbars and pools (METHOD-SITE 8.4, 9.6): numbers by hand, and each busbar as a site of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan, nan
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram_ext.intensity import OUTPUTS, Accounts

from tests.support.account_rows import CHONGQING, HOUR, details, step, unpack

POOL = (0.95, 0.95, 0.0, 0.0, False)
SUMS = tuple(
    name
    for name in OUTPUTS
    if (name.endswith(("_energy", "_emission")) or name in ("emission", "scope1", "scope2_market", "avoided"))
    and name != "residual_energy"  # a busbar without sub-meters has none
)
SOURCES = ("grid_import", "pv", "generation", "battery_discharge")
SINKS = ("grid_export", "battery_charge", "unaccounted")


def test_connections_import_and_export_at_the_same_time() -> None:
    """The oracle of METHOD-SITE 8.4: 100 kW and -40 kW are 60 / 0 on one busbar, 100 / 40 on two."""
    for busbars, expected in (((0, 0, 0), (60e3, 0.0, 110e3)), ((0, 1, 1), (100e3, 40e3, 110e3))):
        accounts = Accounts(["grid", "grid", "pv"], [0.0] * 3, busbars=busbars)
        row = step(accounts, 100e3, -40e3, 50e3)
        assert (row["grid_import_power"], row["grid_export_power"], row["load_power"]) == expected


def test_each_busbar_has_a_mix_of_its_own() -> None:
    """A: 100 kW of the grid. B: 60 kW of PV, 40 exported. The load is 100 kW of A at 558.1 and 20 kW of B at 0."""
    accounts = Accounts(["grid", "grid", "pv", "load"], [0.0] * 4, busbars=[0, 1, 1, 1], windows=1)
    row = step(accounts, 100e3, -40e3, 60e3, 15e3)
    assert row["emission"] == pytest.approx(100 * 558.1)
    assert row["emission_intensity"] == pytest.approx(100 * 558.1 / 120)
    assert row["grid_export_emission"] == 0
    assert row["clean_share"] == pytest.approx(20 / 120)
    assert row["self_consumption"] == pytest.approx(20 / 60)
    assert row["residual_power"] == pytest.approx(15e3 - 120e3)
    assert row["avoided"] == pytest.approx(60 * 558.1)
    assert unpack(accounts.window(0, HOUR))["emission_intensity"] == pytest.approx(100 * 558.1 / 120)
    # on one busbar, 60 kW of the grid and 60 of PV are mixed
    one = step(Accounts(["grid", "grid", "pv", "load"], [0.0] * 4), 100e3, -40e3, 60e3, 15e3)
    assert one["emission"] == pytest.approx(60 * 558.1)


def test_a_group_has_the_mix_of_its_busbar() -> None:
    groups = ["", "", "", "industry", "building"]
    accounts = Accounts(
        ["grid", "grid", "pv", "load", "load"], [0.0] * 5, busbars=[0, 1, 1, 0, 1], groups=groups, windows=1
    )
    step(accounts, 100e3, 0.0, 60e3, 50e3, 30e3)
    found = details(accounts)
    assert (found["industry_emission"], found["industry_own_energy"]) == pytest.approx((50 * 558.1, 0))
    assert (found["building_emission"], found["building_own_energy"]) == pytest.approx((0, 30e3))


def test_an_unknown_flow_of_one_busbar_leaves_the_load_of_the_site_unknown_until_it_is_told() -> None:
    """A: 100 kW import. B: export 40, PV unknown, later 60 kWh. The load of A is no load of the site meanwhile."""
    accounts = Accounts(["grid", "grid", "pv"], [0.0] * 3, busbars=[0, 1, 1], windows=1, columns=["energy"])
    counted = [100e3, 0.0, 0.0, 40e3, nan, nan]
    row = step(accounts, 100e3, -40e3, nan, more=counted)
    for name in ("load_power", "pv_power", "emission", "emission_intensity", "clean_share"):
        assert isnan(row[name]), name
    assert (row["grid_import_power"], row["grid_export_power"]) == (100e3, 40e3)
    assert (row["unaccounted_energy"], row["coverage"]) == pytest.approx((60e3, 2 / 3))
    assert row["unaccounted_emission"] == pytest.approx(100 * 558.1)
    late = [HOUR, CHONGQING, nan, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 60e3, nan]
    accounts.late(struct.pack("12d", *late))
    window = unpack(accounts.window(0, HOUR))
    assert window["load_energy"] == pytest.approx(120e3)
    assert window["emission"] == pytest.approx(100 * 558.1)  # B uses its PV, and nothing of A
    assert window["grid_export_emission"] == 0
    assert (window["unaccounted_energy"], window["unaccounted_emission"]) == pytest.approx((0, 0), abs=1e-6)
    assert window["coverage"] == pytest.approx(1)


def test_a_fault_of_one_busbar_is_a_fault_of_the_site() -> None:
    """B exports 40 kW without a source: the 100 kW of A must not cover it up."""
    row = step(Accounts(["grid", "grid"], [0.0] * 2, busbars=[0, 1]), 100e3, -40e3)
    assert isnan(row["load_power"])
    assert (row["grid_import_power"], row["grid_export_power"]) == (100e3, 40e3)


def test_batteries_behind_different_incomers_keep_their_intensities() -> None:
    """A charges from the grid, B from PV. Each delivers what it was charged with: 558.1 / 0.9025, and 0."""
    accounts = Accounts(
        ["grid", "battery", "grid", "pv", "battery"], [0.0] * 5, busbars=[0, 0, 1, 1, 1], pools=[0, 0, 0, 0, 1]
    )
    step(accounts, 100e3, -50e3, 0.0, 100e3, -50e3)
    (first, first_carbon), (second, second_carbon) = accounts.stocks()
    assert (first, second) == pytest.approx((47.5e3, 47.5e3))
    assert (first_carbon, second_carbon) == pytest.approx((50 * 558.1, 0))
    assert accounts.stock() == pytest.approx((95e3, 50 * 558.1))
    row = step(accounts, 0.0, 20e3, 0.0, 0.0, 0.0, seconds=0)
    assert row["battery_intensity"] == pytest.approx(558.1 / 0.9025)
    row = step(accounts, 0.0, 0.0, 0.0, 0.0, 20e3, seconds=0)
    assert row["battery_intensity"] == 0
    row = step(accounts, 0.0, 0.0, 0.0, 0.0, 0.0, seconds=0)  # of the next Wh of both together
    assert row["battery_intensity"] == pytest.approx(558.1 / 0.9025 / 2)


def test_a_pool_charges_while_another_discharges() -> None:
    """On one busbar, the batteries of a pool are summed, and those of two pools are not."""
    for pools, expected in (([0, 0, 0], (0.0, 20e3)), ([0, 0, 1], (30e3, 50e3))):
        accounts = Accounts(["grid", "battery", "battery"], [0.0] * 3, pools=pools)
        row = step(accounts, 100e3, 30e3, -50e3)
        assert (row["battery_discharge_power"], row["battery_charge_power"]) == expected
        assert row["load_power"] == 80e3


def test_each_pool_has_settings_and_a_state_of_charge_of_its_own() -> None:
    accounts = Accounts(
        ["grid", "battery", "battery"],
        [0.0] * 3,
        pools=[0, 0, 1],
        columns=["soc"],
        batteries=[(0.9, 0.9, 10e3, 0.0, False), (1.0, 1.0, 0.0, 0.0, False)],
    )
    step(accounts, 0.0, 0.0, 0.0, more=[0.5, 0.5])
    assert accounts.stocks() == [(5e3, pytest.approx(5 * 558.1)), (0.0, 0.0)]  # a pool without a capacity has none
    step(accounts, 10e3, -1e3, -1e3, seconds=0, more=[nan, nan])
    step(accounts, 10e3, -1e3, -1e3, more=[nan, nan])
    assert [energy for energy, _ in accounts.stocks()] == pytest.approx([5.9e3, 1e3])
    assert accounts.round_trip(0)[0] == pytest.approx(0.81)
    assert accounts.round_trip(1)[0] == 1.0
    with pytest.raises(IndexError):
        accounts.round_trip(2)


def test_each_pool_learns_its_round_trip() -> None:
    """METHOD-SITE 9.6: 100 in and 85 out, 100 in and 92 out, by pool."""
    accounts = Accounts(["grid", "battery", "battery"], [0.0] * 3, pools=[0, 0, 1], learning=True)
    for _ in range(11):
        step(accounts, 300e3, -100e3, -100e3, seconds=0)
        step(accounts, 300e3, -100e3, -100e3)
        step(accounts, 0.0, 85e3, 92e3, seconds=0)
        step(accounts, 0.0, 85e3, 92e3)
    step(accounts, 300e3, -1.0, -1.0)
    assert [accounts.round_trip(pool)[1] for pool in (0, 1)] == pytest.approx([0.85, 0.92])


def test_impossible_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="busbars: 1, expected one a channel: 2"):
        Accounts(["grid", "pv"], [0.0] * 2, busbars=[0])
    with pytest.raises(ValueError, match="busbars: -1"):
        Accounts(["grid", "pv"], [0.0] * 2, busbars=[0, -1])
    with pytest.raises(ValueError, match="pool 0 on several busbars"):
        Accounts(["battery", "battery"], [0.0] * 2, busbars=[0, 1])
    with pytest.raises(ValueError, match="batteries: 1, expected one a pool: 2"):
        Accounts(["battery", "battery"], [0.0] * 2, pools=[0, 1], batteries=[POOL])


def test_other_busbars_or_pools_begin_new_accounts() -> None:
    def of(busbars: list[int], pools: list[int], batteries: int = 2) -> Accounts:
        return Accounts(
            ["grid", "grid", "battery", "battery"],
            [0.0] * 4,
            busbars=busbars,
            pools=pools,
            windows=1,
            batteries=[POOL] * batteries,
        )

    state = of([0, 1, 0, 1], [0, 0, 0, 1]).state()
    of([0, 1, 0, 1], [0, 0, 0, 1]).restore(state)
    for other in (of([0, 1, 1, 0], [0, 0, 0, 1]), of([0, 0, 0, 0], [0, 0, 0, 1]), of([0] * 4, [0] * 4, 1)):
        with pytest.raises(ValueError, match="other channels"):
            other.restore(state)
    with pytest.raises(ValueError, match="2 busbars and 2 pools, expected 2 and 3"):
        of([0, 1, 0, 1], [0, 0, 0, 1], 3).restore(state)


def test_an_unknown_split_on_one_busbar_leaves_the_mix_of_the_site_unknown_and_its_load_known() -> None:
    """A: 100 kW of the grid. B: 1 kW of the grid, and 5 of a hybrid, in the first hour by its terminal alone."""
    roles = ["grid", "grid", "pv", "battery", "terminal"]
    accounts = Accounts(roles, [0.0] * 5, busbars=[0, 1, 1, 1, 1], terminals=[-1, -1, 4, 4, -1], windows=1)
    row = step(accounts, 100e3, 1e3, nan, nan, 5e3)
    assert (row["load_power"], row["grid_import_power"]) == (106e3, 101e3)
    for name in ("emission", "emission_intensity", "pv_power", "battery_stock_energy"):
        assert isnan(row[name]), name
    assert (row["unaccounted_energy"], row["unaccounted_emission"]) == pytest.approx((-5e3, 101 * 558.1))
    assert isnan(unpack(accounts.window(0, HOUR))["emission"])
    row = step(accounts, 100e3, 1e3, 5e3, 0.0, nan)
    assert row["emission"] == pytest.approx(101 * 558.1)
    window = unpack(accounts.window(0, 2 * HOUR))
    assert window["load_energy"] == pytest.approx(212e3)
    assert window["emission_intensity"] == pytest.approx(101 * 558.1 / 106)  # of the hour with a mix
    assert window["coverage"] == pytest.approx(3 / 4)  # 2 of 4 channels, then all
    with pytest.raises(ValueError, match="channel 2: terminal 4"):
        Accounts(roles, [0.0] * 5, busbars=[0, 1, 0, 1, 1], terminals=[-1, -1, 4, 4, -1])


def test_a_told_flow_leaves_the_mix_unknown_if_the_split_on_another_busbar_was() -> None:
    """A: 100 kW of the grid, and PV that is told later, 60 kWh. B: 1 kW of the grid, and 5 by the terminal alone."""
    accounts = Accounts(
        ["grid", "pv", "grid", "pv", "battery", "terminal"],
        [0.0] * 6,
        busbars=[0, 0, 1, 1, 1, 1],
        terminals=[-1, -1, -1, 5, 5, -1],
        windows=1,
        columns=["energy"],
    )
    row = step(accounts, 100e3, nan, 1e3, nan, nan, 5e3, more=[nan] * 12)
    assert isnan(row["load_power"])
    late = [HOUR, CHONGQING, nan, *[0.0] * 6, 0.0, 0.0, 60e3, nan, *[0.0] * 8]
    accounts.late(struct.pack("21d", *late))
    window = unpack(accounts.window(0, HOUR))
    assert window["load_energy"] == pytest.approx(166e3)
    assert window["unaccounted_energy"] == pytest.approx(-5e3)
    assert isnan(window["emission"])
    assert window["unaccounted_emission"] == pytest.approx(101 * 558.1)
    assert window["coverage"] == pytest.approx(3 / 5)


# each busbar as a site of its own


@dataclass(frozen=True)
class Part:
    """A busbar: roles, factors, groups and local pools of its channels, and settings of its pools."""

    roles: list[str]
    factors: list[float]
    groups: list[str]
    pools: list[int]
    batteries: list[tuple[float, float, float, float, bool]]

    @classmethod
    def invented(cls, random: Random) -> Part:
        roles = ["grid", *random.choices(["pv", "wind", "genset", "battery", "load"], k=random.randint(0, 5))]
        count = random.randint(1, 2)
        return cls(
            roles,
            [random.choice([0.0, 41.0, 762.0]) for _ in roles],
            [random.choice(["", "industry", "power"]) if role == "load" else "" for role in roles],
            [random.randrange(count) if role == "battery" else 0 for role in roles],
            [(random.uniform(0.8, 1), random.uniform(0.8, 1), 0.0, random.choice([0.0, 0.01]), False)] * count,
        )

    def powers(self, random: Random) -> list[float]:
        """Powers with a load that is not negative; the incomer closes the balance."""
        limits = {"battery": (-1e5, 1e5)}
        powers = [0.0 if random.random() < 0.2 else random.uniform(*limits.get(role, (0, 1e5))) for role in self.roles]
        supply = sum(power for role, power in zip(self.roles, powers, strict=True) if role not in ("grid", "load"))
        powers[0] = random.choice([0.0, random.uniform(1e3, 1e5)]) - supply
        return powers


def energies(power: float, hours: float) -> tuple[float, float]:
    """What two counters counted in an interval, Wh."""
    return max(power, 0.0) * hours, max(-power, 0.0) * hours


class Books:
    """Accounts that are fed instants, and what counters told afterwards; `places` in the site's channels."""

    def __init__(self, parts: list[Part], places: list[int], **terms: Any) -> None:
        busbars, pools, batteries = list[int](), list[int](), list[tuple[float, float, float, float, bool]]()
        for busbar, part in enumerate(parts):
            busbars += [busbar] * len(part.roles)
            pools += [
                len(batteries) + pool if role == "battery" else 0
                for role, pool in zip(part.roles, part.pools, strict=True)
            ]
            batteries += part.batteries
        self.places, self.open, self.columns = places, 0.0, 2 * len(places)
        self.accounts = Accounts(
            [role for part in parts for role in part.roles],
            [factor for part in parts for factor in part.factors],
            groups=[group for part in parts for group in part.groups],
            busbars=busbars,
            pools=pools,
            batteries=batteries,
            columns=["energy"],
            windows=1,
            **terms,
        )

    def step(self, seconds: float, grid: float, powers: list[float]) -> dict[str, float]:
        """Hidden channels are NaN; the instant before has the same powers, so that the mean is the power."""
        mine = [powers[place] for place in self.places]
        step(self.accounts, *mine, seconds=0, grid=grid, more=[nan] * self.columns)
        counted = [wh for power in mine for wh in (energies(power, seconds / HOUR) if not isnan(power) else (nan, nan))]
        row = step(self.accounts, *mine, seconds=seconds, grid=grid, more=counted)
        self.open += seconds if isnan(row["load_power"]) else 0.0
        return row

    def late(self, grid: float, hidden: dict[int, list[float]], told: set[int]) -> None:
        """Counters of the channels `told` tell what was hidden; other hidden channels stay unknown."""
        if not self.open:
            return
        powers = [nan if place in hidden and place not in told else 0.0 for place in self.places]
        counted = [
            wh for place in self.places for wh in (hidden[place] if place in told and place in hidden else (0.0, 0.0))
        ]
        self.accounts.late(struct.pack(f"{3 + len(powers) + len(counted)}d", self.open, grid, nan, *powers, *counted))


class World:
    """A site of connections, each busbar as a site of its own, and what was hidden from both by channel, Wh."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.parts = [Part.invented(random) for _ in range(random.randint(2, 3))]
        self.owner = [index for index, part in enumerate(self.parts) for _ in part.roles]
        terms = {"method": random.choice(["proportional", "local-first"])}
        self.site = Books(self.parts, list(range(len(self.owner))), **terms)
        self.alone = [
            Books([part], [place for place, found in enumerate(self.owner) if found == index], **terms)
            for index, part in enumerate(self.parts)
        ]
        self.hidden: dict[int, list[float]] = {}
        # Sub-meters leave the load known, and without any reading there is no instant of a site.
        roles = [role for part in self.parts for role in part.roles]
        sources = [place for place, role in enumerate(roles) if role != "load"]
        owners = [self.owner[place] for place in sources]
        self.hideable = [place for place in sources if owners.count(self.owner[place]) > 1]

    def step(self) -> None:
        random = self.random
        seconds, grid = random.choice([1.0, 60.0, 300.0]), random.uniform(50, 900)
        powers = [power for part in self.parts for power in part.powers(random)]
        if random.random() < 0.4 and self.hideable:
            place = random.choice(self.hideable)
            before = self.hidden.get(place, [0.0, 0.0])
            counted = energies(powers[place], seconds / HOUR)
            self.hidden[place] = [old + new for old, new in zip(before, counted, strict=True)]
            powers[place] = nan
        row = self.site.step(seconds, grid, powers)
        rows = [books.step(seconds, grid, powers) for books in self.alone]
        unknown = any(isnan(found["load_power"]) for found in rows)
        assert isnan(row["load_power"]) == unknown
        for name in SUMS:
            if not isnan(row[name]) and not (unknown and name.startswith("unaccounted")):
                assert row[name] == pytest.approx(sum(found[name] for found in rows), rel=1e-9, abs=1e-6), name

    def tell(self) -> None:
        """The counters speak; those of the first busbar at times before the others'."""
        if self.random.random() < 0.5:
            first = {place for place in self.hidden if self.owner[place] == 0}
            self.site.late(400.0, self.hidden, first)
            self.alone[0].late(400.0, self.hidden, first)
            self.hidden = {place: [0.0, 0.0] if place in first else found for place, found in self.hidden.items()}
            self.alone[0].open = 0.0
        for books in (self.site, *self.alone):
            books.late(400.0, self.hidden, set(self.hidden))

    def compare(self) -> None:
        window = unpack(self.site.accounts.window(0, 1e4))
        windows = [unpack(books.accounts.window(0, 1e4)) for books in self.alone]
        same(window, windows, SUMS)
        for name in ("clean_share", "self_sufficiency"):
            if window["load_energy"] > 0:
                total = sum(found[name] * found["load_energy"] for found in windows if found["load_energy"] > 0)
                assert window[name] * window["load_energy"] == pytest.approx(total, rel=1e-9, abs=1e-6)
        groups = [details(books.accounts) for books in self.alone]
        same(
            details(self.site.accounts), groups, [name for name in groups[0] if name.startswith(("industry", "power"))]
        )
        stocks = [stock for books in self.alone for stock in books.accounts.stocks()]
        for found, expected in zip(self.site.accounts.stocks(), stocks, strict=True):
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-6)
        closes(window, self.site.accounts)


def same(found: dict[str, float], parts: list[dict[str, float]], names: Iterable[str]) -> None:
    """The number of the site is the sum of the parts' numbers."""
    for name in names:
        if not isnan(found[name]):
            total = sum(part[name] for part in parts if not isnan(part[name]))
            assert found[name] == pytest.approx(total, rel=1e-9, abs=1e-6), name


@pytest.mark.slow(3)
@given(st.integers(0, 2**32))
@settings(max_examples=500)
def test_the_sums_of_connections_are_those_of_sites_of_their_own(seed: int) -> None:
    """Also when a flow is unknown for a while and told afterwards; conservation of energy and carbon to 1e-9."""
    world = World(Random(seed))
    for _ in range(world.random.randint(1, 5)):
        world.step()
    world.tell()
    world.compare()


def closes(window: dict[str, float], accounts: Accounts) -> None:
    """The identities of METHOD-SITE 12, in Wh and in g."""
    for end, load in (("energy", "load_energy"), ("emission", "emission")):
        inflow, outflow = ([window[f"{name}_{end}"] for name in names] for names in (SOURCES, SINKS))
        whole = max(1.0, sum(inflow))
        assert sum(inflow) == pytest.approx(sum(outflow) + window[load], abs=1e-9 * whole)
        stored = window[f"battery_charge_{end}"] - window[f"battery_discharge_{end}"] - window[f"battery_loss_{end}"]
        assert window[f"battery_stock_{end}"] == pytest.approx(stored, abs=1e-9 * whole)
    gained, *given, opening, unaccounted = accounts.ledger()
    assert gained + opening == pytest.approx(sum(given) + unaccounted + accounts.stock()[1], rel=1e-9, abs=1e-6)
