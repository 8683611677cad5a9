"""Events of an impossible balance, and the state that withholds its results; expected values by hand."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.accounts.balance import (
    FIELDS_WITHOUT_POWER,
    PERSISTENT_SECONDS,
    RELEASE_SECONDS,
    Balance,
    SubMeterSurplus,
    without_meter_values,
)
from wattgram.base.record import Record, Series, record
from wattgram_ext.intensity import OUTPUTS, Accounts

Tick = dict[str, object]

SOUND: Tick = {
    "load_power": 150e3,
    "grid_import_power": 100e3,
    "grid_export_power": 0.0,
    "pv_power": 50e3,
    "coverage": 1.0,
}
SWAPPED: Tick = {"grid_import_power": 0.0, "grid_export_power": 100e3, "pv_power": 50e3, "coverage": 1.0}
"""A reversed incomer of 100 kW import: inflow 50 kW, outflow 100 kW."""

WITHOUT_ROOF: Tick = {"grid_import_power": 0.0, "grid_export_power": 100e3, "coverage": 0.5}
BLIND: Tick = {"pv_power": 50e3, "coverage": 0.0}
"""The incomer does not answer."""

CLOSED_WORKS: Tick = {"grid_import_power": 0.0, "grid_export_power": 100e3, "pv_power": 97e3, "coverage": 1.0}
"""An inverter shows 3 % less than its output, and all is exported: 3.1 % of the inflow are missing."""


def run(
    balance: Balance, ticks: Sequence[Tick], seconds: float = 1.0
) -> tuple[Balance, list[tuple[int, str]], list[bool]]:
    """Return the state after these ticks, the events with their tick's number, and whether each was withheld."""
    events: list[tuple[int, str]] = []
    withheld: list[bool] = []
    for number, tick in enumerate(ticks, 1):
        balance, verdict = balance.advance(tick, seconds)
        events += [(number, occurrence.event) for occurrence in verdict.occurrences]
        withheld.append(verdict.withheld)
    return balance, events, withheld


def test_a_fault_and_its_end_are_reported_after_five_ticks_in_a_row() -> None:
    _, events, withheld = run(Balance(), [*[SWAPPED] * 20, *[SOUND] * 20])
    assert events == [(5, "balance fault"), (25, "balance restored")]
    assert not any(withheld)


def test_alternating_faulty_and_sound_ticks_change_nothing() -> None:
    _, events, _ = run(Balance(), [*[SWAPPED] * 4, SOUND] * 200)
    assert events == []


def test_the_event_of_a_fault_names_the_cause() -> None:
    balance, _, _ = run(Balance(), [SWAPPED] * 4)
    _, verdict = balance.advance(SWAPPED, 1.0)
    detail = "the outflow exceeds the inflow: a meter is reversed or missing"
    assert verdict.occurrences == (("balance fault", detail),)


def test_absent_and_nan_values_are_the_same() -> None:
    tick = {**dict.fromkeys(OUTPUTS, nan), **SWAPPED}
    assert run(Balance(), [tick] * 300)[1:] == run(Balance(), [SWAPPED] * 300)[1:]


def test_after_five_minutes_with_all_meters_present_the_balance_is_withheld() -> None:
    balance, events, withheld = run(Balance(), [SWAPPED] * 400)
    assert events == [(5, "balance fault"), (300, "balance withheld")]
    assert withheld == [False] * 299 + [True] * 101
    assert balance.withheld


def test_the_event_of_a_withheld_balance_names_the_remedy() -> None:
    balance, _, _ = run(Balance(), [SWAPPED] * 299)
    _, verdict = balance.advance(SWAPPED, 1.0)
    (occurrence,) = verdict.occurrences
    assert occurrence.detail == (
        "inflow 50.000 kW, outflow 100.000 kW, for 5 min with all meters present: run wattgram check --live, set "
        "invert = true for the reversed meter, or add the missing meter; results are published again after such a "
        "change, or after 24 h without a fault"
    )


