"""A year of seconds of 20 devices through the accounts: samples a second, against plain C and memcpy in the same run.

Blocks of a quarter of an hour are made once and fed again and again, among them some at whose end an hour, a day or a
month ends. `powers` is the row that tick.c takes too; `all columns` carries counters, fuel, charge, certificates,
captured carbon and the ends of four windows besides. C and memcpy do the same quarter in turn with ours; the year is
in processor time of one core.

`from the spool` is a site's stored history, its devices' records among it, through `wattgram replay`'s own code: read,
checked, computed and compared with what was published; with nothing changed, and with another factor, so that every
record is made anew.
"""

from __future__ import annotations

import asyncio
import ctypes
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import nan, pi, sin
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from wattgram.accounts.books import Books
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.config.grid_table import GridConfig
from wattgram.grid.ladder import Ladder
from wattgram.site.stored_replay import replayed
from wattgram_ext.intensity import OUTPUTS, Accounts

from tests.bench.tick import PlainC
from tests.support.intensity_sites import DRAWN
from tests.support.plants import Plant

ROLES = ["grid", *["pv"] * 8, "battery", "genset", *["load"] * 9]
FACTORS = [0.0, *[41.0] * 8, 0.0, 800.0, *[0.0] * 9]
QUARTER = 900
HOUR = 4 * QUARTER
DAY = 24 * HOUR
MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
NOON = 1_780_286_400 * 10**9  # UTC ns
GOAL = 20e6  # samples a second, a sample being one device's power at one instant


def powers(second: int) -> list[float]:
    wave = sin(2 * pi * second / HOUR)
    return [100e3 + 50e3 * wave, *[5e3 + 500 * wave] * 8, 20e3 * wave, 10e3, *[8e3] * 9]


def counters(watts: list[float]) -> list[float]:
    """Wh of the second in both directions; sub-meters have none."""
    both = [(max(power, 0.0) / HOUR, max(-power, 0.0) / HOUR) for power in watts]
    return [value for i, pair in enumerate(both) for value in (pair if ROLES[i] != "load" else (nan, nan))]


def quarter(*longer: float) -> bytes:
    """A quarter with all columns, at whose end the hour, day and month end that have a length in s."""
    rows = []
    for second in range(QUARTER):
        watts = powers(second)
        ends = [float(length) for length in (QUARTER, *longer)] if second == QUARTER - 1 else []
        more = (*counters(watts), *[nan] * len(ROLES), 0.5, 10.0, 0.001, 558.1, *ends, *[0.0] * (4 - len(ends)))
        rows.append(struct.pack(f"{3 + len(watts) + len(more)}d", 1.0, 558.1, 0.342, *watts, *more))
    return b"".join(rows)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def compare(name: str, step: Callable[[bytes], bytes], block: bytes, c: Callable[[], object]) -> None:
    """Ours, C and memcpy on the same quarter, in turn."""
    target = ctypes.create_string_buffer(len(block) + QUARTER * len(OUTPUTS) * 8)
    times = [
        (
            seconds(lambda: step(block)),
            seconds(c),
            seconds(lambda: ctypes.memmove(target, block, len(block))),
        )
        for _ in range(301)
    ]
    ours, plain, copied = (median(column) for column in zip(*times, strict=True))
    print(f"replay {name}: {ours / plain:.2f}x plain C's time, {ours / copied:.0f}x memcpy of the input")


SITE = {f"{role}-{number}": role for number, role in enumerate(ROLES)}


async def history(folder: Path, hours: int) -> Plant:
    """A spool that holds so many hours of seconds of 20 meters."""
    plant = Plant(folder, SITE, NOON)
    await plant.spool.open()
    for second in range(hours * HOUR):
        plant.tick(1.0, **dict(zip((name.replace("-", "_") for name in SITE), powers(second), strict=True)))
        if second % QUARTER == 0:
            await plant.spool.sync()
    await plant.spool.close()
    return plant


def again(plant: Plant, factor: float | None) -> tuple[float, int]:
    """Samples a second of processor time, and the number of records published again."""
    records = 0

    def count(published: Sequence[Record], _: object) -> None:
        nonlocal records
        records += len(published)

    config = replace(plant.config, grid=GridConfig("CN-CQ", factor=factor))
    books = Books(config, Ladder("CN-CQ", "direct", factor))
    start = process_time()
    replay = replayed(config.spool.path, "works", books, 0, 2**62, ALL_WINDOWS, count)
    return replay.counts.samples / (process_time() - start), records


def from_the_spool() -> None:
    peak = []
    for hours in (1, 3):
        with TemporaryDirectory() as folder:
            plant = asyncio.run(history(Path(folder), hours))
            same, nothing = again(plant, None)
            other, records = again(plant, 700.0)
            tracemalloc.start()
            again(plant, None)
            peak.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    print(f"replay from the spool: {same / 1e6:.1f} million samples a second, {nothing} records published again")
    print(f"replay with another factor: {other / 1e6:.1f} million samples a second, {records} records published again")
    print(f"replay's memory from the spool: {peak[1] / peak[0]:.2f}x for three times the length")


def main() -> None:
    plain_block = b"".join(struct.pack("23d", 1.0, 558.1, 0.342, *powers(second)) for second in range(QUARTER))
    inside, hour, day = quarter(), quarter(HOUR), quarter(HOUR, DAY)
    groups = ["industry" if role == "load" else "" for role in ROLES]
    every = Accounts(ROLES, FACTORS, windows=4, columns=DRAWN, groups=groups, hour=1, capacity=100e3)
    with TemporaryDirectory() as folder:
        peer = PlainC(folder, ROLES, FACTORS, QUARTER)
        compare(
            "of powers",
            Accounts(ROLES, FACTORS, residual_factor=609.6).step,
            plain_block,
            lambda: peer.run(plain_block, QUARTER),
        )
        compare("of all columns", every.step, inside, lambda: peer.run(plain_block, QUARTER))

    spent = 0.0
    flat = 0
    for length in MONTHS:
        month = quarter(HOUR, DAY, length * DAY)
        for number in range(length):
            last = month if number == length - 1 else day
            blocks = [*[inside, inside, inside, hour] * 23, inside, inside, inside, last]
            start = process_time()
            for block in blocks:
                every.step(block)
            spent += process_time() - start
        flat = flat or resident()
    speed = sum(MONTHS) * DAY * len(ROLES) / spent
    print(f"replay of a year: {speed / 1e6:.0f} million samples a second, {speed / GOAL:.1f}x the goal")
    print(f"replay's memory: {(resident() - flat) / 2**20:+.1f} MiB from the first month to the last")
    from_the_spool()


if __name__ == "__main__":
    main()
