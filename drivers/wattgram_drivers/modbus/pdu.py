"""The two reads of Modbus, and when an answer fits its request. There is no write: no code here could build one."""

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
"""Registers in one read (the same specification, section 6.3)."""

READS: Mapping[Table, int] = MappingProxyType({"holding": 3, "input": 4})
"""Function codes of the two reads."""

EXCEPTION = 0x80
"""What an exception adds to the function code of its request."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A read of `count` registers from `address`; `code` is 3 or 4."""

    unit: int
    code: int
    address: int
    count: int

    @property
    def octets(self) -> bytes:
        """Function code and what follows it."""
        return bytes((self.code,)) + self.address.to_bytes(2, "big") + self.count.to_bytes(2, "big")

    @property
    def shape(self) -> tuple[int, int]:
        """What its answer looks like: function code and bytes."""
        return self.code, 2 * self.count

    def __str__(self) -> str:
        table = "holding" if self.code == READS["holding"] else "input"
        return f"unit {self.unit} {table} {self.address}..{self.address + self.count - 1}"


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """A frame as it came: `body` is what follows the function code. `transaction` is 0 where there is none."""

    transaction: int
    unit: int
    code: int
    body: bytes

    @property
    def shape(self) -> tuple[int, int]:
        """Function code and the bytes that it says to have."""
        return self.code, self.body[0] if self.body else 0


def asked(endpoint: Endpoint, unit: int, table: Table, address: int, count: int) -> ReadRequest:
    """The request for `count` registers of a table from `address`; ValueError when Modbus has no such request."""
    # on a serial line 0 is for everyone and nobody answers
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
    """The registers of an answer that fits its request in every part; empty for an exception. BadAnswer."""
    if answer.unit != request.unit:
        raise BadAnswer(f"unit {answer.unit} answered")
    if answer.code == request.code | EXCEPTION and len(answer.body) == 1:
        return b""
    if answer.code != request.code:
        raise BadAnswer(f"the answer has function {answer.code}, asked was {request.code}")
    size = 2 * request.count
    if not answer.body or answer.body[0] != size or len(answer.body) != 1 + size:
        stated = answer.body[0] if answer.body else 0
        raise BadAnswer(f"the answer states {stated} bytes and has {len(answer.body) - 1}, asked were {size}")
    return answer.body[1:]
