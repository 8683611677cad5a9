"""The live test of a site: every device read, every sink connected, signs and balance compared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from wattgram_drivers.driver_errors import BusDown, NoAnswer
from wattgram_drivers.modbus.bus import Bus

from wattgram.accounts.books import BALANCE_ROLES
from wattgram.acquisition.daylight import DAYLIGHT
from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS, Clock
from wattgram.base.errors import SinkError
from wattgram.config.load import Config
from wattgram.daemon.daemon import sinks
from wattgram.delivery.sinks.influx_sink import InfluxConfig
from wattgram.delivery.sinks.sink import Sink

from .driver_advice import with_advice
from .live_balance import balance_findings, direction_finding, generated, in_kilowatts
from .live_device import LiveDevice, examine_device
from .live_finding import LiveFinding
from .live_hybrid import loss_findings
from .live_twins import twin_findings
from .single_reading import READ_TIMEOUT
from .site_check import CheckReport


async def check_live(config: Config, report: CheckReport, clock: Clock) -> None:
    """Read each device, connect to each sink, test signs and balance. Findings are added to the report.

    A device with a finding is read three times, so that a passing state is none.
    """
    sources = [Source(device, config.site.name, clock.monotonic(), config.site.timezone) for device in config.devices]
    buses: dict[str, list[Source]] = {}
    for source in sources:
        buses.setdefault(source.config.endpoint.key, []).append(source)
    by_name: dict[str, LiveDevice] = {}
    for group in await asyncio.gather(*(_examine_bus(group, clock) for group in buses.values())):
        by_name |= {device.name: device for device in group}
    devices = [by_name[source.config.name] for source in sources]
    dark = datetime.fromtimestamp(clock.time() / NS, config.site.timezone).hour not in DAYLIGHT
    for device in devices:
        _add_device(device, devices, report, dark=dark)
    report.findings += twin_findings(devices)
    for name, finding in loss_findings(devices):
        _add([finding], name, report)
    _add(balance_findings(devices, config.grid.netting), "balance", report)
    for sink in sinks(config):
        if await _check_sink(sink, report):
            await _ask_server(sink.name, config, report)


async def _examine_bus(sources: Sequence[Source], clock: Clock) -> list[LiveDevice]:
    """Examine the devices of one bus, one after another."""
    bus = Bus(sources[0].config.endpoint, timeout=READ_TIMEOUT)
    for source in sources:
        bus.tolerate(source.config.unit, source.config.tolerate)
    devices: list[LiveDevice] = []
    down: BusDown | None = None
    try:
        for source in sources:
            config = source.config
            if down:  # another attempt would wait as long for the same error
                problem = f"not read: {config.endpoint} cannot be opened, see above"
                devices.append(LiveDevice(source, error=down, problem=problem))
                continue
            try:
                await bus.connect(config.device.limits.connect_delay if config.device else 0.0)
            except BusDown as error:
                down = error
                devices.append(LiveDevice(source, error=error, problem=with_advice(error)))
                continue
            devices.append(await examine_device(bus, source, clock))
    finally:
        await bus.close()
    return devices


def _add_device(device: LiveDevice, devices: Sequence[LiveDevice], report: CheckReport, *, dark: bool) -> None:
    """Add what was found about a device to the report."""
    source = device.source
    config = source.config
    if source.latest is None:
        report.devices.append((config.name, config.role, "no answer", "-"))
        if dark and _sleeps(device):
            report.notes.append(f"{config.name}: {device.problem}. The inverter may sleep; repeat the check by day")
        else:
            report.findings.append(f"{config.name}: {device.problem}")
        return
    report.devices.append((config.name, config.role, "answers", in_kilowatts(source.latest.power)))
    generation = generated(devices)
    findings = [
        finding._replace(text=f"{finding.text}, unless the site's own generation flows here", question=True)
        if finding.explained_by <= generation
        else finding
        for finding in device.findings
    ]
    if source.unsuitable:
        if not config.unsuitable:  # else the plan has told it
            findings.append(LiveFinding("role", source.unsuitable))
    elif config.role in BALANCE_ROLES and source.counts_power:
        findings.append(LiveFinding("power from counters", _counted_power(source), question=True))
    elif config.role in BALANCE_ROLES and not source.has_power:
        text = (
            f"offers no quantity that gives the power of a {config.role}; allowed: a driver or quantities with "
            "active_power_total"
        )
        findings.append(LiveFinding("no power", text))
    findings += direction_finding(device, devices)
    _add(findings, config.name, report)


def _counted_power(source: Source) -> str:
    """Return the note for a device that has counters and no power."""
    text = "has no power; wattgram uses the mean between two steps of its counters"
    if source.config.role in ("grid", "battery") and not all(source.metering.directions):
        text += "; it counts one direction, so on a site with a source its power is unknown"
    return text


def _sleeps(device: LiveDevice) -> bool:
    """Return whether a device without an answer may be an inverter at night, or one behind it."""
    driver = device.source.config.device
    lost = isinstance(device.error, NoAnswer) or (
        isinstance(device.error, BusDown) and not isinstance(device.error.__cause__, ConnectionRefusedError)
    )
    if driver is None:
        return lost and device.source.config.role == "pv"
    return lost and driver.night == "silent"


def _add(findings: Sequence[LiveFinding], name: str, report: CheckReport) -> None:
    for finding in findings:
        (report.notes if finding.question else report.findings).append(f"{name}: {finding.text}")


async def _check_sink(sink: Sink, report: CheckReport) -> bool:
    """Connect to a sink; return whether it accepts the login."""
    try:
        remark = await sink.probe()
    except SinkError as error:
        report.findings.append(f"{sink.name}: {error}")
        return False
    report.notes.append(f"{sink.name}: connected and authorized")
    if remark:
        report.notes.append(f"{sink.name}: {remark}")
    return True


async def _ask_server(name: str, config: Config, report: CheckReport) -> None:
    """Add what the server of a sink says about rights and limits. The libraries are imported for their servers only."""
    if name == "influxdb":
        from .database_check import database_notes

        settings = config.sinks["influxdb"]
        assert isinstance(settings, InfluxConfig)  # its file reads this table
        report.notes += [f"{name}: {note}" for note in await database_notes(settings, config.spool.keep)]
    if name == "mqtt" and config.mqtt is not None:
        from .broker_check import broker_report

        broker = await broker_report(config.mqtt, config.site.name)
        report.findings += [f"{name}: {finding}" for finding in broker.findings]
        report.notes += [f"{name}: {note}" for note in broker.notes]
