"""The comparison finds exactly the records that were lost, duplicated or misdated by hand.

A meter served its readings 1, 2, 3 ... at 0.00 s, 0.10 s, 0.20 s ... after T, each requested when the one before
was there, and the daemon stamped each 2 ms after it was served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from tests.faults.judge import judge
from tests.faults.meter import Had, Meter, Served, checks
from tests.faults.truth import MS, Held, Life, Offsets, Reading, Tick, Truth, Verdict
from tests.support.misbehaving_device import Server, until

T = 1_790_000_000_000 * MS  # a whole second
S = 1000 * MS
STEP = 100 * MS

COUNT = 50  # readings, 5 s
HAD = [Had(n + 1, T + n * STEP, T + (n + 1) * STEP) for n in range(COUNT)]


def reading(serial: int, *, late: int = 2 * MS) -> Reading:
    return Reading("meter", T + (serial - 1) * STEP + late, serial, checks("meter", serial))


def all_but(*missing: int) -> list[Reading]:
    return [reading(serial) for serial in range(1, COUNT + 1) if serial not in missing]


def verdict(
    readings: Iterable[Reading],
    *others: Held,
    truth: Truth | None = None,
    ticks: Sequence[Tick] = (),
    until: int = 0,
) -> Verdict:
    truth = truth or Truth({"meter": HAD}, [Life(T - S, None)], T + 6 * S)
    return judge(truth, [Held("database", list(readings), ticks), *others], {"meter": until})


def counts(found: Verdict) -> tuple[int, int, int]:
    return len(found.lost), len(found.duplicated), len(found.misdated)


def killed(at: float, **more: object) -> Truth:
    """The daemon was killed so many seconds after T, and lives again from 5 s on."""
    truth = Truth({"meter": HAD}, [Life(T - S, T + round(at * S)), Life(T + 5 * S, None)], T + 6 * S)
    return replace(truth, **more)  # type: ignore[arg-type]


def test_a_complete_run_has_no_findings() -> None:
    assert verdict(all_but()) == Verdict(records=50)


# lost


def test_a_missing_reading_is_lost() -> None:
    found = verdict(all_but(17))
    assert counts(found) == (1, 0, 0)
    assert found.lost[0][:2] == ("meter 17", "database")


def test_a_reading_in_delivery_is_not_lost_until_it_is_due() -> None:
    assert counts(verdict(all_but(48, 49, 50))) == (0, 0, 0)
    # The 50th is the last reading served, with no request after it, so the daemon may not have received it.
    truth = Truth({"meter": [*HAD[:-1], replace(HAD[-1], until=None)]}, [Life(T - S, None)], T + 6 * S)
    assert counts(verdict(all_but(48, 49, 50), truth=truth, until=50)) == (2, 0, 0)


def test_a_kill_may_lose_only_readings_younger_than_the_sync_period() -> None:
    # Killed at 4.05 s. Reading 30 was received at 3.0 s, 31 at 3.1 s: only 31 is younger than 1 s.
    assert counts(verdict(all_but(*range(31, 50)), truth=killed(4.05), until=50)) == (0, 0, 0)
    found = verdict(all_but(*range(30, 50)), truth=killed(4.05), until=50)
    assert counts(found) == (1, 0, 0)
    assert "had for 1.050 s before the end" in found.lost[0].said


def test_the_sync_period_excludes_time_in_which_the_machine_stood_still() -> None:
    stalls = [(T + 3 * S, T + round(3.5 * S)), (T + 40 * S, T + 41 * S)]
    assert counts(verdict(all_but(*range(26, 50)), truth=killed(4.05, stalls=stalls), until=50)) == (0, 0, 0)
    assert counts(verdict(all_but(*range(25, 50)), truth=killed(4.05, stalls=stalls), until=50)) == (1, 0, 0)


def test_missing_readings_of_an_incomplete_place_are_not_lost() -> None:
    mqtt = Held("MQTT", [reading(50)], [], whole=False)
    assert counts(verdict(all_but(), mqtt)) == (0, 0, 0)
    assert counts(verdict(all_but(), replace(mqtt, whole=True))) == (49, 0, 0)


# duplicated


def test_a_reading_at_two_times_is_duplicated() -> None:
    found = verdict([*all_but(), reading(17, late=60 * MS)])
    assert counts(found) == (0, 1, 0)
    assert found.duplicated[0][:2] == ("meter 17", "database")


def test_the_same_record_twice_is_no_duplicate() -> None:
    assert counts(verdict([*all_but(), *all_but()])) == (0, 0, 0)


def test_two_readings_of_one_key_are_a_duplicate_and_the_overwritten_reading_is_lost() -> None:
    over = Reading("meter", reading(17).time, 18, checks("meter", 18))
    found = verdict([*all_but(17, 18), over], Held("MQTT", all_but(), []))
    assert len(found.lost) == 1
    assert [finding.record for finding in found.duplicated] == [f"meter at {over.time // MS} ms"]


def test_readings_a_nanosecond_apart_have_one_time_in_mqtt() -> None:
    truth = faked((-1, 0), (2, -1))
    back = [reading(serial, late=2 * MS - S + 1) for serial in range(21, 51)]
    readings = [replace(served, time=served.time // MS * MS) for served in back]
    stored = [*shifted(0, 1, 20), *back]
    assert counts(verdict(stored, Held("MQTT", [*shifted(0, 1, 20), *readings], []), truth=truth)) == (0, 0, 0)
    # The database overwrote 11 to 20, whose times the readings 21 to 30 have.
    over = [*shifted(0, 1, 10), *readings]
    found = verdict(over, Held("MQTT", [*shifted(0, 1, 20), *readings], []), truth=truth)
    assert counts(found) == (10, 10, 0)


# misdated


@pytest.mark.parametrize("late", [-6 * MS, 106 * MS, 3600 * S, -3600 * S])
def test_a_time_before_the_answer_or_after_the_next_request_is_wrong(late: int) -> None:
    assert counts(verdict([*all_but(17), reading(17, late=late)])) == (0, 0, 1)


@pytest.mark.parametrize("late", [-1 * MS, 0, 1 * MS, 100 * MS])
def test_a_time_between_the_answer_and_the_next_request_is_right(late: int) -> None:
    assert counts(verdict([*all_but(17), reading(17, late=late)])) == (0, 0, 0)


def test_a_reading_that_no_meter_served_is_wrong() -> None:
    assert counts(verdict([*all_but(), reading(51)])) == (0, 0, 1)


def test_a_reading_whose_parts_do_not_belong_together_is_wrong() -> None:
    found = verdict([*all_but(17), replace(reading(17), checks=checks("meter", 18))])
    assert counts(found) == (0, 0, 1)
    assert "do not belong together" in found.misdated[0].said


# a clock that is set


def faked(*steps: tuple[float, float]) -> Truth:
    """From so many seconds after T on the daemon's clock is so many seconds ahead."""
    offsets = Offsets(tuple((T + round(at * S), round(by * S)) for at, by in steps))
    return Truth({"meter": HAD}, [Life(T - S, None)], T + 6 * S, offsets)


