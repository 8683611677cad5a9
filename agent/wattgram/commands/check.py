"""What `wattgram check` says about a configuration that has no mistakes: the poll plan, and a live look."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wattgram_drivers.device import Device, Kind
from wattgram_drivers.driver_errors import BusDown, DriverError
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.plan import make_plan, request_cost
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.sunspec import walk

from wattgram.accounts.books import BALANCE_ROLES
from wattgram.accounts.metering_point import PRODUCERS
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import equipped, slow_of
from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.config.load import KIND_OF_ROLE, Config, DeviceConfig
from wattgram.daemon.daemon import sinks
from wattgram.delivery.sinks.sink import Sink

from .read import READ_TIMEOUT, advised

FASTER = (9600, 19200, 38400, 57600, 115200)
"""Baud rates that most serial devices can be set to."""

SUNSPEC_MODELS: Mapping[Kind, tuple[int, ...]] = {"inverter": (103, 160), "meter": (203,), "battery": (802,)}
"""Stand-in for a SunSpec device's plan before it has been asked."""

ONE_WAY = (*PRODUCERS, "load", "ev")
"""Roles whose power is not below zero in normal operation."""

NOISE_POWER = 50.0
"""W below zero that say nothing: what an inverter draws at night, a meter's zero."""


FULL = 0.8
"""Share of the time above which a bus has no room for repetitions and devices that answer late."""

SLOW = 60.0
"""Seconds at least of the slow interval that is suggested."""


@dataclass(frozen=True, slots=True)
class BusPlan:
    """One bus: requests of one round, and the share of the time that it is predicted to be busy.

    `whole_share`: the share if the slow quantities were read at every interval. `longest_round`: seconds for
    everything of every device once.
    """

    url: str
    requests: int
    busy_share: float
    whole_share: float
    longest_round: float


@dataclass(slots=True)
class CheckReport:
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


def planned(config: Config) -> CheckReport:
    """The poll plan of each bus with its time budget, and what cannot work."""
    buses: dict[str, list[DeviceConfig]] = {}
    for device in config.devices:
        buses.setdefault(device.endpoint.key, []).append(device)
    report = CheckReport([])
    for devices in buses.values():
        endpoint = devices[0].endpoint
        found = budget(devices)
        report.buses.append(found)
        if found.busy_share > 1.0:
            report.findings.append(f"{endpoint}: {_needs(found)}; {_advice(devices, found)}")
        elif found.busy_share > FULL:
            report.notes.append(f"{endpoint}: {_needs(found)}, which leaves little room; {_advice(devices, found)}")
        elif found.longest_round > (shortest := min(one.interval for one in devices)):
            report.notes.append(
                f"{endpoint}: everything of all devices at once takes {found.longest_round:.2f} s, more than the "
                f"shortest interval of {shortest:g} s; the readings that follow come late"
            )
    if not any(device.role == "grid" for device in config.devices):
        report.notes.append("no device has the role grid: the site is taken as an island without import or export")
    return report


async def live(config: Config, report: CheckReport, clock: Clock) -> None:
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
    bus = Bus(sources[0].config.endpoint, timeout=READ_TIMEOUT)
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


def _judge(source: Source, problem: str, report: CheckReport) -> None:
    """What one device's answer says about its configuration."""
    name, role = source.config.name, source.config.role
    if source.latest is None:
        report.devices.append((name, role, "no answer", "-"))
        report.findings.append(f"{name}: {problem}")
        return
    power = source.latest.power
    report.devices.append((name, role, "answers", _watts(power)))
    if role in BALANCE_ROLES and not source.has_power:
        report.findings.append(
            f"{name}: offers no quantity that gives the power of a {role}; allowed: a driver or quantities with "
            "active_power_total"
        )
    elif role in ONE_WAY and power < -NOISE_POWER:
        report.findings.append(f"{name}: {_watts(power)} is against the role {role}; try invert = true")


