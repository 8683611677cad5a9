"""Intervals too short for the delays of a map are lengthened, each by the smallest multiple that fits."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from typing import Any

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.paced_intervals import paced, with_paced_intervals
from wattgram.acquisition.poll import BusPoller
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Device, DeviceLimits, Reading, Register, RoleReads
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad
from tests.support.leaping_loop import LeapClock


def inverter(delay: float, requests: int) -> Device:
    """A map with registers so far apart that each needs a request, and a silence before each."""
    registers = tuple(Register(f"dc_voltage_{n}", 300 * n, "holding", "u16") for n in range(1, requests + 1))
    limits = DeviceLimits(request_delay=delay)
    return Device("own", "v", "m", "inverter", registers, limits, roles={"capture": RoleReads()})


def config(
    device: Device, interval: float, url: str = "tcp://10.0.0.1:502", name: str = "pv", **more: Any
) -> DeviceConfig:
    return replace(DeviceConfig(name, "pv", device.name, device, parse(url), 1, interval=interval), **more)


def intervals(*devices: DeviceConfig) -> list[float]:
    return [device.interval for device in with_paced_intervals(devices)]


def test_an_interval_becomes_the_smallest_multiple_that_a_reading_fits_in() -> None:
    # 3 requests of 0.85 s silence and 5 ms turnaround: 2.565 s
    assert intervals(config(inverter(0.85, 3), 1.0)) == [3.0]
    assert intervals(config(inverter(0.85, 3), 2.0)) == [4.0]
    assert intervals(config(inverter(0.85, 3), 3.0)) == [3.0]


def test_a_map_without_delays_keeps_its_interval() -> None:
    assert intervals(config(inverter(0.0, 40), 0.1)) == [0.1]


def test_a_slow_interval_stays_a_multiple_of_the_interval() -> None:
    # two fast requests take 1.71 s; 9 s is no multiple of 2 s, 10 s is
    (device,) = with_paced_intervals([config(inverter(0.85, 3), 1.0, slow_interval=9.0, slow=("dc_voltage_3",))])
    assert (device.interval, device.slow_interval) == (2.0, 10.0)


def test_devices_with_delays_that_share_a_bus_share_its_time() -> None:
    # Four devices of 0.855 s each at 1 s: 342 % of the time, so a reading every 4 s
    devices = [config(inverter(0.85, 1), 1.0, name=f"pv-{n}") for n in range(4)]
    assert intervals(*devices) == [4.0] * 4
    assert intervals(*devices[:2]) == [1.0] * 2, "171 % is late, but not stale"
    apart = [replace(device, endpoint=parse(f"tcp://10.0.0.{n}:502")) for n, device in enumerate(devices)]
    assert intervals(*apart) == [1.0] * 4


def test_a_longer_interval_is_logged_once_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        with_paced_intervals([config(inverter(0.85, 3), 1.0), config(inverter(0.0, 1), 1.0, name="other")])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(
        "pv: interval = 1s is too short: a reading takes 2.56 s, 3 requests with 0.85 s between them"
    )
    assert 'set interval = "3s"' in line


def test_the_shipped_maps_that_need_more_than_a_second_are_named() -> None:
    growatt, keba, eastron = (config(load(name), 1.0) for name in ("growatt_tl3x", "keba_p30_p40", "eastron_sdm630"))
    for device in (growatt, keba):
        (slower,) = paced([device])
        assert slower.config.interval > 1.0
        assert slower.requests > 1
    assert paced([eastron]) == ()


def test_a_device_with_its_longer_interval_is_never_stale() -> None:
    states: set[str] = set()

    async def run() -> None:
        async with bad.Server(bad.honest) as server:
            (device,) = with_paced_intervals([config(inverter(0.85, 3), 1.0, server.url, role="capture")])
            clock = LeapClock()
            source = Source(device, "works", clock.monotonic())

            class Receiver:
                def take(self, source: Source, reading: Reading) -> None:
                    source.take(reading)

            line = BusPoller(Bus(device.endpoint), [source], Receiver(), clock, random.Random(1))
            task = asyncio.create_task(line.run())
            await bad.until(lambda: source.latest is not None)
            for _ in range(600):
                await asyncio.sleep(0.1)
                states.add(source.state(clock.monotonic()))
            task.cancel()

    leaping_loop.run(run())
    assert states == {"good"}
