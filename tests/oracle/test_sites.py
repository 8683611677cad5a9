"""Random metering trees with hybrids: the books close, groups are the tree's, and no load is invented."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.oracle.flows import Day, Flows, State
from tests.oracle.instants import instant
from tests.oracle.invent import Invention, Plan, document, invented, registers
from tests.oracle.ledger import KINDS, Ledger
from tests.oracle.records import record
from tests.oracle.steps import Steps, added, floats
from tests.oracle.wiring import SUB_METERS

SHORT = Plan(steps=2, step=1200, silences=3)
"""Forty minutes: a quarter's edge inside of a step, and silences across both."""
LOUD = Plan(steps=2, step=1200, silences=0)
seeds = st.integers(0, 2**32)


def own_consumption(invention: Invention) -> list[dict[str, Fraction]]:
    """Return what hybrids draw at rest in each step, W, by the sub-meter that measures it ("" for none)."""
    day = invention.day
    flows = Flows(day, day.end)
    found: list[dict[str, Fraction]] = []
    for number in range(2):
        time, drawn = day.begin + number * SHORT.step, dict[str, Fraction]()
        for name, (device, *_) in flows.nodes.items():
            if device.terminal is not None:
                t = added(
                    [
                        day.readings[name][key]
                        for key in ("bridge", "grid_port", "backup_power")
                        if key in day.readings[name]
                    ]
                ).at(time)
                net = flows.truth(name, time).net
                assert net is not None
                assert t is not None
                place = next((above.name for above in flows.site.above(device) if above.role in SUB_METERS), "")
                drawn[place] = drawn.get(place, Fraction(0)) + net - t
        found.append(drawn)
    return found


def true_load(invention: Invention) -> Steps:
    """Return the power that is used, W: what hangs on the meters, and the hybrids' own consumption."""
    day = invention.day
    drawn = Steps.every(
        day.begin, SHORT.step, [sum(found.values(), Fraction(0)) for found in own_consumption(invention)]
    )
    return added([*invention.used.values(), drawn])


@pytest.mark.slow(4)
@given(seeds)
@settings(max_examples=500)
def test_the_books_of_each_window_close_exactly(seed: int) -> None:
    invention = invented(seed, SHORT)
    day = invention.day
    for seen in (day.end, day.begin + 1500):
        ledger = Ledger(day, seen)
        for kind in ("15m", "1h"):
            for account in ledger.windows(kind):
                assert account.gaps_in_books() == (0, 0, 0, 0)
                assert account.energy["load"] >= 0


@pytest.mark.slow(4)
@given(seeds)
@settings(max_examples=500)
def test_without_a_silence_the_load_is_what_was_used_and_groups_are_the_trees(seed: int) -> None:
    invention = invented(seed, LOUD)
    day = invention.day
    account = Ledger(day).account("all", int(day.begin), int(day.end))
    assert account.energy["load"] == true_load(invention).energy(day.begin, day.end)
    assert (account.energy["unaccounted"], account.coverage) == (Fraction(0), Fraction(1))
    expected: dict[str, Fraction] = {}
    drawn = own_consumption(invention)
    for meter in day.site.devices:
        if meter.role in SUB_METERS:
            used = invention.used[meter.name].energy(day.begin, day.end)
            assert used is not None
            used += sum((found.get(meter.name, Fraction(0)) for found in drawn), Fraction(0)) * LOUD.step / 3600
            expected[meter.group] = expected.get(meter.group, Fraction(0)) + used
    assert account.groups == expected


@pytest.mark.slow(4)
@given(seeds)
@settings(max_examples=500)
def test_no_load_is_invented_while_a_flow_is_unknown(seed: int) -> None:
    """What is booked as load is what was used in the spans whose flows are all known, and not a watt-hour more."""
    invention = invented(seed, SHORT)
    assume(invention.day.site.netting == "busbar")
    ledger = Ledger(invention.day)
    load = true_load(invention)
    names = [name for name, (device, *_) in ledger.flows.nodes.items() if device.role not in SUB_METERS]
    for booking in ledger.bookings:
        states = [ledger.flows.flow(name, booking.begin).state for name in names]
        if max(states) is State.KNOWN:
            assert booking.energy["load"] == load.energy(booking.begin, booking.end)
            continue
        worst = max(ledger.flows.flow(name, booking.begin).state for name in ledger.members(""))
        assert not booking.priced or worst <= State.LATE
        if worst is State.UNKNOWN:
            assert booking.energy["load"] == 0
            assert not booking.covered


