"""A day of every fault on a clock that leaps: no wrong value, no ended task, no growing memory.

Sockets, lines and simulator are the real ones; the faults come by chance. Every served value is known at every moment:
constant values differ between units and quantities, counters grow by the hour. So each value of a line is right,
absent, or a value that the device itself served (a zero, a counter that was reset).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import BusPoller
from wattgram.base.clock import Clock
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers import catalogue
from wattgram_drivers.device import Device, Reading
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.faults import NO_BUS_FAULTS, BusFaults, Faults, names
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served, is_counter

from tests.support import leaping_loop

HOUR = 3600.0
INTERVAL = 10.0
SHARE = 0.02
"""Chance of each fault in each request: a third of all requests has a fault."""

STEP = 100.0
"""Resolution of the served SunSpec counter, Wh."""

QUANTITIES = {
    "eastron_sdm630": ("voltage_l1n", "active_power_total", "frequency", "active_energy_import"),
    # four requests of the same form, so that on RTU a late answer could be taken for the next answer
    "chint_ddsu666": ("power_factor_total", "frequency", "active_energy_import", "active_energy_export"),
    "sunspec": ("voltage_l1n", "active_power_total", "frequency", "energy_total"),
}


def by_chance(faults: Faults, share: float) -> Faults:
    """Return the faults with a chance of `share` in each request."""
    return replace(faults, shares=dict.fromkeys(names(faults), share))


FRAMES = by_chance(
    Faults(
        silent=True,
        late=1.5,
        exception=4,
        busy=20.0,
        short=1,
        long=1,
        garbled=True,
        cut=True,
        doubled=True,
        wrong_unit=True,
        wrong_function=True,
        wrong_transaction=True,
    ),
    SHARE,
)
MILD = by_chance(FRAMES, SHARE / 4)
"""For devices with many requests in a reading: a fault in one request fails the whole reading."""

STORMS = by_chance(Faults(storm=30.0), SHARE / 10)
ASLEEP = Faults(
    sleeping=True,
    zeros=True,
    swapped_nan=True,
    moving_scale=True,
    shares={"sleeping": SHARE, "zeros": SHARE, "swapped_nan": SHARE},
)
COUNTERS = Faults(
    glitch=True, reset=True, rollover=50, shares={"glitch": SHARE, "reset": SHARE / 100, "rollover": SHARE / 100}
)
TROUBLE = BusFaults(
    one_client="kick",
    slow_accept=0.5,
    first_swallowed=True,
    half_open=True,
    rebooting=90.0,
    shares={"slow_accept": 0.5, "first_swallowed": 0.2, "half_open": SHARE / 20, "rebooting": SHARE / 40},
)


@dataclass(frozen=True, slots=True)
class Player:
    """A unit of a bus and its faults."""

    bus: str
    unit: int
    driver: str
    faults: Faults

    @property
    def name(self) -> str:
        return f"{self.bus}-{self.unit}"


PLAYERS = (
    *(Player("tcp", unit, "eastron_sdm630", FRAMES) for unit in (1, 2, 3)),
    Player("tcp", 4, "eastron_sdm630", STORMS),
    Player("tcp", 5, "eastron_sdm630", Faults(silent=True)),
    Player("rtutcp", 1, "eastron_sdm630", FRAMES),
    Player("rtutcp", 2, "chint_ddsu666", MILD),
    Player("rtutcp", 3, "eastron_sdm630", COUNTERS),
    Player("sunspec", 1, "sunspec", ASLEEP),
    Player("sunspec", 2, "sunspec", MILD),
)


def base_value(player: Player, quantity: str) -> float:
    """Return a different number for each player; the SunSpec registers with their served scales hold it exactly."""
    number = 10.0 * (PLAYERS.index(player) + 1)
    return {
        "power_factor_total": number / 1000,
        "voltage_l1n": 210.0 + number / 10,
        "active_power_total": 1000.0 * number,
        "frequency": 49.0 + number / 100,
        "active_energy_import": 1_000_000.0 * number,
        "active_energy_export": 2_000_000.0 * number,
        "energy_total": 1_000_000.0 * number,
    }[quantity]


def true_value(player: Player, quantity: str, hours: float) -> float:
    """Return the value that a device must show; counters grow by 3,600 Wh an hour."""
    grown = 3600.0 * hours if is_counter(quantity) else 0.0
    return base_value(player, quantity) + grown


class Judge:
    """Counts the readings and checks each value."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.readings: Counter[str] = Counter()
        self.values = 0
        self.wrong: list[str] = []
        self.last: dict[str, float] = {}

    def take(self, source: Source, reading: Reading) -> None:
        player = next(player for player in PLAYERS if player.name == source.config.name)
        now = self.clock.monotonic() / HOUR
        self.readings[player.name] += 1
        self.last[player.name] = now
        for quantity, value in source.take(reading).as_dict().items():
            if isinstance(value, float) and isfinite(value):
                self.values += 1
                if not self._right(player, quantity, value, now):
                    self.wrong.append(f"{now:.4f} h, {player.name} {quantity}: {value}")

    def _right(self, player: Player, quantity: str, value: float, now: float) -> bool:
        if player.faults is ASLEEP and value == 0.0:
            return True
        expected = true_value(player, quantity, now)
        if not is_counter(quantity):
            return value == pytest.approx(expected, rel=1e-6)
        rounded = 1e-7 * expected  # a float32 counts in steps of its own
        earliest = 0.0 if player.faults is COUNTERS else expected - STEP - 10.0  # the answer may have taken seconds
        return earliest - rounded <= value <= expected + rounded + STEP / 2