def test_a_balance_with_a_swapped_incomer_stays_withheld_by_day() -> None:
    # Ticks of a minute: a night of faults, then ten hours in which it looks right, and the next night.
    day = [*[SWAPPED] * 840, *[SOUND] * 600]
    _, events, withheld = run(Balance(), day * 3, 60.0)
    assert events == [(5, "balance fault"), (5, "balance withheld")]
    assert all(withheld[4:])


def test_after_a_sound_day_the_balance_is_published_again() -> None:
    balance, _, _ = run(Balance(), [SWAPPED] * 10, 60.0)
    balance, events, withheld = run(balance, [SOUND] * 1441, 60.0)
    assert events == [(1440, "balance restored")]
    assert withheld == [True] * 1439 + [False] * 2
    _, events, _ = run(balance, [SWAPPED] * 5, 60.0)
    assert events == [(5, "balance fault"), (5, "balance withheld")]


def test_five_faulty_ticks_restart_the_sound_day_and_a_single_tick_does_not() -> None:
    balance, _, _ = run(Balance(), [SWAPPED] * 10, 60.0)
    # A step of the load between the readings of two meters looks like a fault for a tick.
    assert run(balance, [*[SOUND] * 1000, SWAPPED, *[SOUND] * 440], 60.0)[1] == [(1441, "balance restored")]
    assert run(balance, [*[SOUND] * 1000, *[SWAPPED] * 5, *[SOUND] * 1000], 60.0)[1] == []


def test_a_balance_with_a_missing_meter_proves_no_fault() -> None:
    _, events, withheld = run(Balance(), [WITHOUT_ROOF] * 4000)  # the roof may supply what is exported
    assert events == []
    assert not any(withheld)


def test_small_meter_errors_withhold_nothing() -> None:
    _, events, withheld = run(Balance(), [CLOSED_WORKS] * 4000)
    assert events == [(5, "balance fault")]
    assert not any(withheld)
    assert run(Balance(gross_imbalance=0.02), [CLOSED_WORKS] * 300)[1][-1] == (300, "balance withheld")


def test_fewer_than_five_sound_ticks_do_not_end_a_fault() -> None:
    # Clouds: 4 of 34 s are sound. The 300 s are full in the tenth round, after 9 x 34 + 30 s.
    _, events, _ = run(Balance(), [*[SWAPPED] * 30, *[SOUND] * 4] * 20)
    assert events == [(5, "balance fault"), (336, "balance withheld")]


def test_five_sound_ticks_end_a_fault() -> None:
    _, _, withheld = run(Balance(), [*[SWAPPED] * 290, *[SOUND] * 5] * 20)
    assert not any(withheld)


def test_time_without_the_incomer_does_not_count_as_sound() -> None:
    balance, _, _ = run(Balance(), [SWAPPED] * 10, 60.0)
    assert run(balance, [*[SOUND] * 1439, *[BLIND] * 1000, SOUND], 60.0)[1] == [(2440, "balance restored")]


def test_five_ticks_are_needed_at_a_long_interval() -> None:
    assert run(Balance(), [SWAPPED] * 10, 600.0)[1] == [(5, "balance fault"), (5, "balance withheld")]


def test_a_pause_does_not_count_as_faulty() -> None:
    assert not any(run(Balance(), [SWAPPED] * 4000, 0.0)[2])


def submeters(residual: float) -> Tick:
    return SOUND | {"residual_power": residual}


@pytest.mark.parametrize(
    ("tick", "exceeded"),
    [
        (submeters(3001.0), True),  # 2 % of 150 kW of inflow
        (submeters(2999.0), False),
        (submeters(-150e3), False),  # some loads have no sub-meter
        ({"load_power": 1000.0, "grid_import_power": 1000.0, "residual_power": 101.0}, True),  # 2 x 50 W
        ({"load_power": 1000.0, "grid_import_power": 1000.0, "residual_power": 99.0}, False),
    ],
)
def test_sub_meters_above_the_load_are_reported(tick: Tick, exceeded: bool) -> None:
    assert run(Balance(), [tick] * 400)[1] == ([(300, "sub-meters exceed load")] if exceeded else [])


