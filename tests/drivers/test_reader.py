"""The reader: stamps, learns holes without losing neighbours, and passes on what it cannot mend."""

from __future__ import annotations

import asyncio
from math import isnan

import pytest
from wattgram_drivers.device import Device, Limits, Reading, Register, Table
from wattgram_drivers.errors import BadAnswer, NoAnswer, Refused
from wattgram_drivers.reader import RETRY, Reader

from tests.drivers.memory import HandClock, Memory, decode

NAMES = ("voltage_l1n", "voltage_l2n", "voltage_l3n", "current_l1", "current_l2", "current_l3", "frequency")
WORDS = {address: 100 + address for address in range(10, 30)}


def meter(limits: Limits, step: int = 1) -> Device:
    registers = tuple(Register(name, 10 + step * index, "holding", "u16") for index, name in enumerate(NAMES))
    return Device("d", "v", "m", "meter", registers, limits)


def read(reader: Reader, bus: Memory, clock: HandClock | None = None) -> Reading:
    bus.requests.clear()
    return asyncio.run(reader.read(bus, clock or HandClock()))


def test_a_reading_carries_the_time_of_its_first_answer_in_milliseconds() -> None:
    reading = read(Reader(meter(Limits()), 1), Memory(WORDS), HandClock(1_700_000_000_123_999_999, 42.5))
    assert reading.time == 1_700_000_000_123_000_000
    assert reading.monotonic == 42.5
    assert reading.image == bytes.fromhex("006e006f00700071007200730074")  # 110 to 116
    assert reading.valid == b"\1" * 7


def test_only_what_is_asked_for_is_read() -> None:
    bus = Memory(WORDS)
    read(Reader(meter(Limits()), 1, ["current_l1"]), bus)
    assert bus.requests == [("holding", 13, 1)]


def test_an_illegal_register_costs_no_neighbour_and_is_left_out_afterwards() -> None:
    reader, bus = Reader(meter(Limits()), 1), Memory(WORDS, illegal=[14])
    first = decode(reader, read(reader, bus))
    assert isnan(first.pop("current_l2"))
    assert list(first.values()) == [110.0, 111.0, 112.0, 113.0, 115.0, 116.0]
    assert reader.missing == ("current_l2",)

    again = decode(reader, read(reader, bus))
    assert isnan(again.pop("current_l2"))
    assert again == first
    assert bus.requests == [("holding", 10, 4), ("holding", 15, 2)]


def test_after_an_hour_the_hole_is_tried_again() -> None:
    reader, bus, clock = Reader(meter(Limits()), 1), Memory(WORDS, illegal=[14]), HandClock()
    read(reader, bus, clock)
    bus.illegal.clear()
    clock.seconds = RETRY - 1
    assert isnan(decode(reader, read(reader, bus, clock))["current_l2"])
    clock.seconds = RETRY
    assert decode(reader, read(reader, bus, clock))["current_l2"] == 114.0
    assert reader.missing == ()
    clock.seconds = 3 * RETRY
    read(reader, bus, clock)
    assert bus.requests == [("holding", 10, 7)]


def test_an_illegal_gap_is_learned_without_missing_a_value() -> None:
    reader, bus = Reader(meter(Limits(gap=5), step=2), 1), Memory(WORDS, illegal=[13])
    assert decode(reader, read(reader, bus))["voltage_l2n"] == 112.0
    read(reader, bus)
    assert reader.missing == ()
    assert all(not (address <= 13 < address + count) for _, address, count in bus.requests)


def test_a_unit_that_takes_short_requests_only_is_read_in_pieces() -> None:
    reader, bus = Reader(meter(Limits()), 1), Memory(WORDS, longest=2, code=3)
    found = decode(reader, read(reader, bus))
    assert list(found.values()) == [110.0, 111.0, 112.0, 113.0, 114.0, 115.0, 116.0]
    read(reader, bus)
    assert max(count for _, _, count in bus.requests) <= 2
    assert len(bus.requests) <= 5


