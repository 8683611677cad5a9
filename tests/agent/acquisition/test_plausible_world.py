"""What can be true passes unchanged, what cannot be true never reaches a record: every map of the catalogue.

Images of a plausible world go the way of `run`, from the reader through a configured device to its record. Then one
value is broken: beyond its bound, not finite, a denormal, words swapped, all ones, a sign that is wrong. The bounds are
written down once more in `tests/support/physical_bounds`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from math import inf, isfinite, isnan, nan
from random import Random
from zoneinfo import ZoneInfo

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.terminal_reading import INVERTER_ROLES, is_estimated
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers import catalogue
from wattgram_drivers.device import Device, Register
from wattgram_drivers.endpoint import parse
from wattgram_drivers.quantity import QUANTITIES
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.register_encoding import encode, limits, split

from tests.support.physical_bounds import (
    AC_POWER,
    AC_VOLTAGE,
    FREQUENCY,
    Setting,
    bounds,
    certain,
)
from tests.support.plausible_world import ROLES_BY_KIND, PlausibleDevice, reach, step
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


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", DEVICES)
def test_what_can_be_true_passes_unchanged(name: str, seed: int) -> None:
    passes_unchanged(name, seed)


@pytest.mark.nightly(part="days")
@pytest.mark.parametrize("name", DEVICES)
def test_what_can_be_true_passes_unchanged_in_many_worlds(name: str) -> None:
    for seed in NIGHTLY_SEEDS:
        passes_unchanged(name, seed)


def passes_unchanged(name: str, seed: int) -> None:
    for rated in (True, False):
        trial = Trial(name, seed, rated=rated)
        source = trial.source()
        for _ in range(3):
            record = trial.record(source)
        told = {quantity: value_of(record, quantity) for quantity in trial.compared}
        right = {quantity: trial.expected(quantity) for quantity in trial.compared}
        assert any(isfinite(value) for value in right.values())
        differ = {
            quantity: (told[quantity], value) for quantity, value in right.items() if not same(told[quantity], value)
        }
        assert not differ
        assert record["quality"] == trial.healthy or not complete(trial, right)


def complete(trial: Trial, right: Mapping[str, float]) -> bool:
    """Return whether the world has a value for every quantity of the map, and the map has the role's power."""
    whole = all(isfinite(value) for value in right.values()) and len(right) == len(trial.images.registers)
    return whole and (trial.role in POWERLESS_ROLES or any(ROLE_POWER.fullmatch(name) for name in right))


def near(trial: Trial, quantity: str, edge: float, share: float) -> float | None:
    """Return a value at `share` of a bound where the register can hold it and its steps are fine enough."""
    register, value = trial.images.registers[quantity], edge * share
    low, high = reach(register, trial.exponent(register))
    fine = step(register, trial.exponent(register)) < 0.4 * abs(edge) * abs(share - 1.0)
    return value if low < value < high and edge and fine and not register.factors else None


def put(trial: Trial, quantity: str, value: float) -> None:
    """Write a value on the wire."""
    register = trial.images.registers[quantity]
    trial.images.change(quantity, *encode(register, value, exponent=trial.exponent(register)))


@pytest.mark.parametrize("rated", [True, False], ids=["rated", "unrated"])
@pytest.mark.parametrize("name", DEVICES)
def test_a_bound_lies_where_the_method_puts_it(name: str, rated: bool) -> None:
    wrong: list[str] = []
    for role in ROLES_BY_KIND[loaded(name)[0].kind]:
        trial = Trial(name, 0, role=role, rated=rated)
        for quantity in trial.compared:
            found = bounds(quantity, trial.setting)
            if found is None or trial.images.registers[quantity].direction or AC_VOLTAGE.fullmatch(quantity):
                continue
            for edge in dict.fromkeys((*found.inner, *found.outer)):
                for share in (0.97, 1.03):
                    value = near(trial, quantity, edge, share)
                    if value is None:
                        continue
                    put(trial, quantity, value)
                    meant, told = trial.expected(quantity), value_of(trial.record(), quantity)
                    can_be = certain(quantity, meant, trial.setting)
                    if can_be is not None and not same(told, meant if can_be else nan):
                        wrong.append(f"{role}, rated {trial.setting.rated}: {quantity} = {meant:g} told as {told:g}")
                    trial.images.restore()
    assert not wrong, "\n".join(wrong)


