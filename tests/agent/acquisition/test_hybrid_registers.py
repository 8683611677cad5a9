"""Registers of hybrid inverters in seven states: terminal, PV, battery and grid are what the state says.

States and addresses are those of METHOD-SITE 8.2; scales, signs and word orders those of the sources that each
register map names. The words are written here by hand, without the maps.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.map_roles import complete, parts
from wattgram_drivers.plan import make_plan

HERE = parse("tcp://127.0.0.1:1502")


@dataclass(frozen=True)
class State:
    """Powers in W: terminal, + to AC; PV; battery, + discharging; grid, + imported."""

    terminal: int
    pv: int
    battery: int
    grid: int


STATES = {
    "charging from PV": State(4800, 8000, -3000, 2000),
    "night, discharging": State(4750, 0, 5000, 1000),
    "evening, both": State(4800, 2000, 3000, 1000),
    "charging from the grid": State(-4250, 0, -4000, 10000),
    "charging from grid and PV": State(-3200, 1000, -4000, 10000),
    "standby": State(-30, 0, 0, 1000),
    "exporting": State(9500, 10000, 0, -6000),
}
"""METHOD-SITE 8.2's oracles, and one that exports."""

Words = dict[int, int]


def high_first(address: int, value: int) -> Words:
    """Return 32 bits, two's complement, high word first."""
    return {address: (value >> 16) & 0xFFFF, address + 1: value & 0xFFFF}


def low_first(address: int, value: int) -> Words:
    return {address: value & 0xFFFF, address + 1: (value >> 16) & 0xFFFF}


def apart(low: int, high: int, value: int) -> Words:
    return {low: value & 0xFFFF, high: (value >> 16) & 0xFFFF}


def short(address: int, value: int) -> Words:
    return {address: value & 0xFFFF}


def single(address: int, value: float, *, low: bool = False) -> Words:
    """Return an IEEE 754 single."""
    first, second = struct.unpack(">2H", struct.pack(">f", value))
    return {address: second if low else first, address + 1: first if low else second}


