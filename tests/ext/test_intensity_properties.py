"""Accounts on any site: the oracle's numbers and METHOD's invariants (4.11)."""

from __future__ import annotations

import struct
from dataclasses import replace
from math import isfinite, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram_ext.intensity import CLOSED, DETAILS, OUTPUTS, ROLES, Accounts

from tests.support.intensity_sites import DRAWN, GRID, PRODUCERS, Site, details, ended, same, sites, unpack
from tests.support.oracle_parts import Instant

pytestmark = pytest.mark.slow(1)

HALF_HOUR = 1800.0
EXTREME = st.sampled_from([0.0, 5e-324, 1e-300, 1e-15, 1e-6, 1.0, 3600.0, 1e6, 1e9, 1e12, 1e15])
ENDS = st.lists(st.tuples(*[st.sampled_from([0.0, nan, 900.0, 3600.0])] * 2), min_size=8, max_size=8)


@given(sites(), st.lists(st.booleans(), min_size=8, max_size=8))
def test_compiled_and_oracle_agree_on_ticks_windows_details_stock_and_ledger(site: Site, resets: list[bool]) -> None:
    accounts, oracle = site.accounts(), site.oracle()
    hours = 0.0
    for instant, reset in zip(site.instants, resets, strict=False):
        hours += max(instant.seconds, 0.0) / 3600
        same(site, unpack(accounts.step(site.block([instant])))[0], oracle.tick(instant), hours)
        for index in range(2):
            same(site, unpack(accounts.window(index, HALF_HOUR))[0], oracle.window(index, HALF_HOUR), hours)
            same(site, details(accounts, index), oracle.details(index), hours)
        rate = site.scale()[2]
        for found, expected in zip(accounts.ledger(), oracle.ledger(), strict=True):
            assert found == pytest.approx(float(expected), rel=1e-12, abs=1e-12 * rate * hours)
        energy, carbon = accounts.stock()
        assert energy == pytest.approx(float(oracle.pool.energy), rel=1e-12, abs=1e-12 * site.scale()[0])
        assert carbon == pytest.approx(float(oracle.pool.carbon), rel=1e-12, abs=1e-12 * rate)
        assert accounts.concentrated() == oracle.concentrated()
        if reset:
            accounts.reset(1)
            oracle.reset(1)


@given(sites())
def test_carbon_is_conserved_at_every_tick(site: Site) -> None:
    accounts = site.accounts()
    for instant in site.instants:
        accounts.step(site.block([instant]))
        inflow, to_load, to_export, lost, opening, unaccounted = accounts.ledger()
        outflow = to_load + to_export + lost + unaccounted + accounts.stock()[1]
        assert inflow + opening == pytest.approx(outflow, rel=1e-9, abs=1e-9 * max(1.0, inflow))


@given(sites(), st.integers(0, 7))
def test_carbon_is_conserved_over_every_window(site: Site, start: int) -> None:
    accounts = site.accounts()
    accounts.step(site.block(site.instants[:start]))
    accounts.reset(0)
    before, stored = accounts.ledger(), accounts.stock()[1]
    accounts.step(site.block(site.instants[start:]))
    found = (b - a for a, b in zip(before, accounts.ledger(), strict=True))
    inflow, to_load, to_export, lost, opening, unaccounted = found
    window = unpack(accounts.window(0, HALF_HOUR))[0]
    scale = sum(map(abs, accounts.ledger())) + stored
    if not isnan(window["emission"]):
        assert window["emission"] == pytest.approx(to_load, rel=1e-9, abs=1e-9 * scale)
    gained = accounts.stock()[1] - stored
    outflow = to_load + to_export + lost + unaccounted + gained
    assert inflow + opening == pytest.approx(outflow, rel=1e-9, abs=1e-9 * scale)


