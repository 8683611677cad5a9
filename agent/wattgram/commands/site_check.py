"""Checks of a configuration without mistakes: the poll plan of each bus, and a live test of devices and sinks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wattgram_drivers.bus_time import request_cost
from wattgram_drivers.device import Device, Kind
from wattgram_drivers.driver_errors import BusDown, DriverError
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.plan import make_plan
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.sunspec import walk

from wattgram.accounts.books import BALANCE_ROLES
from wattgram.accounts.metering_point import PRODUCERS
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.paced_intervals import paced
from wattgram.acquisition.poll import equipped, slow_of
from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.config.devices_table import KIND_OF_ROLE, DeviceConfig
from wattgram.config.load import Config
from wattgram.daemon.daemon import sinks
from wattgram.delivery.sinks.sink import Sink

from .driver_advice import with_advice
from .single_reading import READ_TIMEOUT

FASTER = (9600, 19200, 38400, 57600, 115200)
"""Baud rates of most serial devices."""

SUNSPEC_MODELS: Mapping[Kind, tuple[int, ...]] = {
    "inverter": (103, 160),
    "meter": (203,),
    "battery": (802,),
    "sensor": (307, 302),
}
"""Models for the plan of a SunSpec device before discovery."""

ONE_WAY = (*PRODUCERS, "load", "ev")
"""Roles with a power that is not negative in normal operation."""

NOISE_POWER = 50.0
"""Negative power without meaning, W: the consumption of an inverter at night, the zero of a meter."""

FULL = 0.8
"""Share of the time above which a bus has no room for retries and for devices that answer late."""

SLOW = 60.0
"""Shortest slow interval that `check` suggests, s."""


@dataclass(frozen=True, slots=True)
class BusPlan:
    """A bus: requests of one round, and the predicted share of the time in which the bus is busy.

    `whole_share`: the share if the slow quantities were read at every interval. `longest_round`: time to read all
    quantities of all devices once, s.
    """

    url: str
    requests: int
    busy_share: float
    whole_share: float
    longest_round: float


@dataclass(slots=True)
class CheckReport:
    """Plans and findings. The report is not ok when a plan does not fit, or the live test found a fault.

    `devices`: name, role, answer and power of each device that the live test read.
    """

    buses: list[BusPlan]
    devices: list[tuple[str, str, str, str]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are no findings."""
        return not self.findings


def check_plan(config: Config) -> CheckReport:
    """Return the poll plan of each bus with its share of the time, and the plans that do not fit."""
    buses: dict[str, list[DeviceConfig]] = {}
    for device in config.devices:
        buses.setdefault(device.endpoint.key, []).append(device)
    report = CheckReport([])
    for devices in buses.values():
        endpoint = devices[0].endpoint
        plan = bus_plan(devices)
        report.buses.append(plan)
        if plan.busy_share > 1.0:
            report.findings.append(f"{endpoint}: {_needs(plan)}; {_advice(devices, plan)}")
        elif plan.busy_share > FULL:
            report.notes.append(f"{endpoint}: {_needs(plan)}, which leaves little room; {_advice(devices, plan)}")
        elif plan.longest_round > (shortest := min(device.interval for device in devices)):
            report.notes.append(
                f"{endpoint}: everything of all devices at once takes {plan.longest_round:.2f} s, more than the "
                f"shortest interval of {shortest:g} s; the next readings come late"
            )
    report.findings += [slower.reason for slower in paced(config.devices)]
    report.notes += [_tolerance(device) for device in config.devices if device.tolerate]
    report.notes += [
        f"{device.name}: powers and energies are multiplied by ratio {device.ratio:g} (CT x VT); currents and voltages "
        "are left out"
        for device in config.devices
        if device.ratio != 1.0
    ]
    if not any(device.role == "grid" for device in config.devices):
        report.notes.append("no device has the role grid: the balance assumes a site without import and export")
    return report


async def check_live(config: Config, report: CheckReport, clock: Clock) -> None:
    """Read each device once, connect to each sink, test signs and balance. Findings are added to the report."""
    sources = [Source(device, config.site.name, clock.monotonic()) for device in config.devices]
    buses: dict[str, list[Source]] = {}
    for source in sources:
        buses.setdefault(source.config.endpoint.key, []).append(source)
    problems: dict[str, str] = {}
    for found in await asyncio.gather(*(_read_bus(group, clock) for group in buses.values())):
        problems |= found
    for source in sources:
        _check_device(source, problems.get(source.config.name, ""), report)
    _check_balance(sources, report)
    for sink in sinks(config):
        await _check_sink(sink, report)


async def _read_bus(sources: Sequence[Source], clock: Clock) -> dict[str, str]:
    """Read the devices of one bus; return the errors by device name."""
    problems: dict[str, str] = {}
    bus_error = ""
    bus = Bus(sources[0].config.endpoint, timeout=READ_TIMEOUT)
    for source in sources:
        bus.tolerate(source.config.unit, source.config.tolerate)
    try:
        for source in sources:
            config = source.config
            try:
                if not bus_error:
                    await bus.connect(config.device.limits.connect_delay if config.device else 0.0)
            except BusDown as error:
                bus_error = problems[config.name] = with_advice(error)
                continue
            if bus_error:  # another attempt would wait as long for the same error
                problems[config.name] = f"not read: {config.endpoint} cannot be opened, see above"
                continue
            try:
                source.take(await (await equipped(bus, source)).read(bus, clock))
            except DriverError as error:
                problems[config.name] = with_advice(error)
    finally:
        await bus.close()
    return problems