def test_sub_meters_are_not_compared_while_the_inflow_is_unknown() -> None:
    """A hybrid without a split is in the load, and in no inflow: 2 % of the known inflow would be too strict."""
    unsplit = submeters(12e3) | {"grid_import_power": 0.0, "pv_power": nan, "coverage": 1 / 3}
    balance, events, withheld = run(Balance(), [unsplit] * 400)
    assert (events, any(withheld)) == ([], False)
    assert run(balance, [submeters(12e3)] * 300)[1] == [(300, "sub-meters exceed load")]


def test_the_event_of_sub_meters_gives_their_power_and_the_load() -> None:
    balance, _, _ = run(Balance(), [submeters(12e3)] * 299)
    _, verdict = balance.advance(submeters(12e3), 1.0)
    assert verdict.occurrences[0].detail.startswith("the sub-meters count 162.000 kW of a load of 150.000 kW")


def test_sub_meters_fit_again_after_five_minutes_in_a_row() -> None:
    ticks = [*[submeters(12e3)] * 300, *[submeters(0.0)] * 299, submeters(12e3), *[submeters(0.0)] * 300]
    assert run(Balance(), ticks)[1] == [(300, "sub-meters exceed load"), (900, "sub-meters fit again")]


def test_a_missing_sub_meter_changes_nothing() -> None:
    ticks = [*[submeters(12e3)] * 200, *[SOUND] * 500, *[submeters(12e3)] * 100]
    assert run(Balance(), ticks)[1] == [(800, "sub-meters exceed load")]


def test_sub_meters_are_not_compared_with_a_withheld_load() -> None:
    balance, _, _ = run(Balance(), [SWAPPED] * 300)
    assert run(balance, [submeters(12e3)] * 4000)[1] == []


def test_five_ticks_of_sub_meters_are_needed_at_a_long_interval() -> None:
    assert run(Balance(), [submeters(12e3)] * 10, 600.0)[1] == [(5, "sub-meters exceed load")]


def test_a_withheld_balance_restarts_the_time_of_sub_meters() -> None:
    balance, _, _ = run(Balance(), [*[submeters(12e3)] * 200, *[SWAPPED] * 300])
    balance, events, _ = run(balance, [SOUND] * 1440, 60.0)
    assert events == [(1440, "balance restored")]
    assert run(balance, [submeters(12e3)] * 300)[1] == [(300, "sub-meters exceed load")]


def restored(balance: Balance, into: Balance | None = None) -> Balance:
    return (into or Balance()).restored(json.loads(json.dumps(balance.dump())))


def test_a_restart_keeps_the_sound_time() -> None:
    balance, _, _ = run(Balance(), [SWAPPED] * 10, 60.0)
    balance, _, _ = run(balance, [SOUND] * 1000, 60.0)
    assert run(restored(balance), [SOUND] * 440, 60.0)[1] == [(440, "balance restored")]


def test_a_changed_wiring_restores_the_balance_at_its_first_sound_tick() -> None:
    balance, _, _ = run(Balance(wiring="incomer"), [SWAPPED] * 300)
    changed = restored(balance, Balance(wiring="incomer inverted"))
    assert run(changed, [BLIND, SOUND])[1:] == ([(2, "balance restored")], [True, False])
    _, events, withheld = run(changed, [*[SWAPPED] * 5, *[SOUND] * 100])  # the wiring was not the cause
    assert events == []
    assert all(withheld)
    assert all(run(restored(balance, Balance(wiring="incomer")), [SOUND] * 100)[2])


@pytest.mark.parametrize(
    "dumped",
    [
        None,
        [],
        {},
        "x",
        Balance().dump() | {"fault": -1.0},
        Balance().dump() | {"sound": nan},
        Balance().dump() | {"odd": float("inf")},
        Balance().dump() | {"withheld": 1},
        Balance().dump() | {"surplus": [False, 0]},
    ],
)
def test_an_invalid_state_is_refused(dumped: object) -> None:
    with pytest.raises(ValueError, match="expected a balance's state"):
        Balance().restored(dumped)


SERIES = Series("emission", (), (*OUTPUTS, "grid_tier", "grid_age", "revision"))


