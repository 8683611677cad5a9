"""What `wattgram check` says about a configuration that has no mistakes: the poll plan, and a live look."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wattgram_drivers import sunspec
from wattgram_drivers.device import Device, Kind
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.errors import BusDown, DriverError
from wattgram_drivers.modbus import Bus
from wattgram_drivers.plan import Plan, make_plan

from .clock import Clock
from .config import KIND_OF_ROLE, Config, DeviceConfig
from .daemon import sinks
from .errors import SinkError
from .look import TIMEOUT, advised
from .poll import equipped
from .sinks import Sink
from .site import BALANCE, PRODUCERS
from .source import Source

TURNAROUND = {"tcp": 0.005, "rtutcp": 0.02, "rtu": 0.02}
"""Seconds that a unit thinks about a request, assumed where nothing was measured."""

BITS = 11
"""Bits of a character on a serial line: start, eight data, parity or second stop, stop."""

OVERHEAD = 13
"""Characters of an RTU request (8) and of an answer without its registers (5)."""

SUNSPEC_MODELS: Mapping[Kind, tuple[int, ...]] = {"inverter": (103, 160), "meter": (203,), "battery": (802,)}
"""Stand-in for a SunSpec device's plan before it has been asked."""

ONE_WAY = (*PRODUCERS, "load", "ev")
"""Roles whose power is not below zero in normal operation."""

NOISE = 50.0
"""W below zero that say nothing: what an inverter draws at night, a meter's zero."""


@dataclass(frozen=True, slots=True)
class BusPlan:
    """One bus: requests of one round, and the share of the time that it is predicted to be busy."""

    url: str
    requests: int
    busy_share: float


