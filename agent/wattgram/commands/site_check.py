"""Checks of a configuration without mistakes: the poll plan of each bus, and devices that are configured twice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wattgram_drivers.bus_time import request_cost
from wattgram_drivers.device import Device, Kind
from wattgram_drivers.plan import make_plan
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.sunspec import walk

from wattgram.accounts.error_inputs import without_rated_power
from wattgram.accounts.heat_fuel import unknown_fuels
from wattgram.accounts.hybrid_nodes import channels_of
from wattgram.accounts.night_rest import is_silent_at_night
from wattgram.acquisition.paced_intervals import paced
from wattgram.acquisition.poll import slow_of
from wattgram.acquisition.stored_judgements import rated_findings
from wattgram.config.devices_table import KIND_OF_ROLE, DeviceConfig
from wattgram.config.http_table import weak_token
from wattgram.config.load import Config
from wattgram.grid.mix import Factors
from wattgram.grid.sources.source_settings import CheckedSettings, NationalSettings, PeriodicSettings

from .grid_notes import grid_notes
from .live_twins import double_entries
from .log_notes import log_notes
from .wiring_tree import hybrid_notes, wiring_lines

FASTER = (9600, 19200, 38400, 57600, 115200)
"""Baud rates of most serial devices."""

SUNSPEC_MODELS: Mapping[Kind, tuple[int, ...]] = {
    "inverter": (103, 160),
    "meter": (203,),
    "battery": (802,),
    "sensor": (307, 302),
}
"""Models for the plan of a SunSpec device before discovery."""

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

    `devices`: name, role, answer and power of each device that the live test read. `wiring`: the site as a tree.
    """

    buses: list[BusPlan]
    devices: list[tuple[str, str, str, str]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wiring: list[str] = field(default_factory=list)

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
    report.findings += [
        f"{device.name}: {device.unsuitable}; its power stays out of the balance"
        for device in config.devices
        if device.unsuitable
    ]
    if config.grid.excuse:
        report.findings.append(config.grid.excuse)
    if warning := weak_token(config.http):
        report.notes.append(warning)
    report.notes += grid_notes(config)
    report.notes += _accuracy_notes(config)
    report.notes += log_notes(config)
    report.findings += double_entries(config.devices)
    report.findings += rated_findings(config)
    report.findings += [
        f"{name}: scope1 is absent, because the fuel of this meter is unknown; add fuel, or fuel_factor (g of CO2 per "
        "unit of the meter), or name the meter as fuel_meter of its genset or CHP"
        for name in unknown_fuels(config.devices)
    ]
    _check_sources(config, report)
    report.notes += _tick_notes(config)
    report.notes += [_tolerance(device) for device in config.devices if device.tolerate]
    report.notes += [
        f"{device.name}: powers and energies are multiplied by ratio {device.ratio:g} (CT x VT); currents and voltages "
        "are left out"
        for device in config.devices
        if device.ratio != 1.0
    ]
    asleep = [device.name for device in config.devices if device.role == "pv" and is_silent_at_night(device)]
    if asleep and config.site.latitude is None:
        report.notes.append(
            f"{', '.join(asleep)}: silent at night; set latitude and longitude in [site], so that night is told from a "
            "dead inverter"
        )
    report.wiring = wiring_lines(config.devices, config.grid.netting)
    report.notes += hybrid_notes(config.devices)
    if not any(device.role == "grid" for device in config.devices):
        report.notes.append("no device has the role grid: the balance assumes a site without import and export")
    return report


def _check_sources(config: Config, report: CheckReport) -> None:
    """Add the findings and notes about the rows of each file source, and about sources of another country."""
    for source in config.grid.sources:
        nation = source.settings.nation if isinstance(source.settings, NationalSettings) else ""
        if nation and config.grid.factor is None and nation != config.grid.zone.partition("-")[0]:
            report.notes.append(
                f"{source.name}: the grid of {nation}, and grid.zone is {config.grid.zone}, whose factor serves while "
                f"the source is silent; set zone to one of {nation}, or factor_g_per_kwh"
            )
        if isinstance(source.settings, CheckedSettings):
            factors = Factors.shipped(source.factors, config.grid.basis)
            findings, notes = source.settings.check(factors)
            report.findings += [f"{source.name}: {text}" for text in findings]
            report.notes += [f"{source.name}: {text}" for text in notes]


def _accuracy_notes(config: Config) -> list[str]:
    """Return a note about devices whose limits of error need a rated power that is unknown (METHOD-SITE 11)."""
    if not config.accounts.uncertainty:
        return []
    names = without_rated_power(config, channels_of(config.devices))
    if not names:
        return []
    return [
        f"uncertainty: rated_power of {', '.join(names)} is unknown, so the uncertainty of a small power is too small; "
        "set rated_power"
    ]


def _tick_notes(config: Config) -> list[str]:
    """Return a note for each source of the grid whose values change within a tick (METHOD-SITE 9.5)."""
    tick, notes = config.site.tick, []
    for source in config.grid.sources:
        period = source.settings.period if isinstance(source.settings, PeriodicSettings) else None
        if period is not None and tick > period:
            notes.append(
                f"site.tick: {tick:g} s is longer than the period of {source.name}, {period:g} s: the energy of a tick "
                f"is priced with the mean of several values; a tick of at most {period:g} s prices each by its own"
            )
    return notes


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
