"""Servers, gateways and lines that answer in ways of their own, as `wattgram read` meets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.support.field_devices import GreetingServer, WordsByHand, reading, words_of
from tests.support.misbehaving_device import Behaviour, Request, Server, Slave, Step, crc16, silent
from tests.support.running_site import device, serving

METER = "eastron_sdm630"


def right(behaviour: WordsByHand) -> dict[str, float]:
    """Return the values of a device in order."""
    return {name: behaviour.images.decoded(name) for name in behaviour.images.registers}


def assert_right(values: object, behaviour: WordsByHand, *missing: str) -> None:
    """Check that all values but the missing ones were read, and are right."""
    expected = {name: value for name, value in right(behaviour).items() if name not in missing}
    assert values == pytest.approx(expected, rel=1e-6)


def early(transaction: int = 1, count: int = 36, code: int = 4, unit: int = 1) -> bytes:
    """Return a frame that nobody asked for: registers of 0x4141."""
    pdu = bytes([code, 2 * count]) + b"\x41" * 2 * count
    return transaction.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes([unit]) + pdu


# Frames before the request


def test_a_frame_that_came_before_the_request_is_no_answer() -> None:
    greeting = bytes.fromhex("00 01 00 00 00 4b 01 04 48") + b"\x41" * 72
    with serving(GreetingServer(silent, greeting=greeting)) as server:
        answered = reading(server.url, METER)
    assert (answered.code, dict(answered.values)) == (1, {})


@pytest.mark.parametrize("count", [36, 76, 80, 88, 100, 125])
def test_early_frames_of_any_size_and_many_ids_are_dropped_before_an_honest_device_is_read(count: int) -> None:
    behaviour = words_of(METER, {})
    greeting = b"".join(early(transaction, count) for transaction in (0, 1, 2, 3, 0x0100, 0xFFFF))
    with serving(GreetingServer(behaviour, greeting=greeting)) as server:
        answered = reading(server.url, METER)
    assert_right(answered.values, behaviour)


@pytest.mark.parametrize("transaction", [0, 1, 2, 3])
def test_the_first_transaction_id_of_a_connection_cannot_be_guessed(transaction: int) -> None:
    """A gateway answers the request of another client, whose ids begin at 1 like those of many programs."""

    def behaviour(request: Request) -> Sequence[Step]:
        return [Step(data=early(transaction + request.number, request.count, request.code, request.unit))]

    with device(behaviour) as server:
        answered = reading(server.url, METER)
    assert (answered.code, dict(answered.values)) == (1, {})


# Connections that end


def closing(behaviour: Behaviour, delay: float = 0.0) -> Behaviour:
    return lambda request: [*behaviour(request), Step(delay, end="close")]


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.02])
def test_a_server_that_closes_after_each_answer_is_read_completely(delay: float) -> None:
    behaviour = words_of(METER, {})
    with device(closing(behaviour, delay)) as server:
        answered = reading(server.url, METER)
    assert_right(answered.values, behaviour)
    assert answered.code == 0


def test_a_server_that_resets_every_second_request_is_read_completely() -> None:
    behaviour = words_of(METER, {})

    def resets_the_second(request: Request) -> Sequence[Step]:
        return [Step(end="reset")] if request.connection == 1 and behaviour.answered == 1 else behaviour(request)

    with device(resets_the_second) as server:
        answered = reading(server.url, METER)
    assert_right(answered.values, behaviour)


def test_a_connection_that_falls_silent_between_two_requests_is_opened_again() -> None:
    behaviour = words_of(METER, {})

    def silent_then(request: Request) -> Sequence[Step]:
        return [] if request.connection == 1 and behaviour.answered == 1 else behaviour(request)

    with device(silent_then) as server:
        answered = reading(server.url, METER)
    assert_right(answered.values, behaviour)


# Refusals


def refusing(address: int, frame: Callable[[Request], bytes]) -> tuple[WordsByHand, Behaviour]:
    behaviour = words_of(METER, {})

    def answers(request: Request) -> Sequence[Step]:
        if request.address <= address < request.address + request.count:
            return [Step(data=frame(request))]
        return behaviour(request)

    return behaviour, answers


@pytest.mark.slow(2)
@pytest.mark.parametrize("length", [4, 2, 5, 9, 0, 250])
def test_an_exception_has_its_size_from_its_function_code_whatever_the_header_says(length: int) -> None:
    # Three octets follow the header: unit, function, code. Registers 22 and 23 are the apparent power of phase 3.
    def frame(request: Request) -> bytes:
        assert request.transaction is not None
        head = request.transaction.to_bytes(2, "big") + b"\0\0" + length.to_bytes(2, "big")
        return head + bytes([request.unit, request.code | 0x80, 2])

    behaviour, answers = refusing(22, frame)
    with device(answers) as server:
        answered = reading(server.url, METER)
    assert_right(answered.values, behaviour, "apparent_power_l3")


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 8, 10, 11])
def test_registers_that_are_refused_for_good_cost_their_neighbours_nothing(code: int) -> None:
    behaviour, answers = refusing(22, lambda request: request.frame(bytes([request.code | 0x80, code])))
    with device(answers) as server:
        answered = reading(server.url, METER)
    assert_right(answered.values, behaviour, "apparent_power_l3")
    assert "apparent_power_l3" in answered.err or "22" in answered.err, "the message says what failed"
    assert f"exception {code}" in answered.err, "and how"
    assert answered.code == 0, "the main power was read"


def test_a_reading_without_the_main_power_ends_with_an_error() -> None:
    behaviour = words_of(METER, {}, refused={52: 2, 53: 2})
    with device(behaviour) as server:
        answered = reading(server.url, METER)
    assert_right(answered.values, behaviour, "active_power_total")
    assert answered.code == 1
    assert answered.quality == "partial"
    assert "active_power_total" in answered.err


def test_a_request_without_answer_is_named_in_the_message() -> None:
    behaviour = words_of(METER, {})

    def answers(request: Request) -> Sequence[Step]:
        return [] if request.address > 100 else behaviour(request)

    with device(answers) as server:
        answered = reading(server.url, METER)
    assert answered.code == 0
    assert answered.quality == "partial"
    assert "no answer" in answered.err
    assert "active_power_total" in answered.values


# Echoes


def echoing(behaviour: Behaviour) -> Behaviour:
    """The adapter sends back what it hears, then comes the answer."""

    def answers(request: Request) -> Sequence[Step]:
        body = bytes([request.unit]) + request.pdu
        return [Step(data=body + crc16(body)), *(Step(step.delay + 0.001, step.data) for step in behaviour(request))]

    return answers


@pytest.mark.slow(2)
@pytest.mark.parametrize(
    ("driver", "unit"),
    [
        ("goodwe_dt_legacy", 1),  # 01 03 03 00 ..: the echo has the form of an answer of three octets
        ("goodwe_dt_legacy", 247),
        ("eastron_sdm630", 1),  # 01 04 00 ..: of none
        ("chint_ddsu666", 2),  # 02 03 20 ..: of 32 octets
        ("growatt_tl3x", 4),
    ],
)
def test_the_echo_of_a_two_wire_adapter_is_not_taken_for_an_answer(driver: str, unit: int) -> None:
    behaviour = words_of(driver, {})
    with serving(Slave(echoing(behaviour))) as slave:
        answered = reading(slave.url, driver, "--unit", str(unit))
    assert_right(answered.values, behaviour)


def test_an_echo_without_an_answer_is_no_answer() -> None:
    with serving(Slave(echoing(silent))) as slave:
        answered = reading(slave.url, "goodwe_dt_legacy", "--unit", "1")
    assert (answered.code, dict(answered.values)) == (1, {})


def test_an_echo_over_a_network_is_not_taken_for_an_answer() -> None:
    behaviour = words_of("goodwe_dt_legacy", {})
    with serving(Server(echoing(behaviour), rtu=True)) as server:
        answered = reading(server.url, "goodwe_dt_legacy", "--unit", "1")
    assert_right(answered.values, behaviour)


# Messages


def changed(change: Callable[[Request], tuple[int, int]]) -> Behaviour:
    """Answers rightly with another transaction id and unit."""
    behaviour = words_of(METER, {})

    def answers(request: Request) -> Sequence[Step]:
        transaction, unit = change(request)
        pdu = behaviour(request)[0].data[7:]
        return [Step(data=request.frame(pdu, unit=unit, transaction=transaction % 0x10000))]

    return answers


@pytest.mark.slow(2)
@pytest.mark.parametrize(
    "transaction",
    [
        lambda request: 0,
        lambda request: 2,
        lambda request: (request.transaction or 0) + 1,
        lambda request: (request.transaction or 0) - 408,
    ],
    ids=["0", "2", "one more", "408 less"],
)
def test_answers_with_another_transaction_id_are_refused_and_named(transaction: Callable[[Request], int]) -> None:
    with device(changed(lambda request: (transaction(request), request.unit))) as server:
        answered = reading(server.url, METER)
    assert (answered.code, dict(answered.values)) == (1, {})
    assert "transaction" in answered.err
    assert "wiring" not in answered.err


def test_answers_of_another_unit_are_refused_and_named() -> None:
    with device(changed(lambda request: (request.transaction or 0, 247))) as server:
        answered = reading(server.url, METER)
    assert (answered.code, dict(answered.values)) == (1, {})
    assert "247" in answered.err
    assert "wiring" not in answered.err


@pytest.mark.slow(2)
@pytest.mark.parametrize("more", [-2, 2, 40])
def test_a_length_that_lies_is_named(more: int) -> None:
    behaviour = words_of(METER, {})

    def answers(request: Request) -> Sequence[Step]:
        frame = bytearray(behaviour(request)[0].data)
        frame[4:6] = (int.from_bytes(frame[4:6], "big") + more).to_bytes(2, "big")
        return [Step(data=bytes(frame))]

    with device(answers) as server:
        answered = reading(server.url, METER)
    wrong = {name: value for name, value in answered.values.items() if value != pytest.approx(right(behaviour)[name])}
    assert wrong == {}
    assert answered.code == 1
    assert "length" in answered.err or "octets" in answered.err or "bytes" in answered.err
    assert "wiring" not in answered.err