def fronius_modules(state: State, at: int) -> Words:
    """Return model 160 with its scale of W at `at`: PV in modules 1 and 2, charging in 3, discharging in 4."""
    powers = (state.pv // 2, state.pv - state.pv // 2, max(0, -state.battery), max(0, state.battery))
    first = at + 17  # DCW of module 1: 8 + 10 registers behind the scale factors
    return {at: 0, **{first + 20 * number: power for number, power in enumerate(powers)}}


def sungrow(state: State, *, signed: bool) -> Words:
    """Return Sungrow's words: 13021 signed, or a magnitude with the flags of 13000 (bit 1 charging, 2 discharging)."""
    flag = 0 if signed or not state.battery else 0x0002 if state.battery < 0 else 0x0004
    battery = state.battery if signed else abs(state.battery)
    return {
        **low_first(13033, state.terminal),
        **low_first(5016, state.pv),
        **short(13021, battery),
        13000: flag,
        **low_first(5600, state.grid),
    }


THREE_PHASES = high_first(35129, 300)
"""GoodWe's power of the second phase, by which the map knows a unit with three phases."""

IMAGES: Mapping[str, tuple[str, Callable[[State], Words]]] = {
    "Huawei": (
        "huawei_sun2000",
        lambda state: {
            **high_first(32080, state.terminal),
            **high_first(32064, state.pv),
            **high_first(37765, -state.battery),
        },
    ),
    "Sungrow, old firmware": ("sungrow_sh_hybrid", lambda state: sungrow(state, signed=False)),
    "Sungrow, new firmware": ("sungrow_sh_hybrid", lambda state: sungrow(state, signed=True)),
    "Deye": (
        "deye_hybrid_3p",
        lambda state: {
            **apart(636, 694, state.terminal),
            672: state.pv - 100,
            673: 100,
            674: 0,
            675: 0,
            **(short(672, state.pv) | short(673, 0) if state.pv < 100 else {}),
            **short(590, state.battery),
            **apart(625, 690, state.grid),
        },
    ),
    "GoodWe": (
        "goodwe_et",
        lambda state: {
            **THREE_PHASES,
            **high_first(35137, state.terminal),
            **high_first(35105, state.pv),
            **{address: 0 for tracker in (35109, 35113, 35117) for address in (tracker, tracker + 1)},
            **high_first(35182, state.battery),
            36004: 1,
            **high_first(36025, -state.grid),
        },
    ),
    "GoodWe, one phase, two trackers": (
        "goodwe_et",
        lambda state: {
            **high_first(35129, 0x7FFFFFFF),
            35137: 0,
            35138: state.terminal & 0xFFFF,
            **high_first(35105, state.pv // 2),
            **high_first(35109, state.pv - state.pv // 2),
            **{address: 0xFFFF for tracker in (35113, 35117) for address in (tracker, tracker + 1)},
            **high_first(35182, state.battery),
            36004: 1,
            **high_first(36025, -state.grid),
        },
    ),
    "Solis": (
        "solis_hybrid_33xxx",
        lambda state: {
            **high_first(33079, state.terminal),
            **high_first(33057, state.pv),
            **high_first(33149, abs(state.battery)),
            33135: 0 if state.battery < 0 else 1,
            **high_first(33263, -state.grid),
        },
    ),
    "Sofar G3": (
        "sofar_g3",
        lambda state: {
            **short(1157, state.terminal // 10),
            1414: state.pv // 10,
            1417: 0,
            1420: 0,
            1423: 0,
            **short(1542, -state.battery // 10),
            **short(1160, -state.grid // 10),
        },
    ),
    "Sofar HYD": (
        "sofar_hyd_legacy",
        lambda state: {
            533: state.pv // 10,
            **short(525, -state.battery // 10),
            **short(530, -state.grid // 10),
        },
    ),
    "SMA": (
        "sma_native",
        lambda state: {
            **high_first(30775, state.terminal),
            **high_first(30773, state.pv),
            **high_first(30961, 0),
            **high_first(30967, 0x80000000),  # no third tracker
            **high_first(31393, max(0, -state.battery)),
            **high_first(31395, max(0, state.battery)),
            **high_first(30865, max(0, state.grid)),
            **high_first(30867, max(0, -state.grid)),
        },
    ),
    "SolarEdge": (
        "solaredge_inverter",
        lambda state: {
            **short(40083, state.terminal),
            40084: 0,
            **short(40100, state.pv + state.battery),  # what leaves the DC bus
            40101: 0,
            **single(57716, -state.battery, low=True),
        },
    ),
    "Growatt": (
        "growatt_tlx",
        lambda state: {
            **high_first(3023, 10 * state.terminal),
            **high_first(3001, 10 * state.pv),
            **high_first(3178, 10 * max(0, state.battery)),
            **high_first(3180, 10 * max(0, -state.battery)),
            **high_first(3041, 10 * max(0, state.grid)),
            **high_first(3043, 10 * max(0, -state.grid)),
        },
    ),
    "Fronius, integers": (
        "fronius_sunspec_int_sf",
        lambda state: {**short(40083, state.terminal), 40084: 0, **fronius_modules(state, 40257)},
    ),
    "Fronius, floats": (
        "fronius_sunspec_float",
        lambda state: {**single(40091, state.terminal), **fronius_modules(state, 40267)},
    ),
}


def source_of(driver: str, role: str, words: Mapping[int, int], *, readings: int = 1) -> Source:
    """Return a source of a role after readings of these words; all other registers are refused."""
    device = load(driver)
    plan = make_plan(device)
    source = Source(DeviceConfig("one", role, driver, device, HERE, device.unit), "works", 0.0)
    source.equip(device, plan)
    image, valid = bytearray(2 * plan.words), bytearray(plan.words)
    for place in plan.places:
        register = place.register
        places = [*zip(register.addresses, place.positions, strict=True)]
        if register.scale_address is not None:
            places.append((register.scale_address, place.scale_position))
        if register.direction is not None:
            places.append((register.direction.address, place.direction_position))
        if register.variant is not None:
            for guard, position in zip(register.variant.guards, place.guard_positions, strict=True):
                places += [(guard.address + word, position + word) for word in range(guard.registers)]
            other, at = register.variant.register, place.variant
            if other is not None and at is not None:
                places += [*zip(other.addresses, at.positions, strict=True)]
        for address, position in places:
            if address in words:
                struct.pack_into(">H", image, 2 * position, words[address])
                valid[position] = 1
    for number in range(readings):
        source.take(Reading(number * 10**9, float(number), bytes(image), bytes(valid)))
    return source


def side(source: Source, alternatives: tuple[tuple[str, ...], ...]) -> float:
    """Return the power of the first alternative that has values."""
    assert source.latest is not None
    values = {
        name: value
        for name in source.latest.record.series.fields
        if isinstance(value := source.latest.record[name], float) and not isnan(value)
    }
    chosen = complete(alternatives, values)
    assert chosen, alternatives
    return sum(factor * values[name] for name, factor in parts(chosen))


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize(("driver", "image"), IMAGES.values(), ids=IMAGES)
def test_a_hybrid_tells_terminal_pv_battery_and_grid(
    driver: str, image: Callable[[State], Words], state: State
) -> None:
    words, device = image(state), load(driver)
    terminal = device.terminal
    assert terminal is not None
    source = source_of(driver, "pv", words)
    battery = side(source, terminal.battery_power)
    pv = side(source, terminal.pv_power)
    assert pv - (battery if terminal.dc == "net" else 0.0) == state.pv
    assert battery == state.battery
    assert source_of(driver, "battery", words).power(0.0) == state.battery
    if terminal.bridge:
        assert side(source, tuple((name,) for name in terminal.bridge)) == pytest.approx(state.terminal)
        assert source.power(0.0) == pytest.approx(state.terminal), "alone, the PV device is what its terminal delivers"
    if "grid" in device.roles:
        assert source_of(driver, "grid", words).power(0.0) == state.grid


def test_the_backup_port_of_a_goodwe_is_within_its_terminal() -> None:
    # A public dump (marcelblijleven/goodwe tests/sample/et/GW10K-ET): PV 3456 W, battery -2512 W, terminal 831 W,
    # backup port 312 W, load 522 W, grid 3 W in. 831 = 522 + 312 - 3.
    words = {
        **high_first(35105, 1695),
        **high_first(35109, 1761),
        **{address: 0 for tracker in (35113, 35117) for address in (tracker, tracker + 1)},
        **THREE_PHASES,
        **high_first(35137, 831),
        **high_first(35139, -3),
        **high_first(35169, 312),
        **high_first(35171, 522),
        **high_first(35182, -2512),
    }
    pv, grid, load_ = (source_of("goodwe_et", role, words) for role in ("pv", "grid", "load"))
    assert (pv.power(0.0), grid.power(0.0), load_.power(0.0)) == (831.0, 3.0, 834.0)
    assert pv.power(0.0) + grid.power(0.0) == load_.power(0.0)


def test_a_goodwe_as_pv_is_its_own_power_and_not_the_grids() -> None:
    # PV 5 kW, house 4 kW, export 1 kW: 35137 is the inverter, 35139 the grid, export +.
    words = {**high_first(35137, 5000), **high_first(35139, 1000), 36004: 1, **high_first(36025, 1000), **THREE_PHASES}
    pv, grid = source_of("goodwe_et", "pv", words).power(0.0), source_of("goodwe_et", "grid", words).power(0.0)
    assert (pv, grid, pv + grid) == (5000.0, -1000.0, 4000.0)


def test_a_huawei_at_night_delivers_its_battery_through_its_own_terminal() -> None:
    # Battery 5 kW, import 0.1 kW, inverter 4.8 kW: load = import + max(terminal, 0) = 4.9 kW.
    words = {
        **high_first(32080, 4800),
        **high_first(32064, 0),
        **high_first(37765, -5000),
    }
    assert source_of("huawei_sun2000", "pv", words).power(0.0) + 100.0 == 4900.0
    assert source_of("huawei_luna2000", "battery", words).power(0.0) == 5000.0


def test_an_inverter_without_a_battery_lacks_nothing_where_its_registers_are_refused() -> None:
    words = {**high_first(32080, 4800), **high_first(32064, 5000)}
    source = source_of("huawei_sun2000", "pv", words, readings=5)
    assert source.latest is not None
    assert source.power(0.0) == 4800.0
    assert not {"battery_power", "battery_soc"} & {*source.latest.judged.missing}


def test_a_tracker_that_has_delivered_once_is_part_of_pv_from_then_on() -> None:
    # 30967 is absent at dawn and then 700 W: an SMA with three trackers, whose PV is never the sum of two again.
    words = IMAGES["SMA"][1](STATES["evening, both"])
    source = source_of("sma_native", "pv", words)
    assert source.power(0.0) == 4800.0
    terminal = load("sma_native").terminal
    assert terminal is not None
    assert side(source, terminal.pv_power) == 2000.0
    assert side(source_of("sma_native", "pv", words | high_first(30967, 700)), terminal.pv_power) == 2700.0
