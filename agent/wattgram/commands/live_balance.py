"""Signs of the devices' powers against their roles, and the balance of the site."""

from __future__ import annotations

import math
from collections.abc import Sequence

from wattgram_drivers.map_roles import complete

from wattgram.accounts.books import BALANCE_ROLES
from wattgram.accounts.conversion_loss import GREATEST_LOSS
from wattgram.accounts.metering_point import ONE_WAY, PRODUCERS
from wattgram.acquisition.terminal_reading import residual
from wattgram.config.topology_keys import outermost

from .live_device import LiveDevice
from .live_finding import LiveFinding
from .live_hybrid import metered_use, site_flows

NOISE_POWER = 50.0
"""Negative power without meaning, W: the consumption of an inverter at night, the zero of a meter."""

STANDBY_SHARE = 0.01
"""Negative power without meaning, as a share of the rated power: transformer and heating of a plant at rest."""

LARGEST_STANDBY = 1000.0
"""The same without a rated power, W."""


def direction_finding(device: LiveDevice, devices: Sequence[LiveDevice]) -> list[LiveFinding]:
    """Return the finding about a power against the role, if there is one."""
    config, latest = device.source.config, device.source.latest
    if config.role not in ONE_WAY or latest is None or not latest.power < -NOISE_POWER:
        return []
    if any(finding.key.startswith("phase") for finding in device.findings):
        return []  # a reversed phase is the reason
    text = f"{in_kilowatts(latest.power)} is against the role {config.role}; try invert = true"
    if config.role in PRODUCERS:
        standby = STANDBY_SHARE * config.rated_power if config.rated_power else LARGEST_STANDBY
        if _charges(device):
            return []
        hybrid = _has_battery(device) or any(
            other.source.config.role == "battery" and device.name in other.source.config.behind for other in devices
        )
        if hybrid or -latest.power <= max(NOISE_POWER, standby):
            reason = "does it charge its battery" if hybrid else "is it the consumption at rest"
            return [LiveFinding("against", f"{text}, or {reason}?", question=True)]
    elif config.role == "load" and generated(devices) >= -latest.power - NOISE_POWER:
        return [LiveFinding("against", f"{text}, or does a generator feed in behind this meter?", question=True)]
    return [LiveFinding("against", text)]


def _has_battery(device: LiveDevice) -> bool:
    """Return whether an inverter tells the power of a battery behind it."""
    live = device.live
    terminal = live.device.terminal if live else None
    return live is not None and terminal is not None and complete(terminal.battery_power, live.values) != ()


def _charges(device: LiveDevice) -> bool:
    """Return whether a hybrid's registers show that the power it draws goes into its battery."""
    latest = device.source.latest
    node = latest.node if latest else None
    if node is None or not node.battery < 0.0:
        return False
    largest = max(abs(node.terminal), abs(node.battery), node.pv if math.isfinite(node.pv) else 0.0)
    return 0.0 <= residual(node) <= GREATEST_LOSS * largest


def balance_findings(devices: Sequence[LiveDevice], netting: str = "busbar") -> list[LiveFinding]:
    """Return what is impossible in the balance of the site, with the meters whose reversal explains it.

    netting: of `[grid]`; with "connection", the busbar behind each incomer has a balance of its own.
    """
    flows = site_flows(devices)
    if netting != "connection":
        return _findings_of_busbar(devices, flows)
    above = {device.name: device.source.config.behind for device in devices}
    return [
        finding._replace(text=f"behind {incomer.name}: {finding.text}")
        for incomer in devices
        if incomer.source.config.role == "grid"
        for finding in _findings_of_busbar(
            [device for device in devices if outermost(device.name, above) == incomer.name], flows
        )
    ]


def _findings_of_busbar(devices: Sequence[LiveDevice], flows: dict[str, float]) -> list[LiveFinding]:
    powers = {
        role: [flows[device.name] for device in devices if device.source.config.role == role] for role in BALANCE_ROLES
    }
    inflow = sum(sum(powers[role]) for role in ("grid", *PRODUCERS, "battery"))
    metered = metered_use(devices, flows)
    if not powers["grid"]:
        return []
    if not math.isfinite(inflow):
        return [LiveFinding("missing", "not tested, because the power of a source is missing", question=True)]
    if inflow < -NOISE_POWER:
        text = f"the load would be {in_kilowatts(inflow)}; a meter is reversed or a source is missing"
        names = [
            device.name
            for device in devices
            if device.source.config.role in ("grid", *PRODUCERS, "battery")
            and inflow - 2 * flows[device.name] >= -NOISE_POWER
        ]
        return [LiveFinding("load", f"{text}; try invert = true for {' or '.join(names)}" if names else text)]
    if math.isfinite(metered) and metered > 1.02 * inflow + 2 * NOISE_POWER:
        text = (
            f"the sub-meters count {in_kilowatts(metered)} of a load of {in_kilowatts(inflow)}; a source is not metered"
        )
        return [LiveFinding("sub-meters", text)]
    return []


def in_kilowatts(power: float) -> str:
    """Return a power in W as text, in kW."""
    return "no power" if math.isnan(power) else f"{power / 1000:.3f} kW"


def _power(device: LiveDevice) -> float:
    latest = device.source.latest
    return latest.power if latest else math.nan


def generated(devices: Sequence[LiveDevice]) -> float:
    """Return the power of the producers and batteries that feed in now, W."""
    sources = [device for device in devices if device.source.config.role in (*PRODUCERS, "battery")]
    return sum(power for device in sources if (power := _power(device)) > 0.0)