def _balance(sources: Sequence[Source], report: CheckReport) -> None:
    powers = {
        role: [one.latest.power if one.latest else math.nan for one in sources if one.config.role == role]
        for role in BALANCE_ROLES
    }
    inflow = sum(sum(powers[role]) for role in ("grid", *PRODUCERS, "battery"))
    metered = sum(sum(powers[role]) for role in ("load", "ev"))
    if not powers["grid"]:
        return
    if not math.isfinite(inflow):
        report.notes.append("balance: not tested, since not every source gave its power")
    elif inflow < -NOISE_POWER:
        report.findings.append(
            f"balance: the load would be {_watts(inflow)}; a meter is the wrong way round or a source is missing"
        )
    elif math.isfinite(metered) and metered > 1.02 * inflow + 2 * NOISE_POWER:
        report.findings.append(
            f"balance: the sub-meters count {_watts(metered)} of a load of {_watts(inflow)}; a source is not metered"
        )


async def _greet(sink: Sink, report: CheckReport) -> None:
    try:
        await sink.probe()
    except SinkError as error:
        report.findings.append(f"{sink.name}: {error}")
    else:
        report.notes.append(f"{sink.name}: reached, and it lets us in")


def budget(devices: Sequence[DeviceConfig]) -> BusPlan:
    """What the devices of one bus ask of it."""
    requests = 0
    busy = whole_share = longest = 0.0
    for config in devices:
        known = config.device or _stand_in(config)
        price = request_cost(config.endpoint, known.limits)
        # What a stand-in does not have, the real device may.
        quantities = [name for name in config.quantities if name in known.quantities]
        slow = [name for name in slow_of(config, known) if name in known.quantities]
        plan = make_plan(known, quantities or None, price, slow)
        fast, whole = price.seconds(plan.fast_blocks), price.seconds(plan.blocks)
        requests += len(plan.blocks)
        longest += whole
        whole_share += whole / config.interval
        busy += fast / config.interval + (whole - fast) / (config.slow_interval or config.interval)
    return BusPlan(str(devices[0].endpoint), requests, busy, whole_share, longest)


def _stand_in(config: DeviceConfig) -> Device:
    """A SunSpec device of the kind that will be asked for."""
    kind, _ = walk.place(config.driver, KIND_OF_ROLE.get(config.role, "meter"))
    return sunspec_serve.chain(SUNSPEC_MODELS[kind], "", "", "")[0]


def _needs(plan: BusPlan) -> str:
    return f"the plan needs {plan.busy_share:.0%} of the time"


def _advice(devices: Sequence[DeviceConfig], found: BusPlan) -> str:
    """What would help, each with the share of the time that it would need."""
    times = math.ceil(10 * found.busy_share / (1.0 if found.busy_share > 1.0 else FULL)) / 10
    said = f"intervals {times:g} times as long would fit"
    others = {
        f'slow_interval = "{SLOW:g}s"': [_slowed(one) for one in devices],
        "only the power of each device": [_power_alone(one) for one in devices],
    }
    faster = next((rate for rate in FASTER if rate > devices[0].endpoint.baudrate), None)
    if devices[0].endpoint.serial and faster is not None:
        others[f"{faster} baud"] = [replace(one, endpoint=replace(one.endpoint, baudrate=faster)) for one in devices]
    shares = {change: budget(changed).busy_share for change, changed in others.items()}
    helps = [f"{change} would need {share:.0%}" for change, share in shares.items() if share < 0.95 * found.busy_share]
    return ", ".join([said, *helps, "or fewer devices on this bus"])


def _slowed(config: DeviceConfig) -> DeviceConfig:
    """With its slow quantities read about once a minute."""
    return replace(config, slow_interval=config.slow_interval or config.interval * math.ceil(SLOW / config.interval))


def _power_alone(config: DeviceConfig) -> DeviceConfig:
    """With nothing but the power that the balance needs."""
    power = ("active_power_total",)
    offered = config.device.quantities if config.device else power
    return replace(config, quantities=power) if set(power) <= set(config.quantities or offered) else config


def _watts(power: float) -> str:
    return "no power" if math.isnan(power) else f"{power / 1000:.3f} kW"
