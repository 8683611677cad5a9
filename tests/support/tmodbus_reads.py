"""Reads single holding registers with tmodbus, in an interpreter of its own: PORT TIMEOUT ADDRESS...

Prints one line a read: the value, or - for an error.
"""

import asyncio
import sys

from tmodbus.client.async_client import AsyncModbusClient  # type: ignore[import-not-found]
from tmodbus.exceptions import TModbusError  # type: ignore[import-not-found]
from tmodbus.transport import AsyncRtuOverTcpTransport  # type: ignore[import-not-found]


async def main() -> None:
    """Unit 1, RTU frames over TCP."""
    port, limit, *addresses = sys.argv[1:]
    transport = AsyncRtuOverTcpTransport("127.0.0.1", int(port), timeout=float(limit))
    client = AsyncModbusClient(transport, unit_id=1)
    await client.connect()
    for address in addresses:
        try:
            (value,) = await client.read_holding_registers(int(address), 1)
            print(value, flush=True)
        except (TModbusError, TimeoutError):
            print("-", flush=True)
    await client.disconnect()


asyncio.run(main())
