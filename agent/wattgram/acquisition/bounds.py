"""Physical bounds of every quantity: what a value cannot be, from rated power or in any case (METHOD-SITE 10).

`CLASSES` gives each quantity of the vocabulary its class of bounds, `limits` the bounds of a class for one device.
Settings, codes and counts have none: any number may be true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import inf
from types import MappingProxyType
from typing import NamedTuple

from wattgram_drivers.device import Device, Kind, Register

UNBOUNDED = "unbounded"

CLASSES: tuple[tuple[str, str], ...] = (
    # Settings, codes and counts: no bounds. They come first, so that a setting is not judged as a measurement.
    (
        r"(alarm|fault|status_bits|alarm_vendor)_\d|(meter_)?status(_.*)?|(fault|error)_code|(working|controller|derating)_mode"
        r"|power_flow_status|ac_type|model_id|device_type_code|model_type_register|(meter|output|der)_type|sunspec_did"
        r"|(string|mppt|module|port)_count|starts_total|string_index|device_address|(module|port)_\d+_(id|status|alarm"
        r"|type)|.*_sf|throttle_source|connection_command|socket_lock_status|cable_status|(active|shown)_sampling_point"
        r"|battery_(status|mode|charge_status|control_mode|direction|grid_charge_setting|cycles|module_count"
        r"|string_count|strings_connected)|battery_unit\d_status|pulse_count_\d+|scan_value_\d+|gas_so2_co2_ratio"
        r"|voltage_(nominal|reference|limit_min|limit_max)|frequency_nominal|(pt|ct)_ratio|power_limit_(percent|enable"
        r"|revert_time)|power_factor_(setpoint|enable)|current_limit|max_current(_supported)?|rated_current"
        r"|(operating|charge)_time|uptime|insulation_resistance|pulse_frequency_\d+",
        UNBOUNDED,
    ),
    (r"rated_(apparent_)?power|rated_reactive_power_.*|power_limit(_max)?|apparent_power_limit_max", "power setting"),
    (r"battery_max_(charge|discharge)_power|reactive_power_available|active_power_available", "power setting"),
    # Powers
    (r"active_power_(total|l\d|demand|peak_today)|(output|inverter)_power(_total)?", "AC power"),
    (r"(reactive|apparent)_power_(total|l\d)", "AC apparent power"),
    (r"grid_power_.*|backup_power.*|grid_port.*|bridge.*", "port power"),
    (r"dc_power(_\d+)?", "DC power"),
    (r"battery_power(_.*)?|battery_unit\d_power", "battery power"),
    (
        r"meter_active_power_.*|grid_ct_power_total|grid_(import|export)_power.*|(import|export|load|site"
        r"|external_generation)_power(_total)?",
        "connection power",
    ),
    (r"thermal_power", "thermal power"),
    # Voltages, currents, frequency
    (r"(inverter_|meter_|backup_)?voltage_(l\dn|l\dl\d|ln_average|ll_average)", "AC voltage"),
    (r"dc_voltage(_\d+)?|battery(_unit\d|_string)?_(voltage|cell_voltage)(_min|_max)?|supply_voltage", "DC voltage"),
    (r"(inverter_)?current_(l\d|total|average|demand_l\d|n.*)", "AC current"),
    (r"(grid|backup)_current_.*", "port current"),
    (r"(meter|grid_ct)_current_.*", "connection current"),
    (r"dc_current(_\d+)?", "DC current"),
    (r"battery(_unit\d)?_current(_.*)?|battery_string(_\d+)?_current(_min|_max)?", "battery current"),
    (r"(meter_|backup_)?frequency(_highres)?", "frequency"),
    (r"engine_speed", "speed"),
    (r"(meter_)?power_factor_(total|l\d)", "power factor"),
    # Shares and states of charge
    (r"battery_(soc(_gen24)?|unit\d_soc|string_\d+_soc)", "state of charge"),
    (
        r"battery_(soh|dod|min_reserve|charge_rate|discharge_rate|string_\d+_soh)|fuel_level|efficiency"
        r"|output_percentage|load_percentage|throttle_percent",
        "share",
    ),
    (r"gas_.*|relative_humidity", "volume share"),
    # Temperatures
    (r"(.*_)?temperature(_.*)?|dew_(frost_)?point", "temperature"),
    # Energies, amounts
    (r"battery_(capacity|rated_energy|max_energy|available_energy|capacity_ah|available_ah)", "capacity"),
    (r"active_energy_(net|total.*)|reactive_energy_total.*", "net energy"),
    (r"(.*_)?energy(_.*)?", "energy"),
    (r"volume_total.*|totalizer_.*", "amount"),
    # Process values
    (r"mass_flow", "mass flow"),
    (r"volume_flow.*", "volume flow"),
    (r"density", "density"),
    (r"velocity|wind_speed.*", "velocity"),
    (r"(oil_|air_)?pressure", "pressure"),
    (r"irradiance.*", "irradiance"),
    (r"relative_humidity", "volume share"),
    (r"air_pressure", "pressure"),
)
"""Class of bounds of each quantity: the first pattern that matches the whole name."""


class Limits(NamedTuple):
    """Lowest and highest plausible value in SI, and where they come from."""

    low: float
    high: float
    source: str = ""

    def text(self, unit: str) -> str:
        """Return the bounds in words, such as "0 to 1500 V". unit: with a space before."""
        return f"{self.low:.6g} to {self.high:.6g}{unit}"


FREE = Limits(-inf, inf)

LARGEST_POWER = 1e9
"""Largest power without any rated power, W (METHOD-SITE 10)."""

LARGEST_CURRENT = 1e5
"""Largest current without any rated power, A: above the busbars of the largest smelters' rectifiers per device."""

