"""Serves devices from a source of values, on real Modbus TCP, RTU over TCP or a serial line. Read-only.

Words are made when a request comes, all of one request from one call of the source, so a 32-bit value is
never torn. The server is pymodbus'; what is answered, when and whether at all, is decided here.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isnan, nan

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from .device import Device, Register, Table
from .endpoint import Endpoint

Values = Callable[[], Mapping[str, float]]
"""Gives quantities in the vocabulary's units and signs; NaN or missing = not available."""

_NO_EXPONENT = 0x8000  # SunSpec's "not implemented" for a scale factor
_TABLES: dict[int, Table] = {3: "holding", 4: "input"}


@dataclass(frozen=True, slots=True)
class Served:
    """A device to serve. `constants` are words at addresses of its tables: identity, lengths, scale factors.

    A scale register is never a value: it holds what they say, else 0. With `fill`, addresses between the first and
    the last one that nothing is said about hold 0, so that reads over gaps work; without it they are refused.
    """

    device: Device
    values: Values
    constants: Mapping[int, int] = field(default_factory=dict)
    fill: bool = True


@dataclass(frozen=True, slots=True)
class Faults:
    """What a unit does wrong: answers nothing; `late` by seconds; only with an `exception`; values asleep."""

    silent: bool = False
    late: float = 0.0
    exception: int = 0
    sleeping: bool = False  # answers, and marks every value as not available


_WELL = Faults()


class Simulator:
    """The units of one bus. `faults` may be changed while it serves."""

    def __init__(
        self, endpoint: Endpoint, units: Mapping[int, Served], faults: Mapping[int, Faults] | None = None
    ) -> None:
        """Nothing is opened yet. Port 0 means any free one; `start` returns which."""
        self.endpoint = endpoint
        self.faults: dict[int, Faults] = dict(faults or {})
        self._units = {unit: _Unit(served) for unit, served in units.items()}
        self._server: _TcpServer | _SerialServer | None = None
        # pymodbus would log each refused request with a dump of other connections' frames
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

    async def start(self) -> Endpoint:
        """Serve from now on; the endpoint with its real port. OSError when that address cannot be had."""
        server: _TcpServer | _SerialServer
        if self.endpoint.serial:
            server = _SerialServer(
                _no_store(),
                port=self.endpoint.path,
                baudrate=self.endpoint.baudrate,
                parity=self.endpoint.parity,
                stopbits=self.endpoint.stopbits,
                bytesize=self.endpoint.bytesize,
            )
        else:
            server = _TcpServer(
                _no_store(),
                framer=FramerType.SOCKET if self.endpoint.scheme == "tcp" else FramerType.RTU,
                address=(self.endpoint.host, self.endpoint.port),
            )
        server.reply = self._reply
        if not await server.listen():
            raise OSError(f"{self.endpoint}: cannot be served: in use, or not an address of this machine")
        self._server = server
        listener: object = server.transport  # annotated as a transport, on a network an asyncio.Server
        if isinstance(listener, asyncio.Server):
            self.endpoint = replace(self.endpoint, port=listener.sockets[0].getsockname()[1])
        return self.endpoint

    async def stop(self) -> None:
        """Close the address and all connections."""
        if self._server:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
            self._server = None

    def _reply(self, request: ModbusPDU) -> tuple[float, ModbusPDU] | None:
        """Seconds to wait and the answer; None for silence."""
        code, unit = request.function_code, self._units.get(request.dev_id)
        faults = self.faults.get(request.dev_id, _WELL)
        if faults.silent or (unit is None and self.endpoint.scheme != "tcp"):
            return None  # on a line, nobody speaks for a unit that is not there
        if unit is None:
            return 0.0, ExceptionResponse(code, ExcCodes.GATEWAY_NO_RESPONSE)
        if faults.exception:
            return faults.late, ExceptionResponse(code, faults.exception)
        if code not in _TABLES:
            return faults.late, ExceptionResponse(code, ExcCodes.ILLEGAL_FUNCTION)
        words = unit.read(_TABLES[code], request.address, request.count, sleeping=faults.sleeping)
        if isinstance(words, ExcCodes):
            return faults.late, ExceptionResponse(code, words)
        response = ReadHoldingRegistersResponse if code == 3 else ReadInputRegistersResponse
        return faults.late, response(registers=words)


def encode(register: Register, value: float, *, exponent: int = 0, factor: float = 1.0) -> list[int]:
    """The words that stand for `value` (SI, the vocabulary's sign): the inverse of decoding.

    `exponent` is what its scale register holds, `factor` the product of the quantities in its `factors`.
    NaN becomes the first pattern in `invalid`, else NaN for a float and 0 for an integer. What does not fit
    the type is clamped to its range, and kept off the patterns that mean "not available". A register's
    `direction` stands in another word: `Simulator` puts it there, and here only the magnitude is left.
    """
    size = 16 * register.words
    if isnan(value):
        absent = register.invalid[0] if register.invalid else _NAN.get(register.type, 0)
        return _split(register, absent, size)
    raw = value / (float(register.scale) * 10.0**exponent * factor) + register.offset
    raw = abs(raw) if register.direction else raw
    if register.type in _NAN:
        return _split(register, _float_bits(raw, size), size)
    signed = register.type.startswith("i")
    low, high = (-(1 << size - 1), (1 << size - 1) - 1) if signed else (0, (1 << size) - 1)
    number = round(min(max(raw, low), high))
    while number and number % (1 << size) in register.invalid:
        number += 1 if number < 0 else -1
    return _split(register, number % (1 << size), size)