def test_a_withheld_record_keeps_the_fields_without_power() -> None:
    full = record(SERIES, 7, {name: float(number) for number, name in enumerate(SERIES.fields, 1)})
    remaining = without_meter_values(full).as_dict()
    assert remaining == {"coverage": 0.0, **{name: full[name] for name in FIELDS_WITHOUT_POWER}}
    assert without_meter_values(full).time == 7


def test_a_withheld_record_equals_the_record_without_any_power() -> None:
    def accounts_record(*powers: float) -> Record:
        accounts = Accounts(["grid", "pv", "battery", "load"], [0.0] * 4, columns=("captured",))
        row = accounts.step(struct.pack("8d", 1.0, 558.1, 0.3, *powers, 12.0))
        return Record(Series("emission", (), OUTPUTS), 0, row)

    without = accounts_record(nan, nan, nan, nan)
    assert without_meter_values(accounts_record(100e3, 50e3, 5e3, 20e3)).as_dict() == without.as_dict()
    assert without.as_dict() == {"grid_intensity": 558.1, "captured": 12_000.0, "coverage": 0.0}


TICKS = st.lists(
    st.tuples(
        st.sampled_from([SOUND, SWAPPED, WITHOUT_ROOF, BLIND, CLOSED_WORKS, submeters(12e3)]),
        st.sampled_from([0.0, 1.0, 60.0, 3600.0]),
        st.integers(1, 30),
    ),
    max_size=12,
)


def unrolled(runs: list[tuple[Tick, float, int]]) -> list[tuple[Tick, float]]:
    return [(tick, seconds) for tick, seconds, count in runs for _ in range(count)]


@given(TICKS)
def test_nothing_is_withheld_without_five_minutes_of_gross_faults_with_all_meters_present(
    runs: list[tuple[Tick, float, int]],
) -> None:
    balance, fault_seconds = Balance(), 0.0
    for tick, seconds in unrolled(runs):
        fault_seconds += seconds if tick is SWAPPED else 0.0
        balance, verdict = balance.advance(tick, seconds)
        if verdict.withheld:
            assert fault_seconds >= PERSISTENT_SECONDS
            break


@given(TICKS)
def test_a_withheld_balance_is_published_only_after_a_sound_day(
    runs: list[tuple[Tick, float, int]],
) -> None:
    balance, _, _ = run(Balance(), [SWAPPED] * 300)
    sound, faults = 0.0, 0
    for tick, seconds in unrolled(runs):
        if tick not in (BLIND, WITHOUT_ROOF):
            faults = faults + 1 if "load_power" not in tick else 0
        sound = 0.0 if faults >= 5 else sound + seconds * ("load_power" in tick)
        balance, verdict = balance.advance(tick, seconds)
        assert verdict.withheld is (sound < RELEASE_SECONDS)
        if not verdict.withheld:
            break


@given(TICKS, st.integers(0, 100))
def test_a_restart_changes_nothing(runs: list[tuple[Tick, float, int]], at: int) -> None:
    uninterrupted = restarted = Balance()
    for number, (tick, seconds) in enumerate(unrolled(runs)):
        if number == at:
            restarted = restored(restarted)
        uninterrupted, verdict = uninterrupted.advance(tick, seconds)
        restarted, same = restarted.advance(tick, seconds)
        assert same == verdict
    assert restarted == uninterrupted


@given(TICKS)
def test_each_event_is_followed_by_its_opposite(runs: list[tuple[Tick, float, int]]) -> None:
    balance, events = Balance(), []
    for tick, seconds in unrolled(runs):
        balance, verdict = balance.advance(tick, seconds)
        events += [occurrence.event for occurrence in verdict.occurrences]
    meters = [event for event in events if event.startswith("sub-meters")]
    assert meters == (["sub-meters exceed load", "sub-meters fit again"] * len(meters))[: len(meters)]
    for before, after in zip(["balance restored", *events], events, strict=False):
        if after == "balance withheld":
            assert before == "balance fault" or before.startswith("sub-meters")


def test_a_new_state_has_no_fault() -> None:
    assert (Balance().withheld, Balance().faulty, Balance().surplus) == (False, False, SubMeterSurplus())
