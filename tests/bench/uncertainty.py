"""What the copies of the accounts cost: processor time of a second of a site, with uncertainties and without them.

Both sites run in turn, for ten minutes of their time at a time. A second is the readings of all devices and the tick.
"""

from __future__ import annotations

import asyncio
from math import pi, sin
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

from tests.support.plants import Plant

NOON = 1_780_286_400 * 10**9  # UTC ns
ROLES = {"incomer": "grid", "roof-east": "pv", "roof-west": "pv", "store": "battery", "genset": "genset"}
ROLES |= {f"hall-{number}": "load" for number in range(1, 6)}
SECONDS = 600
REPEATS = 7
GOAL = 0.1


async def plant_of(folder: Path, *, uncertainty: bool) -> Plant:
    """Return a site in a spool of its own."""
    plant = Plant(folder, ROLES, NOON, uncertainty=uncertainty)
    await plant.spool.open()
    return plant


def run(plant: Plant, begin: int) -> float:
    """Return the processor time of ten minutes, s."""
    started = process_time()
    for second in range(begin, begin + SECONDS):
        wave = sin(2.0 * pi * second / 3600.0)
        powers = {"incomer": 80e3 + 20e3 * wave, "roof_east": 30e3, "roof_west": 20e3, "store": 10e3 * wave}
        plant.tick(**powers, genset=5e3, **{f"hall_{number}": 20e3 for number in range(1, 6)})
    return process_time() - started


async def measure(folder: Path) -> tuple[float, float]:
    """Return the times with and without uncertainties, s for a second of the site."""
    plants = [await plant_of(folder / str(on), uncertainty=on) for on in (True, False)]
    times: list[list[float]] = [[], []]
    for repeat in range(REPEATS):
        for plant, found in zip(plants, times, strict=True):
            found.append(run(plant, repeat * SECONDS) / SECONDS)
            await plant.spool.sync()
    for plant in plants:
        await plant.spool.close()
    return median(times[0]), median(times[1])


def main() -> None:
    with TemporaryDirectory() as name:
        for folder in ("True", "False"):
            Path(name, folder).mkdir()
        on, off = asyncio.run(measure(Path(name)))
    print(
        f"uncertainties of a site of {len(ROLES)} devices: {on / off - 1.0:.1%} of a second's processor time more "
        f"({on * 1e6:.0f}, {off * 1e6:.0f} us), goal below {GOAL:.0%}"
    )


if __name__ == "__main__":
    main()