LARGEST_ENERGY = 1e15
"""Largest value of a counter, Wh: LARGEST_POWER for 114 years."""

PRODUCER_FACTOR, CONSUMER_FACTOR = 1.5, 3.0
"""Factors on the rated power: AC power of pv, battery, genset and ev; all others (METHOD-SITE 10)."""

APPARENT = 1.25
"""Apparent, and so reactive, power above the active power: a power factor of 0.8."""

LOW_AC, LOW_DC = 100.0, 24.0
"""Lowest voltages at which rated power flows, V: Japan's grid, and a small battery. They bound the currents."""

CURRENT_MARGIN = 10.0
"""Further current of every device, A: small devices and coarse registers."""

HIGHEST_LOW_VOLTAGE, HIGHEST_VOLTAGE = 1500.0, 500e3
"""Largest AC voltage of a low-voltage device, and of a device behind voltage transformers, V (METHOD-SITE 10)."""

FIXED: Mapping[str, Limits] = MappingProxyType(
    {
        UNBOUNDED: FREE,
        "power setting": Limits(-10 * LARGEST_POWER, 10 * LARGEST_POWER),
        "thermal power": Limits(-LARGEST_POWER, LARGEST_POWER),
        "DC voltage": Limits(-50.0, 3000.0),
        "speed": Limits(-1.0, 500.0),
        "power factor": Limits(-1.02, 1.02),
        "state of charge": Limits(0.0, 1.01),
        "share": Limits(-0.1, 10.0),
        "volume share": Limits(-0.1, 1.1),
        "capacity": Limits(0.0, 1e12),
        "energy": Limits(0.0, LARGEST_ENERGY),
        "net energy": Limits(-LARGEST_ENERGY, LARGEST_ENERGY),
        "amount": Limits(-LARGEST_ENERGY, LARGEST_ENERGY),
        "mass flow": Limits(-1e5, 1e5),
        "volume flow": Limits(-1e4, 1e4),
        "density": Limits(0.0, 3e4),
        "velocity": Limits(-1e3, 1e3),
        "pressure": Limits(-1.1e5, 1e9),
        "irradiance": Limits(-50.0, 2000.0),
    }
)
"""Bounds that do not depend on the device."""

DERIVED = (
    *("AC power", "AC apparent power", "port power", "connection power", "DC power", "battery power", "AC voltage"),
    *("AC current", "port current", "connection current", "DC current", "battery current", "frequency", "temperature"),
)
"""Classes whose bounds depend on the device."""

CONNECTIONS = ("grid", "load")
"""Roles whose rated power is that of a connection: the contracted power, or a feeder's."""

MACHINES = ("pv", "battery", "genset", "chp", "wind", "hydro", "ev")
"""Roles whose AC power is bounded by the rated power of one machine."""

SIGNED_TYPES = ("i16", "i32", "i64")


@cache
def class_of(quantity: str) -> str:
    """Return the class of a quantity's bounds; KeyError if no pattern matches, which a test excludes."""
    for pattern, name in CLASSES:
        if re.fullmatch(pattern, quantity):
            return name
    raise KeyError(quantity)


