"""Three masters on the same bus: the effect of a late RTU answer on pymodbus, tmodbus and wattgram.

RTU has no transaction id. A register's right value is its address; the slave answers every request in turn.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.framer import FramerType
from wattgram_drivers.driver_errors import DriverError
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import misbehaving_device as bad

LIMIT = 0.2
"""Seconds that each master waits for an answer."""

ADDRESSES = (350, 100, 50, 60, 70, 80)

Master = Callable[[int], Awaitable[list[int | None]]]
"""Reads one register at each address from a port; None where it reports an error."""


async def ours(port: int) -> list[int | None]:
    bus = Bus(parse(f"rtutcp://127.0.0.1:{port}"), timeout=LIMIT)
    values: list[int | None] = []
    for address in ADDRESSES:
        try:
            values.append(int.from_bytes(await bus.read(1, "holding", address, 1), "big"))
        except DriverError:
            values.append(None)
    await bus.close()
    return values


async def pymodbus(port: int) -> list[int | None]:
    client = AsyncModbusTcpClient(
        "127.0.0.1", port=port, framer=FramerType.RTU, timeout=LIMIT, retries=0, reconnect_delay=0
    )
    assert await client.connect()
    values: list[int | None] = []
    for address in ADDRESSES:
        try:
            values.append((await client.read_holding_registers(address, count=1, device_id=1)).registers[0])
        except ModbusIOException:
            values.append(None)
    client.close()
    return values


def newer_python() -> list[str]:
    """Return an interpreter that tmodbus runs on, 3.12 or later; none without such an interpreter.

    Every worker of the tests searches, so a candidate is started only if its name has a version that is new enough.
    pyenv's interpreters come before the scripts of pyenv on the path, which take half a second each.
    """
    if sys.version_info >= (3, 12):
        return [sys.executable]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    own = [str(found) for minor in (12, 13, 14) for found in sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python3"))]
    on_path = (shutil.which(f"python3.{minor}") for minor in (12, 13, 14))
    for candidate in (*own, *filter(None, on_path)):
        if subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
            return [candidate]
    return []


def tmodbus(python: str, home: Path) -> Master:
    """Install tmodbus in a separate environment: the Python of the tests may be older than tmodbus allows."""
    subprocess.run([python, "-m", "venv", str(home)], check=True, capture_output=True)
    program = str(home / "bin" / "python")
    subprocess.run([program, "-m", "pip", "install", "-q", "tmodbus==1.1.0"], check=True, capture_output=True)

    async def read(port: int) -> list[int | None]:
        script = str(Path(__file__).parents[2] / "support" / "tmodbus_reads.py")
        process = await asyncio.create_subprocess_exec(
            program, script, str(port), str(LIMIT), *map(str, ADDRESSES), stdout=subprocess.PIPE
        )
        output, _ = await process.communicate()
        return [None if line == "-" else int(line) for line in output.decode().split()]

    return read


def read_with(master: Master) -> list[int | None]:
    """Read from a slave whose first answer comes after the time-out."""

    async def main() -> list[int | None]:
        slave = bad.Server(bad.first(bad.late(1.3 * LIMIT), bad.late(0.4 * LIMIT)), rtu=True, in_order=True)
        async with slave:
            return await master(slave.port)

    return asyncio.run(main())


SHIFTED = [None, 350, 100, 50, 60, 70]
"""Five wrong values in five reads, none of them reported."""


def test_wattgram_accepts_no_wrong_value() -> None:
    assert read_with(ours) == [None, 100, 50, 60, 70, 80]


def test_pymodbus_accepts_five_wrong_values_of_five() -> None:
    assert read_with(pymodbus) == SHIFTED


@pytest.mark.parametrize("python", newer_python())
@pytest.mark.slow(3)
def test_tmodbus_accepts_five_wrong_values_of_five(python: str, tmp_path: Path) -> None:
    """Not run, and reported as such, on a machine that has no Python 3.12."""
    assert read_with(tmodbus(python, tmp_path)) == SHIFTED
