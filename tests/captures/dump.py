"""A folder of register dumps of real devices, and what a reading of each must say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.misbehaving_device import Request, Step

EXPECTED = "expected.json"
ILLEGAL_ADDRESS = 2


@dataclass(frozen=True, slots=True)
class Dump:
    """Registers of a device, by function code and address, and what is expected of its reading.

    values: by quantity, in the vocabulary's unit and sign. absent: quantities without a value. scan: the drivers that a
    scan suggests, in its words ("sunspec:meter, :inverter"); "" where nothing is stated.
    """

    name: str
    driver: str
    unit: int
    words: Mapping[int, Mapping[int, int]]
    values: Mapping[str, float]
    absent: Sequence[str] = ()
    scan: str = ""

    def __call__(self, request: Request) -> Sequence[Step]:
        """Answer a request as the device: other units stay silent, unknown registers are refused."""
        if request.unit != self.unit:
            return []
        words = self.words.get(request.code, {})
        asked = range(request.address, request.address + request.count)
        if not all(address in words for address in asked):
            return [Step(0.0, request.frame(bytes([request.code | 0x80, ILLEGAL_ADDRESS])))]
        data = b"".join(words[address].to_bytes(2, "big") for address in asked)
        return [Step(0.0, request.frame(bytes([request.code, len(data)]) + data))]

    def differences(self, read: Mapping[str, float]) -> list[str]:
        """Return how a reading differs from what is expected, a line for each quantity."""
        wrong = [
            f"{quantity}: read {read.get(quantity, 'nothing')}, expected {value}"
            for quantity, value in self.values.items()
            if quantity not in read or abs(read[quantity] - value) > 1e-6 * max(1.0, abs(value))
        ]
        return wrong + [f"{name}: read {read[name]}, expected nothing" for name in self.absent if name in read]

    @property
    def drivers(self) -> set[str]:
        """Drivers that a scan must suggest: "sunspec:meter, :inverter only" is sunspec:meter and sunspec:inverter."""
        if not self.scan:
            return set()
        words = [word.strip() for word in self.scan.removesuffix("only").split(",")]
        return {f"sunspec{word}" if word.startswith(":") else word for word in words}


def dumps(folder: Path) -> list[Dump]:
    """Return the dumps of a folder: a file `NAME.json` each, {code: {address: word}}, and `expected.json`."""
    expected = json.loads((folder / EXPECTED).read_text())
    return [
        Dump(
            name,
            row["driver"],
            row["unit"],
            {
                int(code): {int(address): word for address, word in words.items()}
                for code, words in json.loads((folder / f"{name}.json").read_text()).items()
            },
            row["expected"],
            row.get("absent", ()),
            row.get("scan", ""),
        )
        for name, row in sorted(expected.items())
    ]
