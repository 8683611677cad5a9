"""What can be true passes unchanged, what cannot be true never reaches a record: every map of the catalogue.

Images of a plausible world go the way of `run`, from the reader through a configured device to its record. Then one
value is broken: beyond its bound, not finite, a denormal, words swapped, all ones, a sign that is wrong. The bounds are
written down once more in `tests/support/physical_bounds`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from math import inf, isfinite, isnan, nan
from random import Random

import pytest
from wattgram_drivers.device import Register
from wattgram_drivers.simulated.register_encoding import encode, limits, split

from tests.support.physical_bounds import AC_VOLTAGE, Setting, bounds, certain
from tests.support.plausible_trials import (
    DEVICES,
    FLOATS,
    NIGHTLY_SEEDS,
    Trial,
    complete,
    loaded,
    put,
    same,
    value_of,
    values_of,
    void_with_its_port,
    with_phase_voltage,
)
from tests.support.plausible_world import ROLES_BY_KIND, reach, step


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


def near(trial: Trial, quantity: str, edge: float, share: float) -> float | None:
    """Return a value at `share` of a bound where the register can hold it and its steps are fine enough."""
    register, value = trial.images.registers[quantity], edge * share
    low, high = reach(register, trial.exponent(register))
    fine = step(register, trial.exponent(register)) < 0.4 * abs(edge) * abs(share - 1.0)
    return value if low < value < high and edge and fine and not register.factors else None


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
