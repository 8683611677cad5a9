"""The first stages alone: a reading becomes a record with its time; devices are lost and come back."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.site.device_presence import DevicePresence
from wattgram.site.reading_stages import ReadingStages
from wattgram.timekeeping.kernel_clock import AlwaysSynchronised
from wattgram.timekeeping.timekeeper import Timekeeper
from wattgram_drivers.device import Reading

from tests.support.plants import Plant

NOON = 1_780_286_400 * NS
READ = {"active_power_total": 5000.0, "voltage_l1n": 230.0, "frequency": 50.0}


def stages(plant: Plant) -> ReadingStages:
    timekeeper = Timekeeper(plant.clock, AlwaysSynchronised())
    made = ReadingStages(tuple(plant.sources.values()), plant.spool, plant.clock, timekeeper)
    made.check_clock()
    return made


def reading(plant: Plant) -> Reading:
    """Return a reading of 5 kW."""
    image = bytearray(2 * plant.plan.words)
    for place in plant.plan.places:
        if (value := READ.get(place.register.quantity)) is not None:
            struct.pack_into(">f", image, 2 * place.position, value)
    return Reading(plant.clock.time(), plant.clock.monotonic(), bytes(image), b"\1" * plant.plan.words)


def test_a_reading_passes_at_once_and_has_the_time_of_the_reading(tmp_path: Path) -> None:
    plant = Plant(tmp_path, {"incomer": "grid"}, NOON)
    first = stages(plant)
    plant.clock.go(2.0)
    made = reading(plant)
    plant.clock.go(0.5)
    (dated,) = first.advance(plant.sources["incomer"], made)
    assert (dated.source, dated.record.time) == (plant.sources["incomer"], NOON + 2 * NS)
    assert dated.record["active_power_total"] == 5000.0


def test_a_clock_that_was_set_during_a_reading_gives_the_reading_the_new_time(tmp_path: Path) -> None:
    plant = Plant(tmp_path, {"incomer": "grid"}, NOON)
    first = stages(plant)
    made = replace(reading(plant), time=NOON - 3600 * NS)  # by the clock before
    (dated,) = first.advance(plant.sources["incomer"], made)
    assert dated.record.time == NOON


def test_a_reading_waits_for_the_clock_and_gets_the_time_at_which_it_was_made(tmp_path: Path) -> None:
    plant = Plant(tmp_path, {"incomer": "grid"}, 0)  # 1970
    first = stages(plant)
    assert list(first.advance(plant.sources["incomer"], reading(plant))) == []
    assert list(first.dated()) == []
    plant.clock.go(10.0)
    plant.clock.now = NOON
    change = first.check_clock()
    assert change.begin == NOON - 10 * NS
    (dated,) = first.dated()
    assert (dated.record.time, len(first.waiting)) == (NOON - 10 * NS, 0)


def test_a_silent_device_is_lost_once_and_back_with_its_next_reading(tmp_path: Path) -> None:
    plant = Plant(tmp_path, {"incomer": "grid"}, NOON)
    first, presence = stages(plant), DevicePresence(tuple(plant.sources.values()), lambda *_: False)
    assert presence.advance(NOON, 0.0) == ([], [])
    plant.clock.go(3.5)  # more than three intervals of a second
    (record,), occurrences = presence.advance(plant.clock.now, 3.5)
    assert (record.time, record["quality"]) == (plant.clock.now, "stale")
    assert occurrences == [("incomer", Occurrence("device lost", "no reading"))]
    assert presence.advance(plant.clock.now, 3.5) == ([], [])
    first.advance(plant.sources["incomer"], reading(plant))
    assert presence.advance(plant.clock.now, 3.5) == ([], [("incomer", Occurrence("device back", ""))])
