"""Counters of SunSpec meters whose highest bits are set: a number near the end of the register, or a negative one.

TotWhExp of model 203 is at offset 38 and TotWhImp at 46, with the scale at 54. FFB6 D9FD is 4,290,173,437, or
-4,793,859 as a signed number (CJNE/ha-sunspec issue 249).
"""

from __future__ import annotations

import asyncio
import struct
from math import isnan, nan

import pytest
from wattgram.acquisition.validity import Judge, Judged
from wattgram_drivers.reader import Reader

from tests.support.register_memory import HandClock
from tests.support.sunspec_chains import END, MARKER, Chain, common, discover, written

FAR = 0xFFB6D9FD
NEGATIVE = 2**32 - FAR


class Meter:
    """The judge of a meter 203 of a make that is not known to count down. scale: exponent of the energies."""

    def __init__(self, *, scale: int = 0, single: bool = False) -> None:
        self.scale = scale
        self.device = discover(self.words(1))
        self.reader = Reader(self.device, 1)
        self.judge = Judge(self.device, self.reader.plan, single=single)
        self.seconds = 0.0

    def words(self, exported: int, imported: int = 1000) -> tuple[int, ...]:
        words = list(written(203, {"W_SF": 0, "W": 5.0, "TotWh_SF": self.scale, "TotWhExp": 1, "TotWhImp": 1}))
        words[38:40], words[46:48] = divmod(exported, 65536), divmod(imported, 65536)
        return (*MARKER, *common("Acme", "Meter", "SN-1"), *words, *END)

    def take(self, exported: int, imported: int = 1000) -> Judged:
        self.seconds += 1.0
        clock = HandClock(seconds=self.seconds)
        return self.judge.judge(asyncio.run(self.reader.read(Chain(self.words(exported, imported)), clock)))

    def exported(self, judged: Judged) -> float:
        numbers = struct.unpack(f"{len(self.judge.names)}d", judged.values)
        return float(dict(zip(self.judge.names, numbers, strict=True))["active_energy_export"])


@pytest.mark.parametrize("scale", [0, 1, -2])
def test_a_falling_counter_is_absent_until_it_is_known_and_then_what_it_counted(scale: int) -> None:
    meter, wh = Meter(scale=scale), 10.0**scale
    found = [meter.exported(meter.take(FAR - 7 * number)) for number in range(6)]
    assert all(isnan(value) for value in found[:3])
    assert found[3:] == pytest.approx([(NEGATIVE + 7 * number) * wh for number in (3, 4, 5)], rel=1e-12)


def test_a_rising_counter_is_absent_until_it_is_known_and_then_as_read() -> None:
    meter = Meter()
    found = [meter.exported(meter.take(FAR + number)) for number in range(5)]
    assert found == pytest.approx([nan, nan, nan, FAR + 3, FAR + 4], nan_ok=True)


def test_a_counter_that_stands_still_stays_absent_and_the_reason_is_told_each_time() -> None:
    meter = Meter()
    for _ in range(30):
        judged = meter.take(FAR)
        assert isnan(meter.exported(judged))
        (withheld,) = judged.withheld
        assert (withheld.quantity, withheld.words) == ("active_energy_export", "ffb6 d9fd")
        assert "may be a negative number" in withheld.reason


def test_steps_in_both_directions_say_nothing() -> None:
    meter = Meter()
    for number in range(20):
        assert isnan(meter.exported(meter.take(FAR + number % 2)))


def test_a_counter_that_was_seen_to_rise_passes_its_end_as_read() -> None:
    meter = Meter()
    counts = [*range(0xEFFFFFF0, 0xF0000010, 4)]
    assert [meter.exported(meter.take(count)) for count in counts] == counts
    assert meter.exported(meter.take(12)) == 12.0


def test_small_counters_and_those_not_implemented_are_never_in_doubt() -> None:
    meter = Meter()
    for count in (5, 5, 4, 1000, 0x7FFFFFFF, 0xEFFFFFFF):
        judged = meter.take(count)
        assert (meter.exported(judged), judged.withheld) == (count, ())
    judged = meter.take(0xFFFFFFFF)
    assert isnan(meter.exported(judged))
    assert judged.withheld == ()


def test_another_counter_of_the_meter_is_not_affected() -> None:
    meter = Meter()
    for number in range(6):
        judged = meter.take(FAR, 1000 + number)
        numbers = dict(zip(meter.judge.names, struct.unpack(f"{len(meter.judge.names)}d", judged.values), strict=True))
        assert numbers["active_energy_import"] == 1000 + number


def test_a_single_reading_says_what_the_number_may_be() -> None:
    judged = Meter(single=True).take(FAR)
    (finding,) = judged.findings
    assert finding == (
        "active_energy_export: as a signed number, its register means -4793859 Wh; compare with the display"
    )
    assert [value.quantity for value in judged.withheld] == ["active_energy_export"]