def closes(site: Site, window: dict[str, float], stock: tuple[float, float], hours: float) -> None:
    """METHOD-SITE 12: what came in is what went out, in energy and in carbon, and the stock changed by the rest."""

    def value(name: str) -> float:
        return 0.0 if isnan(window[name]) else window[name]

    for kind, load, scale, begin in (
        ("energy", "load_energy", site.scale()[0], stock[0]),
        ("emission", "emission", site.scale()[2], stock[1]),
    ):
        inflow = sum(value(f"{name}_{kind}") for name in ("grid_import", "pv", "generation", "battery_discharge"))
        outflow = sum(value(f"{name}_{kind}") for name in ("grid_export", "battery_charge", "unaccounted"))
        near = 1e-9 * (abs(inflow) + abs(outflow) + scale * hours)
        assert inflow == pytest.approx(outflow + value(load), rel=1e-9, abs=near), kind
        if not isnan(window[f"battery_stock_{kind}"]):
            change = value(f"battery_charge_{kind}") - value(f"battery_discharge_{kind}")
            change -= value(f"battery_loss_{kind}")
            assert window[f"battery_stock_{kind}"] - begin == pytest.approx(change, rel=1e-9, abs=near + 1e-9 * begin)


@given(sites(), st.integers(0, 7))
def test_the_record_of_a_window_closes(site: Site, start: int) -> None:
    accounts = site.accounts()
    accounts.step(site.block(site.instants[:start]))
    accounts.reset(0)
    stock = accounts.stock()
    accounts.step(site.block(site.instants[start:]))
    hours = sum(max(instant.seconds, 0.0) for instant in site.instants) / 3600
    closes(site, unpack(accounts.window(0, HALF_HOUR))[0], stock, hours)


@given(sites(), st.data())
def test_late_energy_closes_too_and_leaves_nothing_unaccounted(site: Site, data: st.DataObject) -> None:
    """Whatever was missing: late energy of every channel makes the load known, or the meters contradict each other."""
    site = replace(site, columns=(*(set(site.columns) - {"energy"}), "energy"))
    accounts = site.accounts()
    stock = accounts.stock()
    flat = (replace(instant, energy=((nan, nan),) * len(site.roles)) for instant in site.instants)
    accounts.step(site.block(flat))
    power = site.scale()[0]
    late = st.one_of(st.just(0.0), st.floats(1, 1e4))
    pairs = [(data.draw(late), data.draw(late)) for _ in site.roles]
    powers = tuple(data.draw(st.sampled_from([0.0, 0.0, nan])) for _ in site.roles)
    seconds = sum(max(instant.seconds, 0.0) for instant in site.instants)
    row = Instant(seconds, 500.0, 0.5, powers, tuple(pairs), (nan,) * len(site.roles))
    accounts.late(site.row(row))
    window = unpack(accounts.window(0, HALF_HOUR))[0]
    closes(site, window, stock, seconds / 3600 + 1e4 * len(site.roles) / power)
    inflow, to_load, to_export, lost, opening, unaccounted = accounts.ledger()
    outflow = to_load + to_export + lost + unaccounted + accounts.stock()[1]
    scale = inflow + 1e4 * len(site.roles)
    assert inflow + opening == pytest.approx(outflow, rel=1e-9, abs=1e-9 * scale)


@given(sites())
def test_groups_and_the_rest_are_the_load(site: Site) -> None:
    accounts = site.accounts()
    accounts.step(site.block(site.instants))
    seconds = sum(max(instant.seconds, 0.0) for instant in site.instants)
    window, parts = unpack(accounts.window(0, max(seconds, 1e-3)))[0], details(accounts, 0)
    groups = ("industry", "power", "building", "transport", "rest")
    if window["coverage"] < 1:  # a group's energy is told without a load, too
        return
    power, _, rate = site.scale()
    for kind, whole, scale in (("energy", "load_energy", power), ("emission", "emission", rate)):
        total = sum(parts[f"{group}_{kind}"] for group in groups)
        assert total == pytest.approx(window[whole], rel=1e-9, abs=1e-9 * scale, nan_ok=True)


