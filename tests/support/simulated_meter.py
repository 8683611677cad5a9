"""A meter of a few registers, served by the simulator and read by our own master."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from fractions import Fraction

from wattgram_drivers.device import Device, DeviceLimits, Register, Table, Type, WordOrder
from wattgram_drivers.endpoint import Endpoint, parse
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served

ANYWHERE = parse("tcp://127.0.0.1:0", listen=True)


def register(
    quantity: str = "active_power_total",
    address: int = 0,
    kind: Type = "u16",
    *,
    table: Table = "holding",
    order: WordOrder = "big",
    scale: Fraction = Fraction(1),
    invalid: tuple[int, ...] = (),
    scale_address: int | None = None,
    factors: tuple[str, ...] = (),
) -> Register:
    return Register(quantity, address, table, kind, order, scale, scale_address, factors, invalid)


def device(*registers: Register, limits: DeviceLimits = DeviceLimits()) -> Device:  # noqa: B008 - frozen
    return Device("toy", "Acme", "Toy", "meter", registers, limits)


METER = device(
    register("voltage_l1n", 10, "f32"),
    register("frequency", 12, scale=Fraction(1, 100)),
    register("active_power_total", 20, "i32", order="little", invalid=(0x80000000,)),
    register("active_energy_import", 5, "u64", table="input", scale=Fraction(10)),
)
VALUES = {"voltage_l1n": 230.0, "frequency": 50.02, "active_power_total": -2.0, "active_energy_import": 1230.0}


def served(
    work: Callable[[Simulator, Bus], Awaitable[None]],
    units: Mapping[int, Served] | None = None,
    endpoint: Endpoint = ANYWHERE,
) -> None:
    """Serve METER as unit 1, or these units, and read them with our own master."""

    async def main() -> None:
        simulator = Simulator(endpoint, units or {1: Served(METER, lambda: VALUES)})
        bus = Bus(await simulator.start(), timeout=2.0)
        try:
            await work(simulator, bus)
        finally:
            await bus.close()
            await simulator.stop()

    asyncio.run(main())