def shifted(by: float, first: int = 1, last: int = COUNT) -> list[Reading]:
    return [reading(serial, late=2 * MS + round(by * S)) for serial in range(first, last + 1)]


def test_readings_have_the_time_of_the_clock_as_it_stands() -> None:
    truth = faked((-1, 0), (2, 3600))
    assert counts(verdict([*shifted(0, 1, 20), *shifted(3600, 21)], truth=truth)) == (0, 0, 0)
    # The step is at reading 21; those within 50 ms of it may have either time: 21 itself, and 20, asked next at 2.0 s.
    assert counts(verdict(shifted(0), truth=truth)) == (0, 0, 29)


def test_after_a_step_backwards_the_time_may_continue_and_stored_readings_stay() -> None:
    truth = faked((-1, 0), (2, -1))
    assert counts(verdict(shifted(0), truth=truth)) == (0, 0, 0)
    # By the new clock the readings 21 to 30 have the times of 11 to 20.
    assert counts(verdict([*shifted(0, 1, 20), *shifted(-1, 21)], truth=truth)) == (0, 10, 0)
    assert counts(verdict([*shifted(0, 1, 20), *shifted(-1.008, 21)], truth=truth)) == (0, 0, 30)


def test_readings_of_a_clock_in_1970_have_the_time_of_the_set_clock() -> None:
    behind = -1_789_999_000.0
    truth = faked((-1, behind), (2, 0))
    assert counts(verdict(shifted(0), truth=truth)) == (0, 0, 0)
    assert counts(verdict([*shifted(behind, 1, 10), *shifted(0, 11)], truth=truth)) == (0, 0, 10)