@given(seeds)
@settings(max_examples=40)
def test_settled_gaps_have_the_counters_energy_whatever_the_windows(seed: int) -> None:
    """A plain device's energy of the day is its counter's, when each silence ends before the day and has a counter."""
    invention = invented(seed, SHORT)
    day = invention.day
    ended = {
        device.name
        for device in day.site.devices
        if device.counters and all(end < day.end for _, end in day.silences.get(device.name, ()))
    }
    roofs = [device for device in day.site.devices if device.role == "pv"]
    assume(all(device.terminal is None and device.name in ended for device in roofs))
    account = Ledger(day).account("all", int(day.begin), int(day.end))
    expected = sum((registers(day, device.name, day.end)["power+"] for device in roofs), Fraction(0))
    assert float(account.energy["pv"]) == pytest.approx(float(expected))


@given(seeds, st.integers(1, 2399))
@settings(max_examples=100)
def test_the_price_lies_between_those_of_the_inflows(seed: int, second: int) -> None:
    day = invented(seed, SHORT).day
    told = instant(day, day.begin + second)
    assume(told.emission_intensity is not None)
    assert told.emission_intensity is not None
    prices = [told.grid_intensity, told.battery_intensity, Fraction(0), Fraction(762), Fraction(650)]
    assert (
        0 <= told.emission_intensity <= max(price for price in prices if price is not None) * (1 + Fraction(1, 10**9))
    )


@pytest.mark.slow(2)
@given(seeds, st.integers(1, 2399))
@settings(max_examples=100)
def test_a_cut_in_an_interval_changes_nothing(seed: int, second: int) -> None:
    day = invented(seed, LOUD).day
    name = day.site.devices[0].name
    steps = day.power(name)
    cut = steps.replaced(day.begin + second, day.begin + second + 1, steps.at(day.begin + second))
    other = Day(day.site, {**day.readings, name: {"power": cut}}, day.signal)
    for left, right in zip(Ledger(day).windows("15m"), Ledger(other).windows("15m"), strict=True):
        assert record(left) == pytest.approx(record(right), rel=1e-12, abs=1e-9)


@given(seeds, st.sampled_from([60, 300, 900]))
@settings(max_examples=50)
def test_ticks_change_nothing_while_flows_change_at_their_ends(seed: int, tick: int) -> None:
    day = invented(seed, Plan(steps=4, step=900, silences=0)).day
    (exact,), (sampled,) = Ledger(day).windows("1h"), Ledger(day.sampled(tick)).windows("1h")
    assert record(sampled) == pytest.approx(record(exact), rel=1e-12, abs=1e-9)


def test_a_day_can_be_written_down_and_is_the_same_for_the_same_seed() -> None:
    text = json.dumps(document(invented(7).day))
    assert json.dumps(document(invented(7).day)) == text
    assert set(json.loads(text)) == {"site", "devices", "steps", "silences", "signal"}


def test_registers_hold_power_and_what_was_counted() -> None:
    invention = invented(7, Plan(steps=2, step=1800, silences=0))
    steps = invention.day.power("incomer-0")
    begin = invention.day.begin
    held = registers(invention.day, "incomer-0", begin + 2700)
    first, second = steps.at(begin), steps.at(begin + 1800)
    assert first is not None
    assert second is not None
    assert held["power"] == second
    assert held["power+"] - held["power-"] == first / 2 + second / 4


def test_the_quarters_of_a_day_of_25_hours_add_up_to_the_day() -> None:
    """Berlin, 25 October 2026: 24 October 22:00 UTC to 25 October 23:00 UTC."""
    ledger = Ledger(invented(3, Plan(steps=100, begin=1_792_879_200, timezone="Europe/Berlin")).day)
    (day,) = ledger.windows("1d")
    quarters = ledger.windows("15m")
    assert (day.complete, len(quarters)) == (True, 100)
    for kind in KINDS:
        assert day.energy[kind] == sum((quarter.energy[kind] for quarter in quarters), Fraction(0))
        assert day.carbon[kind] == sum((quarter.carbon[kind] for quarter in quarters), Fraction(0))


@pytest.mark.parametrize("seed", range(6))
def test_a_whole_day_closes_in_every_window(seed: int) -> None:
    ledger = Ledger(invented(seed).day)
    for kind in ("1h", "1d", "1mo"):
        for account in ledger.windows(kind):
            assert floats(*account.gaps_in_books()) == [0, 0, 0, 0]
