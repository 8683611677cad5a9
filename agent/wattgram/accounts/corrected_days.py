"""Corrections of the past on the day book (METHOD-SITE 14). The stored days stay as read; readers correct them.

A day that is corrected as a whole is exact. Of a day that is corrected in part, the energy is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite, nan

from wattgram.config.correction_table import FACTOR, INVERT, VOID, CorrectionConfig
from wattgram.config.load import Config

from .hybrid_nodes import hybrid_nodes, tree_of
from .metering_point import PRODUCERS
from .metering_tree import OwnUse, own_uses

CURVE_NUMBERS = ("curve_energy", "curve_heat")
YIELD_NUMBERS = ("yield_energy", "yield_irradiation", "yield_seconds", "sunny_seconds", "producing_seconds")
REACTIVE_NUMBERS = ("reactive", "reactive_beside", "reactive_seconds")
FROM_POWER = ("energy", "against", "seconds", *REACTIVE_NUMBERS, *YIELD_NUMBERS)
"""Numbers of a device's day that follow from its power; the reactive ones are of the sign of the power."""

DayNumbers = Mapping[str, float]

ALIKE = 0.001
"""Difference of the measured times of two devices up to which their energies are of the same time, as a share."""


class CorrectedDays:
    """Corrections of a site on the numbers of its devices' days."""

    def __init__(self, config: Config) -> None:
        self._corrections = [each for each in config.corrections if not each.removed]
        self._roles = {device.name: device.role for device in config.devices}
        nodes = hybrid_nodes(config.devices) if self._corrections else ()
        self._channels = {
            device.name: (*node.pv_channels, *node.battery_channels)
            for node in nodes
            for device in (*node.inverters, *node.batteries)
        }
        self._batteries = {battery.name for node in nodes for battery in node.batteries}
        self._uses = {use.name: use for use in own_uses(tree_of(config.devices))} if self._corrections else {}

    def touch(self, start: int, end: int) -> bool:
        """Return whether a correction changes the time from `start` to `end`, UTC ns."""
        return any(each.overlap(start, end) for each in self._corrections)

    def of(self, start: int, end: int, days: Mapping[str, DayNumbers]) -> dict[str, dict[str, float]]:
        """Return the numbers of all devices of a day as corrected, by name. start, end: of the local day, UTC ns."""
        found = {name: dict(numbers) for name, numbers in days.items()}
        active = [each for each in self._corrections if each.overlap(start, end)]
        for use in self._uses.values():
            changed = [each for each in active if each.device in use.parts and each.device not in self._batteries]
            if changed and not use.plain and use.name in found:
                self._correct_use(found[use.name], days, use, changed, (start, end))
        for correction in active:
            use_of_device = self._uses.get(correction.device)
            if use_of_device is not None and not use_of_device.plain:
                continue
            for name in self._channels.get(correction.device, (correction.device,)):
                if name in found:
                    _correct(
                        found[name], correction, whole=_is_whole(correction, start, end), role=self._roles.get(name, "")
                    )
        return found

    def _correct_use(
        self,
        numbers: dict[str, float],
        days: Mapping[str, DayNumbers],
        use: OwnUse,
        changed: Iterable[CorrectionConfig],
        day: tuple[int, int],
    ) -> None:
        """Change the own use of a sub-meter by what the corrections change of its parts."""
        net = numbers.get("energy", nan) - numbers.get("against", nan)
        for correction in changed:
            flow, seconds = self._flow(days, correction.device)
            scale = {FACTOR: correction.factor, INVERT: -1.0, VOID: nan}[correction.effect]
            alike = abs(seconds - numbers.get("seconds", nan)) <= ALIKE * seconds
            known = _is_whole(correction, *day) and alike
            sign = -1.0 if correction.device in use.subtracted else 1.0
            net += sign * (scale - 1.0) * flow if known else nan
        if isfinite(net):
            numbers |= {"energy": max(net, 0.0), "against": max(-net, 0.0)}
            for name in YIELD_NUMBERS:
                numbers.pop(name, None)
        else:
            _forget(numbers)

    def _flow(self, days: Mapping[str, DayNumbers], name: str) -> tuple[float, float]:
        """Return the energy that a device measured on a day, Wh, + in the role's direction, and the measured time."""
        if name in self._batteries:
            return 0.0, nan
        channels = self._channels.get(name, (name,))
        net = sum(
            days.get(channel, {}).get("energy", nan) - days.get(channel, {}).get("against", nan) for channel in channels
        )
        seconds = min(days.get(channel, {}).get("seconds", nan) for channel in channels)
        use = self._uses.get(name)
        if use is not None:
            net -= sum(self._flow(days, part)[0] for part in use.added)
            net += sum(self._flow(days, part)[0] for part in use.subtracted)
        return net, seconds


def _is_whole(correction: CorrectionConfig, start: int, end: int) -> bool:
    return correction.since <= start and end <= correction.until


def _correct(numbers: dict[str, float], correction: CorrectionConfig, *, whole: bool, role: str) -> None:
    """Correct the numbers of a device's day. What an efficiency curve made of the power is unknown afterwards."""
    for name in CURVE_NUMBERS:
        numbers.pop(name, None)
    if not whole or correction.effect == VOID:
        _forget(numbers)
    elif correction.effect == FACTOR:
        for name in ("energy", "against", "reactive", "reactive_beside", "yield_energy"):
            if name in numbers:
                numbers[name] *= correction.factor
    elif "energy" in numbers:
        backward = numbers["energy"]
        for name in (*REACTIVE_NUMBERS, *YIELD_NUMBERS):
            numbers.pop(name, None)
        numbers["energy"] = numbers.get("against", 0.0)
        numbers["against"] = 0.0 if role in PRODUCERS else backward


def _forget(numbers: dict[str, float]) -> None:
    for name in FROM_POWER:
        numbers.pop(name, None)
