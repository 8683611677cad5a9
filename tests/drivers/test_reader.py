"""The reader: timestamps, learning of missing registers, errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from math import inf, isnan
from typing import Any

import pytest
from wattgram_drivers import catalogue
from wattgram_drivers.bus_time import RequestCost
from wattgram_drivers.device import Device, DeviceLimits, Reading, Register, Table
from wattgram_drivers.driver_errors import BadAnswer, NoAnswer, Refused
from wattgram_drivers.reader import REFUSED_REQUESTS, RETRY_SECONDS, Reader

from tests.support import leaping_loop
from tests.support.register_memory import HandClock, Memory, decode

NAMES = ("voltage_l1n", "voltage_l2n", "voltage_l3n", "current_l1", "current_l2", "current_l3", "frequency")
WORDS = {address: 100 + address for address in range(10, 30)}


def meter(limits: DeviceLimits, step: int = 1) -> Device:
    registers = tuple(Register(name, 10 + step * index, "holding", "u16") for index, name in enumerate(NAMES))
    return Device("d", "v", "m", "meter", registers, limits)


def read(reader: Reader, bus: Memory, clock: HandClock | None = None) -> Reading:
    bus.requests.clear()
    return asyncio.run(reader.read(bus, clock or HandClock()))


def test_a_reading_carries_the_time_of_its_first_answer_in_milliseconds() -> None:
    reading = read(Reader(meter(DeviceLimits()), 1), Memory(WORDS), HandClock(1_700_000_000_123_999_999, 42.5))
    assert reading.time == 1_700_000_000_123_000_000
    assert reading.monotonic == 42.5
    assert reading.image == bytes.fromhex("006e006f00700071007200730074")  # 110 to 116
    assert reading.valid == b"\1" * 7


def test_only_the_chosen_quantities_are_read() -> None:
    bus = Memory(WORDS)
    read(Reader(meter(DeviceLimits()), 1, ["current_l1"]), bus)
    assert bus.requests == [("holding", 13, 1)]


def test_an_illegal_register_costs_no_neighbour_and_is_left_out_afterwards() -> None:
    reader, bus = Reader(meter(DeviceLimits()), 1), Memory(WORDS, illegal=[14])
    first = decode(reader, read(reader, bus))
    assert isnan(first.pop("current_l2"))
    assert list(first.values()) == [110.0, 111.0, 112.0, 113.0, 115.0, 116.0]
    assert reader.missing == ("current_l2",)

    again = decode(reader, read(reader, bus))
    assert isnan(again.pop("current_l2"))
    assert again == first
    assert bus.requests == [("holding", 10, 4), ("holding", 15, 2)]


def test_a_hole_is_read_again_after_an_hour() -> None:
    reader, bus, clock = Reader(meter(DeviceLimits()), 1), Memory(WORDS, illegal=[14]), HandClock()
    read(reader, bus, clock)
    bus.illegal.clear()
    clock.seconds = RETRY_SECONDS - 1
    assert isnan(decode(reader, read(reader, bus, clock))["current_l2"])
    clock.seconds = RETRY_SECONDS
    assert decode(reader, read(reader, bus, clock))["current_l2"] == 114.0
    assert reader.missing == ()
    clock.seconds = 3 * RETRY_SECONDS
    read(reader, bus, clock)
    assert bus.requests == [("holding", 10, 7)]


def test_an_illegal_gap_is_learned_without_missing_a_value() -> None:
    reader, bus = Reader(meter(DeviceLimits(gap=5), step=2), 1), Memory(WORDS, illegal=[13])
    assert decode(reader, read(reader, bus))["voltage_l2n"] == 112.0
    read(reader, bus)
    assert reader.missing == ()
    assert all(not (address <= 13 < address + count) for _, address, count in bus.requests)


def test_a_unit_that_accepts_only_short_requests_is_read_in_pieces() -> None:
    reader, bus = Reader(meter(DeviceLimits()), 1), Memory(WORDS, longest=2, code=3)
    found = decode(reader, read(reader, bus))
    assert list(found.values()) == [110.0, 111.0, 112.0, 113.0, 114.0, 115.0, 116.0]
    read(reader, bus)
    assert max(count for _, _, count in bus.requests) <= 2
    assert len(bus.requests) <= 5


def test_learning_ends_with_short_requests_and_a_hole() -> None:
    reader, bus = Reader(meter(DeviceLimits()), 1), Memory(WORDS, illegal=[12], longest=2)
    for _ in range(3):
        read(reader, bus)
    assert reader.missing == ("voltage_l3n",)
    before = list(bus.requests)
    assert read(reader, bus).valid == b"\1\1\0\1\1\1\1"
    assert bus.requests == before
    assert max(count for _, _, count in bus.requests) <= 2


def test_even_requests_stay_even_while_learning() -> None:
    registers = tuple(Register(name, 2 * index, "input", "f32") for index, name in enumerate(NAMES))
    reader = Reader(Device("d", "v", "m", "meter", registers, DeviceLimits(even=True)), 1)
    bus = Memory({}, illegal=[6])
    read(reader, bus)
    assert all(address % 2 == 0 and count % 2 == 0 for _, address, count in bus.requests)
    assert reader.missing == ("current_l1",)


def test_a_unit_that_refuses_everything_is_reported_and_read_again_in_full() -> None:
    reader, bus = Reader(meter(DeviceLimits()), 7, max_refusals=99), Memory(WORDS, illegal=range(100))
    for _ in range(2):
        with pytest.raises(Refused):
            read(reader, bus)
        assert bus.requests[0] == ("holding", 10, 7)
    bus.illegal.clear()
    assert read(reader, bus).valid == b"\1" * 7


def test_learning_is_spread_over_readings() -> None:
    registers = tuple(Register(f"dc_voltage_{n}", n, "holding", "u16") for n in range(1, 33))
    reader = Reader(Device("wide", "", "", "inverter", registers), 7, max_refusals=4)
    bus = Memory({n: n for n in range(40)}, illegal=range(5, 33))
    for _ in range(40):
        with contextlib.suppress(Refused):
            reading = read(reader, bus)
        # Four refusals, and the four registers that are there in at most as many requests.
        assert len(bus.requests) <= 8
    assert {name for name, value in decode(reader, reading).items() if not isnan(value)} == {
        f"dc_voltage_{n}" for n in range(1, 5)
    }
    assert bus.requests[-1] == ("holding", 1, 4)


@pytest.mark.parametrize("code", [1, 4, 5, 6, 11])
def test_the_first_refusal_of_a_busy_or_broken_unit_is_not_learned_from(code: int) -> None:
    reader, bus = Reader(meter(DeviceLimits()), 1), Memory(WORDS, illegal=[14], code=code)
    with pytest.raises(Refused) as caught:
        read(reader, bus)
    assert caught.value.code == code
    assert len(bus.requests) == 1
    assert reader.missing == ()


PASSING = [5, 6, 10, 11]
"""Exceptions that normally mean the unit or the way to it, and not the registers (Modbus V1.1b3, section 7)."""


@pytest.mark.parametrize("code", PASSING)
def test_a_busy_unit_or_gateway_is_never_learned_from(code: int) -> None:
    """The unit answers nothing. A few requests a reading find out; afterwards all registers are read again."""
    reader, bus = apart(0.5), Memory(WORDS, illegal=range(100), code=code)
    for _ in range(20):
        with pytest.raises(Refused) as caught:
            read(reader, bus)
        assert caught.value.code == code
        assert len(bus.requests) <= 4
    bus.illegal.clear()
    assert read(reader, bus).valid == b"\1\1\1\1"
    assert len(bus.requests) == 4
    assert reader.missing == ()


@pytest.mark.parametrize("code", PASSING)
def test_one_missing_register_of_a_unit_with_one_request_is_found_whatever_the_code(code: int) -> None:
    """The first reading says that the unit is busy; the second tries single registers, and the unit answers them."""
    reader, bus = Reader(meter(DeviceLimits()), 1), Memory(WORDS, illegal=[14], code=code)
    with pytest.raises(Refused):
        read(reader, bus)
    assert read(reader, bus).valid == b"\1\1\1\1\0\1\1"
    assert reader.missing == ("current_l2",)


@pytest.mark.parametrize("illegal", range(10, 17))
@pytest.mark.parametrize("code", PASSING)
def test_each_single_missing_register_is_found_within_a_few_readings(code: int, illegal: int) -> None:
    reader, bus = Reader(meter(DeviceLimits()), 1), Memory(WORDS, illegal=[illegal], code=code)
    for _ in range(4):
        with contextlib.suppress(Refused):
            reading = read(reader, bus)
    assert list(reading.valid) == [int(address != illegal) for address in range(10, 17)]


@pytest.mark.parametrize("code", PASSING)
def test_a_unit_that_is_lost_in_the_middle_of_a_reading_loses_no_register(code: int) -> None:
    """After two answers the gateway finds no unit any more; when the unit is back, everything is read at once."""

    class Leaving(Memory):
        present = False

        def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
            self.illegal = set() if self.present or len(self.requests) <= 2 else set(range(100))
            return super().answer(table, address, count)

    reader, bus = apart(0.5), Leaving(WORDS, code=code)
    first = read(reader, bus)
    assert first.valid == b"\1\1\0\0"
    assert [failure.refused for failure in first.failures] == [False, False]
    assert reader.missing == ()
    bus.present = True
    assert read(reader, bus).valid == b"\1\1\1\1"
    assert len(bus.requests) == 4


@pytest.mark.parametrize("code", PASSING)
def test_requests_that_were_split_because_a_unit_was_busy_are_whole_again_after_a_minute(code: int) -> None:
    class Busy(Memory):
        def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
            self.illegal = {12} if busy and count > 1 else set()  # too busy for long answers
            return super().answer(table, address, count)

    registers = tuple(
        Register(name, place, "holding", "u16") for name, place in zip(NAMES, (10, 11, 12, 20), strict=False)
    )
    reader = Reader(Device("d", "v", "m", "meter", registers, DeviceLimits()), 1)
    busy, bus, clock = True, Busy(WORDS, code=code), HandClock()
    for _ in range(3):
        with contextlib.suppress(Refused):
            assert read(reader, bus, clock).valid == b"\1\1\1\1"
    busy = False
    clock.seconds = 61.0
    assert read(reader, bus, clock).valid == b"\1\1\1\1"
    assert bus.requests == [("holding", 10, 3), ("holding", 20, 1)]


OTHER_CODES = [0, 1, 4, 7, 8, 9, 12, 77, 255]


@pytest.mark.parametrize("code", OTHER_CODES)
def test_registers_refused_twice_with_any_other_code_cost_no_neighbour(code: int) -> None:
    reader, bus = Reader(meter(DeviceLimits()), 1), Memory(WORDS, illegal=[14], code=code)
    with pytest.raises(Refused):
        read(reader, bus)
    assert read(reader, bus).valid == b"\1\1\1\1\0\1\1"
    assert reader.missing == ("current_l2",)


@pytest.mark.parametrize("code", OTHER_CODES + PASSING)
def test_a_sdm630_without_two_registers_gives_all_other_values_at_once(code: int) -> None:
    """A meter that refuses input registers 22 and 23 (apparent power of phase 3) with exception 4, as reported."""
    device = catalogue.load("eastron_sdm630")
    reader, bus = Reader(device, 1), Memory({}, illegal=[22, 23], code=code)
    valid = decode(reader, read(reader, bus))
    missing = [register.quantity for register in device.registers if register.address == 22]
    assert len(missing) == 1
    assert len(valid) == len(device.registers)
    assert [name for name, value in valid.items() if isnan(value)] == missing


def test_one_refusal_that_passes_costs_no_register() -> None:
    """The unit reports a failure of its own once, and answers the same request when it is repeated."""

    class Hiccup(Memory):
        def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
            answered = super().answer(table, address, count)
            if address == 20 and self.requests.count((table, address, count)) == 1:
                raise Refused("unit 1", 4)
            return answered

    reader = apart(0.5)
    bus = Hiccup(WORDS)
    assert read(reader, bus).valid == b"\1\1\1\1"
    assert [address for _, address, _ in bus.requests] == [0, 20, 40, 60, 20]
    assert reader.missing == ()


def test_registers_of_a_unit_that_fails_for_a_moment_are_absent_for_a_reading_only() -> None:
    reader, bus, clock = apart(0.5), Memory(WORDS, illegal=[20, 40], code=4), HandClock()
    assert read(reader, bus, clock).valid == b"\1\0\0\1"
    bus.illegal.clear()
    clock.seconds = 1.0
    assert read(reader, bus, clock).valid == b"\1\1\1\1"
    assert reader.missing == ()


def test_registers_that_stay_refused_are_requested_ever_more_rarely() -> None:
    """In the next reading, 60 s later, then 120 s, 240 s ..., and at the latest after an hour."""
    reader, bus, clock = apart(0.5), Memory(WORDS, illegal=[20], code=4), HandClock()
    asked = []
    for second in range(0, 4 * 3600, 5):
        clock.seconds = float(second)
        assert read(reader, bus, clock).valid == b"\1\0\1\1"
        if ("holding", 20, 1) in bus.requests:
            asked.append(second)
    assert asked[:8] == [0, 5, 65, 185, 425, 905, 1865, 3785]
    assert asked[8:] == [7385, 10985]


def test_a_unit_that_fails_as_a_whole_loses_no_register() -> None:
    reader, bus, clock = apart(0.5), Memory(WORDS, illegal=range(100), code=4), HandClock()
    for second in range(50):
        clock.seconds = float(second)
        with pytest.raises(Refused):
            read(reader, bus, clock)
        assert len(bus.requests) <= REFUSED_REQUESTS
    bus.illegal.clear()
    for _ in range(2):
        reading = read(reader, bus, clock)
    assert reading.valid == b"\1\1\1\1"


def test_a_missing_answer_is_reported() -> None:
    class Silent(Memory):
        def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
            raise NoAnswer("unit 1: no answer in 1.0 s")

    with pytest.raises(NoAnswer):
        read(Reader(meter(DeviceLimits()), 1), Silent({}))


def test_a_hole_learned_before_a_time_out_is_read_again() -> None:
    class Dying(Memory):
        alive = False

        def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
            if address >= 20 and not self.alive:
                raise NoAnswer("unit 1")
            return super().answer(table, address, count)

    registers = tuple(
        Register(name, address, "holding", "u16") for name, address in zip(NAMES[:4], (10, 11, 12, 20), strict=True)
    )
    reader = Reader(Device("d", "v", "m", "meter", registers, DeviceLimits()), 1)
    bus, clock = Dying(WORDS, illegal=[11]), HandClock()
    assert read(reader, bus, clock).valid == b"\1\0\1\0"
    bus.alive = True
    assert read(reader, bus, clock).valid == b"\1\0\1\1"
    bus.illegal.clear()
    clock.seconds = RETRY_SECONDS
    assert read(reader, bus, clock).valid == b"\1\1\1\1"


def test_an_answer_of_another_length_is_rejected() -> None:
    class Short(Memory):
        def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
            return [1]

    with pytest.raises(BadAnswer, match="unit 1: 2 octets for 7 registers"):
        read(Reader(meter(DeviceLimits()), 1), Short({}))


def test_the_devices_time_out_and_delay_go_with_every_request() -> None:
    options: list[dict[str, object]] = []

    class Noting(Memory):
        async def read(self, *arguments: object, **more: object) -> bytes:
            options.append(more)
            return bytes(14)

    read(Reader(meter(DeviceLimits(timeout=5.0, request_delay=0.06)), 1), Noting({}))
    assert options == [{"timeout": 5.0, "delay": 0.06, "deadline": None}]


class Slow(Memory):
    """Each answer takes `pace` seconds of the loop. `mute` addresses never answer; no answer comes after a deadline."""

    def __init__(self, pace: float, mute: Collection[int] = ()) -> None:
        super().__init__({address: 100 + address for address in range(100)})
        self.pace = pace
        self.mute = mute

    async def read(self, unit: int, table: Table, address: int, count: int, **options: Any) -> bytes:
        loop = asyncio.get_running_loop()
        answer = await super().read(unit, table, address, count)
        ends = inf if options["deadline"] is None else options["deadline"]
        pace = options["timeout"] if address in self.mute else self.pace
        if address in self.mute or loop.time() + pace > ends:
            await asyncio.sleep(min(pace, ends - loop.time()))
            raise NoAnswer(f"unit {unit}")
        await asyncio.sleep(pace)
        return answer


APART = tuple(Register(name, 20 * index, "holding", "u16") for index, name in enumerate(NAMES[:4]))
PRICE = RequestCost(0.001, 0.0)
ORDER = [0, 20, 40, 60]


def paced(
    reader: Reader, bus: Memory, readings: int, *, within: float, slow: Sequence[bool] = (True,)
) -> list[tuple[list[int], bytes]]:
    """Return requested addresses and valid words of consecutive readings; no words where a reading failed."""

    async def run() -> list[tuple[list[int], bytes]]:
        exchanges = []
        for number in range(readings):
            bus.requests.clear()
            valid = b""
            with contextlib.suppress(NoAnswer):
                reading = await reader.read(bus, HandClock(), slow=slow[number % len(slow)], within=within)
                valid = reading.valid
            exchanges.append(([address for _, address, _ in bus.requests], valid))
        return exchanges

    return leaping_loop.run(run())


def apart(timeout: float, slow: Collection[str] = ()) -> Reader:
    """Return a reader of four values, each of which needs a separate request."""
    return Reader(Device("d", "v", "m", "meter", APART, DeviceLimits(timeout=timeout)), 1, cost=PRICE, slow=slow)


def test_a_reading_of_a_slow_unit_is_continued_in_the_next_turn() -> None:
    # An answer takes 0.2 s and a reading may take 0.5 s: two answers, and a third that is not waited for.
    found = paced(apart(0.45), Slow(0.2), 3, within=0.5)
    assert found[0] == ([0, 20, 40], b"\1\1\0\0")
    assert found[1] == ([40, 60, 0], b"\0\0\1\1")
    assert found[2] == ([0, 20, 40], b"\1\1\0\0")


def test_a_reading_ends_with_its_time() -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(NoAnswer):
            await apart(5.0).read(Slow(9.0), HandClock(), within=0.1)
        return loop.time() - began

    assert leaping_loop.run(run()) == pytest.approx(0.1)


def test_an_unanswered_request_does_not_affect_the_others() -> None:
    found = paced(apart(0.05), Slow(0.0, mute=[0]), 3, within=0.5)
    assert found[0] == ([0], b"")
    assert found[1] == found[2] == ([20, 40, 60, 0], b"\0\1\1\1")


def test_a_lost_answer_is_requested_again_at_once() -> None:
    bus = Slow(0.0, mute=[20])
    reader = apart(0.05)
    assert paced(reader, bus, 1, within=0.5) == [([0, 20], b"\1\0\0\0")]
    bus.mute = ()
    assert paced(reader, bus, 1, within=0.5) == [([40, 60, 0, 20], b"\1\1\1\1")]
    assert paced(reader, bus, 1, within=0.5) == [(ORDER, b"\1\1\1\1")]


def test_slow_quantities_are_read_when_due_and_missed_ones_in_the_next_reading() -> None:
    reader, bus = apart(0.45, slow=NAMES[2:4]), Slow(0.0)
    found = paced(reader, bus, 3, within=0.5, slow=(True, False, False))
    assert found == [(ORDER, b"\1\1\1\1"), ([0, 20], b"\1\1\0\0"), ([0, 20], b"\1\1\0\0")]
    bus.pace = 0.2
    assert paced(reader, bus, 1, within=0.5) == [([0, 20, 40], b"\1\1\0\0")]
    bus.pace = 0.0
    assert paced(reader, bus, 2, within=0.5, slow=(False,)) == [([40, 60, 0, 20], b"\1\1\1\1"), found[1]]


def test_a_hole_among_slow_quantities_is_learned_for_both_plans() -> None:
    registers = tuple(Register(name, 10 + index, "holding", "u16") for index, name in enumerate(NAMES))
    reader = Reader(Device("d", "v", "m", "meter", registers, DeviceLimits(gap=9)), 1, slow=[NAMES[3]])
    bus = Memory(WORDS, illegal=[13])
    read(reader, bus)
    assert reader.missing == (NAMES[3],)
    assert read(reader, bus).valid == b"\1\1\1\0\1\1\1"
    assert bus.requests == [("holding", 10, 3), ("holding", 14, 3)]

    async def fast() -> Reading:
        bus.requests.clear()
        return await reader.read(bus, HandClock(), slow=False)

    assert asyncio.run(fast()).valid == b"\1\1\1\0\1\1\1"
    assert bus.requests == [("holding", 10, 3), ("holding", 14, 3)]


def test_slow_quantities_are_read_when_all_fast_ones_are_refused() -> None:
    reader, bus = apart(0.5, slow=NAMES[2:4]), Slow(0.0)
    bus.illegal = {0, 20}
    found = paced(reader, bus, 2, within=0.5, slow=(True, False))
    assert [valid for _, valid in found] == [b"\0\0\1\1"] * 2


def test_a_plan_predicts_the_time_of_its_requests() -> None:
    # 4 requests of 30 ms and 1 ms a register, or 2 of them when only the fast ones are due.
    device = Device("d", "v", "m", "meter", APART, DeviceLimits())
    reader = Reader(device, 1, cost=RequestCost(0.030, 0.001), slow=NAMES[2:4])
    assert reader.seconds() == pytest.approx(0.124)
    assert reader.seconds(slow=False) == pytest.approx(0.062)
    bus = Memory(WORDS, illegal=[60])
    read(reader, bus)
    assert reader.requests == 4
    assert reader.seconds() == pytest.approx(0.093)