def breakages(
    register: Register, words: list[int], setting: Setting, exponent: int, dice: Random
) -> Iterator[list[int]]:
    """Yield the words of one broken value: what a device, its gateway or its map's word order does to it."""
    found = bounds(register.quantity, setting)
    width = 16 * register.words
    if register.type in FLOATS:
        pack = {"f32": ">f", "f64": ">d"}[register.type]
        for raw in (
            inf,
            -inf,
            3.4e38,
            -3.4e38,
            1e-40,
            -2.4e-41,
            5e-13,
            dice.uniform(-1, 1) * 10.0 ** dice.randint(9, 30),
        ):
            scaled = raw if abs(raw) > 1e30 or raw == 0.0 else raw / float(register.scale)
            yield split(register, int.from_bytes(struct.pack(pack, scaled), "big"))
        yield split(register, dice.choice((0x7F800001, 0xFFC00000)) << (width - 32))
    if register.words > 1:
        yield words[::-1]
        yield [((word & 0xFF) << 8) | word >> 8 for word in words]
    yield [0xFFFF] * register.words
    yield split(register, 1 << (width - 1))
    yield split(register, (1 << (width - 1)) - 1)
    if found:
        edges = found.outer
        low, high = reach(register, exponent)
        for factor in (1.05, 3.0, 10.0, 1e3, 1e6):
            for edge in edges:
                if low < factor * edge < high:
                    yield encode(register, factor * edge, exponent=exponent)
        for value in (-1.0 if edges[0] >= 0.0 else nan, -dice.uniform(*sorted((0.1, edges[1])))):
            if low < value < high and register.type not in ("u16", "u32", "u64"):
                yield encode(register, value, exponent=exponent)
    if register.type not in FLOATS:
        low_count, high_count = limits(register)
        yield split(register, dice.randint(low_count, high_count) % (1 << width))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", DEVICES)
def test_a_value_that_cannot_be_true_never_reaches_a_record(name: str, seed: int) -> None:
    never_reaches_a_record(name, seed)


@pytest.mark.nightly(part="days")
@pytest.mark.parametrize("name", DEVICES)
def test_a_value_that_cannot_be_true_never_reaches_a_record_in_many_worlds(name: str) -> None:
    for seed in NIGHTLY_SEEDS:
        never_reaches_a_record(name, seed)


def never_reaches_a_record(name: str, seed: int) -> None:
    dice = Random(f"{name} {seed} broken")
    trial = Trial(name, seed, rated=dice.random() < 0.7)
    wrong: list[str] = []
    chosen = [quantity for quantity in trial.compared if not trial.images.registers[quantity].direction]
    factors = {factor for register in trial.images.registers.values() for factor in register.factors}
    states = {condition.state for condition in trial.images.device.conditions} | {trial.images.device.nameplate}
    whole = {quantity: trial.expected(quantity) for quantity in trial.compared}
    for quantity in dice.sample(chosen, min(4, len(chosen))):
        if quantity in factors | states:
            continue
        register = trial.images.registers[quantity]
        words = trial.images.own_words(quantity)
        for broken in breakages(register, words, trial.setting, trial.exponent(register), dice):
            trial.images.change(quantity, *broken)
            wrong += told_wrong(trial, quantity, broken, whole)
            trial.images.restore()
    assert not wrong, "\n".join(wrong)


def told_wrong(trial: Trial, quantity: str, broken: list[int], whole: Mapping[str, float]) -> list[str]:
    """Return what a record says wrongly after one value's words were replaced."""
    meant = trial.expected(quantity)
    source = trial.source()
    record = trial.record(source)
    values, quality = values_of(record), record["quality"]
    told = values.get(quantity, nan)
    address = trial.images.registers[quantity].address

    def turned(other: str) -> bool:
        """Return whether the broken words have the direction of another value, which is unknown then."""
        direction = trial.images.registers[other].direction
        return direction is not None and direction.address == address

    shown = f"{quantity} = {' '.join(f'{word:04x}' for word in broken)} ({meant:g})"
    shown += f", role {trial.role}, rated {trial.setting.rated}"
    found: list[str] = []
    tiny = 0.0 < abs(meant) < 1e-12
    if certain(quantity, meant, trial.setting) is not False:
        others = (meant, 100.0 * meant) if "power_factor" in quantity else (meant,)  # percent, or a share
        if not isnan(told) and not any(same(told, value) for value in others):
            found.append(f"{shown}: told as {told:g}")
    elif not isnan(told) and not (tiny and told == 0.0):
        found.append(f"{shown}: told as {told:g}, {quality}")
    elif quality == trial.healthy and not isnan(meant) and not tiny:
        found.append(f"{shown}: withheld in a record that is good")
    dead = void_with_its_port(trial, {**whole, quantity: meant})
    for other, before in whole.items():
        shown_value = values.get(other, nan)
        # the words of a direction are the device's own statement: the value has that sign, or is unknown
        value = trial.expected(other) if turned(other) and not isnan(shown_value) else before
        if other in dead:
            if not isnan(shown_value):
                found.append(f"{shown}: the port is dead, and {other} is told as {shown_value:g}")
        elif other != quantity and not same(shown_value, value) and not isnan(shown_value):
            found.append(f"{shown}: changes {other} from {value:g} to {shown_value:g}")
        elif other != quantity and isnan(shown_value) and not isnan(value) and not (tiny or turned(other)):
            found.append(f"{shown}: takes {other} = {value:g} with it")
    if dead and quality == "good":
        found.append(f"{shown}: the port is dead, and the record is good")
    return found


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


