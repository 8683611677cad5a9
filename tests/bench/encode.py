"""One record (3 tags, 10 numbers) to line protocol against influxdb_client's Point."""

from __future__ import annotations

import struct
from statistics import median
from timeit import Timer
from typing import Any

from influxdb_client.client.write.point import Point
from wattgram_ext.encode import Encoder

REPEATS = 31
TIME = 1795336200_123456789
TAGS = [("site", "liangjiang-foundry"), ("device", "roof-east"), ("role", "pv")]


def compare(name: str, numbers: list[float]) -> None:
    fields = [f"field_{i}" for i in range(len(numbers))]
    encoder = Encoder("device", TAGS, fields, [], [])
    values = struct.pack(f"{len(numbers)}d", *numbers)

    def peer() -> str:
        point: Any = Point("device")  # type: ignore[no-untyped-call]  # the client has no types
        point.time(TIME)
        for tag, content in TAGS:
            point.tag(tag, content)
        for field, number in zip(fields, numbers, strict=True):
            point.field(field, number)
        return str(point.to_line_protocol())

    compiled, client = Timer(lambda: encoder.line(values, (), TIME)), Timer(peer)
    times = [(compiled.timeit(2000) / 2000, client.timeit(50) / 50) for _ in range(REPEATS)]
    own, other = (median(column) * 1e9 for column in zip(*times, strict=True))
    print(f"encode {name}: {other / own:.0f}x Point ({own:.0f}, {other:.0f} ns), goal at least 30x")


def main() -> None:
    compare("17 digits", [1 / (3 + i) * 1000 for i in range(10)])
    compare("registers in tenths", [(2301 + 37 * i) / 10 for i in range(10)])


if __name__ == "__main__":
    main()
