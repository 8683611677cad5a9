"""Intervals that the delays of the devices' maps allow: a device that is read too often would only flap."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wattgram_drivers.bus_time import request_cost
from wattgram_drivers.plan import make_plan

from wattgram.config.devices_table import DeviceConfig

from .poll import slow_of

log = logging.getLogger(__name__)

LENGTHENED = "interval lengthened"
"""Event of a device with a longer interval, once at the start."""

MOST_LATE = 2.0
"""Load of a bus by devices with delays above which their intervals are lengthened: at 3 they would be stale."""


@dataclass(frozen=True, slots=True)
class PacedDevice:
    """A device with a longer interval, and the reason. seconds: predicted duration of one reading, s."""

    config: DeviceConfig
    was: float
    seconds: float
    requests: int
    shared: bool

    @property
    def reason(self) -> str:
        """Return what was found and what to do, in one line."""
        delay = self.config.device.limits.request_delay if self.config.device else 0.0
        found = (
            f"{self.config.name}: interval = {self.was:g}s is too short: a reading takes {self.seconds:.2f} s, "
            f"{self.requests} requests with {delay:g} s between them (driver {self.config.driver})"
        )
        others = ", and other devices with delays share the bus" if self.shared else ""
        return f'{found}{others}; read every {self.config.interval:g} s; set interval = "{self.config.interval:g}s"'


def paced(devices: Sequence[DeviceConfig]) -> tuple[PacedDevice, ...]:
    """Return the devices of all buses whose interval is too short for the delays of their maps, with a longer one.

    The longer interval is a whole multiple of the configured one, and so is the slow interval of the longer one.
    """
    buses: dict[str, list[DeviceConfig]] = {}
    for config in devices:
        if config.device is not None and config.device.limits.request_delay > 0.0:
            buses.setdefault(config.endpoint.key, []).append(config)
    return tuple(slower for group in buses.values() for slower in _paced_bus(group))


def with_paced_intervals(
    devices: Sequence[DeviceConfig], slower: Sequence[PacedDevice] | None = None
) -> tuple[DeviceConfig, ...]:
    """Return the devices, those of `slower` with their longer interval; each of these is logged.

    slower: the result of `paced` for the devices; None: it is computed.
    """
    found = {device.config.name: device for device in (paced(devices) if slower is None else slower)}
    for device in found.values():
        log.warning("%s", device.reason)
    return tuple(found[config.name].config if config.name in found else config for config in devices)


def _paced_bus(devices: Sequence[DeviceConfig]) -> list[PacedDevice]:
    needs = [_duration(config) for config in devices]
    alone = [max(1, math.ceil(seconds / config.interval)) for config, (seconds, _) in zip(devices, needs, strict=True)]
    load = sum(
        seconds / (config.interval * times) for config, times, (seconds, _) in zip(devices, alone, needs, strict=True)
    )
    together = math.ceil(load) if load > MOST_LATE else 1
    return [
        PacedDevice(_slower(config, times * together), config.interval, seconds, requests, together > 1)
        for config, times, (seconds, requests) in zip(devices, alone, needs, strict=True)
        if times * together > 1
    ]


def _duration(config: DeviceConfig) -> tuple[float, int]:
    """Return the predicted duration of a reading of the fast quantities, s, and the number of its requests."""
    assert config.device is not None  # `paced` selects devices with a map
    price = request_cost(config.endpoint, config.device.limits)
    plan = make_plan(config.device, config.quantities or None, price, slow_of(config, config.device))
    return price.seconds(plan.fast_blocks), len(plan.fast_blocks)


def _slower(config: DeviceConfig, times: int) -> DeviceConfig:
    interval = config.interval * times
    slow = config.slow_interval
    if slow is not None:
        slow = interval * max(1, math.ceil(slow / interval - 1e-9))
    return replace(config, interval=interval, slow_interval=slow)
