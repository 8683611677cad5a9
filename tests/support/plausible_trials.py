"""Devices of a plausible world, read by the way of `run`, and the values of their ports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from math import isfinite, isnan, nan
from random import Random
from zoneinfo import ZoneInfo

from wattgram.acquisition.device_source import Source
from wattgram.acquisition.terminal_reading import INVERTER_ROLES, is_estimated
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers import catalogue
from wattgram_drivers.device import Device, Register
from wattgram_drivers.endpoint import parse
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.register_encoding import encode

from tests.support.physical_bounds import Setting
from tests.support.plausible_world import ROLES_BY_KIND, PlausibleDevice, reach
from tests.support.served_images import ServedImages

HERE = parse("tcp://127.0.0.1")
CHAINS = ((101,), (103,), (113,), (103, 160), (113, 120), (701, 702), (203,), (213,), (802,), (124,))
DEVICES = [name for name in catalogue.names() if not catalogue.is_sunspec(name)] + [
    f"sunspec {' '.join(map(str, chain))}" for chain in CHAINS
]
FLOATS = ("f32", "f64")
NIGHTLY_SEEDS = range(2, 40)
"""One nightly test of a device runs all of them: thousands of tests would cost each worker half a second to collect."""

POWERLESS_ROLES = ("weather", "production", "capture", "fuel")
ROLE_POWER = re.compile(r"(meter_)?active_power_(total|l1)|battery_power")
"""Quantities of which a role's power is one; a device without its role's power is never good."""


@cache
def loaded(name: str) -> tuple[Device, Mapping[int, int]]:
    """Return a device of the catalogue, or of a chain of SunSpec models, and its constant words."""
    if not name.startswith("sunspec "):
        device = catalogue.load(name)
        return replace(device, limits=replace(device.limits, request_delay=0.0, connect_delay=0.0)), {}
    models = [int(number) for number in name.split()[1:]]
    return sunspec_serve.chain(models, "Acme", "Roof", "SN-1")


AT_NOON = ZoneInfo("Pacific/Auckland")
"""Timezone in which the sun shines at the time of the readings, so that zeros are no rest at night."""


class Trial:
    """A device of a plausible world with a role, read by `run`'s own way."""

    def __init__(self, name: str, seed: int, *, role: str | None = None, rated: bool = True) -> None:
        self.name = name
        device, constants = loaded(name)
        self.role = role or Random(f"{name} {seed}").choice(ROLES_BY_KIND[device.kind])
        self.world = PlausibleDevice(device, seed, self.role)
        self.exponents = exponents(self.world, constants)
        self.images = ServedImages(device, self.world.values, {**constants, **self.exponents})
        self.rated = self.world.rated if rated else None
        shown = device.nameplate or "rated_power"
        nameplate = self.expected(shown) if isfinite(self.world.values.get(shown, nan)) else None
        self.setting = Setting(device.kind, self.role, self.rated or nameplate, device.quantities)

    def source(self) -> Source:
        """Return the device as `run` has it, before its first reading."""
        device = self.images.device
        config = DeviceConfig("one", self.role, self.name, device, HERE, 1, rated_power=self.rated)
        source = Source(config, "works", 0.0, AT_NOON)
        source.equip(device, self.images.reader.plan)
        return source

    def record(self, source: Source | None = None) -> Record:
        """Read the device once."""
        return (source or self.source()).take(self.images.reading())

    @property
    def healthy(self) -> str:
        """Quality of a record in which nothing is wrong: a terminal without a register is PV + battery, an estimate."""
        terminal = self.images.device.terminal
        return "estimated" if self.role in INVERTER_ROLES and terminal and is_estimated(terminal) else "good"

    @property
    def compared(self) -> dict[str, Register]:
        """Registers with values of the world; not the exponents that scale others."""
        return {
            name: register
            for name, register in self.images.registers.items()
            if register.address not in self.scales and name in self.world.values
        }

    @property
    def scales(self) -> set[int]:
        return {register.scale_address for register in self.images.device.registers if register.scale_address}

    def expected(self, name: str) -> float:
        """Return the value that the words of the wire mean."""
        return self.images.decoded(name)

    def exponent(self, register: Register) -> int:
        word = self.exponents.get(register.scale_address or -1, 0)
        return (word ^ 0x8000) - 0x8000