@dataclass(frozen=True, slots=True)
class Ratings:
    """What is known about a device before it is read.

    role: "" for none, as in a scan. rated_power: of the configuration, W; None for none. nameplate: as read, W; 0 for
    none. nominal_frequency: Hz. nominal_voltage: V, of the configuration.
    """

    role: str = ""
    rated_power: float | None = None
    nameplate: float = 0.0
    nominal_frequency: float | None = None
    nominal_voltage: float | None = None


class Bounds:
    """The bounds of one device's registers."""

    def __init__(self, device: Device, ratings: Ratings) -> None:
        self._kind: Kind = device.kind
        self._ratings = ratings
        nameplate = ratings.nameplate or None
        configured = ratings.rated_power
        inverter = device.kind == "inverter"
        # The rated power of a battery or an incomer that an inverter reads is not the inverter's.
        foreign = inverter and ratings.role in ("battery", *CONNECTIONS)
        self._terminals = nameplate if foreign else configured or nameplate
        self._battery = configured if ratings.role == "battery" and configured else self._terminals
        # An inverter's meter measures the whole site, which may be much larger than the inverter.
        self._connection = configured if ratings.role in CONNECTIONS or not inverter else None
        machine = ratings.role in MACHINES if ratings.role else device.kind not in ("meter", "sensor")
        self._factor = PRODUCER_FACTOR if machine or inverter else CONSUMER_FACTOR

    @property
    def rated(self) -> float | None:
        """Rated power at the device's AC terminals, W; None if unknown."""
        return self._terminals

    def of(self, register: Register) -> Limits:
        """Return the bounds of a register's value."""
        name = class_of(register.quantity)
        if name == "energy" and register.type in SIGNED_TYPES:
            return FIXED["net energy"]  # counts through its sign bit, see counters/counter
        return FIXED[name] if name in FIXED else self._derived(name, register)

    def factor(self, name: str) -> float:
        """Return the factor on the rated power of a class of powers."""
        return self._factor if name.startswith("AC") else CONSUMER_FACTOR

    def rated_for(self, name: str) -> float | None:
        """Return the rated power that bounds a class of powers or currents, W; None if unknown."""
        if name.startswith("battery"):
            return self._battery
        return self._connection if name.startswith("connection") else self._terminals

    def _derived(self, name: str, register: Register) -> Limits:
        if name == "AC voltage":
            return Limits(0.0, HIGHEST_VOLTAGE if self._is_high_voltage(register) else HIGHEST_LOW_VOLTAGE)
        if name == "frequency":
            return self._frequency()
        if name == "temperature":
            return Limits(-60.0, 1800.0 if self._kind == "sensor" else 300.0)
        return self._power(name) if name.endswith("power") else self._current(name)

    def _power(self, name: str) -> Limits:
        rated, factor = self.rated_for(name), self.factor(name)
        if rated is None:
            return Limits(-LARGEST_POWER, LARGEST_POWER)
        high = factor * rated * (APPARENT if "apparent" in name else 1.0)
        return Limits(-high, high, f"{high / rated:g} x rated power ({rated:.6g} W)")

    def _current(self, name: str) -> Limits:
        rated, factor = self.rated_for(name), self.factor(name)
        if rated is None:
            return Limits(-LARGEST_CURRENT, LARGEST_CURRENT)
        lowest = LOW_DC if name.startswith(("DC", "battery")) else LOW_AC
        high = APPARENT * factor * rated / lowest + CURRENT_MARGIN
        return Limits(-high, high, f"the current of {factor:g} x rated power ({rated:.6g} W) at {lowest:g} V")

    def _frequency(self) -> Limits:
        nominal = self._ratings.nominal_frequency
        if nominal is not None:
            return Limits(0.8 * nominal, 1.2 * nominal, f"nominal_frequency {nominal:g} Hz")
        is_genset = self._kind == "genset" or self._ratings.role == "genset"
        return Limits(0.0, 75.0) if is_genset else Limits(40.0, 70.0)

    def _is_high_voltage(self, register: Register) -> bool:
        """Return whether the voltage may be that of a medium-voltage grid, behind voltage transformers."""
        return "pt_ratio" in register.factors or (self._ratings.nominal_voltage or 0.0) > HIGHEST_LOW_VOLTAGE
