"""Late energy in the day book: it has the energy of the windows (METHOD-SITE 9.3)."""

from __future__ import annotations

import asyncio
import random
import struct
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.store.history import History
from wattgram_drivers.device import Reading

from tests.support.gap_plants import FAR, at, kwh, opened, windows
from tests.support.plants import Plant

pytestmark = pytest.mark.slow(1)

START = at("2026-06-01T22:30:00")
TICK = 30.0


def read_power_alone(plant: Plant, name: str) -> None:
    """Read a meter whose counters do not answer."""
    image, answered = bytearray(2 * plant.plan.words), bytearray(b"\1" * plant.plan.words)
    for quantity in ("active_energy_import", "active_energy_export"):
        place = plant._places[quantity]
        answered[place : place + 2] = b"\0\0"
    struct.pack_into(">f", image, 2 * plant._places["active_power_total"], plant._powers[name])
    reading = Reading(plant.clock.time(), plant.clock.monotonic(), bytes(image), bytes(answered))
    plant.site.take(plant.sources[name], reading)


@pytest.mark.parametrize("seed", range(2))
def test_the_day_book_has_the_energy_of_the_windows(tmp_path: Path, seed: int) -> None:
    # Half of the readings fail, or have the power alone. Some counters tell energy late although the power held.
    chance = random.Random(seed)

    async def work() -> int:
        plant = await opened(tmp_path, {"incomer": "grid"}, START, {"incomer": 30e3}, tick=TICK, timezone="UTC")
        without_gap = 0
        while plant.clock.now < START + 9000 * NS:
            plant.flow(0.9 * TICK, incomer=60e3 * chance.random() - 20e3)
            if (drawn := chance.random()) < 0.15:
                read_power_alone(plant, "incomer")
            elif drawn < 0.7:
                plant.read()
            plant.flow(0.1 * TICK)
            plant.site.tick(plant.clock.now)
            without_gap += any(amount.positive for amount in plant.site._flows._instants.held)
        await plant.settle()
        await plant.spool.close()
        return without_gap

    assert asyncio.run(work())
    (day,) = windows(tmp_path, "1d")
    booked = next(each for each in History(tmp_path, "works").days(0, FAR) if each.series.tag("device")).as_dict()
    assert float(booked["energy"]) == pytest.approx(1e3 * kwh(day, "grid_import"), rel=1e-9)
    assert float(booked["against"]) == pytest.approx(1e3 * kwh(day, "grid_export"), rel=1e-9)