@pytest.mark.parametrize("word", [0x0000, 0xFFFF])
@pytest.mark.parametrize("name", [name for name in DEVICES if with_phase_voltage(name)])
def test_a_block_without_a_single_bit_of_its_own_is_void(name: str, word: int) -> None:
    trial = Trial(name, 0)
    trial.images.every = lambda _: word
    record = trial.record()
    named = {"voltage_l1n", "voltage_l2n", "voltage_l3n", "frequency"} & set(trial.images.registers)
    void = set().union(*(trial.images.together_with(quantity) for quantity in named))
    if word == 0x0000:  # a code of 0 may be true
        void = {quantity for quantity in void if QUANTITIES[quantity].unit != "1" or "factor" in quantity}
    told = {quantity: value_of(record, quantity) for quantity in void}
    assert {quantity: value for quantity, value in told.items() if not isnan(value)} == {}
    assert record["quality"] != trial.healthy


def ac_current(quantity: str) -> bool:
    return "current" in quantity and not quantity.startswith(("dc_", "battery_", "rated_"))


def counted(trial: Trial) -> bool:
    """Return whether the device has an energy counter with a value above 0."""
    return any("energy" in name and trial.expected(name) > 0.0 for name in trial.compared)


@pytest.mark.parametrize("name", [name for name in DEVICES if "voltage_l1n" in loaded(name)[0].quantities])
def test_zeros_beside_a_counter_above_zero_are_an_outage_and_good(name: str) -> None:
    trial = Trial(name, 0)
    if not counted(trial):
        return
    dead = {
        quantity: 0.0
        for quantity in trial.compared
        if any(word in quantity for word in ("voltage", "current", "_power", "frequency"))
        and quantity != trial.images.device.nameplate
        and not quantity.startswith(("dc_", "battery_", "rated", "power_"))
        and not isnan(trial.world.values[quantity])
    }
    trial.images.values.update(dead)
    record = trial.record()
    told = {
        quantity: value_of(record, quantity)
        for quantity in dead
        # The voltages tell some maps how many phases there are.
        if not FREQUENCY.fullmatch(quantity) and getattr(trial.images.registers[quantity], "variant", None) is None
    }
    right = {quantity: trial.expected(quantity) for quantity in told}
    assert told == right | {quantity: nan for quantity, value in right.items() if isnan(value)} or told == right
    assert record["quality"] == trial.healthy or not complete(trial, whole_of(trial))


def whole_of(trial: Trial) -> dict[str, float]:
    return {quantity: trial.expected(quantity) for quantity in trial.compared}


@pytest.mark.parametrize("name", [name for name in DEVICES if "frequency" in loaded(name)[0].quantities])
def test_a_frequency_of_zero_beside_a_voltage_is_absent_alone(name: str) -> None:
    trial = Trial(name, 0)
    register = trial.images.registers["frequency"]
    if "voltage_l1n" not in trial.images.registers or trial.images.device.kind == "genset":
        return
    whole = whole_of(trial)
    trial.images.change("frequency", *[0] * register.words)
    record = trial.record()
    assert isnan(value_of(record, "frequency"))
    lost = [quantity for quantity in whole if quantity != "frequency" and isnan(value_of(record, quantity))]
    assert [quantity for quantity in lost if not isnan(whole[quantity])] == []


@pytest.mark.parametrize("name", [name for name in DEVICES if loaded(name)[0].kind == "meter"])
def test_a_meter_without_voltage_and_with_power_measures_nothing(name: str) -> None:
    trial = Trial(name, 0)
    voltages = [quantity for quantity in trial.compared if AC_VOLTAGE.fullmatch(quantity)]
    powers = [quantity for quantity in trial.compared if AC_POWER.fullmatch(quantity)]
    if "voltage_l1n" not in voltages or not powers:
        return
    trial.images.values.update(dict.fromkeys(voltages, 0.0))
    if isnan(trial.expected("voltage_l1n")):
        return  # 0 means not available
    record = trial.record()
    told = {quantity: value_of(record, quantity) for quantity in powers}
    assert {quantity: value for quantity, value in told.items() if not isnan(value)} == {}
    assert record["quality"] != trial.healthy


