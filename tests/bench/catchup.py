"""How fast a backlog drains from the spool into a broker and databases, beside what a site makes in the same time.

The site: 50 devices with 20 values, read every 5 s, and a tick every second: 11 records a second. Its records lie in
a real spool; `deliver` brings them to mosquitto, InfluxDB behind nginx and VictoriaMetrics, one after the other, on
this machine. The loop is late by what a coroutine that wants to run every 5 ms came late meanwhile: what polling would
feel.

    python -m tests.bench.catchup [RECORDS] [SINK ...]
"""

from __future__ import annotations

import asyncio
import gc
import random
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from wattgram.base.clock import Clock
from wattgram.base.record import Record, Series
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks.influx_sink import InfluxConfig, InfluxSink
from wattgram.delivery.sinks.mqtt_sink import MqttSink
from wattgram.delivery.sinks.sink import Sink
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.store.spool import Spool
from wattgram_ext.intensity import OUTPUTS

from tests.support.brokers import mosquitto
from tests.support.databases import influxdb_v2, victoria_metrics

DEVICES, VALUES, INTERVAL = 50, 20, 5
RATE = DEVICES / INTERVAL + 1
"""Records that the site makes in a second."""

GOAL = 5600.0
"""Records a second: a week of such a site in 20 minutes, of a database."""

LEAST = 50.0
"""Minimum speed of any sink, times real time."""

STEP = 0.005
"""Seconds between two wishes to run of the coroutine whose lateness is measured."""

START = 1_790_000_000_000_000_000
NAMES = tuple(f"quantity_{number:02d}_total" for number in range(VALUES))


def backlog(count: int) -> Iterator[Record]:
    """Yield this number of records of the site, in the order of their creation."""
    devices = [
        Series(
            "device",
            (("site", "works"), ("device", f"meter-{number:02d}"), ("role", "load"), ("driver", "eastron_sdm630")),
            NAMES,
            (),
            ("quality",),
        )
        for number in range(DEVICES)
    ]
    tick = Series("emission", (("site", "works"), ("window", "tick")), OUTPUTS, (), ("grid_source", "basis"))
    total, noise = 0, random.Random(1)
    for second in range(1 << 30):
        now = START + second * 1_000_000_000
        slot = DEVICES // INTERVAL
        for series in devices[second % INTERVAL * slot :][:slot]:
            block = struct.pack(
                f"{VALUES}d", *(noise.randrange(10 ** (1 + digits % 6)) / 10 for digits in range(VALUES))
            )
            yield Record(series, now, block, ("good",))
        result = struct.pack(f"{len(OUTPUTS)}d", *(1000 / (3 + place + second % 997) for place in range(len(OUTPUTS))))
        yield Record(tick, now, result, ("table", "direct"))
        total += slot + 1
        if total >= count:
            return


async def fill(folder: Path, count: int) -> int:
    """A closed spool with the backlog; how many records."""
    spool = Spool(folder, max_size=2**34, keep=1e9, sinks=["mqtt", "influxdb"])
    await spool.open()
    for number, record in enumerate(backlog(count), 1):
        spool.append(record)
        if number % 20_000 == 0:
            await spool.sync()
    await spool.close()
    return spool.appended


class Lateness:
    """How late the loop served a coroutine, in s: `found` by the clock, `held` at most by our own work.

    On a busy machine others take the processor, too; what this process did not compute meanwhile was not its doing.
    """

    def __init__(self) -> None:
        self.found: list[float] = []
        self.held: list[float] = []

    async def watch(self) -> None:
        while True:
            begin, used = time.perf_counter(), time.process_time()
            await asyncio.sleep(STEP)
            late = time.perf_counter() - begin - STEP
            self.found.append(late)
            self.held.append(min(late, time.process_time() - used))


def spread(seconds: list[float]) -> str:
    """Return median, 99th percentile and maximum, ms."""
    ordered = sorted(seconds)
    return " / ".join(
        f"{1e3 * ordered[min(len(ordered) - 1, int(part * len(ordered)))]:.1f}" for part in (0.5, 0.99, 1)
    )


async def drain(folder: Path, sink: Sink) -> tuple[float, float, Lateness]:
    """Real and processor seconds until the sink has everything, and how late the loop was."""
    spool = Spool(folder, max_size=2**34, keep=1e9, sinks=[sink.name])
    await spool.open()
    gc.freeze()  # as the daemon does
    delivery, late = Delivery(sink, spool, Clock(), random.Random(1)), Lateness()
    begun, processor = time.perf_counter(), time.process_time()
    tasks = [asyncio.create_task(delivery.run()), asyncio.create_task(late.watch())]
    while spool.undelivered(sink.name):
        await asyncio.sleep(0.01)
        if delivery.progress.state == "away":
            raise SystemExit(f"catchup: {sink.name} is away: {delivery.progress.detail}")
    took, used = time.perf_counter() - begun, time.process_time() - processor
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    if delivery.progress.refused:
        raise SystemExit(f"catchup: {sink.name} refused {delivery.progress.refused} records")
    await spool.close()
    return took, used, late


@contextmanager
def server(name: str, folder: Path) -> Iterator[Sink]:
    """A sink with its real server."""
    with ExitStack() as running:
        if name == "mqtt":
            broker = running.enter_context(mosquitto(folder))
            yield MqttSink(MqttConfig("127.0.0.1", broker.port), "works")
        elif name == "influxdb":
            _, write = running.enter_context(influxdb_v2(folder))
            yield InfluxSink(InfluxConfig(write.url, "plant", "energy", "t0ken"))
        else:
            store = running.enter_context(victoria_metrics(folder))
            yield InfluxSink(InfluxConfig(store.url, "plant", "energy"))


def main() -> None:
    """Print one line a sink."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 110_000
    for name in sys.argv[2:] or ["mqtt", "influxdb", "victoria"]:
        with TemporaryDirectory(prefix="wattgram-catchup-") as directory:
            folder = Path(directory)
            total = asyncio.run(fill(folder / "spool", count))
            with server(name, folder) as sink:
                took, used, late = asyncio.run(drain(folder / "spool", sink))
        rate = total / took
        unit = "messages" if name == "mqtt" else "points"
        goal = LEAST * RATE if name == "mqtt" else GOAL
        print(
            f"{name}: {rate:.0f} {unit}/s, {rate * VALUES:.0f} values/s, {rate / RATE:.0f} times real time "
            f"({rate / goal:.1f} times the least of {goal:.0f}/s), a week in {604_800 * RATE / rate / 60:.1f} min, "
            f"{used / total * 1e6:.0f} us of processor each; loop late by {spread(late.found)} ms, "
            f"of its own doing {spread(late.held)} ms (median / 99 % / most)"
        )


if __name__ == "__main__":
    main()
