"""A week without an uplink: does it fit the default spool, how many bytes is a value, and how long does it drain.

50 devices with 20 quantities every 5 s for 7 days, in a spool of 1 GiB as the daemon writes it: a sync for every 5 s
of readings, and packed as often as they would be. The quantities have the resolution and the noise of a meter; beside
them is the worst case that there is, singles of which every bit is noise. The week of 5 s then goes into InfluxDB
behind nginx, whole, and to mosquitto, a message a record, by the daemon's own delivery.

    python -m tests.bench.backlog [DAYS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from wattgram.base.record import Record, Series
from wattgram.daemon.daemon import PACK_PERIOD
from wattgram.store.ring import Ring
from wattgram.store.spool import Spool
from wattgram.store.view import RINGS

from tests.bench.catchup import drain, server

DAY = 86_400
DEVICES = 50
START = 1_790_000_000_000_000_000
LIMIT = 2**30
WEEK = 7 * DAY

DRAINED = 20 * 60.0
"""Longest time to deliver the week to the database, s."""

# name, mean, swing over the day, noise, decimals: a three-phase meter on 100 kVA
QUANTITIES = (
    *((f"voltage_l{phase}n", 230.0, 3.0, 0.4, 1) for phase in (1, 2, 3)),
    *((f"current_l{phase}", 80.0, 60.0, 1.0, 2) for phase in (1, 2, 3)),
    *((f"active_power_l{phase}", 18_000.0, 14_000.0, 200.0, 0) for phase in (1, 2, 3)),
    ("active_power_total", 54_000.0, 42_000.0, 400.0, 0),
    ("reactive_power_total", 9_000.0, 5_000.0, 150.0, 0),
    ("apparent_power_total", 55_000.0, 42_000.0, 400.0, 0),
    ("power_factor_total", 0.97, 0.02, 0.003, 3),
    ("frequency", 50.0, 0.0, 0.015, 2),
    ("active_energy_import", 0.0, 0.0, 0.0, 2),
    ("active_energy_export", 0.0, 0.0, 0.0, 2),
    ("reactive_energy_import", 0.0, 0.0, 0.0, 2),
    ("temperature_internal", 41.0, 9.0, 0.1, 1),
    ("thd_voltage_l1", 2.1, 0.4, 0.05, 2),
    ("neutral_current", 4.0, 2.0, 0.2, 2),
)
NAMES = tuple(name for name, *_ in QUANTITIES)
POWER_OF = {"active_energy_import": "active_power_total", "reactive_energy_import": "reactive_power_total"}


def series(number: int) -> Series:
    tags = (("site", "works"), ("device", f"meter-{number:02}"), ("role", "load"), ("driver", "eastron_sdm630"))
    return Series("device", tags, NAMES, (), ("quality",))


def meter(
    seconds: NDArray[np.float64], counted: NDArray[np.float64], chance: np.random.Generator
) -> NDArray[np.float64]:
    """Rows of a meter at these seconds; `counted` are its counters in Wh or varh, which go on."""
    columns: dict[str, NDArray[np.float64]] = {}
    phase = chance.uniform(0, 2 * np.pi)
    wave = np.sin(2 * np.pi * seconds / DAY + phase)
    for name, mean, swing, noise, decimals in QUANTITIES:
        exact = mean + swing * wave + noise * chance.standard_normal(len(seconds))
        if name in POWER_OF:
            place = list(POWER_OF).index(name)
            exact = counted[place] + np.cumsum(columns[POWER_OF[name]]) * (seconds[1] - seconds[0]) / 3600.0
            counted[place] = exact[-1]
        columns[name] = np.rint(exact * 10**decimals) / 10**decimals
    return np.ascontiguousarray(np.column_stack(list(columns.values())))


def noise(seconds: NDArray[np.float64], _: NDArray[np.float64], chance: np.random.Generator) -> NDArray[np.float64]:
    """Rows of random singles, which packing does not shrink."""
    return chance.standard_normal((len(seconds), len(NAMES)), dtype=np.float32).astype(np.float64)


def instants(days: float, interval: int, source: object, seed: int = 1) -> Iterator[list[Record]]:
    """The records of every interval, in order."""
    chance = np.random.default_rng(seed)
    kinds, counted = [series(number) for number in range(DEVICES)], np.zeros((DEVICES, len(POWER_OF)))
    for begin in range(0, int(days * DAY), 3600):
        seconds = np.arange(begin, min(begin + 3600, int(days * DAY)), interval, dtype=np.float64)
        blocks = [source(seconds, counted[number], chance).tobytes() for number in range(DEVICES)]  # type: ignore[operator]
        size = 8 * len(NAMES)
        for row, second in enumerate(seconds):
            at = START + int(second) * 10**9
            place = slice(row * size, (row + 1) * size)
            yield [
                Record(kind, at + number * 10**6, block[place], ("good",))
                for number, (kind, block) in enumerate(zip(kinds, blocks, strict=True))
            ]


async def fill(folder: Path, days: float, interval: int, source: object, limit: int = LIMIT) -> tuple[int, float]:
    """A spool with so many days; values, and seconds of processor time."""
    spool = Spool(folder, max_size=limit, keep=1e9, sinks=("influxdb", "mqtt"))
    await spool.open()
    begun, packed = time.process_time(), 0.0
    values = 0
    for number, records in enumerate(instants(days, interval, source)):
        for record in records:
            spool.append(record)
        await spool.sync()
        values += len(records) * len(NAMES)
        if number * interval - packed >= PACK_PERIOD:
            packed = number * interval
            await spool.pack(records[-1].time)
        if number * interval % DAY == 0 and days >= 1:
            print(f"day {number * interval // DAY + 1} of {days:g}", file=sys.stderr)
    spent = time.process_time() - begun
    await spool.close()
    assert spool.lost == spool.dropped == 0, f"{spool.lost} records gave way"
    return values, spent


def packed_bytes(folder: Path) -> int:
    """Bytes of blocks, without the room that segments have left."""
    total = 0
    for name, kinds in RINGS.items():
        ring = Ring(folder, name, kinds)
        ring.load()
        total += sum(placed.head.size for placed in ring.blocks(0))
    return total


def drained(folder: Path, records: int, days: float) -> None:
    """Deliver all records to both sinks; return the time that this takes."""
    for name in ("influxdb", "mqtt"):
        with TemporaryDirectory(prefix="wattgram-backlog-") as place, server(name, Path(place)) as sink:
            print(f"{records} records to {name}", file=sys.stderr)
            took, used, _ = asyncio.run(drain(folder, sink))
        week = took / days * 7
        print(
            f"backlog into {name}: {days:g} days in {took / 60:.1f} min, a week in {week / 60:.1f} min "
            f"({week / DRAINED:.2f}x of 20 min), {records / took:.0f} records/s, {used / records * 1e6:.0f} us of "
            f"processor each"
        )


def main() -> None:
    days = float(sys.argv[1]) if len(sys.argv) > 1 else 7.0
    with TemporaryDirectory(dir="/var/tmp") as folder:
        for name, interval, source, span in (
            ("every 5 s", 5, meter, days),
            ("every second", 1, meter, min(days, 0.2)),
            ("every 5 s, noise", 5, noise, min(days, 0.2)),
        ):
            place = Path(folder) / name.replace(" ", "-").replace(",", "")
            values, spent = asyncio.run(fill(place, span, interval, source))
            size = sum(path.stat().st_size for path in place.iterdir())
            each = packed_bytes(place) / values
            week = each * WEEK / interval * DEVICES * len(NAMES)
            print(
                f"backlog {name}: {each:.2f} bytes a value, a week {week / LIMIT:.2f}x the default spool; "
                f"{span:g} days in {size / 2**20:.0f} MiB of files, {values / spent / 1e6:.2f} million values a second"
            )
            if (interval, source) == (5, meter):
                drained(place, values // len(NAMES), span)


if __name__ == "__main__":
    main()