@pytest.mark.parametrize("rated", [True, False], ids=["rated", "unrated"])
@pytest.mark.parametrize("name", DEVICES)
def test_a_dead_port_takes_its_own_values_and_no_others(name: str, rated: bool) -> None:
    trial = Trial(name, 0, rated=rated)
    whole = whole_of(trial)
    for prefix in ("", "meter_", "inverter_"):
        for quantity in trial.compared:
            if AC_VOLTAGE.fullmatch(quantity) and port_of(quantity) == prefix:
                trial.images.change(quantity, *[0] * trial.images.registers[quantity].words)
        void = void_with_its_port(trial, whole_of(trial))
        record = trial.record()
        if void:
            assert [quantity for quantity in void if not isnan(value_of(record, quantity))] == []
            assert record["quality"] != trial.healthy
            others = {quantity: value for quantity, value in whole.items() if not PORT_VALUE.fullmatch(quantity)}
            assert [other for other, value in others.items() if not same(value_of(record, other), value)] == []
        trial.images.restore()


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in DEVICES
        if "active_power_total" in loaded(name)[0].quantities
        and {"dc_power", "dc_power_1"} & set(loaded(name)[0].quantities)
    ],
)
def test_an_inverter_behind_a_dead_grid_has_no_power_and_keeps_its_dc_side(name: str) -> None:
    trial = Trial(name, 0)
    ports = [
        quantity
        for quantity in trial.compared
        if AC_VOLTAGE.fullmatch(quantity) or AC_POWER.fullmatch(quantity) or ac_current(quantity)
        if not isnan(trial.world.values[quantity])
    ]
    if not counted(trial) or "voltage_l1n" not in ports:
        return
    ports += [quantity for quantity in trial.compared if re.fullmatch(r"(grid|output|inverter)_power\w*", quantity)]
    trial.images.values.update(dict.fromkeys(ports, 0.0))
    trial.images.values["apparent_power_total"] = trial.images.values["reactive_power_total"] = 0.0
    sides = {quantity: trial.expected(quantity) for quantity in trial.compared if quantity.startswith("dc_")}
    record = trial.record()
    assert value_of(record, "active_power_total") == 0.0
    assert {quantity: value for quantity, value in sides.items() if not same(value_of(record, quantity), value)} == {}


def test_values_whose_condition_does_not_hold_are_absent() -> None:
    conditioned = [name for name in DEVICES if loaded(name)[0].conditions]
    assert "huawei_dtsu666h" in conditioned
    for name in conditioned:
        trial = Trial(name, 0)
        for condition in trial.images.device.conditions:
            other = next(code for code in (0.0, 1.0, 2.0, 3.0, 7.0) if code not in condition.allowed)
            trial.images.values[condition.state] = other
            record = trial.record()
            covered = condition.quantities or tuple(each for each in trial.compared if each != condition.state)
            told = {quantity: value_of(record, quantity) for quantity in covered}
            assert {quantity: value for quantity, value in told.items() if not isnan(value)} == {}, name
            assert record["quality"] != trial.healthy, name
            trial.images.values[condition.state] = condition.allowed[0]


@pytest.mark.parametrize("name", [name for name in DEVICES if with_phase_voltage(name)])
def test_a_power_far_above_its_voltage_and_current_is_withheld_from_the_third_reading(name: str) -> None:
    trial = Trial(name, 0, rated=False)
    trial.images.reading()
    pairs = {"voltage_l1n", "current_l1", "active_power_total"}
    register = trial.images.registers.get("active_power_total")
    if not pairs <= set(trial.compared) or not pairs <= trial.images.together_with("voltage_l1n") or register is None:
        return
    if trial.images.device.kind == "inverter" and {"battery_soc", "battery_power"} & set(trial.images.registers):
        return  # the total of a hybrid inverter flows through its backup port, too
    power = 3.0 * abs(trial.world.values["active_power_total"]) + 5000.0
    low, high = reach(register, trial.exponent(register))
    if not low < power < high or trial.setting.rated is not None:
        return
    put(trial, "active_power_total", power)
    source = trial.source()
    told = [value_of(trial.record(source), "active_power_total") for _ in range(4)]
    assert not isnan(told[0])
    assert isnan(told[3])
