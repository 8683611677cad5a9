"""CPU time of the judge as a share of a reading's: requests, decoder, judge, counters and record, over loopback.

An SDM630 of four requests and 39 values, read by our bus from a libmodbus server; user and system time of this process,
medians of shuffled rounds. The judge's time is that of `Judge.judge` less that of the decoder alone.

    python -m tests.bench.judge
"""

from __future__ import annotations

import asyncio
import statistics
import struct
import time
from timeit import Timer

from wattgram.acquisition.device_source import Source
from wattgram.acquisition.validity import Judge
from wattgram.base.clock import NS, Clock
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.plan import Plan
from wattgram_drivers.quantity import QUANTITIES
from wattgram_drivers.reader import Reader
from wattgram_ext.decode import Decoder

from tests.support import libmodbus

ROUNDS, READINGS = 21, 50
LIMIT = 0.03
METER = load("eastron_sdm630")


def plausible(plan: Plan) -> Reading:
    """Return a reading in which every rule holds."""
    values = {"V": 230.0, "A": 10.0, "W": 2000.0, "VA": 2300.0, "var": 100.0, "Hz": 50.0, "Wh": 1e6, "1": 1.0}
    image = bytearray(2 * plan.words)
    for place in plan.places:
        register, quantity = place.register, place.register.quantity
        value = next((value for unit, value in values.items() if QUANTITIES[quantity].unit == unit), 0.0) * (
            3.0 if quantity.endswith("_total") and "power_factor" not in quantity else 1.0
        )
        struct.pack_into(">f", image, 2 * place.position, value / float(register.scale))
    return Reading(NS, 1.0, bytes(image), b"\1" * plan.words)


async def reading_cost(port: int, source: Source, given: Reading) -> list[float]:
    """Return seconds of CPU of whole readings, a median round each. The image is the given one."""
    bus, clock = Bus(parse(f"tcp://127.0.0.1:{port}")), Clock()
    costs = []
    for _ in range(ROUNDS):
        reader = Reader(METER, 1)
        begun = time.process_time()
        for _ in range(READINGS):
            for block in reader.plan.blocks:
                await bus.read(1, "holding", block.address % 50, block.count)
            source.take(Reading(clock.time(), clock.monotonic(), given.image, given.valid))
        costs.append((time.process_time() - begun) / READINGS)
    await bus.close()
    return costs


def main() -> None:
    """Print the ratio."""
    here = parse("tcp://127.0.0.1")
    reader = Reader(METER, 1)
    plan, given = reader.plan, plausible(reader.plan)
    source = Source(DeviceConfig("meter", "grid", METER.name, METER, here, 1, rated_power=100e3), "works", 0.0)
    source.equip(METER, plan)
    judge = Judge(METER, plan, role="grid", rated_power=100e3)
    decoder = Decoder(plan.fields(), plan.factors(), plan.words)
    if (judged := judge.judge(given)).withheld or judged.findings:
        raise SystemExit(f"judge: {judged.withheld} {judged.findings}")
    calls = (lambda: judge.judge(given), lambda: decoder.decode(given.image, given.valid))
    timers = [Timer(call, timer=time.process_time) for call in calls]
    times = [[timer.timeit(2000) / 2000 for timer in timers] for _ in range(ROUNDS)]
    judging = statistics.median(whole - decoding for whole, decoding in times)
    with libmodbus.server() as port:
        whole = statistics.median(asyncio.run(reading_cost(port, source, given)))
    share = judging / whole
    print(
        f"judge of {len(plan.places)} values, {len(plan.blocks)} requests: {share:.2%} of a reading's CPU "
        f"({judging * 1e6:.1f} of {whole * 1e6:.0f} us), limit {LIMIT:.0%}"
    )
    if share > LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