def exponents(world: PlausibleDevice, constants: Mapping[int, int]) -> dict[int, int]:
    """Return for each scale register the smallest exponent with which all of its values fit."""
    found: dict[int, int] = {}
    for address in {register.scale_address for register in world.device.registers if register.scale_address}:
        if address in constants:
            found[address] = constants[address]
            continue
        scaled = [register for register in world.device.registers if register.scale_address == address]
        found[address] = 0
        for exponent in (-3, -2, -1, 0, 1):
            if all(
                isnan(value := world.values[register.quantity])
                or reach(register, exponent)[0] <= value <= reach(register, exponent)[1]
                for register in scaled
            ):
                found[address] = exponent & 0xFFFF
                break
    return found


def value_of(record: Record, quantity: str) -> float:
    """Return a value of a record; NaN for none."""
    return values_of(record).get(quantity, nan)


def values_of(record: Record) -> dict[str, float]:
    """Return all values of a record by quantity; a value that is absent has no key."""
    return {quantity: value for quantity, value in record.as_dict().items() if isinstance(value, float)}


def same(found: float, expected: float) -> bool:
    return found == expected or (isnan(found) and isnan(expected)) or abs(found - expected) <= 1e-9 * abs(expected)


def complete(trial: Trial, right: Mapping[str, float]) -> bool:
    """Return whether the world has a value for every quantity of the map, and the map has the role's power."""
    whole = all(isfinite(value) for value in right.values()) and len(right) == len(trial.images.registers)
    return whole and (trial.role in POWERLESS_ROLES or any(ROLE_POWER.fullmatch(name) for name in right))


def put(trial: Trial, quantity: str, value: float) -> None:
    """Write a value on the wire."""
    register = trial.images.registers[quantity]
    trial.images.change(quantity, *encode(register, value, exponent=trial.exponent(register)))


PORT_VALUE = re.compile(
    r"(|meter_|inverter_)(voltage_(l[123]n|l[123]l[123]|ln_average|ll_average)|current_(l[123]|total|average|n)"
    r"|(active|reactive|apparent)_power_(total|l[123])|power_factor_(total|l[123])|frequency)(?!_demand)(_\w+)?"
    r"|()(output_power(_total)?)"
)
"""A value of an AC port: of the device's own terminals, of an inverter's grid meter, or behind an inverter's relay."""


def port_of(quantity: str) -> str:
    """Return the prefix of a port's quantities, "" for the device's own terminals."""
    matched = PORT_VALUE.fullmatch(quantity)
    return (matched[1] or "") if matched else ""


def void_with_its_port(trial: Trial, values: Mapping[str, float]) -> set[str]:
    """Return the values of the ports whose voltages are all 0 while more than 2 % of the rated power flows.

    The total of a hybrid inverter may flow through its backup port, so it is not the grid port's own power. Without a
    rated power, 100 W or 0.5 A flow, as in every state of the plausible world.
    """
    rated = trial.setting.rated
    hybrid = trial.images.device.kind == "inverter" and any("battery_" in name for name in trial.setting.quantities)
    ports: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        if PORT_VALUE.fullmatch(name) and not isnan(value):
            ports.setdefault(port_of(name), {})[name] = abs(value)
    void: set[str] = set()
    for prefix, port in ports.items():
        voltages = [value for name, value in port.items() if "voltage" in name]
        currents = [value for name, value in port.items() if "current" in name and "current_n" not in name]
        powers = [
            value
            for name, value in port.items()
            if re.search("(?<!re)active_power_|output_power", name) and ("_l" in name or prefix or not hybrid)
        ]
        least_power = 0.02 * rated if rated else 100.0
        least_current = 0.02 * rated / 230.0 / max(1, len(currents)) if rated else 0.5
        flows = any(power > least_power for power in powers) or any(current > least_current for current in currents)
        if voltages and not any(voltages) and flows:
            void |= port.keys()
    return void


def with_phase_voltage(name: str) -> bool:
    return bool({"voltage_l1n", "frequency"} & set(loaded(name)[0].quantities)) and not name.startswith("sunspec")


def ac_current(quantity: str) -> bool:
    return "current" in quantity and not quantity.startswith(("dc_", "battery_", "rated_"))


def counted(trial: Trial) -> bool:
    """Return whether the device has an energy counter with a value above 0."""
    return any("energy" in name and trial.expected(name) > 0.0 for name in trial.compared)


def whole_of(trial: Trial) -> dict[str, float]:
    return {quantity: trial.expected(quantity) for quantity in trial.compared}
