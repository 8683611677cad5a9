"""Every fault against the real reader, over TCP and over serial lines of 9600 and 19200 baud.

Each register's right word is 1000 + its address. Whatever a simulated device does wrong, a read is right or an
error, never a wrong word; and when it is well again, so is the next read.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import fields, replace
from random import Random

import pytest
from wattgram_drivers.device import Device, DeviceLimits, Register
from wattgram_drivers.driver_errors import BadAnswer, BusDown, DriverError, NoAnswer, Refused
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.simulated.faults import (
    NO_BUS_FAULTS,
    NO_FAULTS,
    ONCE,
    BusFaults,
    Faults,
    FaultSchedule,
    RequestEcho,
    answer,
    frame,
    names,
)
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served

from tests.support.misbehaving_device import until
from tests.support.relayed_buses import LINES, PATIENT, WIRES, every_network, every_wire, on

LIMIT = 0.15  # seconds for an answer of a device that is not well

WORDS = {address: 1000 + address for address in range(130)}
TOY = Device("toy", "Acme", "Toy", "meter", (Register("frequency", 129, "holding", "u16"),), DeviceLimits())
SERVED = Served(TOY, lambda: {"frequency": 1129.0}, WORDS)
BOTH = {1: SERVED, 2: SERVED}


async def right(bus: Bus, address: int = 100, count: int = 3, unit: int = 1, limit: float = PATIENT) -> None:
    """Read once and check every word; DriverError without an answer."""
    words = struct.unpack(f">{count}H", await bus.read(unit, "holding", address, count, timeout=limit))
    assert list(words) == list(range(1000 + address, 1000 + address + count))


FRAMES: dict[str, tuple[Faults, type[DriverError] | tuple[type[DriverError], ...]]] = {
    "silent": (Faults(silent=True), NoAnswer),
    "late": (Faults(late=1.5 * LIMIT), (NoAnswer, BadAnswer)),
    "exception": (Faults(exception=4), (Refused, BadAnswer)),
    "busy": (Faults(busy=600.0), (Refused, BadAnswer)),
    "storm": (Faults(storm=600.0), (Refused, BadAnswer)),
    "short": (Faults(short=1), (BadAnswer, NoAnswer)),
    "long": (Faults(long=2), (BadAnswer, NoAnswer)),
    "garbled": (Faults(garbled=True), (BadAnswer, NoAnswer, BusDown)),
    "cut": (Faults(cut=True), (BadAnswer, NoAnswer, BusDown)),
    "wrong_unit": (Faults(wrong_unit=True), (BadAnswer, NoAnswer)),
    "wrong_transaction": (Faults(wrong_transaction=True), (BadAnswer, NoAnswer)),
    "wrong_function": (Faults(wrong_function=True), (BadAnswer, NoAnswer)),
}
"""Faults that exclude a right answer, and the error of the reader."""


MIX = Faults(
    silent=True,
    late=1.2 * LIMIT,
    exception=4,
    busy=0.1,
    storm=0.1,
    short=1,
    long=1,
    garbled=True,
    cut=True,
    doubled=True,
    wrong_unit=True,
    wrong_transaction=True,
    wrong_function=True,
)
"""All faults of a frame."""


@pytest.mark.parametrize(
    ("wire", "name"),
    # RTU has no transactions
    [(wire, name) for wire in WIRES for name in FRAMES if name != "wrong_transaction" or wire == "tcp"],
)
@pytest.mark.slow(0.5)
def test_a_wrong_answer_is_an_error_and_the_next_read_is_right(wire: str, name: str) -> None:
    faults, errors = FRAMES[name]

    async def work(simulator: Simulator, bus: Bus) -> None:
        await right(bus)
        simulator.faults[1] = faults
        for address in (40, 60):
            with pytest.raises(errors):
                await right(bus, address, limit=LIMIT)
        del simulator.faults[1]
        await right(bus, 20)
        await right(bus, 80, unit=2)

    on(wire, BOTH, work)


@every_wire
@pytest.mark.parametrize("faults", [Faults(late=0.05), Faults(doubled=True), Faults(late=0.05, doubled=True)], ids=str)
def test_an_unusual_but_correct_answer_is_accepted(wire: str, faults: Faults) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.faults[1] = faults
        for address, count in ((40, 3), (60, 3), (60, 1), (80, 2)):
            await right(bus, address, count)
        del simulator.faults[1]
        await right(bus)

    on(wire, BOTH, work)


@every_wire
@pytest.mark.slow(4)
def test_a_mix_of_everything_never_gives_a_wrong_word(wire: str) -> None:
    """Send forty requests to each of two units; one unit has every fault now and then."""
    mix = replace(MIX, shares=dict.fromkeys(names(MIX), 0.04))

    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.faults[1] = mix
        answered = 0
        for turn in range(40):
            with contextlib.suppress(DriverError):
                await right(bus, turn, 1 + turn % 3, limit=LIMIT)
                answered += 1
            with contextlib.suppress(DriverError):  # the line may still carry bytes of the other unit
                await right(bus, turn, 1 + turn % 3, unit=2, limit=LIMIT)
        assert answered  # not by answering nothing
        del simulator.faults[1]
        await right(bus, 20)
        await right(bus, 60)

    on(wire, BOTH, work)


def test_the_same_seed_affects_the_same_requests() -> None:
    mix = replace(MIX, shares=dict.fromkeys(names(MIX), 0.3))

    def strikes(seed: str) -> list[Faults]:
        course = FaultSchedule(seed)
        return [course.select(mix, float(second)) for second in range(200)]

    assert strikes("7 1") == strikes("7 1")
    assert strikes("7 1") != strikes("8 1")


def test_a_share_is_the_fraction_of_affected_requests() -> None:
    course = FaultSchedule("1")
    faults = Faults(late=2.0, silent=True, shares={"silent": 0.1})
    strikes = [course.select(faults, 0.0) for _ in range(10_000)]
    # binomial, n = 10,000, p = 0.1: mean 1000, standard deviation 30; five of them on either side
    assert 850 <= sum(strike.silent for strike in strikes) <= 1150
    assert all(strike.late == 2.0 for strike in strikes)


def test_a_single_fault_affects_the_first_request_and_a_period_lasts() -> None:
    course, faults = FaultSchedule("1"), Faults(busy=3.0, glitch=True, reset=True)
    strikes = [course.select(faults, second) for second in (10.0, 12.9, 13.0, 99.0)]
    assert [bool(strike.busy) for strike in strikes] == [True, True, False, False]
    assert [strike.glitch for strike in strikes] == [True, False, False, False]
    assert [strike.reset for strike in strikes] == [True, False, False, False]
    assert course.select(replace(faults), 100.0).glitch  # set anew


def test_a_single_fault_waits_for_a_request_that_it_can_affect() -> None:
    course, faults = FaultSchedule("1"), Faults(glitch=True)
    assert not course.select(faults, 1.0, excluded=("glitch",)).glitch
    assert course.select(faults, 2.0).glitch


def test_a_single_fault_with_a_share_occurs_repeatedly() -> None:
    course, faults = FaultSchedule("1"), Faults(glitch=True, shares={"glitch": 1.0})
    assert all(course.select(faults, second).glitch for second in (1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("shares", "words"), [({"slient": 0.1}, "'slient'.*silent"), ({"silent": 1.1}, r"1\.1 of silent.*0 to 1")]
)
def test_a_wrong_share_is_an_error(shares: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Faults(silent=True, shares=shares)


def test_every_single_fault_is_a_field_of_faults() -> None:
    assert {field.name for kind in (Faults, BusFaults) for field in fields(kind)} >= ONCE


def frames_sent(faults: Faults, transaction: int | None, registers: list[int] | int = [0x1234, 0x5678]) -> list[str]:  # noqa: B006
    """Return the frames sent for a read of two registers of unit 17."""
    return [response.data.hex() for response in answer(RequestEcho(17, 3, transaction), registers, faults, Random(1))]


@pytest.mark.parametrize(
    ("faults", "tcp"),
    [
        # header 0102 0000 length unit, then function, bytes, registers: by hand from the specification
        (NO_FAULTS, ["01020000000711030412345678"]),
        (Faults(silent=True), []),
        (Faults(short=1), ["0102000000051103021234"]),
        (Faults(short=9), ["010200000003110300"]),
        (Faults(long=1), ["010200000009110306123456780000"]),
        (Faults(short=1, long=1), ["0102000000051103021234"]),
        (Faults(cut=True), ["010200000007"]),
        (Faults(doubled=True), ["01020000000711030412345678"] * 2),
        # registers turned over: 0x1234 ^ 0xffff = 0xedcb; unit 17 + 124, transaction 0x0102 ^ 0x5555
        (Faults(wrong_unit=True), ["0102000000078d0304edcba987"]),
        (Faults(wrong_transaction=True), ["545700000007110304edcba987"]),
        (Faults(wrong_function=True), ["010200000007110404edcba987"]),
    ],
    ids=str,
)
def test_frames_of_modbus_tcp(faults: Faults, tcp: list[str]) -> None:
    assert frames_sent(faults, 0x0102) == tcp


@pytest.mark.parametrize(
    ("unit", "code", "content", "published"),
    [
        # the example of the specification's section 6.2.2 is 02 07 with checksum 41 12; the other two are the
        # answers of functions 3 and 1 in Simply Modbus' pages on them
        (17, 3, [0xAE41, 0x5652, 0x4340], "110306ae415652434049ad"),
        (10, 1, 2, "0a8102b053"),
    ],
)
def test_frames_of_rtu(unit: int, code: int, content: list[int] | int, published: str) -> None:
    for faults in (NO_FAULTS, Faults(wrong_transaction=True)):
        assert [response.data.hex() for response in answer(RequestEcho(unit, code), content, faults, Random(1))] == [
            published
        ]
    assert frame(2, b"\x07", None).hex() == "02074112"


@pytest.mark.parametrize("transaction", [None, 0x0102])
def test_flipped_bits_are_few_and_detectable(transaction: int | None) -> None:
    dice, correct = Random(1), bytes.fromhex(frames_sent(NO_FAULTS, transaction)[0])
    for _ in range(500):
        (response,) = answer(RequestEcho(17, 3, transaction), [0x1234, 0x5678], Faults(garbled=True), dice)
        flipped = int.from_bytes(response.data, "big") ^ int.from_bytes(correct, "big")
        assert 1 <= flipped.bit_count() <= 3
        if transaction is not None:  # header, function and byte count are nine bytes; no checksum guards the rest
            assert response.data[9:] == correct[9:]


def test_an_answer_has_the_delay_of_its_fault() -> None:
    assert [
        response.delay for response in answer(RequestEcho(1, 3), [1], Faults(late=1.5, doubled=True), Random(1))
    ] == [
        1.5,
        1.5,
    ]


@every_network
@pytest.mark.slow(3)
def test_a_mix_with_trouble_on_the_bus_never_gives_a_wrong_word(wire: str) -> None:
    """Connections are lost, refused, slow and half-open between the frames that are wrong."""
    trouble = BusFaults(
        slow_accept=0.05,
        first_swallowed=True,
        half_open=True,
        rebooting=0.05,
        shares={"first_swallowed": 0.3, "half_open": 0.05, "rebooting": 0.1},
    )

    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.faults[1] = replace(MIX, shares=dict.fromkeys(names(MIX), 0.02))
        simulator.trouble = trouble
        answered = 0
        for turn in range(40):
            try:
                await right(bus, turn, 1 + turn % 3, limit=LIMIT)
                answered += 1
            except BusDown:
                await asyncio.sleep(0.02)  # a master that hammers gets nowhere while a device reboots
            except DriverError:
                continue
        assert answered  # not by answering nothing
        simulator.faults[1], simulator.trouble = NO_FAULTS, NO_BUS_FAULTS
        while True:  # until a reboot, or a connection that is half-open, is over
            with contextlib.suppress(BusDown, NoAnswer):
                await right(bus, 20, limit=LIMIT)
                break
            await asyncio.sleep(0.01)
        await right(bus, 60)

    on(wire, BOTH, work)


@every_network
def test_the_first_request_of_a_connection_gets_no_answer(wire: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.trouble = BusFaults(first_swallowed=True)
        with pytest.raises(NoAnswer):
            await right(bus, limit=LIMIT)
        await right(bus, 40)
        await bus.close()
        with pytest.raises(NoAnswer):
            await right(bus, 60, limit=LIMIT)
        await right(bus, 80)

    on(wire, BOTH, work)


@every_network
def test_a_slow_device_answers_nothing_right_after_connecting(wire: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.trouble = BusFaults(slow_accept=4 * LIMIT)
        with pytest.raises((NoAnswer, BadAnswer)):
            await right(bus, limit=LIMIT)
        await right(bus, 40)
        await right(bus, 60)

    on(wire, BOTH, work)


@every_network
def test_a_half_open_connection_is_replaced_by_a_new_one(wire: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        await right(bus)
        simulator.trouble = BusFaults(half_open=True)
        for address in (20, 40, 60):  # the fault occurs once; the first read is repeated on a new connection
            await right(bus, address, limit=LIMIT)
        assert bus.connected

    on(wire, BOTH, work)


@every_network
def test_a_second_connection_ends_the_first(wire: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.trouble = BusFaults(one_client="kick")
        await right(bus)
        other = Bus(simulator.endpoint, timeout=PATIENT)
        await right(other, 20)
        await until(lambda: not bus.connected)
        await right(bus, 40)  # connects anew
        await until(lambda: not other.connected)
        await other.close()

    on(wire, BOTH, work)


@every_network
def test_a_second_connection_is_refused(wire: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.trouble = BusFaults(one_client="refuse")
        await right(bus)
        other = Bus(simulator.endpoint, timeout=PATIENT)
        with pytest.raises(BusDown):
            await right(other, 20)
        await right(bus, 40)
        await bus.close()
        while True:  # until the server has noticed
            with contextlib.suppress(BusDown):
                await right(other, 60)
                break
            await asyncio.sleep(0.01)
        await other.close()

    on(wire, BOTH, work)


@every_network
def test_a_rebooting_device_resets_connections_refuses_and_recovers(wire: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        await right(bus)
        simulator.trouble = BusFaults(rebooting=0.5)
        with pytest.raises(BusDown, match="lost"):
            await right(bus, 20)
        with pytest.raises(BusDown, match="connection refused"):
            await right(bus, 40)
        while True:
            with contextlib.suppress(BusDown):
                await right(bus, 60)
                break
            await asyncio.sleep(0.01)
        await right(bus, 80)

    on(wire, BOTH, work)


@pytest.mark.parametrize("wire", LINES)
def test_a_rebooting_device_is_silent_on_a_line(wire: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        await right(bus)
        simulator.trouble = BusFaults(rebooting=3 * LIMIT)
        with pytest.raises(NoAnswer):
            await right(bus, 20, limit=LIMIT)
        while True:
            with contextlib.suppress(NoAnswer):
                await right(bus, 60, limit=LIMIT)
                break
        await right(bus, 80)

    on(wire, BOTH, work)


def test_a_reboot_discards_late_answers() -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.faults[1] = Faults(late=2 * LIMIT)
        with pytest.raises(NoAnswer):
            await right(bus, 20, limit=0.01)
        await until(lambda: simulator._free[1] > 0.0)  # the first request has come, so it cannot begin the reboot
        simulator.trouble = BusFaults(rebooting=0.01)
        with pytest.raises(NoAnswer):
            await right(bus, 40, limit=3 * LIMIT)  # long enough for both answers, if they came
        simulator.faults[1] = NO_FAULTS
        await right(bus, 60)

    on("19200", BOTH, work)


@every_network
def test_a_device_that_is_stopped_while_it_reboots_leaves_its_address(wire: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.trouble = BusFaults(rebooting=600.0)
        with pytest.raises(BusDown):
            await right(bus)
        await simulator.stop()
        again = Simulator(simulator.endpoint, {1: SERVED})
        await again.start()
        await right(bus)
        await again.stop()

    on(wire, BOTH, work)


@pytest.mark.parametrize("wire", LINES)
def test_a_line_has_no_connection_faults(wire: str) -> None:
    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.trouble = BusFaults(one_client="kick", slow_accept=600.0, first_swallowed=True, half_open=True)
        await right(bus)
        assert simulator.trouble is not NO_BUS_FAULTS

    on(wire, BOTH, work)


@pytest.mark.parametrize("wire", ["rtutcp", *LINES])
def test_the_answers_of_one_unit_are_sent_in_order(wire: str) -> None:
    """On a line a late answer is never sent after the answer to the next request."""

    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.faults[1] = Faults(late=2 * LIMIT)
        with pytest.raises((NoAnswer, BadAnswer)):
            await right(bus, 40, limit=LIMIT)
        simulator.faults[1] = NO_FAULTS
        await right(bus, 60)
        await right(bus, 80, unit=2)

    on(wire, BOTH, work)
