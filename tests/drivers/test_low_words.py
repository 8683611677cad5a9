"""Values of two words apart, on units without the high words: firmware of Deye from before registers 680 to 719.

kellerza/sunsynk and ha-solarman read the low word as a signed value there.
"""

from __future__ import annotations

import asyncio
import contextlib
from math import isnan

import pytest
from wattgram_drivers import catalogue
from wattgram_drivers.driver_errors import Refused
from wattgram_drivers.reader import RETRY_SECONDS, Reader

from tests.support.register_memory import HandClock, Memory, decode

DEYE = catalogue.load("deye_hybrid_3p")
WORDS = {20: 0xD4C0, 21: 1, 622: 0xFF85, 623: 0x007B, 624: 0x8000, 625: 0x7FFF, 619: 0xFFFF, 588: 55, 653: 900}


def polled(readings: int, bus: Memory, reader: Reader, clock: HandClock | None = None) -> dict[str, float]:
    """Return the values of the last of some readings."""
    for _ in range(readings):
        with contextlib.suppress(Refused):
            reading = asyncio.run(reader.read(bus, clock or HandClock()))
    return decode(reader, reading)


def test_a_low_word_alone_is_the_signed_value_where_the_high_words_do_not_exist() -> None:
    found = polled(1, Memory(WORDS, illegal=range(680, 720)), Reader(DEYE, 1, max_refusals=500))
    assert found["grid_power_l1"] == -123.0
    assert found["grid_power_l2"] == 123.0
    assert found["grid_power_l3"] == -32_768.0
    assert found["grid_power_total"] == 32_767.0
    assert found["grid_ct_power_total"] == -1.0
    assert found["load_power"] == 900.0, "its high word, 659, exists"
    assert found["battery_soc"] == 0.55


def test_a_unit_that_is_polled_learns_it_in_a_few_readings_and_then_asks_no_more() -> None:
    reader, bus = Reader(DEYE, 1), Memory(WORDS, illegal=range(680, 720))
    assert polled(12, bus, reader)["grid_power_l1"] == -123.0
    bus.requests.clear()
    assert polled(1, bus, reader)["grid_power_l1"] == -123.0
    assert not any(first < 720 and first + count > 680 for _, first, count in bus.requests)


def test_the_high_words_count_as_soon_as_they_exist() -> None:
    """40 kW = 0000 9C40 after an update of the firmware; the registers are tried again after an hour."""
    words = WORDS | {625: 0x9C40, 690: 0}
    reader, bus, clock = Reader(DEYE, 1, max_refusals=500), Memory(words, illegal=range(680, 720)), HandClock()
    polled(1, bus, reader, clock)
    bus.illegal.clear()
    clock.seconds = RETRY_SECONDS
    assert polled(1, bus, reader, clock)["grid_power_total"] == 40_000.0


@pytest.mark.parametrize("code", [4, 6, 11])
def test_a_refusal_that_may_pass_makes_no_low_word_a_value(code: int) -> None:
    """A unit that is busy may have high words. 40 kW would be -25.5 kW."""
    bus, reader = Memory(WORDS | {625: 0x9C40}, illegal=range(680, 720), code=code), Reader(DEYE, 1, max_refusals=500)
    found = polled(4, bus, reader)
    assert isnan(found["grid_power_total"])
    assert found["battery_soc"] == 0.55


def test_an_illegal_register_between_the_words_makes_no_low_word_a_value() -> None:
    found = polled(3, Memory(WORDS | {625: 0x9C40}, illegal=[640]), Reader(DEYE, 1, max_refusals=500))
    assert isnan(found["grid_power_total"])


def test_a_missing_low_word_makes_no_value() -> None:
    found = polled(3, Memory(WORDS, illegal=[622, *range(680, 720)]), Reader(DEYE, 1, max_refusals=500))
    assert isnan(found["grid_power_l1"])
    assert found["grid_power_l2"] == 123.0