@dataclass(slots=True)
class Report:
    """Plans and findings; not ok when a plan cannot fit, or something live is wrong.

    `devices`: name, role, whether it answers and its power, of each that was read.
    """

    buses: list[BusPlan]
    devices: list[tuple[str, str, str, str]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def planned(config: Config) -> Report:
    """The poll plan of each bus with its time budget, and what cannot work."""
    buses: dict[str, list[DeviceConfig]] = {}
    for device in config.devices:
        buses.setdefault(device.endpoint.key, []).append(device)
    report = Report([])
    for devices in buses.values():
        endpoint = devices[0].endpoint
        plans = [_plan(device) for device in devices]
        busy = sum(
            seconds(endpoint, known, plan) / device.interval
            for device, (known, plan) in zip(devices, plans, strict=True)
        )
        report.buses.append(BusPlan(str(endpoint), sum(len(plan.blocks) for _, plan in plans), busy))
        if busy > 1.0:
            report.findings.append(
                f"{endpoint}: the plan needs {busy:.0%} of the time; intervals {math.ceil(10 * busy) / 10:g} times "
                "as long would fit, or fewer devices or quantities on this bus"
            )
    if not any(device.role == "grid" for device in config.devices):
        report.notes.append("no device has the role grid: the site is taken as an island without import or export")
    return report


def seconds(endpoint: Endpoint, device: Device, plan: Plan) -> float:
    """Seconds that one reading keeps its bus busy: wire time, silence and the unit's own time.

    On a serial line a request of n registers takes (13 + 2 n) characters of 11 bits and two silent intervals of
    3.5 characters, at least 1.75 ms above 19200 baud (Modbus over Serial Line V1.02, 2.5.1.1).
    """
    total = 0.0
    for block in plan.blocks:
        pause = device.limits.request_delay
        if endpoint.scheme == "rtu":
            character = BITS / endpoint.baudrate
            silence = 3.5 * character if endpoint.baudrate <= 19200 else 0.00175
            total += (OVERHEAD + 2 * block.count) * character + silence
            pause = max(pause, silence)
        total += max(pause, 0.0) + TURNAROUND[endpoint.scheme]
    return total


async def live(config: Config, report: Report, clock: Clock) -> None:
    """Read each device once, connect to each sink, look at signs and balance; adds what is wrong to the report."""
    sources = [Source(device, config.site.name, clock.monotonic()) for device in config.devices]
    buses: dict[str, list[Source]] = {}
    for source in sources:
        buses.setdefault(source.config.endpoint.key, []).append(source)
    problems: dict[str, str] = {}
    for found in await asyncio.gather(*(_visit(group, clock) for group in buses.values())):
        problems |= found
    for source in sources:
        _judge(source, problems.get(source.config.name, ""), report)
    _balance(sources, report)
    for sink in sinks(config):
        await _greet(sink, report)


async def _visit(sources: Sequence[Source], clock: Clock) -> dict[str, str]:
    """Read the devices of one bus; why by name, for those that cannot be read."""
    problems: dict[str, str] = {}
    away = ""
    bus = Bus(sources[0].config.endpoint, timeout=TIMEOUT)
    try:
        for source in sources:
            config = source.config
            try:
                if not away:
                    await bus.connect(config.device.limits.connect_delay if config.device else 0.0)
            except BusDown as error:
                away = problems[config.name] = advised(error)
                continue
            if away:  # it would wait as long for the same answer
                problems[config.name] = f"not asked, {config.endpoint} cannot be opened, see above"
                continue
            try:
                source.take(await (await equipped(bus, source)).read(bus, clock))
            except DriverError as error:
                problems[config.name] = advised(error)
    finally:
        await bus.close()
    return problems


def _judge(source: Source, problem: str, report: Report) -> None:
    """What one device's answer says about its configuration."""
    name, role = source.config.name, source.config.role
    if source.latest is None:
        report.devices.append((name, role, "no answer", "-"))
        report.findings.append(f"{name}: {problem}")
        return
    power = source.latest.power
    report.devices.append((name, role, "answers", _watts(power)))
    if role in BALANCE and not source.has_power:
        report.findings.append(
            f"{name}: offers no quantity that gives the power of a {role}; allowed: a driver or quantities with "
            "active_power_total"
        )
    elif role in ONE_WAY and power < -NOISE:
        report.findings.append(f"{name}: {_watts(power)} is against the role {role}; try invert = true")


def _balance(sources: Sequence[Source], report: Report) -> None:
    powers = {
        role: [one.latest.power if one.latest else math.nan for one in sources if one.config.role == role]
        for role in BALANCE
    }
    inflow = sum(sum(powers[role]) for role in ("grid", *PRODUCERS, "battery"))
    metered = sum(sum(powers[role]) for role in ("load", "ev"))
    if not powers["grid"]:
        return
    if not math.isfinite(inflow):
        report.notes.append("balance: not tested, since not every source gave its power")
    elif inflow < -NOISE:
        report.findings.append(
            f"balance: the load would be {_watts(inflow)}; a meter is the wrong way round or a source is missing"
        )
    elif math.isfinite(metered) and metered > 1.02 * inflow + 2 * NOISE:
        report.findings.append(
            f"balance: the sub-meters count {_watts(metered)} of a load of {_watts(inflow)}; a source is not metered"
        )


async def _greet(sink: Sink, report: Report) -> None:
    try:
        await sink.probe()
    except SinkError as error:
        report.findings.append(f"{sink.name}: {error}; check that it runs, its address, login and certificates")
    else:
        report.notes.append(f"{sink.name}: reached, and it lets us in")


def _plan(device: DeviceConfig) -> tuple[Device, Plan]:
    if device.device is not None:
        return device.device, make_plan(device.device, device.quantities or None)
    kind, _ = sunspec.place(device.driver, KIND_OF_ROLE.get(device.role, "meter"))
    known, _ = sunspec.chain(SUNSPEC_MODELS[kind], "", "", "")
    return known, make_plan(known, [name for name in device.quantities if name in known.quantities] or None)


def _watts(power: float) -> str:
    return "no power" if math.isnan(power) else f"{power / 1000:.3f} kW"
