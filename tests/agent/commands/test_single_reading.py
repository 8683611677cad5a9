"""One reading for `wattgram read`: refused registers and dropped connections cost no other value."""

from __future__ import annotations

from math import isnan

import pytest
from wattgram.base.clock import Clock
from wattgram.commands.single_reading import ReadResult, read_once
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Device, Register
from wattgram_drivers.endpoint import parse

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad


def read(behaviour: bad.Behaviour, device: Device) -> ReadResult:
    async def main() -> ReadResult:
        async with bad.Server(behaviour) as server:
            return await read_once(parse(server.url), device, 1, Clock())

    return leaping_loop.run(main())


def without(addresses: set[int], code: int) -> bad.Behaviour:
    """A unit that refuses every request that touches one of the addresses."""

    def act(request: bad.Request) -> list[bad.Step]:
        touched = not addresses.isdisjoint(range(request.address, request.address + request.count))
        return list((bad.refuses(code) if touched else bad.honest)(request))

    return act


@pytest.mark.parametrize("code", [1, 2, 4, 77])
def test_a_map_of_one_request_loses_the_refused_register_alone(code: int) -> None:
    registers = tuple(Register(f"dc_voltage_{n}", n, "holding", "u16") for n in range(1, 9))
    result = read(without({3}, code), Device("own", "v", "m", "inverter", registers))
    assert [value.quantity for value in result.values if isnan(value.value)] == ["dc_voltage_3"]


@pytest.mark.parametrize("code", [2, 4])
def test_a_meter_without_two_registers_gives_all_others(code: int) -> None:
    """Every request has words: the unit refuses input registers 22 and 23 alone."""
    device = load("eastron_sdm630")
    result = read(without({22, 23}, code), device)
    assert [value.register for value in result.values if not value.words] == ["input 22"]
    assert len(result.values) == len(device.registers)


def test_a_server_that_closes_after_each_answer_gives_every_value() -> None:
    device = load("eastron_sdm630")
    result = read(bad.answers_then_closes, device)
    assert all(value.words for value in result.values)
    assert len(result.values) == len(device.registers)
