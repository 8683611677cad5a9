"""Late energy apportioned to quarters of an hour by time; sums by hand."""

from __future__ import annotations

import json
from math import fsum, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.accounts.late_energy import MOST_LATE_ROWS, LateAmount, LateEnergy, LateRow, Span
from wattgram.base.clock import NS

QUARTER = 900 * NS


def quarter_end(time: int) -> int:
    return (time // QUARTER + 1) * QUARTER


def late_energy(channels: int = 2, sub_meters: tuple[int, ...] = ()) -> LateEnergy:
    return LateEnergy(channels, sub_meters, quarter_end)


def span(begin: float, end: float) -> Span:
    return Span(round(begin * NS), round(end * NS))


def times(rows: list[LateRow]) -> list[float]:
    return [row.time / NS for row in rows]


def test_energy_of_a_gap_is_shared_by_time_when_its_quarters_are_over() -> None:
    late = late_energy()
    late.add_gap(1, span(600, 900))
    late.add_gap(1, span(900, 1200))
    assert late.is_waiting(1)
    assert late.unknown
    amount = late.tell(1, 80.0, 4.0, span(1195, 1200))
    assert amount is not None
    assert amount.spans == (span(600, 1200),)
    (first,) = late.take(1200 * NS)
    assert (first.time, first.seconds) == (900 * NS, 300.0)
    assert first.powers == (0.0, 0.0)
    assert first.energies == (0.0, 0.0, 40.0, 2.0)
    (second,) = late.take(1800 * NS)
    assert (second.time, second.seconds, second.energies) == (1800 * NS, 300.0, (0.0, 0.0, 40.0, 2.0))
    assert late.take(2700 * NS) == []


def test_a_gap_that_ends_with_a_quarter_touches_no_other() -> None:
    late = late_energy()
    late.add_gap(0, span(0, 900))
    late.tell(0, 9.0, 0.0, span(899, 900))
    assert times(late.take(1800 * NS)) == [900.0]


def test_a_channel_that_is_still_unknown_is_marked_and_a_later_row_contains_all() -> None:
    late = late_energy()
    late.add_gap(0, span(100, 400))
    late.add_gap(1, span(200, 300))
    late.tell(1, 5.0, 0.0, span(299, 300))
    (row,) = late.take(900 * NS)
    assert isnan(row.powers[0])
    assert row.energies == (0.0, 0.0, 5.0, 0.0)
    late.add_gap(0, span(400, 1000))
    late.tell(0, 90.0, 0.0, span(999, 1000))
    (row,) = late.take(1000 * NS)
    assert (row.time, row.seconds, row.powers) == (900 * NS, 800.0, (0.0, 0.0))
    assert row.energies == pytest.approx((80.0, 0.0, 5.0, 0.0))


def test_a_gap_that_nothing_tells_stays_unknown_in_its_quarter_alone() -> None:
    late = late_energy()
    late.add_gap(0, span(100, 200))
    late.give_up(0)
    late.add_gap(1, span(300, 400))
    late.tell(1, 5.0, 0.0, span(399, 400))
    (row,) = late.take(900 * NS)
    assert isnan(row.powers[0])
    late.add_gap(1, span(1000, 1100))
    late.tell(1, 5.0, 0.0, span(1099, 1100))
    (row,) = late.take(1800 * NS)
    assert (row.powers, row.seconds) == ((0.0, 0.0), 100.0)


def test_a_sub_meter_leaves_the_load_known() -> None:
    late = late_energy(sub_meters=(1,))
    late.add_gap(1, span(100, 200))
    late.tell(1, 5.0, 0.0, span(199, 200))
    (row,) = late.take(900 * NS)
    assert (row.seconds, row.powers, row.energies) == (0.0, (0.0, 0.0), (0.0, 0.0, 5.0, 0.0))


def test_late_fuel_belongs_to_the_gap_of_its_generator() -> None:
    late = late_energy()
    late.add_gap(0, span(600, 1200))
    late.tell(0, 10.0, 0.0, span(1199, 1200))
    late.add_fuel(0, 6.0, span(1200, 1201))
    first, second = late.take(1800 * NS)
    assert (first.carbon[0], second.carbon[0]) == (3.0, 3.0)
    assert isnan(first.carbon[1])


def test_undated_energy_belongs_to_totals() -> None:
    late = late_energy()
    late.add_undated_gap(0)
    assert late.tell(0, 7.0, 1.0, span(10, 11)) is None
    assert late.take_totals() == [7.0, 1.0, 0.0, 0.0]
    assert late.take_totals() is None
    assert late.take(900 * NS) == []


def test_energy_of_a_time_of_no_length_belongs_to_totals() -> None:
    late = late_energy()
    assert late.tell(1, 7.0, 1.0, span(10, 10)) is None
    assert late.take_totals() == [0.0, 0.0, 7.0, 1.0]
    assert late.take(900 * NS) == []


def test_energy_older_than_the_history_is_a_row_in_which_nothing_is_known() -> None:
    late = late_energy()
    assert late.take_old() is None
    late.add_old(LateAmount(1, (span(0, 900),), 40.0, 2.0, 3.0))
    late.add_old(LateAmount(1, (span(900, 1800),), 10.0, 0.0))
    row = late.take_old()
    assert row is not None
    assert (row.seconds, row.energies) == (0.0, (0.0, 0.0, 50.0, 2.0))
    assert all(isnan(power) for power in row.powers)
    assert isnan(row.carbon[0])
    assert row.carbon[1] == 3.0
    assert late.take_old() is None
    assert late.take(1800 * NS) == []


def test_an_amount_is_divided_by_time() -> None:
    amount = LateAmount(0, (span(0, 300), span(600, 700)), 40.0, 4.0, 8.0)
    assert amount.within(0, 200 * NS) == LateAmount(0, (span(0, 200),), 20.0, 2.0, 4.0)
    assert amount.within(200 * NS, 2**62) == LateAmount(0, (span(200, 300), span(600, 700)), 20.0, 2.0, 4.0)
    assert amount.within(300 * NS, 600 * NS) is None


def test_a_long_gap_gives_its_rows_in_steps_in_order() -> None:
    late, restored = late_energy(), late_energy()
    late.add_gap(0, span(450, 400 * 86400))
    late.tell(0, 400 * 86400 - 450, 0.0, span(0, 1))
    time, rows = 400 * 86400 * NS, []
    while late.is_due(time):
        step = late.take(time)
        assert len(step) <= MOST_LATE_ROWS
        rows += step
        if len(rows) == 5 * MOST_LATE_ROWS:  # a restart between two steps
            restored.restore(json.loads(json.dumps(late.dump())))
            late = restored
    assert times(rows) == [900.0 * number for number in range(1, 38_401)]
    assert [row.energies[0] for row in rows] == pytest.approx([450.0, *[900.0] * 38_399])
    assert [row.seconds for row in rows[:2]] == [450.0, 900.0]


def test_the_price_of_late_energy_is_that_of_the_grid_s_own_gap() -> None:
    late = LateEnergy(2, (), quarter_end, priced=(0,))
    late.add_gap(0, span(100, 200))
    late.add_gap(1, span(100, 600))
    late.tell(0, 5.0, 0.0, span(0, 1))
    late.tell(1, 5.0, 0.0, span(0, 1))
    (row,) = late.take(900 * NS)
    assert row.spans == (span(100, 200),)
    assert row.seconds == 500.0


def test_the_state_survives_a_restart() -> None:
    late, restored = late_energy(), late_energy()
    late.add_gap(0, span(600, 1200))
    late.add_gap(1, span(700, 800))
    late.tell(1, 5.0, 0.0, span(799, 800))
    late.add_undated_gap(0)
    late.add_old(LateAmount(0, (span(0, 10),), 1.0, 2.0, 3.0))
    restored.restore(json.loads(json.dumps(late.dump())))
    assert restored.dump() == late.dump()
    assert str(restored.take(900 * NS)) == str(late.take(900 * NS))
    damaged: tuple[object, ...] = (None, [], "x", {}, late_energy(3).dump(), late.dump() | {"gaps": [[5, 3]]})
    for invalid in damaged:
        with pytest.raises(ValueError, match="expected"):
            late_energy().restore(invalid)


def test_the_state_of_an_older_version_keeps_its_gaps_and_amounts() -> None:
    # Commit 56e3734: ends of quarters in `due`, no `old`, and no channels of terminals behind the others.
    late = late_energy(3)
    late.restore(
        {
            "waiting": [[[1000 * NS, 1100 * NS]], []],
            "given_up": [[], []],
            "gaps": [[600 * NS, 1100 * NS]],
            "amounts": [[1, [[600 * NS, 1000 * NS]], 52.0, 4.0, 0.0]],
            "due": [900 * NS, 1800 * NS],
            "undated": [0],
            "totals": [7.0, 0.0, 0.0, 0.0],
        }
    )
    assert late.take_totals() == [7.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert late.is_waiting(0)
    rows = late.take(1800 * NS)
    assert times(rows) == [900.0, 1800.0]
    assert [row.energies[2:4] for row in rows] == [(39.0, 3.0), (13.0, 1.0)]  # 300 s and 100 s of 400 s
    assert isnan(rows[1].powers[0])


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 3000), st.integers(1, 3000), st.floats(0.0, 1e6)), max_size=12)
)
def test_no_late_energy_is_lost_or_counted_twice(gaps: list[tuple[int, int, int, float]]) -> None:
    """The last row of each quarter, of both channels whatever the order of gaps, contains all energy that was told."""
    late, time, told = late_energy(), 0, 0.0
    rows: dict[int, LateRow] = {}
    for channel, pause, length, energy in gaps:
        begin = time + pause
        time = begin + length
        late.add_gap(channel, span(begin, time))
        late.tell(channel, energy, 0.0, span(time - 1, time))
        told += energy
        rows |= {row.time: row for row in late.take(time * NS)}
    rows |= {row.time: row for row in late.take((time + 1000) * NS)}
    assert fsum(energy for row in rows.values() for energy in row.energies) == pytest.approx(told, rel=1e-9)
    assert all(row.seconds <= 900.0 for row in rows.values())
