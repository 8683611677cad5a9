"""A world in which every value can be true: quantities of a device that agree with each other, drawn by a seed.

Power, voltage and current obey P = U I cos phi on every port, so that no check of consistency has a reason. The rated
power is a few kW, which fits nearly every register of every map.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import nan, sqrt
from random import Random

from wattgram_drivers.device import Device, Register
from wattgram_drivers.quantity import QUANTITIES
from wattgram_drivers.simulated.register_encoding import FLOAT_NAN, limits

ROLES_BY_KIND: Mapping[str, tuple[str, ...]] = {
    "meter": ("grid", "load"),
    "inverter": ("pv",),
    "battery": ("battery",),
    "genset": ("genset",),
    "charger": ("ev",),
    "sensor": ("production",),
}
_CODES = (1, 2, 3)
_COUNTER = re.compile(r"(\w+_)?energy_|volume_total|totalizer_|pulse_count_")


def reach(register: Register, exponent: int = 0, factor: float = 1.0) -> tuple[float, float]:
    """Return the smallest and the largest value that a register can hold, SI."""
    scale = float(register.scale) * 10.0**exponent * factor
    if register.type in FLOAT_NAN:
        return -3e38 * abs(scale), 3e38 * abs(scale)
    low, high = limits(register)
    # Both ends often mean "not available".
    ends = sorted(((low + 16 - register.offset) * scale, (high - 16 - register.offset) * scale))
    if low == 0 and register.offset == 0:
        ends = sorted((0.0, (high - 16) * scale))
    if register.direction is not None:
        return -max(map(abs, ends)), max(map(abs, ends))
    return ends[0], ends[1]


def step(register: Register, exponent: int = 0, factor: float = 1.0) -> float:
    """Return the smallest difference of an integer register's values, SI; 0 for a float."""
    return 0.0 if register.type in FLOAT_NAN else abs(float(register.scale) * 10.0**exponent * factor)


@dataclass(frozen=True)
class PlausibleDevice:
    """A device, its rated power in W, and a random state of it, reproducible by `seed`."""

    device: Device
    seed: int
    role: str

    @cached_property
    def _dice(self) -> Random:
        return Random(f"{self.device.name} {self.seed} {self.role}")

    @cached_property
    def rated(self) -> float:
        """Rated power, W."""
        return float(self._dice.randrange(3000, 6000, 100))

    @cached_property
    def phases(self) -> int:
        """Return the number of phases that the device shows."""
        several = {"voltage_l2n", "voltage_l1l2", "current_l2", "active_power_l2", "inverter_current_l2"}
        return 3 if several & set(self.device.quantities) else 1

    @cached_property
    def direction(self) -> float:
        """1 or -1, the sign of every power: 1 unless every register of power and current has a sign."""
        signed = [
            register
            for register in self.device.registers
            if QUANTITIES[register.quantity].sign and QUANTITIES[register.quantity].unit in ("W", "A")
        ]
        directions = [
            direction
            for direction in (1.0, -1.0)
            if all(reach(register)[0] < 0.0 or direction > 0 for register in signed)
            and all(reach(register)[1] > 0.0 or direction < 0 for register in signed)
        ]
        if self.role in ("pv", "genset", "ev", "production"):
            return 1.0
        return self._dice.choice(directions or [1.0])

    @cached_property
    def values(self) -> Mapping[str, float]:
        """Values by quantity, SI; NaN where no plausible value fits the register."""
        dice, total = self._dice, self.direction * self.rated
        total *= dice.uniform(0.15, 0.95)
        volts = [dice.uniform(222.0, 238.0) for _ in range(3)]
        cos = dice.uniform(0.92, 0.99)
        common = {"volts": volts, "frequency": dice.uniform(49.8, 50.2), "cos": cos, "total": total}
        values: dict[str, float] = {}
        for register in self.device.registers:
            value = self._value(register.quantity, common)
            low, high = reach(register)
            if _COUNTER.match(register.quantity):
                value = min(value, 0.4 * high) if high > 0 else max(-value, 0.4 * low)
            values[register.quantity] = value if low <= value <= high else nan
        if self.device.nameplate:
            values[self.device.nameplate] = self.rated
        for condition in self.device.conditions:
            values[condition.state] = condition.allowed[0]
        return values

    def _value(self, name: str, common: Mapping[str, object]) -> float:  # noqa: PLR0911, PLR0912 - one line a kind
        dice, unit = self._dice, QUANTITIES[name].unit
        volts, total, cos = common["volts"], common["total"], common["cos"]
        assert isinstance(volts, list)
        assert isinstance(total, float)
        assert isinstance(cos, float)
        strings = sum(1 for quantity in self.device.quantities if re.fullmatch(r"dc_power_\d+", quantity)) or max(
            1, sum(1 for quantity in self.device.quantities if re.fullmatch(r"dc_current_\d+", quantity))
        )
        part = total / self.phases
        phase = re.search(r"_l([123])n?$", name)
        mine = phase is None or int(phase[1]) <= self.phases
        if unit == "V":
            if name in ("supply_voltage",):
                return 24.0
            if name.startswith("battery_"):
                return 3.3 if "cell" in name else 50.0
            if name.startswith("dc_voltage"):
                return 400.0
            if phase:
                return float(volts[int(phase[1]) - 1]) if mine else nan
            mean = sum(volts) / 3.0
            return mean if "ln" in name else mean * sqrt(3.0)
        if unit == "A":
            if name.startswith("battery_"):
                return total / 50.0
            if name.startswith("dc_current"):
                return abs(total) / 400.0 / (strings if re.search(r"\d$", name) else 1)
            if name.startswith("current_n"):
                return 0.1
            if phase:
                return part / cos / float(volts[int(phase[1]) - 1]) if mine else nan
            mean = sum(volts) / 3.0
            return part / cos / mean * (self.phases if "total" in name else 1)
        if unit in ("W", "var", "VA"):
            amount = {"W": total, "var": total * sqrt(1.0 / cos**2 - 1.0), "VA": abs(total) / cos}[unit]
            if re.match(r"rated|power_limit|apparent_power_limit|battery_max", name):
                return self.rated
            if name.startswith("dc_power"):
                return abs(total) / (strings if re.search(r"\d$", name) else 1)
            if re.search(r"(import|export|charge|discharge)(_|$)", name) or name.startswith(("load", "site", "output")):
                amount = abs(amount)
            if phase:
                return amount / self.phases if mine else nan
            return amount
        if unit == "Hz":
            return dice.uniform(10.0, 40.0) if "speed" in name or "pulse" in name else float(str(common["frequency"]))
        if unit == "degC":
            return dice.uniform(12.0, 60.0)
        if unit == "1":
            if "power_factor" in name and not re.search(r"enable|setpoint", name):
                return cos
            if re.search(r"soc|soh|dod|share|efficiency|percent|level|rate|gas_|reserve", name):
                return dice.uniform(0.2, 0.9)
            if name in ("pt_ratio", "ct_ratio"):
                return 1.0
            if name.endswith("_sf"):
                return 0.0
            return float(dice.choice(_CODES))
        if _COUNTER.match(name):
            return dice.uniform(2e4, 4e7)
        return dice.uniform(1.0, 90.0)