def test_short_requests_and_a_hole_settle_too() -> None:
    reader, bus = Reader(meter(Limits()), 1), Memory(WORDS, illegal=[12], longest=2)
    for _ in range(3):
        read(reader, bus)
    assert reader.missing == ("voltage_l3n",)
    before = list(bus.requests)
    assert read(reader, bus).valid == b"\1\1\0\1\1\1\1"
    assert bus.requests == before
    assert max(count for _, _, count in bus.requests) <= 2


def test_even_requests_stay_even_while_learning() -> None:
    registers = tuple(Register(name, 2 * index, "input", "f32") for index, name in enumerate(NAMES))
    reader = Reader(Device("d", "v", "m", "meter", registers, Limits(even=True)), 1)
    bus = Memory({}, illegal=[6])
    read(reader, bus)
    assert all(address % 2 == 0 and count % 2 == 0 for _, address, count in bus.requests)
    assert reader.missing == ("current_l1",)


def test_a_unit_that_refuses_everything_is_refused_and_asked_again_in_full() -> None:
    reader, bus = Reader(meter(Limits()), 7), Memory(WORDS, illegal=range(100))
    for _ in range(2):
        with pytest.raises(Refused):
            read(reader, bus)
        assert bus.requests[0] == ("holding", 10, 7)
    bus.illegal.clear()
    assert read(reader, bus).valid == b"\1" * 7


@pytest.mark.parametrize("code", [1, 4, 5, 6, 11])
def test_a_busy_or_broken_unit_is_not_learned_from(code: int) -> None:
    reader, bus = Reader(meter(Limits()), 1), Memory(WORDS, illegal=[14], code=code)
    with pytest.raises(Refused) as caught:
        read(reader, bus)
    assert caught.value.code == code
    assert len(bus.requests) == 1
    assert reader.missing == ()


def test_silence_is_passed_on() -> None:
    class Silent(Memory):
        async def read(self, *arguments: object, **more: object) -> bytes:
            raise NoAnswer("unit 1: no answer in 1.0 s")

    with pytest.raises(NoAnswer):
        read(Reader(meter(Limits()), 1), Silent({}))


def test_a_hole_learned_before_silence_is_tried_again_too() -> None:
    class Dying(Memory):
        alive = False

        async def read(self, unit: int, table: Table, address: int, count: int, **more: float) -> bytes:
            if address >= 20 and not self.alive:
                raise NoAnswer("unit 1")
            return await super().read(unit, table, address, count)

    registers = tuple(
        Register(name, address, "holding", "u16") for name, address in zip(NAMES[:4], (10, 11, 12, 20), strict=True)
    )
    reader = Reader(Device("d", "v", "m", "meter", registers, Limits()), 1)
    bus, clock = Dying(WORDS, illegal=[11]), HandClock()
    with pytest.raises(NoAnswer):
        read(reader, bus, clock)
    bus.alive = True
    assert read(reader, bus, clock).valid == b"\1\0\1\1"
    bus.illegal.clear()
    clock.seconds = RETRY
    assert read(reader, bus, clock).valid == b"\1\1\1\1"


def test_an_answer_of_another_length_is_not_taken() -> None:
    class Short(Memory):
        async def read(self, *arguments: object, **more: object) -> bytes:
            return b"\0\1"

    with pytest.raises(BadAnswer, match="unit 1: 2 octets for 7 registers"):
        read(Reader(meter(Limits()), 1), Short({}))


def test_the_devices_time_out_and_delay_go_with_every_request() -> None:
    seen: list[dict[str, object]] = []

    class Noting(Memory):
        async def read(self, *arguments: object, **more: object) -> bytes:
            seen.append(more)
            return bytes(14)

    read(Reader(meter(Limits(timeout=5.0, request_delay=0.06)), 1), Noting({}))
    assert seen == [{"timeout": 5.0, "delay": 0.06}]
