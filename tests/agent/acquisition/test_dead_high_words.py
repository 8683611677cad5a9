"""Powers of two words apart where the high words stay at 0: right or absent (Deye, three phases)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from math import isnan

import pytest
from wattgram.acquisition.validity import Judge
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.plan import make_plan

DEYE = load("deye_hybrid_3p")
VOLTS = {598: 2300, 599: 2300, 600: 2300}


class Unit:
    """A unit of which every reading is judged. rated_power: W."""

    def __init__(self, quantities: Sequence[str] | None = None) -> None:
        self.plan = make_plan(DEYE, quantities)
        self.judge = Judge(DEYE, self.plan, role="pv", rated_power=12e3)

    def read(self, words: Mapping[int, int], quantity: str = "grid_ct_power_total") -> float:
        """Return a value of a reading of these registers; the others are 0."""
        image = bytearray(2 * self.plan.words)
        for place in self.plan.places:
            register = place.register
            for address, position in zip(register.addresses, place.positions, strict=True):
                struct.pack_into(">H", image, 2 * position, words.get(address, 0))
        judged = self.judge.judge(Reading(0, 0.0, bytes(image), b"\1" * self.plan.words))
        numbers: tuple[float, ...] = struct.unpack(f"{len(self.judge.names)}d", judged.values)
        return dict(zip(self.judge.names, numbers, strict=True))[quantity]


def amperes(*currents: float) -> dict[int, int]:
    """Return the words of the transformers' currents, 0.01 A, as unsigned words of signed values."""
    return {613 + n: int(100 * current) & 0xFFFF for n, current in enumerate(currents)}


@pytest.mark.parametrize(
    ("low", "currents"),
    [
        (0xFFF6, (0.0, 0.0, 0.0)),  # -10 W
        (0xFF9C, (0.2, 0.2, 0.2)),  # -100 W, 138 VA
        (0xF448, (-4.3, -4.4, -4.5)),  # -3000 W, 3036 VA
        (0x8AD0, (-43.5, -43.5, -43.5)),  # -30,000 W, 30,015 VA
    ],
)
def test_a_negative_power_without_its_high_word_is_absent(low: int, currents: tuple[float, ...]) -> None:
    assert isnan(Unit().read({**VOLTS, **amperes(*currents), 619: low}))


def test_a_large_power_of_a_unit_with_high_words_is_right() -> None:
    assert Unit().read({619: 0x9C40}) == 40_000.0
    assert Unit().read({**VOLTS, **amperes(58.0, 58.0, 58.0), 619: 0x9C40}) == 40_000.0  # 40,020 VA
    assert Unit().read({**VOLTS, 619: 0xFFFF, 708: 0xFFFF}) == -1.0


def test_a_high_word_that_lives_shows_that_small_currents_are_those_of_other_clamps() -> None:
    unit = Unit()
    assert unit.read({**VOLTS, 619: 0xFFF6, 690: 0xFFFF, 625: 0xFFFE}) == 65_526.0
    assert unit.read({**VOLTS, 619: 0xFFF6}) == 65_526.0


def test_currents_that_are_not_read_decide_nothing_and_a_small_negative_power_is_absent() -> None:
    unit = Unit(["grid_ct_power_total"])
    assert unit.read({619: 0x9C40}) == 40_000.0
    assert isnan(unit.read({619: 0xFFF6}))
    assert isnan(unit.read({619: 0x9C40})), "the unit has no high words: 40,000 W, or -25,536 W"
    assert unit.read({619: 0x0BB8}) == 3000.0
    assert unit.read({619: 0x9C40, 708: 1}) == 105_536.0
    assert unit.read({619: 0x9C40}) == 40_000.0


def test_a_power_above_its_bound_shows_that_the_unit_has_no_high_words() -> None:
    unit = Unit()
    assert isnan(unit.read({636: 0xD8F0}, "active_power_total"))  # -10,000 W, or 55,536 W of 12 kW
    assert isnan(unit.read({619: 0xD8F0}))
