"""SunSpec: a reading counts only while the models are those that the walk found, and floats have their words in order.

Words are typed from the SunSpec model definitions: models 103 and 113 have ID 103 and 113, L 50 and 60; W is at offset
14 with W_SF at 15, and a float at 22; Hz is at offset 16, and a float at 24; PhVphA is a float at 16.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from math import isnan

import pytest
from wattgram_drivers.device import Table
from wattgram_drivers.driver_errors import LayoutChanged, WordsSwapped
from wattgram_drivers.plan import make_plan
from wattgram_drivers.reader import Reader

from tests.support.register_memory import HandClock, Memory, decode
from tests.support.sunspec_chains import COMMON_66, END, INVERTER, MARKER, Chain, discover, written

FLOATS = {"W": 5000.0, "Hz": 50.0, "PhVphA": 230.1, "PhVphB": 229.9, "WH": 12_345.0, "A": 6.5, "St": 4}


def chain(*models: tuple[int, ...]) -> tuple[int, ...]:
    return (*MARKER, *COMMON_66, *(word for model in models for word in model), *END)


def reading(reader: Reader, memory: Memory) -> Mapping[str, float]:
    return decode(reader, asyncio.run(reader.read(memory, HandClock())))


INTEGERS = chain(written(103, INVERTER))


def test_another_model_at_the_same_address_discards_the_reading() -> None:
    reader = Reader(discover(INTEGERS), 1)
    assert reading(reader, Chain(INTEGERS))["frequency"] == 49.98
    with pytest.raises(LayoutChanged, match=r"holding 40070 is 0071 003c, expected 0067 0032 \(SunSpec model 103\)"):
        reading(reader, Chain(chain(written(113, FLOATS))))


@pytest.mark.parametrize("head", [(103, 51), (102, 50), (0, 0), (0xFFFF, 0xFFFF), (0xFFFF, 0)])
def test_another_length_or_number_discards_the_reading(head: tuple[int, int]) -> None:
    reader = Reader(discover(INTEGERS), 1)
    words = list(INTEGERS)
    words[70:72] = head
    with pytest.raises(LayoutChanged):
        reading(reader, Chain(words))


def test_a_chain_at_another_base_address_discards_the_reading() -> None:
    # The old base answers with other words, or refuses them.
    reader = Reader(discover(INTEGERS), 1)
    assert reading(reader, Chain(INTEGERS))["frequency"] == 49.98
    moved = Chain(INTEGERS, 50000)
    with pytest.raises(LayoutChanged, match="the model was there before"):
        reading(reader, moved)
    with pytest.raises(LayoutChanged):
        reading(Reader(discover(INTEGERS), 1), Memory(moved.words))


def test_one_changed_model_of_several_discards_the_whole_reading() -> None:
    nameplate = written(120, {"WRtg_SF": 1, "WRtg": 110_000.0})
    reader = Reader(discover(chain(written(103, INVERTER), nameplate)), 1)
    with pytest.raises(LayoutChanged, match="SunSpec model 120"):
        reading(reader, Chain(chain(written(103, INVERTER), written(121, {"WMax_SF": 1, "WMax": 5000.0}))))


def modules(volts: int, count: int = 8) -> tuple[int, ...]:
    """Model 160 of more than 125 registers: 8 fixed ones and 20 a tracker."""
    points = {"DCA_SF": 0, "DCV_SF": 0, "DCW_SF": 0, "DCWH_SF": 0, "N": count}
    return written(160, points, [{"ID": number + 1, "DCV": volts} for number in range(count)])


class Changing(Chain):
    """A chain that becomes another one before a request."""

    def __init__(self, words: tuple[int, ...], later: tuple[int, ...], moment: int) -> None:
        super().__init__(words)
        self.later = Chain(later)
        self.moment = moment

    def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
        if len(self.requests) <= self.moment:
            return super().answer(table, address, count)
        return self.later.answer(table, address, count)


@pytest.mark.parametrize("moment", range(4))
def test_a_model_of_several_requests_never_mixes_two_layouts(moment: int) -> None:
    # Afterwards the registers of the trackers belong to model 160 of nine trackers, 20 registers further on.
    before = chain(written(103, INVERTER), modules(612))
    after = chain(written(103, INVERTER), modules(777, 9))
    device = discover(before)
    reader = Reader(device, 1, ["dc_voltage_1", "dc_voltage_8"])
    assert len(reader.plan.blocks) == 3  # the head with near values, far values, the head again with the scale
    memory = Changing(before, after, moment)
    if moment == 3:
        assert reading(reader, memory)["dc_voltage_8"] == 612.0
    else:
        with pytest.raises(LayoutChanged):
            reading(reader, memory)


def test_a_far_value_without_its_scale_register_is_read_between_two_heads() -> None:
    # The ID of a module has no scale: the head alone is read again.
    device = discover(chain(modules(612)))
    plan = make_plan(device, ["module_1_id", "module_8_id"])
    first, last = plan.blocks[0], plan.blocks[-1]
    assert (first.address, last.address, last.count) == (40070, 40070, 2)


def test_a_device_that_never_had_some_registers_of_a_model_is_read_around_them() -> None:
    # The walk reads the head alone, and the first reading with all registers is refused.
    words = dict(enumerate(INTEGERS, 40000))
    reader = Reader(discover(INTEGERS), 1, max_refusals=100)
    memory = Memory(words, illegal={40070 + 38})
    found = reading(reader, memory)
    assert found["frequency"] == 49.98
    assert isnan(found["status"])
    assert reading(reader, memory)["frequency"] == 49.98


def swapped(model: tuple[int, ...], first: int, last: int) -> tuple[int, ...]:
    """A model with the words of its floats, from offset `first` to before `last`, in the wrong order."""
    words = list(model)
    for offset in range(first, last, 2):
        words[offset], words[offset + 1] = words[offset + 1], words[offset]
    return tuple(words)


def test_swapped_words_of_an_inverter_are_named_with_what_to_do() -> None:
    # Hz is 50.0 = 4248 0000; as 0000 4248 it would be 2.4e-41.
    words = chain(swapped(written(113, FLOATS), 2, 48))
    reader = Reader(discover(words), 1)
    with pytest.raises(WordsSwapped, match=r"holding 40094 is 0000 4248: .*frequency would be 50.*byte order") as named:
        reading(reader, Chain(words))
    assert "integers and scale factors" in str(named.value)


@pytest.mark.parametrize("number", [111, 112, 113, 211, 212, 213, 214])
@pytest.mark.parametrize("values", [{"W": 6000.0, "A": 9.5}, {"Hz": 49.973}, {"PhVphA": 231.37, "PhVphB": 229.1}])
def test_swapped_words_are_recognised_by_any_measured_value(number: int, values: Mapping[str, float]) -> None:
    # 6000 = 45BB 8000; 49.973 = 4247 E45A, which becomes -1.6e22; 231.37 = 4367 5EB8, which becomes 6.7e18.
    words = chain(swapped(written(number, values), 2, 48 if number < 200 else 122))
    with pytest.raises(WordsSwapped):
        reading(Reader(discover(words), 1), Chain(words))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"W": 0.0, "Hz": 0.0, "PhVphA": 0.0, "A": 0.0},
        {"W": 1e-3, "Hz": 50.0},
        {"W": 2.5e-41, "Hz": 49.97},
        {"W": 0.0, "Hz": 0.0, "PhVphA": 0.35, "A": 1e-9},
        {"W": -3.0e8, "PhVphA": 63_500.0, "Hz": 16.7},
    ],
)
def test_floats_in_order_are_not_taken_for_swapped_ones(values: Mapping[str, float]) -> None:
    words = chain(written(113, values))
    found = reading(Reader(discover(words), 1), Chain(words))
    for name, quantity in {"W": "active_power_total", "Hz": "frequency", "PhVphA": "voltage_l1n"}.items():
        if name in values:
            assert found[quantity] == struct.unpack(">f", struct.pack(">f", values[name]))[0]
