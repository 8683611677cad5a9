"""A serial line with real wire time: correct values, and no request before the silent interval."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wattgram_drivers import catalogue
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.reader import Reader

from tests.support.paced_slaves import slaves
from tests.support.register_memory import HandClock, decode


@pytest.mark.parametrize(
    ("baudrate", "silence"),
    [
        (9600, 38.5 / 9600),  # 3.5 characters of 11 bits (Modbus over Serial Line V1.02, section 2.5.1.1)
        (19200, 38.5 / 19200),
        (115200, 0.00175),  # fixed above 19200 baud
    ],
)
@pytest.mark.slow(1)
def test_no_request_begins_before_its_silent_interval(tmp_path: Path, baudrate: int, silence: float) -> None:
    async def read(path: str) -> None:
        bus = Bus(Endpoint("rtu", path=path, port=0, baudrate=baudrate))
        for count in (2, 4, 40, 6, 80, 2):
            await bus.read(1, "input", 0, count)
            await bus.read(2, "input", 0, count)
        await bus.close()

    with slaves(tmp_path, baudrate, silence) as line:
        asyncio.run(read(line.path))
    assert line.tally.requests == 12
    assert line.tally.early == 0
    assert line.tally.smallest >= silence


def test_meters_on_one_line_give_their_own_values(tmp_path: Path) -> None:
    """The slaves' floats are 1000 x unit + address; an SDM630 wants 60 ms of silence."""
    device = catalogue.load("eastron_sdm630")
    quantities = ("voltage_l1n", "active_power_total", "active_energy_import", "frequency")
    address = {register.quantity: register.address for register in device.registers}
    values: list[dict[str, float]] = []

    async def read(path: str) -> None:
        bus = Bus(Endpoint("rtu", path=path, port=0, baudrate=19200))
        for unit in (1, 7):
            reader = Reader(device, unit, quantities)
            values.append(decode(reader, await reader.read(bus, HandClock())))
        await bus.close()

    with slaves(tmp_path, 19200, 0.06) as line:
        asyncio.run(read(line.path))
    assert line.tally.early == 0
    for unit, found in zip((1, 7), values, strict=True):
        scale = {"active_energy_import": 1000}  # kWh in the register
        assert found == {name: (1000 * unit + address[name]) * scale.get(name, 1) for name in quantities}
