"""A scan of units that are silent, refuse everything, or are unknown: its rows, its time and the next steps."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence

import pytest
from wattgram.commands import scan_output
from wattgram.commands.device_scan import Row, Scan, ScanTarget, merged
from wattgram.commands.identify import IdentifiedDevice, catalogued
from wattgram.commands.progress import Progress
from wattgram_drivers.endpoint import parse

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad
from tests.support.command_runs import wattgram
from tests.support.field_devices import words_of
from tests.support.leaping_loop import LeapClock

DEVICES = catalogued()
LONGEST_SILENCE = 2.0  # s for a silent unit, where the host answers at all


class ScannedHost:
    """A scan of one server: its rows, the loop times at which they were shown, and its duration, s."""

    def __init__(self, server: bad.Server, units: Sequence[int] | None = None, silence: float = 0.06) -> None:
        self.shown: list[tuple[float, Row]] = []
        self.rows: list[Row] = []
        self.seconds = 0.0
        leaping_loop.run(self._run(server, units, silence))

    async def _run(self, server: bad.Server, units: Sequence[int] | None, silence: float) -> None:
        async with server:
            loop, clock = asyncio.get_running_loop(), LeapClock()
            place = parse(server.url)
            begun = loop.time()
            scan = Scan(
                ScanTarget(server.url, "host", (place,)),
                units,
                DEVICES,
                clock,
                Progress(io.StringIO(), clock),
                silence=silence,
                show=lambda row: self.shown.append((loop.time() - begun, row)),
            )
            await scan.run()
            self.seconds = loop.time() - begun
            self.rows = scan.found


@pytest.mark.parametrize("present", [1, 7, 20])
@pytest.mark.parametrize("lateness", [0.0, 0.1, 1.0])
def test_a_silent_unit_takes_two_seconds_at_most_where_the_host_answers(present: int, lateness: float) -> None:
    """20 units, one of which refuses everything after `lateness`; the others never answer."""
    late = bad.refuses(2)

    def answer(request: bad.Request) -> list[bad.Step]:
        return [bad.Step(lateness, step.data) for step in late(request)]

    behaviour = bad.by_unit({present: answer}, bad.silent)
    alone = ScannedHost(bad.Server(behaviour), [present])
    scan = ScannedHost(bad.Server(behaviour), range(1, 21))
    assert [unit for _, unit, _ in scan.rows] == [present]
    assert scan.seconds - alone.seconds <= 19 * LONGEST_SILENCE


def test_a_unit_that_answers_the_first_request_only_is_left_soon() -> None:
    seen: list[int] = []

    def behaviour(request: bad.Request) -> list[bad.Step]:
        seen.append(request.unit)
        return [bad.Step(0.02, request.right())] if seen.count(request.unit) == 1 else []

    scan = ScannedHost(bad.Server(behaviour), range(1, 6))
    assert [device.driver for _, _, device in scan.rows] == [""] * len(scan.rows)
    # The pause of 1 s after a connection; then for each unit four requests of 0.4 s and a new connection.
    assert scan.seconds <= 1.0 + 5 * 2.7


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_a_unit_that_refuses_everything_takes_two_seconds_at_most(code: int) -> None:
    scan = ScannedHost(bad.Server(bad.refuses(code)), [1])
    ((_, _, device),) = scan.rows
    assert device.refuses
    assert scan.seconds <= 1.0 + 2.0  # the pause of 1 s after the connection; then some 70 requests


@pytest.mark.parametrize("missed", [[], [0x84, 11], [0x84, 6]], ids=["silence", "gateway", "busy"])
def test_a_meter_that_misses_hurried_requests_is_found(missed: list[int]) -> None:
    """A meter of Eastron refuses registers that it lacks, and needs 60 ms between two requests (its manual)."""
    answers = words_of("eastron_sdm630", {})
    last = -1.0

    def behaviour(request: bad.Request) -> list[bad.Step]:
        nonlocal last
        pause, last = request.time - last, request.time
        if pause < 0.055:
            return [bad.Step(data=request.frame(bytes([request.code | 0x80, missed[1]])))] if missed else []
        if request.code == 3:
            return [bad.Step(data=request.frame(bytes([0x83, 2])))]
        return list(answers(request))

    scan = ScannedHost(bad.Server(behaviour), [1])
    assert [device.driver for _, _, device in scan.rows] == ["eastron_sdm630"]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 77])
def test_units_that_refuse_everything_are_one_row_with_a_next_step(code: int) -> None:
    """A gateway answers each of its units with the same exception."""
    scan = ScannedHost(bad.Server(bad.refuses(code)), silence=0.0)
    ((place, unit, device),) = scan.rows
    assert (unit, device.driver, device.refuses) == (1, "", True)
    assert len(device.units) == 16  # the default units of the catalogue and the last units
    assert [row for _, row in scan.shown] == scan.rows
    (entry,) = scan_output.entries(scan.rows)
    assert entry["units"] == sorted(device.units)
    assert "--units 1-247" in str(entry["next_step"]) or code == 1
    assert f"{place} units 0-3, 10-11, 33, 64, 85, 100, 125-126" in scan_output.summary(scan.rows)


def test_a_meter_beside_units_that_refuse_everything_is_found() -> None:
    """The other units of the gateway refuse; unit 3 holds its addresses, which no driver fits."""
    scan = ScannedHost(bad.Server(bad.by_unit({3: bad.honest}, bad.refuses(2))), range(1, 13), silence=0.0)
    assert [(unit, len(device.units)) for _, unit, device in scan.rows] == [(1, 11), (3, 0)]


def test_rows_are_shown_as_soon_as_they_are_found() -> None:
    server = bad.Server(bad.by_unit({1: bad.refuses(2), 4: bad.honest}, bad.silent))
    scan = ScannedHost(server, range(1, 31), silence=0.0)
    (first, one), (second, four) = scan.shown
    assert [one[1], four[1]] == [1, 4]
    last_of = {request.unit: request.time for request in server.requests}
    assert first < second < scan.seconds - 10.0
    assert max(last_of.values()) - last_of[1] > 10.0


def test_the_same_answer_at_two_units_is_two_devices_when_a_third_unit_differs() -> None:
    """Two equal meters without a serial number: the second row waits until another unit shows that they are two."""
    meter = IdentifiedDevice("eastron_sdm630", "Eastron", "SDM630")
    rows = [(parse("tcp://10.0.0.1:502"), unit, meter) for unit in (1, 2)]
    assert merged(rows, {rows[0][0]: 2}, fewest=2) == rows[:1]
    assert merged(rows, {rows[0][0]: 3}, fewest=2) == rows


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (bad.honest, "wattgram drivers"),
        (bad.refuses(2), "enable Modbus"),
        (bad.refuses(4), "enable Modbus"),
        (bad.refuses(6), "stop its other clients"),
        (bad.on_connection(lambda number: bad.honest if number == 0 else bad.closes), "wattgram"),
    ],
)
def test_each_unknown_device_has_a_next_step(behaviour: bad.Behaviour, words: str) -> None:
    scan = ScannedHost(bad.Server(behaviour), [1], silence=0.0)
    ((place, unit, device),) = scan.rows
    step = scan_output.next_step(place, unit, device)
    assert words in step
    line = scan_output.FoundRows([place]).line(scan.rows[0])
    assert f"next: {step}" in line
    assert len(line.splitlines()) == 3  # head, rule, row


def test_a_possible_driver_is_the_next_step() -> None:
    place = parse("rtu:///dev/ttyUSB0?baudrate=9600")
    step = scan_output.next_step(place, 5, IdentifiedDevice("", also=("abb_b21_b23_b24",), answer="exception 2 (x)"))
    quoted = "'rtu:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=1&bytesize=8'"
    assert f"`wattgram read {quoted} --unit 5 --driver abb_b21_b23_b24`" in step


def test_unit_numbers_are_listed_as_ranges() -> None:
    assert scan_output.ranges((1,)) == "1"
    assert scan_output.ranges((0, 1, 2, 3, 10, 125, 126)) == "0-3, 10, 125-126"


@pytest.mark.slow(5)
def test_a_refusing_host_is_one_row_of_the_table_and_one_entry_of_the_json() -> None:
    async def main() -> None:
        async with bad.Server(bad.refuses(2)) as server:
            plain = await asyncio.to_thread(wattgram, "scan", server.url, "--units", "1-3")
            answer = await asyncio.to_thread(wattgram, "scan", server.url, "--units", "1-3", "--format", "json")
        assert plain.out.count("unknown") == 1
        assert "units 1-3: the same answer as unit 1" in plain.out
        (entry,) = json.loads(answer.out)
        assert (entry["unit"], entry["units"], entry["driver"]) == (1, [1, 2, 3], "")
        assert entry["answer"] == "exception 2 (illegal address)"
        assert entry["next_step"]

    asyncio.run(main())