@given(sites(), st.integers(1, 8))
def test_one_block_or_many_give_the_same_bytes(site: Site, cut: int) -> None:
    together, apart = site.accounts(), site.accounts()
    found = together.step(site.block(site.instants))
    assert found == apart.step(site.block(site.instants[:cut])) + apart.step(site.block(site.instants[cut:]))
    assert together.state() == apart.state()


@given(sites(), ENDS)
def test_replay_with_ends_in_a_long_block_gives_the_bytes_of_the_live_windows(
    site: Site, ends: list[tuple[float, float]]
) -> None:
    live, replay = site.accounts(), replace(site, columns=(*(set(site.columns) - {"ends"}), "ends")).accounts()
    marked = replace(site, columns=(*(set(site.columns) - {"ends"}), "ends"))
    block, rows, closed = b"", b"", b""
    place = 0
    for repeat in range(20):  # long enough to run without the interpreter's lock
        for instant, marks in zip(site.instants, ends, strict=False):
            rows += live.step(site.block([instant]))
            block += marked.row(instant, marks if repeat % 3 else (0.0, 0.0))
            for index, seconds in enumerate(marks if repeat % 3 else ()):
                if seconds > 0:
                    head = struct.pack("2d", place, index)
                    closed += head + live.window(index, seconds) + live.details(index)
                    live.reset(index)
            place += 1
    assert replay.step(block) == rows
    assert replay.closed() == closed
    assert replay.state() == live.state()
    assert replay.step(b"") == replay.closed() == b""


@given(sites(columns=("carbon", "certificates", "captured")), st.floats(0.05, 0.95))
def test_splitting_an_interval_of_constant_power_changes_nothing(site: Site, part: float) -> None:
    whole, split = site.accounts(), site.accounts()
    for instant in site.instants:
        still = replace(instant, seconds=0.0)
        # the first of two halves, then the second: what is counted over the interval is split with it
        parts = [
            replace(
                instant,
                seconds=instant.seconds * x,
                certificates=instant.certificates * x,
                captured=instant.captured * x,
            )
            for x in (part, 1 - part)
        ]
        whole.step(site.block([still, instant]))
        split.step(site.block([still, *parts]))
    scale = site.scale()[2]
    assert split.stock() == pytest.approx(whole.stock(), rel=1e-9, abs=1e-6)
    assert split.ledger() == pytest.approx(whole.ledger(), rel=1e-9, abs=1e-6)
    before, after = unpack(whole.window(0, 900))[0], unpack(split.window(0, 900))[0]
    for name in OUTPUTS:
        assert after[name] == pytest.approx(before[name], rel=1e-9, abs=1e-9 * scale, nan_ok=True), name
    before, after = details(whole, 0), details(split, 0)
    for name in DETAILS:
        assert after[name] == pytest.approx(before[name], rel=1e-9, abs=1e-9 * scale, nan_ok=True), name


@given(sites(columns=("energy", "soc", "certificates")))
def test_an_intensity_lies_between_those_of_its_inflows(site: Site) -> None:
    accounts = site.accounts()
    factors = [factor for role, factor in zip(site.roles, site.factors, strict=True) if role in PRODUCERS]
    for instant in site.instants:
        store = unpack(accounts.step(site.block([replace(instant, seconds=0.0)])))[0]["battery_intensity"]
        found = unpack(accounts.step(site.block([instant])))[0]
        if isnan(found["emission_intensity"]):
            continue
        known = [x for x in (*factors, instant.grid, found["battery_intensity"], store) if not isnan(x)]
        assert min(known) * (1 - 1e-8) <= found["emission_intensity"] <= max(known) * (1 + 1e-8)


