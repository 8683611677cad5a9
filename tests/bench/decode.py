"""Decoding one reading of 50 mixed channels against pymodbus' convert_from_registers and a scale."""

from __future__ import annotations

import struct
from statistics import median
from timeit import Timer
from typing import Any, Literal

from pymodbus.client.mixin import ModbusClientMixin
from wattgram_ext.decode import Decoder

CHANNELS = 50
REPEATS = 31
TYPES = (
    "u16",
    "i16",
    "u32",
    "i32",
    "f32",
    "u32",
    "i64",
)
PEERS = {
    "u16": ModbusClientMixin.DATATYPE.UINT16,
    "i16": ModbusClientMixin.DATATYPE.INT16,
    "u32": ModbusClientMixin.DATATYPE.UINT32,
    "i32": ModbusClientMixin.DATATYPE.INT32,
    "i64": ModbusClientMixin.DATATYPE.INT64,
    "f32": ModbusClientMixin.DATATYPE.FLOAT32,
}


def main() -> None:
    fields: list[tuple[int, str, bool, float, float, int, list[int], float, bool, int, int, int]] = []
    words = 0
    for i in range(CHANNELS):
        kind = TYPES[i % len(TYPES)]
        invalid = [(1 << int(kind[1:])) - 1]
        fields.append((words, kind, i % 6 == 5, 1.0, 10.0, -1, invalid, 0.0, False, -1, 0, 0))
        words += int(kind[1:]) // 16
    image = bytes((7 * i + 3) % 251 for i in range(2 * words))
    valid = b"\x01" * words
    decoder = Decoder(fields, [], words)
    registers = list(struct.unpack(f">{words}H", image))
    plan: list[tuple[int, int, Any, Literal["big", "little"], float]] = [
        (position, position + int(kind[1:]) // 16, PEERS[kind], "little" if little else "big", denominator)
        for position, kind, little, _, denominator, *_ in fields
    ]
    convert: Any = ModbusClientMixin.convert_from_registers  # its type says that a number may be a text

    def peer() -> list[float]:
        return [
            convert(registers[first:last], kind, word_order=order) / denominator
            for first, last, kind, order, denominator in plan
        ]

    ours = struct.unpack(f"{CHANNELS}d", decoder.decode(image, valid))
    if list(ours) != peer():
        raise SystemExit("decode: the two do not agree")
    compiled, pymodbus = Timer(lambda: decoder.decode(image, valid)), Timer(peer)
    times = [(compiled.timeit(2000) / 2000, pymodbus.timeit(20) / 20) for _ in range(REPEATS)]
    own, other = (median(column) * 1e9 for column in zip(*times, strict=True))
    print(f"decode 50 channels: {other / own:.0f}x pymodbus ({own:.0f}, {other:.0f} ns), goal at least 100x")


if __name__ == "__main__":
    main()