# ticks


def tick(number: int, load: float = 30.0) -> Tick:
    """The tick so many half seconds after T; 10 W from the grid and 20 W of sun."""
    return Tick(T + number * S // 2, (("load_power", load), ("grid_import_power", 10.0), ("pv_power", 20.0)))


TICKS = [tick(number) for number in range(11)]
HALVES = Truth({"meter": HAD}, [Life(T - S, None)], T + 6 * S, tick=S // 2)


def test_a_missing_tick_is_lost() -> None:
    # The first reading was had at 0.1 s, the last at 5.0 s: ticks from 1.0 to 4.5 s are due.
    assert counts(verdict(all_but(), truth=HALVES, ticks=TICKS)) == (0, 0, 0)
    assert counts(verdict(all_but(), truth=HALVES, ticks=[*TICKS[:4], *TICKS[5:]])) == (1, 0, 0)
    assert counts(verdict(all_but(), truth=HALVES, ticks=TICKS[2:10])) == (0, 0, 0)


def test_a_tick_off_the_grid_or_without_balance_is_wrong() -> None:
    aside = replace(tick(4), time=tick(4).time + 3 * MS)
    assert counts(verdict(all_but(), truth=HALVES, ticks=[*TICKS, aside])) == (0, 0, 1)
    assert counts(verdict(all_but(), truth=HALVES, ticks=[*TICKS[:4], tick(4, 30.000001), *TICKS[5:]])) == (0, 0, 1)


def test_a_tick_with_two_contents_is_duplicated() -> None:
    empty = Tick(tick(4).time, (("coverage", 0.0),))
    found = verdict(all_but(), Held("MQTT", all_but(), [*TICKS[:4], empty, *TICKS[5:]]), truth=HALVES, ticks=TICKS)
    assert counts(found) == (0, 1, 0)


# what the daemon had


def test_a_reading_was_received_if_the_same_connection_sent_another_request() -> None:
    meter = Meter("meter", "grid", "meter", "100ms")
    meter.served += [Served(1, T, 1), Served(2, T + STEP, 1), Served(3, T + 9 * S, 1), Served(4, T + 10 * S, 2)]
    assert [served.until for served in meter.had()] == [T + STEP, None, None, None]


def test_a_reading_of_one_connection_is_not_received_by_a_request_of_another() -> None:
    meter = Meter("meter", "grid", "meter", "100ms")
    meter.served += [Served(1, T, 1), Served(2, T + STEP, 2), Served(3, T + 2 * STEP, 1)]
    assert [served.until for served in meter.had()] == [T + 2 * STEP, None, None]


def test_a_request_that_arrives_after_its_client_was_killed_is_not_taken_for_the_next_client_s() -> None:
    """The kernel sends a lost packet of a killed process again, and the device serves it beside the new process."""
    meter = Meter("meter", "grid", "meter", "100ms")
    ask = bytes.fromhex("0001 0000 0006 01 03 0000 0004")

    async def work() -> None:
        async with Server(meter) as server:
            clients = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
            await until(lambda: server.connections == 2)
            for reader, writer in clients:
                writer.write(ask)
                await reader.readexactly(9 + 8)
                writer.close()

    asyncio.run(work())
    assert [(served.serial, served.until) for served in meter.had()] == [(1, None), (2, None)]
