"""What `wattgram check` says about a configuration that has no mistakes: the poll plan, and a live look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from wattgram_drivers import sunspec
from wattgram_drivers.device import Device
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.errors import DriverError
from wattgram_drivers.modbus import Bus
from wattgram_drivers.plan import Plan, make_plan

from .clock import Clock
from .config import Config, DeviceConfig
from .daemon import sinks
from .errors import SinkError
from .poll import equipped
from .site import BALANCE
from .source import Source

TURNAROUND = {"tcp": 0.005, "rtutcp": 0.02, "rtu": 0.02}
"""Seconds that a unit thinks about a request, assumed where nothing was measured."""

BITS = 11
"""Bits of a character on a serial line: start, eight data, parity or second stop, stop."""

OVERHEAD = 13
"""Characters of an RTU request (8) and of an answer without its registers (5)."""

SUNSPEC_MODELS = (103, 160)
"""Stand-in for a SunSpec device's plan before it has been asked."""


@dataclass(frozen=True, slots=True)
class BusPlan:
    """One bus: requests of one round, and the share of the time that it is predicted to be busy."""

    url: str
    requests: int
    busy_share: float


@dataclass(slots=True)
class Report:
    """Plans and findings; not ok when a plan cannot fit, or something live is wrong."""

    buses: list[BusPlan]
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
                f"{endpoint}: the plan needs {busy:.0%} of the time; longer intervals or fewer quantities would fit"
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
    for key in dict.fromkeys(one.config.endpoint.key for one in sources):
        group = [one for one in sources if one.config.endpoint.key == key]
        bus = Bus(group[0].config.endpoint)
        try:
            for source in group:
                await _look(bus, source, report, clock)
        finally:
            await bus.close()
    _balance(sources, report, clock)
    for sink in sinks(config):
        try:
            await sink.open()
            refused = await sink.write((), 0)
            report.findings += [f"{sink.name}: {reason}" for reason in refused.values()]
            report.notes.append(f"{sink.name}: reached")
        except SinkError as error:
            report.findings.append(f"{sink.name}: {error}")
        finally:
            await sink.close()


async def _look(bus: Bus, source: Source, report: Report, clock: Clock) -> None:
    name = source.config.name
    try:
        await bus.connect(max(2.0, source.config.device.limits.connect_delay) if source.config.device else 2.0)
        reader = await equipped(bus, source)
        source.take(await reader.read(bus, clock))
    except DriverError as error:
        report.findings.append(f"{name}: {error}")
        return
    if source.config.role in BALANCE and not source.has_power:
        report.findings.append(f"{name}: offers no quantity that gives the power of a {source.config.role}")
        return
    power = source.power(clock.monotonic())
    report.notes.append(f"{name}: answers, {_watts(power)}")
    if source.config.role in ("pv", "wind", "hydro", "genset", "chp", "load", "ev") and power < -50.0:
        report.findings.append(f"{name}: {_watts(power)} is against the role {source.config.role}; try invert = true")


def _balance(sources: Sequence[Source], report: Report, clock: Clock) -> None:
    now = clock.monotonic()
    powers = {role: [one.power(now) for one in sources if one.config.role == role] for role in BALANCE}
    inflow = sum(sum(powers[role]) for role in ("grid", "pv", "wind", "hydro", "genset", "chp", "battery"))
    metered = sum(sum(powers[role]) for role in ("load", "ev"))
    if not powers["grid"] or not math.isfinite(inflow):
        return
    if inflow < 0:
        report.findings.append(
            f"balance: the load would be {_watts(inflow)}; a meter is the wrong way round or one is missing"
        )
    elif math.isfinite(metered) and metered > 1.02 * inflow + 100.0:
        report.findings.append(
            f"balance: the sub-meters count {_watts(metered)} of a load of {_watts(inflow)}; a source is not metered"
        )


def _plan(device: DeviceConfig) -> tuple[Device, Plan]:
    known = device.device or sunspec.chain(SUNSPEC_MODELS, "", "", "")[0]
    return known, make_plan(known, device.quantities or None)


def _watts(power: float) -> str:
    return "no power" if math.isnan(power) else f"{power / 1000:.3f} kW"