_NAN = {"f32": 0x7FC00000, "f64": 0x7FF8000000000000}


def _float_bits(raw: float, size: int) -> int:
    packing = ">f" if size == 32 else ">d"
    try:
        return int.from_bytes(struct.pack(packing, raw), "big")
    except OverflowError:  # larger than any 32-bit float
        return 0x7F7FFFFF if raw > 0 else 0xFF7FFFFF


def _directed(register: Register, value: float, word: int) -> int:
    """The word that tells a magnitude's direction, its other bits as they are."""
    direction = register.direction
    if direction is None or isnan(value):
        return word
    if value / float(register.scale) < 0:
        return word & ~direction.mask | direction.negative
    says_negative = word & direction.mask == direction.negative
    return word ^ direction.mask & -direction.mask if says_negative else word


def _split(register: Register, bits: int, size: int) -> list[int]:
    words = [bits >> shift & 0xFFFF for shift in range(size - 16, -1, -16)]
    return words if register.word_order == "big" else words[::-1]


class _Unit:
    """The registers of one unit, made of constants and of values at the time of a request."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._factors = {name for register in served.device.registers for name in register.factors}
        self._registers: dict[Table, list[Register]] = {"holding": [], "input": []}
        for register in served.device.registers:
            self._registers[register.table].append(register)
        self._words = {table: self._fixed(registers) for table, registers in self._registers.items() if registers}
        for table, registers in self._registers.items():
            scales = {register.scale_address for register in registers}
            self._registers[table] = [register for register in registers if register.address not in scales]

    def _fixed(self, registers: list[Register]) -> dict[int, int]:
        """Every address of a table with what it holds before values are written over it."""
        mapped = {
            address for register in registers for address in range(register.address, register.address + register.words)
        }
        mapped |= {address for register in registers for address in register.companions}
        mapped |= self._served.constants.keys()
        if self._served.fill:
            mapped = set(range(min(mapped), max(mapped) + 1))
        return {address: self._served.constants.get(address, 0) for address in mapped}

    def read(self, table: Table, address: int, count: int, *, sleeping: bool) -> list[int] | ExcCodes:
        """The words, or why not."""
        if count > self._served.device.limits.max_registers:
            return ExcCodes.ILLEGAL_VALUE
        fixed = self._words.get(table, {})
        end = address + count
        try:
            words = [fixed[each] for each in range(address, end)]
        except KeyError:
            return ExcCodes.ILLEGAL_ADDRESS
        values = {} if sleeping else self._served.values()
        for register in self._registers[table]:
            if register.address < end and register.address + register.words > address:
                for place, word in enumerate(self._encoded(register, values, fixed), register.address - address):
                    if 0 <= place < count:
                        words[place] = word
        for register in self._registers[table]:
            if register.direction and address <= register.direction.address < end:
                place = register.direction.address - address
                words[place] = _directed(register, values.get(register.quantity, nan), words[place])
        return words

    def _encoded(self, register: Register, values: Mapping[str, float], fixed: Mapping[int, int]) -> list[int]:
        value = values.get(register.quantity, nan)
        if register.quantity in self._factors and isnan(value):
            value = 1.0  # transformer ratios that the source does not know
        factor = 1.0
        for name in register.factors:
            ratio = values.get(name, nan)
            factor *= 1.0 if isnan(ratio) else ratio
        exponent = 0 if register.scale_address is None else fixed[register.scale_address]
        if exponent == _NO_EXPONENT or factor == 0.0:
            return encode(register, nan)
        return encode(register, value, exponent=(exponent ^ 0x8000) - 0x8000, factor=factor)


def _no_store() -> SimDevice:
    """pymodbus' server wants a data store of its own; its requests never get there."""
    return SimDevice(id=0, simdata=SimData(0, values=0, datatype=DataType.REGISTERS))


class _Session(ServerRequestHandler):
    """One connection of a client.

    pymodbus' own handler gives a late answer the transaction id of the newest request, and names no function
    in the refusal of one that its data store does not know.
    """

    def handle_later(self) -> None:
        """Answer the request that just came."""
        request = self.last_pdu
        reply = self.server.reply(request) if request else None
        if request is None or reply is None:
            return
        delay, answer = reply
        answer.transaction_id, answer.dev_id = request.transaction_id, request.dev_id
        self.loop.call_later(delay, self.server_send, answer, None)


class _TcpServer(ModbusTcpServer):
    reply: Callable[[ModbusPDU], tuple[float, ModbusPDU] | None]

    def callback_new_connection(self) -> _Session:
        return _Session(self, None, None, None)  # type: ignore[no-untyped-call]  # pymodbus leaves it bare


class _SerialServer(ModbusSerialServer):
    reply: Callable[[ModbusPDU], tuple[float, ModbusPDU] | None]

    def callback_new_connection(self) -> _Session:
        return _Session(self, None, None, None)  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
