"""A SunSpec device that changes its models, or is exchanged, while it is polled, with real servers.

Values are those that the test serves; offsets and types are those of the SunSpec model definitions (pysunspec2 encodes
the words). The clock leaps over waiting.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import BusPoller
from wattgram.base.clock import NS
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import leaping_loop
from tests.support.leaping_loop import LeapClock
from tests.support.misbehaving_device import Request, Server, Step
from tests.support.sunspec_chains import END, INVERTER, MARKER, common, written

FLOATS = {"W": 5000.0, "Hz": 50.0, "PhVphA": 230.0, "WH": 123_458_000.0, "A": 6.5, "St": 4}
METER = {"W_SF": 0, "W": 1234.0, "TotWh_SF": 0, "TotWhImp": 5_000.0, "Hz_SF": -2, "Hz": 49.97}
ROOF = common("Acme", "Roof 10", "SN-0042")


def chain(*models: tuple[int, ...], identity: tuple[int, ...] = ROOF) -> tuple[int, ...]:
    return (*MARKER, *identity, *(word for model in models for word in model), *END)


def trackers(count: int) -> tuple[int, ...]:
    points = {"DCA_SF": 0, "DCV_SF": 0, "DCW_SF": 0, "DCWH_SF": 0, "N": count}
    return written(160, points, [{"ID": number + 1, "DCW": 700.0 + number} for number in range(count)])


INTEGERS, SINGLES = chain(written(103, INVERTER)), chain(written(113, FLOATS))


Act = Callable[["Recorder"], Coroutine[None, None, None]]


@dataclass
class Unit:
    """Words of a SunSpec device from `base`; `delay`: time for an answer, s. Anything else is refused.

    closing: the device closes the connection after each answer with values.
    """

    words: Sequence[int]
    base: int = 40000
    delay: float = 0.0
    alive: bool = True
    closing: bool = False
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Sequence[Step]:
        if not self.alive:
            return [Step(end="reset")]
        self.requests.append(request)
        first = request.address - self.base
        words = self.words[first : first + request.count] if first >= 0 else ()
        data = b"".join(word.to_bytes(2, "big") for word in words)
        body = bytes([request.code, len(data)]) + data
        if len(words) != request.count:
            body = bytes([request.code | 0x80, 2])
        steps = [Step(self.delay, request.frame(body))]
        return (
            [*steps, Step(self.delay + 0.001, end="close")]
            if self.closing and request.address == 40070 and request.count > 2
            else steps
        )

    @property
    def walks(self) -> int:
        """Number of walks: each looks for the marker first."""
        return sum(request.address == 40000 and request.count == 2 for request in self.requests)


class Recorder:
    """Records the readings of each device: time and values."""

    def __init__(self) -> None:
        self.readings: dict[str, list[tuple[float, Mapping[str, float]]]] = {}
        self.events: list[tuple[str, str]] = []
        self.metered: list[float] = []

    def take(self, source: Source, reading: Reading) -> None:
        record = source.take(reading).as_dict()
        values = {name: value for name, value in record.items() if isinstance(value, float) and isfinite(value)}
        self.readings.setdefault(source.config.name, []).append((reading.time / NS, values))
        self.events += source.notices
        source.notices.clear()
        assert source.taken is not None
        self.metered.append(source.taken.metered.positive)

    def of(self, name: str = "roof") -> list[Mapping[str, float]]:
        return [values for _, values in self.readings.get(name, [])]


def config_of(url: str, name: str = "roof", unit: int = 1, role: str = "pv", driver: str = "sunspec") -> DeviceConfig:
    return DeviceConfig(name, role, driver, None, parse(url), unit, interval=1.0, timeout=0.5)


async def polled(devices: Mapping[str, tuple[int, Unit]], act: Act) -> Recorder:
    """Poll the units of one host while `act` changes them."""
    units = dict(devices.values())
    recorder = Recorder()
    async with Server(lambda request: units[request.unit](request), in_order=True) as server:
        clock = LeapClock()
        sources = [Source(config_of(server.url, name, unit), "works", 0.0) for name, (unit, _) in devices.items()]
        line = BusPoller(Bus(sources[0].config.endpoint), sources, recorder, clock, random.Random(1))
        task = asyncio.create_task(line.run())
        await act(recorder)
        task.cancel()
    return recorder


def test_other_models_after_an_outage_are_read_right_at_once() -> None:
    unit = Unit(INTEGERS)

    async def act(recorder: Recorder) -> None:
        await asyncio.sleep(5)
        unit.alive = False
        await asyncio.sleep(18)
        unit.words, unit.alive = SINGLES, True
        await asyncio.sleep(40)

    recorder = leaping_loop.run(polled({"roof": (1, unit)}, act))
    powers = [values["active_power_total"] for values in recorder.of()]
    assert powers == sorted(powers, reverse=True)
    assert set(powers) == {110_000.0, 5000.0}
    assert ("layout changed", "SunSpec models 1, 103 from 40002, then 1, 113 from 40002") in recorder.events
    # The counter went on: 123,456,789 Wh, then 123,458,000 Wh (a float of steps of 8 Wh).
    assert sum(amount for amount in recorder.metered if isfinite(amount)) == pytest.approx(1211.0, abs=8.0)


@pytest.mark.parametrize(
    ("later", "base", "power"),
    [
        (SINGLES, 40000, 5000.0),
        (INTEGERS, 50000, 110_000.0),
        (INTEGERS, 0, 110_000.0),
        (chain(written(120, {"WRtg_SF": 0, "WRtg": 9000.0}), written(103, INVERTER)), 40000, 110_000.0),
        (chain(written(103, INVERTER), identity=common("Acme", "Roof 10", "SN-0042", 65)), 40000, 110_000.0),
    ],
)
def test_a_layout_that_changes_between_two_readings_costs_no_reading(
    later: tuple[int, ...], base: int, power: float
) -> None:
    unit = Unit(INTEGERS)

    async def act(recorder: Recorder) -> None:
        await asyncio.sleep(5.5)
        unit.words, unit.base = later, base
        await asyncio.sleep(4)

    recorder = leaping_loop.run(polled({"roof": (1, unit)}, act))
    times = [time for time, _ in recorder.readings["roof"]]
    assert all(gap == pytest.approx(1.0, abs=0.2) for gap in (b - a for a, b in pairwise(times[1:])))
    assert [values["active_power_total"] for values in recorder.of()][-4:] == [power] * 4
    assert {values["active_power_total"] for values in recorder.of()} <= {110_000.0, power}
    assert [event for event, _ in recorder.events] == ["layout changed"]


def test_trackers_that_wake_up_later_appear_within_two_minutes() -> None:
    unit = Unit(INTEGERS)

    async def act(recorder: Recorder) -> None:
        await asyncio.sleep(30)
        unit.words = chain(written(103, INVERTER), trackers(2))
        await asyncio.sleep(120)

    recorder = leaping_loop.run(polled({"roof": (1, unit)}, act))
    assert "dc_power_2" not in recorder.of()[0]
    assert recorder.of()[-1]["dc_power_2"] == 701.0
    assert len(recorder.of()) >= 149, "no reading is lost"


def test_another_device_behind_the_same_address_is_an_event_and_its_counters_begin_anew() -> None:
    unit = Unit(INTEGERS)

    async def act(recorder: Recorder) -> None:
        await asyncio.sleep(5)
        unit.alive = False
        await asyncio.sleep(2)
        exchanged = {**INVERTER, "WH": 123_456_800.0}
        unit.words, unit.alive = chain(written(103, exchanged), identity=common("Acme", "Roof 10", "SN-0099")), True
        await asyncio.sleep(20)

    recorder = leaping_loop.run(polled({"roof": (1, unit)}, act))
    assert recorder.events == [("device exchanged", "Acme Roof 10 SN-0042, then Acme Roof 10 SN-0099")]
    assert recorder.of()[-1]["energy_total"] == 123_456_800.0
    assert sum(recorder.metered) == 0.0, "11 Wh between two devices were never counted"


@pytest.mark.parametrize("word", [0, 0xFFFF])
def test_a_sleeping_device_without_a_name_is_not_taken_for_another(word: int) -> None:
    unit = Unit(INTEGERS)

    async def act(recorder: Recorder) -> None:
        await asyncio.sleep(5)
        asleep = (1, 66, *[word] * 66)
        unit.words = chain(written(103, INVERTER), identity=asleep)
        await asyncio.sleep(150)
        unit.words = INTEGERS
        await asyncio.sleep(150)

    recorder = leaping_loop.run(polled({"roof": (1, unit)}, act))
    assert recorder.events == []
    assert len(recorder.of()) >= 300


@pytest.mark.parametrize("word", [0, 0xFFFF])
def test_one_answer_of_zeros_or_ones_is_asked_again_and_changes_nothing(word: int) -> None:
    unit = Unit(INTEGERS)
    void: list[Request] = []

    def sometimes(request: Request) -> Sequence[Step]:
        # Every tenth answer with values is not filled.
        if request.count > 30 and request.address == 40070:
            void.append(request)
            if len(void) % 10 == 5:
                return [
                    Step(data=request.frame(bytes([3, 2 * request.count]) + bytes([word & 0xFF]) * 2 * request.count))
                ]
        return unit(request)

    async def run() -> Recorder:
        recorder = Recorder()
        async with Server(sometimes) as server:
            source = Source(config_of(server.url), "works", 0.0)
            line = BusPoller(Bus(source.config.endpoint), [source], recorder, LeapClock(), random.Random(1))
            task = asyncio.create_task(line.run())
            await asyncio.sleep(50)
            task.cancel()
        return recorder

    recorder = leaping_loop.run(run())
    assert len(void) > 50
    assert len(recorder.of()) >= 49
    assert {values["active_power_total"] for values in recorder.of()} == {110_000.0}
    assert recorder.events == []


def test_a_meter_in_place_of_the_inverter_is_not_read_as_an_inverter() -> None:
    unit = Unit(INTEGERS)

    async def act(recorder: Recorder) -> None:
        await asyncio.sleep(5)
        unit.words = chain(written(203, METER))
        await asyncio.sleep(30)
        unit.words = INTEGERS
        await asyncio.sleep(60)

    recorder = leaping_loop.run(polled({"roof": (1, unit)}, act))
    assert {values["active_power_total"] for values in recorder.of()} == {110_000.0}
    assert len(recorder.of()) >= 10, "read again when the inverter is back"


LONG = chain(written(103, INVERTER), *[(number, 10, *[7] * 10) for number in range(64100, 64128)])


def test_a_walk_of_thirty_models_keeps_other_devices_of_the_bus_on_time() -> None:
    # 0.03 s an answer, so a walk of 34 requests takes a second: as much as the interval of the meters.
    roof, meters = Unit(LONG, delay=0.03), [Unit(chain(written(203, METER)), delay=0.03) for _ in range(4)]
    devices = {"roof": (1, roof), **{f"m{number}": (number, meters[number - 2]) for number in range(2, 6)}}

    async def act(recorder: Recorder) -> None:
        await asyncio.sleep(20)
        roof.words = chain(written(113, FLOATS), *[(number, 10, *[7] * 10) for number in range(64100, 64128)])
        await asyncio.sleep(20)

    recorder = leaping_loop.run(polled(devices, act))
    assert recorder.of()[-1]["active_power_total"] == 5000.0
    for name in ("m2", "m3", "m4", "m5"):
        times = [time for time, _ in recorder.readings[name] if time > recorder.readings[name][0][0] + 10.0]
        assert max(b - a for a, b in pairwise(times)) <= 1.2, name


def test_a_line_that_flaps_is_not_walked_at_each_connection() -> None:
    unit = Unit(LONG, closing=True)

    async def act(recorder: Recorder) -> None:
        await asyncio.sleep(120)

    recorder = leaping_loop.run(polled({"roof": (1, unit)}, act))
    assert unit.walks == 1
    assert len(unit.requests) < 300, "a reading a second, and a comparison of two requests each ten seconds"
    assert len(recorder.of()) >= 119


def test_models_are_walked_again_once_a_day_without_a_lost_reading() -> None:
    unit = Unit(LONG)

    async def act(recorder: Recorder) -> None:
        await asyncio.sleep(3 * 3600.0)
        assert unit.walks == 1
        await asyncio.sleep(22 * 3600.0)

    async def run() -> Recorder:
        recorder = Recorder()
        async with Server(unit) as server:
            config = DeviceConfig("roof", "pv", "sunspec", None, parse(server.url), 1, interval=60.0)
            source = Source(config, "works", 0.0)
            line = BusPoller(Bus(config.endpoint), [source], recorder, LeapClock(), random.Random(1))
            task = asyncio.create_task(line.run())
            await act(recorder)
            task.cancel()
        return recorder

    recorder = leaping_loop.run(run())
    assert unit.walks == 2
    assert len(recorder.of()) >= 25 * 60 - 1
    assert recorder.events == []
