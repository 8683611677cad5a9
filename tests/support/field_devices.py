"""Devices as users met them: a plausible device of the catalogue with some of its words written by hand.

    with device(words_of("growatt_tl3x", {35: 0xFFFF, 36: 0xFF85})) as server:
        values = reading(server.url, "growatt_tl3x").values

Words that are not written by hand are those of a device in order, so that no other fault explains a result.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from wattgram_drivers import catalogue
from wattgram_drivers.device import Table
from wattgram_drivers.driver_errors import Refused

from tests.support.command_runs import called
from tests.support.misbehaving_device import Request, Server, Step
from tests.support.plausible_world import ROLES_BY_KIND, PlausibleDevice
from tests.support.served_images import ServedImages
from tests.support.sunspec_chains import END, INVERTER, MARKER

PLAUSIBLE = {
    **INVERTER,
    "A": 480.0,
    **{f"Aph{phase}": 160.0 for phase in "ABC"},
    **{f"PhVph{phase}": 230.1 for phase in "ABC"},
    **{f"PPVph{lines}": 398.6 for lines in ("AB", "BC", "CA")},
}
"""The inverter of 110 kW with the currents and voltages that belong to its power."""

TABLES: Mapping[int, Table] = {3: "holding", 4: "input"}
ILLEGAL_ADDRESS = 2


def plausible(driver: str, *, seed: int = 0) -> ServedImages:
    """Return a device of the catalogue in order; its `values` are the right ones."""
    device = catalogue.load(driver)
    return ServedImages(device, PlausibleDevice(device, seed, ROLES_BY_KIND[device.kind][0]).values)


@dataclass
class WordsByHand:
    """A device in order, with words by address. refused: exception code by address, of each request with the address.

    Addresses that the map does not know contain 0.
    """

    images: ServedImages
    words: Mapping[int, int]
    refused: Mapping[int, int] = field(default_factory=dict)
    answered: int = 0
    _known: dict[tuple[Table, int], int] = field(default_factory=dict)

    def word(self, table: Table, address: int) -> int:
        """Return one word of the device."""
        if address in self.words:
            return self.words[address]
        if (table, address) not in self._known:
            try:
                (self._known[table, address],) = self.images.words(table, address, 1)
            except Refused:  # beyond the map: an empty register
                self._known[table, address] = 0
        return self._known[table, address]

    def __call__(self, request: Request) -> Sequence[Step]:
        addresses = range(request.address, request.address + request.count)
        for address, code in self.refused.items():
            if address in addresses:
                return [Step(data=request.frame(bytes([request.code | 0x80, code])))]
        self.answered += 1
        words = [self.word(TABLES[request.code], address) for address in addresses]
        data = b"".join(word.to_bytes(2, "big") for word in words)
        return [Step(data=request.frame(bytes([request.code, len(data)]) + data))]


def words_of(driver: str, words: Mapping[int, int], refused: Mapping[int, int] | None = None) -> WordsByHand:
    """Return a device of the catalogue in order, with these words, and addresses that it refuses."""
    return WordsByHand(plausible(driver), words, refused or {})


@dataclass
class ChainDevice:
    """A SunSpec unit with these words from `base`; other registers are refused. `words` may change while it serves."""

    words: Sequence[int]
    base: int = 40000
    units: Collection[int] = (1,)

    def __call__(self, request: Request) -> Sequence[Step]:
        if request.unit not in self.units:
            return []
        first = request.address - self.base
        if first < 0 or first + request.count > len(self.words) or request.code != 3:
            return [Step(data=request.frame(bytes([request.code | 0x80, ILLEGAL_ADDRESS])))]
        data = b"".join(word.to_bytes(2, "big") for word in self.words[first : first + request.count])
        return [Step(data=request.frame(bytes([request.code, len(data)]) + data))]


def chain_of(*models: Sequence[int]) -> list[int]:
    """Return a chain: marker, models and end."""
    return [*MARKER, *(word for model in models for word in model), *END]


@dataclass(frozen=True, slots=True)
class Answered:
    """What `wattgram read` printed: exit code, values, quality ("" for none), and its messages."""

    code: int
    values: Mapping[str, float]
    quality: str
    err: str


def reading(url: str, driver: str, *options: str) -> Answered:
    """Run `wattgram read` for JSON."""
    ended = called("read", url, "--driver", driver, "--format", "json", *options)
    printed = json.loads(ended.out) if ended.out.strip() else {}
    return Answered(ended.code, printed.get("values", {}), printed.get("quality", ""), ended.err)


@dataclass
class GreetingServer(Server):
    """A server that sends these bytes as soon as a connection is open, before any request."""

    greeting: bytes = b""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.greeting)
        await super()._serve(reader, writer)