def _check_device(source: Source, problem: str, report: CheckReport) -> None:
    """Compare the answer of a device with its configuration."""
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


def _check_balance(sources: Sequence[Source], report: CheckReport) -> None:
    powers = {
        role: [source.latest.power if source.latest else math.nan for source in sources if source.config.role == role]
        for role in BALANCE_ROLES
    }
    inflow = sum(sum(powers[role]) for role in ("grid", *PRODUCERS, "battery"))
    metered = sum(sum(powers[role]) for role in ("load", "ev"))
    if not powers["grid"]:
        return
    if not math.isfinite(inflow):
        report.notes.append("balance: not tested, because the power of a source is missing")
    elif inflow < -NOISE_POWER:
        report.findings.append(
            f"balance: the load would be {_watts(inflow)}; a meter is reversed or a source is missing"
        )
    elif math.isfinite(metered) and metered > 1.02 * inflow + 2 * NOISE_POWER:
        report.findings.append(
            f"balance: the sub-meters count {_watts(metered)} of a load of {_watts(inflow)}; a source is not metered"
        )


async def _check_sink(sink: Sink, report: CheckReport) -> None:
    try:
        await sink.probe()
    except SinkError as error:
        report.findings.append(f"{sink.name}: {error}")
    else:
        report.notes.append(f"{sink.name}: connected and authorized")


def bus_plan(devices: Sequence[DeviceConfig]) -> BusPlan:
    """Return the plan of the devices of one bus."""
    requests = 0
    busy = whole_share = longest = 0.0
    for config in devices:
        device = config.device or _stand_in(config)
        price = request_cost(config.endpoint, device.limits)
        # A real SunSpec device may have quantities that the stand-in does not have.
        quantities = [name for name in config.quantities if name in device.quantities]
        slow = [name for name in slow_of(config, device) if name in device.quantities]
        plan = make_plan(device, quantities or None, price, slow)
        fast, whole = price.seconds(plan.fast_blocks), price.seconds(plan.blocks)
        requests += len(plan.blocks)
        longest += whole
        whole_share += whole / config.interval
        busy += fast / config.interval + (whole - fast) / (config.slow_interval or config.interval)
    return BusPlan(str(devices[0].endpoint), requests, busy, whole_share, longest)


def _tolerance(config: DeviceConfig) -> str:
    """Return which header fields of a device are not compared, and the price."""
    fields = " and ".join(config.tolerate)
    note = f"{config.name}: {fields} of its answers not compared (tolerate); unit, function and byte count are"
    if "transaction-id" not in config.tolerate:
        return note
    return f"{note}; a request without an answer closes the connection, so that a late answer is not taken for the next"


def _stand_in(config: DeviceConfig) -> Device:
    """Return a SunSpec device of the kind that the daemon will look for."""
    kind, _ = walk.place(config.driver, KIND_OF_ROLE.get(config.role, "meter"))
    return sunspec_serve.chain(SUNSPEC_MODELS[kind], "", "", "")[0]


def _needs(plan: BusPlan) -> str:
    return f"the plan needs {plan.busy_share:.0%} of the time"


def _advice(devices: Sequence[DeviceConfig], plan: BusPlan) -> str:
    """Return the changes that would help, each with the share of the time that the bus would then need."""
    times = math.ceil(10 * plan.busy_share / (1.0 if plan.busy_share > 1.0 else FULL)) / 10
    longer = f"intervals {times:g} times as long would fit"
    changes = {
        f'slow_interval = "{SLOW:g}s"': [_slowed(device) for device in devices],
        "only the power of each device": [_power_alone(device) for device in devices],
    }
    faster = next((rate for rate in FASTER if rate > devices[0].endpoint.baudrate), None)
    if devices[0].endpoint.serial and faster is not None:
        changes[f"{faster} baud"] = [
            replace(device, endpoint=replace(device.endpoint, baudrate=faster)) for device in devices
        ]
    shares = {change: bus_plan(changed).busy_share for change, changed in changes.items()}
    helps = [f"{change} would need {share:.0%}" for change, share in shares.items() if share < 0.95 * plan.busy_share]
    return ", ".join([longer, *helps, "or fewer devices on this bus"])


def _slowed(config: DeviceConfig) -> DeviceConfig:
    """Return the device with its slow quantities read about once a minute."""
    return replace(config, slow_interval=config.slow_interval or config.interval * math.ceil(SLOW / config.interval))


def _power_alone(config: DeviceConfig) -> DeviceConfig:
    """Return the device with only the power, which the balance needs."""
    power = ("active_power_total",)
    offered = config.device.quantities if config.device else power
    return replace(config, quantities=power) if set(power) <= set(config.quantities or offered) else config


def _watts(power: float) -> str:
    return "no power" if math.isnan(power) else f"{power / 1000:.3f} kW"
