"""Accounts on any site: the reference's numbers and METHOD's invariants (4.11)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import isfinite, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram_ext.intensity import OUTPUTS, ROLES, Accounts

from tests import reference

POWER = st.one_of(st.just(0.0), st.floats(1, 5e5), st.floats(-5e5, -1))
GRID = st.one_of(st.just(0.0), st.floats(1, 1200))
CLEAN = st.one_of(st.just(nan), st.just(0.0), st.floats(0.001, 1))
SECONDS = st.sampled_from([-1.0, 0.0, 0.1, 1.0, 60.0, 900.0])


@dataclass(frozen=True)
class Site:
    """A topology and what its channels said."""

    roles: list[str]
    factors: list[float]
    method: str
    rows: list[list[float]]

    def accounts(self) -> Accounts:
        return Accounts(self.roles, self.factors, method=self.method, windows=2)

    def oracle(self) -> reference.Accounts:
        return reference.Accounts(self.roles, self.factors, method=self.method, windows=2)


@st.composite
def sites(draw: st.DrawFn, *, missing: bool = True) -> Site:
    """Any roles, with a grid meter that mostly closes the balance so that there are loads to account for."""
    roles = draw(st.lists(st.sampled_from(ROLES), min_size=1, max_size=7))
    power = st.one_of(POWER, st.just(nan)) if missing else POWER
    rows = []
    for _ in range(draw(st.integers(1, 8))):
        powers = [draw(power) for _ in roles]
        if "grid" in roles and draw(st.integers(0, 3)):
            others = zip(roles, powers, strict=True)
            supply = sum(
                p if role == "battery" else max(p, 0.0)
                for role, p in others
                if role not in ("grid", "load", "ev") and not isnan(p)
            )
            load = draw(st.one_of(st.just(0.0), st.floats(1, 5e5)))
            first = roles.index("grid")
            powers[first] = (
                load
                - supply
                - sum(p for i, p in enumerate(powers) if roles[i] == "grid" and i != first and not isnan(p))
            )
        rows.append([draw(SECONDS), draw(GRID), draw(CLEAN), *powers])
    factors = [draw(st.one_of(st.just(0.0), st.floats(1, 1000))) for _ in roles]
    return Site(roles, factors, draw(st.sampled_from(["proportional", "local-first"])), rows)


def block(rows: list[list[float]]) -> bytes:
    return b"".join(struct.pack(f"{len(row)}d", *row) for row in rows)


def unpack(rows: bytes) -> list[dict[str, float]]:
    table = struct.iter_unpack(f"{len(OUTPUTS)}d", rows)
    return [dict(zip(OUTPUTS, row, strict=True)) for row in table]


def same(found: dict[str, float], expected: dict[str, float]) -> None:
    """Equal to 1e-12, relative to the number or, for differences of powers, to the largest flow beside it."""
    for name in OUTPUTS:
        kind = name.rsplit("_", 1)[-1]
        related = [abs(v) for k, v in expected.items() if k.endswith(kind) and isfinite(v)]
        scale = 1e-12 * max(related, default=0.0)
        assert found[name] == pytest.approx(expected[name], rel=1e-12, abs=scale, nan_ok=True), name


@given(sites())
def test_compiled_and_reference_agree_on_ticks_windows_stock_and_ledger(site: Site) -> None:
    accounts, oracle = site.accounts(), site.oracle()
    half = len(site.rows) // 2
    for rows in (site.rows[:half], site.rows[half:]):
        found, expected = unpack(accounts.step(block(rows))), unpack(oracle.step(block(rows)))
        for one, other in zip(found, expected, strict=True):
            same(one, other)
        same(*unpack(accounts.window(0, 900)), *unpack(oracle.window(0, 900)))
        same(*unpack(accounts.window(1, 900)), *unpack(oracle.window(1, 900)))
        accounts.reset(1)
        oracle.reset(1)
        assert accounts.ledger() == pytest.approx(oracle.ledger(), rel=1e-12, abs=1e-9)
        assert accounts.stock() == pytest.approx(oracle.stock(), rel=1e-12, abs=1e-9)


@given(sites())
def test_carbon_is_conserved_at_every_tick(site: Site) -> None:
    accounts = site.accounts()
    for row in site.rows:
        accounts.step(block([row]))
        came, to_load, to_export, lost, opening = accounts.ledger()
        assert came + opening == pytest.approx(to_load + to_export + lost + accounts.stock()[1], rel=1e-9, abs=1e-9)


@given(sites(), st.integers(1, 8))
def test_one_block_or_many_give_the_same_bytes(site: Site, cut: int) -> None:
    together, apart = site.accounts(), site.accounts()
    found = together.step(block(site.rows))
    assert found == apart.step(block(site.rows[:cut])) + apart.step(block(site.rows[cut:]))
    assert together.state() == apart.state()


@given(sites(), st.floats(0.05, 0.95))
def test_splitting_an_interval_of_constant_power_changes_nothing(site: Site, part: float) -> None:
    whole, split = site.accounts(), site.accounts()
    for seconds, grid, clean, *powers in site.rows:
        whole.step(block([[0.0, grid, clean, *powers], [seconds, grid, clean, *powers]]))
        first = [seconds * part, grid, clean, *powers]
        second = [seconds - seconds * part, grid, clean, *powers]
        split.step(block([[0.0, grid, clean, *powers], first, second]))
    assert split.stock() == pytest.approx(whole.stock(), rel=1e-9, abs=1e-6)
    assert split.ledger() == pytest.approx(whole.ledger(), rel=1e-9, abs=1e-6)
    before, after = unpack(whole.window(0, 900))[0], unpack(split.window(0, 900))[0]
    for name in OUTPUTS:
        assert after[name] == pytest.approx(before[name], rel=1e-9, abs=1e-6, nan_ok=True), name


@given(sites())
def test_an_intensity_lies_between_those_of_its_inflows(site: Site) -> None:
    accounts = site.accounts()
    made = [f for role, f in zip(site.roles, site.factors, strict=True) if role in ROLES[1:6]]
    for row in site.rows:
        store = unpack(accounts.step(block([[0.0, *row[1:]]])))[0]["battery_intensity"]
        found = unpack(accounts.step(block([row])))[0]
        if isnan(found["emission_intensity"]):
            continue
        known = [x for x in (*made, row[1], found["battery_intensity"], store) if not isnan(x)]
        assert min(known) * (1 - 1e-8) <= found["emission_intensity"] <= max(known) * (1 + 1e-8)


@given(GRID, st.floats(1, 1e6), st.floats(1, 1e6))
def test_with_the_grid_alone_the_intensity_is_the_grids(grid: float, before: float, now: float) -> None:
    accounts = Accounts(["grid"], [0])
    for row in unpack(accounts.step(block([[0.0, grid, nan, before], [1.0, grid, nan, now]]))):
        assert row["emission_intensity"] == pytest.approx(grid, rel=1e-12)


@given(st.data(), st.lists(st.sampled_from(ROLES), min_size=1, max_size=5))
def test_no_number_makes_an_infinity_or_a_share_beyond_one(data: st.DataObject, roles: list[str]) -> None:
    accounts = Accounts(roles, [500.0] * len(roles), windows=1)
    rows = data.draw(st.lists(st.lists(st.floats(), min_size=3 + len(roles), max_size=3 + len(roles)), max_size=6))
    found = unpack(accounts.step(block(rows)) + accounts.window(0, 900))
    for row in found:
        assert all(isnan(value) or isfinite(value) for value in row.values())
        for name in ("clean_share", "self_consumption", "self_sufficiency", "coverage"):
            assert isnan(row[name]) or 0 <= row[name] <= 1
    assert all(isfinite(value) for value in (*accounts.stock(), *accounts.ledger()))


@given(sites(), st.data())
def test_a_restart_anywhere_changes_nothing(site: Site, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(site.rows)))
    straight, first, second = site.accounts(), site.accounts(), site.accounts()
    straight.step(block(site.rows))
    first.step(block(site.rows[:cut]))
    second.restore(first.state())
    second.step(block(site.rows[cut:]))
    assert second.state() == straight.state()


@given(st.binary(max_size=900))
def test_random_bytes_are_no_state(state: bytes) -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], windows=1)
    before = accounts.state()
    with pytest.raises(ValueError, match="state"):
        accounts.restore(state)
    assert accounts.state() == before
