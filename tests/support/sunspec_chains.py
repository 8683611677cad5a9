"""Chains of SunSpec models for tests: words by hand and as pysunspec2 encodes them, discovered and read by wattgram.

Offsets are those of the SunSpec models (ID register = 0).
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Mapping, Sequence

import sunspec2.device  # type: ignore[import-untyped]  # has no stubs
from wattgram_drivers.device import Device, Kind, Table
from wattgram_drivers.reader import Reader
from wattgram_drivers.sunspec import walk

from tests.support.one_loop import on_one_loop
from tests.support.register_memory import HandClock, Memory, decode

MARKER = (0x5375, 0x6E53)
END = (0xFFFF, 0)


class Chain(Memory):
    """Serves words from `base` and refuses every other register."""

    def __init__(self, words: Sequence[int], base: int = 40000) -> None:
        super().__init__(dict(enumerate(words, base)))

    def refuses(self, addresses: range) -> bool:
        return not all(address in self.words for address in addresses)

    async def ask(self, table: Table, address: int, count: int) -> bytes:
        return await self.read(1, table, address, count)


def common(vendor: str, model: str, serial: str, length: int = 66) -> tuple[int, ...]:
    """A model 1: Mn at offset 2, Md at 18, SN at 50, of 16 registers each."""
    texts = [text.encode().ljust(32, b"\0") for text in (vendor, model, "", serial)]
    return 1, length, *struct.unpack(">64H", b"".join(texts)), *(1, 0x8000)[: length - 64]


def discover(words: Sequence[int], base: int = 40000, driver: str = "sunspec", kind: Kind | None = None) -> Device:
    """Return the device that a member of the chain is read as."""
    return on_one_loop(walk.discover(Chain(words, base).ask, driver, kind))


def members(words: Sequence[int]) -> tuple[Device, ...]:
    """Every member of the chain."""
    return on_one_loop(walk.members(Chain(words).ask))


def written(number: int, points: Mapping[str, float], blocks: Sequence[Mapping[str, float]] = ()) -> tuple[int, ...]:
    """The words of a model as pysunspec2 encodes them; scale factors among the points first."""
    definition = sunspec2.device.get_model_def(number)
    model = sunspec2.device.Model(number)
    if blocks:
        block_size = sum(point["size"] for point in definition["group"]["groups"][0]["points"])
        fixed = sum(point["size"] for point in definition["group"]["points"]) - 2
        model = sunspec2.device.Model(number, model_len=fixed + block_size * len(blocks))
    for group, content in ((model, points), *zip(next(iter(model.groups.values()), ()), blocks, strict=True)):
        for name, value in content.items():
            if name.endswith("_SF"):
                group.points[name].value = value
        for name, value in content.items():
            if not name.endswith("_SF"):
                group.points[name].cvalue = value
    octets = model.get_mb()
    return struct.unpack(f">{len(octets) // 2}H", octets)


def modules(*powers: float, texts: Sequence[str] = ()) -> tuple[int, ...]:
    """Return a model 160 with these powers and texts. IDStr is 1 behind the ID of a module, of 20 registers."""
    words = [*written(160, {"DCW_SF": 0, "N": len(powers)}, [{"ID": n, "DCW": p} for n, p in enumerate(powers, 1)])]
    for number, text in enumerate(texts):
        start = 10 + 20 * number + 1
        words[start : start + 8] = struct.unpack(">8H", text.encode().ljust(16, b"\0"))
    return tuple(words)


def ports(*typed: tuple[int, int]) -> tuple[int, ...]:
    """Return a model 714 by hand: 20 registers, then 25 a port, PrtTyp at 0 and DCW at 12 of each."""
    fixed = [714, 18 + 25 * len(typed), *[0xFFFF] * 2, len(typed), *[0x8000] * 2, *[0xFFFF] * 8, 0, 0, 0, 0, 0]
    blocks = []
    for number, (kind, power_) in enumerate(typed, 1):
        blocks += [kind, number, *[0] * 8, 0x8000, 0xFFFF, power_ & 0xFFFF, *[0xFFFF] * 8, 0x8000, 1, 0xFFFF, 0xFFFF]
    return (*fixed, *blocks)


def read(words: Sequence[int], driver: str = "sunspec") -> dict[str, float]:
    """Return the values of a member of the chain; NaN where absent."""
    reader = Reader(discover(words, driver=driver), 1)
    return decode(reader, on_one_loop(reader.read(Chain(words), HandClock())))


async def answer(words: Mapping[int, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Modbus TCP as its specification has it, for reads of `words`; exception 2 for any other register."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            request = await reader.readexactly(12)
            transaction, _, _, unit, code, address, count = struct.unpack(">3H2B2H", request)
            addresses = range(address, address + count)
            body = bytes((code | 0x80, 2))
            if all(each in words for each in addresses):
                body = bytes((code, 2 * count)) + struct.pack(f">{count}H", *(words[each] for each in addresses))
            writer.write(struct.pack(">3HB", transaction, 0, len(body) + 1, unit) + body)
    writer.close()


COMMON_66 = common("Acme", "Roof 10", "SN-0042")

INVERTER = {
    "A_SF": -1,
    "A": 152.4,
    "AphA": 50.8,
    "V_SF": -1,
    "PhVphA": 230.1,
    "PPVphAB": 398.6,
    "W_SF": 1,
    "W": 110_000.0,
    "Hz_SF": -2,
    "Hz": 49.98,
    "VA_SF": 1,
    "VA": 110_500.0,
    "VAr_SF": 1,
    "VAr": -5_000.0,
    "PF_SF": -1,
    "PF": 99.5,
    "WH_SF": 0,
    "WH": 123_456_789.0,
    "DCV_SF": -1,
    "DCV": 725.5,
    "DCW_SF": 1,
    "DCW": 112_000.0,
    "Tmp_SF": 0,
    "TmpCab": -12.0,
    "St": 4,
}