def served(player: Player, clock: Clock) -> Served:
    def values() -> Mapping[str, float]:
        hours = clock.monotonic() / HOUR
        return {name: true_value(player, name, hours) for name in QUANTITIES[player.driver]}

    if player.driver == "sunspec":
        device, constants = sunspec_serve.chain((103,), "maker", "inverter", player.name)
        return Served(device, values, constants)
    return Served(catalogue.load(player.driver), values)


async def line_with_simulator(
    bus: str, players: list[Player], clock: Clock, judge: Judge
) -> tuple[Simulator, BusPoller]:
    endpoint = Endpoint("rtutcp" if bus == "rtutcp" else "tcp", "127.0.0.1", 0)
    simulator = Simulator(
        endpoint,
        {player.unit: served(player, clock) for player in players},
        {player.unit: player.faults for player in players},
        TROUBLE if bus == "sunspec" else NO_BUS_FAULTS,
        seed=20_301,
    )
    started = await simulator.start()
    sources = [Source(device_config(player, started), "works", clock.monotonic()) for player in players]
    return simulator, BusPoller(Bus(started, timeout=1.0), sources, judge, clock, random.Random(1))


def device_config(player: Player, endpoint: Endpoint) -> DeviceConfig:
    device: Device | None = None if player.driver == "sunspec" else catalogue.load(player.driver)
    return DeviceConfig(
        player.name,
        "pv" if device is None else "load",
        player.driver,
        device,
        endpoint,
        player.unit,
        interval=INTERVAL,
        timeout=1.0,
        quantities=QUANTITIES[player.driver],
    )


def object_count() -> int:
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.slow(10)
@pytest.mark.parametrize("hours", [4, pytest.param(24, marks=pytest.mark.nightly(part="days"))])
def test_a_day_of_every_misbehaviour(hours: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)  # the warnings of a day need too much memory

    async def main() -> tuple[Judge, int, int]:
        clock = leaping_loop.LeapClock()
        judge = Judge(clock)
        parts = [
            await line_with_simulator(bus, [player for player in PLAYERS if player.bus == bus], clock, judge)
            for bus in ("tcp", "rtutcp", "sunspec")
        ]
        tasks = [asyncio.create_task(line.run()) for _, line in parts]
        await asyncio.sleep(hours * HOUR / 4)
        early = object_count()
        await asyncio.sleep(hours * HOUR * 3 / 4)
        late = object_count()
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for simulator, _ in parts:
            await simulator.stop()
        return judge, early, late

    judge, early, late = leaping_loop.run(main())
    print(
        f"{judge.readings.total()} readings, {judge.values} values, {len(judge.wrong)} wrong; objects {early}, {late}"
    )
    assert not judge.wrong
    visits = hours * HOUR / INTERVAL
    for player in PLAYERS:
        if player.faults == Faults(silent=True):
            assert judge.readings[player.name] == 0
        else:
            assert judge.readings[player.name] > 0.1 * visits, player.name
            assert judge.last[player.name] > hours - 0.5, player.name  # it is still read at the end
    assert late < early * 1.02
