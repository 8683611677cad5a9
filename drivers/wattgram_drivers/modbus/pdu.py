"""The two read functions of Modbus, and the check of an answer. There is no code for write functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wattgram_drivers.device import Table
from wattgram_drivers.driver_errors import BadAnswer
from wattgram_drivers.endpoint import Endpoint

EXCEPTIONS: Mapping[int, str] = MappingProxyType(
    {
        1: "illegal function",
        2: "illegal address",
        3: "illegal value",
        4: "device failure",
        5: "acknowledged, not done yet",
        6: "device busy",
        8: "memory parity error",
        10: "gateway path unavailable",
        11: "gateway: target did not answer",
    }
)
"""Names of exception codes (Modbus Application Protocol V1.1b3, section 7)."""

MAX_REGISTERS = 125
"""Most registers of a read (the same specification, section 6.3)."""

READS: Mapping[Table, int] = MappingProxyType({"holding": 3, "input": 4})
"""Function codes of the two read functions."""

EXCEPTION = 0x80
"""Bit that an exception sets in the function code."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A read of `count` registers from `address`. code: 3 or 4."""

    unit: int
    code: int
    address: int
    count: int

    @property
    def octets(self) -> bytes:
        """Function code, address and count."""
        return bytes((self.code,)) + self.address.to_bytes(2, "big") + self.count.to_bytes(2, "big")

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the answer: function code and number of bytes."""
        return self.code, 2 * self.count

    def __str__(self) -> str:
        table = "holding" if self.code == READS["holding"] else "input"
        return f"unit {self.unit} {table} {self.address}..{self.address + self.count - 1}"


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """A received frame. body: the bytes after the function code. transaction: 0 if the framing has none."""

    transaction: int
    unit: int
    code: int
    body: bytes

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the answer: function code and stated number of bytes."""
        return self.code, self.body[0] if self.body else 0


def read_request(endpoint: Endpoint, unit: int, table: Table, address: int, count: int) -> ReadRequest:
    """Return the request for `count` registers of a table from `address`. ValueError: Modbus has no such request."""
    # On a serial line, unit 0 is broadcast, which no unit answers
    first, last = (0, 255) if endpoint.addressed else (1, 247)
    if not first <= unit <= last:
        raise ValueError(f"{endpoint}: unit {unit}; allowed: {first} to {last}")
    if not 1 <= count <= MAX_REGISTERS:
        raise ValueError(f"{endpoint} unit {unit}: {count} registers in one request; allowed: 1 to {MAX_REGISTERS}")
    if not 0 <= address <= 0x10000 - count:
        last_register = address + count - 1
        raise ValueError(f"{endpoint} unit {unit}: registers {address}..{last_register}; allowed: 0 to 65535")
    return ReadRequest(unit, READS[table], address, count)


def registers(request: ReadRequest, answer: ReadResponse) -> bytes:
    """Return the registers of an answer; empty for an exception. BadAnswer: the answer does not fit the request."""
    if answer.unit != request.unit:
        raise BadAnswer(f"unit {answer.unit} answered, requested unit {request.unit}", fault="unit")
    if answer.code == request.code | EXCEPTION and len(answer.body) == 1:
        return b""
    if answer.code != request.code:
        raise BadAnswer(f"the answer has function {answer.code}, requested {request.code}")
    size = 2 * request.count
    if not answer.body or answer.body[0] != size or len(answer.body) != 1 + size:
        stated, found = answer.body[0] if answer.body else 0, max(0, len(answer.body) - 1)
        raise BadAnswer(
            f"the answer states {stated} bytes and has {found}, requested {size}",
            fault="" if stated == found else "length",
        )
    return answer.body[1:]