@given(sites(columns=(), missing=False))
def test_without_pv_battery_and_genset_the_intensity_is_the_grids(site: Site) -> None:
    accounts = site.accounts()
    for instant in site.instants:
        idle = tuple(
            abs(power) if role in ("grid", "load") else 0.0
            for role, power in zip(site.roles, instant.powers, strict=True)
        )
        for seconds in (0.0, instant.seconds):
            row = unpack(accounts.step(site.block([replace(instant, seconds=seconds, powers=idle)])))[0]
            if row["load_power"] > 0:
                assert row["emission_intensity"] == pytest.approx(instant.grid, rel=1e-12)


@given(GRID, st.floats(1, 1e6), st.floats(1, 1e6))
def test_with_the_grid_alone_the_intensity_is_the_grids(grid: float, before: float, now: float) -> None:
    accounts = Accounts(["grid"], [0])
    for row in unpack(accounts.step(struct.pack("8d", 0.0, grid, nan, before, 1.0, grid, nan, now))):
        assert row["emission_intensity"] == pytest.approx(grid, rel=1e-12)


@given(sites(columns=("carbon",), missing=False))
def test_counters_equal_to_the_power_change_nothing(site: Site) -> None:
    by_power, by_counter = site.accounts(), replace(site, columns=(*site.columns, "energy"))
    counting = by_counter.accounts()
    for instant in site.instants:
        hours = max(instant.seconds, 0.0) / 3600
        counted = tuple((max(power, 0.0) * hours, max(-power, 0.0) * hours) for power in instant.powers)
        for seconds in (0.0, instant.seconds):
            metered = replace(instant, seconds=seconds, energy=counted)
            expected = unpack(by_power.step(site.block([metered])))[0]
            found = unpack(counting.step(by_counter.block([metered])))[0]
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9 * site.scale()[2], nan_ok=True)


@given(st.data(), st.lists(st.sampled_from(ROLES), min_size=1, max_size=5))
def test_no_number_makes_an_infinity_or_a_share_beyond_one(data: st.DataObject, roles: list[str]) -> None:
    accounts = Accounts(
        roles,
        [500.0] * len(roles),
        windows=1,
        columns=DRAWN,
        groups=["industry"] * len(roles),
        hour=0,
        capacity=1e4,
        self_discharge=0.1,
    )
    width = 3 + 4 * len(roles) + 8
    rest = st.lists(st.floats() | EXTREME, min_size=width - 2, max_size=width - 2)
    rows = [
        [data.draw(EXTREME), data.draw(EXTREME), *data.draw(rest)]  # else hardly a row has a length and a signal
        for _ in range(data.draw(st.integers(0, 6)))
    ]
    found = unpack(accounts.step(b"".join(struct.pack(f"{width}d", *row) for row in rows)) + accounts.window(0, 900))
    for row in (*found, *ended(accounts), details(accounts, 0)):
        assert all(isnan(value) or isfinite(value) for value in row.values())
        for name in ("clean_share", "self_consumption", "self_sufficiency", "coverage", "carbon_free_share"):
            assert isnan(row.get(name, nan)) or 0 <= row[name] <= 1
    assert all(isfinite(value) for value in (*accounts.stock(), *accounts.ledger()))
    Accounts(roles, [500.0] * len(roles), windows=1).restore(accounts.state())


@given(sites(), st.data())
def test_a_restart_anywhere_changes_nothing(site: Site, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(site.instants)))
    straight, first, second = site.accounts(), site.accounts(), site.accounts()
    straight.step(site.block(site.instants))
    first.step(site.block(site.instants[:cut]))
    second.restore(first.state())
    second.step(site.block(site.instants[cut:]))
    assert second.state() == straight.state()


@given(st.binary(max_size=2000))
def test_random_bytes_are_no_state(state: bytes) -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], windows=1)
    before = accounts.state()
    with pytest.raises(ValueError, match="state"):
        accounts.restore(state)
    assert accounts.state() == before


def test_a_row_of_closed_windows_has_outputs_and_details() -> None:
    assert (*OUTPUTS, *DETAILS) == CLOSED[2:]
    assert len(set(CLOSED)) == len(CLOSED)
