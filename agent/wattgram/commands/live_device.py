"""The live test of one device: readings until a finding is confirmed, its serial number, and a fitting driver."""

from __future__ import annotations

from dataclasses import dataclass

from wattgram_drivers.driver_errors import BadAnswer, BusDown, DriverError, NoAnswer, Refused
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.reader import Reader

from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import equipped
from wattgram.acquisition.validity import Judge
from wattgram.base.clock import Clock

from .driver_advice import with_advice
from .live_drivers import advice_for, fitting_drivers, has_other_marks, serial_number
from .live_finding import LiveFinding, LiveReading
from .live_values import value_findings

CONFIRMING_READINGS = 3
"""Readings of a device with findings: only what all of them show is reported, so that a change of load is none."""

CONFIRMING_PAUSE = 1.0
"""Time between these readings, s: most devices have new values then."""

WRONG_DRIVER = (1, 2, 3)
"""Exception codes of a device that lacks the requested registers."""


@dataclass
class LiveDevice:
    """A configured device and what the live test found: `error` if it was not read."""

    source: Source
    findings: tuple[LiveFinding, ...] = ()
    live: LiveReading | None = None
    serial: str = ""
    error: DriverError | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """Name of the device in the configuration."""
        return self.source.config.name


async def examine_device(bus: Bus, source: Source, clock: Clock) -> LiveDevice:
    """Read a device on an open bus, several times if something is wrong."""
    device = LiveDevice(source)
    try:
        await _read(bus, device, clock)
    except DriverError as error:
        device.error, device.problem = error, with_advice(error)
        if isinstance(error, BadAnswer | NoAnswer) or (isinstance(error, Refused) and error.code in WRONG_DRIVER):
            drivers = await fitting_drivers(bus, source.config, clock)
            device.problem += f"; {advice_for(source.config, drivers)}" if drivers else ""
        return device
    await _identify(bus, device, clock)
    return device


async def _read(bus: Bus, device: LiveDevice, clock: Clock) -> None:
    source = device.source
    config = source.config
    reader = await equipped(bus, source)
    reader.max_refusals = 2 * len(reader.device.registers)  # no other device waits for the bus
    judge = Judge(
        reader.device,
        reader.plan,
        role=config.role,
        rated_power=config.rated_power,
        invert=config.invert,
        nominal_frequency=config.nominal_frequency,
        nominal_voltage=config.nominal_voltage,
        single=True,
    )
    confirmed: dict[str, LiveFinding] | None = None
    for turn in range(CONFIRMING_READINGS):
        if turn:
            await clock.sleep(CONFIRMING_PAUSE)
        try:
            live = await _live_reading(bus, reader, judge, source, clock)
        except DriverError:
            if not turn:
                raise
            continue  # a reading that failed contradicts no finding
        device.live = live
        found = {finding.key: finding for finding in value_findings(live)}
        confirmed = found if confirmed is None else {key: found[key] for key in confirmed if key in found}
        if not confirmed:
            break
    device.findings = tuple((confirmed or {}).values())


async def _live_reading(bus: Bus, reader: Reader, judge: Judge, source: Source, clock: Clock) -> LiveReading:
    try:
        reading = await reader.read(bus, clock)
    except Refused:  # registers that are refused twice are left out
        reading = await reader.read(bus, clock)
    source.take(reading)
    return LiveReading(source.config, reader.device, reader.plan, judge.names, reading, judge.judge(reading))


async def _identify(bus: Bus, device: LiveDevice, clock: Clock) -> None:
    """Read the serial number; name another driver if the configured one does not fit."""
    config, live = device.source.config, device.live
    if live is None:
        return
    foreign = [finding for finding in device.findings if finding.foreign]
    try:
        device.serial = await serial_number(bus, config, live.device)
        other_marks = config.device is not None and await has_other_marks(bus, config, live.device)
    except BusDown:
        return  # some gateways close the connection on a register that the unit lacks
    if not foreign and not other_marks:
        return
    drivers = await fitting_drivers(bus, config, clock)
    if foreign:
        first = foreign[0]
        text = f"{first.text}; {advice_for(config, drivers)}"
        named = first._replace(text=text, question=first.question and not drivers)
        device.findings = tuple(named if finding is first else finding for finding in device.findings)
    elif drivers:
        text = f"the identity of the device is not that of the driver {config.driver}; {advice_for(config, drivers)}"
        device.findings += (LiveFinding("identity", text),)
